"""The contract of the `Model` port: one suite for every adapter."""

import asyncio
import time
import urllib.request
from contextlib import aclosing, asynccontextmanager

import pytest

from hob.core.deltas import CallDelta, Notice, ReasoningDelta, TextDelta
from hob.core.errors import RETRYABLE, ModelError
from hob.core.messages import AssistantMessage, Reply, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.anthropic import Anthropic
from hob.models.ollama import Ollama
from hob.models.openai_chat import OpenAIChat
from hob.models.patience import Patience
from hob.models.responses import Responses
from hob.models.scripted import FAULTS, Scripted, ScriptedCall, Turn, serve

READ = ScriptedCall("read_file", {"path": "README.md"})
WORDS = "Words that are long enough to be cut into more than one piece."


@asynccontextmanager
async def in_process(script):
    yield Scripted(script)


@asynccontextmanager
async def over_http(script, host="127.0.0.1", protocol=OpenAIChat):
    with serve(script) as server:
        model = protocol(
            base_url=server.base_url.replace("127.0.0.1", host),
            model="scripted",
            patience=Patience(first_token_s=None, between_tokens_s=None),
        )
        try:
            yield model
        finally:
            await model.aclose()


def over_the_general_transport(script):
    """Reach the same server under a name that is not taken for this machine's."""
    if urllib.request.getproxies():
        pytest.skip("a proxy is set, and the general transport honours it")
    return over_http(script, "127.1")


def over_messages(script):
    return over_http(script, protocol=Anthropic)


def over_responses(script):
    return over_http(script, protocol=Responses)


def over_ollama(script):
    return over_http(script, protocol=Ollama)


@pytest.fixture(
    params=[
        in_process,
        over_http,
        over_the_general_transport,
        over_messages,
        over_responses,
        over_ollama,
    ]
)
def adapter(request):
    return request.param


def ask(*messages, deadline_s=None):
    said = messages or (UserMessage("Hello?"),)
    return Request("s1", "You are brief.", (), tuple(said), deadline_s=deadline_s)


async def everything(model, request=None):
    async with aclosing(model.stream(request or ask())) as stream:
        return [item async for item in stream]


def call_once(adapter, turn, **request):
    async def main():
        async with adapter([turn]) as model:
            return await everything(model, ask(**request))

    return asyncio.run(main())


def test_it_has_a_name(adapter):
    async def main():
        async with adapter([]) as model:
            return model.name

    assert asyncio.run(main()) == "scripted"


def test_deltas_add_up_to_the_reply_that_comes_last_and_once(adapter):
    items = call_once(adapter, Turn(text=WORDS, reasoning="Thoughts " * 9, calls=(READ, READ)))
    *deltas, reply = items
    assert isinstance(reply, Reply)
    assert not any(isinstance(delta, Reply) for delta in deltas)

    def joined(kind):
        return "".join(delta.text for delta in deltas if isinstance(delta, kind))

    message = reply.message
    assert (joined(TextDelta), joined(ReasoningDelta)) == (message.text, message.reasoning)
    assert (message.text, message.reasoning) == (WORDS, "Thoughts " * 9)
    for index, call in enumerate(message.calls):
        mine = [d for d in deltas if isinstance(d, CallDelta) and d.index == index]
        assert mine[0].name == call.name
        assert "".join(d.arguments for d in mine) == call.arguments == READ.arguments_text
    assert len(message.calls) == 2
    assert message.stop == "calls"


def test_usage_and_times_are_told(adapter):
    reply = call_once(adapter, Turn(text=WORDS))[-1]
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens > 0
    assert 0 <= reply.timings.first_token_s <= reply.timings.total_s


def test_the_turn_depends_on_the_request_alone(adapter):
    """A restarted agent that sends the same request gets the same answer."""

    async def main():
        script = [Turn(calls=(READ,)), Turn(text="Second.")]
        async with adapter(script) as model:
            first = (await everything(model))[-1].message
            history = ask(UserMessage("Hello?"), first, ToolMessage("c", "read_file", "text"))
            second = [(await everything(model, history))[-1].message for _ in range(2)]
            again = (await everything(model))[-1].message
            return first, second, again

    first, second, again = asyncio.run(main())
    assert first == again
    assert second == [AssistantMessage("Second.")] * 2


