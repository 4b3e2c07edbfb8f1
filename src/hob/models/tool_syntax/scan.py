"""One walk through an answer: over thoughts, quotations and fences, from frame to frame."""

import re
from typing import NamedTuple

from hob.core.messages import StopReason
from hob.editing.fences import Fence, closes
from hob.models.tool_syntax.bodies import NoCall, body
from hob.models.tool_syntax.frames import ENDS_OF_TURN, HARMONY, OPENS, Frame, Frames
from hob.models.tool_syntax.lines import Lines
from hob.models.tool_syntax.literals import Unread
from hob.models.tool_syntax.meant import (
    begins_well,
    in_span,
    is_code,
    is_talk,
    words_before,
)
from hob.models.tool_syntax.offers import Offered

_LOOK_BACK = 200  # characters of its line that are read before a mark
_ROW_GAP = 400
_HEAD = 200  # characters at the beginning of a call among which its tool is named
_TRIES = 16  # broken bare calls after which none is meant
_WORD = re.compile(r"[\w.-]+")
CALL_FENCES = frozenset({
    "json", "", "tool_code", "tool_call", "tool_calls", "function_call", "jsonc",
})  # fmt: skip
_THINK = r"think|thinking|thought|reasoning|analysis|seed:think"
_THOUGHT_OPENS = re.compile(
    rf"<(?P<word>{_THINK})>|(?P<think>\[THINK\])|(?P<cohere><\|START_THINKING\|>)"
    r"|(?P<analysis>(?:<\|start\|>assistant ?)?<\|channel\|>(?:analysis|thought))|(?P<gemma><\|channel>thought)"
)
_THOUGHT_ENDS = {
    "word": re.compile(rf"</(?:{_THINK})>", re.IGNORECASE),
    "think": re.compile(r"\[/THINK\]"),
    "cohere": re.compile(r"<\|END_THINKING\|>"),
    "analysis": re.compile(r"<\|(?:end|call)\|>|(?=<\|start\|>)|(?=<\|channel\|>)"),
    "gemma": re.compile(r"<channel\|>"),
}
ORPHAN = re.compile(rf"</(?:{_THINK})>|\[/THINK\]|<\|END_THINKING\|>", re.IGNORECASE)
MARK = re.compile(
    rf"(?P<orphan>{ORPHAN.pattern})|(?P<thought>{_THOUGHT_OPENS.pattern})|(?P<frame>{OPENS.pattern})"
)


class Failure(NamedTuple):
    """A frame that was meant and could not be read: where, and why (a sentence's end)."""

    at: int
    cut: bool


class Found(NamedTuple):
    """What a walk found.

    `fences` are the fences outside of frames, `openers` the lines that begin like JSON; `hidden` is where the
    last thought ends; `shown` tells that the answer shows calls that are not meant.
    """

    frames: list[Frame]
    fences: list[Fence]
    openers: list[int]
    hidden: int
    shown: bool
    failure: Failure | None


