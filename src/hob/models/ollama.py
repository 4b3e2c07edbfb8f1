"""The adapter for Ollama's own protocol: the compatible route ignores the window and thinking."""

from hob.models.address import normalise
from hob.models.ollama_answer import OllamaAnswer
from hob.models.ollama_body import OllamaRenderer
from hob.models.patience import Patience
from hob.models.streaming import Endpoint, HttpModel


class Ollama(HttpModel):
    """A model behind `POST …/api/chat`, streamed. `base_url` may end in `/v1`; the rest as `OllamaRenderer`."""

    def __init__(  # noqa: PLR0913 (each is a field of the protocol)
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        patience: Patience | None = None,
        num_ctx: int | None = None,
        keep_alive: str = "60m",
        think: bool | None = None,
        temperature: float | None = None,
        keep_reasoning: bool = False,
        break_control_tokens: bool = False,
    ) -> None:
        super().__init__(
            Endpoint(normalise(base_url).removesuffix("/v1"), "/api/chat", model, api_key),
            OllamaRenderer(
                model,
                num_ctx=num_ctx,
                keep_alive=keep_alive,
                think=think,
                temperature=temperature,
                keep_reasoning=keep_reasoning,
                break_control_tokens=break_control_tokens,
            ),
            OllamaAnswer,
            patience,
        )
