"""A scripted turn as bytes, the way real servers send it: what a protocol must say, and chat completions."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from hob.models.script import ScriptedCall, Turn

DONE = b"data: [DONE]\n\n"
EVENTS = "text/event-stream; charset=utf-8"

Pause = float  # seconds
Move = bytes | Pause | Literal["hang", "cut"]


class Performance(Struct):
    """What a server does with one request: answer with `status`, `headers` and `moves`, or not."""

    moves: list[Move] = field(default_factory=list[Move])
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": EVENTS})
    opening: Literal["answer", "refuse", "hang"] = "answer"


class CallStyle(Struct, frozen=True):
    """How a server cuts and names calls."""

    index: bool = True
    ids: Literal["own", "none", "same"] = "own"
    whole_object: bool = False


USUAL = CallStyle()


def chunk(choice: dict[str, Any] | None, **more: object) -> bytes:
    """Return one event of a stream; without a choice its list of choices is empty."""
    body: dict[str, Any] = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "scripted",
        "choices": [] if choice is None else [{"index": 0, "finish_reason": None, **choice}],
        **more,
    }
    return b"data: %b\n\n" % msgspec.json.encode(body)


class Wire(Struct, frozen=True):
    """How one protocol writes a turn.

    `said` are the events from the first to the last word, `calls` those of the calls, `end` the reason
    for stopping and the usage (in the shape of chat completions), `last` what says that nothing more
    comes. `text` is one event with words, `hollow` a stream without anything in it. `error` is the body
    of an error from status, words and kind, `error_event` the same inside a stream, `beat` what a server
    sends to show that it lives.
    """

    said: Callable[[Turn], list[bytes]]
    calls: Callable[[Turn, CallStyle], list[bytes]]
    end: Callable[[Turn, dict[str, Any]], list[bytes]]
    last: tuple[bytes, ...]
    text: Callable[[str], bytes]
    hollow: Callable[[dict[str, Any]], list[bytes]]
    document: Callable[[Turn, dict[str, Any]], bytes]
    error: Callable[[int, str, str], bytes]
    error_event: Callable[[int, str, str], bytes]
    beat: bytes = b": still reading\n\n"
    content_type: str = EVENTS

    def stream(self, turn: Turn, usage: dict[str, Any], style: CallStyle = USUAL) -> list[bytes]:
        """Return all events of a turn."""
        events = self.said(turn) + self.calls(turn, style)
        return [*events, *self.end(turn, usage), *self.last]


def stream(turn: Turn, usage: dict[str, Any], style: CallStyle = USUAL) -> list[bytes]:
    """Return the events of a turn as a chat completion, `[DONE]` included."""
    return CHAT.stream(turn, usage, style)


def _said(turn: Turn) -> list[bytes]:
    events = [chunk({"delta": {"role": "assistant", "content": None}})]
    events += [chunk({"delta": {"reasoning_content": p}}) for p in pieces(turn, turn.reasoning)]
    return events + [chunk({"delta": {"content": p}}) for p in pieces(turn, turn.text)]


def _calls(turn: Turn, style: CallStyle) -> list[bytes]:
    numbered = enumerate(turn.calls)
    cut = (piece for n, call in numbered for piece in _call(turn, n, call, style))
    return [chunk({"delta": {"tool_calls": [piece]}}) for piece in cut]


def _end(turn: Turn, usage: dict[str, Any]) -> list[bytes]:
    timings = {"timings": turn.timings} if turn.timings else {}
    events = [chunk({"delta": {}, "finish_reason": finish_reason(turn)}, **timings)]
    counts = usage if turn.usage is None else turn.usage
    return [*events, chunk(None, usage=counts)] if counts else events


def document(turn: Turn, usage: dict[str, Any]) -> bytes:
    """Return a turn as one JSON document, for requests that ask for no stream."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.reasoning:
        message["reasoning_content"] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = [_whole(n, call) for n, call in enumerate(turn.calls)]
    body = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason(turn)}],
        "usage": usage if turn.usage is None else turn.usage,
    }
    return msgspec.json.encode(body)


def error_document(code: int, message: str, kind: str) -> bytes:
    """Return an error as llama.cpp and OpenAI write it."""
    return msgspec.json.encode({"error": {"code": code, "message": message, "type": kind}})


def finish_reason(turn: Turn) -> str:
    """Return why the turn ends."""
    return turn.finish_reason or ("tool_calls" if turn.calls else "stop")


def pieces(turn: Turn, text: str) -> Iterable[str]:
    """Return a text cut into the pieces of this turn."""
    size = max(1, turn.piece_chars)
    return (text[at : at + size] for at in range(0, len(text), size))


def paced(turn: Turn, events: Iterable[bytes]) -> list[Move]:
    """Return the events with the turn's pauses between them."""
    moves: list[Move] = [float(turn.delay_s)] if turn.delay_s else []
    for event in events:
        moves.append(event)
        if turn.gap_s:
            moves.append(float(turn.gap_s))
    return moves


def _call(turn: Turn, number: int, call: ScriptedCall, style: CallStyle) -> list[dict[str, Any]]:
    place = {"index": number} if style.index else {}
    ids = {"own": {"id": f"call_{number}"}, "none": {}, "same": {"id": "call_same"}}[style.ids]
    head = {**place, **ids, "type": "function"}
    if style.whole_object:
        arguments = msgspec.json.decode(call.arguments_text)
        return [{**head, "function": {"name": call.name, "arguments": arguments}}]
    first = {**head, "function": {"name": call.name, "arguments": ""}}
    rest = pieces(turn, call.arguments_text)
    return [first, *({**place, "function": {"arguments": piece}} for piece in rest)]


def _whole(number: int, call: ScriptedCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments_text}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _error_event(status: int, message: str, kind: str) -> bytes:
    return b"data: %b\n\n" % error_document(status, message, kind)


CHAT = Wire(
    said=_said,
    calls=_calls,
    end=_end,
    last=(DONE,),
    text=lambda text: chunk({"delta": {"content": text}}),
    hollow=lambda usage: [chunk(None), chunk(None), chunk(None, usage=usage), DONE],
    document=document,
    error=error_document,
    error_event=_error_event,
)
