"""Runs the whole suite in a scratch copy, then the failing tests once more with every executed line recorded."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hob.models.offline.onsite import pytests, suite, survey

ENVIRONMENTS = (".venv/bin/python", "venv/bin/python", "env/bin/python")
SHOWN = 5


def other_python() -> str:
    """Return an interpreter nearby that has pytest, or nothing."""
    for name in (*ENVIRONMENTS, "python3", "python"):
        try:
            done = subprocess.run(
                [name, "-c", "import pytest"], capture_output=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return name
    return ""


def spans(numbers: list[int]) -> str:
    """Write line numbers as ranges."""
    parts: list[str] = []
    start = last = -9
    for number in [*sorted(numbers), 1 << 60]:
        if number == last + 1:
            last = number
            continue
        if start > 0:
            parts.append(str(start) if start == last else f"{start}-{last}")
        start = last = number
    return ",".join(parts)


def suspicion(
    records: list[dict[str, Any]], imported: set[tuple[str, int]]
) -> dict[tuple[str, int], float]:
    """Rank lines by how often failing and passing tests execute them (Ochiai)."""
    bad = [record for record in records if record["outcome"] == "failed"]
    good = [record for record in records if record["outcome"] == "passed"]
    counts: dict[tuple[str, int], list[int]] = {}
    for place, group in ((0, bad), (1, good)):
        for record in group:
            for line in {tuple(one) for one in record["lines"]} | imported:
                counts.setdefault(line, [0, 0])[place] += 1
    total = max(1, len(bad))
    return {line: ef / ((total * (ef + ep)) ** 0.5) for line, (ef, ep) in counts.items() if ef}


def sources(root: str, scores: dict[tuple[str, int], float]) -> list[dict[str, Any]]:
    """Return the most suspicious files with their lines grouped by score."""
    by_file: dict[str, dict[int, float]] = {}
    for (path, line), score in scores.items():
        by_file.setdefault(path, {})[line] = score
    order = sorted(
        by_file, key=lambda path: (-max(by_file[path].values()), len(by_file[path]), path)
    )
    found: list[dict[str, Any]] = []
    for path in order[:SHOWN]:
        data = Path(root, path).read_bytes()
        groups: dict[int, list[int]] = {}
        for line, score in by_file[path].items():
            groups.setdefault(round(score * 100), []).append(line)
        top = sorted(groups, reverse=True)[:12]
        found.append({
            "path": path,
            "lines": len(data.decode("utf-8", "replace").splitlines()),
            "sha": hashlib.sha256(data).hexdigest()[:16],
            "hot": {str(score): spans(groups[score]) for score in top},
        })  # fmt: skip
    return found


def trace(plan: dict[str, Any], records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run failing tests and a sample of the passing ones again, with tracing."""
    bad = [record["id"] for record in records if record["outcome"] == "failed"]
    good = [record for record in records if record["outcome"] == "passed"]
    good.sort(key=lambda record: record["seconds"])
    wanted = bad[:40] + [record["id"] for record in good[:80]]
    hangs = any(record.get("error") == "Hang" for record in records)
    traced = dict(plan, traced=True, limit_s=0.5 if hangs else 10.0)
    lines = {record["id"]: record for record in suite.run(traced, wanted, 60.0)}
    for record in records:
        if record["id"] in lines:
            record["lines"] = lines[record["id"]]["lines"]
    return [record for record in [*records, *lines.values()] if record["outcome"] == "import"]


def blamed(path: str, bad: list[dict[str, Any]]) -> bool:
    """Tell whether a traceback passes through this file."""
    return any(frame[0] == path for record in bad for frame in record.get("frames", []))


def report(plan: dict[str, Any], records: list[dict[str, Any]]) -> dict[str, Any]:
    """Gather what the policy needs to know."""
    bad = [record for record in records if record["outcome"] == "failed"]
    good = [record for record in records if record["outcome"] == "passed"]
    result: dict[str, Any] = {
        "python": sys.executable,
        "pytest": plan["pytest"],
        "plain": sorted(plan["plain"].items()),
        "total": len(bad) + len(good),
        "n_bad": len(bad),
        "slowest": max([record["seconds"] for record in good] or [0.0]),
    }
    if not bad:
        return result
    imports = trace(plan, records)
    imported = {(path, line) for record in imports for path, line in record["lines"]}
    scores = suspicion(records, imported)
    for record in bad:
        for path, line, _ in record.get("frames", []):
            if path not in plan["tests"] and path.endswith(".py"):
                scores.setdefault((path, line), 0.5)
    bad.sort(key=lambda record: (record.get("error") == "Hang", record["seconds"]))
    result["bad"] = [
        {key: record.get(key) for key in ("id", "error", "message", "frames")}
        for record in bad[:SHOWN]
    ]
    result["bad_ids"] = [record["id"] for record in bad[:30] if len(record["id"]) < 200]
    result["files"] = sources(plan["root"], scores)
    return result


def main(job: dict[str, Any]) -> None:
    """Do the job that the policy wrote."""
    root = os.path.realpath(".")
    files, size = survey.walk(root)
    if size > survey.MAX_BYTES or len(files) > survey.MAX_FILES:
        survey.say({"problem": "the workspace is too large for a scratch copy"})
        return
    kinds = survey.survey(root, files)
    if not kinds:
        survey.say({"problem": "no tests"})
        return
    wants = any(kind in ("pytest", "functions") for kind in kinds.values())
    if wants and not pytests.load_pytest():
        python = "" if job.get("second") else other_python()
        if python:
            Path(sys.argv[1]).write_text(json.dumps(dict(job, second=True)), encoding="utf-8")
            os.execvp(python, [python, *sys.argv])
        if any(kind == "pytest" for kind in kinds.values()):
            survey.say({"problem": "no pytest"})
            return
    survey.leave_when_told()
    with tempfile.TemporaryDirectory() as folder:
        scratch = f"{os.path.realpath(folder)}/work"
        survey.copy(root, scratch, files)
        job = dict(job, pytest=pytests.pytest is not None)
        plan = survey.make_plan(scratch, f"{folder}/temp", kinds, job)
        plan["tests"] = [path for path in files if survey.is_test(path)]
        survey.say(report(plan, suite.run(plan, None, 150.0)))
