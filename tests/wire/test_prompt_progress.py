"""How far llama.cpp has read a prompt, as it says inside the stream (`return_progress`)."""

import asyncio
from contextlib import aclosing

import pytest

from hob.core.deltas import Notice, TextDelta
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply, UserMessage
from hob.core.request import Request
from hob.models.assemble import Assembler
from hob.models.openai_chat import OpenAIChat
from hob.models.patience import Patience
from hob.models.scripted_wire import DONE, chunk
from tiny.engine import engine

# The chunks of llama.cpp while it reads 16,212 tokens in batches of 2,048, and of the next request.
READ = [(0, 0), *((0, 2048 * n) for n in range(1, 8)), (0, 16_212)]
READ_ON = [(16_204, 16_204), (16_204, 16_212)]


def progress(total, cache, processed):
    return {"total": total, "cache": cache, "processed": processed, "time_ms": 7}


def events(read, total=16_212):
    """Return a stream as it was recorded, with other words at the end."""
    empty = {"delta": {"role": "assistant", "content": None}}
    said = [chunk(empty, prompt_progress=progress(total, *one)) for one in read]
    said += [chunk(empty), chunk({"delta": {"content": "Hi."}})]
    return [*said, chunk({"delta": {}, "finish_reason": "stop"}), DONE]


def heard(stream):
    assembler = Assembler("S")
    deltas = [
        delta for event in stream for delta in assembler.feed(event.removeprefix(b"data: ").strip())
    ]
    return [d.text for d in deltas if isinstance(d, Notice)], assembler.message()


def test_a_recorded_stream():
    notices, message = heard(events(READ))
    assert notices == [
        "S is reading the prompt: 4,096 of 16,212 tokens (25 %).",
        "S is reading the prompt: 8,192 of 16,212 tokens (50 %).",
        "S is reading the prompt: 10,240 of 16,212 tokens (63 %).",
        "S is reading the prompt: 14,336 of 16,212 tokens (88 %).",
    ]
    assert message == AssistantMessage("Hi.")
    assert heard(events(READ_ON)) == ([], AssistantMessage("Hi."))


def test_a_short_prompt_is_not_spoken_of():
    assert heard(events([(0, 1024), (0, 2048), (0, 3000)], 3000))[0] == []


def test_what_is_cached_is_not_counted_as_reading():
    assert heard(events([(10_000, 10_000), (10_000, 12_048)]))[0] == [
        "S is reading the prompt: 12,048 of 16,212 tokens (74 %)."
    ]


@pytest.mark.parametrize(
    "odd",
    [
        *(3, "x", [1], {}, {"total": 0, "processed": 0}, {"total": "9", "processed": 1}),
        {"total": 9000, "processed": 99_999, "cache": None},
        {"total": 9000, "processed": -5, "cache": 99_999},
        {"total": 9000.0, "processed": None},
    ],
)
def test_odd_figures_cost_nothing(odd):
    stream = [chunk({"delta": {"content": "Hi."}}, prompt_progress=odd), *events([])]
    assert heard(stream) == ([], AssistantMessage("Hi.Hi."))


async def talk(base_url, request, patience=None, **extra):
    model = OpenAIChat(base_url=base_url, model="tiny", patience=patience, extra=extra)
    try:
        async with aclosing(model.stream(request)) as stream:
            return [item async for item in stream]
    finally:
        await model.aclose()


def test_the_real_engine_tells_and_answers_the_same():
    said = UserMessage("Count the words of this sentence, please. " * 330)
    request = Request("s", "You are brief.", (), (said,), max_tokens=6)
    extra = {"temperature": 0, "cache_prompt": False}
    with engine(n_ctx=8192) as served:
        told = asyncio.run(talk(served.base_url, request, **extra, return_progress=True))
        plain = asyncio.run(talk(served.base_url, request, **extra))
    name = served.root.removeprefix("http://")
    reply = told[-1]
    assert isinstance(reply, Reply)
    total = reply.usage.prompt_tokens
    assert total > 5000
    assert [item.text for item in told if isinstance(item, Notice)] == [
        f"{name} is reading the prompt: {done:,} of {total:,} tokens ({100 * done // total} %)."
        for done in (2048, 4096)
    ]
    assert [i for i in plain if isinstance(i, Notice)] == []
    assert reply.message == plain[-1].message
    assert [i for i in told if isinstance(i, TextDelta)] == [
        i for i in plain if isinstance(i, TextDelta)
    ]


def trickle(pieces, gap_s):
    """Return what a client with little patience makes of pieces of a stream that come slowly."""

    async def answer(reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(gap_s)
        finally:
            writer.transport.abort()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            request = Request("s", "", (), (UserMessage("Hi?"),))
            return await talk(url, request, Patience(first_token_s=1.0, notice_s=0.8))

    return asyncio.run(main())


def test_a_server_that_tells_how_far_it_is_is_not_silent():
    """A long prompt may take longer than the limit of the first token, as long as it goes on."""
    items = trickle(events([(0, 2400 * n) for n in range(1, 7)]), 0.25)
    assert isinstance(items[-1], Reply)
    notices = [item.text for item in items if isinstance(item, Notice)]
    assert len(notices) == 4
    assert all("reading the prompt:" in text for text in notices)


def test_heartbeats_are_no_progress():
    with pytest.raises(ModelError, match="said nothing for") as caught:
        trickle([b": still here\n\n"] * 20, 0.2)
    assert caught.value.kind == "timeout"
