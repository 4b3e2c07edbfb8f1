"""Stages 3 to 6: where a quotation that is not exact is meant, and what is to be written there."""

from typing import NamedTuple, NoReturn

from hob.editing import elision, messages
from hob.editing.align import MARGIN, Aligner, Alignment
from hob.editing.cleaned import Quotation, cleanings
from hob.editing.exact import hits
from hob.editing.lines import Index, Place, places
from hob.editing.merge import Merge, known, line_hunks
from hob.editing.outcome import EditRefused
from hob.editing.spelling import Level, squeezed
from hob.editing.text import Change, Document, quoted_lines

_TOLERATED = {
    Level.TRAILING: "blanks at the ends of lines differed",
    Level.INDENTATION: "the indentation differed",
    Level.FOLDED: "look-alike characters differed",
    Level.SPACING: "the spacing within lines differed",
    Level.QUOTES: "the kind of quotes differed",
}
_SHOWN_LINES = 5
_NUMBERED_NEAR = 20
_LEAST_LINES = 3
_LEAST_TEXT = 0.55
_TRIVIAL = 6  # a line of fewer characters may stand anywhere


class Found(NamedTuple):
    """What is to be written, for which lines of SEARCH and REPLACE, and what was tolerated."""

    changes: list[Change]
    asked: tuple[list[str], list[str]]
    notes: tuple[str, ...]


def _new(said: Quotation) -> list[str]:
    there = set(said.search.split("\n"))
    return [line for line in said.replace.split("\n") if line not in there]


