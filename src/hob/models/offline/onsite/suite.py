"""Runs tests one by one in a child process that can be killed: outcome, failure and executed lines of each."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hob.models.offline.onsite.plain import run_plain
from hob.models.offline.onsite.pytests import run_pytest
from hob.models.offline.onsite.trace import Watch

MEMORY_BYTES = 3 << 30
FILE_BYTES = 64 << 20
Record = "dict[str, Any]"


class Recorder:
    """Writes one JSON line when a test starts and one when it ends, so that nothing is lost by a kill."""

    def __init__(self, out_fd: int, watch: Watch, limit_s: float, stop: bool) -> None:
        self.out_fd = out_fd
        self.watch = watch
        self.limit_s = limit_s
        self.stop = stop
        self.stopped = False
        self.hangs = 0
        self.since = 0.0

    def begin(self, test_id: str) -> None:
        """A test (or the import of a test file) starts."""
        self._write({"start": test_id})
        self.since = time.monotonic()
        # A suite full of endless loops must not cost the full limit for each of them.
        limit_s = (self.limit_s, 2.0, 1.0, 0.7)[min(self.hangs, 3)]
        self.watch.start(min(self.limit_s, limit_s))

    def pause(self) -> None:
        """Stop the clock and the tracing between two phases of a test."""
        self.watch.stop()

    def end(self, test_id: str, outcome: str, failure: dict[str, Any] | None = None) -> None:
        """A test ended; `failure` holds error, message and frames."""
        lines = self.watch.stop()
        record: dict[str, Any] = {"id": test_id, "outcome": outcome}
        record["seconds"] = round(time.monotonic() - self.since, 4)
        record["lines"] = sorted(lines)
        if failure is not None:
            record.update(failure)
            if failure.get("error") == "Hang":
                self.hangs += 1
        if outcome == "failed" and self.stop:
            self.stopped = True
        self._write(record)

    def finish(self) -> None:
        """The child came to its proper end."""
        self._write({"finished": True})

    def _write(self, record: dict[str, Any]) -> None:
        os.write(self.out_fd, (json.dumps(record) + "\n").encode())


def limit_resources() -> None:
    """Keep a runaway test from hurting the machine."""
    wishes = (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, value in wishes:
        # macOS refuses some of these; the time limits still hold.
        with contextlib.suppress(OSError, ValueError):
            hard = resource.getrlimit(kind)[1]
            top = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (top, hard))


def child(plan: dict[str, Any], ids: list[str] | None, skip: list[str], out_fd: int) -> None:
    """Run the tests; called in the forked child and never returns to the caller's stack."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    limit_resources()
    root = plan["root"]
    os.chdir(root)
    sys.dont_write_bytecode = True
    ahead = [f"{root}/src"] if Path(root, "src").is_dir() else []
    sys.path[:0] = [root, *ahead]
    # Tests that start a Python of their own must see this copy and not an installed one.
    os.putenv("PYTHONPATH", os.pathsep.join([root, *ahead]))
    os.putenv("PYTHONDONTWRITEBYTECODE", "1")
    watch = Watch(root, plan["tests"], plan["traced"])
    recorder = Recorder(out_fd, watch, plan["limit_s"], plan["stop"])
    plain = set(plan["plain"])
    if plain:
        wanted = None if ids is None else [one for one in ids if one.split("::")[0] in plain]
        run_plain(plan, wanted, skip, recorder)
    if plan["pytest"]:
        wanted = None if ids is None else [one for one in ids if one.split("::")[0] not in plain]
        run_pytest(plan, wanted, skip, recorder)
    recorder.finish()


def spawn(work: Callable[[], None]) -> int:
    """Fork; the child does the work and ends without the parent's exit handlers."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def end_group(pid: int) -> None:
    """Kill the child and whatever it started."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def wait(pid: int, out_fd: int, silence_s: float, deadline: float) -> None:
    """Wait for the child; end it when it writes nothing for `silence_s` or the deadline passes."""
    size, heard, pause = -1, time.monotonic(), 0.001
    while True:
        done, _ = os.waitpid(pid, os.WNOHANG)
        if done:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            return
        now = time.monotonic()
        grown = os.fstat(out_fd).st_size
        if grown != size:
            size, heard = grown, now
        if now - heard > silence_s or now > deadline:
            end_group(pid)
            os.waitpid(pid, 0)
            return
        time.sleep(pause)
        pause = min(pause * 1.3, 0.02)


def read_records(out_fd: int) -> tuple[list[dict[str, Any]], str, bool]:
    """Return the finished tests, the one that was running at the end, and whether the end was proper."""
    os.lseek(out_fd, 0, os.SEEK_SET)
    with os.fdopen(os.dup(out_fd), encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    records: list[dict[str, Any]] = []
    running, finished = "", False
    for line in lines:
        try:
            record: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if "start" in record:
            running = record["start"]
        elif "finished" in record:
            finished = True
        else:
            records.append(record)
            running = ""
    return records, running, finished


def run(plan: dict[str, Any], ids: list[str] | None, total_s: float) -> list[dict[str, Any]]:
    """Run tests (None: all) and return one record each; a test that took its process down has failed."""
    deadline = time.monotonic() + total_s
    results: dict[str, dict[str, Any]] = {}
    for _ in range(12):
        with tempfile.TemporaryFile() as out:
            fd = out.fileno()
            skip = list(results)
            pid = spawn(lambda fd=fd, skip=skip: child(plan, ids, skip, fd))
            wait(pid, fd, 6 * plan["limit_s"] + 20.0, deadline)
            records, running, finished = read_records(fd)
        for record in records:
            # A parametrised test may come twice (setup and call); a failure stays.
            if results.get(record["id"], {}).get("outcome") != "failed":
                results[record["id"]] = record
        failed = any(record["outcome"] == "failed" for record in results.values())
        if finished or (plan["stop"] and failed):
            break
        message = "the test took its process down or could not be stopped"
        name = running or "(start of the tests)"
        results[name] = {"id": name, "outcome": "failed", "error": "Hang", "message": message,
                         "frames": [], "lines": [], "seconds": plan["limit_s"]}  # fmt: skip
        if not running or plan["stop"] or time.monotonic() > deadline:
            break
    return list(results.values())
