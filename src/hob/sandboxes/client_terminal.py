"""An interactive command-line client in a pseudo terminal of this machine."""

import asyncio
import codecs
import fcntl
import os
import re
import struct
import termios
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from hob.core.ports import FileError
from hob.sandboxes.client import uninterrupted

_CHUNK = 65536
_KEPT_CHARS = 1_000_000  # between two reads; what came before is forgotten
_SEARCHED_CHARS = 4000
_SEND_S = 10.0
_END_S = 5.0
_LAST_S = 1.0  # from the end of the program to the end of the client


class ClientTerminal:
    """Implements the port `Terminal`. `end` kills what runs at the client's other end."""

    def __init__(
        self, fd: int, process: asyncio.subprocess.Process, end: Callable[[], Awaitable[None]]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._process = process
        self._end = end
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._news = asyncio.Event()
        self._open = True
        self._ended = asyncio.ensure_future(process.wait())
        self._ended.add_done_callback(lambda _: self._news.set())
        self._loop.add_reader(fd, self._take)

    @classmethod
    async def open(
        cls,
        argv: Sequence[str],
        env: Mapping[str, str],
        size: tuple[int, int],
        end: Callable[[], Awaitable[None]],
    ) -> "ClientTerminal":
        """Start a client on a terminal of (lines, columns). Raises `FileError`."""
        try:
            ours, theirs = os.openpty()
        except OSError as error:
            raise FileError(
                f"no terminal can be opened: {error.strerror}; use bash instead"
            ) from None
        try:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            os.set_blocking(ours, False)
            process = await asyncio.create_subprocess_exec(
                *argv, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
        except (OSError, ValueError) as error:
            os.close(ours)
            raise FileError(f"{argv[0]!r} cannot be run: {error}") from None
        finally:
            os.close(theirs)
        return cls(ours, process, end)

    @property
    def exit_code(self) -> int | None:
        """Return how it ended, None while it runs; a signal as 128 + its number."""
        return self._ended.result() if self._ended.done() else None

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
        while self._open:
            self._news.clear()
            if pattern is not None and pattern.search(self._text[-_SEARCHED_CHARS:]):
                break
            # After the client's end what is still in the terminal is read until nothing comes.
            left = deadline - self._loop.time() if self.exit_code is None else 0.05
            calm = bool(self._text) and pattern is None
            try:
                async with asyncio.timeout(min(left, quiet_s) if calm else left):
                    await self._news.wait()
            except TimeoutError:
                break
        if not self._open and not self._ended.done():
            await asyncio.wait((self._ended,), timeout=_LAST_S)
        text, self._text = self._text, ""
        return text

    async def close(self) -> None:
        """Kill the program's whole tree, then the client. May be called twice."""
        await uninterrupted(self._close())

    async def _close(self) -> None:
        if not self._ended.done():
            await self._end()
            await asyncio.wait((self._ended,), timeout=_END_S)
        if not self._ended.done():
            with suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait((self._ended,))
        self._hang_up()

    def _hang_up(self) -> None:
        if self._open:
            self._open = False
            self._news.set()
            self._loop.remove_reader(self._fd)
            os.close(self._fd)

    def _take(self) -> None:
        """Read what is there. A terminal whose other end is closed gives EIO, not an end."""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            return
        self._text = (self._text + self._decoder.decode(data))[-_KEPT_CHARS:]
        self._news.set()
