"""The adapter against a real server: what comes over the wire, and what must come of it."""

import asyncio
import gc
from contextlib import aclosing
from itertools import pairwise

import msgspec
import pytest

from hob.core.deltas import CallDelta, Notice, ReasoningDelta, TextDelta
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply, ToolCall, UserMessage
from hob.core.request import Request
from hob.models.openai_chat import OpenAIChat
from hob.models.patience import Patience
from hob.models.script import ScriptedCall, Turn
from hob.models.scripted_server import serve
from hob.models.scripted_wire import chunk

HASTY = Patience(first_token_s=0.3, between_tokens_s=0.3)


def ask(*said, deadline_s=None):
    messages = said or (UserMessage("Hello?"),)
    return Request("s1", "You are brief.", (), tuple(messages), deadline_s=deadline_s)


async def everything(model, request=None):
    async with aclosing(model.stream(request or ask())) as stream:
        return [item async for item in stream]


def talk(turn, request=None, **options):
    """Return all that one call yields, and the server."""

    async def main():
        with serve([turn]) as server:
            model = OpenAIChat(base_url=server.base_url, model="m", **options)
            try:
                return await everything(model, request), server
            finally:
                await model.aclose()

    return asyncio.run(main())


def piece(**delta):
    return chunk({"delta": delta})


def test_words_thoughts_and_calls_stream_and_come_whole_at_the_end():
    turn = Turn(
        text="Let me look.",
        reasoning="They want",
        calls=(ScriptedCall("read_file", {"path": "a.py"}),),
        piece_chars=5,
        timings={"prompt_ms": 12.5, "predicted_ms": 100, "cache_n": 3},
    )
    items, server = talk(turn)
    *deltas, reply = items
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == "Let me look."
    assert "".join(d.text for d in deltas if isinstance(d, ReasoningDelta)) == "They want"
    calls = [d for d in deltas if isinstance(d, CallDelta)]
    assert calls[0] == CallDelta(0, "read_file", "")
    assert "".join(d.arguments for d in calls) == '{"path":"a.py"}'
    assert {d.name for d in calls[1:]} == {""}
    assert isinstance(reply, Reply)
    call = ToolCall("", "read_file", '{"path":"a.py"}', "call_0")
    assert reply.message == AssistantMessage("Let me look.", "They want", (call,), "calls")
    assert reply.model == "scripted"
    assert reply.timings.prompt_s == 0.0125
    assert reply.timings.predicted_s == 0.1
    assert 0 < reply.timings.first_token_s <= reply.timings.total_s
    assert reply.usage.prompt_tokens == len(server.requests[0].body) // 4


def test_a_request_says_only_what_it_must():
    _, server = talk(Turn(text="Hi"), api_key="sk-1", extra={"temperature": 0})
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers == {
        "host": request.headers["host"],
        "user-agent": "hob",
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "content-type": "application/json",
        "authorization": "Bearer sk-1",
        "content-length": str(len(request.body)),
    }
    assert msgspec.json.decode(request.body) == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "messages": [
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": "Hello?"},
        ],
    }


