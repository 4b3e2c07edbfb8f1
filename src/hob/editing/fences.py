"""Fenced blocks in prose, by the rules of CommonMark 0.31, and the paths that models write beside them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_OPENING = re.compile(r" {0,3}(?P<marks>`{3,}|~{3,})[ \t]*(?P<info>[^`]*?)[ \t\r]*$")
_CLOSING = re.compile(r" {0,3}(?P<marks>`{3,}|~{3,})[ \t\r]*$")
_THOUGHT = re.compile(r"\s{0,3}<(think|thinking|thought)>", re.IGNORECASE)
_THOUGHT_ENDS = re.compile(r"</(think|thinking|thought)>", re.IGNORECASE)
_DECORATION = re.compile(
    r"^(?:[-*+] |\d+[.)] |#{1,6} |// ?|<!-- ?|/\* ?|> )?\s*(?:(?:file ?name|file|path)\s*:\s*)?",
    re.IGNORECASE,
)
_IN_PROSE = re.compile(r"`([\w.@+-]+(?:/[\w.@+-]+)*\.\w{1,8}|[\w.@+-]+(?:/[\w.@+-]+)+)`")
_BARE_NAMES = frozenset({
    "makefile", "dockerfile", "license", "readme", "changelog", "procfile", "gemfile", "rakefile",
    "justfile", "notice",
})  # fmt: skip
_LOOK_UP = 3  # lines above a fence among which its path may stand


class Fence(NamedTuple):
    """A fenced block: the lines of its opening and of its closing (the end of the text if it has none)."""

    first: int
    last: int
    marks: str
    info: str
    closed: bool

    def body(self, lines: Sequence[str]) -> list[str]:
        """Return the lines between, without the indentation of the fence."""
        inner = list(lines[self.first + 1 : self.last])
        width = len(lines[self.first]) - len(lines[self.first].lstrip(" "))
        return [line[min(width, len(line) - len(line.lstrip(" "))) :] for line in inner]

    def holds_opening(self, lines: Sequence[str]) -> bool:
        """Tell whether a line inside could open a fence of its own that this one is too short to hold."""
        return any(
            (found := _OPENING.match(line)) is not None
            and found["marks"][0] == self.marks[0]
            and len(found["marks"]) >= len(self.marks)
            for line in lines[self.first + 1 : self.last]
        )


def open_fence(lines: Sequence[str], at: int) -> Fence | None:
    """Return the fence that opens in a line, if one does."""
    found = _OPENING.match(lines[at])
    if found is None:
        return None
    marks = found["marks"]
    for number in range(at + 1, len(lines)):
        if closes(lines[number], marks):
            return Fence(at, number, marks, found["info"], closed=True)
    return Fence(at, len(lines), marks, found["info"], closed=False)


def closes(line: str, marks: str) -> bool:
    """Tell whether a line closes a fence that was opened with these marks."""
    found = _CLOSING.match(line)
    return found is not None and found["marks"].startswith(marks)


def fences(lines: Sequence[str]) -> Iterator[Fence]:
    """Yield the fences of a text in order; what stands inside one is not looked at."""
    at = 0
    while at < len(lines):
        fence = open_fence(lines, at)
        if fence is not None:
            yield fence
            at = fence.last
        at += 1


def without_thoughts(text: str) -> str:
    """Return a text with the thinking block at its beginning as empty lines.

    The chat template may have written the opening tag, so a closing one is enough, unless it stands in a
    fence or in a block: there it is content.
    """
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    opened = _THOUGHT.match(lines[first])
    for number, line in enumerate(lines):
        end = _THOUGHT_ENDS.search(line) if opened else _THOUGHT_ENDS.match(line.strip())
        if end is not None:
            if not opened and _is_content(lines, number):
                return text
            rest = line[end.end() :] if opened else ""
            return "\n".join([*[""] * number, rest, *lines[number + 1 :]])
    return "\n" * (len(lines) - 1) if opened else text


def _is_content(lines: Sequence[str], at: int) -> bool:
    if any(fence.first < at < fence.last for fence in fences(lines) if fence.closed):
        return True
    marks = [sign for line in lines[:at] if (sign := line.lstrip(" ")[:5]) in ("<<<<<", ">>>>>")]
    return marks[-1:] == ["<<<<<"]


def path_in(line: str) -> str:
    """Return the path that a whole line is, whatever it is decorated with; empty if it is none."""
    text = line.strip()
    plain = _DECORATION.sub("", text.removesuffix("-->").removesuffix("*/").strip())
    if text.startswith("#!"):
        return ""
    plain = plain.strip().rstrip(":").strip()
    quoted = False
    while len(plain) > 2 and plain[0] in "*`\"'" and plain[-1] in "*`\"':":
        quoted = quoted or plain[0] in "`\"'*"
        plain = plain.strip("*").strip().rstrip(":").strip()
        if plain[:1] in ("`", '"', "'"):
            if plain[-1] != plain[0] or plain[0] in plain[1:-1]:
                return ""
            plain = plain[1:-1].strip()
    return plain if _is_path(plain, quoted) else ""


def path_in_info(info: str) -> str:
    """Return the path in the info string of a fence: `py src/a.py`, `src/a.py`, `py:src/a.py`, `title="a.py"`."""
    words = info.strip()
    named = re.search(r"(?:title|file|filename|path)\s*[=:]\s*[\"']?([^\"'\s}]+)", words)
    if named is not None:
        return named[1]
    first, _, rest = words.partition(" ")
    if rest.strip():
        return path_in(rest)
    language, colon, path = first.partition(":")
    if colon and language.isalnum():
        return path if _is_path(path, quoted=True) else ""
    return first if ("/" in first or "." in first.lstrip(".")) and path_in(first) else ""


def path_above(lines: Sequence[str], at: int, floor: int, *, prose: bool) -> tuple[str, int]:
    """Return the path above a line, and the line where it stands; empty if there is none.

    Only the nearest line with words counts, above `floor` none. With `prose`, a sentence may name it too, if
    it names one path.
    """
    for number in range(at - 1, max(floor, at - 1 - _LOOK_UP) - 1, -1):
        line = lines[number]
        if not line.strip():
            continue
        if _CLOSING.match(line):
            return "", at
        if path := path_in(line):
            return path, number
        names = set(_IN_PROSE.findall(line)) if prose else set[str]()
        return (names.pop(), number) if len(names) == 1 else ("", at)
    return "", at


def _is_path(text: str, quoted: bool) -> bool:
    if not text or len(text) > 255 or any(sign in text for sign in '<>|*?`"(){}=,;\t'):
        return False
    if not quoted and any(sign.isspace() for sign in text):
        return False
    if quoted and " " in text and not re.search(r"\.\w{1,8}$", text):
        return False
    if text.lower() in _BARE_NAMES:
        return True
    if re.fullmatch(r"[.…]+|\d+(\.\d+)*|\w+://.*", text):
        return False
    return "/" in text or "\\" in text or re.search(r"\.\w[\w-]{0,11}$", text) is not None
