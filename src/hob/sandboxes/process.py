"""Run an argument vector as a child: cheap, bounded, and gone with all its offspring in time."""

import asyncio
import errno
import os
import signal
import time
from collections.abc import Mapping, Sequence
from itertools import count
from urllib.parse import quote

from msgspec import Struct

from hob.core.ports import ExecResult, FileError, Job, Report, Sink
from hob.sandboxes.children import Child, Watch, watch_exit
from hob.sandboxes.launch import Call, Launcher
from hob.sandboxes.link import End
from hob.sandboxes.streams import Capture, Pipe
from hob.sandboxes.terminal import PtyTerminal, open_terminal
from hob.sandboxes.tree import MARKER, command_line, kill_tree, living

_INTERRUPT_S = 0.3  # a test runner prints its summary on SIGINT
_TERMINATE_S = 0.5
_REAP_S = 0.2
_END_OF_STREAM_S = 0.05
_LAST_READS = 40


class Work(Struct, frozen=True):
    """What a call left running."""

    job_id: str
    call: Call


def owner_mark(owner: str) -> str:
    """Return the start of the tokens of an owner's calls; no owner's mark starts another's."""
    return quote(owner, safe="", errors="surrogatepass") + "/"


class Processes:
    """Starts commands in one folder and answers for everything they leave behind.

    They are children of a keeper where the system has what that needs, or else (or with `keeper`
    false) of ours.
    """

    def __init__(
        self,
        cwd: str,
        env: Mapping[str, str],
        owner: str = "",
        *,
        keeper: bool = True,
        watch: Watch = watch_exit,
    ) -> None:
        self._cwd = cwd
        self._env = dict(env)
        self._launcher = Launcher(cwd, self._env.get(MARKER, ""), watch, keeper=keeper)
        # Random too, because two sandboxes may have one owner: each kills its own calls only.
        self._mark = f"{owner_mark(owner)}{os.urandom(8).hex()}-"
        self._calls = 0
        self._pipes: set[Pipe] = set()
        self._terminals: set[PtyTerminal] = set()
        self._works: dict[int, Work] = {}
        self._names = count(1)

    @property
    def scratch(self) -> str:
        """Return a private folder that is gone after `kill_all`, and when we are killed."""
        return self._launcher.scratch

    async def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        report: Report | None = None,
        max_bytes: int = 65536,
        env: Mapping[str, str] | None = None,
        sink: Sink | None = None,
    ) -> ExecResult:
        """Run a command to its end, its time limit (seconds) or cancellation; see `Sandbox.exec`.

        A command that cannot be started gives exit code 127 (not found) or 126, as a shell does.
        Background processes of a command that ended by itself live on until `kill_all`.
        """
        loop = asyncio.get_running_loop()
        call = self._call(command, env)
        ends = (*os.pipe(), *os.pipe())
        try:
            child = self._launcher.start(call, (ends[1], ends[3]))
        except (OSError, ValueError) as error:
            for fd in ends:
                os.close(fd)
            return _not_started(error, command, self._cwd)
        os.close(ends[1])
        os.close(ends[3])
        pipes = (
            Pipe(loop, ends[0], "stdout", Capture(max_bytes), report, sink),
            Pipe(loop, ends[2], "stderr", Capture(max_bytes), report, sink),
        )
        timed_out, job = True, None
        try:
            timed_out = await _finish(child, pipes, timeout_s)
            if not timed_out and child.ended.result().step in {"", "lost"}:
                job = await self._keep(call, child, pipes)
        finally:
            self._release(pipes, killed=timed_out)
        end = child.ended.result() if child.ended.done() else End()
        if end.step not in {"", "lost"}:
            return _not_started(_start_error(end, self._cwd), command, self._cwd)
        return _result(call, pipes, None if timed_out else end.code, job)

    async def terminal(
        self,
        command: Sequence[str],
        size: tuple[int, int],
        env: Mapping[str, str] | None = None,
    ) -> PtyTerminal:
        """Start a program in a terminal of (lines, columns). Raises `FileError`."""
        call = self._call(command, env)
        ours, theirs = open_terminal(size)
        try:
            child = self._launcher.start(call, (theirs, theirs), tty=theirs)
        except (OSError, ValueError) as error:
            os.close(ours)
            raise FileError(_not_started(error, command, self._cwd).stderr) from None
        finally:
            os.close(theirs)
        self._terminals = {one for one in self._terminals if one.exit_code is None}
        terminal = PtyTerminal(asyncio.get_running_loop(), ours, child)
        self._terminals.add(terminal)
        return terminal

    async def jobs(self) -> Sequence[Job]:
        """Return what commands left running, oldest first."""
        if not self._works:
            return ()
        found: dict[int, tuple[int, ...]] = {}
        if self._launcher.link is not None:
            found = {
                call: tuple(pids) for call, pids in (await self._launcher.link.listing()).items()
            }
        for number, work in list(self._works.items()):
            if number not in found and self._launcher.unkept:
                found[number] = tuple(sorted(living(work.call.token)))
            if not found.get(number):
                del self._works[number]
        return [_job(work, found[number]) for number, work in sorted(self._works.items())]

    def kill_all(self) -> int:
        """Kill everything that any command of ours left running; return how many would not die."""
        for pipe in self._pipes:
            pipe.close()
        for terminal in self._terminals:
            terminal.hang_up()
        self._pipes.clear()
        self._terminals.clear()
        self._works.clear()
        self._launcher.close()
        return kill_tree(self._mark) if self._launcher.unkept else 0

    def _call(self, command: Sequence[str], env: Mapping[str, str] | None) -> Call:
        self._calls += 1
        token = f"{self._mark}{self._calls};"
        variables = {**self._env, **(env or {})}
        outer = variables.get(MARKER, "")
        variables[MARKER] = f"{outer.rstrip(';')};{token}" if outer else token
        return Call(self._calls, token, tuple(command), variables, time.monotonic())

    async def _keep(self, call: Call, child: Child, pipes: Sequence[Pipe]) -> Job | None:
        left = await child.left(any(not pipe.done.done() for pipe in pipes))
        if not left:
            return None
        work = self._works[call.number] = Work(f"j{next(self._names)}", call)
        return _job(work, left)

    def _release(self, pipes: Sequence[Pipe], *, killed: bool) -> None:
        """Close what has ended; of the rest go on reading, for a background process holds it."""
        for pipe in pipes:
            if killed:
                pipe.close()
            elif not pipe.done.done():
                pipe.abandon()
                self._pipes.add(pipe)
        self._pipes = {pipe for pipe in self._pipes if not pipe.done.done()}


