"""Whatever a model server does wrong, a turn ends or goes on as specified: no hang, no tool from a partial call."""

import asyncio
import json

import pytest

from hob.core import events as e
from hob.core.agent import Agent, ToolSpec
from hob.core.commands import Prompt
from hob.core.errors import RETRYABLE
from hob.models.openai_chat import OpenAIChat
from hob.models.patience import Patience
from hob.models.scripted import FAULTS, ScriptedCall, Turn, serve
from loop.house import CountingTool, House, script

PARAMETERS = (
    '{"type":"object","properties":{"path":{"type":"string"},"start_line":{"type":"integer"},"n":{"type":"integer"}},'
    '"required":["path"],"additionalProperties":false}'
)
SPECS = tuple(
    ToolSpec(name, "", PARAMETERS, "execute", "never") for name in ("list_dir", "read_file")
)
CALL = ScriptedCall("read_file", {"path": "README.md", "n": 7})
PATIENCE = Patience(load_s=0.3, first_token_s=0.5, between_tokens_s=0.6, settle_s=0.3)

# In these the call that was asked for is not run: it never came whole, or never came.
NO_CALL = {"length_in_call"}


def play(fault: str, *, times: int) -> tuple[House, e.TurnFinished, list[e.Event]]:
    """One turn against a server with a fault: the first answer carries a call, the second ends."""

    async def main():
        first = Turn(
            text="I look.", calls=(CALL,), fault=fault, fault_times=times, retry_after="0.01"
        )
        with serve([first, Turn(text="Done.")]) as server:
            house = House(script([]))
            house.tools = [CountingTool(spec, house.ran) for spec in SPECS]
            model = OpenAIChat(base_url=server.base_url, model="m", patience=PATIENCE)
            house.mind = model
            log = await house.open()
            await log.commit(
                "s", lambda _: (e.SessionStarted("s", "/w", Agent("t", "Be good.", SPECS)),)
            )
            await house.send(log, Prompt("p", "go"))
            await asyncio.wait_for(house.drive(log), 60)
            await model.aclose()
            house.mind.seen = []
            await house.check(log)
            for arguments in sent_arguments([request.body for request in server.requests]):
                assert isinstance(json.loads(arguments), dict), "a strict server would refuse this"
            events = [r.event for r in await house.store.recorded()]
            return house, next(x for x in events if isinstance(x, e.TurnFinished)), events

    return asyncio.run(main())


def sent_arguments(bodies: list[bytes]) -> list[str]:
    messages = [message for body in bodies for message in json.loads(body)["messages"]]
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    return [call["function"]["arguments"] for call in calls]


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_that_stays(name):
    house, finished, events = play(name, times=0)
    expected = FAULTS[name].outcome
    if expected == "reply":
        assert finished.outcome == "done"
        return
    failures = [x for x in events if isinstance(x, e.StepFailed)]
    assert finished.outcome == "failed"
    assert finished.reason
    assert {x.error for x in failures} == {expected}
    assert len(failures) == (4 if expected in RETRYABLE else 1), "bounded retry"
    assert not house.ran, "a tool ran from a partial call"


@pytest.mark.parametrize(
    "name", sorted(name for name, fault in FAULTS.items() if fault.outcome in RETRYABLE)
)
def test_a_fault_that_passes_is_survived(name):
    house, finished, _ = play(name, times=2)
    assert finished.outcome == "done"
    assert [ran[0] for ran in house.ran] == ["read_file"]


@pytest.mark.parametrize(
    "name", sorted(name for name, fault in FAULTS.items() if fault.outcome == "reply")
)
def test_what_a_strange_answer_comes_to(name):
    house, _, events = play(name, times=1)
    results = [x.result for x in events if isinstance(x, e.ToolFinished)]
    expected = {
        "broken_arguments": "not valid JSON",
        "unknown_tool": "Unknown tool: no_such_tool",
    }
    if name in expected:
        assert not house.ran
        assert expected[name] in results[0].content
    elif name in NO_CALL:
        assert not house.ran
        assert any(isinstance(x, e.Nudged) and x.reason == "length" for x in events)
    else:
        assert house.ran[0] == ("read_file", 7)
        assert len(house.ran) == (
            2 if name in ("missing_ids", "repeated_ids", "missing_index", "two_calls") else 1
        )


def test_a_broken_call_is_answered_in_the_next_request():
    _, _, events = play("broken_arguments", times=0)
    step = next(x for x in events if isinstance(x, e.StepFinished))
    assert step.message.calls[0].arguments.endswith(", oops"), "kept byte for byte in the log"
