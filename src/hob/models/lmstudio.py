"""LM Studio: chat completions, with the trap that a prompt which is too long gets an empty answer and no error."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from hob.core.deltas import Delta
from hob.core.errors import ModelError
from hob.core.messages import Reply
from hob.core.request import Request
from hob.core.tokens import estimate_head, estimate_message
from hob.models.examine import examine
from hob.models.openai_chat import OpenAIChat

_LOOK_S = 2.0
_NEARLY = 0.85  # of the window: the estimate may be that much too low


class LMStudio(OpenAIChat):
    """A model in LM Studio. `window_tokens` is the context length with which it is loaded; None: it was not."""

    def __init__(self, *, window_tokens: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._window_tokens = window_tokens

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield deltas as they come and end with one `Reply`; see `HttpModel.stream`. Raises `ModelError`."""
        try:
            async with aclosing(super().stream(request)) as stream:
                async for part in stream:
                    yield part
        except ModelError as error:
            window = await self._window() if error.kind == "empty" else None
            if window is None or _size(request) < _NEARLY * window:
                raise
            text = (
                f"{self._server} gave an empty answer to about {_size(request):,} tokens, as LM Studio does when"
                f" they do not fit the model's context length of {window:,}; load it with a larger one."
            )
            raise ModelError("context_overflow", text, window_tokens=window) from error

    async def _window(self) -> int | None:
        """Return the context length; what was loaded on demand got LM Studio's own, which it tells by now."""
        if self._window_tokens is None:
            at = self._endpoint
            with suppress(ModelError):
                facts = await examine(at.base_url, at.api_key, "", _LOOK_S)
                same = (one.window_tokens for one in facts.models if one.name == at.model)
                self._window_tokens = next(same, None)
        return self._window_tokens


def _size(request: Request) -> int:
    head = estimate_head(request.instructions, request.tools)
    return head + sum(map(estimate_message, request.messages))
