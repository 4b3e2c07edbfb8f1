"""The Messages protocol on the wire: streams as the vendor documents them, and bodies that only grow."""

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
from hob.models.anthropic import Anthropic, messages_base
from hob.models.anthropic_body import MessagesRenderer
from hob.models.anthropic_events import MessagesAssembler
from hob.models.failures import from_status
from hob.models.scripted import Turn, serve

READ = ToolSpec("read_file", "Read a file.", '{"type":"object","properties":{}}')
WRITE = ToolSpec("write_file", "Write a file.", '{"type":"object","properties":{}}')
MARK = {"cache_control": {"type": "ephemeral"}}
START = {
    "type": "message_start",
    "message": {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": None,
        "usage": {
            "input_tokens": 25,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 75,
            "output_tokens": 1,
        },
    },
}
STOP = {"type": "message_stop"}


def block(index, start, *deltas):
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def words(index, *pieces):
    deltas = ({"type": "text_delta", "text": piece} for piece in pieces)
    return block(index, {"type": "text", "text": ""}, *deltas)


def use(index, name, *pieces):
    start = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, start, *deltas)


def end(reason, **usage):
    delta = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 15, **usage}}


def read(*events):
    """Return the deltas and the reply of a stream of events."""
    answer = Answer("cloud", assembler=MessagesAssembler)
    deltas = []
    for event in events:
        deltas += answer.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    deltas += answer.close()
    return deltas, answer.reply(0.0, 0.0)


def test_a_stream_with_thoughts_words_and_calls():
    thoughts = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Look first."},
        {"type": "signature_delta", "signature": "EqQBCgIYAhIM"},
    )
    deltas, reply = read(
        START,
        {"type": "ping"},
        *thoughts,
        *words(1, "I re", "ad."),
        *use(2, "read_file", "", '{"path": ', '"a"}'),
        *use(3, "list_dir"),
        {"type": "of_tomorrow", "index": 9},
        end("tool_use"),
        STOP,
    )
    assert deltas == [
        ReasoningDelta("Look first."),
        TextDelta("I re"),
        TextDelta("ad."),
        CallDelta(0, "read_file", ""),
        CallDelta(0, "", '{"path": '),
        CallDelta(0, "", '"a"}'),
        CallDelta(1, "list_dir", ""),
    ]
    assert reply.message == AssistantMessage(
        "I read.",
        "Look first.",
        (
            ToolCall("", "read_file", '{"path": "a"}', "toolu_2"),
            ToolCall("", "list_dir", "", "toolu_3"),
        ),
        "calls",
    )
    assert reply.usage == Usage(1100, 1000, 15)
    assert reply.model == "claude-x"


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("pause_turn", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
    ],
)
def test_reasons_for_stopping(reason, stop):
    assert read(START, *words(0, "Yes."), end(reason), STOP)[1].message == AssistantMessage(
        "Yes.", stop=stop
    )


@pytest.mark.parametrize("tail", [[], [STOP]])
def test_a_call_that_the_limit_cut_is_left_out(tail):
    started = use(0, "read_file", '{"path": "a')[:-1]
    message = read(START, *started, end("max_tokens"), *tail)[1].message
    assert message == AssistantMessage("", "", (), "length")


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([START], "empty"),
        ([START, end("end_turn"), STOP], "empty"),
        ([START, *words(0, "  "), end("end_turn"), STOP], "empty"),
        ([START, *words(0, "Some")], "cut"),
        ([START, *use(0, "read_file", "{}")], "cut"),
        ([START, *words(0, "I can"), end("refusal"), STOP], "refused"),
        ([START, {"type": "error", "error": {"type": "overloaded_error"}}], "overloaded"),
        ([START, {"type": "error", "error": {"type": "api_error"}}], "server"),
    ],
)
def test_what_gives_no_reply(events, kind):
    with pytest.raises(ModelError) as caught:
        read(*events)
    assert caught.value.kind == kind


def test_counts_at_either_end_and_none_at_all():
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 0}}}
    late = read(start, *words(0, "Hm."), end("end_turn", input_tokens=7), STOP)[1]
    assert late.usage == Usage(7, None, 15)
    silent = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert read(*words(0, "Hm."), silent, STOP)[1].usage == Usage()


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "prompt is too long: 208310 tokens > 200000 maximum", "context_overflow"),
        (
            400,
            "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
            "context_overflow",
        ),
        (400, "messages.0: all messages must have non-empty content", "refused"),
        (401, "invalid x-api-key", "auth"),
        (403, "Your API key does not have permission", "auth"),
        (404, "model: claude-none", "refused"),
        (429, "This request would exceed your rate limit", "overloaded"),
        (500, "Internal server error", "server"),
        (529, "Overloaded", "overloaded"),
    ],
)
def test_statuses(status, error, kind):
    body = msgspec.json.encode({"type": "error", "error": {"type": "x", "message": error}})
    assert from_status("cloud", status, {}, body).kind == kind


