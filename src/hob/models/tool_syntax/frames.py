"""Control frames: the marks by which models of each family begin a call, and where the frame ends."""

import re
from collections.abc import Callable
from typing import NamedTuple

from hob.core.messages import StopReason
from hob.models.tool_syntax.bodies import NAME, Body, NoCall, arguments, body
from hob.models.tool_syntax.literals import Unread, skip_space, skip_surplus
from hob.models.tool_syntax.offers import Asked, Offered
from hob.models.tool_syntax.tagged import CALL_OPENS, Orphans

_TAGS = {
    "tool_call": "hermes", "tool_calls": "hermes", "toolcall": "hermes", "function_call": "granite",
    "function_calls": "hermes", "tools": "hermes", "TOOLCALL": "nemotron",
    "minimax:tool_call": "minimax", "seed:tool_call": "seed", "longcat_tool_call": "longcat",
    "\uff5cDSML\uff5cfunction_calls": "deepseek", "\uff5cDSML\uff5ctool_calls": "deepseek",
    "|tool_call|": "granite", "|tool_call": "gemma", "start_function_call": "gemma",
    "|tool_call_start|": "lfm2", "|START_ACTION|": "command-r", "|tools_prefix|": "apertus",
    "|action_start|><|plugin|": "internlm",
}  # fmt: skip
_CLOSERS = (
    "<|/tool_call|>", "<tool_call|>", "<end_function_call>", "<|tool_call_end|>", "<|END_ACTION|>",
    "<|tools_suffix|>", "<|action_end|>",
)  # fmt: skip
_WORDS_OF_TAGS = "|".join(re.escape(tag) for tag in _TAGS if tag[0] != "|")
_BAR, _LINE = "[|\uff5c]", "[▁_ ]"
_DEEP = {
    part: f"<{_BAR}tool{_LINE}{part.replace(' ', _LINE)}{_BAR}>"
    for part in ("calls begin", "calls end", "call begin", "call end", "sep")
}
OPENS = re.compile(
    rf"<(?P<tag>{'|'.join(map(re.escape, _TAGS))})>"
    rf"|(?P<function>{CALL_OPENS.pattern})"
    r"|(?P<mistral>\[TOOL_CALLS\])"
    r"|(?P<python><\|python_tag\|>)"
    r"|(?P<functools>functools(?=\[))"
    r"|(?P<kimi><\|tool_calls_section_begin\|>"
    r"|<\|tool_call_begin\|>(?=\s{0,3}[\w.:-]{1,99}\s{0,3}<\|tool_call_argument_begin))"
    rf"|(?P<deepseek>{_DEEP['calls begin']}|{_DEEP['call begin']})"
    r"|(?P<action>(?<![^\n])Action:\s{0,3}```(?:json)?[ \t]*\n)"
    r"|(?P<functionary>(?<![^\n])>>>[A-Za-z_][\w.-]*[ \t]*\n)"
    r"|(?P<harmony>(?:<\|start\|>assistant ?)?(?:to=[\w.-]+ ?)?<\|channel\|>"
    r"|(?:assistant)?commentary to=functions\.)"
)
CLOSES = re.compile(f"</(?:{_WORDS_OF_TAGS})>|" + "|".join(map(re.escape, _CLOSERS)))
ENDS_OF_TURN = re.compile(
    r"(?:\s|<\|(?:im_end|eot_id|eom_id|end|endoftext|return|call|end_of_text|user|observation"
    r"|END_OF_TURN_TOKEN)\|>|</s>|<eos>|<end_of_turn>|<turn\|>|<\uff5cend▁of▁sentence\uff5c>"
    r"|<start_function_response>|<\|tool_response>)+"
)
_MISTRAL = re.compile(r"\s*([A-Za-z_][\w.-]*)(?:\[CALL_ID\][\w-]{0,64})?(?:\[ARGS\])?\s*(?=\{)")
_DEEPSEEK = re.compile(rf"\s*(?:function\s*{_DEEP['sep']}\s*)?([\w.:-]+)\s*(?:{_DEEP['sep']})?")
_DEEPSEEK_OPENS = re.compile(rf"\s*{_DEEP['call begin']}")
_DEEPSEEK_CLOSES = re.compile(rf"\s*{_DEEP['call end']}")
_DEEPSEEK_ENDS = re.compile(rf"\s*{_DEEP['calls end']}")
_KIMI = re.compile(r"\s*([\w.:-]+)\s*<\|tool_call_argument_begin\|>")
_KIMI_OPENS = re.compile(r"\s*<\|tool_call_begin\|>")
_KIMI_CLOSES = re.compile(r"\s*<\|tool_call_end\|>")
_KIMI_ENDS = re.compile(r"\s*<\|tool_calls_section_end\|>")
HARMONY = re.compile(
    r"(?:<\|start\|>assistant ?)?(?:to=(?P<before>[\w.-]+) ?)?<\|channel\|>(?P<channel>\w+)"
    r"(?: to=(?P<to>[\w.-]+))? ?(?:<\|constrain\|>)?(?:json|code)? ?<\|message\|>"
)
_HARMONY_BARE = re.compile(
    r"(?:assistant)?commentary to=functions\.([\w.-]+) ?(?:<\|constrain\|>)?(?:json|code)? ?(?:<\|message\|>)?"
)
_HARMONY_CLOSES = re.compile(r"\s*<\|(?:call|end)\|>")


