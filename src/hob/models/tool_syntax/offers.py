"""The tools that were offered: which one a name means, and values typed by its schema."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from hob.core.agent import ToolSpec
from hob.core.schema import fit
from hob.models.tool_syntax.literals import (
    Read,
    Unread,
    no_constant,
    once,
    read,
    skip_space,
)

Schema = Mapping[str, Any]

NAME_KEYS = ("name", "tool_name", "tool", "function", "function_name", "action")
ARGUMENT_KEYS = (
    "arguments", "parameters", "args", "params", "input", "tool_input", "action_input", "kwargs",
)  # fmt: skip
_BESIDE = frozenset({"id", "type", "call_id", "tool_call_id", "index", "thought"})
_AROUND = re.compile(
    r"^(?:functions?|tools?|default_api)[.:]|(?::\d+|\.call)$|<[|\uff5c].*$", re.DOTALL
)


class Asked(NamedTuple):
    """A call as it was read: the name as written, and the arguments."""

    name: str
    arguments: dict[str, Any]


class Offered:
    """The tools of a request, by name.

    With `strictly` an object is a call only if it has a name, arguments and nothing else that means anything.
    """

    def __init__(self, tools: Iterable[ToolSpec], strictly: bool = False) -> None:
        self._strictly = strictly
        self._tools = {tool.name: tool for tool in tools}
        self._schemas: dict[str, Schema] = {}
        keys: set[str] = {*NAME_KEYS, *ARGUMENT_KEYS, *_BESIDE}
        for name in self._tools:
            keys |= names_in(self.schema(name))
        self.keys = frozenset(keys)

    def name(self, written: str) -> str:
        """Return the tool that a name means, with what servers and templates put around it; "" if none."""
        name = written.strip()
        while name not in self._tools:
            bare = _AROUND.sub("", name).strip()
            if bare == name:
                return ""
            name = bare
        return name

    def schema(self, name: str) -> Schema:
        """Return the schema of an offered tool; an empty one of any other."""
        if name not in self._schemas:
            self._schemas[name] = (
                schema_of(self._tools[name].parameters) if name in self._tools else {}
            )
        return self._schemas[name]

    def properties(self, written: str) -> Mapping[str, Schema]:
        """Return the parameters of the tool that a name means."""
        return self.schema(self.name(written)).get("properties", {})

    def fits(self, asked: Asked) -> bool:
        """Tell whether a call names an offered tool, has all it needs and nothing that is unknown."""
        name = self.name(asked.name)
        if not name:
            return False
        schema = self.schema(name)
        properties = schema.get("properties", {})
        if any(key not in properties for key in asked.arguments):
            return False
        return not fit(schema, asked.arguments)[1]

    def from_object(self, value: Any) -> Asked | None:
        """Return the call that a JSON object asks for, None if it is no call."""
        if not isinstance(value, dict):
            return None
        fields = cast("dict[str, Any]", value)
        inner = fields.get("function")
        if isinstance(inner, dict):
            return self.from_object(inner)
        keys = [one for one in NAME_KEYS if isinstance(fields.get(one), str)]
        key = next((one for one in keys if self.name(fields[one])), keys[0] if keys else "")
        holder = next((one for one in ARGUMENT_KEYS if one in fields), "")
        if not key:
            return None if self._strictly else self._keyed(fields)
        others = {name: one for name, one in fields.items() if name not in (key, holder, *_BESIDE)}
        if holder:
            is_definition = "description" in others or (self._strictly and others)
            return None if is_definition else self._asked(fields[key], fields[holder])
        if self._strictly or any(name not in self.properties(fields[key]) for name in others):
            return None
        return Asked(fields[key], others)

    def _keyed(self, fields: dict[str, Any]) -> Asked | None:
        """Return the call of `{"tool": {arguments}}`, as Apertus writes it."""
        if len(fields) != 1:
            return None
        ((name, arguments),) = fields.items()
        return self._asked(name, arguments) if self.name(name) else None

    def _asked(self, name: str, arguments: Any) -> Asked | None:
        if isinstance(arguments, str) and arguments.strip():
            arguments = opened(arguments, self.keys)
        if arguments is None or arguments in ("", []):
            arguments = {}
        if not isinstance(arguments, dict):
            return None
        return Asked(name, cast("dict[str, Any]", arguments))


def opened(text: str, known: frozenset[str]) -> Any:
    """Return the value of a text that is JSON and nothing else (arguments encoded twice); None if it is none."""
    try:
        found = read(text, 0, known)
    except Unread:
        return None
    return found.value if whole(found, text) else None


def whole(found: Read, text: str) -> bool:
    """Tell whether a value takes up all of a text."""
    return skip_space(text, found.end) == len(text) and not found.unclosed


def schema_of(parameters: str) -> Schema:
    """Return a schema's value; an empty one for what is no object."""
    try:
        value: Any = json.loads(parameters)
    except (ValueError, RecursionError):
        value = None
    return cast("Schema", value) if isinstance(value, dict) else {}


def names_in(schema: Schema, depth: int = 0) -> set[str]:
    """Return the names of all parameters in a schema, those of nested objects too."""
    found: set[str] = set()
    if depth > 6:
        return found
    properties: Mapping[str, Schema] = schema.get("properties", {})
    for name, inner in properties.items():
        found |= {name} | names_in(inner, depth + 1)
    items: Any = schema.get("items")
    if isinstance(items, dict):
        found |= names_in(cast("Schema", items), depth + 1)
    for one in cast("list[Schema]", schema.get("anyOf", ())):
        found |= names_in(one, depth + 1)
    return found


def typed(text: str, schema: Schema) -> Any:
    """Return what a text means for a parameter: the text itself where a string may stand, else its JSON value."""
    kinds = _kinds(schema)
    bare = text.strip()
    if "null" in kinds and bare in ("null", "None"):
        return None
    if not kinds or "string" in kinds:
        return text
    if "boolean" in kinds and bare.lower() in ("true", "false"):
        return bare.lower() == "true"
    try:
        found = read(bare, 0, frozenset(names_in(schema)))
    except Unread:
        return text
    return found.value if whole(found, bare) and not found.quotes else text


def _kinds(schema: Schema) -> set[str]:
    kind: Any = schema.get("type", ())
    kinds = {kind} if isinstance(kind, str) else set(cast("list[str]", kind))
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kinds |= _kinds(one)
    values = cast("list[Any]", schema.get("enum", ()))
    if not kinds and any(isinstance(value, str) for value in values):
        kinds.add("string")
    return kinds


def object_of(text: str) -> dict[str, Any] | None:
    """Return the object that a text is in strict JSON, each name once; None if it is none."""
    try:
        value: Any = json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
