"""What a model server says of itself. None: it did not say; nothing here comes from a table."""

from typing import Literal

from msgspec import Struct

ServerKind = Literal[
    "llamacpp",
    "ollama",
    "lmstudio",
    "vllm",
    "openai",  # any other server behind /v1
    "anthropic",
    "responses",
    "offline",
]


class ModelFacts(Struct, frozen=True):
    """One model that a server offers. Windows in tokens, sizes in bytes.

    `window_tokens` is what one conversation really gets now (per slot); `max_window_tokens` what the
    model was trained for; `window_from` says where the figure comes from, such as "/props".
    """

    name: str
    loaded: bool | None = None
    window_tokens: int | None = None
    max_window_tokens: int | None = None
    window_from: str = ""
    tools: bool | None = None
    vision: bool | None = None
    thinking: bool | None = None
    embedding: bool | None = None
    size_bytes: int | None = None
    digest: str = ""


class ServerFacts(Struct, frozen=True):
    """One server. `base_url` is the one that the adapter of this kind wants."""

    kind: ServerKind
    base_url: str
    version: str = ""
    slots: int | None = None
    models: tuple[ModelFacts, ...] = ()
    notes: tuple[str, ...] = ()  # what a person should know: sentences
