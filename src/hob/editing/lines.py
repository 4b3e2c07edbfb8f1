"""Stage 3: the quoted lines, blank ones aside, wherever they stand; the strictest place counts."""

from typing import NamedTuple

from hob.editing.spelling import Level, agreement, indentation, squeezed
from hob.editing.text import Document

_MOST_PLACES = 200
_COMPARED_LINES = 20_000


class Place(NamedTuple):
    """Where quoted lines stand: for each of them the index of the file's line, None for none."""

    pairs: list[int | None]
    level: Level
    indented: bool  # every line is indented exactly as it was quoted
    cut: bool = False  # every line but the first is, and there are more

    @property
    def first(self) -> int:
        """Return the first line of the file that is part of the place, from 0."""
        return next(pair for pair in self.pairs if pair is not None)

    @property
    def last(self) -> int:
        """Return the last line of the file that is part of the place, from 0."""
        return next(pair for pair in reversed(self.pairs) if pair is not None)


class Index:
    """The lines of a file that are not blank, in their loosest form."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.keys = squeezed(document.plain).split("\n")[: len(document.lines)]
        self.numbers = [number for number, key in enumerate(self.keys) if key]
        self.solid = [key for key in self.keys if key]
        self.joined = "\n" + "\n".join(self.solid) + "\n"

    def starts(self, wanted: list[str]) -> list[int]:
        """Return where these loosest forms stand one after another; counted without blank lines."""
        needle = "\n" + "\n".join(wanted) + "\n"
        found: list[int] = []
        at, counted, number = self.joined.find(needle), 0, 0
        while at >= 0 and len(found) <= _MOST_PLACES:
            number += self.joined.count("\n", counted, at)
            counted = at
            found.append(number)
            at = self.joined.find(needle, at + 1)
        return found


def places(index: Index, quoted: list[str]) -> list[Place]:
    """Return the places that agree with the quoted lines at the strictest level that has any.

    More than one is a tie. A blank line that was left out or added makes no difference.
    """
    solid = [(number, line) for number, line in enumerate(quoted) if line.strip()]
    wanted = [key for key in squeezed("\n".join(quoted)).split("\n") if key]
    if len(wanted) != len(solid) or not solid:
        return []
    starts = index.starts(wanted)
    room = max(1, _COMPARED_LINES // len(solid))
    found = [
        place
        for start in starts[: max(2, room)]
        if (place := _place(index, start, quoted, solid)) is not None
    ]
    if len(starts) > max(2, room) or not found:
        # Too many to look at each: they are a tie, whatever their levels are.
        return found if len(found) != 1 or len(starts) <= max(2, room) else []
    best = min(place.level for place in found)
    found = [place for place in found if place.level == best]
    if len(found) > 1:
        indented = [place for place in found if place.indented]
        # One that lost the blanks before its first line is indented like only one of them.
        found = indented or [place for place in found if place.cut] or found
    return found


def _place(
    index: Index, start: int, quoted: list[str], solid: list[tuple[int, str]]
) -> Place | None:
    lines = index.document.lines
    pairs: list[int | None] = [None] * len(quoted)
    worst, same = Level.EXACT, 0
    for offset, (number, line) in enumerate(solid):
        own = index.numbers[start + offset]
        level = agreement(lines[own], line)
        if level is None:
            return None
        worst = max(worst, level)
        if indentation(lines[own]) == indentation(line):
            same += 1
        elif offset:
            same -= len(solid)
        pairs[number] = own
    count = len(solid)
    return Place(pairs, worst, same == count, cut=same == count - 1 and count > 1)
