"""Run an argument vector as a child: cheap, bounded, and gone with all its offspring in time."""

import asyncio
import errno
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import quote

from hob.core.ports import ExecResult, Report
from hob.sandboxes.streams import Capture, Pipe, Reporter
from hob.sandboxes.tree import MARKER, kill_tree

Watch = Callable[[asyncio.AbstractEventLoop, "subprocess.Popen[bytes]"], "asyncio.Future[None]"]

_INTERRUPT_S = 0.3  # a test runner prints its summary on SIGINT
_TERMINATE_S = 0.5
_REAP_S = 0.2
_END_OF_STREAM_S = 0.05
_LAST_READS = 4


def watch_exit(
    loop: asyncio.AbstractEventLoop, process: "subprocess.Popen[bytes]"
) -> "asyncio.Future[None]":
    """Return a future that is done when the child has ended; no thread where pidfds exist."""
    try:
        fd = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return watch_by_thread(loop, process)
    ended: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        process.wait()
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(fd, finish)
    return ended


def watch_by_thread(
    loop: asyncio.AbstractEventLoop, process: "subprocess.Popen[bytes]"
) -> "asyncio.Future[None]":
    """Do the same with a thread that waits."""
    ended: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        if not ended.done():
            ended.set_result(None)

    def wait() -> None:
        process.wait()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish)

    threading.Thread(target=wait, daemon=True).start()
    return ended


def owner_mark(owner: str) -> str:
    """Return the start of the tokens of an owner's calls; no owner's mark starts another's."""
    return quote(owner, safe="", errors="surrogatepass") + "/"


class Processes:
    """Starts commands in one folder and answers for everything they leave behind."""

    def __init__(
        self, cwd: str, env: Mapping[str, str], watch: Watch = watch_exit, owner: str = ""
    ) -> None:
        self._cwd = cwd
        self._env = dict(env)
        self._watch = watch
        # Random too, because two sandboxes may have one owner: each kills its own calls only.
        self._mark = f"{owner_mark(owner)}{os.urandom(8).hex()}-"
        self._calls = 0
        self._leftovers: set[Pipe] = set()

    async def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        report: Report | None = None,
        max_bytes: int = 65536,
        env: Mapping[str, str] | None = None,
    ) -> ExecResult:
        """Run a command to its end, its time limit (seconds) or cancellation; see `Sandbox.exec`.

        A command that cannot be started gives exit code 127 (not found) or 126, as a shell does.
        Background processes of a command that ended by itself live on until `kill_all`.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._calls += 1
        token = f"{self._mark}{self._calls};"
        variables = {**self._env, **(env or {})}
        outer = variables.get(MARKER, "")
        variables[MARKER] = f"{outer.rstrip(';')};{token}" if outer else token
        ends = (*os.pipe(), *os.pipe())
        try:
            process = self._start(command, variables, ends)
        except (OSError, ValueError) as error:
            for fd in ends:
                os.close(fd)
            return _not_started(error, command, self._cwd)
        pipes = tuple(
            Pipe(loop, fd, Capture(max_bytes), Reporter(loop, name, report) if report else None)
            for name, fd in (("stdout", ends[0]), ("stderr", ends[2]))
        )
        child = Child(process, self._watch(loop, process), pipes, token)
        try:
            timed_out = await child.finish(timeout_s)
        finally:
            self._leftovers.update(child.release())
            self._leftovers = {pipe for pipe in self._leftovers if not pipe.done.done()}
        out, err = (pipe.capture for pipe in pipes)
        return ExecResult(
            stdout=out.text(),
            stderr=err.text(),
            exit_code=None if timed_out else process.returncode,
            timed_out=timed_out,
            duration_s=round(loop.time() - started, 4),
            stdout_bytes=out.seen,
            stderr_bytes=err.seen,
        )

    def _start(
        self, command: Sequence[str], variables: dict[str, str], ends: Sequence[int]
    ) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            command,
            cwd=self._cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=ends[1],
            stderr=ends[3],
            start_new_session=True,
        )
        os.close(ends[1])
        os.close(ends[3])
        return process

    def kill_all(self) -> int:
        """Kill everything that any command of ours left running; return how many would not die."""
        for pipe in self._leftovers:
            pipe.close()
        self._leftovers.clear()
        return kill_tree(self._mark) if self._calls else 0


class Child:
    """One running command: its process, the end of it, its two pipes."""

    __slots__ = ("_ended", "_pipes", "_process", "_token")

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        ended: "asyncio.Future[None]",
        pipes: Sequence[Pipe],
        token: str,
    ) -> None:
        self._process = process
        self._ended = ended
        self._pipes = pipes
        self._token = token

    async def finish(self, timeout_s: float) -> bool:
        """Wait for the end; return True if it had to be killed at the limit."""
        try:
            await asyncio.wait((self._ended,), timeout=timeout_s)
            if self._ended.done():
                await self._rest()
                return False
        except asyncio.CancelledError:
            await self._end()
            raise
        await self._end()
        return True

    def release(self) -> list[Pipe]:
        """Close what has ended; return the pipes that a background process still holds."""
        held = [pipe for pipe in self._pipes if not pipe.done.done()]
        if self._process.returncode is None:
            for pipe in held:
                pipe.close()
            return []
        for pipe in held:
            pipe.abandon()
        return held

    async def _rest(self) -> None:
        """Read what the ended child left in its pipes; wait a moment for those that others hold."""
        for pipe in self._pipes:
            for _ in range(_LAST_READS):
                if not pipe.done.done():
                    pipe.drain()
        waiting = [pipe.done for pipe in self._pipes if not pipe.done.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=_END_OF_STREAM_S)

    async def _end(self) -> None:
        """Ask it to stop, then kill the whole tree. A second cancellation shortens the asking."""
        try:
            await self._ask(signal.SIGINT, _INTERRUPT_S)
            await self._ask(signal.SIGTERM, _TERMINATE_S)
        finally:
            kill_tree(self._token, self._process.pid)
        if not self._ended.done():
            await asyncio.wait((self._ended,), timeout=_REAP_S)
        await self._rest()

    async def _ask(self, number: int, grace_s: float) -> None:
        if not self._ended.done():
            with suppress(OSError):
                os.killpg(self._process.pid, number)
            await asyncio.wait((self._ended,), timeout=grace_s)


def _not_started(error: Exception, command: Sequence[str], cwd: str) -> ExecResult:
    name = command[0] if command else ""
    if isinstance(error, FileNotFoundError) and error.filename == cwd:
        return ExecResult("", f"the folder {cwd!r} is gone", 126)
    if isinstance(error, FileNotFoundError):
        return ExecResult("", f"{name}: command not found", 127)
    if isinstance(error, OSError) and error.errno == errno.E2BIG:
        return ExecResult("", f"{name}: the command line is too long; put it into a file", 126)
    return ExecResult("", f"{name}: cannot be started: {error}", 126)
