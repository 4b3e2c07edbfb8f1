"""Stage 6, second half: whether an alignment is good enough to write by, and what is written."""

import re
from typing import NoReturn

from hob.editing import messages
from hob.editing.align import MARGIN, Aligner, Alignment
from hob.editing.cleaned import Quotation
from hob.editing.elision import check_kept
from hob.editing.lines import Index
from hob.editing.merge import Merge, known, line_hunks
from hob.editing.outcome import EditRefused
from hob.editing.spelling import fold, indentation, is_comment, squeezed, without_comment
from hob.editing.text import Found, quoted_lines

_SHOWN_LINES = 5
_LEAST_LINES = 3
_LEAST_TEXT = 0.55
_TELLING = 12  # a line of so many characters says where the place is, if it is the only one
_WORDS = re.compile(r"\w+")
_SECTION = re.compile(r"\s*\[.*\]\s*")
_WORD = re.compile(r"\w")  # a line without any, like `}`, may stand anywhere


class AlignedEdit:
    """An edit of which some quoted lines are wrong."""

    def __init__(self, index: Index, said: Quotation) -> None:
        self._index = index
        self._document = index.document
        self._said = said
        self._quoted = quoted_lines(said.search)
        self._wanted = quoted_lines(said.replace)

    def found(self) -> Found:
        """Return what to write; raises `EditRefused` if the place or the change is not sure."""
        quoted, wanted = self._quoted, self._wanted
        aligner = Aligner(self._index, quoted)
        found = aligner.best()
        if not found:
            self._refuse("")
        if why := self._unfit(aligner, found[0]):
            self._refuse(why)
        best = found[0]
        if len(found) > 1 and best.score - found[1].score < MARGIN:
            starts = [self._number(one) for one in found if best.score - one.score < MARGIN]
            raise EditRefused(messages.near(self._document.lines, sorted(starts), len(quoted)))
        for n in self._heads(aligner):
            if self._names_another(aligner, n, best.pairs[n]):
                line = aligner.lines[n].strip()[:80]
                self._refuse(f"its line {line!r} says which block is meant, and is not there")
        pairs = self._pairs(best)
        check_kept(quoted, wanted)
        self._check_changed(pairs)
        merge = Merge(self._document, quoted, wanted, pairs)
        try:
            changes = merge.changes()
        except EditRefused as refused:
            self._refuse(str(refused))
        if not changes:
            self._refuse("the file has what replace says already")
        return Found(changes, merge.asked, self._notes(best))

    def _unfit(self, aligner: Aligner, best: Alignment) -> str:
        """Return why even the best alignment is not good enough, "" if it is."""
        count = len(aligner.lines)
        unlike = [n for n, like in enumerate(best.likeness) if not like]
        differ = [n for n, like in enumerate(best.likeness) if like < 1]
        for n in differ:
            key = aligner.keys[n]
            if key in aligner.keys[max(0, n - 1) : n] + aligner.keys[n + 1 : n + 2]:
                # Written twice, one after the other, it is still next to its place.
                continue
            if _WORD.search(key) and aligner.positions[key]:
                number = self._index.numbers[aligner.positions[key][0]] + 1
                return (
                    f"its line {aligner.lines[n].strip()[:80]!r} stands elsewhere, at line {number}"
                )
        if not unlike and not best.unseen and self._only_comments_differ(aligner, best, differ):
            return ""
        total = sum(map(len, aligner.keys))
        equal = sum(len(aligner.keys[n]) for n, like in enumerate(best.likeness) if like == 1)
        if count < _LEAST_LINES or best.equal < 2 or equal < _LEAST_TEXT * total:
            return "too few of its lines are in the file"
        if 4 * len(unlike) > count:
            return "too many of its lines are not in the file"
        if best.unseen > max(1 if not differ else 0, (count + best.unseen) // 5):
            return "it leaves out too many lines of the file"
        return ""

    def _heads(self, aligner: Aligner) -> set[int]:
        """Return the lines that tell which block is meant: the first, and one shallower than all."""
        depths = [len(indentation(line)) for line in aligner.lines]
        least = min(depths)
        return {0, depths.index(least)} if depths.count(least) == 1 else {0}

    def _names_another(self, aligner: Aligner, n: int, pair: int | None) -> bool:
        """Return whether a line heads a block, or is not there at all, and has other words.

        Signs, kinds of quotes and comments make no difference, nor does a word of prose.
        """
        quoted, below = [*aligner.lines, ""][n : n + 2]
        own = "" if pair is None else self._document.lines[self._index.numbers[pair]]
        if is_comment(quoted) and (is_comment(own) or not own):
            return False
        opens = len(indentation(below)) > len(indentation(quoted))
        if own and not opens and not _SECTION.fullmatch(quoted):
            return False
        left, right = (_WORDS.findall(without_comment(fold(line))) for line in (own, quoted))
        return left != right

    def _only_comments_differ(self, aligner: Aligner, best: Alignment, differ: list[int]) -> bool:
        """Return whether all code agrees, with a line among it that no other place has."""
        for n in differ:
            pair = best.pairs[n]
            own = "" if pair is None else self._document.lines[self._index.numbers[pair]]
            quoted = aligner.lines[n]
            if not known(own, quoted) and not (is_comment(own) and is_comment(quoted)):
                return False
        return any(
            len(aligner.positions[key]) == 1 and len(key) >= _TELLING
            for n, key in enumerate(aligner.keys)
            if n not in differ
        )

    def _number(self, one: Alignment) -> int:
        return self._index.numbers[next(pair for pair in one.pairs if pair is not None)]

    def _pairs(self, best: Alignment) -> list[int | None]:
        numbers = iter(best.pairs)
        pairs: list[int | None] = []
        for line in self._quoted:
            pair = next(numbers) if squeezed(line) else None
            pairs.append(None if pair is None else self._index.numbers[pair])
        return pairs

    def _check_changed(self, pairs: list[int | None]) -> None:
        """Refuse to change a line that was not quoted rightly, or to insert beside one."""
        lines, quoted, wanted = self._document.lines, self._quoted, self._wanted

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
                    f"the edit changes {quoted[unsure].strip()[:160]!r}; the file has {has}"
                )
            if (
                not solid
                and j1 < j2
                and not (all(pairs[i] is not None for i in near) and any(map(sure, near)))
            ):
                self._refuse("the lines beside the new ones are not as the file has them")

    def _notes(self, best: Alignment) -> tuple[str, ...]:
        lines = [
            self._index.numbers[pair] + 1
            for pair, like in zip(best.pairs, best.likeness, strict=True)
            if pair is not None and like < 1
        ]
        notes = self._said.notes
        if lines:
            shown = ", ".join(map(str, lines[:_SHOWN_LINES]))
            notes += (f"search differed at line {shown}; the file's own text was kept there",)
        if missing := sum(pair is None for pair in best.pairs):
            notes += (f"{missing} line(s) of search are not in the file and were passed over",)
        if best.unseen:
            notes += (f"search left out {best.unseen} line(s) of the file, which were kept",)
        return notes or ("blanks and spacing differed; the file's own lines were kept",)

    def _refuse(self, why: str) -> NoReturn:
        raise EditRefused(
            messages.absent(self._document.lines, self._said.search, self._said.replace, why)
        )
