"""Calls in the spelling of Python: `[read_file(path="a.py"), think()]`."""

import re
from typing import Any, NamedTuple, cast

from hob.models.tool_syntax.literals import Reader, Unread, skip_space
from hob.models.tool_syntax.offers import Asked, Offered

OPENS = re.compile(r"\s*(?:print\(\s*)?([A-Za-z_][\w.-]*)\(")
LIST_OPENS = re.compile(r"\[\s*[A-Za-z_][\w.-]*\(")
_KEYWORD = re.compile(r"[ \t\r\n]*([A-Za-z_]\w*)[ \t]*=(?!=)")


class Called(NamedTuple):
    """Calls and where they end."""

    asked: list[Asked]
    end: int


def python_calls(text: str, at: int, offered: Offered) -> Called:
    """Return the calls that begin here, in a list, or one under the other. Raises `Unread`."""
    at = skip_space(text, at)
    listed = LIST_OPENS.match(text, at) is not None
    found: list[Asked] = []
    at += listed
    while True:
        asked, at = _call(text, at, offered)
        found.append(asked)
        following = skip_space(text, at)
        if listed and text[following : following + 1] == "]":
            return Called(found, following + 1)
        if text[following : following + 1] in (",", ";"):
            following += 1
            following = skip_space(text, following)
            if listed and text[following : following + 1] == "]":
                return Called(found, following + 1)
        elif listed:
            raise Unread(following, cut=following == len(text))
        if not listed and not _goes_on(text, following, offered):
            return Called(found, at)
        at = following


def _goes_on(text: str, at: int, offered: Offered) -> bool:
    following = OPENS.match(text, at)
    return following is not None and bool(offered.name(following[1]))


def _call(text: str, at: int, offered: Offered) -> tuple[Asked, int]:
    opening = OPENS.match(text, at)
    if opening is None:
        raise Unread(skip_space(text, at), cut=skip_space(text, at) == len(text))
    name = opening[1]
    reader = Reader(text, offered.keys)
    named: dict[str, Any] = {}
    plain: list[Any] = []
    at = skip_space(text, opening.end())
    while text[at : at + 1] != ")":
        keyword = _KEYWORD.match(text, at)
        value, at = reader.value(keyword.end() if keyword else at, "argument")
        if keyword is None:
            plain.append(value)
        elif keyword[1] in named:
            raise Unread(at)
        else:
            named[keyword[1]] = value
        at = skip_space(text, at)
        if text[at : at + 1] == ",":
            at = skip_space(text, at + 1)
        elif text[at : at + 1] != ")":
            raise Unread(at, cut=at == len(text))
    at += 1
    if "print(" in opening[0]:
        at = skip_space(text, at)
        if text[at : at + 1] != ")":
            raise Unread(at, cut=at == len(text))
        at += 1
    if reader.unclosed:
        raise Unread(at)
    return Asked(name, {**_by_place(plain, named, name, offered, at), **named}), at


def _by_place(
    plain: list[Any], named: dict[str, Any], name: str, offered: Offered, at: int
) -> dict[str, Any]:
    """Return the names of arguments without one: a tool's only needed parameter, or an object of them all."""
    if not plain:
        return {}
    required = offered.schema(offered.name(name)).get("required", ())
    if len(plain) > 1 or (isinstance(plain[0], dict) and named):
        raise Unread(at)
    if isinstance(plain[0], dict):
        given = cast("dict[str, Any]", plain[0])
        if all(key in offered.properties(name) for key in given):
            return given
    if len(required) != 1 or required[0] in named:
        raise Unread(at)
    return {required[0]: plain[0]}
