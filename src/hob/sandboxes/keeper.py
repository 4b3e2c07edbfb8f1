"""Above all commands of one local sandbox. It is a program of its own: nobody can leave it.

`main` runs in a bare interpreter (`-I -S`), so it imports only the standard library and two files that
do the same, `family` and `parent`. For every command that runs at the same time as others it forks a
parent, which talks to the other end itself. What a killed parent leaves comes to us and is killed.

Packets are marshalled (all ends are the same interpreter). A packet on the link is `parent`, with the
socket for it, or `close`. When the other end is gone, however it died, everything below is killed and
our scratch folder removed.
"""

import gc
import os
import select
import signal
import socket
import time
from contextlib import suppress

from hob.sandboxes.family import below, children, parents, stop, strike
from hob.sandboxes.parent import Parent, become_reaper, drain, receive, wake_by_signals

_CLOSE_S = 2.0
_KILL_S = 0.2
_PAUSE_S = 0.002


class Keeper:
    """Serves one link until its other end closes."""

    def __init__(self, link: socket.socket) -> None:
        become_reaper()
        self._link = link
        self._link.set_inheritable(False)
        self._me = os.getpid()
        self._parents: set[int] = set()
        self._wake = wake_by_signals()
        self._above = os.pidfd_open(
            os.getppid()
        )  # a fork of the other end may hold its socket open

    def serve(self) -> None:
        """Fork parents until the other end is gone; then kill everything."""
        poll = select.poll()
        for fd in (self._link.fileno(), self._wake, self._above):
            poll.register(fd, select.POLLIN)
        with suppress(OSError):
            self._link.send(b"ready")
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._wake in ready:
                drain(self._wake)
                self._reap()
            if self._above in ready or (self._link.fileno() in ready and not self._answer()):
                break
        self._end_all()

    def _answer(self) -> bool:
        """Carry out one request; False when there are no more."""
        try:
            data, fds = receive(self._link, 16, 1)
        except OSError:
            return False
        if data != b"parent" or not fds:
            return False
        # If there is no room for one more, the other end sees its socket closed.
        with socket.socket(fileno=fds[0]) as link, suppress(OSError):
            pid = os.fork()
            if pid == 0:
                self._become(link)
            self._parents.add(pid)
        return True

    def _become(self, link: socket.socket) -> None:
        try:
            self._link.close()  # or nobody would notice the end of the keeper
            os.close(self._wake)
            os.close(self._above)
            Parent(link, self._me).serve()
        finally:
            os._exit(0)

    def _reap(self) -> None:
        """Take in who has ended, and kill what came to us from a parent that was killed."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                break
            self._parents.discard(pid)
        lost = set(children(self._me)) - self._parents
        if lost:
            for pid in stop(lost, time.monotonic() + _KILL_S):
                strike(pid, signal.SIGKILL)

    def _end_all(self) -> None:
        deadline = time.monotonic() + _CLOSE_S
        while True:
            self._reap()
            found = below({self._me}, parents()) - {self._me}
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in found:
                    strike(pid, number)
            if time.monotonic() > deadline:
                return
            time.sleep(_PAUSE_S)


def _remove(folder: str) -> None:
    """Remove a flat folder; what somebody else put there stays."""
    try:
        for entry in os.scandir(folder):
            os.unlink(entry.path)  # noqa: PTH108
        os.rmdir(folder)  # noqa: PTH106
    except OSError:
        pass


def main(link: str, scratch: str) -> None:
    """Keep until the other end of the link is gone."""
    gc.disable()
    gc.freeze()
    Keeper(socket.socket(fileno=int(link))).serve()
    _remove(scratch)