async def _finish(child: Child, pipes: Sequence[Pipe], timeout_s: float) -> bool:
    """Wait for the end of a command; return True if it had to be killed at the limit."""
    try:
        await asyncio.wait((child.ended,), timeout=timeout_s)
        if child.ended.done():
            await _rest(pipes)
            return False
    except asyncio.CancelledError:
        await _end(child, pipes)
        raise
    await _end(child, pipes)
    return True


async def _rest(pipes: Sequence[Pipe]) -> None:
    """Read what the ended child left in its pipes; wait a moment for those that others hold."""
    for pipe in pipes:
        for _ in range(_LAST_READS):
            if not pipe.done.done():
                pipe.drain()
    waiting = [pipe.done for pipe in pipes if not pipe.done.done()]
    if waiting:
        await asyncio.wait(waiting, timeout=_END_OF_STREAM_S)


async def _end(child: Child, pipes: Sequence[Pipe]) -> None:
    """Ask it to stop, then kill the whole tree. A second cancellation shortens the asking."""
    try:
        await _ask(child, signal.SIGINT, _INTERRUPT_S)
        await _ask(child, signal.SIGTERM, _TERMINATE_S)
    finally:
        await child.kill()
    if not child.ended.done():
        await asyncio.wait((child.ended,), timeout=_REAP_S)
    await _rest(pipes)


async def _ask(child: Child, number: int, grace_s: float) -> None:
    if not child.ended.done():
        child.ask(number)
        await asyncio.wait((child.ended,), timeout=grace_s)


def _result(
    call: Call, pipes: Sequence[Pipe], exit_code: int | None, job: Job | None
) -> ExecResult:
    out, err = (pipe.capture for pipe in pipes)
    return ExecResult(
        stdout=out.text(),
        stderr=err.text(),
        exit_code=exit_code,
        timed_out=exit_code is None,
        duration_s=round(time.monotonic() - call.started, 4),
        stdout_bytes=out.seen,
        stderr_bytes=err.seen,
        job=job,
    )


def _job(work: Work, pids: Sequence[int]) -> Job:
    """Describe it by the first process that is not a mere copy of the command's shell."""
    copy = " ".join(work.call.argv)
    lines = {pid: command_line(pid) for pid in pids}
    lead = next((pid for pid in pids if lines[pid] not in {"", copy}), pids[0])
    others = (pid for pid in pids if pid != lead)
    said = "" if lines[lead] == copy else lines[lead]
    return Job(work.job_id, (lead, *others), said, round(time.monotonic() - work.call.started, 1))


def _start_error(end: End, cwd: str) -> OSError:
    text = os.strerror(end.errno)
    return OSError(end.errno, text, cwd) if end.step == "chdir" else OSError(end.errno, text)


def _not_started(error: Exception, command: Sequence[str], cwd: str) -> ExecResult:
    name = command[0] if command else ""
    if isinstance(error, FileNotFoundError) and error.filename == cwd:
        return ExecResult("", f"the folder {cwd!r} is gone", 126)
    if isinstance(error, FileNotFoundError):
        return ExecResult("", f"{name}: command not found", 127)
    if isinstance(error, OSError) and error.errno == errno.E2BIG:
        return ExecResult("", f"{name}: the command line is too long; put it into a file", 126)
    return ExecResult("", f"{name}: cannot be started: {error}", 126)
