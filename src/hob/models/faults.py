"""Everything that a model server has been seen to do wrong, by name, for the scripted one to do.

`FAULTS` is the registry: tests walk over it, so a new fault is tried everywhere at once.
"""

import gzip
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hob.core.errors import ErrorKind
from hob.models.script import ScriptedCall, Turn
from hob.models.scripted_wire import (
    CHAT,
    USUAL,
    CallStyle,
    Move,
    Performance,
    Wire,
    paced,
)

SILENCE_S = 0.2
_GIANT_BYTES = 17 * 1024 * 1024
_CALL = ScriptedCall("read_file", {"path": "README.md", "start_line": 1})
_SECOND = ScriptedCall("list_dir", {"path": "."})

Act = Callable[[Turn, dict[str, Any], Wire], Performance]


class Fault(Struct, frozen=True):
    """One fault: what happens, and what must come of it: a kind of `ModelError`, or a `Reply`."""

    name: str
    what: str
    outcome: ErrorKind | Literal["reply"]
    act: Act


def perform(
    turn: Turn, usage: dict[str, Any], streamed: bool = True, wire: Wire = CHAT
) -> Performance:
    """Return what the server does for a turn, fault or not. Raises `KeyError` for an unknown fault."""
    if turn.fault:
        return FAULTS[turn.fault].act(turn, usage, wire)
    if streamed:
        return Performance(paced(turn, wire.stream(turn, usage)))
    return _json(200, wire.document(turn, usage))


def _json(status: int, body: bytes, **headers: str) -> Performance:
    return Performance([body], status, {"content-type": "application/json", **headers})


def _status(status: int, message: str, kind: str) -> Act:
    return lambda turn, usage, wire: _json(status, wire.error(status, message, kind))


