"""An interactive program in a pseudo terminal of this machine."""

import asyncio
import codecs
import fcntl
import os
import re
import signal
import struct
import termios
from collections import deque

from hob.core.ports import FileError
from hob.sandboxes.children import Child

_CHUNK = 65536
_KEPT_CHARS = 1_000_000  # between two reads; what came before is forgotten
_SEARCHED_CHARS = 1000
_HANG_UP_S = 0.2
_SEND_S = 10.0
_LAST_READS = 16
_NOT_STARTED = 127  # as a shell says it


def open_terminal(size: tuple[int, int]) -> tuple[int, int]:
    """Return our end and the program's end of a terminal of (lines, columns). Raises `FileError`."""
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        raise FileError(f"no terminal can be opened: {error.strerror}; use bash instead") from None
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    os.set_blocking(ours, False)
    return ours, theirs


class PtyTerminal:
    """Implements the port `Terminal`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, child: Child) -> None:
        self._loop = loop
        self._fd = fd
        self._child = child
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pieces: deque[str] = deque()
        self._chars = 0
        self._news = asyncio.Event()
        self._open = True
        loop.add_reader(fd, self._take)
        child.ended.add_done_callback(lambda _: self._news.set())

    @property
    def exit_code(self) -> int | None:
        """Return how it ended, None while it runs; negative for a signal."""
        if not self._child.ended.done():
            return None
        end = self._child.ended.result()
        return end.code if end.step in {"", "lost"} else _NOT_STARTED

    async def send(self, text: str) -> None:
        """Type text. Raises `FileError` if the program has ended or does not read."""
        data = text.encode("utf-8", "replace")
        deadline = self._loop.time() + _SEND_S
        while data:
            if not self._open or self.exit_code is not None:
                raise FileError("the program has ended; start it again")
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                if self._loop.time() > deadline:
                    raise FileError("the program does not read what is typed") from None
                await asyncio.sleep(0.01)
            except OSError:
                raise FileError("the program has closed its terminal; start it again") from None

    async def read(
        self, *, timeout_s: float, quiet_s: float = 0.3, until: str | None = None
    ) -> str:
        """Return what it printed since the last read. See the port."""
        pattern = re.compile(until) if until is not None else None
        deadline = self._loop.time() + timeout_s
        while True:
            self._news.clear()
            if pattern is not None and pattern.search(self._recent()):
                break
            if self.exit_code is not None or not self._open:
                # The end of the terminal is seen a little before the end of the program.
                await asyncio.wait((self._child.ended,), timeout=_HANG_UP_S)
                for _ in range(_LAST_READS):
                    self._take()
                break
            left = deadline - self._loop.time()
            calm = self._chars > 0 and pattern is None
            try:
                async with asyncio.timeout(min(left, quiet_s) if calm else left):
                    await self._news.wait()
            except TimeoutError:
                break
        text = "".join(self._pieces)
        self._pieces.clear()
        self._chars = 0
        return text

    async def close(self) -> None:
        """Hang up, then kill the whole process tree. May be called twice."""
        if not self._child.ended.done():
            self._child.ask(signal.SIGHUP)
            self.hang_up()
            await asyncio.wait((self._child.ended,), timeout=_HANG_UP_S)
        self.hang_up()
        await self._child.kill()

    def hang_up(self) -> None:
        """Close our end. May be called twice."""
        if self._open:
            self._open = False
            self._news.set()
            if not self._loop.is_closed():
                self._loop.remove_reader(self._fd)
            os.close(self._fd)

    def _recent(self) -> str:
        found: list[str] = []
        size = 0
        for piece in reversed(self._pieces):
            found.append(piece)
            size += len(piece)
            if size > _SEARCHED_CHARS:
                break
        return "".join(reversed(found))[-_SEARCHED_CHARS:]

    def _take(self) -> None:
        """Read what is there. A terminal whose other end is closed gives EIO, not an end."""
        if not self._open:
            return
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.hang_up()
            return
        text = self._decoder.decode(data)
        self._pieces.append(text)
        self._chars += len(text)
        while self._chars - len(self._pieces[0]) > _KEPT_CHARS:
            self._chars -= len(self._pieces.popleft())
        self._news.set()
