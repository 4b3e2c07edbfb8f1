"""Which requests the offline policy takes on, and what it says to the others."""

import asyncio

import pytest

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, Message, Reply, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.offline import moves
from hob.models.offline.errand import answer
from hob.models.offline.model import OfflineModel, next_step
from hob.models.offline.moves import Act, End
from hob.models.offline.wish import Wish, read_wish

TOOLS = frozenset({"bash", "read_file", "edit_file", "grep"})


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("make the tests pass", Wish("repair")),
        ("Fix the failing test", Wish("repair")),
        ("Please find and fix the bug.", Wish("repair")),
        ("the tests are failing", Wish("repair")),
        ("One test fails, can you see why?", Wish("repair")),
        ("fix the error in gcd.py", Wish("repair")),
        ("get everything green: make all tests pass", Wish("repair")),
        ("run the tests", Wish("run")),
        (
            "make `pytest tests/test_a.py -q` pass",
            Wish("repair", "pytest tests/test_a.py -q", ("tests/test_a.py",)),
        ),
        ("fix the bug in `gcd`", Wish("repair")),
        ("write a test for the parser", Wish()),
        ("explain the error handling", Wish()),
        ("add a --verbose flag", Wish()),
        ("rename foo to bar", Wish()),
        ("hello", Wish()),
        ("", Wish()),
    ],
)
def test_what_is_understood(text: str, wish: Wish) -> None:
    assert read_wish(text) == wish


def test_other_requests_get_one_sentence_that_names_the_way_out() -> None:
    move = next_step((UserMessage("write me a poem"),), TOOLS)
    assert move == End(moves.REFUSAL)
    assert "--base-url http://127.0.0.1:11434/v1 --model NAME" in move.text
    assert "failing Python tests" in move.text


def test_missing_tools_are_named() -> None:
    move = next_step((UserMessage("make the tests pass"),), frozenset({"read_file"}))
    assert isinstance(move, End)
    assert "`bash`" in move.text
    assert "`edit_file`" in move.text


@pytest.mark.parametrize(
    "words",
    [
        "bash was denied: no rule allows it",
        "Permission refused by the user",
        "this call is not allowed here",
    ],
)
def test_denied_bash_ends_the_turn_at_once(words: str) -> None:
    messages: tuple[Message, ...] = (UserMessage("make the tests pass"),)
    first = next_step(messages, TOOLS)
    assert isinstance(first, Act)
    call = ToolCall("c1", first.tool, first.arguments)
    messages += (
        AssistantMessage(first.text, calls=(call,), stop="calls"),
        ToolMessage("c1", "bash", words, is_error=True),
    )
    assert next_step(messages, TOOLS) == End(moves.DENIED)
    assert "--permission-mode full" in moves.DENIED


def test_a_lost_answer_is_asked_for_once_more_and_then_given_up() -> None:
    messages: tuple[Message, ...] = (UserMessage("make the tests pass"),)
    for number in range(2):
        step = next_step(messages, TOOLS)
        assert isinstance(step, Act)
        call = ToolCall(f"c{number}", step.tool, step.arguments)
        lost = ToolMessage(
            call.call_id, "bash", "exit code: None (killed at its time limit)", is_error=True
        )
        messages += (AssistantMessage(step.text, calls=(call,), stop="calls"), lost)
    last = next_step(messages, TOOLS)
    assert isinstance(last, End)
    assert "No file was changed" in last.text


def test_a_new_request_after_the_end_starts_afresh() -> None:
    start: tuple[Message, ...] = (UserMessage("write me a poem"), AssistantMessage(moves.REFUSAL))
    again = next_step((*start, UserMessage("make the tests pass")), TOOLS)
    assert again == next_step((UserMessage("make the tests pass"),), TOOLS)


def test_words_on_the_way_do_not_derail_it_but_stop_stops() -> None:
    messages: tuple[Message, ...] = (UserMessage("make the tests pass"),)
    step = next_step(messages, TOOLS)
    assert next_step((*messages, UserMessage("be quick about it")), TOOLS) == step
    stopped = next_step((*messages, UserMessage("stop")), TOOLS)
    assert isinstance(stopped, End)
    assert "No file was changed" in stopped.text


def test_calls_of_another_model_are_not_mistaken_for_its_own() -> None:
    call = ToolCall("x", "bash", '{"command":"ls"}')
    messages: tuple[Message, ...] = (
        UserMessage("make the tests pass"),
        AssistantMessage("", calls=(call,), stop="calls"),
        ToolMessage("x", "bash", 'HOB-OFFLINE 1/1 {"problem":"no tests"}'),
    )
    assert next_step(messages, TOOLS) == next_step(messages[:1], TOOLS)


@pytest.mark.parametrize(
    ("content", "report"),
    [
        ('exit code: 0\nHOB-OFFLINE 1/1 {"a":1}\nstderr:', {"a": 1}),
        ('| HOB-OFFLINE 1/2 {"a":\nnoise\n| HOB-OFFLINE 2/2 1}', {"a": 1}),
        ('HOB-OFFLINE 1/2 {"a":', None),
        ("HOB-OFFLINE 1/1 [1]", None),
        ("HOB-OFFLINE 1/1 {", None),
        ("nothing", None),
    ],
)
def test_reports_are_read_whole_or_not_at_all(content: str, report: object) -> None:
    assert answer(content) == report


def test_the_stream_ends_with_one_reply_and_one_call() -> None:
    async def collect() -> list[object]:
        model = OfflineModel()
        tools = tuple(ToolSpec(name, "", "{}") for name in sorted(TOOLS))
        request = Request("s", "", tools, (UserMessage("make the tests pass"),))
        found: list[object] = [piece async for piece in model.stream(request)]
        await model.aclose()
        return found

    pieces = asyncio.run(collect())
    reply = pieces[-1]
    assert isinstance(reply, Reply)
    assert reply.model == "offline"
    assert [call.name for call in reply.message.calls] == ["bash"]
    assert sum(isinstance(piece, Reply) for piece in pieces) == 1
