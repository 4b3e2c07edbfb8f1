"""Our end of a keeper: starts it, asks it for commands, hears how they end."""

import asyncio
import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
    "from hob.sandboxes.keeper import main; main(*sys.argv[1:])"
)
_START_S = 10.0
_ANSWER_S = 5.0
_CLOSE_S = 3.0
_LOST = -signal.SIGKILL


class End(Struct, frozen=True):
    """How a command ended: exit code and the pids it left, or why it could not be started."""

    code: int = 0
    left: tuple[int, ...] = ()
    step: str = ""
    errno: int = 0


class KeeperLink:
    """A running keeper. Serves whichever event loop asks; `lost` when it is gone."""

    def __init__(self, env: Mapping[str, str], scratch: str) -> None:
        """Start one that also removes `scratch` at its end. Raises `OSError` where the system has no such thing."""
        if not (sys.executable and hasattr(os, "memfd_create") and hasattr(os, "pidfd_open")):
            raise OSError("keepers need Linux")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        queue, queue_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fds = (theirs.fileno(), queue_end.fileno())
        program = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM]
        with theirs, queue_end:
            try:
                self._process = subprocess.Popen(
                    [*program, *map(str, fds), scratch],
                    pass_fds=fds,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=dict(env),
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                queue.close()
                raise
        self._socket = ours
        self._queue = queue
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends: dict[int, asyncio.Future[End]] = {}
        self._kills: dict[int, asyncio.Future[int]] = {}
        self._listing: asyncio.Future[dict[int, list[int]]] | None = None
        self._gone: dict[int, asyncio.Future[None]] = {}
        self.lost = False
        ours.settimeout(_START_S)
        try:
            ready = ours.recv(4096)
        except OSError:
            ready = b""
        ours.setblocking(False)
        queue.setblocking(False)
        if not ready:
            self.close()
            raise OSError("the keeper did not start")

    def run(
        self,
        call: int,
        argv: Sequence[str],
        request: Mapping[str, object],
        streams: Sequence[int],
    ) -> "asyncio.Future[End]":
        """Start a command with its streams; the future is done at its end.

        `request` holds `cwd`, `env`, `token` and `tty`. Raises `OSError` if the keeper is gone.
        """
        loop = self._attach()
        self._ends[call] = ended = loop.create_future()
        fd = os.memfd_create("hob-command")
        try:
            body = {"call": call, "argv": [os.fspath(one) for one in argv], **request}
            with open(fd, "wb", closefd=False) as file:
                file.write(marshal.dumps(body))
            socket.send_fds(self._queue, [b"run"], [fd, *streams])
        except OSError:
            self._forget()
            raise
        finally:
            os.close(fd)
        return ended

    def signal(self, call: int, number: int) -> None:
        """Send a signal to the process group of a command."""
        self._ask({"op": "signal", "call": call, "number": int(number)})

    async def kill(self, call: int) -> int:
        """Kill a command with all that descends from it; return how many would not die."""
        killed = self._kills[call] = self._attach().create_future()
        self._ask({"op": "kill", "call": call})
        await asyncio.wait((killed,), timeout=_ANSWER_S)
        self._kills.pop(call, None)
        return killed.result() if killed.done() else 0

    async def listing(self) -> dict[int, list[int]]:
        """Return by call the pids that are still running."""
        listing = self._listing
        if self.lost:
            return {}
        if listing is None or listing.done():
            listing = self._listing = self._attach().create_future()
            self._ask({"op": "jobs"})
        await asyncio.wait((listing,), timeout=_ANSWER_S)
        return listing.result() if listing.done() else {}

    def gone(self, call: int) -> "asyncio.Future[None]":
        """Return a future that is done when the last process of an ended command is gone."""
        gone = self._gone.get(call)
        if gone is None:
            gone = self._gone[call] = self._attach().create_future()
        return gone

    def close(self) -> None:
        """Have everything below killed, and wait for it. May be called twice."""
        with suppress(OSError):
            self._socket.send(marshal.dumps({"op": "close"}))
        self._forget()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: dict[str, Any]) -> None:
        try:
            self._socket.send(marshal.dumps(request))
        except OSError:
            self._forget()

    def _attach(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self.lost:
                return loop
            self._loop = loop
            # Of a loop that is closed nobody waits any more.
            self._ends, self._kills, self._listing, self._gone = {}, {}, None, {}
            loop.add_reader(self._socket, self._hear)
        return loop

    def _hear(self) -> None:
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._forget()
                return
            self._note(cast("dict[str, Any]", marshal.loads(data)))

    def _note(self, message: dict[str, Any]) -> None:
        match message:
            case {"call": call, "code": code, "left": left}:
                _settle(self._ends.pop(call, None), End(code, tuple(left)))
            case {"call": call, "step": step, "errno": number}:
                _settle(self._ends.pop(call, None), End(step=step, errno=number))
            case {"killed": call, "left": left}:
                _settle(self._kills.pop(call, None), left)
            case {"jobs": found}:
                _settle(self._listing, found)
            case {"gone": call}:
                gone = self.gone(call)
                _settle(gone, None)
            case _:
                pass

    def _forget(self) -> None:
        """Let a keeper go that is gone: whoever waits is told. May be called twice."""
        if self._socket.fileno() < 0:
            return
        self.lost = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            for ended in self._ends.values():
                _settle(ended, End(_LOST, step="lost"))
            for killed in self._kills.values():
                _settle(killed, 0)
            for gone in self._gone.values():
                _settle(gone, None)
            _settle(self._listing, {})
        self._ends, self._kills, self._gone = {}, {}, {}
        self._socket.close()
        self._queue.close()


def _settle(future: "asyncio.Future[Any] | None", value: object) -> None:
    if future is not None and not future.done():
        future.set_result(value)
