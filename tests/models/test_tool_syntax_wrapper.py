"""The second parser around a real adapter and a real server: what the loop gets, and a prompt that only grows."""

import asyncio
import json
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from hob.core.deltas import Delta, ReasoningDelta, TextDelta
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Message, Reply, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.openai_chat import OpenAIChat
from hob.models.render import ENDING
from hob.models.scripted import Scripted, ScriptedCall, Turn, serve
from hob.models.tool_syntax import SecondParser
from models.tool_syntax_tools import TOOLS

LS = ToolCall("", "bash", '{"command": "ls -l"}')
FRAME = '<tool_call>\n{"name": "bash", "arguments": {"command": "ls -l"}}\n</tool_call>'


def ask(*messages: Message, tools: Any = TOOLS) -> Request:
    return Request("s1", "You are brief.", tools, messages or (UserMessage("Go."),))


async def everything(model: Any, request: Request) -> list[Delta | Reply]:
    async with aclosing(model.stream(request)) as stream:
        return [item async for item in stream]


def answered(turn: Turn, tools: Any = TOOLS) -> tuple[SecondParser, list[Delta | Reply]]:
    """Return the wrapper and what it yields for one answer of a server over HTTP."""

    async def main() -> tuple[SecondParser, list[Delta | Reply]]:
        with serve([turn]) as server:
            model = SecondParser(OpenAIChat(base_url=server.base_url, model="scripted"))
            try:
                return model, await everything(model, ask(tools=tools))
            finally:
                await model.aclose()

    return asyncio.run(main())


def message(turn: Turn) -> tuple[SecondParser, AssistantMessage]:
    model, items = answered(turn)
    assert isinstance(items[-1], Reply)
    return model, items[-1].message


def test_calls_left_in_the_text_reach_the_loop():
    model, items = answered(Turn(text=f"I look.\n\n{FRAME}", usage={"prompt_tokens": 7}))
    reply = items[-1]
    assert isinstance(reply, Reply)
    assert reply.message == AssistantMessage("I look.", "", (LS,), "calls")
    assert reply.usage.prompt_tokens == 7
    assert "".join(one.text for one in items if isinstance(one, TextDelta)) == f"I look.\n\n{FRAME}"
    assert (model.recovered, model.dialect, model.problem, model.name) == (
        1,
        "hermes",
        "",
        "scripted",
    )


@pytest.mark.parametrize(
    "turn",
    [
        Turn(text="Done; see `<tool_call>`."),
        Turn(text="I look.", calls=(ScriptedCall("bash", '{"command":"ls"}'),)),
        Turn(text="", calls=(ScriptedCall("bash", ""),)),
        Turn(text="", calls=(ScriptedCall("unknown", "{'a"),)),
        Turn(text=f"```text\n{FRAME}\n```", reasoning=f"Maybe\n{FRAME}"),
        Turn(text="Done.", reasoning=FRAME),
    ],
)
def test_what_needs_no_second_look_is_handed_on_as_it_came(turn: Turn):
    plain = asyncio.run(everything(Scripted([turn]), ask()))
    model, items = answered(turn)
    assert isinstance(plain[-1], Reply)
    assert isinstance(items[-1], Reply)
    assert (items[-1].message, model.recovered) == (plain[-1].message, 0)


def test_without_tools_nothing_is_a_call():
    _, items = answered(Turn(text=FRAME), tools=())
    assert isinstance(items[-1], Reply)
    assert items[-1].message == AssistantMessage(FRAME)


def test_broken_arguments_are_mended_and_the_id_stays():
    model, said = message(Turn(calls=(ScriptedCall("bash", "{'command': 'ls -l'}"),)))
    assert said.calls == (replace(LS, wire_id="call_0"),)
    assert (said.stop, model.recovered, model.dialect) == ("calls", 1, "native")


def test_a_name_with_marks_around_it_is_made_plain():
    _, said = message(
        Turn(calls=(ScriptedCall("functions.bash<|channel|>json", '{"command":"ls"}'),))
    )
    assert said.calls == (ToolCall("", "bash", '{"command":"ls"}', "call_0"),)


