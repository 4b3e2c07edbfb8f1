"""Token counts and timings as servers report them."""

from typing import Any, cast

from hob.core.messages import Usage


def read_usage(usage: object, timings: object) -> tuple[Usage, float | None, float | None]:
    """Return token counts, seconds for reading the prompt and seconds for writing the answer.

    `usage` is the OpenAI object (DeepSeek's `prompt_cache_hit_tokens` too), `timings` llama.cpp's;
    the second fills what the first leaves open. What neither says in a usable way is None.
    """
    counted, timed = _fields(usage), _fields(timings)
    prompt = _count(counted, "prompt_tokens")
    cached = _count(_fields(counted.get("prompt_tokens_details")), "cached_tokens")
    if cached is None:
        cached = _count(counted, "prompt_cache_hit_tokens")
    cache_n, prompt_n = _count(timed, "cache_n"), _count(timed, "prompt_n")
    if cached is None:
        cached = cache_n
    if prompt is None and prompt_n is not None:
        prompt = prompt_n + (cache_n or 0)
    completion = _count(counted, "completion_tokens")
    if completion is None:
        completion = _count(timed, "predicted_n")
    reasoning = _count(_fields(counted.get("completion_tokens_details")), "reasoning_tokens")
    counts = Usage(prompt, cached, completion, reasoning)
    return counts, _seconds(timed, "prompt_ms"), _seconds(timed, "predicted_ms")


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _count(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and value >= 0 else None


def _seconds(fields: dict[str, Any], name: str) -> float | None:
    value = fields.get(name)
    return value / 1000 if isinstance(value, int | float) and value >= 0 else None
