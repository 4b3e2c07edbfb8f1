"""One model call over HTTP: the loop that all adapters share. They differ in how they write and read.

An adapter is an `HttpModel` with a renderer (request to body) and a reader (pieces of the body to deltas).
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

import httpx2
from msgspec import Struct
from msgspec.structs import replace

from hob.core.deltas import Delta
from hob.core.errors import ModelError
from hob.core.messages import Reply
from hob.core.request import Request
from hob.models.address import server_name
from hob.models.exchange import Exchange, make_client
from hob.models.patience import Patience, Watch, patience_for
from hob.models.progress import progress_of

# After the server's last word only the end of the body comes; having read it, the connection can be used again.
_LAST_PIECE_S = 0.25


class BodyRenderer(Protocol):
    """Writes requests. `diverged` says of the last one what broke the prefix, empty if nothing did."""

    @property
    def diverged(self) -> str:
        """Return what made the last body differ from the one before it by more than a tail."""
        ...

    def render(self, request: Request) -> bytes:
        """Return the body of a request."""
        ...


class AnswerReader(Protocol):
    """Reads one answer. `content_type` is set before the first piece, in lower case."""

    content_type: str

    @property
    def begun(self) -> bool:
        """Say whether words, thoughts or calls have come."""
        ...

    @property
    def complete(self) -> bool:
        """Say whether nothing that may still come can change the reply, except token counts."""
        ...

    @property
    def ended(self) -> bool:
        """Say whether the server has said that nothing more comes."""
        ...

    def feed(self, piece: bytes) -> list[Delta]:
        """Return what one piece adds. Raises `ModelError`."""
        ...

    def close(self) -> list[Delta]:
        """Return what the end of the body adds. Raises `ModelError`."""
        ...

    def reply(self, first_token_s: float | None, total_s: float) -> Reply:
        """Return the whole reply. Raises `ModelError`: cut or empty."""
        ...


class Endpoint(Struct, frozen=True):
    """Where a model is asked. `base_url` is normalised; `headers` go in place of the bearer header for the key."""

    base_url: str
    path: str
    model: str
    api_key: str = ""
    headers: Mapping[str, str] | None = None


class HttpModel:
    """A model behind one URL that takes a request by POST and streams its answer.

    It never tries again: the loop does that. `patience` defaults to `LOCAL` on loopback and `REMOTE`
    elsewhere. `reader` makes a reader from the server's name and the key (which must not show in any
    text). Raises `ModelError` for a key or a proxy setting that is no use.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        renderer: BodyRenderer,
        reader: Callable[[str, str], AnswerReader],
        patience: Patience | None = None,
    ) -> None:
        base_url, api_key = endpoint.base_url, endpoint.api_key
        self._endpoint = endpoint
        self._model = endpoint.model
        self._api_key = api_key
        self._patience = patience or patience_for(base_url, None, None)
        self._renderer = renderer
        self._reader = reader
        self._server = server_name(base_url)
        self._url = httpx2.URL(f"{base_url}{endpoint.path}")
        self._client = make_client(base_url, api_key, self._patience.connect_s, endpoint.headers)

    @property
    def name(self) -> str:
        """Return the model's name for people."""
        return self._model

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield deltas as they come and end with one `Reply`; see `Model.stream`.

        Raises `ModelError` and nothing else but cancellation. Closing the iterator (use
        `contextlib.aclosing`) or cancelling the task closes the connection: servers then stop.
        """
        watch = self._watch(request)
        answer = self._reader(self._server, self._api_key)
        body = self._renderer.render(request)
        diverged = self._renderer.diverged
        exchange = self._exchange(body)
        first_token_s: float | None = None
        try:
            job = exchange.begin(exchange.open(watch.loading))
            while True:
                async for notice in watch.notices(job):
                    yield notice
                if (piece := job.result()) is None:
                    break
                answer.content_type = exchange.content_type
                deltas = answer.feed(piece)
                watch.hear(deltas)
                for delta in deltas:
                    yield delta
                if answer.begun or answer.complete:
                    first_token_s = watch.elapsed_s()
                    break
                job = exchange.begin(exchange.read())
            while piece is not None and (piece := await self._next(watch, exchange, answer)):
                for delta in answer.feed(piece):
                    yield delta
            for delta in answer.close():
                yield delta
            reply = answer.reply(first_token_s, watch.elapsed_s())
            yield replace(reply, diverged=diverged) if diverged else reply
        finally:
            watch.close()
            await exchange.close()

    async def aclose(self) -> None:
        """Let connections go."""
        await self._client.aclose()

    def _watch(self, request: Request) -> Watch:
        at, connect_s = self._endpoint, self._patience.connect_s

        def make() -> httpx2.AsyncClient:
            return make_client(at.base_url, at.api_key, connect_s, at.headers)

        progress = progress_of(at.base_url, at.model, make, request)
        return Watch(self._patience, request.deadline_s, self._server, progress)

    def _exchange(self, body: bytes) -> Exchange:
        sent = self._client.build_request("POST", self._url, content=body)
        return Exchange(self._client, sent, self._server, self._api_key)

    async def _next(self, watch: Watch, exchange: Exchange, answer: AnswerReader) -> bytes | None:
        """Return the next piece, None at the end; nothing can spoil a complete answer."""
        if not answer.complete:
            return await watch.read(exchange.read())
        watch.settle(_LAST_PIECE_S if answer.ended else self._patience.settle_s)
        try:
            piece = await watch.read(exchange.read())
        except ModelError:
            return None
        return None if answer.ended else piece
