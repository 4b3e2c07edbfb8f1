"""Who descends from whom, by /proc (proc(5)); stopping and killing them. For the keeper: standard library only."""

import os
import signal
import time


def parents() -> dict[int, int]:
    """Return the parent of every process that is not a zombie, from /proc/PID/stat (proc(5))."""
    found: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  (pathlib costs more than this program)
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                data = file.read()
        except OSError:
            continue
        fields = data[data.rfind(b")") + 2 :].split()
        # A leader thread that has ended shows as a zombie while its other threads still run.
        if fields[0] not in {b"Z", b"X"} or fields[17] != b"1":
            found[int(name)] = int(fields[1])
    return found


def children(pid: int) -> list[int]:
    """Return the children of a process as far as one quick look shows them."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:  # noqa: PTH123
            return [int(one) for one in file.read().split()]
    except OSError:
        return []


def below(roots: set[int], family: dict[int, int] | None) -> set[int]:
    """Return `roots` and everything that descends from them; quickly, or by a `family` of `parents`."""
    found = set(roots)
    if family is None:
        waiting = list(roots)
        while waiting:
            fresh = [pid for pid in children(waiting.pop()) if pid not in found]
            found.update(fresh)
            waiting += fresh
        return found
    while fresh := {pid for pid, parent in family.items() if parent in found} - found:
        found |= fresh
    return found


def strike(pid: int, number: int) -> None:
    """Send a signal to a process and its group.

    A group is told at once, so it reaches even those in it who fork and leave faster than we look.
    """
    try:
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, number)
        os.kill(pid, number)
    except OSError:
        pass


def stop(roots: set[int], deadline: float) -> set[int]:
    """Return everything from `roots` down, every one of them stopped, so that nobody forks any more."""
    found: set[int] = set()
    slow = False
    while True:
        fresh = below(roots, parents() if slow else None) - found
        for pid in fresh:
            strike(pid, signal.SIGSTOP)
        found |= fresh
        if (not fresh and slow) or time.monotonic() > deadline:
            return found
        slow = not fresh
