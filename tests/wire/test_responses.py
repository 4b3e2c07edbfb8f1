"""The Responses protocol on the wire: streams as the vendor documents them, and bodies that only grow."""

import asyncio
import json
from contextlib import aclosing

import msgspec
import pytest

from hob.core.agent import ToolSpec
from hob.core.deltas import CallDelta, ReasoningDelta, TextDelta
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, ToolCall, ToolMessage, Usage, UserMessage
from hob.core.request import Request
from hob.models.answer import Answer
from hob.models.responses import Responses
from hob.models.responses_body import ResponsesRenderer
from hob.models.responses_events import ResponsesAssembler
from hob.models.scripted import Turn, serve

READ = ToolSpec("read_file", "Read a file.", '{"type":"object","properties":{}}')
USAGE = {
    "input_tokens": 1100,
    "input_tokens_details": {"cached_tokens": 1000},
    "output_tokens": 15,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 1115,
}
CREATED = {"type": "response.created", "response": {"model": "gpt-x", "status": "in_progress"}}


def words(*pieces, number=0):
    place = {"item_id": "msg_1", "output_index": number, "content_index": 0}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    whole = {**item, "content": [{"type": "output_text", "text": "".join(pieces)}]}
    return [
        {"type": "response.output_item.added", "output_index": number, "item": item},
        *({"type": "response.output_text.delta", **place, "delta": piece} for piece in pieces),
        {"type": "response.output_text.done", **place, "text": "".join(pieces)},
        {"type": "response.output_item.done", "output_index": number, "item": whole},
    ]


def call(number, name, *pieces, **changes):
    text = "".join(pieces)
    item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
    item |= {"name": name, "arguments": text} | changes
    place = {"item_id": item["id"], "output_index": number}
    kind = "response.function_call_arguments"
    begun = {**item, "arguments": ""}
    return [
        {"type": "response.output_item.added", "output_index": number, "item": begun},
        *({"type": f"{kind}.delta", **place, "delta": piece} for piece in pieces),
        {"type": f"{kind}.done", **place, "arguments": text},
        {"type": "response.output_item.done", "output_index": number, "item": item},
    ]


def end(status="completed", reason=None, error=None, output=()):
    details = {"reason": reason} if reason else None
    response = {"object": "response", "model": "gpt-x", "status": status, "usage": USAGE}
    response |= {"incomplete_details": details, "error": error, "output": list(output)}
    return {"type": f"response.{status}", "response": response}


def read(*events):
    """Return the deltas and the reply of a stream of events."""
    answer = Answer("cloud", assembler=ResponsesAssembler)
    deltas = []
    for number, event in enumerate(events):
        data = json.dumps({**event, "sequence_number": number})
        deltas += answer.feed(f"event: {event['type']}\ndata: {data}\n\n".encode())
    deltas += answer.close()
    return deltas, answer.reply(0.0, 0.0)


def test_a_stream_with_thoughts_words_and_calls():
    summary = "response.reasoning_summary"
    deltas, reply = read(
        CREATED,
        {"type": f"{summary}_part.added", "item_id": "rs_1"},
        {"type": f"{summary}_text.delta", "item_id": "rs_1", "delta": "Look."},
        {"type": f"{summary}_part.added", "item_id": "rs_1"},
        {"type": f"{summary}_text.delta", "item_id": "rs_1", "delta": "Read."},
        *words("I re", "ad.", number=1),
        *call(2, "read_file", '{"path": ', '"a"}'),
        *call(3, "list_dir", "{}"),
        {"type": "response.of_tomorrow", "item_id": "x"},
        end(),
    )
    assert deltas == [
        ReasoningDelta("Look."),
        ReasoningDelta("\n\n"),
        ReasoningDelta("Read."),
        TextDelta("I re"),
        TextDelta("ad."),
        CallDelta(0, "read_file", ""),
        CallDelta(0, "", '{"path": '),
        CallDelta(0, "", '"a"}'),
        CallDelta(1, "list_dir", ""),
        CallDelta(1, "", "{}"),
    ]
    assert reply.message == AssistantMessage(
        "I read.",
        "Look.\n\nRead.",
        (
            ToolCall("", "read_file", '{"path": "a"}', "call_2"),
            ToolCall("", "list_dir", "{}", "call_3"),
        ),
        "calls",
    )
    assert reply.usage == Usage(1100, 1000, 15, 5)
    assert reply.model == "gpt-x"


def test_calls_without_pieces_and_interleaved_calls():
    one, two = call(0, "a", '{"x":1}'), call(1, "b", '{"y":2}')
    mixed = [event for pair in zip(one, two, strict=True) for event in pair]
    bare = [one[-1], two[-1]]
    expected = (ToolCall("", "a", '{"x":1}', "call_0"), ToolCall("", "b", '{"y":2}', "call_1"))
    for events in (mixed, bare, [one[0], two[0], *bare], [*one[:2], one[-1], *two]):
        assert read(CREATED, *events, end())[1].message.calls == expected


