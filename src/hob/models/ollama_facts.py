"""What Ollama says of its models: `/api/tags`, `/api/ps`, `/api/show`. What is loaded tells the real window."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Protocol, cast

from hob.models.facts import ModelFacts, ServerFacts

Fields = dict[str, Any]
MAX_SHOWN = 24  # models whose details are asked for
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)
NO_WINDOW = (
    "A model that is not loaded gets Ollama's default window, which depends on the memory of the graphics card"
    " (4,096 tokens below 24 GiB); Hob sets its own with each request."
)


class Asks(Protocol):
    """A server that can be asked for JSON by path."""

    base_url: str

    async def get(self, path: str, body: Fields | None = None) -> Any:
        """Return the JSON behind a path, None if there is none."""
        ...


async def ollama_facts(
    asked: Asks, version: str, model: str | None, listed: Sequence[str]
) -> ServerFacts | None:
    """Return what an Ollama offers, None if it is none; details of the named `model` only, of all for None.

    `listed` are the names of its models, should `/api/tags` not answer in time.
    """
    tags, running = await asyncio.gather(asked.get("/api/tags"), asked.get("/api/ps"))
    if "models" not in _fields(tags) and "models" not in _fields(running):
        return None
    cards = _list(tags, "models") or [{"name": name} for name in listed]
    cards = [card for card in cards if card.get("name") or card.get("model")]
    names = [str(card.get("name") or card["model"]) for card in cards]
    wanted = [n for n in names if model is None or model in (n, n.removesuffix(":latest"))]
    shown = await asyncio.gather(
        *(asked.get("/api/show", {"model": name}) for name in wanted[:MAX_SHOWN])
    )
    details = dict(zip(wanted, map(_fields, shown), strict=False))
    loaded = {str(one.get("name")): one for one in _list(running, "models")}
    models = tuple(
        _model(name, card, loaded.get(name), details.get(name, {}))
        for name, card in zip(names, cards, strict=True)
    )
    unknown = [name for name in details if not _window(models, name)]
    return ServerFacts(
        "ollama", asked.base_url, version, models=models, notes=(NO_WINDOW,) if unknown else ()
    )


def _window(models: Sequence[ModelFacts], name: str) -> int | None:
    return next((one.window_tokens for one in models if one.name == name), None)


def _model(name: str, card: Fields, loaded: Fields | None, shown: Fields) -> ModelFacts:
    can = shown.get("capabilities")
    capabilities = cast("Sequence[Any]", can) if isinstance(can, list) else None
    now = _count((loaded or {}).get("context_length"))
    own = _NUM_CTX.search(str(shown.get("parameters") or ""))
    trained = _trained(_fields(shown.get("model_info")))
    asked = _count(int(own[1])) if own else None
    # Ollama gives no more than the model was trained for.
    window = now or (min(asked, trained or asked) if asked else None)
    return ModelFacts(
        name,
        loaded is not None,
        window_tokens=window,
        max_window_tokens=trained,
        window_from=("/api/ps" if now else "/api/show") if window else "",
        tools=None if capabilities is None else "tools" in capabilities,
        vision=None if capabilities is None else "vision" in capabilities,
        thinking=None if capabilities is None else "thinking" in capabilities,
        embedding=None if capabilities is None else "embedding" in capabilities,
        size_bytes=_count(card.get("size")),
        digest=str(card.get("digest") or ""),
    )


def _trained(info: Fields) -> int | None:
    return next((_count(v) for key, v in info.items() if key.endswith(".context_length")), None)


def _fields(value: object) -> Fields:
    return cast("Fields", value) if isinstance(value, dict) else {}


def _list(value: object, name: str) -> list[Fields]:
    listed = _fields(value).get(name)
    items = cast("list[object]", listed) if isinstance(listed, list) else []
    return [cast("Fields", one) for one in items if isinstance(one, dict)]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
