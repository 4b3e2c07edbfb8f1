"""Single moments of the loop, each as it should go."""

import asyncio
import json

import pytest

from hob.core import events as e
from hob.core.agent import Limits, ToolSpec
from hob.core.codec import open_entry
from hob.core.commands import Cancel, Prompt
from hob.core.deltas import Notice, OutputDelta
from hob.core.errors import HobError, InvariantBroken, ModelError
from hob.core.messages import (
    AssistantMessage,
    Details,
    Reply,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
)
from hob.core.permission import Action
from hob.loop.log import Log
from hob.loop.loop import run
from hob.loop.retry import verdict
from hob.loop.toolbox import MAX_CONTENT, Toolbox
from hob.stores.memory import MemoryBlobs
from loop.house import House, script


def played(house: House, *, limits: Limits | None = None) -> Log:
    async def main() -> Log:
        log = await house.open()
        await house.send(log, Prompt("p", "go", limits=limits or Limits()))
        await house.drive(log)
        await house.check(log)
        return log

    return asyncio.run(main())


def test_a_turn_with_tools():
    house = House(script([["read", "read"], ["write"]]))
    log = played(house)
    assert house.ran == [("read", 0), ("read", 1), ("write", 10)]
    assert [type(m) for m in log.session.messages] == [
        UserMessage,
        AssistantMessage,
        ToolMessage,
        ToolMessage,
        AssistantMessage,
        ToolMessage,
        AssistantMessage,
    ]
    assert log.session.outcome == "done"
    assert (log.session.totals.steps, log.session.totals.cached_tokens) == (3, 15)


def test_call_ids_are_unique_over_turns():
    def say(messages):
        if isinstance(messages[-1], UserMessage):
            return AssistantMessage(calls=(ToolCall("same", "read", "{}"),))
        return AssistantMessage("done")

    async def main():
        house = House(say)
        log = await house.open()
        for name in ("p1", "p2"):
            await house.send(log, Prompt(name, "go"))
            await house.drive(log)
        await house.check(log)

    asyncio.run(main())


def test_a_step_needs_three_appends_and_the_intent_of_a_tool_is_stored_with_its_verdict():
    house = House(script([["write"]]))
    sizes: list[list[str]] = []
    append = house.store.append

    async def counted(session_id, entries, durable):
        sizes.append(
            [type(r.event).__name__ for r in map(open_entry, entries)] + ["FULL"] * durable
        )
        await append(session_id, entries, durable)

    house.store.append = counted
    played(house)
    assert sizes == [
        ["SessionStarted", "FULL"],
        ["InputQueued", "FULL"],
        ["TurnStarted", "InputDelivered", "StepStarted"],
        ["StepFinished"],
        ["PermissionDecided", "ToolStarted", "FULL"],
        ["ToolFinished", "StepStarted", "FULL"],
        ["StepFinished", "TurnFinished", "FULL"],
    ]


def test_failures_are_tried_again_with_pauses_and_then_told():
    house = House(script([]), fail=2)
    log = played(house)
    assert log.session.outcome == "done"
    events = [item.event for item in house.told if isinstance(item, e.Recorded)]
    waits = [event.delay_s for event in events if isinstance(event, e.StepFailed)]
    assert waits == [0.5, 1.0]
    house = House(script([]), fail=99)
    log = played(house)
    assert (log.session.outcome, log.session.error_kind, log.session.reason) == (
        "failed",
        "unreachable",
        "Down.",
    )
    assert len(house.mind.seen) == 4


@pytest.mark.parametrize(
    ("kind", "retry_after_s", "attempt", "expected"),
    [
        ("timeout", None, 1, (False, 0.5)),
        ("timeout", None, 3, (False, 2.0)),
        ("timeout", None, 4, (True, 0.0)),
        ("overloaded", 7.0, 1, (False, 7.0)),
        ("overloaded", 9999.0, 1, (False, 120.0)),
        ("overloaded", -3.0, 1, (False, 0.0)),
        ("auth", None, 1, (True, 0.0)),
        ("refused", 1.0, 1, (True, 0.0)),
        ("context_overflow", None, 1, (True, 0.0)),
    ],
)
def test_when_to_try_again(kind, retry_after_s, attempt, expected):
    assert verdict(ModelError(kind, "x", retry_after_s), attempt, 4) == expected


class Endless:
    """A model or tool that never comes back by itself."""

    name = "endless"
    spec = ToolSpec("read", "", '{"type":"object"}', "read", "safe")

    announced = True

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.closed = False
        self.seen = []

    async def stream(self, request):
        try:
            yield Notice("thinking")
            self.begun.set()
            await asyncio.Event().wait()
            yield Reply(AssistantMessage("never"))
        finally:
            self.closed = True

    async def run(self, arguments, report):
        report("stderr", "so far")
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.closed = True
        return ToolResult("never")

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("what", ["model", "tool"])
def test_cancel_reaches_what_is_running(what):
    async def main():
        endless = Endless()
        house = House(script([["read"]]))
        if what == "model":
            house.mind = endless
        else:
            house.tools[1] = endless
        log = await house.open()
        await house.send(log, Prompt("p", "go"))
        running = asyncio.ensure_future(run(log, house.performer()))
        await endless.begun.wait()
        await house.send(log, Cancel())
        await asyncio.wait_for(running, 10)
        assert endless.closed
        assert log.session.outcome == "cancelled"
        if what == "tool":
            assert OutputDelta("1.0", "stderr", "so far") in house.told
            assert log.session.messages[-1].content.startswith("Stopped before it finished")

    asyncio.run(main())


