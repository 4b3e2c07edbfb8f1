"""Broken argument text made whole, where it has one meaning."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from hob.models.tool_syntax.literals import Reader, Unread, skip_space
from hob.models.tool_syntax.offers import Schema, names_in, object_of, opened, schema_of

_FENCE = re.compile(r"\s*```[\w-]*[ \t]*\n(.*?)\n?```\s*", re.DOTALL)
_SURPLUS = re.compile(r"[}\]\s]*\Z|\s*(?:<[|/][^<>]{1,40}>\s*)+\Z")


def repair_arguments(arguments: str, schema: str | Schema) -> str | None:
    """Return the arguments of a call as the JSON object that was meant, None if that is not certain.

    What is a JSON object already comes back as it is. `schema` is the tool's, as a value or as text. The server
    must have said that the call is complete: then brackets missing at the end are added, but a string that does
    not end is refused, because half a command is not the command.
    """
    if object_of(arguments) is not None or not arguments.strip():
        return arguments
    wanted = schema_of(schema) if isinstance(schema, str) else schema
    known = names_in(wanted)
    twice = opened(arguments, frozenset(known)) if arguments.lstrip().startswith('"') else None
    if isinstance(twice, str):
        return arguments if object_of(twice) is not None else repair_arguments(twice, wanted)
    fenced = _FENCE.fullmatch(arguments)
    text = fenced[1] if fenced else arguments
    value = _value(text, frozenset(known))
    if value is None or not _known(value, wanted):
        return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return None


def _value(text: str, known: frozenset[str]) -> dict[str, Any] | None:
    # One sign that ends every frame lets the reader close what is open, but never a string.
    reader = Reader(f"{text.rstrip()}<", known)
    try:
        found = reader.whole(skip_space(text, 0))
    except Unread:
        return None
    rest = text.rstrip()[found.end :]
    if rest and (found.quotes or not _SURPLUS.match(rest)):
        return None
    value: Any = found.value
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _known(value: Mapping[str, Any], schema: Schema) -> bool:
    """Tell whether every name is a parameter: a wrong reading shows in names that nobody knows."""
    properties = schema.get("properties", {})
    return all(name in properties for name in value) or not properties