class Task:
    """One quotation to be found in one file."""

    def __init__(self, document: Document, search: str, replace: str) -> None:
        self._document = document
        self._index = Index(document)
        while search.startswith("\n") and replace[:1] not in {"", "\n"}:
            # A line break before the lines is none of them.
            search = search[1:]
        self._said = Quotation(search, replace, certain=True)

    def found(self) -> Found:
        """Return what to write; raises `EditRefused` if the place or the change is not sure."""
        if (found := self._by_lines(self._said)) is not None:
            return found
        readings = [self._said, *cleanings(self._said.search, self._said.replace)]
        for reading in readings[1:]:
            if (found := self._by_lines(reading) or self._by_part(reading)) is not None:
                return found
        certain = [reading for reading in readings if reading.certain]
        for reading in reversed(certain):
            if (found := self._by_segments(reading)) is not None:
                return found
        return self._by_alignment(self._likeliest(certain[-1], readings))

    def _likeliest(self, certain: Quotation, readings: list[Quotation]) -> Quotation:
        """Return the reading of which most lines are in the file; raises `EditRefused` in doubt.

        Where some lines are wrong anyway, nothing else tells whether `&lt;` means `<`.
        """
        solid = set(self._index.solid)
        others = [reading for reading in readings if not reading.certain]
        if not others:
            return certain

        def standing(said: Quotation) -> int:
            return sum(key in solid for key in squeezed(said.search).split("\n"))

        most = standing(certain)
        best = max(others, key=standing)
        if standing(best) > most:
            return best
        if any(standing(one) == most and _new(one) != _new(certain) for one in others):
            self._refuse(certain, "its escapes may or may not be meant")
        return certain

    def _by_lines(self, said: Quotation) -> Found | None:
        quoted, wanted = quoted_lines(said.search), quoted_lines(said.replace)
        found = places(self._index, quoted)
        if len(found) > 1 and said.line is not None:
            # The numbers copied with the lines say which of several exact places is meant.
            found = [
                place
                for place in found
                if place.level == Level.EXACT and place.first == said.line - 1
            ] or found
        if said.line is not None and not said.certain:
            # What may be a number or may be part of the line is one only where it fits.
            found = [p for p in found if abs(p.first + 1 - said.line) <= _NUMBERED_NEAR]
        if not found:
            return None
        if len(found) > 1:
            self._refuse_several([place.first for place in found], len(quoted))
        return self._merged(quoted, wanted, found[0], said.notes)

    def _refuse_several(self, starts: list[int], height: int) -> None:
        raise EditRefused(messages.several(self._document.lines, starts, height))

    def _merged(
        self, quoted: list[str], wanted: list[str], place: Place, notes: tuple[str, ...]
    ) -> Found:
        elision.check_kept(quoted, wanted)
        merge = Merge(self._document, quoted, wanted, place.pairs)
        changes = merge.changes()
        if note := _TOLERATED.get(place.level):
            notes = (*notes, f"{note}; the file's own lines were kept")
        return Found(changes, merge.asked(), notes)

    def _by_segments(self, said: Quotation) -> Found | None:
        quoted, wanted = quoted_lines(said.search), quoted_lines(said.replace)
        parts = elision.segments(self._index, quoted, wanted)
        if parts is None:
            return None
        chains = elision.chains(self._index, parts)
        if len(chains) > 1:
            self._refuse_several([chain[0].first for chain in chains], len(parts[0].quoted))
        if not chains:
            return None
        changes: list[Change] = []
        asked: tuple[list[str], list[str]] = ([], [])
        for part, place in zip(parts, chains[0], strict=True):
            elision.check_kept(part.quoted, part.wanted)
            merge = Merge(self._document, part.quoted, part.wanted, place.pairs)
            changes += merge.changes()
            for side, more in zip(asked, merge.asked(), strict=True):
                side += more
        first, last = chains[0][0].last + 2, chains[0][-1].first
        note = f"'...' stands for lines {first}-{last} of the file, which were kept"
        return Found(changes, asked, (*said.notes, note))

    def _by_alignment(self, said: Quotation) -> Found:
        quoted, wanted = quoted_lines(said.search), quoted_lines(said.replace)
        aligner = Aligner(self._index, quoted)
        found = aligner.best()
        if not found:
            self._refuse(said, "")
        if why := self._unfit(aligner, found[0]):
            self._refuse(said, why)
        best = found[0]
        if len(found) > 1 and best.score - found[1].score < MARGIN:
            starts = [self._number(one) for one in found if best.score - one.score < MARGIN]
            raise EditRefused(
                "search was not found, and several places are about as near.\n"
                + messages.several(self._document.lines, sorted(starts), len(quoted))
            )
        pairs = self._pairs(quoted, best)
        elision.check_kept(quoted, wanted)
        self._check_changed(said, quoted, wanted, pairs)
        merge = Merge(self._document, quoted, wanted, pairs)
        try:
            changes = merge.changes()
        except EditRefused as refused:
            self._refuse(said, str(refused))
        if not changes:
            self._refuse(said, "the file has what replace says already")
        return Found(changes, merge.asked(), self._notes(said, best))

    def _by_part(self, said: Quotation) -> Found | None:
        """Find a part of one line that was wrapped in something, if it stands once."""
        search, replace = said.search.strip("\n"), said.replace.strip("\n")
        if "\n" in search or len(found := hits(self._document, search)) != 1:
            return None
        line = self._document.lines[found[0].line]
        at = line.index(search)
        new = line[:at] + replace + line[at + len(search) :]
        change = Change(found[0].line, found[0].line + 1, new.split("\n"))
        return Found([change], ([search], [replace]), said.notes)

    def _unfit(self, aligner: Aligner, best: Alignment) -> str:
        """Return why even the best alignment is not good enough, "" if it is."""
        count = len(aligner.lines)
        unlike = [n for n, like in enumerate(best.likeness) if not like]
        differ = [n for n, like in enumerate(best.likeness) if like < 1]
        for n in differ:
            key = aligner.keys[n]
            if len(key) >= _TRIVIAL and aligner.positions[key]:
                number = self._index.numbers[aligner.positions[key][0]] + 1
                return (
                    f"its line {aligner.lines[n].strip()[:80]!r} stands elsewhere, at line {number}"
                )
        total = sum(map(len, aligner.keys))
        equal = sum(len(aligner.keys[n]) for n, like in enumerate(best.likeness) if like == 1)
        if count < _LEAST_LINES or best.equal < 2 or equal < _LEAST_TEXT * total:
            return "too few of its lines are in the file"
        if 4 * len(unlike) > count:
            return "too many of its lines are not in the file"
        if best.unseen > max(1 if not differ else 0, (count + best.unseen) // 5):
            return "it leaves out too many lines of the file"
        return ""

    def _number(self, one: Alignment) -> int:
        return self._index.numbers[next(pair for pair in one.pairs if pair is not None)]

    def _pairs(self, quoted: list[str], best: Alignment) -> list[int | None]:
        numbers = iter(best.pairs)
        pairs: list[int | None] = []
        for line in quoted:
            pair = next(numbers) if squeezed(line) else None
            pairs.append(None if pair is None else self._index.numbers[pair])
        return pairs

    def _check_changed(
        self, said: Quotation, quoted: list[str], wanted: list[str], pairs: list[int | None]
    ) -> None:
        """Refuse to change a line that was not quoted rightly, or to insert beside one."""
        lines = self._document.lines

        def sure(i: int) -> bool:
            own = pairs[i]
            return own is not None and known(lines[own], quoted[i])

        for i1, i2, j1, j2 in line_hunks(quoted, wanted):
            solid = [i for i in range(i1, i2) if quoted[i].strip()]
            beside = [
                next((i for i in range(i1 - 1, -1, -1) if quoted[i].strip()), None),
                next((i for i in range(i2, len(quoted)) if quoted[i].strip()), None),
            ]
            near = [i for i in beside if i is not None]
            unsure = next((i for i in solid if not sure(i)), None)
            if unsure is not None:
                own = pairs[unsure]
                has = "no such line" if own is None else repr(lines[own].strip()[:160])
                self._refuse(
                    said, f"the edit changes {quoted[unsure].strip()[:160]!r}; the file has {has}"
                )
            if (
                not solid
                and j1 < j2
                and not (all(pairs[i] is not None for i in near) and any(map(sure, near)))
            ):
                self._refuse(said, "the lines beside the new ones are not as the file has them")

    def _notes(self, said: Quotation, best: Alignment) -> tuple[str, ...]:
        lines = [
            self._index.numbers[pair] + 1
            for pair, like in zip(best.pairs, best.likeness, strict=True)
            if pair is not None and like < 1
        ]
        notes = said.notes
        if lines:
            shown = ", ".join(map(str, lines[:_SHOWN_LINES]))
            notes += (f"search differed at line {shown}; the file's own text was kept there",)
        if missing := sum(pair is None for pair in best.pairs):
            notes += (f"{missing} line(s) of search are not in the file and were passed over",)
        if best.unseen:
            notes += (f"search left out {best.unseen} line(s) of the file, which were kept",)
        return notes or ("blanks and spacing differed; the file's own lines were kept",)

    def _refuse(self, said: Quotation, why: str) -> NoReturn:
        raise EditRefused(messages.absent(self._document.lines, said.search, said.replace, why))