@pytest.mark.parametrize("what", ["model", "tool"])
def test_the_wall_time_of_a_turn_ends_what_is_running(what):
    async def main():
        endless = Endless()
        house = House(script([["read"]]))
        if what == "model":
            house.mind = endless
        else:
            house.tools[1] = endless
        log = await house.open()
        await house.send(log, Prompt("p", "go", limits=Limits(max_wall_s=0.05)))
        house.clock.now_ms = lambda: 1_000_000 + 60 * len(house.told)
        await asyncio.wait_for(run(log, house.performer()), 10)
        assert endless.closed or what == "tool"
        assert log.session.outcome == "out_of_time"

    asyncio.run(main())


def test_two_writers_never_decide_on_the_same_state():
    async def main():
        house = House(script([]))
        log = await house.open()
        seen: list[int] = []

        def decide(session):
            seen.append(session.seq)
            return (e.SessionNamed(f"{session.seq}"),)

        await asyncio.gather(*(log.commit("s", decide) for _ in range(20)))
        assert seen == list(range(1, 21))

    asyncio.run(main())


def test_a_broken_write_stops_the_session_loudly():
    async def main():
        house = House(script([]))
        log = await house.open()

        async def full(session_id, entries, durable):
            raise OSError(28, "No space left on device")

        house.store.append = full
        with pytest.raises(OSError, match="No space"):
            await house.send(log, Prompt("p", "go"))
        with pytest.raises(InvariantBroken):
            await house.send(log, Prompt("p", "go"))
        assert not log.session.queue

    asyncio.run(main())


def test_a_log_with_a_gap_is_not_opened():
    async def main():
        house = House(script([]))
        log = await house.open()
        await house.send(log, Prompt("p", "go"))
        del house.store._logs["s"][0]
        with pytest.raises(HobError, match=r"no event 1: .* --at 0"):
            await house.open()

    asyncio.run(main())


def test_an_adapter_or_guard_or_tool_that_breaks_does_not_take_the_session_down():
    class Broken(Endless):
        async def stream(self, request):
            yield Notice("hm")
            raise ZeroDivisionError("adapter")

        async def run(self, arguments, report):
            raise ZeroDivisionError("tool")

        async def judge(self, action):
            raise ZeroDivisionError("guard")

    house = House(script([["read"]]))
    house.tools[1] = Broken()
    log = played(house)
    assert log.session.messages[2].content == "read failed: ZeroDivisionError: tool"
    house = House(script([["read"]]))
    house.guard = Broken()
    log = played(house)
    assert log.session.messages[2].content == "Denied. The guard failed: ZeroDivisionError: guard"
    assert not house.ran
    house = House(script([]))
    house.mind = Broken()
    log = played(house)
    assert log.session.outcome == "failed"
    assert "ZeroDivisionError: adapter" in log.session.reason


SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"path": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["path"],
        "additionalProperties": False,
    }
)


class Echo:
    spec = ToolSpec("read_file", "", SCHEMA, "read", "safe")

    async def run(self, arguments, report):
        return ToolResult(
            json.dumps(arguments), details=Details("o" * 40_000, "short", 0, {"a": 1})
        )


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("read_file", '{"path":"a","n":2}', {"path": "a", "n": 2}),
        ("read_file", '{"path":"a","n":"2"}', {"path": "a", "n": 2}),
        ("read_file", '"{\\"path\\": \\"a\\"}"', {"path": "a"}),
        ("read_file", '{"path":"a"', "read_file: the arguments are not valid JSON"),
        ("read_file", "[1]", "read_file: the arguments are list, not a JSON object"),
        ("read_file", "", "read_file: the parameter 'path' is missing"),
        ("read_file", '{"paht":"a"}', "'path'"),
        ("read_fil", "{}", "Unknown tool: read_fil. Did you mean 'read_file'?"),
        ("zzz", "{}", "Unknown tool: zzz. There are: read_file."),
    ],
)
def test_the_toolbox_checks_before_anybody_is_asked(name, arguments, expected):
    found = Toolbox([Echo()], MemoryBlobs()).check(ToolCall("1.0", name, arguments))
    if isinstance(expected, dict):
        assert found == Action("1.0", name, "read", expected)
    else:
        assert isinstance(found, ToolResult)
        assert expected in found.content
        assert found.is_error
        assert found.details.metadata["error"] == found.content


def test_long_output_goes_to_a_blob_and_its_ends_stay():
    blobs = MemoryBlobs()
    box = Toolbox([Echo()], blobs)
    result = asyncio.run(box.run(ToolCall("1.0", "read_file", '{"path":"a"}'), lambda *_: None))
    assert result.content == '{"path": "a"}'
    assert len(result.details.stdout) < MAX_CONTENT + 100
    assert "23616 characters cut here" in result.details.stdout
    assert result.details.stderr == "short"
    assert blobs.get(result.details.metadata["blobs"]["stdout"]) == b"o" * 40_000


def test_a_hundred_inputs_at_once_are_all_delivered():
    async def main():
        house = House(script([]))
        log = await house.open()
        for n in range(100):
            await house.send(log, Prompt(f"p{n}", f"{n}"))
        await house.drive(log)
        await house.check(log)
        assert [m.text for m in log.session.messages if isinstance(m, UserMessage)] == [
            str(n) for n in range(100)
        ]

    asyncio.run(main())
