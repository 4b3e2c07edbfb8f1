"""A scripted turn in Ollama's own protocol: a JSON object a line, calls whole, counts and times in the last one."""

from typing import Any

import msgspec

from hob.models.script import ScriptedCall, Turn
from hob.models.scripted_wire import CallStyle, Wire, pieces

_NS = 1_000_000_000


def line(message: dict[str, Any], **more: object) -> bytes:
    """Return one line of a stream."""
    said = {"role": "assistant", "content": "", **message}
    return msgspec.json.encode(_answer(said, more)) + b"\n"


def _answer(message: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    at = "2026-07-01T10:00:00.1Z"
    return {"model": "scripted", "created_at": at, "message": message, "done": False, **more}


def _said(turn: Turn) -> list[bytes]:
    lines = [line({"thinking": piece}) for piece in pieces(turn, turn.reasoning)]
    return lines + [line({"content": piece}) for piece in pieces(turn, turn.text)]


def _calls(turn: Turn, style: CallStyle) -> list[bytes]:
    return [line({"tool_calls": [_call(n, call, style)]}) for n, call in enumerate(turn.calls)]


def _end(turn: Turn, usage: dict[str, Any]) -> list[bytes]:
    return [line({}, **_last(turn, usage))]


def _document(turn: Turn, usage: dict[str, Any]) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if turn.reasoning:
        message["thinking"] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = [_call(n, c, CallStyle()) for n, c in enumerate(turn.calls)]
    return msgspec.json.encode(_answer(message, _last(turn, usage)))


def _last(turn: Turn, usage: dict[str, Any]) -> dict[str, Any]:
    counts = usage if turn.usage is None else turn.usage
    reason = "length" if turn.finish_reason == "length" else "stop"
    last: dict[str, Any] = {"done": True, "done_reason": reason, "load_duration": _NS // 50}
    if counts:
        last["prompt_eval_count"] = counts["prompt_tokens"]
        last["eval_count"] = counts["completion_tokens"]
    return last


def _call(number: int, call: ScriptedCall, style: CallStyle) -> dict[str, Any]:
    """Return a call. Arguments are an object; those of a fault that are none go as their text."""
    ids = {"own": {"id": f"call_{number}"}, "none": {}, "same": {"id": "call_same"}}[style.ids]
    place = {"index": number} if style.index else {}
    try:
        arguments: object = msgspec.json.decode(call.arguments_text, type=dict[str, Any])
    except msgspec.DecodeError:
        arguments = call.arguments_text
    return {**ids, "function": {**place, "name": call.name, "arguments": arguments}}


def _error(status: int, message: str, kind: str) -> bytes:
    return msgspec.json.encode({"error": message})


def _error_line(status: int, message: str, kind: str) -> bytes:
    return _error(status, message, kind) + b"\n"


OLLAMA = Wire(
    said=_said,
    calls=_calls,
    end=_end,
    last=(),
    text=lambda text: line({"content": text}),
    hollow=lambda usage: [line({}), line({}), *_end(Turn(), usage)],
    document=_document,
    error=_error,
    error_event=_error_line,
    beat=b"\n",
    content_type="application/x-ndjson",
)