def test_half_a_string_is_handed_on_to_be_refused():
    model, said = message(Turn(calls=(ScriptedCall("bash", '{"command": "rm -rf /tm'),)))
    assert [call.arguments for call in said.calls] == ['{"command": "rm -rf /tm']
    assert (model.recovered, model.problem, model.tool) == (
        0,
        "its arguments are not valid JSON",
        "bash",
    )


def test_an_answer_that_was_cut_keeps_whole_calls_and_says_that_it_was_cut():
    model, said = message(Turn(text=f"{FRAME}\n{FRAME[:30]}", finish_reason="length"))
    assert (said.calls, said.stop) == ((LS,), "length")
    assert "cut" in model.problem


def test_a_call_that_could_not_be_read_is_named_and_forgotten_with_the_next_answer():
    async def main() -> list[tuple[str, str]]:
        model = SecondParser(Scripted([Turn(text=FRAME[:50]), Turn(text="Done.")]))
        seen: list[tuple[str, str]] = []
        asked = ask(UserMessage("Go."))
        for variation in (0, 1):
            with pytest.raises(ModelError, match="Send it again, whole") as caught:
                await everything(model, replace(asked, variation=variation))
            assert caught.value.kind == "malformed"
        items = await everything(model, replace(asked, variation=2))
        assert items[-1].message == AssistantMessage(FRAME[:50], stop="gave_up")
        seen.append((model.problem, model.tool))
        await everything(model, ask(UserMessage("Go."), AssistantMessage("x"), UserMessage("On.")))
        seen.append((model.problem, model.tool))
        return seen

    assert asyncio.run(main()) == [("its frame or its arguments are cut off", "bash"), ("", "")]


@pytest.mark.parametrize("text", ["", "Hm."])
def test_a_call_behind_the_thoughts_but_taken_for_one_is_found(text: str):
    thoughts = "I look.\n</think>\n\n"
    model, items = answered(Turn(text=text, reasoning=f"{thoughts}{FRAME}"))
    reply = items[-1]
    assert isinstance(reply, Reply)
    assert (reply.message.calls, reply.message.stop) == ((LS,), "calls")
    assert reply.message.reasoning == "I look.\n</think>"
    assert any(isinstance(one, ReasoningDelta) for one in items)
    assert model.recovered == 1


@pytest.mark.parametrize("thoughts", [FRAME, f"{FRAME}\n</think>\n", f"<think>\n{FRAME}", ""])
def test_nothing_but_thoughts_stays_an_error(thoughts: str):
    with pytest.raises(ModelError) as raised:
        answered(Turn(reasoning=thoughts))
    assert raised.value.kind == "empty"


def test_the_prompt_only_grows_and_the_history_holds_calls_and_no_frames():
    async def main() -> list[bytes]:
        turns = [Turn(text=f"I look.\n{FRAME}"), Turn(text=FRAME), Turn(text="Done.")]
        with serve(turns) as server:
            model = SecondParser(OpenAIChat(base_url=server.base_url, model="scripted"))
            said: list[Message] = [UserMessage("Go.")]
            for number in range(3):
                reply = (await everything(model, ask(*said)))[-1]
                assert isinstance(reply, Reply)
                calls = tuple(replace(one, call_id=f"c{number}") for one in reply.message.calls)
                said.append(replace(reply.message, calls=calls))
                said += [ToolMessage(call.call_id, call.name, "a.py") for call in calls]
            await model.aclose()
            return [received.body for received in server.requests]

    bodies = asyncio.run(main())
    assert all(later.startswith(body.removesuffix(ENDING)) for body, later in pairwise(bodies))
    last = json.loads(bodies[-1])["messages"]
    assert [one["content"] for one in last if one["role"] == "assistant"] == ["I look.", ""]
    assert [
        one["tool_calls"][0]["function"]["arguments"] for one in last if "tool_calls" in one
    ] == [LS.arguments] * 2
