"""A scripted turn in the Anthropic Messages protocol, the way real servers send it."""

from typing import Any

import msgspec

from hob.models.script import ScriptedCall, Turn
from hob.models.scripted_wire import CallStyle, Wire, pieces

_REASONS = {"length": "max_tokens", "stop": "end_turn", "tool_calls": "tool_use"}


def event(kind: str, **more: object) -> bytes:
    """Return one event of a stream."""
    body = msgspec.json.encode({"type": kind, **more})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), body)


def _said(turn: Turn) -> list[bytes]:
    message = _message([], None, {"input_tokens": 0, "output_tokens": 1})
    events = [event("message_start", message=message), event("ping")]
    index = 0
    for kind, name, text in (("thinking", "thinking", turn.reasoning), ("text", "text", turn.text)):
        if text:
            start = {"type": kind, name: ""}
            deltas = ({"type": f"{kind}_delta", name: piece} for piece in pieces(turn, text))
            events += _block(index, start, *deltas)
            index += 1
    return events


def _calls(turn: Turn, style: CallStyle) -> list[bytes]:
    before = bool(turn.reasoning) + bool(turn.text)
    events: list[bytes] = []
    for number, call in enumerate(turn.calls):
        start = _use(number, call, style)
        cut = () if style.whole_object else tuple(pieces(turn, call.arguments_text))
        deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in cut)
        events += _block(before + number if style.index else None, start, *deltas)
    return events


def _end(turn: Turn, usage: dict[str, Any]) -> list[bytes]:
    counts = _usage(usage if turn.usage is None else turn.usage)
    more = {"usage": counts} if counts else {}
    delta = {"stop_reason": _reason(turn), "stop_sequence": None}
    return [event("message_delta", delta=delta, **more)]


def _document(turn: Turn, usage: dict[str, Any]) -> bytes:
    content: list[dict[str, Any]] = []
    if turn.reasoning:
        content.append({"type": "thinking", "thinking": turn.reasoning, "signature": "c2ln"})
    if turn.text:
        content.append({"type": "text", "text": turn.text})
    content += [_use(n, call, CallStyle(whole_object=True)) for n, call in enumerate(turn.calls)]
    counts = _usage(usage if turn.usage is None else turn.usage)
    return msgspec.json.encode(_message(content, _reason(turn), counts))


def _error(status: int, message: str, kind: str) -> bytes:
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


def _message(content: list[dict[str, Any]], reason: str | None, usage: object) -> dict[str, Any]:
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def _block(index: int | None, start: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    place = {} if index is None else {"index": index}
    return [
        event("content_block_start", **place, content_block=start),
        *(event("content_block_delta", **place, delta=delta) for delta in deltas),
        event("content_block_stop", **place),
    ]


def _use(number: int, call: ScriptedCall, style: CallStyle) -> dict[str, Any]:
    ids = {"own": {"id": f"toolu_{number}"}, "none": {}, "same": {"id": "toolu_same"}}[style.ids]
    given: object = msgspec.json.decode(call.arguments_text) if style.whole_object else {}
    return {"type": "tool_use", **ids, "name": call.name, "input": given}


def _reason(turn: Turn) -> str:
    said = turn.finish_reason or ("tool_calls" if turn.calls else "stop")
    return _REASONS.get(said, said)


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    """Return counts in this protocol's shape, whose input leaves out what came from the cache."""
    if not usage:
        return {}
    cached = usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return {
        "input_tokens": usage["prompt_tokens"] - cached,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": usage["completion_tokens"],
    }


def _error_event(status: int, message: str, kind: str) -> bytes:
    return b"event: error\ndata: %b\n\n" % _error(status, message, kind)


MESSAGES = Wire(
    said=_said,
    calls=_calls,
    end=_end,
    last=(event("message_stop"),),
    text=lambda text: event(
        "content_block_delta", index=0, delta={"type": "text_delta", "text": text}
    ),
    hollow=lambda usage: [*_said(Turn()), *_end(Turn(), usage), event("message_stop")],
    document=_document,
    error=_error,
    error_event=_error_event,
)
