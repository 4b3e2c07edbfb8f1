"""The adapter for servers that speak OpenAI's Responses: OpenAI, and llama.cpp and others at home."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hob.models.address import is_loopback, normalise
from hob.models.answer import Answer
from hob.models.patience import Patience
from hob.models.responses_body import ResponsesRenderer
from hob.models.responses_events import ResponsesAssembler
from hob.models.streaming import HttpModel


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
        super().__init__(
            base_url=base_url,
            path="/responses",
            model=model,
            renderer=ResponsesRenderer(model, extra, own_ids=not is_loopback(base_url)),
            reader=partial(Answer, assembler=ResponsesAssembler),
            api_key=api_key,
            patience=patience,
        )
