"""Three protocols against the real engine: they ask the same prompt, and it is computed once."""

import asyncio
from contextlib import aclosing

import pytest

from hob.core.agent import ToolSpec
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.anthropic import Anthropic
from hob.models.openai_chat import OpenAIChat
from hob.models.responses import Responses
from tiny.engine import engine

READ = ToolSpec(
    "read_file",
    "Read a file.",
    '{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}',
)
# The random answers to these must begin with a whole character: where the first token is a part of one,
# this server (b11549) leaves `message_start` out, and with it the counts of the prompt.
TALK = (
    UserMessage("Read both files."),
    AssistantMessage(
        "I read.",
        "",
        (
            ToolCall("c-1", "read_file", '{"path":"a"}', "call_1"),
            ToolCall("c-2", "read_file", '{"path":"b"}', "call_2"),
        ),
        "calls",
    ),
    ToolMessage("c-1", "read_file", "one", "call_1"),
    ToolMessage("c-2", "read_file", "two", "call_2"),
    AssistantMessage("Both read."),
    UserMessage("Go on."),
)


async def reply(model, messages):
    request = Request("s", "You are brief.", (READ,), messages, max_tokens=6)
    async with aclosing(model.stream(request)) as stream:
        *_, last = [item async for item in stream]
    assert isinstance(last, Reply)
    return last


async def one_session(protocol, served):
    # A connection of its own for each call: this server closes some that it has promised to keep.
    replies = []
    for messages in (TALK[:1], TALK[:4], TALK):
        model = protocol(base_url=served.base_url, model=served.model, extra={"temperature": 0})
        replies.append(await reply(model, messages))
        await model.aclose()
    return replies


def test_all_protocols_ask_the_same_and_extend_it():
    with engine(n_ctx=4096) as served:
        chat, *others = [
            asyncio.run(one_session(protocol, served))
            for protocol in (OpenAIChat, Anthropic, Responses)
        ]
    assert [said.message.stop for said in chat] == ["length"] * 3
    for replies in others:
        for said, expected in zip(replies, chat, strict=True):
            assert said.message == expected.message
            assert said.usage.prompt_tokens == expected.usage.prompt_tokens
            assert said.usage.completion_tokens == 6
        first, second, third = (said.usage for said in replies)
        assert second.cached_tokens >= first.prompt_tokens - 1
        assert third.cached_tokens >= second.prompt_tokens - 1


@pytest.mark.parametrize("protocol", [Anthropic, Responses])
def test_a_prompt_that_does_not_fit_is_told(protocol):
    async def main(served):
        model = protocol(base_url=served.base_url, model=served.model)
        try:
            await reply(model, (UserMessage("word " * 9000),))
        finally:
            await model.aclose()

    with engine(n_ctx=2048) as served, pytest.raises(ModelError) as caught:
        asyncio.run(main(served))
    assert caught.value.kind == "context_overflow"
