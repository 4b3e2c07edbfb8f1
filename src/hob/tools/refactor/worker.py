"""The process that runs rope: started at the first request, kept for the session, killed when it is too slow."""

import asyncio
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from hob.core.ports import FileError

# This very package, whatever else is installed; but what lies beside it must not hide the standard library.
_BOOT = """
import sys
_, root, here, rope = sys.argv
sys.path.insert(0, here)
import hob.tools.refactor
sys.path[:] = [*sys.path[1:], here, rope]
from hob.tools.refactor.service import main
main(root)
"""
_PIECE = 1 << 20
_MAX_WORDS = 300


def find_rope() -> str:
    """Return the folder that rope is installed in, "" if it is not."""
    spec = find_spec("rope")
    return str(Path(spec.origin).parents[1]) if spec is not None and spec.origin else ""


class Worker:
    """One worker for one workspace. It gets no environment, so neither keys nor Python's own settings."""

    def __init__(self, timeout_s: float = 60.0, locate: Callable[[], str] = find_rope) -> None:
        self._timeout_s = timeout_s
        self._locate = locate
        self._running: _Running | None = None
        self._one = threading.RLock()

    @property
    def pid(self) -> int | None:
        """Return the process id while there is a process."""
        return None if self._running is None else self._running.process.pid

    async def ask(self, root: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer. Raises `FileError` if there is none; the next call starts a new worker."""
        rope = self._locate()
        if not rope:
            raise FileError(
                "refactor needs rope, which is not installed: `pip install 'hob-agent[refactor]'`; until"
                " then use grep and edit_file"
            )
        if not _is_folder(root):
            raise FileError(
                f"the workspace {root!r} is not a folder on this machine, where rope reads; use grep and"
                " edit_file"
            )
        try:
            return await asyncio.to_thread(self._exchange, root, rope, json.dumps(request))
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Kill the process, if there is one. May be called twice."""
        running, self._running = self._running, None
        if running is not None:
            running.process.kill()
            running.process.wait()
            with self._one:  # a thread may still be reading
                running.let_go()

    def _exchange(self, root: str, rope: str, line: str) -> dict[str, Any]:
        with self._one:
            if self._running is not None and self._running.process.poll() is not None:
                self.close()
            running = self._running
            if running is None:
                running = self._running = _Running(root, rope)
            try:
                return json.loads(running.exchange(line.encode() + b"\n", self._timeout_s))
            except FileError:
                self.close()
                raise


class _Running:
    """A process with its pipes, and a file for what it says on standard error."""

    def __init__(self, root: str, rope: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `let_go`)
        here = str(Path(__file__).parents[3])
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT, root, here, rope],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd="/",
            env={},
            start_new_session=True,
        )

    def exchange(self, line: bytes, timeout_s: float) -> bytes:
        """Send a line and return the one that comes back. Raises `FileError`."""
        end = monotonic() + timeout_s
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # then reading finds it ended, and says how
            self.process.stdin.write(line)
            self.process.stdin.flush()
        fd = self.process.stdout.fileno()
        pieces: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            while not (pieces and pieces[-1].endswith(b"\n")):
                if not selector.select(max(0.0, end - monotonic())):
                    raise FileError(
                        f"rope was not done after {timeout_s:g} s and was stopped; nothing was changed;"
                        " list what is not the project's own in .agentignore, or use edit_file"
                    )
                piece = os.read(fd, _PIECE)
                if not piece:
                    raise FileError(
                        f"rope's process ended ({self.process.wait()}{self._last_words()}) in the"
                        " middle; nothing was changed; call again"
                    )
                pieces.append(piece)
        return b"".join(pieces)

    def let_go(self) -> None:
        """Close pipes and file of a process that has ended."""
        for pipe in (self.process.stdin, self.process.stdout, self._errors):
            with suppress(OSError):  # a request that could not be sent any more
                if pipe is not None:
                    pipe.close()

    def _last_words(self) -> str:
        """Return the last line that the process wrote to standard error, with a comma before it."""
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - _MAX_WORDS))
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        said = next((line for line in reversed(lines) if line.strip()), "")
        return f", {said}" if said else ""


def _is_folder(root: str) -> bool:
    return Path(root).is_dir()
