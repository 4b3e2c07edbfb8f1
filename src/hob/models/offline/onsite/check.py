"""Runs the whole suite where it stands, and says how many tests fail."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from hob.models.offline.onsite import pytests, suite, survey


def main(job: dict[str, Any]) -> None:
    """Do the job that the policy wrote."""
    root = os.path.realpath(".")
    files, _ = survey.walk(root)
    if job["pytest"]:
        pytests.load_pytest()
    with tempfile.TemporaryDirectory() as folder:
        plan = survey.make_plan(root, f"{folder}/temp", survey.survey(root, files), job)
        plan["limit_s"] = max(10.0, 10 * job["slowest"])
        records = suite.run(plan, None, 150.0)
    bad = [record["id"] for record in records if record["outcome"] == "failed"]
    passed = sum(record["outcome"] == "passed" for record in records)
    survey.say({"passed": passed, "n_bad": len(bad), "bad_ids": bad[:5]})
