"""What a model is told when its call could not be read: how to write it again."""

import json
from collections.abc import Mapping
from typing import Any, cast

from hob.core.agent import ToolSpec
from hob.models.tool_syntax.offers import Schema, schema_of

_TAGGED = ("qwen3-coder", "glm", "minimax", "deepseek")
_SHOWN = 160  # characters of a problem
_EXAMPLES: dict[str, Any] = {
    "string": "…", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}, "null": None,
}  # fmt: skip


def hint_for(problem: str, tool: ToolSpec, dialect: str = "") -> str:
    """Return two sentences for the model: what was wrong with its call, and how to send it again.

    The example holds every parameter that the tool needs, or its first one if it needs none.
    """
    what = problem.strip().rstrip(".") or "it could not be read"
    if len(what) > _SHOWN:
        what = what[:_SHOWN] + "…"
    called = json.dumps({"name": tool.name, "arguments": example(tool)}, ensure_ascii=False)
    tags = " Close every tag, and write nothing behind the call." if dialect in _TAGGED else ""
    return (
        f"Your call of {tool.name!r} was not carried out: {what}. Send it again, whole, as a function call whose "
        f"arguments are one JSON object (double quotes, line ends as \\n), like this: {called}{tags}"
    )


def example(tool: ToolSpec) -> dict[str, Any]:
    """Return arguments of the form that a tool wants."""
    schema = schema_of(tool.parameters)
    properties: Mapping[str, Schema] = schema.get("properties", {})
    names = list(schema.get("required", ())) or list(properties)[:1]
    return {name: _value(properties.get(name, {})) for name in names}


def _value(schema: Schema) -> Any:
    listed = schema.get("enum") or schema.get("examples")
    if listed:
        return listed[0]
    if schema.get("default") is not None:
        return schema["default"]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return _value(choices[0])
    kind: Any = schema.get("type", "string")
    kind = kind if isinstance(kind, str) else kind[0]
    if kind == "array":
        items: Any = schema.get("items")
        return [_value(cast("Schema", items))] if isinstance(items, dict) else []
    if kind == "object":
        inner: Mapping[str, Schema] = schema.get("properties", {})
        return {name: _value(inner.get(name, {})) for name in schema.get("required", ())}
    return schema.get("minimum", _EXAMPLES.get(kind, "…"))
