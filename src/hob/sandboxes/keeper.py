"""The parent of all commands of one local sandbox. It is a program of its own: nobody can leave it.

Run as `python -I -S keeper.py LINK QUEUE SCRATCH`; it imports nothing of ours. Linux makes it the parent
of every orphan below it (prctl(2), PR_SET_CHILD_SUBREAPER), and each command the parent of its own
orphans, so a daemon that left its session and wiped its environment still belongs to the command it
came from. A spare child, forked beforehand, waits at the queue to become the next command.

Packets are marshalled (all ends are the same interpreter). The queue carries commands, each in a
memory file that comes with its three streams; the link carries `signal`, `kill`, `jobs`, `close`, and
back how commands ended. When the other end is gone, however it died, everything below is killed and
the folder SCRATCH removed.
"""

import array
import ctypes
import errno
import fcntl
import gc
import marshal
import os
import select
import signal
import socket
import sys
import termios
import time
from contextlib import suppress
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_KILL_S = 0.5
_CLOSE_S = 2.0
_ROUNDS = 3
_PAUSE_S = 0.002
_FDS = 4
_LISTED = 200  # pids in one answer; a packet has to fit into the socket's buffer
# Handled by doing nothing. Not ignored: what is handled is back at its default in a new program.
_HANDLED = (
    signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE,
    signal.SIGXFSZ,
)  # fmt: skip


def become_reaper(library: Any) -> None:
    """Make this process the parent of every orphan below it. Raises `OSError`."""
    if library.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


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


