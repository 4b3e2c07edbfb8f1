"""Strings as models write them: quotation marks of all kinds, breaks and quotations inside, escapes of any language."""

import re
from typing import Literal

Context = Literal["key", "member", "item", "argument", "alone"]

_SPACE = re.compile(r"[ \t\r\n\ufeff\xa0]*")
NEXT_KEY = re.compile(
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


class Unread(Exception):
    """A text that is no value. `cut`: it ended too early; else something at `at` has no single reading."""

    def __init__(self, at: int, cut: bool = False) -> None:
        super().__init__(at, cut)
        self.at = at
        self.cut = cut


def skip_space(text: str, at: int) -> int:
    """Return the place of the next sign that is no white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def opens_string(sign: str) -> bool:
    """Tell whether a sign is a quotation mark that can open a string."""
    return sign in _CLOSING


class Strings:
    """The strings of one text. `quotes` tells that marks inside of one were taken as part of it.

    `known` are names that may be keys. With `tokens` strings may stand between Gemma's quotation tokens.
    """

    def __init__(self, text: str, known: frozenset[str], tokens: bool) -> None:
        self._text = text
        self._known = known
        self._tokens = tokens
        self.quotes = False

    def token(self, at: int) -> str:
        """Return the quotation token that stands here, "" if none does."""
        if not self._tokens:
            return ""
        return next((one for one in _TOKENS if self._text.startswith(one, at)), "")

    def read(self, at: int, context: Context) -> tuple[str, int]:
        """Return the string that begins here and its end. Raises `Unread`."""
        token = self.token(at)
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
        found = NEXT_KEY.match(self._text, at)
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
