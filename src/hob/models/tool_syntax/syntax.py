"""The calls in the text of an answer: those of a control frame anywhere, bare ones only at its end."""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from hob.core.agent import ToolSpec
from hob.core.messages import StopReason, ToolCall
from hob.editing.fences import Fence
from hob.models.tool_syntax.bodies import Body, NoCall, body
from hob.models.tool_syntax.frames import ENDS_OF_TURN, Frame
from hob.models.tool_syntax.lines import Lines
from hob.models.tool_syntax.literals import Unread, skip_space
from hob.models.tool_syntax.meant import is_intent, is_talk, words_before
from hob.models.tool_syntax.offers import Asked, Offered
from hob.models.tool_syntax.scan import CALL_FENCES, Found, Scan

_ANY = re.compile(
    r"<\||^Action:|<\uff5c|\[TOOL_CALLS\]|functools\[|^>>>|</?(?:tool|function|invoke|minimax|seed|longcat|TOOLCALL|start_function)"
    r"|to=functions\.",
    re.MULTILINE,
)
_LAST = ("}", "]", ")", "`", ">")
_NAMED = re.compile(r"\s*[A-Za-z_][\w.-]*(?:\s*\{|\()")
_TRIED = 3  # places where bare calls may begin

CUT = "its frame or its arguments are cut off"
BROKEN = "its arguments are not valid JSON and have no single meaning"
UNKNOWN = "no such tool is offered"


class Parsed(NamedTuple):
    """What people read of an answer, its calls, and the dialect they were written in.

    `problem` says why a call that was clearly meant could not be read, `tool` its name if there was one. The
    text is without the frames of the calls: in the history the server's template writes the calls again.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    dialect: str = ""
    problem: str = ""
    tool: str = ""


def may_hold_calls(text: str) -> bool:
    """Tell in one pass whether it is worth while to look for calls."""
    return text.rstrip().endswith(_LAST) or _ANY.search(text) is not None


def calls_in_text(text: str, tools: Sequence[ToolSpec], stop: StopReason = "end") -> Parsed:
    """Return the calls that the text of an answer asks for, in order.

    Thoughts, quotations, code and talk about calls hold none. Behind a call that is cut or broken nothing counts.
    If the answer was cut (`stop` is "length") only what is whole as it stands does.
    """
    if not tools or not may_hold_calls(text):
        return Parsed(text)
    offered = Offered(tools)
    whole, text = text, text[: _end_of_words(text)]
    scan = Scan(text, offered, stop)
    found = scan.run()
    frames = [one for one in found.frames if any(offered.name(asked.name) for asked in one.asked)]
    tool, problem = _problem(text, found, offered)
    if not frames and not problem and not found.shown and stop != "length":
        bare = _bare(text, scan.lines, found, Offered(tools, strictly=True))
        frames = [bare] if bare else []
    try:
        calls = [
            _call(asked, offered)
            for one in frames
            for asked in one.asked
            if offered.name(asked.name)
        ]
    except ValueError:  # infinity and the like, which JSON does not know
        return Parsed(whole, problem=BROKEN)
    if not calls:
        return Parsed(whole, problem=problem, tool=tool)
    return Parsed(_without(text, frames), tuple(calls), frames[0].dialect, problem, tool)


def _call(asked: Asked, offered: Offered) -> ToolCall:
    arguments = json.dumps(asked.arguments, ensure_ascii=False, allow_nan=False)
    return ToolCall("", offered.name(asked.name), arguments)


def _problem(text: str, found: Found, offered: Offered) -> tuple[str, str]:
    """Return the tool and the sentence of what could not be read."""
    if found.failure is not None:
        named = re.findall(r"[\w.-]+", text[found.failure.at : found.failure.at + 300])
        tool = next((offered.name(one) for one in named if offered.name(one)), "")
        return tool, CUT if found.failure.cut else BROKEN
    unknown = [
        one.name for frame in found.frames for one in frame.asked if not offered.name(one.name)
    ]
    return (unknown[0], UNKNOWN) if unknown else ("", "")


def _without(text: str, frames: Sequence[Frame]) -> str:
    """Return a text without the frames, each gap an empty line; the words between stay as they are."""
    parts: list[str] = []
    at = 0
    for frame in frames:
        parts.append(text[at : frame.start])
        ending = ENDS_OF_TURN.match(text, frame.end)
        at = ending.end() if ending else frame.end
    parts.append(text[at:])
    first, *others = parts
    words = [first.rstrip(), *(one.strip() for one in others)]
    return "\n\n".join(one for one in words if one.strip())


def _bare(text: str, lines: Lines, found: Found, offered: Offered) -> Frame | None:
    """Return the calls without a frame that end an answer: in fences, as JSON, in Python, or as a name with JSON."""
    end = len(text)
    if not text[found.hidden :].strip():
        return None
    fences = _last_fences(lines, found.fences, end)
    if fences is not None:
        return _fenced(text, lines, fences, offered, found.hidden)
    begin = skip_space(text, found.hidden)
    openers = found.openers[:_TRIED]
    if _NAMED.match(text, begin):
        openers = [begin, *openers]
    for at in openers:
        words = words_before(text, at, found.hidden) if text[begin:at].strip() else ""
        if words and (is_talk(words) or not is_intent(words)):
            continue
        one = _bodies(text, at, end, offered)
        if one is not None:
            return one
    return None


def _end_of_words(text: str) -> int:
    """Return where an answer ends without the marks of the turn's end that a server left in it."""
    end = len(text.rstrip())
    for _ in range(4):
        last = max(text.rfind("<", 0, end), 0)
        if end - last > 30 or not ENDS_OF_TURN.fullmatch(text, last, end):
            break
        end = len(text[:last].rstrip())
    return end


