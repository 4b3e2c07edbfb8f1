"""Find and kill everything that a command started, however it tried to hide."""

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

MARKER = "HOB_CALL"  # the variable that holds the tokens of all calls a process is part of

_PROC = "/proc"
_KILL_S = 0.5
_PAUSE_S = 0.002
_LOOKS = 20
_ROUNDS = 3


def kill_tree(token: str, leader: int | None = None) -> int:
    """Kill each process that carries `token` (or one that starts so), the leader's session, children.

    Everything is stopped before it is killed, so that nothing forks in between, and the search is
    repeated until it finds nobody. Returns how many were still there after half a second (0 but for
    processes that hang inside the kernel). A program that wiped its environment *and* left the
    session *and* was adopted by init is beyond this; a keeper (`keeper.py`) holds it.
    """
    deadline = time.monotonic() + _KILL_S
    rounds = 0
    while True:
        rounds += 1
        found = _stopped(token, leader, deadline)
        if leader is not None:
            with suppress(OSError):
                os.killpg(leader, signal.SIGKILL)
        send(found, signal.SIGKILL)
        # On a machine that hardly lets us run, half a second may be less than three rounds.
        if not found or (rounds >= _ROUNDS and time.monotonic() > deadline):
            return len(found)
        time.sleep(_PAUSE_S)


def _stopped(token: str, leader: int | None, deadline: float) -> set[int]:
    """Return all that belong, every one of them stopped."""
    found: set[int] = set()
    while True:
        fresh = living(token, leader, signal.SIGSTOP) - found
        found |= fresh
        if not fresh or time.monotonic() > deadline:
            return found


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)


def _send_group(pid: int, group: int, number: int) -> None:
    with suppress(OSError):
        if group not in {0, os.getpgrp()}:
            os.killpg(group, number)
    send((pid,), number)


def living(token: str, leader: int | None = None, number: int = 0) -> set[int]:
    """Return the pids of living processes that belong to a command (zombies are dead).

    They belong if they carry `token`, if their process group or session is the leader's, or if one
    of their ancestors belongs; we ourselves never do. Each is sent the signal `number` as soon as it is
    known, and its process group with it: a group never mixes ours with others, and one signal
    reaches even those in it who fork and leave faster than anybody can look. Without /proc nobody
    is found.
    """
    me = os.getpid()
    children: dict[int, list[int]] = {}
    alive: set[int] = set()
    found: set[int] = set()
    for pid in _pids():
        fields = _stat(pid)
        if fields is None:
            continue
        state, parent, group, session, threads = fields
        children.setdefault(parent, []).append(pid)
        # A leader thread that has ended shows as a zombie while its other threads still run.
        if state in {b"Z", b"X"} and threads == 1:
            continue
        alive.add(pid)
        if pid == me:
            continue
        if (leader is not None and leader in {pid, group, session}) or carries(pid, token):
            found.add(pid)
            _send_group(pid, group, number)
    heirs = (_descendants(found, children) & alive) - found - {me}
    send(heirs, number)
    return found | heirs


def carries(pid: int, token: str) -> bool:
    """Return whether a process is part of a call whose token is, or starts with, `token`."""
    environ = b"\0" + _contents(f"{_PROC}/{pid}/environ")
    for entry in environ.split(f"\0{MARKER}=".encode())[1:]:
        if f";{token}".encode() in b";" + entry.partition(b"\0")[0]:
            return True
    return False


def command_line(pid: int) -> str:
    """Return what a process runs, arguments joined by spaces; "" if it is gone or nobody can say."""
    line = _contents(f"{_PROC}/{pid}/cmdline").rstrip(b"\0").replace(b"\0", b" ")
    return line.decode("utf-8", "surrogateescape")


def _descendants(pids: Iterable[int], children: Mapping[int, list[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _pids() -> Iterator[int]:
    """Yield every process, and those that came while we looked at the others, until none is new.

    Who forks and leaves is dead when it is looked at, but then its child is new. Not for ever,
    because on a busy machine there is always somebody new.
    """
    seen: set[int] = set()
    for _ in range(_LOOKS):
        try:
            with os.scandir(_PROC) as entries:
                fresh = {int(entry.name) for entry in entries if entry.name.isdecimal()} - seen
        except OSError:
            return
        if not fresh:
            return
        seen |= fresh
        yield from sorted(fresh)


def _stat(pid: int) -> tuple[bytes, int, int, int, int] | None:
    """Return state, parent, group, session and number of threads (proc(5), /proc/pid/stat)."""
    data = _contents(f"{_PROC}/{pid}/stat")
    # The second field is a name in parentheses that may itself hold spaces and parentheses.
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) < 18:
        return None
    return fields[0], int(fields[1]), int(fields[2]), int(fields[3]), int(fields[17])


def _contents(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    pieces: list[bytes] = []
    try:
        while piece := os.read(fd, 65536):
            pieces.append(piece)
    except OSError:
        pass
    finally:
        os.close(fd)
    return b"".join(pieces)
