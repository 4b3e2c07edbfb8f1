"""Which lines of the workspace one test executes, and how long it may take."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

MAX_RINGS = 6


class Hang(BaseException):
    """A test ran past its limit. Not an `Exception`, so that a test's own handlers let it through."""


class Watch:
    """Stops what runs too long and, if asked, records executed lines of files under `root`."""

    def __init__(self, root: str, skip: list[str], traced: bool) -> None:
        self.root = root
        self.skip = frozenset(skip)
        self.traced = traced
        self.lines: set[tuple[str, int]] = set()
        self._known: dict[str, str] = {}
        self.rings = 0
        for number in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(number, self._alarm)

    def start(self, limit_s: float) -> None:
        """Begin one test."""
        self.lines = set()
        self.rings = 0
        # Processor time is what an endless loop costs; on a busy machine a good test may wait for long.
        # Both ring again, because a bare `except:` in the tested code may swallow the first one.
        signal.setitimer(signal.ITIMER_PROF, limit_s, 0.2)
        signal.setitimer(signal.ITIMER_REAL, 5 * limit_s + 3.0, 1.0)
        if self.traced:
            threading.settrace(self._call)
            sys.settrace(self._call)

    def stop(self) -> set[tuple[str, int]]:
        """End one test; return the lines it executed."""
        sys.settrace(None)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        return self.lines

    def place(self, filename: str) -> str:
        """Return the path below the root if the file may be repaired, else an empty string."""
        name = self._known.get(filename)
        if name is None:
            name = ""
            path = Path(os.path.realpath(filename))
            if str(path).startswith(self.root + os.sep) and path.is_file():
                inside = path.relative_to(self.root)
                if str(inside) not in self.skip and "site-packages" not in inside.parts:
                    name = str(inside)
            self._known[filename] = name
        return name

    def _alarm(self, number: int, frame: FrameType | None) -> None:
        self.rings += 1
        if self.rings > MAX_RINGS:
            os._exit(3)  # it cannot be stopped from within; the parent counts the test as failed
        raise Hang("the test did not end in time")

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not self.place(frame.f_code.co_filename):
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.lines.add((self._known[frame.f_code.co_filename], frame.f_lineno))
        return self._line
