"""Arguments between tags, as raw text: Qwen3-Coder, MiniMax, DeepSeek's DSML and GLM.

The text is the model's own and may hold anything, such tags too. A closing tag ends a value only if what follows
it belongs to the frame; calls that are written out inside a value are skipped as a whole.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, NamedTuple

from hob.models.tool_syntax.literals import Unread, skip_space
from hob.models.tool_syntax.offers import Asked, Offered, Schema, typed

DSML = "(?:\uff5cDSML\uff5c)?"
CALL_OPENS = re.compile(
    rf"<{DSML}(?:function|invoke)(?:\s*=\s*[\"']?|\s+name\s*=\s*[\"']?)([\w.:-]+)[\"']?\s*>"
)
_PARAMETER = re.compile(
    rf"<{DSML}parameter(?:\s*=\s*[\"']?|\s+name\s*=\s*[\"']?)([\w.-]+)[\"']?"
    r"(?:\s+\w+=\"[^\"<>]{0,20}\")?\s*>"
)
_CALL_CLOSES = re.compile(rf"</{DSML}(?:function|invoke)>")
_PART = re.compile(
    rf"(?P<call>(?:(?<=\n)|(?<=>))[ \t]*{CALL_OPENS.pattern})|(?P<ends>{_CALL_CLOSES.pattern})"
    rf"|(?P<opens>(?<=\n){_PARAMETER.pattern})|(?P<closes></{DSML}parameter>)"
)
_AFTER_VALUE = re.compile(
    rf"\s*(?:<{DSML}parameter[\s=]|</{DSML}(?:function|invoke|parameter)>|</tool_call>|</minimax:tool_call>|\Z)"
)
_AFTER_CALL = re.compile(
    rf"\s*(?:</?{DSML}(?:tool_call|function_calls|tool_calls|minimax:tool_call|seed:tool_call)>"
    r"|<(?:function|invoke)[=\s]|<\||<\uff5c|</s>|<end_of_turn>|\Z)"
)
GLM_KEY = re.compile(r"<arg_key>([^<>]{1,120})</arg_key>\s*<arg_value>")
_GLM_AFTER = re.compile(r"\s*(?:<arg_key>|</?tool_call>|<\||\Z)")
_GLM_CLOSE = "</arg_value>"


class Tagged(NamedTuple):
    """A call, where it ends, and whether its own closing tag was there."""

    asked: Asked
    end: int
    closed: bool


def tagged_call(text: str, at: int, name: str, offered: Offered) -> Tagged:
    """Return the call whose parameters begin here, behind `<function=name>`. Raises `Unread`."""
    properties = offered.properties(name)
    found: dict[str, Any] = {}
    while True:
        at = skip_space(text, at)
        closing = _CALL_CLOSES.match(text, at)
        if closing is not None:
            return Tagged(Asked(name, found), closing.end(), closed=True)
        opening = _PARAMETER.match(text, at)
        if opening is None:
            if found and (at == len(text) or text.startswith("</", at)):
                return Tagged(Asked(name, found), at, closed=False)
            raise Unread(at, cut=at == len(text))
        key = opening[1]
        if key in found:
            raise Unread(at)
        end, at = _value_end(text, opening.end(), properties, {*found, key})
        lines = text.startswith("<parameter=", opening.start())
        found[key] = typed(_value(text[opening.end() : end], lines), properties.get(key, {}))


def _value_end(
    text: str, begin: int, properties: Mapping[str, Schema], seen: set[str]
) -> tuple[int, int]:
    """Return where a value ends and where reading goes on."""
    split, closes, depth = -1, 0, 0
    for part in _PART.finditer(text, begin):
        if part["call"]:
            depth += 1
        elif part["ends"] and depth:
            depth -= 1
        elif depth:
            continue
        elif part["opens"]:
            name = _PARAMETER.match(text, part.start())
            if split < 0 and name and name[1] in properties and name[1] not in seen:
                split = part.start()
        elif part["closes"]:
            if _AFTER_VALUE.match(text, part.end()):
                # One closing tag for two opening ones: the first value was not closed.
                return (split, split) if split >= 0 and not closes else (part.start(), part.end())
            closes += 1
        elif not closes and _AFTER_CALL.match(text, part.end()):
            end = split if split >= 0 else part.start()
            return end, end
    raise Unread(len(text), cut=True)


def _value(raw: str, lines: bool) -> str:
    """Return a value without the line ends that belong to the frame.

    Qwen's template puts one around each value. In the other dialects only a value that stands on lines of its
    own has them.
    """
    line_end = "\r\n" if raw.startswith("\r\n") else "\n"
    first, last = raw.startswith(line_end), raw.endswith(line_end)
    if not lines and not (first and last and len(raw) > len(line_end)):
        return raw
    inner = raw.removeprefix(line_end)
    return inner.removesuffix(line_end)


def glm_call(text: str, at: int, tool: str, offered: Offered) -> Tagged:
    """Return the call whose `<arg_key>` and `<arg_value>` pairs begin here. Raises `Unread`."""
    properties = offered.properties(tool)
    found: dict[str, Any] = {}
    while (key := GLM_KEY.match(text, at := skip_space(text, at))) is not None:
        name = key[1].strip()
        if name in found:
            raise Unread(at)
        end = text.find(_GLM_CLOSE, key.end())
        while end >= 0 and not _GLM_AFTER.match(text, end + len(_GLM_CLOSE)):
            end = text.find(_GLM_CLOSE, end + 1)
        if end < 0:
            raise Unread(len(text), cut=True)
        found[name] = typed(text[key.end() : end], properties.get(name, {}))
        at = end + len(_GLM_CLOSE)
    return Tagged(Asked(tool, found), at, closed=False)


class Orphans:
    """Closing tags behind a call that belong to no call: its value may have ended too early."""

    _OPENS = re.compile(rf"<{DSML}(?:function|invoke)[=\s]|<arg_key>|<tool_call>")
    _CLOSES = re.compile(rf"</{DSML}(?:function|invoke|parameter)>|{_GLM_CLOSE}")

    def __init__(self, text: str) -> None:
        self._opens = [found.start() for found in self._OPENS.finditer(text)]
        self._closes = [found.start() for found in self._CLOSES.finditer(text)]

    def after(self, at: int) -> bool:
        """Tell whether a closing tag comes behind this place before anything opens."""
        close = bisect_left(self._closes, at)
        if close == len(self._closes):
            return False
        opening = bisect_left(self._opens, at)
        return opening == len(self._opens) or self._closes[close] < self._opens[opening]
