"""Stages 3 to 6 in turn: where a quotation that is not exact is meant, and what to write there."""

from hob.editing import elision, messages
from hob.editing.aligned import AlignedEdit
from hob.editing.cleaned import Quotation, cleanings
from hob.editing.exact import hits
from hob.editing.lines import Index, Place, places
from hob.editing.merge import Merge
from hob.editing.outcome import EditRefused
from hob.editing.spelling import Level, squeezed
from hob.editing.text import Change, Document, Found, quoted_lines

_TOLERATED = {
    Level.TRAILING: "blanks at the ends of lines differed",
    Level.INDENTATION: "the indentation differed",
    Level.FOLDED: "look-alike characters differed",
    Level.SPACING: "the spacing within lines differed",
    Level.QUOTES: "the kind of quotes differed",
}
_NUMBERED_NEAR = 20


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
        return AlignedEdit(self._index, self._likeliest(certain[-1], readings)).found()

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
            raise EditRefused(
                messages.absent(
                    self._document.lines,
                    certain.search,
                    certain.replace,
                    "its escapes may or may not be meant",
                )
            )
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
        return Found(changes, merge.asked, notes)

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
            for side, more in zip(asked, merge.asked, strict=True):
                side += more
        first, last = chains[0][0].last + 2, chains[0][-1].first
        note = f"'...' stands for lines {first}-{last} of the file, which were kept"
        return Found(changes, asked, (*said.notes, note))

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
