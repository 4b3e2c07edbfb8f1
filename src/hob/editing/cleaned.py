"""Stage 4: quotations freed from what a model's tools or transport wrapped around them."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_MOST_LINES = 5000
_FENCE = re.compile(r"\s*(```+|~~~+)[\w+.#-]*\s*")
# What read_file, grep, cat -n, editors and other agents put before a line.
_NUMBERS = tuple(
    re.compile(pattern)
    for pattern in (
        r" *(\d+)\t",
        r" *(\d+) ?[|\u2502]",
        r" *(\d+) ?\u2192",
        r" *(\d+):",
        r" *L?(\d+)[:.)]",
        r" *(\d+)(?: |$)",
    )
)
_SPACED = _NUMBERS[1:5]
_ENTITIES = {
    "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#34;": '"', "&#x22;": '"', "&#39;": "'",
    "&#x27;": "'", "&apos;": "'", "&nbsp;": " ", "&#x2F;": "/", "&#x60;": "`", "&#x3D;": "=",
    "&amp;": "&",
}  # fmt: skip
_ENTITY = re.compile("|".join(_ENTITIES))
_ESCAPES = {"n": "\n", "t": "\t", "r": ""}


class Quotation(NamedTuple):
    """What a model sent, and what was taken off it on the way; `line` is where it was numbered."""

    search: str
    replace: str
    notes: tuple[str, ...] = ()
    line: int | None = None
    certain: bool = False  # nothing but a wrapping can look like what was taken off


def cleanings(search: str, replace: str) -> Iterator[Quotation]:
    """Yield other readings of a quotation, those that change least first, then all in a row."""
    if search.count("\n") > _MOST_LINES or replace.count("\n") > _MOST_LINES:
        return
    whole = Quotation(search, replace, certain=True)
    seen = {search}
    for step in (_unfenced, _unnumbered, _plain, *_UNESCAPED):
        one, whole = step(Quotation(search, replace, certain=True)), step(whole)
        for reading in (one, whole):
            if reading.search not in seen and reading.search.strip():
                seen.add(reading.search)
                yield reading


def _unfenced(said: Quotation) -> Quotation:
    inner = _inside_fence(said.search)
    if inner is None:
        return said
    other = _inside_fence(said.replace)
    return said._replace(
        search=inner,
        replace=said.replace if other is None else other,
        notes=(*said.notes, "the code fence around search was left out"),
    )


def _inside_fence(text: str) -> str | None:
    lines = text.strip("\n").split("\n")
    if len(lines) < 2 or not _FENCE.fullmatch(lines[0]):
        return None
    end = -1 if _FENCE.fullmatch(lines[-1]) else len(lines)
    inner = lines[1:end]
    return "".join(line + "\n" for line in inner)


def _unnumbered(said: Quotation) -> Quotation:
    lines = said.search.split("\n")
    solid = [line for line in lines if line.strip()]
    for pattern in _NUMBERS:
        found = [match for line in solid if (match := pattern.match(line))]
        numbers = [int(match[1][:9]) for match in found]
        if len(numbers) < len(solid) or not numbers or not _consecutive(lines, pattern):
            continue
        search = "\n".join(pattern.sub("", line, count=1) for line in lines)
        blank = 1 if pattern in _SPACED and _are_spaced(search.split("\n")) else 0
        span = range(numbers[0] - 1, numbers[-1] + said.replace.count("\n") + 2)
        return said._replace(
            search="\n".join(line[blank:] for line in search.split("\n")),
            replace="\n".join(
                _without(pattern, line, span, blank) for line in said.replace.split("\n")
            ),
            notes=(*said.notes, "the line numbers in search were left out"),
            line=numbers[0],
            certain=said.certain and (len(solid) > 1 or pattern is _NUMBERS[0]),
        )
    return said


def _consecutive(lines: list[str], pattern: re.Pattern[str]) -> bool:
    """Return whether each number is one more than that of the line above, blank lines aside."""
    last: int | None = None
    for line in lines:
        match = pattern.match(line)
        if match is None:
            # A blank line may have lost its number, or the reader skips it.
            continue
        number = int(match[1][:9])
        if last is not None and not last < number <= last + 2:
            return False
        last = number
    return True


def _are_spaced(lines: list[str]) -> bool:
    """Return whether a blank after each number belongs to the number, not to the indentation."""
    widths = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    return bool(widths) and min(widths) % 2 == 1


def _without(pattern: re.Pattern[str], line: str, span: range, blank: int) -> str:
    match = pattern.match(line)
    return line[match.end() + blank :] if match and int(match[1][:9]) in span else line


def _plain(said: Quotation) -> Quotation:
    search = _ENTITY.sub(lambda found: _ENTITIES[found.group()], said.search)
    if search == said.search:
        return said
    return said._replace(
        search=search,
        replace=_ENTITY.sub(lambda found: _ENTITIES[found.group()], said.replace),
        notes=(*said.notes, "HTML entities were read as the characters they stand for"),
        certain=False,
    )


def _unescaped(pattern: str) -> Callable[[Quotation], Quotation]:
    escape = re.compile(pattern)

    def plain(text: str) -> str:
        return escape.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)

    def step(said: Quotation) -> Quotation:
        search = plain(said.search)
        if search == said.search:
            return said
        return said._replace(
            search=search,
            replace=plain(said.replace),
            notes=(*said.notes, "backslashes before characters that need none were left out"),
            certain=False,
        )

    return step


_UNESCAPED = (
    _unescaped(r"\\([\"'`$])"),
    _unescaped(r"\\(\\)"),
    _unescaped(r"\\([ntr\"'`\\/])"),
    _unescaped(r"\\([!-/:-@\[-`{-~])"),
)
