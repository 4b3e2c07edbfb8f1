"""Stage 6: quoted lines of which some are wrong, laid along the lines of the file.

Candidates come from lines that agree; a table over both (Needleman and Wunsch, 1970, with free ends
in the file) lays the quotation along each. The best has to be good, and better than every other.
"""

from collections import Counter
from dataclasses import dataclass, field

from hob.editing.lines import Index
from hob.editing.spelling import LONG_LINE, fold, squeezed, tokens

MARGIN = 0.6  # lines by which the best place has to beat every other
_ALIKE = 0.5
_PROMISING = 0.4  # of the text
_COMMON = 50  # a line that stands more often than this says nothing about the place
_MOST_WINDOWS = 24
_MOST_CELLS = 60_000
_MOST_LIKENESSES = 3000
_SKIPPED = -0.3  # for a quoted line that the file lacks
_UNSEEN = -0.25  # for a line of the file within the place that was not quoted


@dataclass(frozen=True)
class Alignment:
    """Quoted lines (blank ones left out) with the solid lines of the file they stand for."""

    score: float
    pairs: list[int | None]  # into the solid lines of the index
    likeness: list[float] = field(repr=False)

    @property
    def equal(self) -> int:
        """Return how many quoted lines agree with the file."""
        return sum(one == 1 for one in self.likeness)

    @property
    def unseen(self) -> int:
        """Return how many lines of the file within the place were not quoted."""
        known = [pair for pair in self.pairs if pair is not None]
        return known[-1] - known[0] + 1 - len(known) if known else 0


class Aligner:
    """Lays one quotation along the lines of one file, within a fixed amount of work."""

    def __init__(self, index: Index, quoted: list[str]) -> None:
        self._index = index
        self.lines = [line for line in quoted if squeezed(line)]
        self.keys = [squeezed(line) for line in self.lines]
        wanted = set(self.keys)
        self.positions: dict[str, list[int]] = {key: [] for key in wanted}
        for number, key in enumerate(index.solid):
            if key in wanted:
                self.positions[key].append(number)
        self._slack = max(2, len(self.keys) // 5 + 1)
        self._words: dict[str, tuple[Counter[str], int]] = {}
        self._likenesses = 0

    def best(self) -> list[Alignment]:
        """Return the alignments worth a look, the best first; places of their own, not shifts."""
        found: list[Alignment] = []
        cells = 0
        for start in self._starts():
            if not self._promises(start):
                continue
            cells += len(self.keys) * (2 * self._slack + 1)
            if cells > _MOST_CELLS:
                break
            found.append(self._laid(start))
        found.sort(key=lambda one: -one.score)
        distinct: list[Alignment] = []
        for one in found:
            if not any(_overlap(one, other) for other in distinct):
                distinct.append(one)
        return distinct

    def _starts(self) -> list[int]:
        """Return where the quotation may begin, by the votes of lines that agree."""
        votes: Counter[int] = Counter()
        for offset, key in enumerate(self.keys):
            places = self.positions[key]
            if len(places) <= _COMMON:
                weight = min(len(key), 60) + 4
                for place in places:
                    votes[place - offset] += weight
        starts: list[tuple[int, int]] = []
        for start in sorted(votes):
            if starts and start - starts[-1][0] <= self._slack:
                first, weight = starts[-1]
                best = start if votes[start] > votes[first] else first
                starts[-1] = (best, weight + votes[start])
            else:
                starts.append((start, votes[start]))
        starts.sort(key=lambda one: (-one[1], one[0]))
        return [start for start, _ in starts[:_MOST_WINDOWS]]

    def _promises(self, start: int) -> bool:
        """Return whether enough of the quotation's text stands near a start, in any order."""
        low = max(0, start - self._slack)
        here = set(self._index.solid[low : start + len(self.keys) + self._slack])
        there = sum(len(key) for key in self.keys if key in here)
        return there >= _PROMISING * sum(map(len, self.keys))

    def _laid(self, start: int) -> Alignment:
        """Return the best way to lay the quotation near one start."""
        solid, slack = self._index.solid, self._slack
        low = max(0, start - slack)
        high = min(len(solid), start + len(self.keys) + slack)
        width = high - low
        here = solid[low:high]
        present = set(here)
        rows: list[list[float]] = [[0.0] * (width + 1)]
        steps: list[list[int]] = []
        for offset, key in enumerate(self.keys):
            above = rows[-1]
            row = [above[0] + _SKIPPED]
            step = [1]
            known = key in present
            near = range(start + offset - slack - low, start + offset + slack + 1 - low)
            for column in range(width):
                if key == here[column]:
                    like = 1.0
                elif known or column not in near:
                    like = 0.0
                else:
                    like = self._likeness(offset, low + column)
                taken = above[column] + like if like else -1e9
                skipped, unseen = above[column + 1] + _SKIPPED, row[column] + _UNSEEN
                best = max(taken, skipped, unseen)
                row.append(best)
                step.append(0 if best == taken else 1 if best == skipped else 2)
            rows.append(row)
            steps.append(step)
        return self._traced(rows, steps, low)

    def _traced(self, rows: list[list[float]], steps: list[list[int]], low: int) -> Alignment:
        last = rows[-1]
        score = max(last)
        column = last.index(score)
        pairs: list[int | None] = [None] * len(self.keys)
        likeness = [0.0] * len(self.keys)
        row = len(self.keys)
        while row:
            step = steps[row - 1][column]
            if step == 0:
                row, column = row - 1, column - 1
                pairs[row] = low + column
                likeness[row] = round(rows[row + 1][column + 1] - rows[row][column], 6)
            elif step == 1:
                row -= 1
            else:
                column -= 1
        return Alignment(score, pairs, likeness)

    def _likeness(self, offset: int, number: int) -> float:
        """Return how alike two lines are that differ: 0, or from 0.5 up to but not 1."""
        own = self._index.document.lines[self._index.numbers[number]]
        line = self.lines[offset]
        if 2 * min(len(own), len(line)) < _ALIKE * (len(own) + len(line)):
            return 0.0
        if max(len(own), len(line)) > LONG_LINE or self._likenesses > _MOST_LIKENESSES:
            return 0.0
        self._likenesses += 1
        (left, left_size), (right, right_size) = self._counted(own), self._counted(line)
        both = sum(
            len(token) * min(count, right[token]) for token, count in left.items() if token in right
        )
        total = left_size + right_size
        like = 2 * both / total if total else 0.0
        return min(like, 0.98) if like >= _ALIKE else 0.0

    def _counted(self, line: str) -> tuple[Counter[str], int]:
        if line not in self._words:
            words = Counter(
                part
                for token in tokens(fold(line))
                for part in (_inside(token) if token[0] in "'\"" else (token,))
                if not part.isspace()
            )
            self._words[line] = words, sum(len(word) * count for word, count in words.items())
        return self._words[line]


def _inside(token: str) -> list[str]:
    return tokens(token[1:-1]) if len(token) > 2 else [token]


def _overlap(one: Alignment, other: Alignment) -> bool:
    left = {pair for pair in one.pairs if pair is not None}
    return any(pair in left for pair in other.pairs if pair is not None)
