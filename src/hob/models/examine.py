"""What a server is and what it really offers: asked of the server itself, by GETs that change nothing.

    GET /v1/models ──▶ who owns the cards ──▶ llama.cpp /props · Ollama /api/… · vLLM /version · LM Studio /api/…

What a server does not say stays None. One slow or odd answer costs its own figures only.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote

from msgspec.structs import replace

from hob.core.errors import ModelError
from hob.models.address import is_loopback
from hob.models.facts import ModelFacts, ServerFacts, ServerKind
from hob.models.listing import get_json
from hob.models.ollama_facts import ollama_facts

Fields = dict[str, Any]
LIMIT_S = 3.0
_WINDOWS = ("max_model_len", "context_length", "context_window", "max_context_length")


class Asked:
    """One server being examined: what it answered to which path, asked once each."""

    def __init__(self, base_url: str, api_key: str, limit_s: float) -> None:
        self.base_url = base_url
        self.root = base_url.removesuffix("/v1")
        self._api_key, self._limit_s = api_key, limit_s

    async def get(self, path: str, body: Fields | None = None) -> Any:
        """Return the JSON behind a path of the server's root, None if there is none."""
        try:
            return await get_json(f"{self.root}{path}", self._api_key, self._limit_s, body)
        except ModelError:
            return None


async def examine(
    base_url: str, api_key: str = "", model: str | None = None, limit_s: float = LIMIT_S
) -> ServerFacts:
    """Return what a server says of itself and its models.

    Details that cost a request for each model are asked of the named `model`, of none for "", else of
    all. `base_url` is normalised. A server away from this machine is asked for its list only.
    Raises `ModelError` if it does not list its models.
    """
    listed = await get_json(f"{base_url}/models", api_key, limit_s)
    cards = _cards(listed)
    if cards is None:
        text = f"The server at {base_url} lists no models there; check the base URL."
        raise ModelError("malformed", text)
    asked = Asked(base_url, api_key, limit_s)
    owners = {str(card.get("owned_by", "")).lower() for card in cards}
    if not is_loopback(base_url):
        kind = "vllm" if "vllm" in owners else "openai"
        return ServerFacts(kind, base_url, models=tuple(map(_card, cards)))
    if any("llamacpp" in owner for owner in owners):
        return await _llamacpp(asked, cards, model)
    if "vllm" in owners:
        version = _fields(await asked.get("/version")).get("version")
        return _facts("vllm", asked, version, tuple(map(_card, cards)))
    return await _by_asking(asked, cards, model)


async def _by_asking(asked: Asked, cards: Sequence[Fields], model: str | None) -> ServerFacts:
    """Find out who a server is whose cards do not tell."""
    version, newer, older, props = await asyncio.gather(
        asked.get("/api/version"),
        asked.get("/api/v1/models"),
        asked.get("/api/v0/models"),
        asked.get("/props"),
    )
    if isinstance(said := _fields(version).get("version"), str):
        listed = [str(card["id"]) for card in cards]
        if (facts := await ollama_facts(asked, said, model, listed)) is not None:
            return facts
    if "models" in _fields(newer):
        models = tuple(map(_studio_card, _list(_fields(newer)["models"])))
        return _facts("lmstudio", asked, None, models, _studio_notes(models))
    if "data" in _fields(older):
        models = tuple(map(_old_studio_card, _list(_fields(older)["data"])))
        return _facts("lmstudio", asked, None, models, _studio_notes(models))
    if "default_generation_settings" in _fields(props):
        return await _llamacpp(asked, cards, model)
    return _facts("openai", asked, None, tuple(map(_card, cards)))


async def _llamacpp(asked: Asked, cards: Sequence[Fields], model: str | None) -> ServerFacts:
    """Read `/props`, which tells the window of one slot; a router tells it for each loaded model."""
    props = _fields(await asked.get("/props"))
    settings = _fields(props.get("default_generation_settings"))
    # A router's own props name a window of 0; its cards tell what is loaded, which a plain server's do not.
    if props.get("role") == "router" or any("status" in card for card in cards):
        return await _router(asked, cards, model)
    caps, modalities = _fields(props.get("chat_template_caps")), _fields(props.get("modalities"))
    tools = caps.get("supports_tools")
    template = props.get("chat_template")
    if tools is None and isinstance(template, str):
        tools = "tools" in template
    window = _count(settings.get("n_ctx"))
    place: Fields = {"window_tokens": window, "window_from": "/props"} if window else {}
    about: Fields = {
        "loaded": True,
        **place,
        "tools": tools if isinstance(tools, bool) else None,
        "vision": _flag(modalities.get("vision")),
    }
    models = tuple(replace(_card(card), **about) for card in cards)
    facts = _facts("llamacpp", asked, props.get("build_info"), models)
    return replace(facts, slots=_count(props.get("total_slots")))


