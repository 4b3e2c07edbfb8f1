"""The adapter for servers that speak OpenAI's Responses: OpenAI, and llama.cpp and others at home."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from msgspec.structs import replace

from hob.core.deltas import Delta
from hob.core.messages import Reply
from hob.core.request import Request
from hob.models.address import is_loopback, normalise
from hob.models.answer import Answer
from hob.models.json_text import is_complete
from hob.models.patience import Patience
from hob.models.responses_body import ResponsesRenderer
from hob.models.responses_events import ResponsesAssembler
from hob.models.streaming import Endpoint, HttpModel


class Responses(HttpModel):
    """A model behind `POST …/responses`, streamed, with nothing stored at the server.

    `extra` are further constant fields of the request body (`tool_choice`, `reasoning` …).
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        patience: Patience | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        base_url = normalise(base_url)
        endpoint = Endpoint(base_url, "/responses", model, api_key)
        renderer = ResponsesRenderer(model, extra, own_ids=not is_loopback(base_url))
        super().__init__(
            endpoint, renderer, partial(Answer, assembler=ResponsesAssembler), patience
        )

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield deltas as they come and end with one `Reply`; see `HttpModel.stream`."""
        async with aclosing(super().stream(request)) as answer:
            async for item in answer:
                yield _judged(item, request.max_tokens) if isinstance(item, Reply) else item


def _judged(reply: Reply, max_tokens: int | None) -> Reply:
    """Return the reply with the token limit as its end where it was reached.

    llama.cpp (b11549) calls such an answer completed; only its count of tokens tells.
    """
    said = reply.usage.completion_tokens
    if max_tokens is None or said is None or said < max_tokens:
        return reply
    whole = tuple(call for call in reply.message.calls if is_complete(call.arguments))
    return replace(reply, message=replace(reply.message, calls=whole, stop="length"))
