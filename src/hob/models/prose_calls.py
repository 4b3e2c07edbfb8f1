"""Calls in prose: which blocks of an answer are meant to be carried out, and which only quote something."""

import json
import re
from typing import Any, NamedTuple, cast

from hob.core.messages import StopReason, ToolCall
from hob.editing.asked import Place, spans
from hob.editing.fences import Fence, fences, without_thoughts
from hob.editing.outcome import EditRefused
from hob.editing.reply import parse

_NAME = re.compile(r'"name"\s*:\s*"(\w+)"')


class _Found(NamedTuple):
    line: int
    call: ToolCall


def calls_in(text: str, edit_format: str, stop: StopReason = "end") -> tuple[ToolCall, ...]:
    """Return the calls that an answer asks for, in order; all its edits are one call of `apply_edits`.

    Thoughts, indented text, quotations and longer fences hold no calls. An answer that was cut (`stop` is
    "length") inside a block asks for nothing; a block that the model itself left open becomes a call that
    is refused, so that the model hears of it.
    """
    visible = without_thoughts(text.replace("\r\n", "\n"))
    lines = visible.split("\n")
    try:
        places = spans(parse(visible, edit_format))
    except EditRefused:
        # The tool refuses the same text in the same words. Nothing else in it is certain enough to be run.
        return () if stop == "length" else (_apply(visible, edit_format),)
    edits = _joined(lines, places)
    ends = lines[places[-1].first : places[-1].last] if places else []
    for place in places:
        lines[place.first : place.last] = [""] * (place.last - place.first)
    others = list(fences(lines))
    if stop == "length" and (_is_cut(lines, ends) or any(not one.closed for one in others)):
        return ()
    found = [one for fence in others if (one := _call(fence, lines))]
    if places:
        found.append(_Found(places[0].first, _apply(edits, edit_format)))
    return tuple(one.call for one in sorted(found, key=lambda one: one.line))


def apply_edits_call(text: str, edit_format: str) -> ToolCall:
    """Return the call that makes the edits in an answer; what is wrong with them, the tool says."""
    visible = without_thoughts(text.replace("\r\n", "\n"))
    return _apply(visible, edit_format)


def _apply(edits: str, edit_format: str) -> ToolCall:
    return ToolCall("", "apply_edits", _json({"reply": edits, "format": edit_format}))


def _joined(lines: list[str], places: list[Place]) -> str:
    return "\n".join("\n".join(lines[place.first : place.last]) for place in places) + "\n"


def _is_cut(lines: list[str], ends: list[str]) -> bool:
    """Tell whether an answer may have been cut inside a block: at its last edit (`ends`), or at a marker."""
    last = next((line for line in reversed(lines) if line.strip()), "")
    if last.startswith(("<<<<<", "`", "~~~", "@@", "--- ", "diff --git ")):
        return True
    written = [line for line in ends if line.strip()]
    return (
        not any(lines[-1:])
        and bool(written)
        and not written[-1].startswith((">>>>>", "```", "~~~"))
    )


def _call(fence: Fence, lines: list[str]) -> _Found | None:
    language = fence.info.strip()
    body = "\n".join(fence.body(lines)).strip("\n")
    if language == "tool":
        return _Found(fence.first, _tool_call(body))
    if language != "bash" or not body.strip():
        return None
    arguments = {"command" if fence.closed else "unclosed_fence": body}
    return _Found(fence.first, ToolCall("", "bash", _json(arguments)))


def _tool_call(body: str) -> ToolCall:
    """Return the call of a tool fence. What is no JSON object of that form is passed on as it is, to be refused."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    name = fields.get("name")
    if not isinstance(name, str):
        named = _NAME.search(body)
        return ToolCall("", named[1] if named else "tool", body)
    arguments = fields.get("arguments", {})
    return ToolCall("", name, arguments if isinstance(arguments, str) else _json(arguments))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
