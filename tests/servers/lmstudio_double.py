"""A server that behaves like LM Studio: both forms of its list, 200 for what it does not know, silence when full."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from servers.pages import Pages, words


@dataclass
class Card:
    """A model that was downloaded; `window` is the context length with which it is loaded."""

    key: str = "qwen/qwen3-coder-30b"
    trained: int = 262_144
    window: int | None = None
    kind: str = "llm"
    tools: bool = True
    vision: bool = False
    size: int = 17_000_000_000


class LMStudioDouble(Pages):
    """LM Studio with these models. Four characters are a token; with `old` it knows `/api/v0` only."""

    def __init__(self, *cards: Card, old: bool = False) -> None:
        cards = tuple(map(replace, cards or (Card(),)))
        super().__init__(_pages(cards, old))
        self._cards = {c.key: c for c in cards}

    def get(self, path: str) -> tuple[int, Any]:
        """Return a page; what LM Studio does not know is an error with status 200."""
        unknown = {"error": f"Unexpected endpoint or method. (GET {path})"}
        return 200, self.pages.get(path, unknown)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return an answer, and an empty one to a prompt that does not fit; what is not loaded is, with 4,096."""
        card = self._cards[body["model"]]
        card.window = card.window or 4096
        self.pages |= _pages(tuple(self._cards.values()), "/api/v1/models" not in self.pages)
        size = sum(len(str(m.get("content", ""))) for m in body["messages"]) // 4
        return 200, [] if size > card.window else words("Hi.", card.key)


def _pages(cards: Sequence[Card], old: bool) -> dict[str, Any]:
    listed = [{"id": c.key, "object": "model", "owned_by": "organization_owner"} for c in cards]
    pages: dict[str, Any] = {
        "/v1/models": {"data": listed, "object": "list"},
        "/api/v0/models": {"object": "list", "data": [_old(c) for c in cards]},
    }
    return pages if old else pages | {"/api/v1/models": {"models": [_new(c) for c in cards]}}


def _new(card: Card) -> dict[str, Any]:
    config = {"context_length": card.window, "flash_attention": True, "parallel": 4}
    about: dict[str, Any] = {
        "type": "embedding" if card.kind == "embeddings" else "llm",
        "publisher": "qwen",
        "key": card.key,
        "display_name": card.key.title(),
        "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
        "size_bytes": card.size,
        "params_string": None,
        "loaded_instances": [{"id": card.key, "config": config}] if card.window else [],
        "max_context_length": card.trained,
        "format": "gguf",
    }
    if card.kind != "embeddings":
        about["capabilities"] = {"vision": card.vision, "trained_for_tool_use": card.tools}
    return about


def _old(card: Card) -> dict[str, Any]:
    about: dict[str, Any] = {
        "id": card.key,
        "object": "model",
        "type": card.kind,
        "publisher": "qwen",
        "arch": "qwen3moe",
        "compatibility_type": "gguf",
        "quantization": "Q4_K_M",
        "state": "loaded" if card.window else "not-loaded",
        "max_context_length": card.trained,
        "capabilities": ["tool_use"] if card.tools else [],
    }
    return about | ({"loaded_context_length": card.window} if card.window else {})