TALK = (
    UserMessage("Read both."),
    AssistantMessage(
        "I read.",
        "Thoughts",
        (
            ToolCall("c1", "read_file", '{ "path":"a" }', "w1"),
            ToolCall("c2", "read.file", "oops", "w2"),
        ),
        "calls",
    ),
    ToolMessage("c1", "read_file", "one", "w1"),
    ToolMessage("c2", "read.file", "No such tool.", "w2", is_error=True),
    AssistantMessage("Both read."),
    UserMessage("And?"),
)


def ask(messages, max_tokens=None):
    return Request("s", "You are brief.", (READ, WRITE), tuple(messages), max_tokens)


def test_the_whole_body():
    body = MessagesRenderer("claude-x", {"temperature": 0}).render(ask(TALK, 100))
    assert b'"input":{ "path":"a" }' in body
    schema = {"type": "object", "properties": {}}
    assert msgspec.json.decode(body) == {
        "model": "claude-x",
        "stream": True,
        "temperature": 0,
        "tools": [
            {"name": "read_file", "description": "Read a file.", "input_schema": schema},
            {"name": "write_file", "description": "Write a file.", "input_schema": schema} | MARK,
        ],
        "system": [{"type": "text", "text": "You are brief."} | MARK],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Read both."}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I read."},
                    {"type": "tool_use", "id": "c1", "name": "read_file", "input": {"path": "a"}},
                    {
                        "type": "tool_use",
                        "id": "c2",
                        "name": "read_file",
                        "input": {"_invalid_json": "oops"},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "c2",
                        "content": "No such tool.",
                        "is_error": True,
                    },
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Both read."}]},
            {"role": "user", "content": [{"type": "text", "text": "And?"} | MARK]},
        ],
        "max_tokens": 100,
    }


@pytest.mark.parametrize("marks", [True, False])
def test_each_body_is_the_one_before_but_for_its_ending(marks):
    renderer = MessagesRenderer("m", marks=marks)
    mark = b',"cache_control":{"type":"ephemeral"}' if marks else b""
    ending = mark + b'}]}],"max_tokens":8192}'
    before = b""
    for length in range(1, len(TALK) + 1):
        body = renderer.render(ask(TALK[:length]))
        assert body.startswith(before)
        assert body.endswith(ending)
        assert renderer.diverged == ""
        assert body == MessagesRenderer("m", marks=marks).render(ask(TALK[:length]))
        assert msgspec.json.decode(body)["messages"][0]["role"] == "user"
        before = body.removesuffix(ending)


def test_what_breaks_the_prefix_is_named():
    renderer = MessagesRenderer("m")
    renderer.render(ask(TALK[:3]))
    other = (*TALK[:2], ToolMessage("c1", "read_file", "stub", "w1"), TALK[3])
    body = renderer.render(ask(other))
    assert renderer.diverged == "message 3 of the conversation"
    assert body == MessagesRenderer("m").render(ask(other))
    renderer.render(Request("s", "You are brief.", (READ,), TALK[:1]))
    assert renderer.diverged == "the tools"
    renderer.render(Request("s", "Another.", (READ,), TALK[:1]))
    assert renderer.diverged == "the system message"


def test_what_strict_servers_refuse_is_never_sent():
    odd = (
        UserMessage(" "),
        AssistantMessage(" \n", "", (ToolCall("", "f.g:h", "[1]", "functions.f:0"),), "calls"),
        ToolMessage("", "f.g:h", "\udcff", "functions.f:0"),
        AssistantMessage("", "only thoughts"),
    )
    renderer = MessagesRenderer("m", marks=False, own_ids=False)
    body = msgspec.json.decode(renderer.render(Request("s", "", (), odd)))
    assert "tools" not in body
    assert "system" not in body
    assert [message["content"] for message in body["messages"]] == [
        [{"type": "text", "text": "(no words)"}],
        [
            {
                "type": "tool_use",
                "id": "functions_f_0",
                "name": "f_g_h",
                "input": {"_invalid_json": "[1]"},
            }
        ],
        [{"type": "tool_result", "tool_use_id": "functions_f_0", "content": "?"}],
        [{"type": "text", "text": "(no words)"}],
    ]


@pytest.mark.parametrize(
    "base_url",
    ["https://cloud.example", "https://cloud.example/v1/", "https://cloud.example/v1/messages"],
)
def test_base_urls(base_url):
    assert messages_base(base_url) == "https://cloud.example/v1"
    assert messages_base("https://x.example/api/anthropic") == "https://x.example/api/anthropic/v1"


@pytest.mark.parametrize("key", ["", "secret"])
def test_headers(key):
    async def main():
        with serve([Turn(text="Yes.")]) as server:
            model = Anthropic(base_url=server.base_url, model="m", api_key=key)
            async with aclosing(model.stream(ask(TALK[:1]))) as stream:
                _ = [item async for item in stream]
            await model.aclose()
            return server.requests[0]

    received = asyncio.run(main())
    assert received.path == "/v1/messages"
    assert received.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in received.headers
    assert received.headers.get("x-api-key", "") == key
    assert b"cache_control" not in received.body
