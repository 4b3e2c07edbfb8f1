"""Run one agent against a scripted model server and say what its processes cost.

The server lives in the measuring process, so its own work is in no figure. The CPU time of the agent
is read from outside (its process clock, in nanoseconds) whenever a request arrives and after its end.
"""

import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from hob.models.scripted import Received, Turn, serve

LIMIT_S = 180.0
_CPUCLOCK_SCHED = 2  # what a whole process has run, see clock_getcpuclockid(3)


class AgentFailed(Exception):
    """The agent did not do what the script says; the text is what it printed last."""


@dataclass(frozen=True)
class Mark:
    """The agent at the moment a request had arrived."""

    own_s: float
    at_s: float
    peak_kib: int


@dataclass
class Run:
    """One run: CPU seconds of the agent itself and of the children it waited for, and the rest."""

    own_s: float = 0.0
    children_s: float = 0.0
    wall_s: float = 0.0
    marks: list[Mark] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def cpu_s(self) -> float:
        """Return the CPU time of the whole process tree."""
        return self.own_s + self.children_s

    @property
    def peak_mb(self) -> float:
        """Return the largest memory of the agent's own process (VmHWM), in 10^6 bytes."""
        return max((mark.peak_kib for mark in self.marks), default=0) * 1024 / 1e6


class _Watched(list[Received]):
    """The server's list of requests, which tells of each as soon as it is there."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, request: Received, /) -> None:
        """Tell, then keep."""
        self._tell(request.body)
        super().append(request)


class _Process:
    """A child in a session of its own, with its CPU clock. Leaving the block kills what is left."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.pid = self._child.pid
        self._clock = (~self.pid << 3) | _CPUCLOCK_SCHED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._child.returncode is None:
            self._child.wait()

    def own_s(self) -> float:
        """Return the CPU seconds of the process itself until now; also works on a zombie."""
        return time.clock_gettime(self._clock)

    def peak_kib(self) -> int:
        """Return the high-water mark of its resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        lines = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(next(lines, "VmHWM: 0 kB").split()[1])

    def finish(self, limit_s: float) -> tuple[int, float, resource.struct_rusage]:
        """Wait for the end; return exit code, own CPU seconds, and the use of it and its children."""
        descriptor = os.pidfd_open(self.pid)
        try:
            if not select.select([descriptor], [], [], limit_s)[0]:
                raise AgentFailed(f"it was still running after {limit_s:g} s")
        finally:
            os.close(descriptor)
        own_s = self.own_s()
        _, status, used = os.wait4(self.pid, 0)
        self._child.returncode = os.waitstatus_to_exitcode(status)
        return self._child.returncode, own_s, used


def command(argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> Run:
    """Run a command without a server."""
    return _run(argv, folder, folder, env, Run(), [])


def play(
    turns: Sequence[Turn],
    argv: Callable[[str], Sequence[str]],
    repository: Path,
    state: Path,
    env: Mapping[str, str],
) -> Run:
    """Run an agent through a whole script; `argv` gets the server's base URL. Raises `AgentFailed`."""
    run, process = Run(), []

    def arrived(body: bytes) -> None:
        agent = process[0]
        run.marks.append(Mark(agent.own_s(), time.perf_counter(), agent.peak_kib()))
        run.bodies.append(body)

    server = serve(turns)
    server.requests = _Watched(arrived)
    with server:
        _run(argv(server.base_url), repository, state, env, run, process)
    if len(run.bodies) != len(turns):
        raise AgentFailed(f"{len(run.bodies)} requests came, not {len(turns)}\n{_tail(state)}")
    return run


def _run(
    argv: Sequence[str],
    cwd: Path,
    state: Path,
    env: Mapping[str, str],
    run: Run,
    process: list[_Process],
) -> Run:
    begun = time.perf_counter()
    with _Process(argv, cwd, env, state / "output.log") as agent:
        process.append(agent)
        code, run.own_s, used = agent.finish(LIMIT_S)
        run.wall_s = time.perf_counter() - begun
    # wait4 counts the process and every descendant that was waited for.
    run.children_s = max(0.0, used.ru_utime + used.ru_stime - run.own_s)
    if code != 0:
        raise AgentFailed(f"exit code {code}\n{_tail(state)}")
    return run


def _tail(state: Path) -> str:
    log = (state / "output.log").read_text(encoding="utf-8", errors="replace")
    return "\n".join(log.splitlines()[-15:])
