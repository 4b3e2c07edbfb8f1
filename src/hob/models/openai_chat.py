"""The adapter for servers that speak OpenAI's chat completions, at home and in the clouds."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2

from hob.core.deltas import Delta
from hob.core.errors import ModelError
from hob.core.messages import Reply
from hob.core.request import Request
from hob.models.address import normalise, server_name
from hob.models.answer import Answer
from hob.models.exchange import Exchange, make_client
from hob.models.patience import Patience, Watch, patience_for
from hob.models.progress import progress_of
from hob.models.render import Renderer

# After `[DONE]` only the end of the body comes; having read it, the connection can be used again.
_LAST_PIECE_S = 0.25


class OpenAIChat:
    """A model behind `POST …/chat/completions`, streamed. It never tries again: the loop does that.

    `patience` defaults to `LOCAL` on loopback and `REMOTE` elsewhere. `extra` are further constant
    fields of the request body (temperature, chat_template_kwargs …). `keep_reasoning` sends past
    thoughts back as `reasoning_content`.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        patience: Patience | None = None,
        extra: Mapping[str, Any] | None = None,
        keep_reasoning: bool = False,
    ) -> None:
        self._base_url = normalise(base_url)
        self._model = model
        self._api_key = api_key
        self._patience = patience or patience_for(self._base_url, None, None)
        self._renderer = Renderer(model, extra, keep_reasoning)
        self._server = server_name(self._base_url)
        self._url = httpx2.URL(f"{self._base_url}/chat/completions")
        self._client = make_client(self._base_url, api_key, self._patience.connect_s)

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
        answer = Answer(self._server, self._api_key)
        exchange = self._exchange(request)
        first_token_s: float | None = None
        try:
            job = exchange.begin(exchange.open(watch.loading))
            while True:
                async for notice in watch.notices(job):
                    yield notice
                if (piece := job.result()) is None:
                    break
                answer.content_type = exchange.content_type
                for delta in answer.feed(piece):
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
            yield answer.reply(first_token_s, watch.elapsed_s())
        finally:
            watch.close()
            await exchange.close()

    async def aclose(self) -> None:
        """Let connections go."""
        await self._client.aclose()

    def _watch(self, request: Request) -> Watch:
        connect_s = self._patience.connect_s
        progress = progress_of(self._base_url, self._model, self._api_key, connect_s, request)
        return Watch(self._patience, request.deadline_s, self._server, progress)

    def _exchange(self, request: Request) -> Exchange:
        body = self._renderer.render(request)
        sent = self._client.build_request("POST", self._url, content=body)
        return Exchange(self._client, sent, self._server, self._api_key)

    async def _next(self, watch: Watch, exchange: Exchange, answer: Answer) -> bytes | None:
        """Return the next piece, None at the end; nothing can spoil a complete answer."""
        if not answer.complete:
            return await watch.read(exchange.read())
        watch.settle(_LAST_PIECE_S if answer.ended else self._patience.settle_s)
        try:
            piece = await watch.read(exchange.read())
        except ModelError:
            return None
        return None if answer.ended else piece
