"""A scripted turn in the OpenAI Responses protocol, the way real servers send it."""

from typing import Any

import msgspec

from hob.models.script import ScriptedCall, Turn
from hob.models.scripted_wire import CallStyle, Wire, error_document, pieces


def event(kind: str, **more: object) -> bytes:
    """Return one event of a stream."""
    body = msgspec.json.encode({"type": kind, **more})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), body)


def _said(turn: Turn) -> list[bytes]:
    running = _response("in_progress", [], {})
    events = [event(f"response.{kind}", response=running) for kind in ("created", "in_progress")]
    said = (
        ("reasoning", "response.reasoning_text", turn.reasoning),
        ("message", "response.output_text", turn.text),
    )
    for kind, name, text in said:
        if text:
            number = int(kind == "message" and bool(turn.reasoning))
            place = {"item_id": f"{kind}_0", "output_index": number, "content_index": 0}
            item: dict[str, Any] = {"type": kind, "id": f"{kind}_0", "content": []}
            events.append(event("response.output_item.added", output_index=number, item=item))
            events += [event(f"{name}.delta", **place, delta=p) for p in pieces(turn, text)]
            events.append(event(f"{name}.done", **place, text=text))
            whole = _item(kind, text)
            events.append(event("response.output_item.done", output_index=number, item=whole))
    return events


def _calls(turn: Turn, style: CallStyle) -> list[bytes]:
    before = bool(turn.reasoning) + bool(turn.text)
    events: list[bytes] = []
    for number, call in enumerate(turn.calls):
        place = {"output_index": before + number} if style.index else {}
        whole = _function_call(number, call, style)
        begun = {**whole, "arguments": "", "status": "in_progress"}
        events.append(event("response.output_item.added", **place, item=begun))
        place["item_id"] = whole["id"]
        cut = () if style.whole_object else tuple(pieces(turn, call.arguments_text))
        name = "response.function_call_arguments"
        events += [event(f"{name}.delta", **place, delta=piece) for piece in cut]
        events.append(event(f"{name}.done", **place, arguments=whole["arguments"]))
        del place["item_id"]
        events.append(event("response.output_item.done", **place, item=whole))
    return events


def _end(turn: Turn, usage: dict[str, Any]) -> list[bytes]:
    whole = _whole(turn, usage)
    return [event(f"response.{whole['status']}", response=whole)]


def _document(turn: Turn, usage: dict[str, Any]) -> bytes:
    return msgspec.json.encode(_whole(turn, usage))


def _failed(status: int, message: str, kind: str) -> bytes:
    error = {"code": kind, "message": message}
    return event("response.failed", response={**_response("failed", [], {}), "error": error})


def _whole(turn: Turn, usage: dict[str, Any]) -> dict[str, Any]:
    said = (("reasoning", turn.reasoning), ("message", turn.text))
    output = [_item(kind, text) for kind, text in said if text]
    output += [_function_call(n, call, CallStyle()) for n, call in enumerate(turn.calls)]
    status = "incomplete" if turn.finish_reason == "length" else "completed"
    counts = _usage(usage if turn.usage is None else turn.usage)
    response = _response(status, output, counts)
    if status == "incomplete":
        response["incomplete_details"] = {"reason": "max_output_tokens"}
    return response


def _response(status: str, output: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": 0,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "scripted",
        "output": output,
        "usage": usage or None,
    }


def _item(kind: str, text: str) -> dict[str, Any]:
    part = {"type": "reasoning_text" if kind == "reasoning" else "output_text", "text": text}
    return {"type": kind, "id": f"{kind}_0", "content": [part]}


def _function_call(number: int, call: ScriptedCall, style: CallStyle) -> dict[str, Any]:
    ids = {"own": f"call_{number}", "none": None, "same": "call_same"}[style.ids]
    text = call.arguments_text
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": ids,
        "name": call.name,
        "arguments": msgspec.json.decode(text) if style.whole_object else text,
        "status": "completed",
    }


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    """Return counts in this protocol's shape."""
    if not usage:
        return {}
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": usage.get("prompt_tokens_details", {}),
        "output_tokens": usage["completion_tokens"],
        "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"],
    }


RESPONSES = Wire(
    said=_said,
    calls=_calls,
    end=_end,
    last=(),
    text=lambda text: event(
        "response.output_text.delta", item_id="message_0", output_index=0, delta=text
    ),
    hollow=lambda usage: [*_said(Turn()), *_end(Turn(), usage)],
    document=_document,
    error=error_document,
    error_event=_failed,
)
