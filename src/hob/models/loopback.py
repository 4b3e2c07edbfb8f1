"""A transport for httpx2 to servers on this machine: asyncio and h11 with nothing between.

The general one serves every case at three times the cost for each streamed piece (six generators and
two libraries more) and 20 ms more of start-up. Plain HTTP/1.1 to one address needs none of that.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from select import select

import h11
import httpx2

_MAX_HEAD_BYTES = 100 * 1024
_MAX_UNREAD_BYTES = 1024 * 1024
# Servers drop idle connections after 5 s (llama.cpp, uvicorn); leaving first avoids the race.
KEEP_ALIVE_S = 4.0
# llama.cpp announces keep-alive and yet closes after every stream: a request that comes at once crosses with
# that and is never read. A goodbye that comes later than this belongs to the request.
_CROSSING_S = 1.0


class LoopbackTransport(httpx2.AsyncBaseTransport):
    """Plain HTTP/1.1 to one local server, with connections kept for the next request."""

    def __init__(self, connect_s: float | None) -> None:
        self._connect_s = connect_s
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the response with its head read. Raises `httpx2.TransportError`."""
        kept = self._kept()
        connection = kept or await self._connect(request.url)
        try:
            head = await connection.ask(request)
        except httpx2.RemoteProtocolError:
            connection.abort()
            if kept is None or not kept.crossed():
                raise
            return await self.handle_async_request(request)
        except BaseException:
            connection.abort()
            raise
        return httpx2.Response(
            head.status_code,
            headers=list(head.headers),
            stream=_Body(connection, self._idle.append),
        )

    async def aclose(self) -> None:
        """Close the connections that wait for a next request."""
        while self._idle:
            self._idle.pop().abort()
        await asyncio.sleep(0)  # asyncio closes sockets in its next round

    def _kept(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                return connection
            connection.abort()
        return None

    async def _connect(self, url: httpx2.URL) -> "_Connection":
        loop = asyncio.get_running_loop()
        host, port = url.host, url.port or 80
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await loop.create_connection(_Connection, host, port)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection, used for one request after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unread_bytes = 0
        self._paused = False
        self._over = False
        self._unanswered = False
        self._idle_since: float | None = None
        self._asked_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the socket (asyncio calls this)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes, and stop reading while too many of them wait (asyncio calls this)."""
        if self._over:
            return
        self._wire.receive_data(data)
        self._unread_bytes += len(data)
        if self._unread_bytes > _MAX_UNREAD_BYTES and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True
        self._wake()

    def eof_received(self) -> None:
        """Note that the server has finished (asyncio calls this)."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is gone (asyncio calls this)."""
        self._end()

    def is_fresh(self) -> bool:
        """Say whether the next request may use this connection, which belongs to one event loop."""
        if self._loop is not asyncio.get_running_loop():
            return False
        young = self._loop.time() - (self._idle_since or 0.0) < KEEP_ALIVE_S
        return young and not self._over and not self._unread_bytes and not self._readable()

    def rest(self) -> bool:
        """Make ready for the next request; False if this connection cannot serve one."""
        wire = self._wire
        if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
            return False
        if self._over or self._paused or wire.trailing_data[0]:
            return False
        wire.start_next_cycle()
        self._unread_bytes = 0
        self._idle_since = self._loop.time()
        return True

    def crossed(self) -> bool:
        """Say whether the server said goodbye to this kept connection just as a request was sent."""
        since = self._loop.time() - (self._asked_at or 0.0)
        return self._unanswered and since < _CROSSING_S

    def abort(self) -> None:
        """Close at once, which tells the server to stop."""
        self._over = True
        if self._transport is not None and not self._loop.is_closed():
            self._transport.abort()

    def _readable(self) -> bool:
        """Say whether something came that asyncio has not seen yet: here only a goodbye can."""
        assert self._transport is not None
        try:
            return bool(select([self._transport.get_extra_info("socket")], [], [], 0)[0])
        except (OSError, ValueError):
            return True  # closed, or a number that select cannot take: a new connection is cheap

    async def ask(self, request: httpx2.Request) -> h11.Response:
        """Send a request and return the head of its response."""
        assert self._transport is not None
        body = await request.aread()
        try:
            head = h11.Request(
                method=request.method,
                target=request.url.raw_path,
                headers=list(request.headers.raw),
            )
            parts = [self._wire.send(head), self._wire.send(h11.Data(body))]
            parts.append(self._wire.send(h11.EndOfMessage()))
        except h11.LocalProtocolError as error:
            raise httpx2.LocalProtocolError(str(error)) from error
        self._asked_at = self._loop.time()
        self._transport.write(b"".join(part for part in parts if part))
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.ConnectionClosed):
                raise httpx2.RemoteProtocolError("Server disconnected without an answer")

    async def piece(self) -> bytes | None:
        """Return the next bytes of the body, None at its end."""
        event = await self._event()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _event(self) -> object:
        while True:
            try:
                event = self._wire.next_event()
            except h11.RemoteProtocolError as error:
                raise httpx2.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event
            if self._unanswered:
                raise httpx2.RemoteProtocolError("Server disconnected without an answer")
            self._unread_bytes = 0
            if self._paused and self._transport is not None:
                self._transport.resume_reading()
                self._paused = False
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._unanswered = self._wire.their_state in (h11.IDLE, h11.SEND_RESPONSE)
            if not self._unanswered:
                self._wire.receive_data(b"")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Body(httpx2.AsyncByteStream):
    """The body of one response; read to its end, it gives the connection back."""

    def __init__(self, connection: _Connection, keep: Callable[[_Connection], None]) -> None:
        self._connection = connection
        self._keep = keep
        self._closed = False

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while (piece := await self._connection.piece()) is not None:
            yield piece

    async def aclose(self) -> None:
        """Keep the connection if the body was read to its end, else close it."""
        if self._closed:
            return
        self._closed = True
        if self._connection.rest():
            self._keep(self._connection)
        else:
            self._connection.abort()
