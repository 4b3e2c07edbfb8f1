"""Tools that are loaded only where they are used, so that every prompt and every start stays small."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NamedTuple

from hob.tools.tool import FunctionTool

OPTIONAL = ("refactor",)  # what an agent has if a person asks for it
TEXT_PROTOCOL = "apply_edits"  # what only the text protocol calls; no agent has it in its list

_HOMES = {"refactor": "hob.tools.refactor.tool", TEXT_PROTOCOL: "hob.tools.edits"}


class Extra(NamedTuple):
    """Further tools, what they are to be bound to, and what ends their helpers."""

    tools: tuple[FunctionTool, ...]
    supplies: dict[Any, object]
    close: Callable[[], None]


def optional(name: str) -> FunctionTool:
    """Return a tool by name. Raises `KeyError` for one that is not known."""
    return getattr(import_module(_HOMES[name]), name)


def extra(names: Iterable[str]) -> Extra:
    """Return the optional ones among these tools, ready to be bound."""
    wanted = sorted({name for name in names if name in _HOMES})
    tools = tuple(optional(name) for name in wanted)
    if "refactor" not in wanted:
        return Extra(tools, {}, lambda: None)
    made = import_module("hob.tools.refactor.plans").Refactorings
    refactorings = made()
    return Extra(tools, {made: refactorings}, refactorings.close)
