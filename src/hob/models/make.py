"""From a server that was found to a model that can be asked: adapter, window, and what the doctor knows of both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from hob.config import Config
from hob.core.errors import ModelError
from hob.core.ports import Model
from hob.models import profiles
from hob.models.discovery import Found
from hob.models.patience import patience_for
from hob.models.profile import Profile
from hob.models.second_look import SecondLook
from hob.models.window import ENOUGH_TOKENS, ROOM_TOKENS, too_small


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a run speaks to its model. `words` are sentences for the person."""

    make: Callable[[], Model]
    config: Config
    window_tokens: int | None = None
    words: tuple[str, ...] = ()


def prepare(found: Found, config: Config, head_tokens: int) -> Prepared:
    """Return what makes the model of each session, and the settings as the profile changes them.

    `head_tokens` are those of instructions and tools. Raises `ModelError` (refused) for a window that is
    too small to work in.
    """
    if found.kind == "offline":
        return Prepared(import_module("hob.models.offline.model").OfflineModel, config)
    version = found.facts.version if found.facts is not None else ""
    kept = profiles.load(config.data_dir / "profiles", found.base_url, found.model, version)
    profile, words = kept.profile, [kept.word] if kept.word else []
    window = window_tokens(found, config, profile, head_tokens)
    problem = too_small(
        found.kind,
        found.model,
        window,
        head_tokens,
        configured=bool(config.context_tokens),
        trained_tokens=found.card.max_window_tokens,
    )
    if problem:
        raise ModelError("refused", problem)
    config, word = _as_the_model_can(found, config, profile)
    words += [word] if word else []
    return Prepared(_maker(found, config, profile, window), config, window, tuple(words))


def window_tokens(found: Found, config: Config, profile: Profile, head_tokens: int) -> int | None:
    """Return the window: as configured, as the server says now, or as the doctor measured it.

    Ollama gives what is asked for: what is loaded already, if one can work in it, else 32,768 tokens or what the model
    was trained for. It is asked for once and never changed, as a change loads the model again.
    """
    if config.context_tokens:
        return config.context_tokens
    now = found.card.window_tokens
    if found.kind != "ollama":
        return now or profile.window_tokens
    if now and now >= head_tokens + 2 * ROOM_TOKENS:
        return now
    return min(ENOUGH_TOKENS, found.card.max_window_tokens or ENOUGH_TOKENS)


def _as_the_model_can(found: Found, config: Config, profile: Profile) -> tuple[Config, str]:
    """Return the settings for what the model can do; what a person set goes first."""
    if not profile.parallel_calls and "one_action" not in config.origins:
        config = replace(config, one_action=True)
    no_tools = found.card.tools is False or profile.tool_format == "text"
    if not no_tools or "edit_format" in config.origins:
        return config, ""
    edit_format = profile.edit_format or "diff"
    told = (
        f"{found.model!r} has no tool calling at this server, so calls are written as text (--edit-format"
        f" {edit_format}); `hob doctor` says more."
    )
    return replace(config, edit_format=edit_format), told


def _maker(
    found: Found, config: Config, profile: Profile, window: int | None
) -> Callable[[], Model]:
    def server(model: str) -> Model:
        return SecondLook(_adapter(found, config, profile, window, model))

    if config.edit_format == "tools":
        return lambda: server(found.model)
    if config.edit_format == "architect":
        architect = import_module("hob.models.architect").Architect
        editor = config.editor_model or found.model
        return lambda: architect(server(found.model), server(editor))
    text_protocol = import_module("hob.models.text_protocol").TextProtocol
    return lambda: text_protocol(server(found.model), config.edit_format)


def _adapter(
    found: Found, config: Config, profile: Profile, window: int | None, model: str
) -> Model:
    """Return the adapter for a server; only the one that is used is imported."""
    patience = patience_for(
        found.base_url, config.first_token_timeout_s, config.token_timeout_s, config.load_timeout_s
    )
    common: dict[str, Any] = {
        "base_url": found.base_url,
        "model": model,
        "api_key": found.api_key,
        "patience": patience,
    }
    if found.protocol == "messages":
        return import_module("hob.models.anthropic").Anthropic(**common)
    if found.protocol == "responses":
        return import_module("hob.models.responses").Responses(**common)
    kept = {
        "keep_reasoning": profile.keep_reasoning,
        "break_control_tokens": profile.break_control_tokens,
    }
    if found.kind == "ollama":
        think = config.think if found.card.thinking else None
        own = {"num_ctx": window, "keep_alive": config.keep_alive, "think": think}
        return import_module("hob.models.ollama").Ollama(**common, **kept, **own)
    extra = _extra(found, config, profile)
    if found.kind == "lmstudio":
        studio = import_module("hob.models.lmstudio").LMStudio
        return studio(**common, **kept, extra=extra, window_tokens=window)
    return import_module("hob.models.openai_chat").OpenAIChat(**common, **kept, extra=extra)


def _extra(found: Found, config: Config, profile: Profile) -> Mapping[str, Any]:
    """Return the constant fields that a kind of server understands beyond the common ones."""
    extra: dict[str, Any] = {}
    if found.kind == "llamacpp":
        extra |= {"cache_prompt": True, "return_progress": True}
        if config.slot is not None:
            extra["id_slot"] = config.slot
    if config.think is not None and found.kind in ("llamacpp", "vllm", "lmstudio"):
        extra["chat_template_kwargs"] = {"enable_thinking": config.think}
    # Where no tools are sent (calls as text), OpenAI's API refuses the field.
    native = config.edit_format == "tools"
    if native and not profile.parallel_calls and found.kind in ("llamacpp", "vllm", "openai"):
        extra["parallel_tool_calls"] = False
    return extra
