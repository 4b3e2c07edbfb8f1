"""Stage 9: refusals that cost one turn: where the text may be meant, and how it differs there."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, unified_diff
from heapq import nlargest

from hob.editing.exact import MOST_PLACES

_NUMBERED = r"\s*\d+(\t|\s*[|:\u2192])"
_SHOWN_LINES = 12
_SHOWN_CHARS = 160
_SHOWN_PLACES = 5
_AROUND = 2
_MOST_CHARS = 2400
_ALIKE = 0.6
_COMMON = 50  # a line that stands more often than this says nothing about the place
# What a refusal may cost: beyond these it says less, but nobody waits for it.
_SEARCHED_LINES = 100_000
_WANTED_LINES = 2000
_COMPARED_CHARS = 60_000  # of lines that are compared roughly
_COMPARED_WELL = 12  # lines that are compared in quadratic time


def several(lines: Sequence[str], starts: Sequence[int], height: int = 1) -> str:
    """Return the words for a quotation that stands at several places (line indices)."""
    many = len(starts) > MOST_PLACES
    count = f"more than {MOST_PLACES}" if many else f"{len(starts)}"
    numbers = ", ".join(str(start + 1) for start in starts[:MOST_PLACES])
    return (
        f"search stands {count} times, at lines {numbers}{' and so on' if many else ''}; "
        f"add lines around it until it is unique.\n{_candidates(lines, starts, height)}"
    )


def near(lines: Sequence[str], starts: Sequence[int], height: int) -> str:
    """Return the words for a quotation that is nowhere, and almost at several places."""
    numbers = ", ".join(str(start + 1) for start in starts[:MOST_PLACES])
    return (
        f"search was not found, and several places are about as near, at lines {numbers}; "
        f"quote one of them exactly.\n{_candidates(lines, starts, height)}"
    )


def _candidates(lines: Sequence[str], starts: Sequence[int], height: int) -> str:
    return _cut(
        "\n--\n".join(
            _excerpt(lines, start - _AROUND, start + min(height, 2) + _AROUND)
            for start in dict.fromkeys(starts[:_SHOWN_PLACES])
        )
    )


def absent(lines: Sequence[str], search: str, replace: str, why: str = "") -> str:
    """Return the words for a quotation that is not found: the nearest place, and the difference."""
    wanted = search.rstrip("\n").split("\n")
    reason = f" ({why})" if why else ""
    if not why and all(re.match(_NUMBERED, line) for line in wanted if line.strip()):
        return (
            f"search was not found{reason}; leave out the line numbers that read_file puts "
            "before lines"
        )
    already = present(lines, replace)
    if already is not None:
        return f"search was not found{reason}, but replace is already there, at line {already + 1}"
    here = lines[:_SEARCHED_LINES]
    start = _nearest(here, wanted)
    if start is None:
        return f"search was not found{reason} and nothing is like it; read the file again"
    end = min(len(here), start + min(len(wanted), _SHOWN_LINES))
    return _cut(
        f"search was not found{reason}. The nearest lines are:\n{_excerpt(here, start, end)}\n"
        f"{_divergence(here, start, search.split(chr(10)))}"
        f"{_difference(here[start : start + len(wanted[:_SHOWN_LINES])], wanted[:_SHOWN_LINES])}"
        " Send the file's own text, exactly."
    )


def present(lines: Sequence[str], replace: str) -> int | None:
    """Return where the new text stands already, as whole lines, if it does so once."""
    solid = [line.strip() for line in replace.split("\n")]
    while solid and not solid[0]:
        del solid[0]
    while solid and not solid[-1]:
        solid.pop()
    if not solid or len(solid) > _WANTED_LINES or sum(map(len, solid)) < 4:
        return None
    rare = max(solid, key=len)
    offset = solid.index(rare)
    found = [
        number - offset
        for number, line in enumerate(lines)
        if rare in line and line.strip() == rare
    ]
    found = [start for start in found[:_COMMON] if start >= 0 and _stand(lines, start, solid)]
    return found[0] if len(found) == 1 else None


def _stand(lines: Sequence[str], start: int, wanted: list[str]) -> bool:
    return [line.strip() for line in lines[start : start + len(wanted)]] == wanted


def _excerpt(lines: Sequence[str], start: int, end: int) -> str:
    return "\n".join(
        f"{number + 1}\t{_short(lines[number])}"
        for number in range(max(0, start), min(end, len(lines)))
    )


def _short(line: str) -> str:
    if len(line) <= _SHOWN_CHARS:
        return line
    return f"{line[:_SHOWN_CHARS]} [+{len(line) - _SHOWN_CHARS} characters]"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + "\n[cut]"


def _difference(own: Sequence[str], wanted: Sequence[str]) -> str:
    """Return a small unified diff from the quotation to the file; blanks that matter are visible."""
    left, right = ([_visible(_short(line)) for line in side] for side in (wanted, own))
    body = list(unified_diff(left, right, "search", "file", n=1, lineterm=""))[3:]
    return "\n--- search\n+++ file\n" + "\n".join(body) + "\n" if body else ""


def _visible(line: str) -> str:
    end = line.rstrip(" \t")
    blanks = line[len(end) :]
    return end.replace("\t", "\u2192") + blanks.replace("\t", "\u2192").replace(" ", "\u00b7")


def _nearest(lines: Sequence[str], wanted: list[str]) -> int | None:
    """Return the index where most of the wanted lines stand, blanks at their ends aside."""
    wanted = wanted[:_WANTED_LINES]
    keys = {stripped for line in wanted if (stripped := line.strip())}
    index: dict[str, list[int]] = {key: [] for key in keys}
    for number, line in enumerate(lines):
        if (stripped := line.strip()) in keys:
            index[stripped].append(number)
    votes: dict[int, int] = {}
    for offset, line in enumerate(wanted):
        found = index.get(line.strip(), [])
        for number in found if len(found) <= _COMMON else found[:1]:
            votes[number - offset] = votes.get(number - offset, 0) + 1
    if votes:
        return max(0, max(votes, key=lambda start: (votes[start], -start)))
    offset, longest = max(enumerate(wanted), key=lambda pair: len(pair[1].strip()))
    near = _similar(longest.strip()[:_SHOWN_CHARS], lines)
    return None if near is None else max(0, near - offset)


def _similar(wanted: str, lines: Iterable[str]) -> int | None:
    """Return the line most like the wanted one; within a fixed amount of work."""
    matcher = SequenceMatcher(None, "", wanted, autojunk=False)
    rough: list[tuple[float, int, str]] = []
    room = _COMPARED_CHARS
    for number, line in enumerate(lines):
        # A line of another length is judged by that alone, which costs next to nothing.
        room -= 4
        if room < 0:
            break
        if 2 * min(len(line), len(wanted)) < _ALIKE * (len(line) + len(wanted)):
            continue
        line = line.strip()
        room -= len(line)
        matcher.set_seq1(line)
        if (ratio := matcher.quick_ratio()) >= _ALIKE:
            rough.append((ratio, -number, line))
    best, found = _ALIKE, None
    for _, number, line in nlargest(_COMPARED_WELL, rough):
        matcher.set_seq1(line)
        if (ratio := matcher.ratio()) > best or (ratio == best and found is None):
            best, found = ratio, -number
    return found


def _divergence(lines: Sequence[str], start: int, wanted: list[str]) -> str:
    for offset, line in enumerate(wanted):
        number = start + offset
        if number >= len(lines):
            return f"The file ends at line {len(lines)}, before search does."
        if line != lines[number] and (line or offset < len(wanted) - 1):
            mine, theirs = _short(lines[number]), _short(line)
            return (
                f"First difference at line {number + 1}: the file has {mine!r}, search {theirs!r}."
            )
    return "The lines are the same; the difference is at their first or last end."
