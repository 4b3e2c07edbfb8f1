"""Runs tests with pytest inside this process, recording each one."""

from __future__ import annotations

import importlib
import os
from typing import Any

from hob.models.offline.onsite.failure import describe

INTERNAL_ERROR = 3
pytest: Any = None


def load_pytest() -> bool:
    """Import pytest once, before the fork; False where it is not installed."""
    global pytest
    try:
        pytest = importlib.import_module("pytest")
    except ImportError:
        return False
    return True


class Plugin:
    """Watches pytest's own life of a test."""

    def __init__(self, plan: dict[str, Any], skip: list[str], recorder: Any) -> None:
        self.root: str = plan["root"]
        self.skip = set(skip)
        self.recorder = recorder
        self.failure: dict[str, Any] | None = None
        self.words = ""
        self.open = ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Leave out what an earlier child has already run."""
        items[:] = [item for item in items if item.nodeid not in self.skip]

    def pytest_collectstart(self, collector: Any) -> None:
        """Watch the import of a test file like a test."""
        if isinstance(collector, pytest.Module):
            self.open = collector.nodeid
            self.recorder.begin(self.open)

    def pytest_collectreport(self, report: Any) -> None:
        """Record what the import executed, and its failure if it failed."""
        if self.open and report.nodeid == self.open:
            failed = report.outcome == "failed"
            failure = self.failure or {"error": "ImportError", "message": "", "frames": []}
            self.recorder.end(
                self.open, "failed" if failed else "import", failure if failed else None
            )
            self.open, self.failure = "", None

    def pytest_runtest_protocol(self, item: Any) -> None:
        """A test starts."""
        self.failure, self.words = None, ""
        self.open = item.nodeid
        self.recorder.begin(item.nodeid)

    def pytest_exception_interact(self, call: Any) -> None:
        """Keep the first failure of a test."""
        if self.failure is None and call.excinfo is not None:
            error = call.excinfo.value
            if isinstance(error, pytest.Collector.CollectError) and error.__cause__ is not None:
                error = error.__cause__
            self.failure = describe(self.root, error, error.__traceback__)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember how the phase ended."""
        if report.outcome == "failed" and not self.words:
            self.words = str(report.longrepr)[:400] or "failed"

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test is over."""
        if self.words:
            unknown: dict[str, Any] = {"error": "Failed", "message": self.words, "frames": []}
            self.recorder.end(nodeid, "failed", self.failure or unknown)
        else:
            self.recorder.end(nodeid, "passed")
        self.open = ""
        if self.recorder.stopped:
            os._exit(0)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Leave at once: what pytest does after the last test costs more than most tests."""
        if int(exitstatus) != INTERNAL_ERROR and not self.open:
            self.recorder.finish()
            os._exit(0)


def run_pytest(plan: dict[str, Any], ids: list[str] | None, skip: list[str], recorder: Any) -> None:
    """Run these tests (None: whatever pytest finds here)."""
    if ids is not None and not ids:
        return
    arguments = ["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    arguments += ["--continue-on-collection-errors", f"--basetemp={plan['temp']}"]
    arguments += [part for name in plan["plain"] for part in ("--ignore", name)]
    if plan["stop"]:
        arguments += ["--assert=plain"]  # nobody reads the messages of a candidate
    if plan["plain_options"]:
        arguments += ["-o", "addopts="]
    arguments += plan["arguments"] if ids is None else ids
    plugin = Plugin(plan, skip, recorder)
    code = pytest.main(arguments, plugins=[plugin])
    if plugin.open:
        failure: dict[str, Any] = {
            "error": "Hang",
            "message": "the test did not end in time",
            "frames": [],
        }
        recorder.end(plugin.open, "failed", failure)
    if int(code) == INTERNAL_ERROR and not recorder.stopped:
        raise SystemExit(1)  # the parent starts another child for the tests that are left
