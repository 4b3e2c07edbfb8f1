"""Run an argument vector as a child: cheap, bounded, and gone with all its offspring in time."""

import asyncio
import errno
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import count
from urllib.parse import quote

from msgspec import Struct

from hob.core.ports import ExecResult, FileError, Job, Report, Sink
from hob.sandboxes.children import Child, DirectChild, KeptChild, Watch, watch_exit
from hob.sandboxes.link import End, KeeperLink
from hob.sandboxes.streams import Capture, Pipe
from hob.sandboxes.terminal import PtyTerminal, open_terminal
from hob.sandboxes.tree import MARKER, command_line, kill_tree, living

_INTERRUPT_S = 0.3  # a test runner prints its summary on SIGINT
_TERMINATE_S = 0.5
_REAP_S = 0.2
_END_OF_STREAM_S = 0.05
_LAST_READS = 40
# Makes the terminal the controlling one, which Popen cannot, and becomes the command.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class Call(Struct, frozen=True):
    """One command: its number, its mark, what it is, its environment, when it was started."""

    number: int
    token: str
    argv: tuple[str, ...]
    env: dict[str, str]
    started: float


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
        self._watch = watch
        # Random too, because two sandboxes may have one owner: each kills its own calls only.
        self._mark = f"{owner_mark(owner)}{os.urandom(8).hex()}-"
        self._calls = 0
        self._unkept = False  # whether some call had no keeper, or lost it
        self._keeper = keeper
        self._link: KeeperLink | None = None
        self._pipes: set[Pipe] = set()
        self._terminals: set[PtyTerminal] = set()
        self._works: dict[int, Work] = {}
        self._names = count(1)
        self._scratch = ""

    @property
    def scratch(self) -> str:
        """Return a private folder that is gone after `kill_all`, and when we are killed."""
        if not self._scratch:
            self._scratch = tempfile.mkdtemp(prefix="hob-")
        return self._scratch

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
            child = self._start(call, (ends[1], ends[3]))
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
        out, err = (pipe.capture for pipe in pipes)
        return ExecResult(
            stdout=out.text(),
            stderr=err.text(),
            exit_code=None if timed_out else end.code,
            timed_out=timed_out,
            duration_s=round(time.monotonic() - call.started, 4),
            stdout_bytes=out.seen,
            stderr_bytes=err.seen,
            job=job,
        )

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
            child = self._start(call, (theirs, theirs), tty=theirs)
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
        if self._link is not None:
            found = {call: tuple(pids) for call, pids in (await self._link.listing()).items()}
        for number, work in list(self._works.items()):
            if number not in found and self._unkept:
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
        if self._link is not None:
            self._unkept |= self._link.lost
            self._link.close()
            self._link = None
        left = kill_tree(self._mark) if self._unkept else 0
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = ""
        return left

    def _call(self, command: Sequence[str], env: Mapping[str, str] | None) -> Call:
        self._calls += 1
        token = f"{self._mark}{self._calls};"
        variables = {**self._env, **(env or {})}
        outer = variables.get(MARKER, "")
        variables[MARKER] = f"{outer.rstrip(';')};{token}" if outer else token
        return Call(self._calls, token, tuple(command), variables, time.monotonic())

    def _start(self, call: Call, streams: tuple[int, int], tty: int | None = None) -> Child:
        """Start a command. Raises `OSError` or `ValueError`; the streams stay the caller's."""
        link = self._linked()
        if link is None:
            return self._start_direct(call, streams, tty)
        if any("\0" in one for one in (*call.argv, *call.env, *call.env.values())):
            raise ValueError("embedded null byte")
        if not call.argv:
            raise ValueError("no command")
        request = {
            "cwd": self._cwd,
            "env": call.env,
            "token": call.token,
            "tty": tty is not None,
        }
        with pathlib.Path(os.devnull).open("rb") as nothing:
            ends = (nothing.fileno() if tty is None else tty, *streams)
            try:
                ended = link.run(call.number, call.argv, request, ends)
            except OSError:  # it was killed: the next command gets another one
                self._unkept = True
                return self._start_direct(call, streams, tty)
        return KeptChild(link, call.number, call.token, ended)

    def _start_direct(self, call: Call, streams: tuple[int, int], tty: int | None) -> Child:
        self._unkept = True
        argv = list(call.argv)
        if tty is not None:
            argv = [sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL, *argv]
        process = subprocess.Popen(
            argv,
            cwd=self._cwd,
            env=call.env,
            stdin=subprocess.DEVNULL if tty is None else tty,
            stdout=streams[0],
            stderr=streams[1],
            start_new_session=True,
        )
        return DirectChild(asyncio.get_running_loop(), process, self._watch, call.token)

    def _linked(self) -> KeeperLink | None:
        """Return a keeper that lives, None if there is none to be had."""
        if self._link is not None and self._link.lost:
            self._unkept = True
            self._link.close()
            self._link = None
        if self._link is None and self._keeper:
            outer = {MARKER: self._env[MARKER]} if MARKER in self._env else {}
            try:
                self._link = KeeperLink(outer, self.scratch)
            except OSError:
                self._keeper = False
        return self._link

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