def test_a_growing_prompt_is_reused(adapter):
    async def main():
        async with adapter([Turn(text="One."), Turn(text="Two.")]) as model:
            first = (await everything(model))[-1]
            more = ask(UserMessage("Hello?"), first.message, UserMessage("And?"))
            return first.usage, (await everything(model, more))[-1].usage

    first, second = asyncio.run(main())
    if adapter is over_ollama:  # it does not say what it reused
        assert (first.cached_tokens, second.cached_tokens) == (None, None)
        return
    assert first.cached_tokens == 0
    # Only what closes a body (brackets, a limit: 22 bytes at most) is not in the next one.
    assert first.prompt_tokens - 6 <= second.cached_tokens <= first.prompt_tokens
    assert second.cached_tokens < second.prompt_tokens


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_every_fault_ends_as_it_must(adapter, fault):
    """No hang, no exception of another kind, and no `Reply` after an error."""
    limit = {"deadline_s": 0.3} if fault.outcome == "timeout" else {}
    seen = []

    async def main():
        async with (
            adapter([Turn(text=WORDS, fault=fault.name)]) as model,
            aclosing(model.stream(ask(**limit))) as stream,
        ):
            async for item in stream:
                seen.append(item)

    if fault.outcome == "reply":
        asyncio.run(main())
        assert isinstance(seen[-1], Reply)
    else:
        with pytest.raises(ModelError) as caught:
            asyncio.run(main())
        assert caught.value.kind == fault.outcome
        text = str(caught.value)
        assert text.endswith(".")
        assert text.isprintable()
        assert not any(isinstance(item, Reply) for item in seen)


def test_there_is_a_fault_for_every_kind_that_a_server_can_cause():
    kinds = {fault.outcome for fault in FAULTS.values()} - {"reply"}
    assert kinds == RETRYABLE | {"auth", "refused", "context_overflow"}


@pytest.mark.parametrize(
    ("fault", "arguments"),
    [
        ("broken_arguments", '{"path":"README.md", oops'),
        ("double_encoded", '"{\\"path\\":\\"README.md\\"}"'),
        ("arguments_object", '{"path":"README.md"}'),
    ],
)
def test_arguments_are_handed_on_as_the_model_wrote_them(adapter, fault, arguments):
    message = call_once(adapter, Turn(calls=(READ,), fault=fault))[-1].message
    assert [call.arguments for call in message.calls] == [arguments]


def test_a_call_that_the_token_limit_cut_is_not_delivered(adapter):
    message = call_once(adapter, Turn(calls=(READ,), fault="length_in_call"))[-1].message
    assert message == AssistantMessage("", "", (), "length")


@pytest.mark.parametrize("fault", ["", "hang_before_headers", "hang_in_the_middle"])
def test_cancelling_ends_it_at_once(adapter, fault):
    async def main():
        async with adapter([Turn(text=WORDS * 9, gap_s=0.05, fault=fault)]) as model:
            task = asyncio.create_task(everything(model))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(asyncio.wait_for(main(), 10))


def test_closing_the_iterator_early_ends_it(adapter):
    async def main():
        async with adapter([Turn(text=WORDS * 9, gap_s=0.01)]) as model:
            async with aclosing(model.stream(ask())) as stream:
                first = await anext(stream)
            assert isinstance(first, TextDelta)
            return (await everything(model))[-1].message.text

    assert asyncio.run(asyncio.wait_for(main(), 30)) == WORDS * 9


@pytest.mark.parametrize("protocol", [OpenAIChat, Anthropic, Responses, Ollama])
def test_a_cancelled_call_closes_its_connection(protocol):
    async def main():
        with serve([Turn(text=WORDS * 9, gap_s=0.02)]) as server:
            model = protocol(base_url=server.base_url, model="m")
            async with aclosing(model.stream(ask())) as stream:
                await anext(stream)
            await asyncio.to_thread(server.left.wait, 10)
            await model.aclose()
            return server.dropped

    assert asyncio.run(main()) == 1


def test_waiting_costs_next_to_nothing():
    """A second of silence is at most a few wake-ups: milliseconds of CPU, server included."""

    async def main():
        with serve([Turn(text=WORDS, delay_s=1.0)]) as server:
            model = OpenAIChat(base_url=server.base_url, model="m", patience=Patience(notice_s=0.1))
            items = []
            async with aclosing(model.stream(ask())) as stream:
                items.append(await anext(stream))
                before = time.process_time()
                items.extend([item async for item in stream])
                spent = time.process_time() - before
            await model.aclose()
            return items, spent

    items, spent = asyncio.run(main())
    assert isinstance(items[0], Notice)
    assert spent < 0.1


def test_two_calls_at_once_do_not_disturb_each_other(adapter):
    async def main():
        def script(answers):
            return Turn(text=f"{answers} " * 20, gap_s=0.002, piece_chars=3)

        async with adapter(script) as model:
            first = ask(UserMessage("a"))
            second = ask(UserMessage("a"), AssistantMessage("b"), UserMessage("c"))
            both = await asyncio.gather(everything(model, first), everything(model, second))
            return [items[-1].message.text for items in both]

    assert asyncio.run(main()) == ["0 " * 20, "1 " * 20]
