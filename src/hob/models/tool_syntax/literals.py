"""Values as models write them: JSON first, and behind it a reader that forgives what has only one reading.

It reads forward once and never looks for another way; a text with two readings is refused.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from hob.models.tool_syntax.strings import (
    NEXT_KEY,
    Context,
    Strings,
    Unread,
    opens_string,
    skip_space,
)

_SURPLUS = re.compile(r"[}\]\s]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_NAME = re.compile(r"[A-Za-z_$][\w$.-]*")
_WORD = re.compile(r"[A-Za-z]+")
_WORDS: dict[str, Any] = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None,
}  # fmt: skip
_MAX_DEPTH = 48


class Read(NamedTuple):
    """A value, where it ends, and what was done for it.

    `repaired`: it is no strict JSON. `unclosed`: brackets at its end were missing. `quotes`: quotation
    marks inside a string were taken as part of it.
    """

    value: Any
    end: int
    repaired: bool = False
    unclosed: bool = False
    quotes: bool = False


def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises `ValueError` where a name stands twice: nobody knows which one is meant."""
    listed = list(pairs)
    found = dict(listed)
    if len(found) < len(listed):
        raise ValueError("a name stands twice")
    return found


def no_constant(text: str) -> Any:
    """Refuse NaN and infinity, which Python reads and JSON does not know. Raises `ValueError`."""
    raise ValueError(f"{text} is no JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=once, parse_constant=no_constant)


def skip_surplus(text: str, found: int) -> int:
    """Return the place behind closing brackets that are too many."""
    surplus = _SURPLUS.match(text, found)
    return surplus.end() if surplus else found


def read(text: str, at: int, known: frozenset[str] = frozenset()) -> Read:
    """Return the JSON value at a place of a text. `known` are names that may be keys. Raises `Unread`."""
    at = skip_space(text, at)
    try:
        value, end = _STRICT.raw_decode(text, at)
        return Read(value, end)
    except (ValueError, RecursionError):
        return Reader(text, known).whole(at)


class Reader:
    """The forgiving reader of one text. With `tokens` strings may stand between Gemma's quotation tokens."""

    def __init__(self, text: str, known: frozenset[str], tokens: bool = False) -> None:
        self._text = text
        self._strings = Strings(text, known, tokens)
        self._arrays = 0
        self._depth = 0
        self.unclosed = False

    @property
    def quotes(self) -> bool:
        """Tell whether quotation marks inside a string were taken as part of it."""
        return self._strings.quotes

    def whole(self, at: int) -> Read:
        """Return the value that begins here. Raises `Unread`."""
        value, end = self.value(at, "alone")
        return Read(value, end, repaired=True, unclosed=self.unclosed, quotes=self.quotes)

    def value(self, at: int, context: Context) -> tuple[Any, int]:
        """Return a value and its end. Raises `Unread`."""
        at = skip_space(self._text, at)
        sign = self._sign(at)
        if sign in "{[":
            return self._nested(at, sign)
        if opens_string(sign) or self._strings.token(at):
            return self._strings.read(at, context)
        return self._scalar(at)

    def _sign(self, at: int) -> str:
        if at >= len(self._text):
            raise Unread(at, cut=True)
        return self._text[at]

    def _nested(self, at: int, sign: str) -> tuple[Any, int]:
        if self._depth >= _MAX_DEPTH:
            raise Unread(at)
        self._depth += 1
        self._arrays += sign == "["
        found = self._object(at + 1) if sign == "{" else self._array(at + 1)
        self._arrays -= sign == "["
        self._depth -= 1
        return found

    def _scalar(self, at: int) -> tuple[Any, int]:
        number = _NUMBER.match(self._text, at)
        if number is not None:
            if len(number[0]) > 400:
                raise Unread(at)
            return json.loads(number[0]), number.end()
        word = _WORD.match(self._text, at)
        if word is None or word[0] not in _WORDS:
            raise Unread(at)
        return _WORDS[word[0]], word.end()

    def _object(self, at: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        while True:
            begin, at = at, skip_space(self._text, at)
            if self._sign(at) == "}":
                return found, at + 1
            if self._ends_open(begin, at):
                return found, at
            key, at = self._key(at)
            if key in found:
                raise Unread(at)
            found[key], at = self.value(at, "member")
            at = self._after(at, "}")

    def _array(self, at: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        while True:
            begin, at = at, skip_space(self._text, at)
            if self._sign(at) == "]":
                return found, at + 1
            if self._ends_open(begin, at):
                return found, at
            value, at = self.value(at, "item")
            found.append(value)
            at = self._after(at, "]")

    def _after(self, at: int, closing: str) -> int:
        """Return where the next member is looked for: behind a comma, or here if something closes here."""
        at = skip_space(self._text, at)
        sign = self._sign(at)
        if sign == ",":
            return at + 1
        if sign == closing or self._is_end(at):
            return at
        if closing == "}" and NEXT_KEY.match(self._text, at):
            return at  # a comma is missing
        raise Unread(at)

    def _ends_open(self, begin: int, at: int) -> bool:
        """Tell whether a bracket is missing here. Raises `Unread` where a member was still to come."""
        if not self._is_end(at):
            return False
        if self._text[begin - 1] in "{[,":
            raise Unread(at, cut=True)
        return True

    def _is_end(self, at: int) -> bool:
        """Tell whether the frame ends here although brackets are open."""
        sign = self._text[at]
        if self._strings.token(at):
            return False
        ends = sign == "<" or self._text.startswith("```", at) or (sign == "]" and self._arrays > 0)
        self.unclosed = self.unclosed or ends
        return ends

    def _key(self, at: int) -> tuple[str, int]:
        if opens_string(self._text[at]) or self._strings.token(at):
            key, at = self._strings.read(at, "key")
        else:
            named = _NAME.match(self._text, at)
            if named is None:
                raise Unread(at)
            key, at = named[0], named.end()
        at = skip_space(self._text, at)
        if self._sign(at) != ":":
            raise Unread(at)
        return key, at + 1
