"""Ollama's own protocol: what is sent, what is read, and the traps of its window."""

# ruff: noqa: E501 (a recorded line is as long as it came)

import asyncio
import json
from contextlib import aclosing

import pytest

from hob.core.agent import ToolSpec
from hob.core.deltas import ReasoningDelta, TextDelta
from hob.core.errors import ModelError
from hob.core.messages import (
    AssistantMessage,
    Reply,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from hob.core.request import Request
from hob.models.ollama import Ollama
from hob.models.ollama_answer import OllamaAnswer
from hob.models.ollama_body import OllamaRenderer
from servers.ollama_double import Card, OllamaDouble, Says

TOOL = ToolSpec(
    "read_file", "Read a file.", '{"type":"object","properties":{"path":{"type":"string"}}}'
)

# A stream as Ollama's documentation shows it (streaming with tools and thinking), with words of our own.
RECORDED = b"""{"model":"qwen3","created_at":"2026-07-01T10:00:00.1Z","message":{"role":"assistant","content":"","thinking":"Let me"},"done":false}
{"model":"qwen3","created_at":"2026-07-01T10:00:00.2Z","message":{"role":"assistant","content":"","thinking":" look."},"done":false}
{"model":"qwen3","created_at":"2026-07-01T10:00:00.3Z","message":{"role":"assistant","content":"I read \xc3\xa4 file."},"done":false}
{"model":"qwen3","created_at":"2026-07-01T10:00:00.4Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"read_file","arguments":{"path":"a.py","n":3}}}]},"done":false}
{"model":"qwen3","created_at":"2026-07-01T10:00:00.5Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"read_file","arguments":{"path":"b.py"}}}]},"done":false}
{"model":"qwen3","created_at":"2026-07-01T10:00:00.6Z","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"total_duration":2534000000,"load_duration":31000000,"prompt_eval_count":169,"prompt_eval_duration":412000000,"eval_count":47,"eval_duration":1920000000}
"""  # fmt: skip


def request(*messages, tools=(TOOL,), **more):
    said = messages or (UserMessage("Hello?"),)
    return Request("s1", "You are brief.", tools, said, **more)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_recorded_stream_in_any_pieces(size):
    answer = OllamaAnswer("host:1")
    deltas = []
    for at in range(0, len(RECORDED), size):
        deltas += answer.feed(RECORDED[at : at + size])
    deltas += answer.close()
    reply = answer.reply(0.5, 2.0)
    assert reply.message == AssistantMessage(
        "I read ä file.",
        "Let me look.",
        (
            ToolCall("", "read_file", '{"path":"a.py","n":3}'),
            ToolCall("", "read_file", '{"path":"b.py"}'),
        ),
        "calls",
    )
    assert reply.usage == Usage(169, None, 47)
    assert (reply.timings.prompt_s, reply.timings.predicted_s) == (0.412, 1.92)
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == "I read ä file."
    assert "".join(d.text for d in deltas if isinstance(d, ReasoningDelta)) == "Let me look."


def test_a_whole_request():
    call = ToolCall("1.0", "read_file", '{ "path" : "a.py" }')
    body = OllamaRenderer("qwen3", num_ctx=32768, think=False).render(
        request(
            UserMessage("Read it."),
            AssistantMessage("I do.", "Hm.", (call,), "calls"),
            ToolMessage("1.0", "read_file", "x = 1\n"),
            max_tokens=900,
        )
    )
    assert b'"arguments":{ "path" : "a.py" }' in body
    assert json.loads(body) == {
        "model": "qwen3",
        "stream": True,
        "keep_alive": "60m",
        "truncate": False,
        "shift": False,
        "think": False,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "read_file",
                    "description": "Read a file.",
                    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
                },
            }
        ],
        "messages": [
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": "Read it."},
            {
                "role": "assistant",
                "content": "I do.",
                "tool_calls": [{"function": {"name": "read_file", "arguments": {"path": "a.py"}}}],
            },
            {"role": "tool", "tool_name": "read_file", "content": "x = 1\n"},
        ],
        "options": {"num_ctx": 32768, "num_predict": 900},
    }


def test_each_body_is_the_one_before_with_a_longer_tail():
    renderer = OllamaRenderer("qwen3", num_ctx=8192)
    messages = (UserMessage("One."),)
    before = renderer.render(request(*messages))
    for n in range(5):
        call = ToolCall(f"{n}.0", "read_file", "{}")
        messages += (AssistantMessage("", "", (call,)), ToolMessage(f"{n}.0", "read_file", "x"))
        body = renderer.render(request(*messages, max_tokens=n + 1))
        assert body.startswith(before.partition(b'],"options"')[0])
        assert renderer.diverged == ""
        before = body
    renderer.render(request(UserMessage("Other."), tools=()))
    assert renderer.diverged == "the tools"


def test_without_a_system_message():
    body = OllamaRenderer("m").render(Request("s", "", (), (UserMessage("Hi"),)))
    assert json.loads(body)["messages"] == [{"role": "user", "content": "Hi"}]
    assert json.loads(body)["options"] == {}


def test_the_same_failure_again_is_sampled_otherwise():
    renderer = OllamaRenderer("m", num_ctx=4096)
    plain, other = renderer.render(request()), renderer.render(request(variation=2))
    assert json.loads(plain)["options"] == {"num_ctx": 4096}
    assert json.loads(other)["options"] == {"num_ctx": 4096, "temperature": 0.8, "seed": 2}


def replies(double, *requests, **settings):
    async def main():
        model = Ollama(base_url=f"{double.root}/v1", model="qwen3:8b", **settings)
        try:
            return [await one(model, asked) for asked in requests]
        finally:
            await model.aclose()

    async def one(model, asked):
        async with aclosing(model.stream(asked)) as stream:
            return [item async for item in stream][-1]

    return asyncio.run(main())


def test_the_window_is_set_once_and_nothing_is_loaded_again():
    with OllamaDouble() as double:
        first, second = replies(double, request(), request(), num_ctx=32768)
    assert double.loads == [("qwen3:8b", 32768)]
    assert [body["options"]["num_ctx"] for body in double.asked] == [32768, 32768]
    assert isinstance(first, Reply)
    assert (first.usage.cached_tokens, second.usage.cached_tokens) == (0, None)


def test_what_is_too_long_is_an_error_and_not_cut():
    with OllamaDouble() as double, pytest.raises(ModelError) as caught:
        replies(double, request(UserMessage("word " * 20_000)), num_ctx=8192)
    assert caught.value.kind == "context_overflow"
    assert "the input length exceeds the context length" in str(caught.value)


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        (Says("Half an", stops_after=1), "cut"),
        (Says("x", error="an error was encountered while running the model"), "server"),
        (Says(""), "empty"),
    ],
)
def test_failures(says, kind):
    with OllamaDouble(answers=[says]) as double, pytest.raises(ModelError) as caught:
        replies(double, request())
    assert caught.value.kind == kind


def test_a_model_without_tools_says_so():
    with (
        OllamaDouble(cards=[Card(capabilities=("completion",))]) as double,
        pytest.raises(ModelError, match="does not support tools") as caught,
    ):
        replies(double, request())
    assert caught.value.kind == "refused"


def test_a_call_that_the_limit_cut_short_of_is_no_end():
    with OllamaDouble(answers=[Says("Some words", done_reason="length")]) as double:
        (reply,) = replies(double, request())
    assert reply.message.stop == "length"
