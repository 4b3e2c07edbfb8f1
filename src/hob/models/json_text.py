"""JSON as servers really write it: the strict and fast reader first, a forgiving one behind it."""

import json
from typing import Any

import msgspec

# The strict reader reports bad UTF-8 and deep nesting with Python's own exceptions.
NOT_JSON = (msgspec.DecodeError, UnicodeError, RecursionError)


def loads(data: bytes) -> Any:
    """Return the value of a JSON text. Raises one of `NOT_JSON` if it is none.

    Broken UTF-8, lone surrogates, control characters inside strings and NaN, which the strict
    reader refuses, are replaced: an answer with one bad character is still an answer.
    """
    try:
        return msgspec.json.decode(data)
    except NOT_JSON:
        return msgspec.json.decode(_repaired(data))


def _repaired(data: bytes) -> bytes:
    """Return the same JSON as the strict reader likes it."""
    try:
        text = data.decode("utf-8", "replace").removeprefix("\ufeff")
        value = json.loads(text, strict=False, parse_constant=lambda _: None)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from None
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def is_complete(text: str) -> bool:
    """Say whether a text is one whole JSON value: a call cut by a token limit is not."""
    try:
        msgspec.json.decode(text)
    except NOT_JSON:
        return False
    return True


def encode_text(text: str) -> bytes:
    """Return a JSON string in UTF-8; lone surrogates (from file names) become question marks."""
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        return msgspec.json.encode(text.encode("utf-8", "replace").decode())


def json_object(**fields: bytes | str) -> bytes:
    """Return a JSON object in the given order; bytes are JSON already."""
    return b"{%b}" % b",".join(
        b'"%b":%b' % (name.encode(), value if isinstance(value, bytes) else encode_text(value))
        for name, value in fields.items()
    )
