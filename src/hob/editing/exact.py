"""Stage 2: the text exactly as quoted, where it stands once; it is spliced in byte for byte."""

from difflib import SequenceMatcher
from typing import NamedTuple

from hob.editing.text import Document

MOST_PLACES = 20
_COMPARED_LINES = 400


class Hit(NamedTuple):
    """A place: its offset in the plain text, its line (from 0), and how it lies in its lines."""

    at: int
    line: int
    whole: bool  # it is nothing but whole lines
    indented: bool  # it starts within an indentation
    ends: bool  # it ends where a line ends


def hits(document: Document, search: str) -> list[Hit]:
    """Return where the text stands, overlapping places too; at most one more than are shown."""
    text = document.plain
    found: list[Hit] = []
    at, counted, line = text.find(search), 0, 0
    while at >= 0 and len(found) <= MOST_PLACES:
        line += text.count("\n", counted, at)
        counted = at
        lead = text[text.rfind("\n", 0, at) + 1 : at]
        ends = _ends(text, at, search)
        indented = _is_blank(lead) and search[0] != "\n"
        found.append(Hit(at, line, not lead and ends, indented, ends))
        at = text.find(search, at + 1)
    return found


def whole_hits(document: Document, search: str) -> list[Hit]:
    """Return the places that are nothing but whole lines, however often the text stands elsewhere."""
    text = document.plain
    found: list[Hit] = []
    at = 0 if text.startswith(search) else text.find("\n" + search) + 1
    while (at or not found) and len(found) <= MOST_PLACES and text.startswith(search, at):
        if _ends(text, at, search):
            found.append(Hit(at, text.count("\n", 0, at), True, False, True))
        after = text.find("\n" + search, at)
        if after < 0:
            break
        at = after + 1
    return found


def splice(document: Document, hit: Hit, search: str, replace: str) -> tuple[str, int, int]:
    """Return the text with one place replaced, and the first and last line (from 1) written.

    Only what differs between `search` and `replace` is touched; every other byte stays.
    """
    text, at = document.plain, hit.at
    first = hit.line + 1
    if search[0] == "\n" and at and replace[:1] not in {"", "\n"} and replace != search[1:]:
        # This line break ends the line above, which is not what is to be replaced.
        at, search = at + 1, search[1:]
    if search[:1] != "\n" and text[at - 1 : at] == "\n":
        first = text.count("\n", 0, at) + 1
    last = first + max(0, replace.count("\n") - replace.endswith("\n"))
    if document.raw is text:
        return text[:at] + replace + text[at + len(search) :], first, last
    left = _common(search, replace)
    right = _common(search[left:][::-1], replace[left:][::-1])
    start = _original(document, at + left)
    end = _original(document, at + len(search) - right)
    new = _with_endings(document, start, end, replace[left : len(replace) - right])
    return document.raw[:start] + new + document.raw[end:], first, last


def _ends(text: str, at: int, search: str) -> bool:
    end = at + len(search)
    return search.endswith("\n") or end == len(text) or text[end] == "\n"


def _is_blank(lead: str) -> bool:
    return bool(lead) and lead.isspace()


def _common(left: str, right: str) -> int:
    shorter = min(len(left), len(right))
    if left[:shorter] == right[:shorter]:
        return shorter
    return next(i for i in range(shorter) if left[i] != right[i])


def _original(document: Document, offset: int) -> int:
    """Return where an offset in the plain text lies in the text as it is."""
    raw = document.raw
    if "\n" not in raw:
        return offset
    if raw.count("\r\n") == raw.count("\n"):
        # All lines end the same way, so counting them is enough; going through them takes long.
        return offset + document.plain.count("\n", 0, offset)
    at = raw.find("\r\n")
    while 0 <= at < offset:
        # Everything before `at` counts in both; from here on the original is one longer.
        offset += 1
        at = raw.find("\r\n", at + 2)
    return offset


def _with_endings(document: Document, start: int, end: int, new: str) -> str:
    """Return what is written for a part of the text, with the endings of the lines that stay."""
    raw = document.raw
    ending = _ending(raw, start)
    old = raw[start:end].split("\n")
    lines = new.split("\n")
    if document.uniform or max(len(old), len(lines)) > _COMPARED_LINES:
        return new.replace("\n", ending)
    # Here CRLF and LF are mixed: a line that stays between two that change keeps its own.
    plain = [line.removesuffix("\r") for line in old[:-1]]
    matcher = SequenceMatcher(None, plain, lines[:-1], autojunk=False)
    parts: list[str] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            parts += [line + "\n" for line in old[i1:i2]]
        else:
            parts += [line + ending for line in lines[j1:j2]]
    return "".join(parts) + lines[-1]


def _ending(raw: str, at: int) -> str:
    """Return the ending of the line at an offset, or of the one above if it is the last."""
    if "\n" not in raw:
        return "\r"
    end = raw.find("\n", at)
    if end < 0:
        end = raw.rfind("\n", 0, at)
    return "\r\n" if end > 0 and raw[end - 1] == "\r" else "\n"
