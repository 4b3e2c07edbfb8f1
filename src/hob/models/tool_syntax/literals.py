"""Values as models write them: JSON first, and behind it a reader that forgives what has only one reading.

It reads forward once and never looks for another way; a text with two readings is refused.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

Context = Literal["key", "member", "item", "argument", "alone"]

_SPACE = re.compile(r"[ \t\r\n\ufeff\xa0]*")
_SURPLUS = re.compile(r"[}\]\s]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_NAME = re.compile(r"[A-Za-z_$][\w$.-]*")
_WORD = re.compile(r"[A-Za-z]+")
_WORDS: dict[str, Any] = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None,
}  # fmt: skip
_NEXT_KEY = re.compile(
    r"""[ \t\r\n]*(?:(["'“])([^"'“”\\\n]{1,80})["'”]|([A-Za-z_]\w{0,79}))[ \t]*:"""
)
_NEXT_NAMED = re.compile(r"[ \t\r\n]*[A-Za-z_]\w{0,79}[ \t]*=(?!=)")
_KEY_INSIDE = re.compile(r"""(["'])[\w.-]{1,80}\1[ \t]*:""")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CLOSING = {
    '"': '"',
    "'": "'",
    "“": "”",
    "„": "”",
    "”": "”",
    "\u2018": "\u2019",
    "\u2019": "\u2019",
}
_TOKENS = ('<|"|>', "<escape>")  # how Gemma writes a quotation mark
_STRING_STOPS = {sign: re.compile(f"[{sign}\\\\]") for sign in set(_CLOSING.values())}
_PAIR = {
    sign: re.compile(rf"(?<![\w.;)]){sign}(?! ?[;,]|\s)[^{sign}]*(?<!\s){sign}(?!\w)")
    for sign in set(_CLOSING.values())
}
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_MAX_DEPTH = 48


class Unread(Exception):
    """A text that is no value. `cut`: it ended too early; else something at `at` has no single reading."""

    def __init__(self, at: int, cut: bool = False) -> None:
        super().__init__(at, cut)
        self.at = at
        self.cut = cut


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


def skip_space(text: str, at: int) -> int:
    """Return the place of the next sign that is no white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


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
        self._known = known
        self._tokens = tokens
        self._arrays = 0
        self._depth = 0
        self.unclosed = False
        self.quotes = False

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
        if sign in _CLOSING or self._token(at):
            return self._string(at, context)
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
        if closing == "}" and _NEXT_KEY.match(self._text, at):
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
        if self._token(at):
            return False
        ends = sign == "<" or self._text.startswith("```", at) or (sign == "]" and self._arrays > 0)
        self.unclosed = self.unclosed or ends
        return ends

    def _key(self, at: int) -> tuple[str, int]:
        if self._text[at] in _CLOSING or self._token(at):
            key, at = self._string(at, "key")
        else:
            named = _NAME.match(self._text, at)
            if named is None:
                raise Unread(at)
            key, at = named[0], named.end()
        at = skip_space(self._text, at)
        if self._sign(at) != ":":
            raise Unread(at)
        return key, at + 1

    def _token(self, at: int) -> str:
        if not self._tokens:
            return ""
        return next((one for one in _TOKENS if self._text.startswith(one, at)), "")

    def _string(self, at: int, context: Context) -> tuple[str, int]:
        token = self._token(at)
        opening = token or self._text[at]
        python = context == "argument"
        if python and self._text.startswith(opening * 3, at):
            token = opening * 3
        if token:
            return self._between(at, token, escaped=len(token) == 3)
        closing = _CLOSING[opening]
        inside, begin, place = 0, at + 1, at + 1
        while (stop := _STRING_STOPS[closing].search(self._text, place)) is not None:
            place = stop.end()
            if stop[0] == "\\":
                place += 1
            elif context in ("key", "alone") or self._closes(place, context, inside):
                content = self._text[begin : place - 1]
                self._check(content, closing, inside, context, at)
                return unescaped(content, python), place
            else:
                inside += 1
        raise Unread(len(self._text), cut=True)

    def _between(self, at: int, token: str, escaped: bool) -> tuple[str, int]:
        begin = at + len(token)
        end = self._text.find(token, begin)
        while escaped and end > 0 and self._text[end - 1] == "\\":
            end = self._text.find(token, end + 1)
        if end < 0:
            raise Unread(len(self._text), cut=True)
        content = self._text[begin:end]
        return (unescaped(content, python=True) if escaped else content), end + len(token)

    def _check(self, content: str, closing: str, inside: int, context: Context, at: int) -> None:
        """Refuse a string with quotation marks inside unless there is one way to read it."""
        if not inside:
            return
        self.quotes = True
        if context == "item":
            raise Unread(at)
        if _KEY_INSIDE.search(content) or not _in_pairs(content, closing):
            raise Unread(at, cut=skip_space(self._text, at + len(content) + 2) == len(self._text))

    def _closes(self, at: int, context: Context, inside: int) -> bool:
        """Tell whether the quotation mark before this place ends its string, by what comes after it."""
        at = skip_space(self._text, at)
        sign = self._text[at : at + 1]
        if not sign:
            return True  # the text ends: whoever reads on will see that it was cut
        if context == "argument":
            return sign == ")" or (sign == "," and self._named_next(at + 1))
        if sign in "}]<`":
            return sign != "`" or self._text.startswith("```", at)
        if context == "item":
            return sign == ","
        return self._key_next(at + 1 if sign == "," else at, inside, comma=sign == ",")

    def _named_next(self, at: int) -> bool:
        at = skip_space(self._text, at)
        return self._text[at : at + 1] in (")", "") or bool(_NEXT_NAMED.match(self._text, at))

    def _key_next(self, at: int, inside: int, comma: bool) -> bool:
        following = skip_space(self._text, at)
        if comma and self._text[following : following + 1] in ("}", "]", ""):
            return True
        found = _NEXT_KEY.match(self._text, at)
        if found is None:
            return False
        key = found[2] or found[3]
        return key in self._known or (comma and not inside and found[2] is not None)


def _in_pairs(content: str, sign: str) -> bool:
    """Tell whether each quotation mark inside a string opens or closes a word of its own there."""
    if sign == "'":
        content = _APOSTROPHE.sub("", content)
    bare = _ESCAPED.sub("__", content)
    return bare.count(sign) % 2 == 0 and len(_PAIR[sign].findall(bare)) * 2 == bare.count(sign)


def unescaped(content: str, python: bool = False) -> str:
    r"""Return a string's content with its escapes undone.

    An escape that JSON does not know (`\d`) is most likely meant as two signs and stays.
    """
    if "\\" not in content:
        return content

    def undone(found: re.Match[str]) -> str:
        sign = found[1]
        if len(sign) == 5:
            return chr(int(sign[1:], 16))
        if len(sign) == 3:
            return chr(int(sign[1:], 16)) if python else found[0]
        if sign == "'" or (sign == "\n" and python):
            return sign.strip()
        return _ESCAPES.get(sign, found[0])

    text = re.sub(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", undone, content, flags=re.DOTALL)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
