"""The parent of all commands of one local sandbox. It is a program of its own: nobody can leave it.

`main` runs in a bare interpreter (`-I -S`), so it imports only the standard library and two files that
do the same, `family` and `spare`. Linux makes it the parent of every orphan below it (prctl(2),
PR_SET_CHILD_SUBREAPER), and each command the parent of its own orphans, so a daemon that left its
session and wiped its environment still belongs to the command it came from. A spare child, forked
beforehand, waits at the queue to become the next command.

Packets are marshalled (all ends are the same interpreter). The queue carries commands, each in a
memory file that comes with its three streams; the link carries `signal`, `kill`, `jobs`, `close`, and
back how commands ended. When the other end is gone, however it died, everything below is killed and
our scratch folder removed.
"""

import gc
import marshal
import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any

from hob.sandboxes.family import below, children, parents, stop, strike
from hob.sandboxes.spare import become, become_reaper

_KILL_S = 0.5
_CLOSE_S = 2.0
_ROUNDS = 3
_PAUSE_S = 0.002
_LISTED = 200  # pids in one answer; a packet has to fit into the socket's buffer
# Handled by doing nothing. Not ignored: what is handled is back at its default in a new program.
_HANDLED = (
    signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE,
    signal.SIGXFSZ,
)  # fmt: skip


class Command:
    """One command: its pid while it runs (else 0), and the orphans of it that we adopted."""

    __slots__ = ("adopted", "failure", "pid", "session", "token")

    def __init__(self, pid: int, token: bytes) -> None:
        self.pid = self.session = pid
        self.token = token
        self.adopted: set[int] = set()
        self.failure: dict[str, Any] | None = None

    def roots(self) -> set[int]:
        """Return those of it whose parent we are."""
        return self.adopted | ({self.pid} if self.pid else set())


class Books:
    """Which commands there are, and whose child every child of ours is."""

    def __init__(self) -> None:
        self.commands: dict[int, Command] = {}
        self.last = 0  # the last call that was begun
        self.spare = 0  # the child that will be the next command
        self._me = os.getpid()
        self._quick = bool(children(os.getppid()))

    def owner(self, pid: int) -> int:
        """Return the call that a child belongs to; of an unknown one it is the last."""
        for call, command in self.commands.items():
            if pid in command.roots():
                return call
        return self.last

    def adopt(self, call: int) -> None:
        """Take in the children that nobody claims; `call` has just ended."""
        for pid in self._unclaimed(children(self._me) if self._quick else self._all_children()):
            owner = self.commands.get(self._origin(pid, call))
            if owner is not None:
                owner.adopted.add(pid)

    def adopt_all(self, command: Command) -> None:
        """Look once more, slowly, whether somebody whom nobody claims came from this command."""
        command.adopted |= self._unclaimed(self._all_children())

    def _unclaimed(self, pids: list[int]) -> set[int]:
        known = {self.spare}
        for command in self.commands.values():
            known |= command.roots()
        return set(pids) - known

    def _all_children(self) -> list[int]:
        return [pid for pid, above in parents().items() if above == self._me]

    def _origin(self, pid: int, call: int) -> int:
        """Return the call that an orphan came from: by its mark, its session, else the one that ended."""
        if len(self.commands) == 1:
            return next(iter(self.commands))
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
                environ = file.read()
            session = os.getsid(pid)
        except OSError:
            return call
        for number, command in self.commands.items():
            if command.session == session or command.token in environ:
                return number
        return call