def _limited(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    body = wire.error(429, "Rate limit reached, slow down.", "rate_limit_error")
    return _json(429, body, **{"retry-after": turn.retry_after})


def _talking(turn: Turn) -> Turn:
    return turn if turn.text or turn.calls else replace(turn, text="Words before the fault.")


def _calling(turn: Turn) -> Turn:
    return turn if turn.calls else replace(turn, calls=(_CALL,))


def _with_arguments(change: Callable[[str], str]) -> Act:
    def act(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
        calls = tuple(
            replace(call, arguments=change(call.arguments_text)) for call in _calling(turn).calls
        )
        return Performance(paced(turn, wire.stream(replace(turn, calls=calls), usage)))

    return act


def _with_calls(change: Callable[[Turn], Turn], style: CallStyle = USUAL) -> Act:
    return lambda turn, usage, wire: Performance(
        paced(turn, wire.stream(change(turn), usage, style))
    )


def _two(turn: Turn) -> Turn:
    calling = _calling(turn)
    return replace(calling, calls=(*calling.calls, _SECOND)) if len(calling.calls) < 2 else calling


def _unknown(turn: Turn) -> Turn:
    return replace(turn, calls=(ScriptedCall("no_such_tool", {"path": "README.md"}),))


_Last = Move | Callable[[Wire], bytes]


def _ending(*last: _Last, calls: bool = False) -> Act:
    """Return an act that plays a part of the turn and then something else."""

    def act(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
        shown = replace(_calling(turn), piece_chars=4) if calls else _talking(turn)
        events = wire.calls(shown, USUAL) if calls else wire.said(shown)
        moves: list[Move] = paced(turn, events[: max(2, len(events) // 2)])
        for move in last:
            moves.append(move(wire) if callable(move) else move)
        return Performance(moves)

    return act


def _without_done(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    shown = _talking(turn)
    events = wire.said(shown) + wire.calls(shown, USUAL) + wire.end(shown, usage)
    return Performance(paced(turn, events))


def _silent(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    events = wire.stream(_talking(turn), usage)
    return Performance([*events[:2], SILENCE_S, *events[2:]])


def _heartbeats(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    beats: list[Move] = [wire.beat, 0.02] * 3
    return Performance([*beats, *paced(turn, wire.stream(turn, usage))])


def _bad_utf8(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    bad = wire.text("caf@ ").replace(b"@", b"\xe9")
    first, *rest = wire.stream(_talking(turn), usage)
    return Performance(paced(turn, [first, bad, *rest]))


def _empty_choices(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    return Performance([*wire.hollow(usage)])


def _trickle(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    body = b"".join(wire.stream(turn, usage)).replace(b"\n", b"\r\n")
    return Performance([body[at : at + 1] for at in range(len(body))])


def _refuse(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    return Performance(opening="refuse")


def _hang(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    return Performance(opening="hang")


def _redirect(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    return _json(307, b"", location="http://127.0.0.1:9/v1/chat/completions")


def _page(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    page = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"
    return Performance([page], headers={"content-type": "text/html"})


def _bomb(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    body = gzip.compress(b"data: " + bytes(8 * 1024 * 1024))
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    return Performance([body], headers=headers)


def _giant(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    block = b"x" * 65536
    return Performance([b"data: ", *[block] * (_GIANT_BYTES // len(block))])


def _document(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    return _json(200, wire.document(turn, usage))


def _half_call(turn: Turn, usage: dict[str, Any], wire: Wire) -> Performance:
    call = _calling(turn).calls[0]
    half = call.arguments_text[: len(call.arguments_text) // 2]
    cut = replace(turn, calls=(replace(call, arguments=half),), finish_reason="length")
    return Performance(paced(turn, wire.stream(cut, usage)))


_TOO_LONG = "the request exceeds the available context size, try increasing it"


def _error(wire: Wire) -> bytes:
    return wire.error_event(500, "CUDA error: out of memory", "server_error")


def _too_long(wire: Wire) -> bytes:
    return wire.error_event(400, _TOO_LONG, "exceed_context_size_error")


_EMPTY = _with_calls(lambda turn: replace(turn, text="", calls=()))
_BROKEN = _with_arguments(lambda text: text[:-1] + ", oops")
_DOUBLE = _with_arguments(lambda text: msgspec.json.encode(text).decode())

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("refuse", "closes the connection at accept", "unreachable", _refuse),
        Fault("hang_before_headers", "never answers", "timeout", _hang),
        Fault("hang_in_the_middle", "stops after some words", "timeout", _ending("hang")),
        Fault("silence", "is silent for 0.2 s between words", "reply", _silent),
        Fault("heartbeats", "sends comments before the first word", "reply", _heartbeats),
        Fault("cut_in_text", "drops the connection in the text", "cut", _ending("cut")),
        Fault("cut_in_call", "drops it in the arguments", "cut", _ending("cut", calls=True)),
        Fault("end_in_call", "ends well-formed in the arguments", "cut", _ending(calls=True)),
        Fault("no_done", "gives a finish reason but no [DONE]", "reply", _without_done),
        Fault("bad_sse_line", "a garbled field name", "malformed", _ending(b"dta: {}\n\n")),
        Fault("broken_json", "half a chunk", "malformed", _ending(b'data: {"choices":[{\n\n')),
        Fault("bad_utf8", "a Latin-1 byte in the text", "reply", _bad_utf8),
        Fault("error_in_stream", "an error object after some words", "server", _ending(_error)),
        Fault(
            "overflow_in_stream",
            "a context overflow inside a stream with status 200",
            "context_overflow",
            _ending(_too_long),
        ),
        Fault("empty_choices", "no choice in any chunk", "empty", _empty_choices),
        Fault("empty_answer", "an answer without words and calls", "empty", _EMPTY),
        Fault("broken_arguments", "arguments that are no JSON", "reply", _BROKEN),
        Fault("double_encoded", "arguments as JSON inside a JSON string", "reply", _DOUBLE),
        Fault(
            "arguments_object",
            "arguments as an object and not as text",
            "reply",
            _with_calls(_calling, CallStyle(whole_object=True)),
        ),
        Fault("missing_ids", "no ids", "reply", _with_calls(_two, CallStyle(ids="none"))),
        Fault("repeated_ids", "one id twice", "reply", _with_calls(_two, CallStyle(ids="same"))),
        Fault("missing_index", "no index", "reply", _with_calls(_two, CallStyle(index=False))),
        Fault("unknown_tool", "a tool that nobody has", "reply", _with_calls(_unknown)),
        Fault("two_calls", "two calls in one answer", "reply", _with_calls(_two)),
        Fault("rate_limited", "429 with Retry-After", "overloaded", _limited),
        Fault(
            "loading",
            "503 while the model loads",
            "timeout",
            _status(503, "Loading model", "unavailable_error"),
        ),
        Fault(
            "server_error",
            "500",
            "server",
            _status(500, "slot unavailable, assertion failed", "server_error"),
        ),
        Fault("unauthorized", "401", "auth", _status(401, "Invalid API Key", "auth_error")),
        Fault(
            "bad_request",
            "400",
            "refused",
            _status(400, "Unsupported param: tools", "invalid_request_error"),
        ),
        Fault(
            "context_overflow",
            "400 because the prompt does not fit",
            "context_overflow",
            _status(400, _TOO_LONG, "exceed_context_size_error"),
        ),
        Fault("redirect", "307 to another address", "refused", _redirect),
        Fault("html", "a sign-in page with status 200", "malformed", _page),
        Fault("gzip_bomb", "a compressed answer that unfolds", "malformed", _bomb),
        Fault("giant_line", "a line of 17 MiB", "malformed", _giant),
        Fault("trickle", "one byte at a time, \\r\\n at line ends", "reply", _trickle),
        Fault("not_streamed", "one JSON document though a stream was asked", "reply", _document),
        Fault("length_in_call", "the token limit in the arguments", "reply", _half_call),
    )
}
