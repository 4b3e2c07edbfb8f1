"""What a child prints: read without blocking, kept head and tail, passed on in calm pieces."""

import asyncio
import codecs
import os
from collections import deque

from hob.core.ports import Report, Sink

_CHUNK = 65536
_READS = 8  # chunks taken in one go before others get their turn
_REPORT_S = 0.05
_REPORT_BYTES = 16384  # more than this in one interval is cut: nobody reads that fast
_BURST_BYTES = 1 << 20  # of a background process, then it waits a moment
_BURST_S = 0.1


class Capture:
    """The head and the tail of a stream, in bounded memory. `seen` counts every byte."""

    __slots__ = ("_head", "_head_max", "_tail", "_tail_bytes", "_tail_max", "seen")

    def __init__(self, max_bytes: int) -> None:
        self._head_max = max_bytes // 2
        self._tail_max = max_bytes - self._head_max
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.seen = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self.seen += len(data)
        room = self._head_max - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
            if not data:
                return
        self._tail.append(data)
        self._tail_bytes += len(data)
        while self._tail_bytes - len(self._tail[0]) >= self._tail_max:
            self._tail_bytes -= len(self._tail.popleft())

    def text(self) -> str:
        """Return what was kept, with a note of how many bytes were cut in the middle."""
        head, tail = bytes(self._head), b"".join(self._tail)
        if len(tail) > self._tail_max:
            tail = tail[len(tail) - self._tail_max :]
        cut = self.seen - len(head) - len(tail)
        if cut <= 0:
            return (head + tail).decode("utf-8", "replace")
        # Neither edge may end inside a character, and the count has to stay true.
        whole = codecs.utf_8_decode(head, "replace", False)[1]
        skip = next((i for i, byte in enumerate(tail[:4]) if byte & 0xC0 != 0x80), 0)
        cut += len(head) - whole + skip
        shown = head[:whole].decode("utf-8", "replace")
        return f"{shown}\n[... {cut} bytes cut ...]\n{tail[skip:].decode('utf-8', 'replace')}"


class Reporter:
    """Passes decoded pieces on, at most one every 50 ms, with no timer while nothing comes."""

    __slots__ = ("_decoder", "_last", "_loop", "_name", "_pending", "_report", "_skipped", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, report: Report) -> None:
        self._loop = loop
        self._name = name
        self._report = report
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = bytearray()
        self._skipped = 0
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, data: bytes) -> None:
        """Take bytes; they are passed on now or within 50 ms."""
        self._pending += data
        surplus = len(self._pending) - _REPORT_BYTES
        if surplus > 0:
            del self._pending[:surplus]
            self._skipped += surplus
        if self._timer is None:
            wait = self._last + _REPORT_S - self._loop.time()
            if wait <= 0:
                self.flush()
            else:
                self._timer = self._loop.call_later(wait, self.flush)

    def flush(self, final: bool = False) -> None:
        """Pass on what is waiting; with `final` also the bytes of an unfinished character."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last = self._loop.time()
        if self._skipped:
            self._decoder.reset()
        text = self._decoder.decode(bytes(self._pending), final)
        if self._skipped:
            text = f"\n[... {self._skipped} bytes not shown ...]\n{text}"
        self._pending.clear()
        self._skipped = 0
        if text:
            self._report(self._name, text)


class Pipe:
    """The reading end of one of a child's streams, served by the event loop."""

    __slots__ = (
        "_burst", "_fd", "_loop", "_name", "_pause", "_reporter", "_sink", "capture", "done",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fd: int,
        name: str,
        capture: Capture,
        report: Report | None = None,
        sink: Sink | None = None,
    ) -> None:
        self._loop = loop
        self._fd = fd
        self._name = name
        self._reporter = Reporter(loop, name, report) if report else None
        self._sink = sink
        self._burst = 0
        self._pause: asyncio.TimerHandle | None = None
        self.capture = capture
        self.done: asyncio.Future[None] = loop.create_future()
        os.set_blocking(fd, False)
        loop.add_reader(fd, self.drain)

    def drain(self) -> None:
        """Read what is there, up to 512 KB; at the end of the stream close it."""
        for _ in range(_READS):
            try:
                data = os.read(self._fd, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self.capture.add(data)
            if self._sink is not None:
                self._sink(self._name, data)
            if self._reporter is not None:
                self._reporter.add(data)
            if len(data) < _CHUNK:
                return

    def abandon(self) -> None:
        """Go on reading for a background process; only the sink still hears of it.

        Closing would kill a server at its next log line. Who writes without end is slowed down, so
        that it cannot keep us busy.
        """
        self.settle()
        self._loop.remove_reader(self._fd)
        self._resume()

    def settle(self) -> None:
        """Tell the last of it; nothing is reported afterwards."""
        if self._reporter is not None:
            self._reporter.flush(final=True)
            self._reporter = None

    def close(self) -> None:
        """Stop reading and let the descriptor go. May be called twice."""
        if not self.done.done():
            self.done.set_result(None)
            self.settle()
            if self._pause is not None:
                self._pause.cancel()
            if not self._loop.is_closed():
                self._loop.remove_reader(self._fd)
            os.close(self._fd)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._fd, self._go_on)

    def _go_on(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if self._sink is not None:
            self._sink(self._name, data)
        self._burst += len(data)
        if self._burst >= _BURST_BYTES:
            self._burst = 0
            self._loop.remove_reader(self._fd)
            self._pause = self._loop.call_later(_BURST_S, self._resume)
