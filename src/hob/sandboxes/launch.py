"""Starts the commands of one sandbox: below a keeper where there can be one, else as children of ours."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from msgspec import Struct

from hob.sandboxes.children import Child, DirectChild, KeptChild, Watch
from hob.sandboxes.link import KeeperLink
from hob.sandboxes.tree import MARKER

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


class Launcher:
    """`unkept` tells that some command had no keeper, or lost it. `outer` is the mark of a Hob above us."""

    def __init__(self, cwd: str, outer: str, watch: Watch, *, keeper: bool) -> None:
        self._cwd = cwd
        self._outer = outer
        self._watch = watch
        self._keeper = keeper
        self._scratch = ""
        self.link: KeeperLink | None = None
        self.unkept = False

    @property
    def scratch(self) -> str:
        """Return a private folder that is gone after `close`, and when we are killed."""
        if not self._scratch:
            self._scratch = tempfile.mkdtemp(prefix="hob-")
        return self._scratch

    def close(self) -> None:
        """Have everything below the keeper killed and the folder removed. May be called twice."""
        if self.link is not None:
            self.unkept |= self.link.lost
            self.link.close()
            self.link = None
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = ""

    def start(self, call: Call, streams: tuple[int, int], tty: int | None = None) -> Child:
        """Start a command. Raises `OSError` or `ValueError`; the streams stay the caller's."""
        link = self._linked()
        if link is None:
            return self._start_direct(call, streams, tty)
        if any("\0" in one for one in (*call.argv, *call.env, *call.env.values())):
            raise ValueError("embedded null byte")
        if not call.argv:
            raise ValueError("no command")
        request: dict[str, Any] = {
            "op": "run",
            "call": call.number,
            "argv": list(map(os.fspath, call.argv)),
            "cwd": self._cwd,
            "env": call.env,
        }
        ends = streams if tty is None else (tty,)
        while link is not None:
            try:
                parent, ended = link.run(request, ends)
            except OSError:
                if not link.lost:
                    break
                link = self._linked()  # it was killed: this command gets another one
            else:
                return KeptChild(parent, call.number, call.token, ended)
        return self._start_direct(call, streams, tty)

    def _start_direct(self, call: Call, streams: tuple[int, int], tty: int | None) -> Child:
        self.unkept = True
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
        if self.link is not None and self.link.lost:
            self.unkept = True
            self.link.close()
            self.link = None
        if self.link is None and self._keeper:
            outer = {MARKER: self._outer} if self._outer else {}
            try:
                self.link = KeeperLink(outer, self.scratch)
            except OSError:
                self._keeper = False
        return self.link