def test_a_growing_session_reuses_the_connection_and_the_cache():
    async def main():
        with serve(lambda answers: Turn(text=f"Answer {answers}")) as server:
            model = OpenAIChat(base_url=server.base_url, model="m")
            said, cached = [UserMessage("Question 0")], []
            for n in range(1, 6):
                reply = (await everything(model, ask(*said)))[-1]
                cached.append((reply.usage.cached_tokens, reply.usage.prompt_tokens))
                said += [reply.message, UserMessage(f"Question {n}")]
            await model.aclose()
            return cached, [request.body for request in server.requests], server.connections

    cached, bodies, connections = asyncio.run(main())
    assert connections == 1
    for before, after in pairwise(bodies):
        assert after.startswith(before[:-2])
    expected = [0, *((len(body) - 2) // 4 for body in bodies[:-1])]
    assert [tokens for tokens, _ in cached] == expected


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_every_way_of_writing_the_base_url_works(path):
    async def main():
        with serve([Turn(text="Hi")]) as server:
            model = OpenAIChat(base_url=server.base_url.removesuffix("/v1") + path, model="m")
            items = await everything(model)
            await model.aclose()
            return items[-1].message.text, server.requests[0].path

    assert asyncio.run(main()) == ("Hi", "/v1/chat/completions")


def test_nobody_there_is_unreachable():
    async def main():
        with serve([]) as server:
            base_url = server.base_url
        with pytest.raises(ModelError, match="start the model server") as caught:
            await everything(OpenAIChat(base_url=base_url, model="m"))
        return caught.value.kind

    assert asyncio.run(main()) == "unreachable"


def test_an_unknown_host_is_unreachable():
    async def main():
        model = OpenAIChat(base_url="http://no-such-host.invalid/v1", model="m")
        with pytest.raises(ModelError) as caught:
            await everything(model)
        await model.aclose()
        return caught.value.kind

    assert asyncio.run(main()) == "unreachable"


@pytest.mark.parametrize("base_url", ["ftp://x", "http://", "http://[", "http://a:99999"])
def test_what_is_no_address_is_refused(base_url):
    with pytest.raises(ModelError) as caught:
        OpenAIChat(base_url=base_url, model="m")
    assert caught.value.kind == "refused"


@pytest.mark.parametrize("key", ["sk-secret\r\nx: y", "sk-secret…"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key):
    with pytest.raises(ModelError) as caught:
        OpenAIChat(base_url="http://a/v1", model="m", api_key=key)
    assert caught.value.kind == "auth"
    assert "sk-secret" not in str(caught.value)


def test_no_first_token_in_time_is_a_timeout():
    with pytest.raises(ModelError, match="said nothing") as caught:
        talk(Turn(fault="hang_before_headers"), patience=HASTY)
    assert caught.value.kind == "timeout"


def test_heartbeats_are_no_first_token():
    with pytest.raises(ModelError, match="said nothing") as caught:
        talk(Turn(text="Hi", fault="heartbeats"), patience=Patience(first_token_s=0.01))
    assert caught.value.kind == "timeout"


def test_silence_between_tokens_is_a_timeout():
    with pytest.raises(ModelError, match="fell silent") as caught:
        talk(Turn(fault="hang_in_the_middle"), patience=HASTY)
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize("fault", ["hang_before_headers", "hang_in_the_middle"])
def test_the_deadline_of_a_request_ends_a_hang(fault):
    with pytest.raises(ModelError) as caught:
        talk(Turn(fault=fault), ask(deadline_s=0.2))
    assert caught.value.kind == "timeout"


def test_the_person_hears_of_a_long_wait():
    patience = Patience(notice_s=0.05)
    items, _ = talk(Turn(text="Hi", delay_s=0.3), patience=patience)
    notices = [item for item in items if isinstance(item, Notice)]
    assert notices
    assert all(notice.text.endswith("reading the prompt.") for notice in notices)
    assert len(notices) <= 4  # at most at 0.05, 0.15, 0.35, 0.75 s


def test_a_finished_answer_does_not_wait_for_a_slow_goodbye():
    """The finish reason was there; what never came after it cannot spoil the answer."""

    async def main():
        left = asyncio.Event()

        async def hold(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
            writer.write(piece(content="Done.") + chunk({"delta": {}, "finish_reason": "stop"}))
            await asyncio.wait({asyncio.ensure_future(reader.read(-1))})
            writer.transport.abort()
            await asyncio.wait({asyncio.ensure_future(writer.wait_closed())})
            left.set()

        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            model = OpenAIChat(
                base_url=f"http://127.0.0.1:{port}", model="m", patience=Patience(settle_s=0.1)
            )
            items = await everything(model)
            await model.aclose()
            await left.wait()
            return items[-1].message

    assert asyncio.run(main()) == AssistantMessage("Done.")


def test_a_wish_for_patience_arrives():
    with pytest.raises(ModelError) as caught:
        talk(Turn(fault="rate_limited", retry_after="0.5"))
    assert (caught.value.kind, caught.value.retry_after_s) == ("overloaded", 0.5)


def test_a_fault_can_be_had_a_few_times_only():
    async def main():
        with serve([Turn(text="Hi", fault="server_error", fault_times=2)]) as server:
            model = OpenAIChat(base_url=server.base_url, model="m")
            outcomes = []
            for _ in range(3):
                try:
                    outcomes.append((await everything(model))[-1].message.text)
                except ModelError as error:
                    outcomes.append(error.kind)
            await model.aclose()
            return outcomes

    assert asyncio.run(main()) == ["server", "server", "Hi"]


def test_a_compressed_answer_is_not_unfolded():
    with pytest.raises(ModelError, match="compressed answer"):
        talk(Turn(fault="gzip_bomb"))


# A socket left in a loop that is over can only be collected, and Python complains of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_adapter_outlives_its_event_loop():
    with serve([Turn(text="Hi")]) as server:
        model = OpenAIChat(base_url=server.base_url, model="m")
        texts = [asyncio.run(everything(model))[-1].message.text for _ in range(2)]
        asyncio.run(model.aclose())
    gc.collect()
    assert texts == ["Hi", "Hi"]


def test_an_idle_connection_that_the_server_dropped_is_not_used_again():
    async def main():
        with serve([Turn(text="Hi")]) as first:
            model = OpenAIChat(base_url=first.base_url, model="m")
            texts = [(await everything(model))[-1].message.text]
            port = int(first.base_url.split(":")[2].split("/")[0])
        with serve([Turn(text="Ho")], port=port):
            texts.append((await everything(model))[-1].message.text)
            await model.aclose()
        return texts

    assert asyncio.run(main()) == ["Hi", "Ho"]
