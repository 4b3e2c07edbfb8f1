"""A real HTTP server on loopback that plays a script: four protocols, models and health.

It runs in a thread of its own, so that tests, whether they await or not, can talk to it.
"""

import asyncio
from pathlib import Path
from threading import Event, Thread
from typing import Self, cast

import msgspec
from msgspec import Struct

from hob.core.transcript import NOTED
from hob.models.faults import perform
from hob.models.script import Player, Script, count_tokens
from hob.models.scripted_messages import MESSAGES
from hob.models.scripted_ollama import OLLAMA
from hob.models.scripted_responses import RESPONSES
from hob.models.scripted_wire import CHAT, EVENTS, Performance, Wire, error_document

_WIRES = {
    "/chat/completions": CHAT,
    "/messages": MESSAGES,
    "/responses": RESPONSES,
    "/api/chat": OLLAMA,
}

_REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 404: "Not Found"}
_DRAIN_BYTES = 65536
_STREAM_LIMIT_BYTES = 1024 * 1024


class Received(Struct, frozen=True):
    """A request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class _Message(Struct):
    role: str = ""
    type: str = ""
    content: object = None

    @property
    def is_answer(self) -> bool:
        """Say whether the script wrote it: the word between two turns of the person is Hob's own."""
        if self.role == "assistant":
            return self._text != NOTED.text
        return self.type == "function_call"

    @property
    def _text(self) -> object:
        """Return the words, which two of the protocols put into a list of parts."""
        content = self.content
        parts = cast("list[object]", content) if isinstance(content, list) else []
        if len(parts) == 1 and isinstance(parts[0], dict):
            return cast("dict[str, object]", parts[0]).get("text")
        return cast("object", content)


class _Asked(Struct):
    messages: list[_Message] = []
    input: list[_Message] = []
    stream: bool | None = None

    @property
    def answers(self) -> int:
        """Return how many answers it holds; in `input` one answer can be several items in a row."""
        said = [item.is_answer for item in self.input]
        runs = sum(now and not before for before, now in zip([False, *said], said, strict=False))
        return runs + sum(message.is_answer for message in self.messages)


class ScriptedServer:
    """A scripted model server; a context manager, with or without `async`.

    `requests` are all completion requests so far, `connections` counts who came, `dropped` counts
    answers whose reader left early, and `left` is set at the first of them.
    """

    def __init__(
        self, script: Script, model: str = "scripted", port: int = 0, record: Path | None = None
    ) -> None:
        self._player = Player(script)
        self._model = model
        self._port = port
        self._record = record
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: Thread | None = None
        self._ready = Event()
        self._failure: OSError | None = None
        self.requests: list[Received] = []
        self.connections = 0
        self.dropped = 0
        self.left = Event()

    @property
    def base_url(self) -> str:
        """Return the address to give to an adapter."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._run, name="scripted-model", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *reason: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *reason: object) -> None:
        self.__exit__()

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        visits: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._visit(reader, writer))
            visits[task] = writer
            self.connections += 1
            task.add_done_callback(lambda done: visits.pop(done).transport.abort())

        try:
            server = await asyncio.start_server(
                visit, "127.0.0.1", self._port, limit=_STREAM_LIMIT_BYTES
            )
        except OSError as error:
            self._failure = error
            self._ready.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        # Only stop listening: since Python 3.12 `wait_closed` waits for clients, which may never leave.
        server.close()
        writers = list(visits.values())
        for task in visits:
            task.cancel()
        # A loop that ends before its sockets are closed leaks them.
        closing = (writer.wait_closed() for writer in writers)
        await asyncio.gather(*visits, *closing, return_exceptions=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _receive(reader)) is not None:
                if not await self._serve(request, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client is gone, and so is this visit

    async def _serve(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; False if the connection cannot serve another."""
        performance = self._performance(request)
        if performance.opening == "refuse":
            return False
        if performance.opening == "hang":
            await reader.read(1)
            self._note_leaving()
            return False
        try:
            done = await _play(performance, reader, writer)
        except ConnectionError:
            self._note_leaving()
            raise
        if not done and reader.at_eof():
            self._note_leaving()
        return done and request.headers.get("connection", "").lower() != "close"

    def _note_leaving(self) -> None:
        self.dropped += 1
        self.left.set()

    def _performance(self, request: Received) -> Performance:
        path = request.path.partition("?")[0].removeprefix("/v1").rstrip("/")
        if request.method == "POST" and path in _WIRES:
            return self._complete(request, _WIRES[path])
        if path == "/models":
            card = {"id": self._model, "object": "model", "created": 0, "owned_by": "hob"}
            return _json(200, msgspec.json.encode({"object": "list", "data": [card]}))
        if path == "/health":
            return _json(200, b'{"status":"ok"}')
        return _json(404, error_document(404, "File Not Found", "not_found_error"))

    def _complete(self, request: Received, wire: Wire) -> Performance:
        before = self.requests[-1].body if self.requests else b""
        self.requests.append(request)
        if self._record is not None:
            line = msgspec.json.encode({"path": request.path, "body": request.body.decode()})
            with self._record.open("ab") as file:
                file.write(line + b"\n")
        try:
            asked = msgspec.json.decode(request.body, type=_Asked)
        except msgspec.DecodeError as error:
            return _json(400, wire.error(400, str(error), "invalid_request_error"))
        turn = self._player.turn(asked.answers)
        usage = count_tokens(request.body, before, turn)
        performance = perform(turn, usage, streamed=bool(asked.stream), wire=wire)
        if performance.headers.get("content-type") == EVENTS:
            performance.headers["content-type"] = wire.content_type
        return performance


def serve(
    script: Script, *, model: str = "scripted", port: int = 0, record: Path | None = None
) -> ScriptedServer:
    """Return a server that plays the script while it is entered: `with serve(turns) as server`.

    Port 0 takes a free one. `record` appends each request as a JSON line with `path` and `body`.
    Entering raises `OSError` if the port is taken.
    """
    return ScriptedServer(script, model, port, record)


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


async def _play(
    performance: Performance, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    reason = _REASONS.get(performance.status, "Error")
    head = f"HTTP/1.1 {performance.status} {reason}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in performance.headers.items())
    writer.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
    waiting = 0
    for move in performance.moves:
        if isinstance(move, bytes):
            writer.write(b"%x\r\n%b\r\n" % (len(move), move) if move else b"")
            waiting += len(move)
            if waiting > _DRAIN_BYTES:
                await writer.drain()
                waiting = 0
        elif isinstance(move, float):
            await writer.drain()
            if await _leaves_within(reader, move):
                return False
        elif move == "hang":
            await writer.drain()
            await reader.read(1)
            return False
        else:
            await writer.drain()
            return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def _leaves_within(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait, and say whether the client has gone meanwhile."""
    await asyncio.sleep(seconds)
    return reader.at_eof()


def _json(status: int, body: bytes) -> Performance:
    return Performance([body], status, {"content-type": "application/json"})
