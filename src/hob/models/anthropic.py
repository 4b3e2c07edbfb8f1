"""The adapter for servers that speak Anthropic's Messages: Anthropic, and llama.cpp and others at home."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hob.models.address import is_loopback, normalise
from hob.models.answer import Answer
from hob.models.anthropic_body import MessagesRenderer
from hob.models.anthropic_events import MessagesAssembler
from hob.models.patience import Patience
from hob.models.streaming import Endpoint, HttpModel

VERSION = "2023-06-01"


class Anthropic(HttpModel):
    """A model behind `POST …/v1/messages`, streamed.

    `base_url` with or without `/v1`, as ANTHROPIC_BASE_URL is written. `extra` are further constant
    fields of the request body (temperature, tool_choice …), but not `thinking`: with tools it demands
    signed thoughts back, which are not kept. `cache_marks` are cache breakpoints; None: everywhere
    but on loopback, where servers know by themselves what they have computed.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        patience: Patience | None = None,
        extra: Mapping[str, Any] | None = None,
        cache_marks: bool | None = None,
    ) -> None:
        base_url = messages_base(base_url)
        away = not is_loopback(base_url)
        marks = away if cache_marks is None else cache_marks
        endpoint = Endpoint(base_url, "/messages", model, api_key, key_headers(api_key))
        renderer = MessagesRenderer(model, extra, marks=marks, own_ids=away)
        super().__init__(endpoint, renderer, partial(Answer, assembler=MessagesAssembler), patience)


def messages_base(base_url: str) -> str:
    """Return the normalised base URL, which ends in `/v1` in this protocol. Raises `ModelError`."""
    base_url = normalise(base_url)
    return base_url if base_url.endswith("/v1") else f"{base_url}/v1"


def key_headers(api_key: str) -> dict[str, str]:
    """Return the headers that the protocol asks for; a key is none of the bearer kind."""
    key = api_key.strip()
    return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})
