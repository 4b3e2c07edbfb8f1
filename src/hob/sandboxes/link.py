"""Our end of a keeper and of the parents that it forks: has commands started, hears how they end."""

import asyncio
import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
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
_IDLE = 4  # parents that wait for a command
_PACKET = 65536  # what is larger goes through a memory file


class End(Struct, frozen=True):
    """How a command ended: exit code and the pids it left, or why it could not be started."""

    code: int = 0
    left: tuple[int, ...] = ()
    step: str = ""
    errno: int = 0


class ParentLink:
    """A parent of one command at a time. Serves whichever event loop asks; `lost` when it is gone.

    `call` is the command that it has, with what that left; 0 if it can be given another one.
    """

    def __init__(self, end: socket.socket, free: "Callable[[ParentLink], None]") -> None:
        end.setblocking(False)
        self._socket = end
        self._free = free
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[End] | None = None
        self._killed: asyncio.Future[int] | None = None
        self._listing: asyncio.Future[list[int]] | None = None
        self._gone: asyncio.Future[None] | None = None
        self.call = 0
        self.lost = False

    def run(self, request: dict[str, Any], streams: Sequence[int]) -> "asyncio.Future[End]":
        """Start a command; the future is done at its end. Raises `OSError` if the parent is gone."""
        self._ended = ended = self._attach().create_future()
        self._gone = None
        self.call = request["call"]
        try:
            data = marshal.dumps(request)
            if len(data) <= _PACKET:
                socket.send_fds(self._socket, [data], streams)
            else:
                self._send_large(data, streams)
        except OSError:
            self.close()
            raise
        return ended

    def signal(self, call: int, number: int) -> None:
        """Send a signal to the process group of a command."""
        if call == self.call:
            self._ask({"op": "signal", "number": int(number)})

    async def kill(self, call: int) -> int:
        """Kill a command with all that descends from it; return how many would not die."""
        if call != self.call or self.lost:
            return 0
        killed = self._killed = self._attach().create_future()
        self._ask({"op": "kill"})
        await asyncio.wait((killed,), timeout=_ANSWER_S)
        return killed.result() if killed.done() else 0

    async def listing(self) -> list[int]:
        """Return the pids that are still running."""
        if self.lost:
            return []
        listing = self._listing
        loop = self._attach()
        if listing is None or listing.done() or listing.get_loop() is not loop:
            listing = self._listing = loop.create_future()
            self._ask({"op": "jobs"})
        await asyncio.wait((listing,), timeout=_ANSWER_S)
        return listing.result() if listing.done() else []

    def gone(self, call: int) -> "asyncio.Future[None]":
        """Return a future that is done when the last process of an ended command is gone."""
        gone = self._gone
        if gone is None or call != self.call or gone.get_loop() is not self._loop:
            gone = self._attach().create_future()
            if call == self.call and not self.lost:
                self._gone = gone
            else:
                gone.set_result(None)
        return gone

    def catch_up(self) -> None:
        """Hear what came when no event loop listened."""
        if self._loop is not None and self._loop.is_closed() and not self.lost:
            self._hear()

    def close(self) -> None:
        """Let the parent go, which kills what it has: whoever waits is told. May be called twice."""
        if self.lost:
            return
        self.lost = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        _settle(self._ended, End(_LOST, step="lost"))
        _settle(self._killed, 0)
        _settle(self._listing, [])
        self._socket.close()
        self._finish()

    def _send_large(self, data: bytes, streams: Sequence[int]) -> None:
        fd = os.memfd_create("hob-command")
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(data)
            socket.send_fds(self._socket, [marshal.dumps({"op": "large"})], [fd, *streams])
        finally:
            os.close(fd)

    def _ask(self, request: dict[str, Any]) -> None:
        try:
            self._socket.send(marshal.dumps(request))
        except OSError:
            self.close()

    def _attach(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop and not self.lost:
            self._loop = loop
            # Of a loop that is closed nobody waits any more.
            self._ended = self._killed = self._listing = self._gone = None
            loop.add_reader(self._socket, self._hear)
        return loop

    def _hear(self) -> None:
        while not self.lost:
            try:
                data = self._socket.recv(_PACKET)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self._note(cast("dict[str, Any]", marshal.loads(data)))

    def _note(self, message: dict[str, Any]) -> None:
        match message:
            case {"code": code, "left": left}:
                _settle(self._ended, End(code, tuple(left)))
                if not left:
                    self._finish()
            case {"step": step, "errno": number}:
                _settle(self._ended, End(step=step, errno=number))
                self._finish()
            case {"gone": _}:
                self._finish()
            case {"killed": left}:
                _settle(self._killed, left)
            case {"jobs": found}:
                _settle(self._listing, found)
            case _:
                pass

    def _finish(self) -> None:
        self.call = 0
        _settle(self._gone, None)
        self._free(self)


class KeeperLink:
    """A running keeper with the parents that it forked; `lost` when it is gone."""

    def __init__(self, env: Mapping[str, str], scratch: str) -> None:
        """Start one that also removes `scratch` at its end. Raises `OSError` where the system has no such thing."""
        if not (sys.executable and hasattr(os, "memfd_create") and hasattr(os, "pidfd_open")):
            raise OSError("keepers need Linux")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*program, str(theirs.fileno()), scratch],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=dict(env),
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        self._socket = ours
        self._idle: list[ParentLink] = []
        self._busy: set[ParentLink] = set()
        self.lost = False
        ours.settimeout(_START_S)
        try:
            ready = ours.recv(16)
        except OSError:
            ready = b""
        ours.setblocking(False)
        if not ready:
            self.close()
            raise OSError("the keeper did not start")

    def run(
        self, request: dict[str, Any], streams: Sequence[int]
    ) -> tuple[ParentLink, "asyncio.Future[End]"]:
        """Start a command with its streams; return who has it and a future that is done at its end.

        `request` holds `call`, `argv`, `cwd` and `env`; the streams are standard output and error, or
        one terminal. Raises `OSError` if the keeper is gone.
        """
        for parent in list(self._busy):
            parent.catch_up()
        while self._idle:
            parent = self._idle.pop()
            self._busy.add(parent)
            with suppress(OSError):  # somebody killed it
                return parent, parent.run(request, streams)
        parent = self._parent()
        self._busy.add(parent)
        return parent, parent.run(request, streams)

    async def listing(self) -> dict[int, list[int]]:
        """Return by call the pids that are still running."""
        busy = {parent.call: parent for parent in self._busy}
        found = await asyncio.gather(*(parent.listing() for parent in busy.values()))
        return {call: pids for call, pids in zip(busy, found, strict=True) if pids}

    def close(self) -> None:
        """Have everything below killed, and wait for it. May be called twice."""
        self.lost = True
        with suppress(OSError):
            self._socket.send(b"close")
        self._socket.close()
        for parent in [*self._idle, *self._busy]:
            parent.close()
        self._idle.clear()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _parent(self) -> ParentLink:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                socket.send_fds(self._socket, [b"parent"], [theirs.fileno()])
            except OSError:
                self.lost = True
                ours.close()
                raise
        return ParentLink(ours, self._free)

    def _free(self, parent: ParentLink) -> None:
        """Take back a parent whose command is over with all that it left."""
        self._busy.discard(parent)
        if parent.lost:
            if parent in self._idle:
                self._idle.remove(parent)
        elif len(self._idle) < _IDLE:
            self._idle.append(parent)
        else:
            parent.close()


def _settle(future: "asyncio.Future[Any] | None", value: object) -> None:
    if future is None or future.done() or future.get_loop().is_closed():
        return
    future.set_result(value)
