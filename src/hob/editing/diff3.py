"""Carry the change from one text to another over to a third: line by line, or not at all.

The classic three-way merge (diff3; Khanna, Kunal and Pierce 2007). Changes that touch or overlap are
a conflict, unless both sides made the same one.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

MAX_COMPARED = 3000  # differing lines on one side that are compared; difflib is quadratic


class _Change(NamedTuple):
    """Lines `first` up to `last` of the base (from 0, the last one not included) become `lines`."""

    first: int
    last: int
    lines: list[str]


def merge(base: str, mine: str, theirs: str) -> str | None:
    """Return `theirs` with what changed from `base` to `mine`; None if the two changes conflict.

    Line endings count as part of a line. Texts that differ in more than 3,000 lines are a conflict.
    """
    if theirs == base or mine == theirs:
        return mine
    if mine == base:
        return theirs
    lines = _lines(base)
    ours, others = _changes(lines, _lines(mine)), _changes(lines, _lines(theirs))
    if ours is None or others is None:
        return None
    joined = _joined(ours, others)
    if joined is None:
        return None
    result: list[str] = []
    at = 0
    for change in joined:
        result += lines[at : change.first] + change.lines
        at = change.last
    return "".join(result + lines[at:])


def _lines(text: str) -> list[str]:
    # Not `splitlines`: a form feed or U+2028 ends no line of a program.
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def _changes(base: list[str], other: list[str]) -> list[_Change] | None:
    head = _common(base, other)
    tail = _common(base[head:][::-1], other[head:][::-1])
    left, right = base[head : len(base) - tail], other[head : len(other) - tail]
    if max(len(left), len(right)) > MAX_COMPARED:
        return None
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    return [
        _Change(head + first, head + last, right[start:end])
        for tag, first, last, start, end in blocks
        if tag != "equal"
    ]


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))


def _joined(ours: list[_Change], others: list[_Change]) -> list[_Change] | None:
    """Return both lists of changes in order, None where two of them meet."""
    joined: list[_Change] = []
    for change in sorted([*ours, *others], key=lambda one: (one.first, one.last)):
        before = joined[-1] if joined else None
        if before == change:
            continue
        if before is not None and change.first <= before.last:
            return None
        joined.append(change)
    return joined
