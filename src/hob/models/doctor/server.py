"""What a server tells of itself where it has more than `/v1`: llama.cpp, Ollama, LM Studio, vLLM."""

import re
from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct

from hob.models.doctor.wire import Json, Wire
from hob.models.facts import ServerKind


class Server(Struct, frozen=True):
    """A server as it describes itself; None and empty: it does not say. `template` is the chat template's text."""

    kind: ServerKind = "openai"
    version: str = ""
    window_tokens: int | None = None
    window_from: str = ""
    slots: int | None = None
    template: str = ""
    tools: bool | None = None
    merges_system: bool = False


async def describe(wire: Wire) -> Server:
    """Ask the endpoints that only one kind of server has, the most telling first."""
    if (properties := await wire.look("/props")) is not None and (
        "chat_template" in properties or "default_generation_settings" in properties
    ):
        return _llamacpp(properties)
    if (version := await wire.look("/api/version")) is not None and "version" in version:
        return await _ollama(wire, str(version["version"]))
    if (listed := await wire.look("/api/v0/models")) is not None and (
        card := _card(listed, wire.model)
    ):
        tools = card.get("capabilities")
        return Server(
            "lmstudio",
            window_tokens=_count(card.get("loaded_context_length")),
            window_from="/api/v0/models",
            tools="tool_use" in cast("list[object]", tools) if isinstance(tools, list) else None,
        )
    version = await wire.look("/version") or {}
    listed = await wire.look("/v1/models") or {}
    window = _count((_card(listed, wire.model) or {}).get("max_model_len"))
    if window is not None or _card(listed, wire.model).get("owned_by") == "vllm":
        said = str(version.get("version", ""))
        return Server("vllm", said, window_tokens=window, window_from="/v1/models")
    return Server()


def _llamacpp(properties: Json) -> Server:
    settings, caps = (
        _object(properties, "default_generation_settings"),
        _object(properties, "chat_template_caps"),
    )
    template = properties.get("chat_template_tool_use") or properties.get("chat_template")
    return Server(
        "llamacpp",
        str(properties.get("build_info", "")),
        window_tokens=_count(settings.get("n_ctx")),
        window_from="/props",
        slots=_count(properties.get("total_slots")),
        template=str(template or ""),
        merges_system=caps.get("supports_system_role") is False,
    )


async def _ollama(wire: Wire, version: str) -> Server:
    shown = await wire.look("/api/show", {"model": wire.model}) or {}
    running = await wire.look("/api/ps") or {}
    window = _count(_card(running, wire.model, "models").get("context_length"))
    source = "/api/ps"
    if window is None:
        told = re.search(r"^num_ctx\s+(\d+)", str(shown.get("parameters", "")), re.MULTILINE)
        window, source = (int(told[1]), "/api/show") if told else (None, "")
    capabilities = shown.get("capabilities")
    tools = (
        "tools" in cast("list[object]", capabilities) if isinstance(capabilities, list) else None
    )
    return Server(
        "ollama", version, window, source, template=str(shown.get("template", "")), tools=tools
    )


def _object(document: Mapping[str, Any], name: str) -> Json:
    value = document.get(name)
    return cast("Json", value) if isinstance(value, dict) else {}


def _card(document: Mapping[str, Any], model: str, name: str = "data") -> Json:
    """Return what a list says about one model, empty if it is not there."""
    cards = document.get(name)
    known = cast("list[Json]", cards) if isinstance(cards, list) else []
    for card in known:
        called = (card.get("id"), card.get("name"), card.get("model"))
        if model in called or f"{model}:latest" in called:
            return card
    return {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