def _bodies(text: str, at: int, end: int, offered: Offered) -> Frame | None:
    """Return the calls that fill a text from a place to its end, all of which fit their tools."""
    start, asked = at, list[Asked]()
    one: Body | None = None
    while at < end:
        try:
            one = body(text, at, offered)
        except (NoCall, Unread):
            return None
        asked += one.asked
        if one.unclosed or one.raw or not all(offered.fits(call) for call in one.asked):
            return None
        at = skip_space(text, one.end)
        if text[at : at + 1] in (";", ",") and at < end:
            at += 1
    if one is None or at > max(end, skip_space(text, end)):
        return None
    dialect = {"json": "llama-json", "pythonic": "llama-pythonic"}.get(one.dialect, one.dialect)
    return Frame(start, end, asked, dialect, one.strict, raw=False)


def _last_fences(lines: Lines, fences: Sequence[Fence], end: int) -> list[Fence] | None:
    """Return the fences that end an answer with nothing but empty lines between them."""
    last = lines.at(end - 1)
    found: list[Fence] = []
    for fence in reversed(fences):
        if not fence.closed or lines.words_between(fence.last + 1, last + 1):
            break
        found.insert(0, fence)
        last = fence.first - 1
    return found or None


def _fenced(
    text: str, lines: Lines, fences: Sequence[Fence], offered: Offered, hidden: int
) -> Frame | None:
    asked: list[Asked] = []
    language = ""
    for fence in fences:
        language = fence.info.strip().lower()
        if language not in CALL_FENCES or fence.marks != "```":
            return None
        begin, end = lines.inside(fence)
        one = _bodies(text, skip_space(text, begin), len(text[begin:end].rstrip()) + begin, offered)
        if one is None or _unfit(language, one.dialect):
            return None
        asked += one.asked
    start = lines.starts[fences[0].first]
    words = words_before(text, start, hidden)
    if words and (is_talk(words) or not is_intent(words)):
        return None
    dialect = "gemma" if language == "tool_code" else "json"
    return Frame(start, lines.end_of(fences[-1].last) - 1, asked, dialect, sound=True, raw=False)


def _unfit(language: str, dialect: str) -> bool:
    """Tell whether a fence of this language is no place for calls in this dialect."""
    return dialect == "llama-pythonic" and language != "tool_code"