async def _router(asked: Asked, cards: Sequence[Fields], model: str | None) -> ServerFacts:
    models = [_card(card) for card in cards]
    wanted = [one.name for one in models if (one.loaded if model is None else one.name == model)]
    paths = [f"/props?model={quote(name, safe='')}&autoload=false" for name in wanted]
    answers = await asyncio.gather(*map(asked.get, paths))
    windows = {
        name: _count(_fields(_fields(props).get("default_generation_settings")).get("n_ctx"))
        for name, props in zip(wanted, answers, strict=True)
    }
    known = tuple(
        replace(one, window_tokens=windows[one.name], window_from="/props")
        if windows.get(one.name)
        else one
        for one in models
    )
    return _facts("llamacpp", asked, "", known, ("It is a router: models are loaded on demand.",))


def _facts(
    kind: ServerKind,
    asked: Asked,
    version: object,
    models: tuple[ModelFacts, ...],
    notes: tuple[str, ...] = (),
) -> ServerFacts:
    said = version if isinstance(version, str) else ""
    models = tuple(one for one in models if one.name)
    return ServerFacts(kind, asked.base_url, said, models=models, notes=notes)


def _cards(listed: Any) -> list[Fields] | None:
    if "data" not in _fields(listed):
        return None
    return [card for card in _list(_fields(listed)["data"]) if isinstance(card.get("id"), str)]


def _card(card: Fields) -> ModelFacts:
    """Return what an entry of `/v1/models` tells: vLLM, OpenRouter, llama.cpp and others add fields."""
    meta, status = _fields(card.get("meta")), _fields(card.get("status"))
    said = (*(card.get(name) for name in _WINDOWS), meta.get("n_ctx"))
    window = next((n for n in map(_count, said) if n), None)
    loaded = {"loaded": True, "unloaded": False}.get(str(status.get("value")))
    return ModelFacts(
        str(card["id"]),
        loaded,
        window_tokens=window,
        max_window_tokens=_count(meta.get("n_ctx_train")),
        window_from="/v1/models" if window else "",
        size_bytes=_count(meta.get("size")),
    )


def _studio_card(card: Fields) -> ModelFacts:
    """Return an entry of LM Studio's `/api/v1/models` (0.4 and later)."""
    instances = _list(card.get("loaded_instances"))
    windows = [_count(_fields(one.get("config")).get("context_length")) for one in instances]
    capabilities = _fields(card.get("capabilities"))
    window = next((w for w in windows if w), None)
    return ModelFacts(
        str(card.get("key") or card.get("id") or ""),
        bool(instances),
        window_tokens=window,
        max_window_tokens=_count(card.get("max_context_length")),
        window_from="/api/v1/models" if window else "",
        tools=_flag(capabilities.get("trained_for_tool_use")),
        vision=_flag(capabilities.get("vision")),
        embedding=card.get("type") == "embedding",
        size_bytes=_count(card.get("size_bytes")),
    )


def _old_studio_card(card: Fields) -> ModelFacts:
    """Return an entry of LM Studio's `/api/v0/models`."""
    window = _count(card.get("loaded_context_length"))
    can = card.get("capabilities")
    return ModelFacts(
        str(card.get("id") or ""),
        card.get("state") == "loaded" if "state" in card else None,
        window_tokens=window,
        max_window_tokens=_count(card.get("max_context_length")),
        window_from="/api/v0/models" if window else "",
        tools="tool_use" in cast("list[Any]", can) if isinstance(can, list) else None,
        vision=card.get("type") == "vlm",
        embedding=card.get("type") == "embeddings",
    )


def _studio_notes(models: Sequence[ModelFacts]) -> tuple[str, ...]:
    if any(one.loaded and one.window_tokens for one in models):
        return ()
    return ("A model that is loaded on demand gets LM Studio's own context length, often 4,096.",)


def _fields(value: object) -> Fields:
    return cast("Fields", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Fields]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Fields", one) for one in listed if isinstance(one, dict)]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
