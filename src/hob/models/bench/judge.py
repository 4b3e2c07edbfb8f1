"""The judge: whether the calls of an answer fit the tools' schemas, and whether they are the ones wanted."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, ToolCall
from hob.core.schema import fit
from hob.models.bench.tasks import Step, Wanted
from hob.models.doctor.live import left_in_text
from hob.models.json_text import NOT_JSON

_SHOWN = 60  # characters of a wrong value that are worth showing


class Judgement(Struct, frozen=True):
    """What an answer is worth. `matched` names for each call the wanted one that it is; `why` is empty if right.

    `schema` says that calls came and that every one of them fits its tool.
    """

    schema: bool
    matched: tuple[Wanted, ...] = ()
    why: str = ""


def judge_words(step: Step, message: AssistantMessage) -> str:
    """Return what is wrong with an answer in words, empty if nothing is."""
    if message.calls:
        return f"called {message.calls[0].name!r} where no call was needed"
    said = message.text.lower()
    if not any(word in said for word in step.words):
        return "answered without the right words"
    return ""


def judge_calls(
    open_calls: Sequence[Wanted], tools: Sequence[ToolSpec], message: AssistantMessage
) -> Judgement:
    """Judge an answer that should make some of the calls that are still open, at least one."""
    if not message.calls:
        return Judgement(False, why=_without_calls(tools, message))
    fitted: list[dict[str, Any]] = []
    for call in message.calls:
        arguments, problem = _fitted(call, tools)
        if problem:
            return Judgement(False, why=problem)
        fitted.append(arguments)
    left = list(open_calls)
    matched: list[Wanted] = []
    for call, arguments in zip(message.calls, fitted, strict=True):
        found = next(
            (w for w in left if w.name == call.name and same(w.arguments, arguments)), None
        )
        if found is None:
            return Judgement(True, why=_difference(call.name, arguments, left, matched))
        left.remove(found)
        matched.append(found)
    return Judgement(True, tuple(matched))


def same(one: object, other: object) -> bool:
    """Tell whether two JSON values are equal; to JSON true is not 1, and 3.0 is 3."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        first, second = cast("dict[str, object]", one), cast("dict[str, object]", other)
        return first.keys() == second.keys() and all(same(v, second[k]) for k, v in first.items())
    if isinstance(one, list) and isinstance(other, list):
        items, others = cast("list[object]", one), cast("list[object]", other)
        return len(items) == len(others) and all(map(same, items, others))
    return one == other


def _without_calls(tools: Sequence[ToolSpec], message: AssistantMessage) -> str:
    if any(left_in_text(message.text, tool.name) for tool in tools):
        return "left a call in the text that cannot be read"
    return "was cut before it called" if message.stop == "length" else "did not call"


def _fitted(call: ToolCall, tools: Sequence[ToolSpec]) -> tuple[dict[str, Any], str]:
    """Return the arguments as the loop would take them, and what is wrong with them."""
    tool = next((tool for tool in tools if tool.name == call.name), None)
    if tool is None:
        return {}, f"called {call.name[:_SHOWN]!r}, which is not offered"
    try:
        arguments: object = msgspec.json.decode(call.arguments.strip() or "{}")
    except NOT_JSON:
        arguments = None
    if not isinstance(arguments, dict):
        return {}, f"called {call.name!r} with arguments that are no JSON object"
    schema: dict[str, Any] = msgspec.json.decode(tool.parameters)
    fitted, problem = fit(schema, cast("dict[str, Any]", arguments))
    return fitted, f"{call.name}: {problem.rstrip('.')}" if problem else ""


def _difference(
    name: str, arguments: dict[str, Any], left: Sequence[Wanted], matched: Sequence[Wanted]
) -> str:
    wanted = next((one for one in left if one.name == name), None)
    if wanted is None:
        if any(one.name == name for one in matched):
            return f"called {name!r} once too often"
        return f"called {name!r} instead of {left[0].name!r}" if left else f"called {name!r} too"
    for key, value in wanted.arguments.items():
        if not same(value, arguments.get(key)):
            return f"{name}: {key!r} is {_short(arguments.get(key))}, not {_short(value)}"
    extra = next(key for key in arguments if key not in wanted.arguments)
    return f"{name}: {extra!r} was to be left out and is {_short(arguments[extra])}"


def _short(value: object) -> str:
    shown = msgspec.json.encode(value).decode()
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
