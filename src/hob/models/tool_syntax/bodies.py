"""What stands in a frame: calls as JSON, as tags, in Python, in Gemma's notation, or a name and its arguments."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from hob.models.tool_syntax.literals import Read, Reader, Unread, read, skip_space, skip_surplus
from hob.models.tool_syntax.offers import Asked, Offered
from hob.models.tool_syntax.python_calls import LIST_OPENS, python_calls
from hob.models.tool_syntax.tagged import CALL_OPENS, GLM_KEY, glm_call, tagged_call

NAME = re.compile(r"[A-Za-z_][\w.-]*(?::\d+)?")
_FENCE = re.compile(r"```[\w-]*[ \t]*\r?\n?")
_GEMMA = re.compile(r"call:\s*([\w.-]+)\s*(?=\{)")
_NAMED = re.compile(
    r"<(name|tool_name|function_name)>([^<>]{1,120})</\1>\s*<(arguments|parameters|args|input)>"
)
_FUNCTION_CLOSES = re.compile(r"\s*</(?:function|invoke)>")


class NoCall(Exception):
    """What stands here does not even begin like a call."""


class Body(NamedTuple):
    """Calls and where they end.

    `strict`: nothing was repaired. `raw`: values are bare text between tags. `closed`: the calls' own closing
    is there. `unclosed`: brackets are missing, which only a closed frame makes good. `quotes`: see `Read`.
    """

    asked: list[Asked]
    end: int
    dialect: str
    strict: bool = True
    raw: bool = False
    closed: bool = True
    unclosed: bool = False
    quotes: bool = False


def body(text: str, at: int, offered: Offered) -> Body:
    """Return the calls that begin here. Raises `NoCall`, and `Unread` for what is broken or cut."""
    at = skip_space(text, at)
    sign = text[at : at + 1]
    for starts, reading in _READINGS:
        if starts(text, at, sign):
            return reading(text, at, offered)
    named = NAME.match(text, at)
    if named is None:
        raise NoCall
    return _after_name(text, named.end(), named[0], offered)


def arguments(text: str, at: int, name: str, offered: Offered, dialect: str) -> Body:
    """Return the call of a name whose arguments begin here: an object, perhaps in a fence, perhaps as a string."""
    at = skip_space(text, at)
    if text.startswith("```", at):
        return _fenced(text, at, lambda begin: arguments(text, begin, name, offered, dialect))
    if text[at : at + 1] not in ("{", '"'):
        raise Unread(at, cut=at == len(text))
    found = read(text, at, offered.keys)
    asked = offered.from_object({"name": name, "arguments": found.value})
    if asked is None:
        raise Unread(at)
    return _from_json([asked], found, dialect)


def _from_json(asked: list[Asked], found: Read, dialect: str) -> Body:
    return Body(
        asked, found.end, dialect, strict=not found.repaired, unclosed=found.unclosed, quotes=found.quotes
    )  # fmt: skip


def _fenced(text: str, at: int, inner: Callable[[int], Body]) -> Body:
    opening = _FENCE.match(text, at)
    found = inner(opening.end() if opening else at)
    end = skip_space(text, found.end)
    if not text.startswith("```", end):
        raise Unread(end, cut=end == len(text))
    return found._replace(end=end + 3)


def _fence(text: str, at: int, offered: Offered) -> Body:
    return _fenced(text, at, lambda begin: body(text, begin, offered))


def _json(text: str, at: int, offered: Offered) -> Body:
    found = read(text, at, offered.keys)
    value: Any = found.value
    listed = cast("list[Any]", value) if isinstance(value, list) else [value]
    asked = [one for item in listed if (one := offered.from_object(item))]
    if not asked or len(asked) < len(listed):
        raise Unread(found.end)
    return _from_json(asked, found, "json")


def _python(text: str, at: int, offered: Offered) -> Body:
    found = python_calls(text, at, offered)
    return Body(found.asked, found.end, "pythonic")


def _tagged(text: str, at: int, offered: Offered) -> Body:
    opening = CALL_OPENS.match(text, at)
    if opening is None:
        raise NoCall
    name = opening[1]
    begin = skip_space(text, opening.end())
    if text[begin : begin + 1] == "{":
        found = arguments(text, begin, name, offered, "functionary")
        behind = found.end if found.quotes else skip_surplus(text, found.end)
        closing = _FUNCTION_CLOSES.match(text, behind)
        if closing is None:
            return found._replace(closed=False)
        return found._replace(end=closing.end(), unclosed=False)
    one = tagged_call(text, begin, name, offered)
    dialect = "qwen3-coder" if "invoke" not in opening[0] else _invoking(opening[0])
    return Body([one.asked], one.end, dialect, raw=True, closed=one.closed)


def _invoking(tag: str) -> str:
    return "deepseek" if "DSML" in tag else "minimax"


def _gemma(text: str, at: int, offered: Offered) -> Body:
    opening = _GEMMA.match(text, at)
    if opening is None:
        raise NoCall
    reader = Reader(text, offered.keys, tokens=True)
    value, end = reader.value(opening.end(), "alone")
    asked = offered.from_object({"name": opening[1], "arguments": value})
    if asked is None or reader.unclosed:
        raise Unread(end)
    return Body([asked], end, "gemma", quotes=reader.quotes)


def _named(text: str, at: int, offered: Offered) -> Body:
    """Read `<name>…</name><arguments>{…}</arguments>`, a Hermes variant."""
    opening = _NAMED.match(text, at)
    if opening is None:
        raise NoCall
    found = arguments(text, opening.end(), opening[2].strip(), offered, "hermes")
    end = skip_space(text, found.end)
    closing = f"</{opening[3]}>"
    if not text.startswith(closing, end):
        raise Unread(end, cut=end == len(text))
    return found._replace(end=end + len(closing))


def _after_name(text: str, at: int, name: str, offered: Offered) -> Body:
    begin = skip_space(text, at)
    sign = text[begin : begin + 1]
    if GLM_KEY.match(text, begin):
        one = glm_call(text, begin, name, offered)
        return Body([one.asked], one.end, "glm", raw=True, closed=False)
    if not offered.name(name):
        raise NoCall
    if sign == "{":
        return arguments(text, begin, name, offered, "named")
    if sign == "(" and begin == at:
        return _python(text, at - len(name), offered)
    if text.startswith("</tool_call>", begin):
        return Body([Asked(name, {})], begin, "glm")
    raise NoCall


_Reading = Callable[[str, int, Offered], Body]
_READINGS: tuple[tuple[Callable[[str, int, str], bool], _Reading], ...] = (
    (lambda text, at, sign: sign == "`" and text.startswith("```", at), _fence),
    (lambda text, at, sign: sign == "[" and bool(LIST_OPENS.match(text, at)), _python),
    (lambda text, at, sign: sign == "p" and text.startswith("print(", at), _python),
    (lambda text, at, sign: sign in ("{", "["), _json),
    (lambda text, at, sign: sign == "<" and bool(CALL_OPENS.match(text, at)), _tagged),
    (lambda text, at, sign: sign == "<" and bool(_NAMED.match(text, at)), _named),
    (lambda text, at, sign: sign == "c" and bool(_GEMMA.match(text, at)), _gemma),
)  # fmt: skip