class Scan:
    """The walk through one answer. Its time grows with the length of the text and no faster."""

    def __init__(self, text: str, offered: Offered, stop: StopReason) -> None:
        self._text = text
        self.lines = Lines(text)
        self._offered = offered
        self._parser = Frames(text, offered, stop)
        self._frames: list[Frame] = []
        self._fences: list[Fence] = []
        self._openers: list[int] = []
        self._hidden = 0
        self._failure: Failure | None = None
        self._row = -_ROW_GAP  # where the last frame ended
        self._shown = False
        self._endless: set[str] = set()
        self._tries = _TRIES

    def run(self) -> Found:
        """Walk through the text."""
        at = 0
        while at < len(self._text) and self._failure is None:
            at = self._step(at)
        return Found(
            self._frames, self._fences, self._openers, self._hidden, self._shown, self._failure
        )

    def _step(self, at: int) -> int:
        number = self.lines.at(at)
        line, start = self.lines.texts[number], self.lines.starts[number]
        if at == start:
            fence = self.lines.fence_at(number)
            if fence is not None:
                return self._fence(fence)
            if is_code(line):
                return start + len(line) + 1
            if line[:1] in ("{", "["):
                self._openers.append(at)
                behind = self._behind_call(at)
                if behind is not None:
                    return behind
        # Command R's mark goes over two lines.
        last = number + line.startswith("Action:")
        end = self.lines.end_of(min(last, len(self.lines.texts) - 1))
        mark = MARK.search(self._text, at, end)
        while mark is not None and in_span(self.lines.spans_of(number), mark.start() - start):
            mark = MARK.search(self._text, mark.end(), start + len(line) + 1)
        if mark is None:
            return start + len(line) + 1
        if mark["orphan"]:
            return self._hide(mark.end())
        return self._thought(mark) if mark["thought"] else self._frame(mark)

    def _hide(self, end: int) -> int:
        """Everything up to here was thought: calls in it were not meant."""
        self._frames.clear()
        self._fences.clear()
        self._openers.clear()
        self._hidden = end
        self._shown = False
        return end

    def _thought(self, mark: re.Match[str]) -> int:
        kind = next(name for name in _THOUGHT_ENDS if mark[name])
        ends = None if kind in self._endless else _THOUGHT_ENDS[kind].search(self._text, mark.end())
        if ends is not None:
            self._hidden = max(ends.end(), mark.end())
            return self._hidden
        self._endless.add(kind)
        line = self.lines.starts[self.lines.at(mark.start())]
        if kind == "word" and self._text[max(line, mark.start() - 4) : mark.start()].strip():
            return mark.end()  # a word about tags, or a thought that nobody can tell from one
        self._hidden = len(self._text)
        return self._hidden

    def _behind_call(self, at: int) -> int | None:
        """Return where a call without a frame ends: what stands in its strings is content, marks and fences too.

        None if no tool is named here or no call begins. One that is cut or broken makes all behind it doubtful.
        """
        head = _WORD.findall(self._text, at, at + _HEAD)
        if self._tries <= 0 or not any(self._offered.name(word) for word in head):
            return None
        try:
            return body(self._text, at, self._offered).end
        except NoCall:
            return None
        except Unread as unread:
            self._tries -= 1
            self._shown = self._shown or unread.cut or self._tries <= 0
            return len(self._text) if unread.cut else None

    def _fence(self, fence: Fence) -> int:
        if fence.info.strip().lower() in CALL_FENCES and fence.first + 1 < len(self.lines.texts):
            behind = self._behind_call(self.lines.starts[fence.first + 1])
            if (
                behind is not None
                and behind > self.lines.starts[min(fence.last, len(self.lines.starts) - 1)]
            ):
                return self._longer(fence, behind)
        self._fences.append(fence)
        if fence.closed:
            return self.lines.end_of(fence.last)
        for number in range(fence.first + 1, len(self.lines.texts)):
            if ORPHAN.fullmatch(self.lines.texts[number].strip()):
                return self._hide(self.lines.end_of(number))
        return len(self._text)

    def _longer(self, fence: Fence, behind: int) -> int:
        """A call in a fence goes on behind the line that seemed to close it: the next such line does."""
        number = self.lines.at(behind) + 1
        while number < len(self.lines.texts) and not self.lines.texts[number].strip():
            number += 1
        if number < len(self.lines.texts) and closes(self.lines.texts[number], fence.marks):
            self._fences.append(fence._replace(last=number, closed=True))
            return self.lines.end_of(number)
        self._shown = True
        return behind

    def _frame(self, mark: re.Match[str]) -> int:
        start = mark.start()
        try:
            opening = OPENS.match(self._text, start)
            if opening is None:
                return mark.end()
            frame = self._parser.at(opening)
        except NoCall:
            header = HARMONY.match(self._text, start)
            return header.end() if header else mark.end()
        except Unread as unread:
            if self._is_meant(mark):
                return self._fail(start, unread)
            self._shown = True
            return max(mark.end(), unread.at)
        if self._is_meant(mark) and self._ends_well(frame.end):
            self._frames.append(frame)
            self._row = frame.end
        else:
            self._shown = True
        return frame.end

    def _is_meant(self, mark: re.Match[str]) -> bool:
        """Tell whether a call may begin at a mark. An answer that shows calls means none of the later ones."""
        start, end = mark.start(), self._row
        if self._shown:
            return False
        if 0 <= start - end < _ROW_GAP and not _unmarked(self._text[end:start]).strip():
            return True  # in a row of frames the first one decides
        line = self.lines.starts[self.lines.at(start)]
        before = self._text[line : line + 8] * (start > line + _LOOK_BACK)
        before += self._text[max(line, start - _LOOK_BACK) : start]
        words = words_before(self._text, start, max(end, self._hidden))
        return self._is_call_place(mark, before) and not is_talk(words)

    def _is_call_place(self, mark: re.Match[str], before: str) -> bool:
        if mark["harmony"] and before.rstrip().endswith(("assistant", "|>")):
            return True
        if mark.group().startswith("assistantcommentary"):
            return True
        return begins_well(_unmarked(before))

    def _ends_well(self, end: int) -> bool:
        """Tell whether nothing but the end, a line's end or another frame follows."""
        ending = ENDS_OF_TURN.match(self._text, end)
        following = ending.end() if ending else end
        if following == len(self._text) or "\n" in self._text[end:following]:
            return True
        return MARK.match(self._text, following) is not None

    def _fail(self, at: int, unread: Unread) -> int:
        if any(ORPHAN.fullmatch(line.strip()) for line in self.lines.texts[self.lines.at(at) :]):
            self._frames.clear()  # it may have been a thought all along
        self._failure = Failure(at, unread.cut)
        return len(self._text)


def _unmarked(before: str) -> str:
    """Return the beginning of a line without the marks of a turn in it."""
    return re.sub(r"<\|[\w ]{1,24}\|>(?:assistant)?|</\w{1,12}>", "", before)