class Keeper:
    """Serves one link until its other end closes."""

    def __init__(self, link: socket.socket, queue: socket.socket) -> None:
        self._link = link
        self._queue = queue
        self._notes, self._noting = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._notes.setblocking(False)
        self._books = Books()
        self._wake, wake = os.pipe()
        for fd in (self._wake, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in _HANDLED:
            signal.signal(number, _noticed)

    def serve(self) -> None:
        """Answer requests and reap children until the other end is gone; then kill everything."""
        become_reaper()
        self._link.set_inheritable(False)
        self._queue.set_inheritable(False)
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(self._queue, 0)
        poll.register(self._notes, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        parent = os.pidfd_open(os.getppid())
        poll.register(parent, select.POLLIN)  # a fork of the other end may hold its socket open
        self._tell({"ready": os.getpid()})
        while True:
            # While a command begins it has the machine; the next one's child is forked in idle time.
            if not self._books.spare and not any(one.pid for one in self._books.commands.values()):
                self._fork()
            poll.modify(self._queue, 0 if self._books.spare else select.POLLIN)
            ready = {fd for fd, _ in poll.poll()}
            self._hear()
            if not self._books.spare and self._queue.fileno() in ready:
                self._fork()
            if self._wake in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._reap()
            if parent in ready or (self._link.fileno() in ready and not self._answer()):
                break
        self._end_all()

    def _tell(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # gone: the next look at the link says so
            self._link.send(marshal.dumps(message))

    def _answer(self) -> bool:
        """Carry out one request; False when there are no more."""
        try:
            data = self._link.recv(65536)
        except OSError:
            return False
        request: dict[str, Any] = marshal.loads(data) if data else {"op": "close"}
        command = self._known(request.get("call", 0))
        match request["op"]:
            case "signal" if command is not None and command.pid:
                with suppress(OSError):
                    os.killpg(command.pid, request["number"])
            case "kill":
                left = 0 if command is None else self._end(command)
                self._tell({"killed": request["call"], "left": left})
            case "jobs":
                found = {call: members(one) for call, one in self._books.commands.items()}
                self._tell({"jobs": found})
            case "close":
                return False
            case _:
                pass
        return True

    def _known(self, call: int) -> Command | None:
        """Return a command; one that is still in the queue is waited for. None if it is over."""
        deadline = time.monotonic() + _KILL_S
        while call > self._books.last and time.monotonic() < deadline:
            select.select([self._notes], [], [], _KILL_S)
            self._hear()
        return self._books.commands.get(call)

    def _hear(self) -> None:
        """Take in which commands the spare child has become, and which of them could not start."""
        while True:
            try:
                call, pid, token, failure = marshal.loads(self._notes.recv(65536))
            except BlockingIOError:
                return
            if failure is not None:
                self._books.commands[call].failure = failure
                continue
            self._books.last = call
            self._books.commands[call] = Command(pid, os.fsencode(token))
            self._books.spare = 0

    def _fork(self) -> None:
        self._books.spare = os.fork()
        if self._books.spare == 0:
            self._link.close()  # or nobody would notice the end of the keeper
            become(self._queue, self._noting)

    def _reap(self) -> None:
        """Take in everything that has ended, and adopt what it left behind."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            pid = found.si_pid
            self._hear()  # it may be one that we have not heard of
            if pid == self._books.spare:  # killed by somebody
                os.waitpid(pid, 0)
                self._books.spare = 0
                continue
            call = self._books.owner(pid)
            # Its children are ours from before it can be seen as ended until it is reaped.
            self._books.adopt(call)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            command = self._books.commands.get(call)
            if command is None:
                continue
            if pid == command.pid:
                command.pid = 0
                left = sorted(command.adopted)[:_LISTED]
                self._tell(command.failure or {"call": call, "code": code, "left": left})
                if not command.adopted:
                    del self._books.commands[call]
                continue
            command.adopted.discard(pid)
            if not command.roots():
                del self._books.commands[call]
                self._tell({"gone": call})

    def _end(self, command: Command) -> int:
        """Kill a command with all that descends from it; return how many would not die."""
        deadline = time.monotonic() + _KILL_S
        rounds = 0
        while True:
            rounds += 1
            roots = command.roots()
            if not roots:
                # Who came to us while we looked at others is found by a slow look at everybody.
                self._reap()
                self._books.adopt_all(command)
                if not command.roots():
                    return 0
            found = stop(roots, deadline)
            for pid in found:
                strike(pid, signal.SIGKILL)
            self._reap()
            if rounds >= _ROUNDS and time.monotonic() > deadline and command.roots():
                return len(found)
            if command.roots():
                time.sleep(_PAUSE_S)

    def _end_all(self) -> None:
        me = os.getpid()
        deadline = time.monotonic() + _CLOSE_S
        while True:
            self._reap()
            family = parents()
            found = below({me}, family) - {me}
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


def members(command: Command) -> list[int]:
    """Return everything of a command that lives."""
    return sorted(below(command.roots(), None) & set(parents()))[:_LISTED]


def _noticed(_number: int, _frame: object) -> None:
    """Do nothing: that there is a handler makes the signal wake the poll."""


def _remove(folder: str) -> None:
    """Remove a flat folder; what somebody else put there stays."""
    try:
        for entry in os.scandir(folder):
            os.unlink(entry.path)  # noqa: PTH108
        os.rmdir(folder)  # noqa: PTH106
    except OSError:
        pass


def main(link: str, queue: str, scratch: str) -> None:
    """Keep until the other end of the link is gone."""
    gc.disable()
    Keeper(socket.socket(fileno=int(link)), socket.socket(fileno=int(queue))).serve()
    _remove(scratch)
