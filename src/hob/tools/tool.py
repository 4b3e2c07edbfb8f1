"""From a typed function to a `Tool`: its parameters become the schema, ports are supplied.

A parameter of type str, int, float, bool, Literal, list[str] or one of these `| None` is asked of
the model; any other type is supplied by `bind` and never shown. `Annotated[str, "…"]` adds a
description, where it earns its tokens.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from hob.core.agent import ToolSpec
from hob.core.messages import Details, ToolResult
from hob.core.permission import Access, Replay
from hob.core.ports import FileError, Report

Function = Callable[..., Awaitable[ToolResult]]

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}


def tool(*, access: Access, replay: Replay) -> Callable[[Function], "FunctionTool"]:
    """Make a tool of an async function; the first paragraph of its docstring is the description.

    The annotations must be real objects: no `from __future__ import annotations`.
    """

    def make(function: Function) -> FunctionTool:
        asked, supplied = _parameters(function)
        description = " ".join((function.__doc__ or "").strip().split("\n\n")[0].split())
        spec = ToolSpec(function.__name__, description, _schema(function, asked), access, replay)
        return FunctionTool(spec, function, supplied, {})

    return make


def bind(definition: "FunctionTool", supplies: Mapping[Any, object]) -> "FunctionTool":
    """Return the tool with its ports: `supplies` maps the type of a parameter to the object.

    Raises `TypeError` if one is missing.
    """
    return definition.bound(supplies)


def done(content: str, **metadata: Any) -> ToolResult:
    """Return a success."""
    return ToolResult(content, details=Details(metadata=metadata))


def failed(content: str, **metadata: Any) -> ToolResult:
    """Return a failure; its text says what to do next."""
    return ToolResult(content, is_error=True, details=Details(metadata=metadata))


class FunctionTool:
    """Implements the port `Tool` by a function and what it is given."""

    __slots__ = ("_function", "_given", "_supplied", "_wants_report", "spec")

    def __init__(
        self,
        spec: ToolSpec,
        function: Function,
        supplied: Mapping[str, Any],
        given: Mapping[str, object],
    ) -> None:
        self.spec = spec
        self._function = function
        self._supplied = supplied
        self._given = given
        self._wants_report = next((n for n, kind in supplied.items() if kind == Report), "")

    def bound(self, supplies: Mapping[Any, object]) -> "FunctionTool":
        """Return the same tool with its ports, see `bind`."""
        given: dict[str, object] = {}
        for name, kind in self._supplied.items():
            if kind in supplies:
                given[name] = supplies[kind]
            elif kind != Report:
                raise TypeError(f"the tool {self.spec.name!r} needs a {kind.__name__} to be bound")
        return FunctionTool(self.spec, self._function, self._supplied, given)

    async def run(self, arguments: dict[str, Any], report: Report) -> ToolResult:
        """Call the function. A `FileError` is a failed result; its text is for the model."""
        given = {**self._given, self._wants_report: report} if self._wants_report else self._given
        try:
            result = await self._function(**arguments, **given)
        except FileError as error:
            return failed(str(error))
        return _encodable(result)


def _parameters(function: Function) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters that are asked of the model and those that are supplied."""
    asked: dict[str, Any] = {}
    supplied: dict[str, Any] = {}
    for name, kind in function.__annotations__.items():
        if name == "return":
            continue
        schema = _parameter(kind)
        if schema is None:
            supplied[name] = kind
        else:
            asked[name] = schema
    return asked, supplied


def _parameter(kind: Any) -> dict[str, Any] | None:
    """Return the schema of one parameter, None if its type is not one for a model."""
    origin = get_origin(kind)
    if kind in _SIMPLE:
        return {"type": _SIMPLE[kind]}
    if kind == list[str]:
        return {"type": "array", "items": {"type": "string"}}
    if origin is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    if origin is Annotated:
        inner = _parameter(get_args(kind)[0])
        return inner and {**inner, "description": kind.__metadata__[0]}
    if origin is UnionType:
        # Null is the same as leaving it out; plain types are what every chat template can print.
        some = [one for one in get_args(kind) if one is not NoneType]
        return _parameter(some[0]) if len(some) == 1 else None
    return None


def _schema(function: Function, asked: Mapping[str, Any]) -> str:
    """Return JSON Schema as text: compact, in the order of the signature, the same every time."""
    code = cast("Any", function)
    names = code.__code__.co_varnames[: code.__code__.co_argcount]
    optional = set(names[len(names) - len(code.__defaults__ or ()) :])
    required = [name for name in asked if name not in optional]
    schema: dict[str, Any] = {"type": "object", "properties": asked}
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False)


def _encodable(result: ToolResult) -> ToolResult:
    """Make sure that the text can be stored and sent: half characters are written as escapes."""
    try:
        result.content.encode()
    except UnicodeEncodeError:
        content = result.content.encode("utf-8", "backslashreplace").decode()
        return ToolResult(content, result.is_error, result.details)
    return result