def execute(argv: list[str], env: dict[str, str]) -> None:
    """Become a program found along PATH, as execvpe does, which is slow. Raises `OSError`."""
    if "/" in argv[0]:
        os.execve(argv[0], argv, env)
    problem: OSError = FileNotFoundError(errno.ENOENT, "not found")
    for folder in env.get("PATH", os.defpath).split(":"):
        try:
            os.execve(f"{folder or '.'}/{argv[0]}", argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            problem = error
    raise problem


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


class Keeper:
    """Serves one link until its other end closes."""

    def __init__(self, link: socket.socket, queue: socket.socket) -> None:
        self._link = link
        self._queue = queue
        self._notes, self._noting = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._notes.setblocking(False)
        self._spare = 0
        self._me = os.getpid()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._commands: dict[int, Command] = {}
        self._last = 0
        self._wake, wake = os.pipe()
        for fd in (self._wake, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in _HANDLED:
            signal.signal(number, _noticed)
        self._quick = bool(children(os.getppid()))

    def serve(self) -> None:
        """Answer requests and reap children until the other end is gone; then kill everything."""
        become_reaper(self._libc)
        self._link.set_inheritable(False)
        self._queue.set_inheritable(False)
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(self._queue, 0)
        poll.register(self._notes, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        parent = os.pidfd_open(os.getppid())
        poll.register(parent, select.POLLIN)  # a fork of the other end may hold its socket open
        self._tell({"ready": self._me})
        while True:
            # While a command begins it has the machine; the next one's child is forked in idle time.
            if not self._spare and not any(one.pid for one in self._commands.values()):
                self._fork()
            poll.modify(self._queue, 0 if self._spare else select.POLLIN)
            ready = {fd for fd, _ in poll.poll()}
            self._hear()
            if not self._spare and self._queue.fileno() in ready:
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
                found = {call: self._members(one) for call, one in self._commands.items()}
                self._tell({"jobs": found})
            case "close":
                return False
            case _:
                pass
        return True

    def _known(self, call: int) -> Command | None:
        """Return a command; one that is still in the queue is waited for. None if it is over."""
        deadline = time.monotonic() + _KILL_S
        while call > self._last and time.monotonic() < deadline:
            select.select([self._notes], [], [], _KILL_S)
            self._hear()
        return self._commands.get(call)

    def _hear(self) -> None:
        """Take in which commands the spare child has become, and which of them could not start."""
        while True:
            try:
                call, pid, token, failure = marshal.loads(self._notes.recv(65536))
            except BlockingIOError:
                return
            if failure is not None:
                self._commands[call].failure = failure
                continue
            self._last = call
            self._commands[call] = Command(pid, os.fsencode(token))
            self._spare = 0

    def _fork(self) -> None:
        self._spare = os.fork()
        if self._spare == 0:
            try:
                self._become()
            finally:
                os._exit(126)

    def _become(self) -> None:
        """Be the spare child: wait for a command and turn into it; on failure say at which step and why."""
        self._link.close()  # or nobody would notice the end of the keeper
        os.setsid()
        become_reaper(self._libc)
        body, streams = _receive(self._queue)
        if not body:
            os._exit(0)
        request = marshal.loads(body)
        call, step = request["call"], "start"
        self._noting.send(marshal.dumps((call, os.getpid(), request["token"], None)))
        try:
            if request["tty"]:
                fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
            for number, fd in enumerate(streams):
                os.dup2(fd, number)
            step = "chdir"
            os.chdir(request["cwd"])
            step = "exec"
            execute(request["argv"], request["env"])
        except OSError as error:
            failure = {"call": call, "step": step, "errno": error.errno}
            self._noting.send(marshal.dumps((call, 0, "", failure)))

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
            if pid == self._spare:  # killed by somebody
                os.waitpid(pid, 0)
                self._spare = 0
                continue
            call = self._owner(pid)
            # Its children are ours from before it can be seen as ended until it is reaped.
            self._adopt(call)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            command = self._commands.get(call)
            if command is None:
                continue
            if pid == command.pid:
                command.pid = 0
                left = sorted(command.adopted)[:_LISTED]
                self._tell(command.failure or {"call": call, "code": code, "left": left})
                if not command.adopted:
                    del self._commands[call]
                continue
            command.adopted.discard(pid)
            if not command.roots():
                del self._commands[call]
                self._tell({"gone": call})

    def _owner(self, pid: int) -> int:
        for call, command in self._commands.items():
            if pid in command.roots():
                return call
        return self._last

    def _adopt(self, call: int) -> None:
        known = {self._spare}
        for command in self._commands.values():
            known |= command.roots()
        for pid in children(self._me) if self._quick else self._all_children():
            if pid not in known:
                owner = self._commands.get(self._origin(pid, call))
                if owner is not None:
                    owner.adopted.add(pid)

    def _origin(self, pid: int, call: int) -> int:
        """Return the call that an orphan came from: by its mark, its session, else the one that ended."""
        if len(self._commands) == 1:
            return next(iter(self._commands))
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
                environ = file.read()
            session = os.getsid(pid)
        except OSError:
            return call
        for number, command in self._commands.items():
            if command.session == session or command.token in environ:
                return number
        return call

    def _members(self, command: Command) -> list[int]:
        return sorted(below(command.roots(), None) & set(parents()))[:_LISTED]

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
                self._adopt_all(command)
                if not command.roots():
                    return 0
            found = _stop(roots, deadline)
            for pid in found:
                strike(pid, signal.SIGKILL)
            self._reap()
            if rounds >= _ROUNDS and time.monotonic() > deadline and command.roots():
                return len(found)
            if command.roots():
                time.sleep(_PAUSE_S)

    def _adopt_all(self, command: Command) -> None:
        """Look once more whether somebody whom nobody claims came from this command."""
        known = {self._spare}
        for one in self._commands.values():
            known |= one.roots()
        command.adopted |= set(self._all_children()) - known

    def _all_children(self) -> list[int]:
        return [pid for pid, above in parents().items() if above == self._me]

    def _end_all(self) -> None:
        deadline = time.monotonic() + _CLOSE_S
        while True:
            self._reap()
            family = parents()
            found = below({self._me}, family) - {self._me}
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


def _stop(roots: set[int], deadline: float) -> set[int]:
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


def _noticed(_number: int, _frame: object) -> None:
    """Do nothing: that there is a handler makes the signal wake the poll."""


def _receive(queue: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next command and its streams; nothing at the end."""
    fds = array.array("i")
    space = socket.CMSG_LEN(_FDS * fds.itemsize)
    _, extra, _, _ = queue.recvmsg(16, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return (os.pread(fds[0], os.fstat(fds[0]).st_size, 0), list(fds[1:])) if fds else (b"", [])


def _remove(folder: str) -> None:
    """Remove a flat folder; what somebody else put there stays."""
    try:
        for entry in os.scandir(folder):
            os.unlink(entry.path)  # noqa: PTH108
        os.rmdir(folder)  # noqa: PTH106
    except OSError:
        pass


if __name__ == "__main__":
    gc.disable()
    Keeper(*(socket.socket(fileno=int(one)) for one in sys.argv[1:3])).serve()
    _remove(sys.argv[3])
