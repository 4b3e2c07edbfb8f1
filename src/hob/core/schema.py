"""The part of JSON Schema that tools use: does a call fit, and if not, one sentence that says why.

Keywords known: type, enum, properties, required, additionalProperties, items, anyOf, minimum,
maximum. Any other keyword is left to the tool that owns the schema.
"""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

Schema = Mapping[str, Any]

_NAMES = {
    "str": "a string",
    "bool": "a boolean",
    "int": "an integer",
    "float": "a number",
    "list": "a list",
    "dict": "an object",
    "NoneType": "null",
}
_PYTHON: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
    "null": type(None),
}
_EXPECTED = {
    "string": "a string",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_SHOWN = 60  # characters of a wrong value that are worth repeating to the model


def problems(schema: Schema, arguments: Mapping[str, Any]) -> str:
    """Return "" if all fits, else one sentence: which parameter, what is needed, what came."""
    return _object_problem(schema, arguments, "")


def fit(schema: Schema, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the arguments with every lossless repair made, and what `problems` says of them.

    Repairs: "3" for an integer, 3.0 for an integer, "true" for a boolean, a number or boolean for a
    string, JSON text of a list or object, one string for a list of strings, null for a parameter
    that may be left out (it is left out).
    """
    properties: Mapping[str, Schema] = schema.get("properties", {})
    required = schema.get("required", ())
    fitted: dict[str, Any] = {}
    for name, value in arguments.items():
        wanted = properties.get(name)
        if wanted is None:
            fitted[name] = value
        elif value is None and name not in required and not _is_of(value, wanted):
            continue
        else:
            fitted[name] = _repaired(wanted, value)
    return fitted, problems(schema, fitted)


def _types(schema: Schema) -> tuple[str, ...]:
    named: object = schema.get("type", ())
    if isinstance(named, str):
        return (named,)
    return tuple(cast("list[str]", named))


def _is_of(value: object, schema: Schema) -> bool:
    return any(_matches(value, name) for name in _types(schema))


def _matches(value: object, name: str) -> bool:
    known = _PYTHON.get(name)
    # To Python a boolean is an integer; to JSON it is not.
    if known is None or (isinstance(value, bool) and name != "boolean"):
        return known is None
    return isinstance(value, known)


def _repaired(schema: Schema, value: Any) -> Any:
    types = _types(schema)
    if not types or _is_of(value, schema):
        return value
    for name in types:
        repaired = _as(name, value, schema)
        if repaired is not None:
            return repaired
    return value


def _as(name: str, value: Any, schema: Schema) -> Any:
    """Return the value as this type if nothing is lost, else None."""
    if name == "string":
        # A number the model forgot to quote; objects are refused because their layout is unknown.
        return json.dumps(value) if isinstance(value, bool | int | float) else None
    if isinstance(value, float):
        return int(value) if name == "integer" and value.is_integer() else None
    return _read_as(name, value, schema) if isinstance(value, str) else None


def _read_as(name: str, text: str, schema: Schema) -> Any:
    stripped = text.strip()
    if name == "boolean":
        return {"true": True, "false": False}.get(stripped.lower())
    parsed: Any = _parsed(stripped)
    if name == "array" and not _matches(parsed, name):
        # An empty string is more often "nothing" than a list with an empty name in it.
        return [text] if stripped and _matches_item(schema) else None
    if name == "integer" and isinstance(parsed, float):
        return int(parsed) if parsed.is_integer() else None
    return parsed if parsed is not None and _matches(parsed, name) else None


def _matches_item(schema: Schema) -> bool:
    return "string" in _types(schema.get("items", {}))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _object_problem(schema: Schema, value: Mapping[str, Any], where: str) -> str:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            wanted = _wanted(properties.get(name, {}))
            return f"the parameter {where + name!r} is missing: {wanted} is needed."
    for name, item in value.items():
        if name in properties:
            found = _problem(properties[name], item, where + name)
            if found:
                return found
        elif schema.get("additionalProperties", True) is False:
            return _unknown(where + name, name, properties)
    return ""


def _unknown(path: str, name: str, properties: Mapping[str, Schema]) -> str:
    near = get_close_matches(name, properties, n=1, cutoff=0.5)
    if near:
        return f"there is no parameter {path!r}; did you mean {near[0]!r}?"
    if not properties:
        return f"there is no parameter {path!r}: the tool takes none."
    return f"there is no parameter {path!r}; there are {', '.join(map(repr, properties))}."


def _problem(schema: Schema, value: Any, path: str) -> str:
    types = _types(schema)
    if (types and not _is_of(value, schema)) or value not in schema.get("enum", (value,)):
        return f"the parameter {path!r} must be {_wanted(schema)}, not {_came(value)}."
    if "anyOf" in schema and all(_problem(one, value, path) for one in schema["anyOf"]):
        return f"the parameter {path!r} fits none of the forms it may have: {_came(value)} came."
    if isinstance(value, dict):
        return _object_problem(schema, cast("dict[str, Any]", value), path + ".")
    if isinstance(value, list):
        return _list_problem(schema, cast("list[Any]", value), path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _range_problem(schema, value, path)
    return ""


def _list_problem(schema: Schema, items: list[Any], path: str) -> str:
    wanted: Schema = schema.get("items", {})
    found = (_problem(wanted, item, f"{path}[{place}]") for place, item in enumerate(items))
    return next(filter(None, found), "")


def _range_problem(schema: Schema, value: float, path: str) -> str:
    if "minimum" in schema and value < schema["minimum"]:
        return f"the parameter {path!r} must be at least {schema['minimum']}, not {value}."
    if "maximum" in schema and value > schema["maximum"]:
        return f"the parameter {path!r} must be at most {schema['maximum']}, not {value}."
    return ""


def _wanted(schema: Schema) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(one, ensure_ascii=False) for one in schema["enum"])
    named = " or ".join(_EXPECTED.get(name, name) for name in _types(schema))
    items = _types(schema.get("items", {}))
    if named == "a list" and items:
        return f"a list of {items[0]}s"
    return named or "a value"


def _came(value: object) -> str:
    kind = _NAMES.get(value.__class__.__name__, "a value")
    if value is None:
        return kind
    shown = repr(value)
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "…"
    return f"{kind} ({shown})"
