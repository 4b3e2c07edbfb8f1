"""Stage 7: the change from SEARCH to REPLACE, carried over to the lines that the file has."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from hob.editing.indents import Indents
from hob.editing.outcome import EditRefused
from hob.editing.spelling import agreement, indentation, is_comment, squeezed, without_comment
from hob.editing.text import Change, Document
from hob.editing.threeway import merged

_COMPARED_LINES = 800
_PAIRED_LINES = 400
_AROUND = 200


class Hunk(NamedTuple):
    """Quoted lines `i1` to `i2` that become the wanted lines `j1` to `j2`."""

    i1: int
    i2: int
    j1: int
    j2: int


class Merge:
    """One quotation with its place in the file; it knows what to write there.

    `asked` are the quoted lines that had to go, and those to come that the file had not yet.
    """

    def __init__(
        self, document: Document, quoted: list[str], wanted: list[str], pairs: list[int | None]
    ) -> None:
        self._lines = document.lines
        self._pairs = _with_blanks(document.lines, quoted, pairs)
        self._quoted, self._wanted = quoted, wanted
        self._indents = self._learnt()
        if _speaks_file(document.lines, quoted, wanted, self._pairs):
            # Only the quotation is indented wrongly; what is wanted is indented as the file is.
            self._quoted = [
                line if own is None else indentation(document.lines[own]) + line.lstrip()
                for line, own in zip(quoted, self._pairs, strict=True)
            ]
            self._indents = Indents([], [], [])
        self.asked: tuple[list[str], list[str]] = ([], [])
        self._noisy = any(
            own is not None and line != line.rstrip() and document.lines[own] != line
            for line, own in zip(quoted, self._pairs, strict=True)
        )

    def changes(self) -> list[Change]:
        """Return what is to be written; raises `EditRefused` where that is not sure."""
        found: list[Change] = []
        for hunk in line_hunks(self._quoted, self._wanted):
            for part in self._parts(hunk):
                if change := self._change(part):
                    found.append(change)
        return [one for one in found if self._lines[one.start : one.end] != one.lines]

    def _learnt(self) -> Indents:
        known = [
            (indentation(line), indentation(self._lines[own]))
            for line, own in zip(self._quoted, self._pairs, strict=True)
            if own is not None and line.strip()
        ]
        first = next((own for own in self._pairs if own is not None), 0)
        around = self._lines[max(0, first - _AROUND) : first + _AROUND]
        return Indents(known, [*self._quoted, "", *self._wanted], around)

    def _parts(self, hunk: Hunk) -> Iterator[Hunk]:
        """Cut a hunk at lines that replace one another, where the file has more than was quoted."""
        owns = [own for own in self._pairs[hunk.i1 : hunk.i2] if own is not None]
        if not owns or owns[-1] - owns[0] + 1 == hunk.i2 - hunk.i1:
            yield hunk
            return
        i, j = hunk.i1, hunk.j1
        for left, right in self._alike(hunk):
            if (i, j) != (left, right):
                yield Hunk(i, left, j, right)
            yield Hunk(left, left + 1, right, right + 1)
            i, j = left + 1, right + 1
        if i < hunk.i2 or j < hunk.j2:
            yield Hunk(i, hunk.i2, j, hunk.j2)

    def _alike(self, hunk: Hunk) -> list[tuple[int, int]]:
        """Return pairs of quoted and wanted lines of a hunk, of which one became the other."""
        if (hunk.i2 - hunk.i1) * (hunk.j2 - hunk.j1) > _PAIRED_LINES:
            return []
        if hunk.i2 - hunk.i1 == hunk.j2 - hunk.j1:
            return list(zip(range(hunk.i1, hunk.i2), range(hunk.j1, hunk.j2), strict=True))
        found: list[tuple[int, int]] = []
        j = hunk.j1
        for i in range(hunk.i1, hunk.i2):
            likely = [
                (SequenceMatcher(None, self._quoted[i], self._wanted[k]).quick_ratio(), -k)
                for k in range(j, hunk.j2)
                if self._wanted[k].strip() and self._quoted[i].strip()
            ]
            best = max(likely, default=(0.0, 0))
            if best[0] >= 0.7:
                found.append((i, -best[1]))
                j = 1 - best[1]
        return found

    def _change(self, hunk: Hunk) -> Change | None:
        solid = [i for i in range(hunk.i1, hunk.i2) if self._quoted[i].strip()]
        if any(self._pairs[i] is None for i in solid):
            i = next(i for i in solid if self._pairs[i] is None)
            raise EditRefused(f"the file has no line {self._quoted[i].strip()[:200]!r} to change")
        owns = [own for own in self._pairs[hunk.i1 : hunk.i2] if own is not None]
        if not owns:
            return self._insertion(hunk)
        start, end = owns[0], owns[-1] + 1
        unseen = [n for n in range(start, end) if n not in set(owns) and self._lines[n].strip()]
        if any(not is_comment(self._lines[n]) for n in unseen):
            raise EditRefused(
                f"search leaves out line {unseen[0] + 1}, "
                f"{self._lines[unseen[0]].strip()[:200]!r}, which the edit would remove"
            )
        self._note(hunk)
        return Change(start, end, self._written(hunk))

    def _note(self, hunk: Hunk) -> None:
        self.asked[0].extend(self._quoted[hunk.i1 : hunk.i2])
        self.asked[1].extend(self._wanted[hunk.j1 : hunk.j2])

    def _insertion(self, hunk: Hunk) -> Change | None:
        before = next((own for own in reversed(self._pairs[: hunk.i1]) if own is not None), None)
        after = next((own for own in self._pairs[hunk.i2 :] if own is not None), None)
        low = before + 1 if before is not None else after
        if low is None or hunk.j1 == hunk.j2:
            return None
        high = after if after is not None and before is not None else low
        low, high, hunk = self._narrowed(low, high, hunk)
        if hunk.j1 == hunk.j2:
            return None
        if any(line.strip() for line in self._lines[low:high]):
            raise EditRefused(
                f"search leaves out line {low + 1}, {self._lines[low].strip()[:200]!r}, "
                "just where the new lines go"
            )
        self._note(hunk)
        at = high if low < high and self._belongs_below(hunk, low, high) else low
        return Change(at, at, self._written(hunk))

    def _narrowed(self, low: int, high: int, hunk: Hunk) -> tuple[int, int, Hunk]:
        """Leave out new lines that stand in the file already, which the quotation left out."""
        _, _, j1, j2 = hunk
        while low < high and j1 < j2 and _agree(self._lines[low], self._wanted[j1]):
            low, j1 = low + 1, j1 + 1
        while low < high and j1 < j2 and _agree(self._lines[high - 1], self._wanted[j2 - 1]):
            high, j2 = high - 1, j2 - 1
        return low, high, hunk._replace(j1=j1, j2=j2)

    def _belongs_below(self, hunk: Hunk, low: int, high: int) -> bool:
        """Return whether new lines in a run of blank ones go with the line below, not above."""
        above = indentation(self._lines[low - 1])
        below = indentation(self._lines[high]) if high < len(self._lines) else ""
        new = self._written(hunk)
        first = next((indentation(line) for line in new if line.strip()), "")
        return first == below != above

    def _written(self, hunk: Hunk) -> list[str]:
        """Return the wanted lines as the file would have them."""
        partner = {j: i for i, j in (self._alike(hunk) if hunk.i1 < hunk.i2 else ())}
        new: list[str] = []
        for j in range(hunk.j1, hunk.j2):
            line = self._wanted[j]
            text = line.rstrip() if self._noisy or not line.strip() else line
            if not text:
                new.append("")
                continue
            indent = self._indent(hunk, j, partner.get(j))
            new.append(indent + self._content(text.lstrip(), partner.get(j)))
        return new

    def _indent(self, hunk: Hunk, j: int, i: int | None) -> str:
        theirs = indentation(self._wanted[j])
        own = None if i is None else self._pairs[i]
        if i is not None and own is not None and indentation(self._quoted[i]) == theirs:
            return indentation(self._lines[own])
        if self._indents.several(theirs):
            return self._indent_beside(hunk, j)
        first = next((k for k, line in enumerate(self._wanted) if line.strip()), 0)
        return self._indents.opening(theirs) if j == first else self._indents.mapped(theirs)

    def _indent_beside(self, hunk: Hunk, j: int) -> str:
        """Return what the lines around one have in the file, where its own can stand for several.

        Raises `EditRefused` where they do not agree: in or after a block is not the same program.
        """
        theirs = indentation(self._wanted[j])
        owns = [
            own if line.strip() and indentation(line) == theirs else None
            for line, own in zip(self._quoted, self._pairs, strict=True)
        ]
        above = [own for own in owns[: hunk.i1] if own is not None][-1:]
        below = [own for own in owns[hunk.i2 :] if own is not None][:1]
        beside = {
            indentation(self._lines[own])
            for own in [*above, *owns[hunk.i1 : hunk.i2], *below]
            if own is not None
        }
        if len(beside) != 1 or not above or not below:
            raise EditRefused(
                f"how deep {self._wanted[j].strip()[:200]!r} is to be is not clear, as search is "
                "not indented like the file; send its lines with their indentation"
            )
        return beside.pop()

    def _content(self, wanted: str, i: int | None) -> str:
        own = None if i is None else self._pairs[i]
        if i is None or own is None:
            return wanted
        line, quoted = self._lines[own].lstrip(), self._quoted[i].lstrip()
        carried = merged(line, quoted, wanted)
        if carried is not None:
            return carried
        if agreement(line, quoted) is None:
            raise EditRefused(
                f"line {own + 1} is {line[:200]!r}; search has {quoted[:200]!r} for it"
            )
        return wanted


def known(line: str, quoted: str) -> bool:
    """Return whether a line may be changed: it says what was quoted, a comment at its end aside."""
    if agreement(line, quoted) is not None:
        return True
    left, right = without_comment(line), without_comment(quoted)
    return bool(left) and left != line.strip() and agreement(left, right) is not None


def _agree(line: str, wanted: str) -> bool:
    return agreement(line, wanted) is not None


def line_hunks(quoted: list[str], wanted: list[str]) -> list[Hunk]:
    """Return where two lists of lines differ, blanks at the ends of lines aside."""
    left = [line.rstrip() for line in quoted]
    right = [line.rstrip() for line in wanted]
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    i2, j2 = len(left) - end, len(right) - end
    if max(i2, j2) - start > _COMPARED_LINES:
        return [Hunk(start, i2, start, j2)]
    matcher = SequenceMatcher(None, left[start:i2], right[start:j2], autojunk=False)
    return [
        Hunk(start + a1, start + a2, start + b1, start + b2)
        for tag, a1, a2, b1, b2 in matcher.get_opcodes()
        if tag != "equal"
    ]


def _with_blanks(lines: list[str], quoted: list[str], pairs: list[int | None]) -> list[int | None]:
    """Pair quoted blank lines with those of the file beside the lines that are paired."""
    found = list(pairs)
    taken = {pair for pair in pairs if pair is not None}
    for number, line in enumerate(quoted):
        above = found[number - 1] if number else None
        if not line.strip() and found[number] is None and above is not None:
            own = above + 1
            if own < len(lines) and own not in taken and not lines[own].strip():
                found[number] = own
                taken.add(own)
    for number in range(len(quoted) - 2, -1, -1):
        below = found[number + 1]
        if not quoted[number].strip() and found[number] is None and below:
            own = below - 1
            if own not in taken and not lines[own].strip():
                found[number] = own
                taken.add(own)
    return found


def _speaks_file(
    lines: list[str], quoted: list[str], wanted: list[str], pairs: list[int | None]
) -> bool:
    """Return whether what is wanted is indented as the file is, while the quotation is not."""
    own = {
        squeezed(line): (indentation(line), indentation(lines[pair]))
        for line, pair in zip(quoted, pairs, strict=True)
        if pair is not None and line.strip()
    }
    if all(theirs == real for theirs, real in own.values()):
        return False
    common = [(own[key], indentation(line)) for line in wanted if (key := squeezed(line)) in own]
    least = min((len(indentation(line)) for line in wanted if line.strip()), default=0)
    as_file = sum(real == indent for (_, real), indent in common)
    as_quoted = sum(theirs == indent for (theirs, _), indent in common)
    return (
        as_file > as_quoted
        and 3 * as_file >= 2 * len(common)
        and least >= min(len(real) for _, real in own.values())
    )
