"""Both streams of one command that runs elsewhere: kept, reported and handed on as they come."""

import asyncio

from hob.core.ports import ExecResult, Report, Sink
from hob.sandboxes.streams import Capture, Reporter


class Output:
    """Takes bytes as they arrive; ends as an `ExecResult`. `max_bytes` is for each stream."""

    def __init__(self, max_bytes: int, report: Report | None, sink: Sink | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._sink = sink
        self._captures = {name: Capture(max_bytes) for name in ("stdout", "stderr")}
        self._reporters = {
            name: Reporter(self._loop, name, report) for name in self._captures if report
        }

    @property
    def seen_bytes(self) -> int:
        """Return how much both streams wrote."""
        return sum(one.seen for one in self._captures.values())

    def add(self, stream: str, data: bytes) -> None:
        """Take the next bytes of a stream."""
        if not data:
            return
        self._captures[stream].add(data)
        if self._sink is not None:
            self._sink(stream, data)
        if self._reporters:
            self._reporters[stream].add(data)

    def text(self, stream: str) -> str:
        """Return what was kept of a stream."""
        return self._captures[stream].text()

    def settle(self) -> None:
        """Report what is still waiting; nothing is reported afterwards."""
        for reporter in self._reporters.values():
            reporter.flush(final=True)
        self._reporters.clear()

    def result(self, exit_code: int | None, *, timed_out: bool = False) -> ExecResult:
        """Return the finished command; a `timed_out` one has no exit code."""
        self.settle()
        out, err = self._captures["stdout"], self._captures["stderr"]
        return ExecResult(
            stdout=out.text(),
            stderr=err.text(),
            exit_code=None if timed_out else exit_code,
            timed_out=timed_out,
            duration_s=round(self._loop.time() - self._started, 4),
            stdout_bytes=out.seen,
            stderr_bytes=err.seen,
        )
