"""The lines of an answer: where they begin, which fences open in them, what in them is a code span."""

from bisect import bisect_right

from hob.editing.fences import Fence, open_fence
from hob.models.tool_syntax.meant import code_spans


class Lines:
    """The lines of one text, without their ends, and where each begins."""

    def __init__(self, text: str) -> None:
        self.texts = text.split("\n")
        self.starts: list[int] = []
        at = 0
        for line in self.texts:
            self.starts.append(at)
            at += len(line) + 1
        self._spans: tuple[int, list[tuple[int, int]]] = (-1, [])
        self._unclosed: dict[str, int] = {}

    def at(self, place: int) -> int:
        """Return the number of the line in which a place stands."""
        return bisect_right(self.starts, place) - 1

    def end_of(self, number: int) -> int:
        """Return the place behind a line and its end."""
        return self.starts[number] + len(self.texts[number]) + 1

    def inside(self, fence: Fence) -> tuple[int, int]:
        """Return where the content of a closed fence begins and ends."""
        return self.starts[fence.first + 1], self.starts[fence.last]

    def words_between(self, first: int, last: int) -> bool:
        """Tell whether one of these lines is not empty."""
        return any(line.strip() for line in self.texts[first:last])

    def fence_at(self, number: int) -> Fence | None:
        """Return the fence that opens in a line. Where one was never closed, no longer one later is."""
        alone = open_fence(self.texts[number : number + 1], 0)
        if alone is None:
            return None
        sign, length = alone.marks[0], len(alone.marks)
        if self._unclosed.get(sign, length + 1) <= length:
            return alone._replace(first=number, last=len(self.texts))
        fence = open_fence(self.texts, number)
        if fence is not None and not fence.closed:
            self._unclosed[sign] = length
        return fence

    def spans_of(self, number: int) -> list[tuple[int, int]]:
        """Return the code spans of a line."""
        if self._spans[0] != number:
            self._spans = (number, code_spans(self.texts[number]))
        return self._spans[1]