def test_an_answer_that_stands_only_in_the_last_event():
    message = {"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}
    made = {"type": "function_call", "call_id": "c", "name": "read_file", "arguments": "{}"}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    reply = read(CREATED, end(output=[thought, message, made]))[1]
    calls = (ToolCall("", "read_file", "{}", "c"),)
    assert reply.message == AssistantMessage("Yes.", "Hm.", calls, "calls")


def test_a_refusal_is_words():
    said = {"type": "response.refusal.delta", "item_id": "msg_1", "delta": "I cannot."}
    assert read(CREATED, said, end())[1].message == AssistantMessage("I cannot.")


def test_the_token_limit_leaves_half_calls_out():
    half = call(1, "read_file", '{"path": "a')[:2]
    limit = end("incomplete", "max_output_tokens")
    message = read(CREATED, *words("I read."), *half, limit)[1].message
    assert message == AssistantMessage("I read.", stop="length")


FAILED = {"code": "server_error", "message": "The model failed."}
LIMITED = {"code": "rate_limit_exceeded", "message": "Slow down."}
TOO_LONG = {"code": "context_length_exceeded", "message": "Too much input."}


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([CREATED], "empty"),
        ([CREATED, end()], "empty"),
        ([CREATED, *words("Some")], "cut"),
        ([CREATED, *call(0, "read_file", "{}")], "cut"),
        ([CREATED, *words("Some"), end("cancelled")], "cut"),
        ([CREATED, *words("Some"), end("incomplete", "content_filter")], "refused"),
        ([CREATED, end("failed", error=FAILED)], "server"),
        ([CREATED, end("failed", error=LIMITED)], "overloaded"),
        ([CREATED, end("failed", error=TOO_LONG)], "context_overflow"),
        ([CREATED, {"type": "error", **LIMITED, "param": None}], "overloaded"),
        ([CREATED, {"type": "error", "error": TOO_LONG}], "context_overflow"),
    ],
)
def test_what_gives_no_reply(events, kind):
    with pytest.raises(ModelError) as caught:
        read(*events)
    assert caught.value.kind == kind


TALK = (
    UserMessage("Read both."),
    AssistantMessage(
        "I read.",
        "Thoughts",
        (
            ToolCall("c1", "read_file", '{ "path":"a" }', "w1"),
            ToolCall("c2", "read_file", "oops", "w2"),
        ),
        "calls",
    ),
    ToolMessage("c1", "read_file", "one", "w1"),
    ToolMessage("c2", "read_file", "Bad.", "w2", is_error=True),
    AssistantMessage("Both read."),
    UserMessage("And?"),
)


def ask(messages, max_tokens=None):
    return Request("s", "You are brief.", (READ,), tuple(messages), max_tokens)


def said(role, text):
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def asked(call_id, arguments):
    named = {"type": "function_call", "call_id": call_id, "name": "read_file"}
    return {**named, "arguments": arguments}


def test_the_whole_body():
    body = ResponsesRenderer("gpt-x", {"temperature": 0}).render(ask(TALK, 100))
    assert msgspec.json.decode(body) == {
        "model": "gpt-x",
        "stream": True,
        "store": False,
        "prompt_cache_key": "s",
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "temperature": 0,
        "instructions": "You are brief.",
        "tools": [
            {
                "type": "function",
                "name": "read_file",
                "description": "Read a file.",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            }
        ],
        "input": [
            said("user", "Read both."),
            said("assistant", "I read."),
            asked("c1", '{ "path":"a" }'),
            asked("c2", '{"_invalid_json":"oops"}'),
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "function_call_output", "call_id": "c2", "output": "Bad."},
            said("assistant", "Both read."),
            said("user", "And?"),
        ],
        "max_output_tokens": 100,
    }


def test_each_body_is_the_one_before_with_a_longer_tail():
    renderer = ResponsesRenderer("m")
    before = b""
    for length in range(1, len(TALK) + 1):
        body = renderer.render(ask(TALK[:length]))
        assert body.startswith(before)
        assert renderer.diverged == ""
        assert body == ResponsesRenderer("m").render(ask(TALK[:length]))
        before = body.removesuffix(b"]}")


def test_without_tools_no_field_speaks_of_them():
    body = msgspec.json.decode(ResponsesRenderer("m").render(Request("s", "", (), TALK[:1])))
    assert sorted(body) == ["input", "model", "prompt_cache_key", "store", "stream"]


@pytest.mark.parametrize(("limit", "stop"), [(None, "end"), (200, "end"), (9, "length")])
def test_a_server_that_hides_the_token_limit_is_found_out(limit, stop):
    """llama.cpp ends an answer at the limit with `response.completed`."""
    usage = {"prompt_tokens": 9, "completion_tokens": 9}

    async def main():
        with serve([Turn(text="Half an ans", usage=usage)]) as server:
            model = Responses(base_url=f"{server.base_url}/responses", model="m", api_key="k")
            async with aclosing(model.stream(ask(TALK[:1], limit))) as stream:
                items = [item async for item in stream]
            await model.aclose()
            return items[-1].message, server.requests[0]

    message, received = asyncio.run(main())
    assert message == AssistantMessage("Half an ans", stop=stop)
    assert (received.path, received.headers["authorization"]) == ("/v1/responses", "Bearer k")
