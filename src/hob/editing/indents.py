"""What an indentation of the model's is in the file, learnt from lines that stand in both."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

from hob.editing.spelling import indentation

_SAMPLED_LINES = 400
_DEFAULT_STEP = 4


class Indents:
    """A map from the indentations of a quotation to those of the file."""

    def __init__(
        self, pairs: Sequence[tuple[str, str]], quoted: Iterable[str], around: Iterable[str]
    ) -> None:
        """Learn from `pairs` (quoted, the file's), and the usual steps from the lines."""
        first, rest = pairs[:1], pairs[1:]
        # A quotation that was stripped as a whole lost the blanks of its first line only.
        stripped = bool(first) and not first[0][0] and bool(first[0][1])
        self._stripped = stripped and bool(rest) and all(own == other for own, other in rest)
        self._first = first[0][1] if first else ""
        known: dict[str, Counter[str]] = {}
        for theirs, own in rest if self._stripped else pairs:
            known.setdefault(theirs, Counter())[own] += 1
        self._several = {theirs for theirs, counts in known.items() if len(counts) > 1}
        self._known = {theirs: counts.most_common(1)[0][0] for theirs, counts in known.items()}
        self.identity = all(theirs == own for theirs, own in pairs)
        self._theirs = _step(quoted)
        self._own = _step(around)

    def opening(self, indent: str) -> str:
        """Return the file's indentation for the first line that is written."""
        return self._first if self._stripped and not indent else self.mapped(indent)

    def several(self, indent: str) -> bool:
        """Return whether one of the quotation's stands for several of the file's."""
        return indent in self._several

    def mapped(self, indent: str) -> str:
        """Return the file's indentation for one of the quotation's."""
        if self.identity or not self._known:
            return indent
        if indent in self._known:
            return self._known[indent]
        width = _columns(indent)
        below = [one for one in self._known if _columns(one) <= width]
        if below:
            near = max(below, key=_columns)
            return self._known[near] + self._converted(indent, near)
        near = min(self._known, key=_columns)
        missing = self._levels(_columns(near) - width)
        own = self._known[near]
        step = self._own or self._theirs or " " * _DEFAULT_STEP
        while missing > 0 and own:
            own = own[: -len(step)] if own.endswith(step) else own[:-1]
            missing -= 1
        return own

    def _converted(self, indent: str, near: str) -> str:
        """Return what an indentation has beyond a known one, in the file's steps."""
        columns = _columns(indent) - _columns(near)
        own = self._own or self._theirs
        if not self._scaled(near) or not own or not columns:
            return indent[len(near) :] if indent.startswith(near) else " " * columns
        levels, left = divmod(columns, _columns(self._theirs or " " * _DEFAULT_STEP))
        return own * levels + " " * left

    def _scaled(self, near: str) -> bool:
        """Return whether the file's steps are others than the quotation's."""
        own = self._known[near]
        if (self._own == "\t") != (self._theirs == "\t"):
            return True
        widths = sorted((_columns(one), _columns(other)) for one, other in self._known.items())
        steps = [
            (right[0] - left[0], right[1] - left[1]) for left, right in itertools.pairwise(widths)
        ]
        if steps:
            return any(theirs != mine for theirs, mine in steps)
        theirs, mine = _columns(self._theirs), _columns(self._own)
        return _columns(near) > 0 and _columns(near) * mine == _columns(own) * theirs

    def _levels(self, columns: int) -> int:
        return -(-columns // _columns(self._theirs or " " * _DEFAULT_STEP))


def _columns(indent: str) -> int:
    return len(indent.expandtabs(_DEFAULT_STEP))


def _step(lines: Iterable[str]) -> str:
    """Return the usual step from a line to one indented deeper, "" where there is none."""
    steps: Counter[str] = Counter()
    before: str | None = None
    for _, line in zip(
        range(_SAMPLED_LINES), (line for line in lines if line.strip()), strict=False
    ):
        indent = indentation(line)
        if before is not None and len(indent) > len(before) and indent.startswith(before):
            steps[indent[len(before) :]] += 1
        elif before is None and indent.startswith("\t"):
            steps["\t"] += 1
        before = indent
    usual = [step for step in steps if step in {"\t", "  ", "   ", "    ", " " * 8}]
    return max(usual, key=lambda step: (steps[step], -len(step)), default="")
