"""The adapter for servers that speak OpenAI's chat completions, at home and in the clouds."""

from collections.abc import Mapping
from typing import Any

from hob.models.address import normalise
from hob.models.answer import Answer
from hob.models.patience import Patience
from hob.models.render import Renderer
from hob.models.streaming import Endpoint, HttpModel


class OpenAIChat(HttpModel):
    """A model behind `POST …/chat/completions`, streamed.

    `extra` are further constant fields of the request body (temperature, tool_choice,
    chat_template_kwargs …). `keep_reasoning` sends past thoughts back as `reasoning_content`,
    `break_control_tokens` makes text that looks like a template's control token harmless.
    """

    def __init__(  # noqa: PLR0913 (settings by name, each with a default)
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        patience: Patience | None = None,
        extra: Mapping[str, Any] | None = None,
        keep_reasoning: bool = False,
        break_control_tokens: bool = False,
    ) -> None:
        super().__init__(
            Endpoint(normalise(base_url), "/chat/completions", model, api_key),
            Renderer(model, extra, keep_reasoning, break_control_tokens),
            Answer,
            patience,
        )
