"""Stage 5: `...` for lines that a model did not copy; the same lines stay in the file."""

import itertools
import re
from typing import NamedTuple

from hob.editing.lines import Index, Place, places
from hob.editing.merge import line_hunks
from hob.editing.outcome import EditRefused
from hob.editing.spelling import indentation, is_comment, squeezed

_MOST_LINES = 400
_MOST_MARKS = 20
_MARK = r"(?:\.\.\.|\u2026)"
_BARE = re.compile(
    rf"\s*(?:{_MARK}|(?:#|//|--|;|%)\s*{_MARK}|/\*\s*{_MARK}\s*\*/|<!--\s*{_MARK}\s*-->)\s*"
)
_THINGS = r"(?:code|lines?|methods?|functions?|class|file|body|fields?|cases?|imports?|logic|implementation)"
_COMMENT = re.compile(
    rf"\s*(?:#|//|--|;|%|/\*|<!--|\{{/\*)\s*(?:{_MARK}.*|"
    rf".*\b(?:(?:the )?rest of (?:the |your )?{_THINGS}|(?:remaining|existing|other|previous) {_THINGS}|"
    rf"(?:{_THINGS}|rest) (?:(?:remains?|is|stays?) )?(?:unchanged|as (?:is|before)|the same)|"
    r"same as (?:before|above)|omitted for brevity|keep (?:the )?(?:rest|existing))\b.*)",
    re.IGNORECASE,
)
_LEADING = re.compile(rf"\W*{_MARK}")
_STUB = re.compile(r"\s*(?:pass|raise NotImplementedError\b.*)")
_OPENER = re.compile(r".*:\s*(?:#.*)?")


class Segment(NamedTuple):
    """A part of a quotation between two elisions, and what it becomes."""

    quoted: list[str]
    wanted: list[str]


def is_elision(line: str) -> bool:
    """Return whether a line stands for lines that are not there."""
    return _BARE.fullmatch(line) is not None or _COMMENT.fullmatch(line) is not None


def check_kept(quoted: list[str], wanted: list[str]) -> None:
    """Raise `EditRefused` if lines only stand for others, which would be removed or not be there."""
    there = {line.strip() for line in quoted}
    if not any(is_elision(line) and line.strip() not in there for line in wanted):
        return
    for i1, i2, j1, j2 in line_hunks(quoted, wanted):
        removed = [line for line in quoted[i1:i2] if line.strip()]
        for j in range(j1, j2):
            line = wanted[j]
            if line.strip() in there or not is_elision(line):
                continue
            if all(map(_STUB.fullmatch, removed)) and _is_body(wanted, j):
                continue
            wordy = not _LEADING.match(line)
            if wordy and (_is_rewritten(removed, line) or (not removed and len(line.split()) > 8)):
                continue
            raise EditRefused(
                f"replace has {line.strip()[:80]!r}, which search has not; lines that are to stay "
                "have to be written out, or left out of both search and replace"
            )


def _is_body(wanted: list[str], j: int) -> bool:
    """Return whether `...` is a statement of Python: the one line in a block."""
    return wanted[j].strip() == "..." and j > 0 and _OPENER.fullmatch(wanted[j - 1]) is not None


def _is_rewritten(removed: list[str], line: str) -> bool:
    """Return whether a comment takes the place of one that says much the same."""
    words = set(line.split())
    return len(words) > 3 and any(
        is_comment(one) and 3 * len(words & set(one.split())) >= 2 * len(words) for one in removed
    )


def segments(index: Index, quoted: list[str], wanted: list[str]) -> list[Segment] | None:
    """Cut both at their elisions; None without any in the quotation. Unpaired ones are refused."""
    marks = {line.strip() for line in quoted if is_elision(line)}
    # A comment of the file may read like one.
    marks = {one for one in marks if _BARE.fullmatch(one) or squeezed(one) not in index.solid}
    if not marks:
        return None
    left = [n for n, line in enumerate(quoted) if line.strip() in marks]
    right = [
        n
        for n, line in enumerate(wanted)
        if line.strip() in marks or (is_elision(line) and squeezed(line) not in index.solid)
    ]
    if len(left) != len(right):
        raise EditRefused(
            f"search has {len(left)} lines like '...' and replace has {len(right)}; each has to "
            "stand in both, or write the lines out"
        )
    if len(left) > _MOST_MARKS:
        raise EditRefused(
            f"search has more than {_MOST_MARKS} lines like '...'; send smaller edits"
        )
    parts = [
        Segment(quoted[i1:i2], wanted[j1:j2])
        for (i1, i2), (j1, j2) in zip(_between(left, quoted), _between(right, wanted), strict=True)
    ]
    # An elision at either end stands for nothing that is between two known places.
    inner = [part for part in parts if _solid(part.quoted)]
    for part in parts:
        if not _solid(part.quoted) and _solid(part.wanted):
            raise EditRefused(
                "replace has lines beside '...' where search has none; quote the lines they go to"
            )
    return inner


def chains(index: Index, parts: list[Segment]) -> list[list[Place]]:
    """Return the ways to find all segments in order, each the nearest after the one before."""
    if not parts:
        return []
    lines = index.document.lines
    found = [[place] for place in places(index, parts[0].quoted)]
    for part in parts[1:]:
        after = sorted(places(index, part.quoted), key=lambda place: place.first)
        found = [
            [*chain, tail]
            for chain in found
            if (tail := _nearest(chain[-1].last, after)) is not None
        ]
    within = [chain for chain in found if not _leaves_block(lines, chain)]
    if found and not within:
        raise EditRefused(
            f"search has lines of two blocks around '...': line {found[0][-1].first + 1} is not in "
            f"the block of line {found[0][0].first + 1}; send one edit for each"
        )
    return within


def _leaves_block(lines: list[str], chain: list[Place]) -> bool:
    """Return whether lines after an elision are all in a block that begins within it.

    The line that begins it ends the block of those above the elision, for it is no deeper than the
    line that begins theirs, or less deep than all of them. It is not as deep as any line below, so
    that search does not show where that other block ends.
    """
    shown: list[int] = []
    for above, below in itertools.pairwise(chain):
        shown += _shown(lines, above)
        shallowest = _ending_depth(lines, shown)
        depth = min(len(indentation(lines[own])) for own in _shown(lines, below))
        for line in lines[above.last + 1 : below.first]:
            stripped = line.lstrip()
            if not stripped or stripped[0] in ")]}" or is_comment(line):
                continue
            if len(line) - len(stripped) <= shallowest and len(line) - len(stripped) < depth:
                return True
    return False


def _shown(lines: list[str], place: Place) -> list[int]:
    return [own for own in place.pairs if own is not None and lines[own].strip()]


def _ending_depth(lines: list[str], shown: list[int]) -> int:
    """Return how deep a line is at most that ends the block in which these lines are."""
    least = min(len(indentation(lines[own])) for own in shown)
    last = next(own for own in reversed(shown) if len(indentation(lines[own])) == least)
    after = next((line for line in lines[last + 1 :] if line.strip()), "")
    return least if len(indentation(after)) > least else least - 1


def _nearest(last: int, after: list[Place]) -> Place | None:
    return next((place for place in after if last < place.first <= last + _MOST_LINES), None)


def _between(marks: list[int], lines: list[str]) -> list[tuple[int, int]]:
    starts = [0, *(mark + 1 for mark in marks)]
    return list(zip(starts, [*marks, len(lines)], strict=True))


def _solid(lines: list[str]) -> bool:
    return any(line.strip() for line in lines)
