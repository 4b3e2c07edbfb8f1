"""The child that waits to become the next command. For the keeper: standard library only."""

import array
import ctypes
import errno
import fcntl
import marshal
import os
import socket
import termios
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_FDS = 4
_libc: Any = ctypes.CDLL(None, use_errno=True)


def become_reaper() -> None:
    """Make this process the parent of every orphan below it. Raises `OSError`."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def become(queue: socket.socket, notes: socket.socket) -> None:
    """Wait for a command and turn into it; on failure note at which step and why, and end."""
    try:
        _become(queue, notes)
    finally:
        os._exit(126)


def _become(queue: socket.socket, notes: socket.socket) -> None:
    os.setsid()
    become_reaper()
    body, streams = _receive(queue)
    if not body:
        os._exit(0)
    request = marshal.loads(body)
    call, step = request["call"], "start"
    notes.send(marshal.dumps((call, os.getpid(), request["token"], None)))
    try:
        if request["tty"]:
            fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        step = "chdir"
        os.chdir(request["cwd"])
        step = "exec"
        _execute(request["argv"], request["env"])
    except OSError as error:
        failure = {"call": call, "step": step, "errno": error.errno}
        notes.send(marshal.dumps((call, 0, "", failure)))


def _execute(argv: list[str], env: dict[str, str]) -> None:
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


def _receive(queue: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next command and its streams; nothing at the end."""
    fds = array.array("i")
    space = socket.CMSG_LEN(_FDS * fds.itemsize)
    _, extra, _, _ = queue.recvmsg(16, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return (os.pread(fds[0], os.fstat(fds[0]).st_size, 0), list(fds[1:])) if fds else (b"", [])
