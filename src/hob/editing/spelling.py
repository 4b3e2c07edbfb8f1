"""How closely two lines say the same: blanks, look-alike characters, spacing, quotes; no more."""

import re
import unicodedata
from enum import IntEnum

LONG_LINE = 2000  # a longer line is compared as a whole, never by its tokens

_QUOTES = dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u0060\u00b4", "'") | dict.fromkeys(
    "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'
)
del _QUOTES["\u0060"]
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-")
_BLANKS = dict.fromkeys(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    " ",
)
_NOTHING = dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", "")
_SIGNS = {
    "\u2026": "...",
    "\uff08": "(",
    "\uff09": ")",
    "\uff1a": ":",
    "\uff0c": ",",
    "\uff1b": ";",
}
# A file in an eight-bit encoding arrives with escapes for its bytes; models send the characters.
_BYTES = {chr(0xDC00 + code): chr(code) for code in range(0xA0, 0x100)}
_FOLDED = _QUOTES | _DASHES | _BLANKS | _NOTHING | _SIGNS | _BYTES
_FOLDABLE = re.compile(f"[{''.join(map(re.escape, _FOLDED))}]")
_SPACING = str.maketrans("'", '"', " \t\f\v\r")
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[^\W\d]\w*|\d[\w.]*|\s+|[^\w\s]'  # strings come whole
)
_COMMENT = re.compile(
    r"\s*(?:#(?!include|define|if|endif|else|pragma|undef)|//|--\s|/\*|\*|<!--|;)"
)
_TAIL = re.compile(r"(?:(?<=\s)|^)(?:#|//|--\s|/\*|<!--).*$")


class Level(IntEnum):
    """How a line of the file and a quoted one agree, from the strictest on."""

    EXACT = 0
    TRAILING = 1
    INDENTATION = 2
    FOLDED = 3
    SPACING = 4
    QUOTES = 5


def fold(text: str) -> str:
    """Replace look-alike quotes, dashes and blanks by the plain ones; letters stay strict."""
    if text.isascii():
        return text
    return _FOLDABLE.sub(lambda found: _FOLDED[found.group()], unicodedata.normalize("NFC", text))


def squeezed(text: str) -> str:
    """Return the loosest form of a text: folded, without blanks, with one kind of quote."""
    if text.isascii():
        return text.translate(_SPACING)
    for blank in " \t\f\v\r":
        text = text.replace(blank, "")
    return fold(text).replace(" ", "").replace("'", '"')


def tokens(line: str) -> list[str]:
    """Split a line into words, numbers, strings, signs and runs of blanks."""
    return _TOKEN.findall(line)


def is_comment(line: str) -> bool:
    """Return whether a line is nothing but a comment in one of the usual languages."""
    return _COMMENT.match(line) is not None


def without_comment(line: str) -> str:
    """Return a line without a comment at its end, as far as that can be told without parsing."""
    return _TAIL.sub("", line).strip()


def indentation(line: str) -> str:
    """Return the blanks before the first other character."""
    return line[: len(line) - len(line.lstrip())]


def agreement(line: str, quoted: str) -> Level | None:
    """Return the strictest level at which two lines agree, None if they differ for good."""
    if line == quoted:
        return Level.EXACT
    if line.rstrip() == quoted.rstrip():
        return Level.TRAILING
    if line.strip() == quoted.strip():
        return Level.INDENTATION
    return _loose_agreement(fold(line).strip(), fold(quoted).strip())


def _loose_agreement(line: str, quoted: str) -> Level | None:
    if line == quoted:
        return Level.FOLDED
    if max(len(line), len(quoted)) > LONG_LINE:
        return Level.SPACING if line.split() == quoted.split() else None
    one, other = _spaced(line), _spaced(quoted)
    if one == other:
        return Level.SPACING
    return Level.QUOTES if [*map(_plain, one)] == [*map(_plain, other)] else None


def _spaced(line: str) -> list[str]:
    # An odd quote (an apostrophe in a comment) is a sign of its own, and no blank is in any token.
    return [token for token in tokens(line) if not token.isspace()]


def _plain(token: str) -> str:
    quoted = len(token) > 1 and token[0] in "'\"" and token[0] == token[-1]
    inner = token[1:-1]
    return f'"{inner}"' if quoted and not {"'", '"', "\\"} & set(inner) else token
