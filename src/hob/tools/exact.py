"""Replace one text by another where it stands exactly once; any other case is a refusal that helps.

Pure. Line endings are compared as if all were LF; what is written keeps the file's own.
"""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from heapq import nlargest

from msgspec import Struct

from hob.tools.bounds import cut_line

_NUMBERED = r"\s*\d+(\t|\s*[|:→])"
_SHOWN_LINES = 12
_SHOWN_CHARS = 200
_SHOWN_PLACES = 20
_ALIKE = 0.6
_COMMON = 50  # a line that stands more often than this says nothing about the place
# What a refusal may cost: beyond these it says less, but the loop never waits for it.
_SEARCHED_LINES = 100_000
_WANTED_LINES = 2000
_COMPARED_CHARS = 150_000  # of lines that are compared roughly
_COMPARED_WELL = 20  # lines that are compared in quadratic time


class Edited(Struct, frozen=True):
    """The new text, and the lines (first and last, from 1) that the replacement takes in it."""

    text: str
    first_line: int
    last_line: int


def replace_once(before: str, search: str, replace: str) -> Edited | str:
    """Return the text with `search` replaced, or the sentence that says why that is not possible.

    Only what differs between `search` and `replace` is touched; every other byte stays.
    """
    text, old, new = (part.replace("\r\n", "\n") for part in (before, search, replace))
    if not old.strip():
        return "search is blank; send the lines that are to be replaced, with one that is not blank"
    if old == new:
        return "search and replace are the same; nothing to do"
    places = _places(text, old)
    if not places:
        return _absent(text, old, new)
    if len(places) > 1:
        return _several(text, places)
    at = places[0]
    left = _common(old, new)
    right = _common(old[left:][::-1], new[left:][::-1])
    start = _original(before, at + left)
    end = _original(before, at + len(old) - right)
    inserted = new[left : len(new) - right].replace("\n", _ending(before, start))
    first = text.count("\n", 0, at) + 1
    height = new.count("\n") - (1 if new.endswith("\n") else 0)
    return Edited(before[:start] + inserted + before[end:], first, first + max(0, height))


def _places(text: str, old: str) -> list[int]:
    """Return the places, overlapping ones too: each is one the model may have meant.

    At most one more than are shown: there may be as many as characters.
    """
    places: list[int] = []
    at = text.find(old)
    while at >= 0 and len(places) <= _SHOWN_PLACES:
        places.append(at)
        at = text.find(old, at + 1)
    return places


def _common(left: str, right: str) -> int:
    shorter = min(len(left), len(right))
    if left[:shorter] == right[:shorter]:
        return shorter
    return next(i for i in range(shorter) if left[i] != right[i])


def _original(before: str, offset: int) -> int:
    """Return where an offset in the text with LF endings lies in the text as it is."""
    total = before.count("\r\n")
    if total == before.count("\n"):
        # All lines end the same way, so counting lines is enough; going through them takes long.
        return offset + (total and before.replace("\r\n", "\n").count("\n", 0, offset))
    at = before.find("\r\n")
    while 0 <= at < offset:
        # Everything before `at` counts in both; from here on the original is one longer.
        offset += 1
        at = before.find("\r\n", at + 2)
    return offset


def _ending(before: str, at: int) -> str:
    """Return the ending of the line at an offset, or of the one above if it is the last."""
    end = before.find("\n", at)
    if end < 0:
        end = before.rfind("\n", 0, at)
    return "\r\n" if end > 0 and before[end - 1] == "\r" else "\n"


def _several(text: str, places: list[int]) -> str:
    lines = [text.count("\n", 0, at) + 1 for at in places[:_SHOWN_PLACES]]
    many = len(places) > _SHOWN_PLACES
    count = f"more than {_SHOWN_PLACES}" if many else f"{len(places)}"
    return (
        f"search stands {count} times, at lines {', '.join(map(str, lines))}"
        f"{' and so on' if many else ''}; add lines around it until it is unique"
    )


def _absent(text: str, old: str, new: str) -> str:
    wanted = old.rstrip("\n").split("\n")
    if all(re.match(_NUMBERED, line) for line in wanted if line.strip()):
        return "search was not found; leave out the line numbers that read_file puts before lines"
    if new.strip() and text.count(new) == 1:
        line = text.count("\n", 0, text.index(new)) + 1
        return f"search was not found, but replace is already there, at line {line}"
    lines = text.split("\n", _SEARCHED_LINES)
    del lines[_SEARCHED_LINES:]
    start = _nearest(lines, wanted)
    if start is None:
        return "search was not found and nothing is like it; read the file again"
    end = min(len(lines), start + min(len(wanted), _SHOWN_LINES))
    shown = "\n".join(
        f"{number + 1}\t{cut_line(lines[number], _SHOWN_CHARS)}" for number in range(start, end)
    )
    return (
        f"search was not found. The nearest lines are:\n{shown}\n"
        f"{_divergence(lines, start, old.split(chr(10)))} Send the file's own text, exactly."
    )


def _nearest(lines: list[str], wanted: list[str]) -> int | None:
    """Return the index where most of the wanted lines stand, blanks at their ends aside."""
    index: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if stripped := line.strip():
            index.setdefault(stripped, []).append(number)
    votes: dict[int, int] = {}
    wanted = wanted[:_WANTED_LINES]
    for offset, line in enumerate(wanted):
        found = index.get(line.strip(), [])
        for number in found if len(found) <= _COMMON else found[:1]:
            votes[number - offset] = votes.get(number - offset, 0) + 1
    if votes:
        return max(0, max(votes, key=lambda start: (votes[start], -start)))
    offset, longest = max(enumerate(wanted), key=lambda pair: len(pair[1].strip()))
    near = _similar(longest.strip()[:_SHOWN_CHARS], index)
    return max(0, index[near][0] - offset) if near else None


def _similar(wanted: str, lines: Iterable[str]) -> str:
    """Return the line most like the wanted one, "" if none is; within a fixed amount of work."""
    matcher = SequenceMatcher(None, "", wanted, autojunk=False)
    rough: list[tuple[float, str]] = []
    room = _COMPARED_CHARS
    for line in lines:
        # A line of another length is judged by that alone, which costs next to nothing.
        room -= 20
        if room < 0:
            break
        if 2 * min(len(line), len(wanted)) < _ALIKE * (len(line) + len(wanted)):
            continue
        room -= len(line)
        matcher.set_seq1(line)
        if (ratio := matcher.quick_ratio()) >= _ALIKE:
            rough.append((ratio, line))
    best, found = _ALIKE, ""
    for _, line in nlargest(_COMPARED_WELL, rough, key=lambda pair: pair[0]):
        matcher.set_seq1(line)
        if (ratio := matcher.ratio()) > best or (ratio == best and not found):
            best, found = ratio, line
    return found


def _divergence(lines: list[str], start: int, wanted: list[str]) -> str:
    for offset, line in enumerate(wanted):
        number = start + offset
        if number >= len(lines):
            return f"The file ends at line {len(lines)}, before search does."
        if line != lines[number] and (line or offset < len(wanted) - 1):
            mine, theirs = (cut_line(one, _SHOWN_CHARS) for one in (lines[number], line))
            return (
                f"First difference at line {number + 1}: the file has {mine!r}, search {theirs!r}."
            )
    return "The lines are the same; the difference is at their first or last end."