class Frame(NamedTuple):
    """One frame of a text and the calls in it. `sound`: whole and strict, even if the answer was cut later."""

    start: int
    end: int
    asked: list[Asked]
    dialect: str
    sound: bool
    raw: bool


class _Parts(NamedTuple):
    """The marks of a dialect that has a section with calls in it."""

    dialect: str
    opens: re.Pattern[str]
    head: re.Pattern[str]
    closes: re.Pattern[str]
    ends: re.Pattern[str]


_DEEPSEEK_PARTS = _Parts("deepseek", _DEEPSEEK_OPENS, _DEEPSEEK, _DEEPSEEK_CLOSES, _DEEPSEEK_ENDS)
_KIMI_PARTS = _Parts("kimi", _KIMI_OPENS, _KIMI, _KIMI_CLOSES, _KIMI_ENDS)


class Frames:
    """Reads the frames of one text."""

    def __init__(self, text: str, offered: Offered, stop: StopReason) -> None:
        self._text = text
        self._offered = offered
        self._cut = stop == "length"
        self._orphans = Orphans(text)
        self._kinds: dict[str, Callable[[re.Match[str]], Frame]] = {
            "tag": self._tag,
            "function": self._function,
            "mistral": self._mistral,
            "python": self._python,
            "functools": lambda opening: self._one(opening, "functools"),
            "deepseek": lambda opening: self._section(opening, _DEEPSEEK_PARTS),
            "kimi": lambda opening: self._section(opening, _KIMI_PARTS),
            "action": self._action,
            "functionary": self._functionary,
            "harmony": self._harmony,
        }

    def at(self, opening: re.Match[str]) -> Frame:
        """Return the frame that begins with a mark of `OPENS`. Raises `NoCall`, and `Unread` if it is broken or cut."""
        kind = next(name for name in self._kinds if opening[name] is not None)
        frame = self._kinds[kind](opening)
        # A value that is bare text may hold what looks like its end. Then something is left over.
        if frame.raw and (self._orphans.after(frame.end) or self._goes_on(frame.end)):
            raise Unread(frame.end)
        if self._cut and (frame.raw or not frame.sound):
            raise Unread(frame.end, cut=True)
        return frame

    def _goes_on(self, end: int) -> bool:
        """Tell whether another tag follows that begins no frame and ends no turn."""
        at = skip_space(self._text, end)
        if self._text[at : at + 1] != "<":
            return False
        return not any(mark.match(self._text, at) for mark in (OPENS, ENDS_OF_TURN, CLOSES))

    def _frame(self, start: int, end: int, bodies: list[Body], dialect: str = "") -> Frame:
        asked = [one for found in bodies for one in found.asked]
        sound = all(found.strict and found.closed for found in bodies)
        raw = any(found.raw for found in bodies)
        return Frame(start, end, asked, dialect or bodies[0].dialect, sound, raw)

    def _tag(self, opening: re.Match[str]) -> Frame:
        found, end, closed = self._filled(opening.end())
        if closed:
            found = [one._replace(closed=True) for one in found]
        elif any(one.raw for one in found):
            raise Unread(end, cut=True)  # a value may hold what looks like the end of its call
        own = found[0].dialect
        named = own if own not in ("json", "named", "pythonic") else _TAGS[opening["tag"]]
        return self._frame(opening.start(), end, found, named)

    def _filled(self, at: int) -> tuple[list[Body], int, bool]:
        """Return the calls in a tag, where it ends, and whether it was closed."""
        text, found = self._text, list[Body]()
        while True:
            found.append(one := body(text, at, self._offered))
            at = skip_space(text, one.end)
            surplus = skip_surplus(text, one.end)
            if not one.quotes and CLOSES.match(text, surplus):
                at = surplus
            closing = CLOSES.match(text, at)
            if closing is not None:
                return found, closing.end(), True
            if one.unclosed:
                raise Unread(at, cut=at == len(text))
            if text[at : at + 1] in (",", ";"):
                at += 1
            elif not (
                text[at : at + 1] == "{"
                or CALL_OPENS.match(text, at)
                or text.startswith("call:", at)
            ):
                break
        return found, self._open_end(found[-1]), False

    def _open_end(self, one: Body) -> int:
        """Return the end of a frame that nothing closes: the text ends, or another line or frame begins."""
        following = skip_space(self._text, one.end)
        ends = following == len(self._text) or "\n" in self._text[one.end : following]
        if one.unclosed or not (
            ends or OPENS.match(self._text, following) or ENDS_OF_TURN.match(self._text, following)
        ):
            raise Unread(following, cut=following == len(self._text))
        if one.quotes and following < len(self._text):
            raise Unread(following)
        return one.end

    def _one(self, opening: re.Match[str], dialect: str) -> Frame:
        one = body(self._text, opening.end(), self._offered)
        return self._frame(opening.start(), self._open_end(one), [one], dialect)

    def _function(self, opening: re.Match[str]) -> Frame:
        one = body(self._text, opening.start(), self._offered)
        closing = CLOSES.match(self._text, skip_space(self._text, one.end))
        if closing is not None:
            return self._frame(opening.start(), closing.end(), [one._replace(closed=True)])
        if one.raw and not one.closed:
            raise Unread(one.end, cut=True)
        return self._frame(opening.start(), self._open_end(one), [one])

    def _mistral(self, opening: re.Match[str]) -> Frame:
        at = skip_space(self._text, opening.end())
        if self._text[at : at + 1] in ("[", "{"):
            one = body(self._text, at, self._offered)
            if (
                one.unclosed
                and self._text[one.end - 1] == "]"
                and ENDS_OF_TURN.sub("", self._text[one.end :]) == ""
            ):
                one = one._replace(unclosed=False)
            return self._frame(opening.start(), self._open_end(one), [one], "mistral")
        head = _MISTRAL.match(self._text, opening.end())
        if head is None:
            raise NoCall
        one = arguments(self._text, head.end(), head[1], self._offered, "mistral")
        return self._frame(opening.start(), self._open_end(one), [one], "mistral")

    def _python(self, opening: re.Match[str]) -> Frame:
        found = [body(self._text, opening.end(), self._offered)]
        while self._text[(at := skip_space(self._text, found[-1].end)) : at + 1] == ";":
            found.append(body(self._text, at + 1, self._offered))
        dialect = "llama-pythonic" if found[0].dialect == "pythonic" else "llama-json"
        return self._frame(opening.start(), self._open_end(found[-1]), found, dialect)

    def _section(self, opening: re.Match[str], parts: _Parts) -> Frame:
        text, found = self._text, list[Body]()
        at = opening.start() if parts.opens.match(text, opening.start()) else opening.end()
        while (begins := parts.opens.match(text, at)) is not None:
            head = parts.head.match(text, begins.end())
            if head is None:
                raise Unread(begins.end(), cut=begins.end() == len(text))
            one = arguments(text, head.end(), head[1], self._offered, parts.dialect)
            behind = one.end if one.quotes else skip_surplus(text, one.end)
            closing = parts.closes.match(text, behind)
            if closing is None and one.unclosed:
                raise Unread(one.end, cut=True)
            found.append(one._replace(closed=closing is not None))
            at = closing.end() if closing else one.end
        if not found:
            raise NoCall
        ending = parts.ends.match(text, at)
        if ending is None and not found[-1].closed:
            at = self._open_end(found[-1])
        return self._frame(opening.start(), ending.end() if ending else at, found)

    def _action(self, opening: re.Match[str]) -> Frame:
        """Read Command R's fence, which is the last thing that it writes."""
        one = body(self._text, opening.end(), self._offered)
        end = skip_space(self._text, one.end)
        behind = ENDS_OF_TURN.match(self._text, end + 3)
        if not self._text.startswith("```", end) or (behind.end() if behind else end + 3) < len(
            self._text
        ):
            raise Unread(end, cut=end == len(self._text))
        return self._frame(opening.start(), end + 3, [one], "command-r")

    def _functionary(self, opening: re.Match[str]) -> Frame:
        name = opening["functionary"].strip()[3:]
        begin = skip_space(self._text, opening.end())
        if not self._offered.name(name) or self._text[begin : begin + 1] != "{":
            raise NoCall
        one = arguments(self._text, begin, name, self._offered, "functionary")
        return self._frame(opening.start(), self._open_end(one), [one])

    def _harmony(self, opening: re.Match[str]) -> Frame:
        header = HARMONY.match(self._text, opening.start())
        bare = _HARMONY_BARE.match(self._text, opening.start())
        if header is not None and header["channel"] == "commentary":
            name, at = header["to"] or header["before"] or "", header.end()
        elif bare is not None:
            name, at = bare[1], bare.end()
        else:
            raise NoCall
        if not NAME.match(name):
            raise NoCall
        one = arguments(self._text, at, name, self._offered, "harmony")
        closing = _HARMONY_CLOSES.match(self._text, one.end)
        end = closing.end() if closing else self._open_end(one)
        return self._frame(opening.start(), end, [one._replace(closed=closing is not None)])
