"""Tries candidate repairs in a scratch copy: each one under its own limits, in its own process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from hob.models.offline.onsite import pytests, suite, survey


class Bench:
    """The scratch copy and the tests to run in it."""

    def __init__(self, job: dict[str, Any], scratch: str, files: list[str]) -> None:
        self.job = job
        self.scratch = scratch
        kinds = survey.survey(scratch, files)
        self.plan = survey.make_plan(scratch, f"{scratch}-temp", kinds, job)
        self.plan["limit_s"] = min(10.0, max(0.4 if job["slowest"] else 0.7, 10 * job["slowest"]))
        self.plan["tests"] = []
        self.tests_of_whole: int = job["total"]

    def aim(self) -> str:
        """Run the failing tests up to the first that still fails; return passed, failed or hang."""
        first = dict(self.plan, stop=True)
        # File by file: most candidates fail in the first, and need not wait until all others are collected.
        files: dict[str, list[str]] = {}
        for one in self.job["bad_ids"]:
            files.setdefault(one.split("::")[0], []).append(one)
        passed = False
        for ids in files.values():
            records = suite.run(first, ids, 20 + self.plan["limit_s"])
            outcomes = [record["outcome"] for record in records]
            if any(record.get("error") == "Hang" for record in records):
                return "hang"
            if "failed" in outcomes:
                return "failed"
            passed = passed or "passed" in outcomes
        return "passed" if passed else "failed"

    def whole(self) -> bool:
        """Run the whole suite; True if nothing failed and no test went missing."""
        records = suite.run(dict(self.plan, stop=True), None, 150.0)
        outcomes = [record["outcome"] for record in records]
        return "failed" not in outcomes and outcomes.count("passed") >= self.tests_of_whole


def sound(text: str) -> bool:
    """Tell whether a text compiles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "candidate", "exec")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def put(path: Path, text: str) -> None:
    """Write a source file and forget its bytecode: same second and same length would count as unchanged."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    for old in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        old.unlink(missing_ok=True)


def attempt(bench: Bench, result: dict[str, Any], number: int, path: Path, text: str) -> None:
    """Put one candidate in place, judge it, and write the verdict into the result."""
    put(path, text)
    result["tried"] += 1
    verdict = bench.aim()
    if verdict == "hang":
        result["hangs"] += 1
    if verdict == "passed":
        result["aimed"].append(number)
        if bench.whole():
            result["green"].append(number)


def search(job: dict[str, Any], bench: Bench) -> dict[str, Any]:
    """Try the candidates in order until some repair everything or the time is over."""
    deadline = time.monotonic() + job["budget_s"]
    originals: list[str] = [survey.read(Path(bench.scratch, path)) for path in job["files"]]
    for path, text, sha in zip(job["files"], originals, job["sha"]):  # noqa: B905
        if hashlib.sha256(text.encode()).hexdigest()[:16] != sha:
            return {"problem": f"{path} has changed since it was read"}
    if bench.aim() == "passed":
        return {"problem": "the failing tests pass when they are run again without any change"}
    result: dict[str, Any] = {"tried": 0, "last": -1, "green": [], "aimed": [], "hangs": 0}
    more = job["after_first"]
    rows: list[tuple[int, int, int, str]] = job["candidates"]
    for number, (index, start, end, text) in enumerate(rows):
        if time.monotonic() > deadline or (result["green"] and more <= 0):
            break
        more -= 1 if result["green"] else 0
        result["last"] = number
        original = originals[index]
        changed = original[:start] + text + original[end:]
        if changed == original or not sound(changed):
            continue
        path = Path(bench.scratch, job["files"][index])
        try:
            attempt(bench, result, number, path, changed)
        finally:
            put(path, original)
        if len(result["green"]) >= job["enough"]:
            break
    result["seconds"] = round(job["budget_s"] - (deadline - time.monotonic()), 1)
    return result


def main(job: dict[str, Any]) -> None:
    """Do the job that the policy wrote."""
    sys.dont_write_bytecode = True
    root = os.path.realpath(".")
    files, _ = survey.walk(root)
    if job["pytest"]:
        pytests.load_pytest()
    survey.leave_when_told()
    with tempfile.TemporaryDirectory() as folder:
        scratch = f"{os.path.realpath(folder)}/work"
        survey.copy(root, scratch, files)
        with contextlib.suppress(KeyboardInterrupt):
            survey.say(search(job, Bench(job, scratch, files)))
