"""The parent of one command at a time, whose child is everything that the command leaves behind.

A fork of the keeper, so standard library only. Linux gives it every orphan below it (prctl(2),
PR_SET_CHILD_SUBREAPER): a daemon that left its session and wiped its environment still belongs to
the command it came from, and waitpid(2) says for certain when nobody is left. It is given the next
command only then. Nothing here forks: a command is spawned, which does not copy our memory.
"""

import array
import ctypes
import errno
import marshal
import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any

from hob.sandboxes.family import below, children, parents, stop, strike

_PR_SET_CHILD_SUBREAPER = 36
_libc: Any = ctypes.CDLL(None, use_errno=True)
_KILL_S = 0.5
_ROUNDS = 3
_PAUSE_S = 0.002
_LISTED = 200  # pids in one answer; a packet has to fit into the socket's buffer
_PACKET = 1 << 17
_FDS = 3
# Handled by doing nothing. Not ignored: what is handled is back at its default in a new program.
_HANDLED = (
    signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE,
    signal.SIGXFSZ,
)  # fmt: skip


def become_reaper() -> None:
    """Make this process the parent of every orphan below it. Raises `OSError`."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def wake_by_signals() -> int:
    """Return a descriptor that can be read when a signal has come; none ends this process."""
    reading, writing = os.pipe()
    for fd in (reading, writing):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in _HANDLED:
        signal.signal(number, _noticed)
    return reading


def drain(fd: int) -> None:
    """Take what the signals wrote."""
    with suppress(BlockingIOError):
        os.read(fd, 4096)


def receive(link: socket.socket, size: int, count: int) -> tuple[bytes, list[int]]:
    """Return a packet and its descriptors, none inheritable (`socket.recv_fds` has them inherited)."""
    fds = array.array("i")
    space = socket.CMSG_LEN(count * fds.itemsize)
    data, extra, _, _ = link.recvmsg(size, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


class Parent:
    """Serves one link until its other end closes or the keeper is gone; then kills its command."""

    def __init__(self, link: socket.socket, keeper: int) -> None:
        become_reaper()
        self._link = link
        self._keeper = keeper
        self._me = os.getpid()
        self._call = 0  # the command that we have, with what it left
        self._pid = 0  # its process, until that has ended

    def serve(self) -> None:
        """Start commands and reap children until the end."""
        wake = wake_by_signals()
        above = os.pidfd_open(self._keeper)
        poll = select.poll()
        for fd in (self._link.fileno(), wake, above):
            poll.register(fd, select.POLLIN)
        alive = os.getppid() == self._keeper
        while alive:
            ready = {fd for fd, _ in poll.poll()}
            if wake in ready:
                drain(wake)
                self._reap()
            alive = above not in ready and (self._link.fileno() not in ready or self._answer())
        self._end()

    def _tell(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # gone: the next look at the link says so
            self._link.send(marshal.dumps(message))

    def _answer(self) -> bool:
        """Carry out one request; False when there are no more."""
        try:
            data, fds = receive(self._link, _PACKET, _FDS)
        except OSError:
            return False
        if not data:
            return False
        request: dict[str, Any] = marshal.loads(data)
        match request["op"]:
            case "run":
                self._start(request, fds)
            case "large":
                size = os.fstat(fds[0]).st_size
                self._start(marshal.loads(os.pread(fds[0], size, 0)), fds[1:])
                os.close(fds[0])
            case "signal" if self._pid:
                with suppress(OSError):
                    os.killpg(self._pid, request["number"])
            case "kill":
                self._tell({"killed": self._end()})
            case "jobs":
                self._reap()
                found = below(set(self._children()), None) & set(parents()) if self._call else ()
                self._tell({"jobs": sorted(found)[:_LISTED]})
            case _:
                pass
        return True

    def _start(self, request: dict[str, Any], streams: list[int]) -> None:
        self._call, step = request["call"], "chdir"
        try:
            os.chdir(request["cwd"])
            step = "exec"
            self._pid = _spawn(request["argv"], request["env"], streams)
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else errno.EINVAL
            self._tell({"step": step, "errno": number})
            self._call = 0
        finally:
            for fd in streams:
                os.close(fd)
            os.chdir("/")  # or the folder could not be unmounted

    def _reap(self) -> bool:
        """Take in everything that has ended; False if nobody is left."""
        code: int | None = None
        left: list[int] = []
        alive = True
        while alive and not left:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                alive = False
                continue
            if pid and pid == self._pid:
                self._pid, code = 0, os.waitstatus_to_exitcode(status)
            elif not pid:
                if code is None:
                    return True
                left = self._children()
        if code is not None:
            self._tell({"code": code, "left": left[:_LISTED]})
        elif self._call:
            self._tell({"gone": self._call})
        if not alive:
            self._call = 0
        return alive

    def _children(self) -> list[int]:
        quick = children(self._me)
        return quick or [pid for pid, above in parents().items() if above == self._me]

    def _end(self) -> int:
        """Kill the command with all that descends from it; return how many would not die."""
        deadline = time.monotonic() + _KILL_S
        rounds = 0
        while self._reap():
            rounds += 1
            found = stop(set(self._children()), deadline)
            for pid in found:
                strike(pid, signal.SIGKILL)
            if rounds >= _ROUNDS and time.monotonic() > deadline:
                return len(found) if self._reap() else 0
            time.sleep(_PAUSE_S)
        return 0


def _spawn(argv: list[str], env: dict[str, str], streams: list[int]) -> int:
    """Start a program found along PATH, as execvpe does. Raises `OSError`.

    One stream is a terminal: a session's leader that opens it gets it as its controlling one. Two
    are standard output and error; standard input is ours, which is /dev/null.
    """
    if len(streams) == 1:
        place = f"/proc/self/fd/{streams[0]}"
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, place, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
    else:
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(streams, 1)]
    if "/" in argv[0]:
        return os.posix_spawn(argv[0], argv, env, file_actions=actions, setsid=True)
    problem: OSError = FileNotFoundError(errno.ENOENT, "not found")
    for folder in env.get("PATH", os.defpath).split(":"):
        path = f"{folder or '.'}/{argv[0]}"
        if not os.access(path, os.F_OK):
            continue
        try:
            return os.posix_spawn(path, argv, env, file_actions=actions, setsid=True)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            problem = error
    raise problem


def _noticed(_number: int, _frame: object) -> None:
    """Do nothing: that there is a handler makes the signal wake the poll."""
