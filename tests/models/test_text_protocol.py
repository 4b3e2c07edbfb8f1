"""Calls in prose: what is carried out, what is only quoted, and a prompt that grows at its tail."""

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core.agent import ToolSpec
from hob.core.deltas import Notice, TextDelta
from hob.core.messages import (
    AssistantMessage,
    Message,
    Reply,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from hob.core.ports import Model
from hob.core.request import Request
from hob.models.architect import HANDOVER, Architect
from hob.models.prose_calls import calls_in
from hob.models.protocol_text import EDIT_NOW
from hob.models.render import ENDING, Renderer
from hob.models.scripted import Scripted, ScriptedCall, Turn
from hob.models.text_protocol import TextProtocol

TOOLS = (
    ToolSpec("bash", "Run a command.", '{"type":"object","properties":{"command":{}}}'),
    ToolSpec("edit_file", "Edit.", '{"type":"object","properties":{"path":{}}}'),
    ToolSpec(
        "read_file",
        "Read a file.",
        '{"type":"object","properties":{"path":{},"start_line":{}},"required":["path"]}',
    ),
)
BLOCK = "a.py\n```python\n<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE\n```\n"
BASH = "```bash\nls -l\n```\n"
TOOL = '```tool\n{"name": "read_file", "arguments": {"path": "a.py"}}\n```\n'


def found(text: str, edit_format: str = "diff", stop: Any = "end") -> list[tuple[str, Any]]:
    calls = calls_in(text, edit_format, stop)
    return [(one.name, json.loads(one.arguments)) for one in calls]


EDIT = ("apply_edits", {"reply": BLOCK, "format": "diff"})
LS = ("bash", {"command": "ls -l"})
READ = ("read_file", {"path": "a.py"})


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("Done, all is well.", []),
        (BASH, [LS]),
        (f"I look.\n\n{TOOL}\nand\n{BASH}", [READ, LS]),
        (f"First:\n{BLOCK}\nThen:\n{BASH}", [EDIT, LS]),
        (f"{BASH}{BLOCK}{TOOL}", [LS, EDIT, READ]),
        ("```bash\ncat <<'E'\na\n\n  b\nE\n```", [("bash", {"command": "cat <<'E'\na\n\n  b\nE"})]),
        ("````bash\necho '```'\n````", [("bash", {"command": "echo '```'"})]),
        ("```tool\n{\"name\": \"glob\"}\n```", [("glob", {})]),
        ("```tool\n{\"name\": \"glob\", \"arguments\": {\"a\": 1}}", [("glob", {"a": 1})]),
        # Quoted, thought, shown as an example: nothing of it is meant.
        ("    ```bash\n    rm -rf /\n    ```\n", []),
        ("> ```bash\n> rm -rf /\n> ```\n", []),
        (f"````markdown\n{BASH}{BLOCK}````\n", []),
        (f"<think>\nI could\n{BASH}{BLOCK}</think>\nNo.", []),
        (f"<think>\n{TOOL}</think>\n{BASH}", [LS]),
        (f"perhaps\n{TOOL}</think>\n{BASH}", [LS]),
        (f"<think>never closed\n{BASH}", []),
        ("```sh\nls\n```\n```\nls\n```\n```console\n$ ls\n```\n```python\nx\n```\n", []),
        ("Run `python app.py`.", []),
        ("```bash\n\n```\n", []),
        # In a block everything is content.
        (
            BLOCK.replace("x = 2", "x = 2\n```bash\nrm -rf /\n```\n<think>"),
            [("apply_edits", {"reply": BLOCK.replace("x = 2", "x = 2\n```bash\nrm -rf /\n```\n<think>"),
                              "format": "diff"})],
        ),
        # What the model left open is refused by its tool, and nothing else of the answer is run.
        ("```bash\nls", [("bash", {"unclosed_fence": "ls"})]),
        (f"{BASH}{BLOCK[:40]}", [("apply_edits", {"reply": BASH + BLOCK[:40], "format": "diff"})]),
    ],
)  # fmt: skip
def test_what_is_meant_is_called_in_order(text: str, calls: list[tuple[str, Any]]):
    assert found(text) == calls


def test_edits_of_one_answer_are_one_call():
    assert found(f"One:\n{BLOCK}Two:\n{BLOCK}") == [
        ("apply_edits", {"reply": BLOCK + BLOCK, "format": "diff"})
    ]


@pytest.mark.parametrize(
    ("edit_format", "edits"),
    [
        ("whole", "a.py\n```python\nx = 2\n```\n"),
        ("whole", "run.sh\n```bash\nls\n```\n"),
        ("udiff", "```diff\n--- a/a.py\n+++ b/a.py\n@@ ... @@\n-x = 1\n+x = 2\n```\n"),
        ("diff-fenced", "```python\n" + BLOCK.replace("```python\n", "")),
    ],
)
def test_every_format_is_one_call(edit_format: str, edits: str):
    assert found(f"So:\n\n{edits}\n{BASH}", edit_format) == [
        ("apply_edits", {"reply": edits, "format": edit_format}), LS,
    ]  # fmt: skip


def test_a_bad_tool_fence_is_passed_on_to_be_refused():
    (call,) = calls_in('```tool\n{"name": "read_file", "arguments": {"path": \n```', "diff")
    assert (call.name, call.arguments) == (
        "read_file",
        '{"name": "read_file", "arguments": {"path": ',
    )


@given(st.integers(0, len(BASH + BLOCK) - 2))
def test_a_cut_answer_never_calls_from_the_block_it_was_cut_in(cut: int):
    text = (BASH + BLOCK)[:cut]
    calls = found(text, stop="length")
    assert calls in ([], [LS])
    assert not calls or cut >= len(BASH) - 1


def test_words_after_whole_blocks_may_be_cut():
    assert found(f"{BLOCK}{BASH}\nNow I wil", stop="length") == [EDIT, LS]


# --- the prompt ----------------------------------------------------------------------------------

words = st.text(max_size=8)
answers = st.sampled_from(["", "Hm.", BASH, BLOCK, f"{BLOCK}{BASH}", TOOL, "<think>a</think>b"])


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[Message, ...]]:
    """Return what a session asks with, request by request."""
    said: list[Message] = []
    asked: list[tuple[Message, ...]] = []
    for step in range(draw(st.integers(1, 6))):
        said += [UserMessage(draw(words)) for _ in range(draw(st.integers(0 if said else 1, 2)))]
        asked.append(tuple(said))
        text = draw(answers)
        calls = calls_in(text, "diff")
        if draw(st.booleans()):
            calls += (ToolCall("", "native", draw(st.sampled_from(['{"a": 1}', "{", ""]))),)
        named = tuple(ToolCall(f"{step}.{n}", c.name, c.arguments) for n, c in enumerate(calls))
        said.append(AssistantMessage(text, draw(words), named))
        said += [ToolMessage(c.call_id, c.name, draw(words)) for c in named]
    return asked


async def listen(model: Model, request: Request) -> list[Any]:
    return [part async for part in model.stream(request)]


def requests_of(protocol: TextProtocol, asked: Sequence[tuple[Message, ...]]) -> list[Request]:
    return [protocol._in_words(Request("s", "Be brief.", TOOLS, one)) for one in asked]  # pyright: ignore[reportPrivateUsage]


@settings(deadline=None, max_examples=60)
@given(conversations())
def test_the_prompt_only_grows_at_its_tail(asked: list[tuple[Message, ...]]):
    protocol, renderer = TextProtocol(Scripted([]), "diff"), Renderer("m")
    requests = requests_of(protocol, asked)
    bodies = [renderer.render(one) for one in requests]
    for before, after in pairwise(bodies):
        assert after.startswith(before.removesuffix(ENDING))
    # A resumed session, which has rendered nothing yet, sends the same bytes.
    (fresh,) = requests_of(TextProtocol(Scripted([]), "diff"), asked[-1:])
    assert Renderer("m").render(fresh) == bodies[-1]
    assert all(isinstance(one, UserMessage | AssistantMessage) for one in fresh.messages)
    assert fresh.tools == ()


def test_the_request_is_words_only():
    call = ToolCall("1.0", *LS[:1], json.dumps(LS[1]), "")
    said = (
        UserMessage("Hi"),
        AssistantMessage(BASH, "", (call, ToolCall("1.1", "glob", '{"a":1}', "w"))),
        ToolMessage("1.0", "bash", "exit code 0"),
        ToolMessage("1.1", "glob", "none", is_error=True),
    )
    (request,) = requests_of(TextProtocol(Scripted([]), "diff"), [said])
    assert request.messages == (
        UserMessage("Hi"),
        AssistantMessage(f'{BASH}\n\n```tool\n{{"name": "glob", "arguments": {{"a":1}}}}\n```'),
        UserMessage("[result of bash]\nexit code 0\n\n[result of glob, failed]\nnone"),
    )
    assert request.instructions.startswith("Be brief.\n\n# How you act\n")
    assert "\n- read_file(path, start_line?): Read a file.\n" in request.instructions
    assert "- edit_file" not in request.instructions
    assert "<<<<<<< SEARCH" in request.instructions


def test_text_stays_as_the_model_wrote_it_beside_its_calls():
    text = f"So:  \n\n{BLOCK}{BASH}"
    model = TextProtocol(Scripted([Turn(text=text)]), "diff")
    *deltas, reply = asyncio.run(listen(model, Request("s", "", TOOLS, (UserMessage("go"),))))
    assert "".join(one.text for one in deltas if isinstance(one, TextDelta)) == text
    assert isinstance(reply, Reply)
    assert (reply.message.text, reply.message.stop) == (text, "calls")
    assert [one.name for one in reply.message.calls] == ["apply_edits", "bash"]


# --- the architect -------------------------------------------------------------------------------

PLAN = "```plan\nIn a.py set x to 2.\n```\n"


def test_a_plan_goes_to_the_editor_and_its_edits_are_the_call():
    planner, editor = (
        Scripted([Turn(text=PLAN)], "big"),
        Scripted(lambda _: Turn(text=BLOCK), "small"),
    )
    request = Request("s", "Be brief.", TOOLS, (UserMessage("go"),))
    *deltas, reply = asyncio.run(listen(Architect(planner, editor), request))
    assert isinstance(reply, Reply)
    assert reply.message.text == f"{PLAN}{HANDOVER}{BLOCK}"
    assert [(c.name, json.loads(c.arguments)) for c in reply.message.calls] == [EDIT]
    assert Notice("The plan of 'big' goes to the editor 'small'.") in deltas
    assert [tool.name for tool in planner.requests[0].tools] == ["bash", "read_file"]
    (asked,) = editor.requests
    assert asked.tools == ()
    assert asked.messages == (UserMessage("go"), AssistantMessage(PLAN), UserMessage(EDIT_NOW))


def test_both_prompts_of_the_architect_only_grow():
    read = ScriptedCall("read_file", {"path": "a.py"})
    planner = Scripted([Turn(calls=(read,)), Turn(text=PLAN), Turn(text=PLAN), Turn(text="Done.")])
    editor = Scripted(lambda answers: Turn(text=BLOCK))
    model = Architect(planner, editor)

    async def turn() -> list[str]:
        said: list[Message] = [UserMessage("go")]
        texts: list[str] = []
        for step in range(4):
            parts = await listen(model, Request("s", "Be brief.", TOOLS, tuple(said)))
            message = parts[-1].message
            calls = tuple(
                ToolCall(f"{step}.{n}", c.name, c.arguments) for n, c in enumerate(message.calls)
            )
            said.append(AssistantMessage(message.text, "", calls))
            said += [ToolMessage(c.call_id, c.name, "done") for c in calls]
            texts.append(message.text)
        return texts

    assert asyncio.run(turn()) == ["", *[f"{PLAN}{HANDOVER}{BLOCK}"] * 2, "Done."]
    for double in (planner, editor):
        bodies = [Renderer("m").render(one) for one in double.requests]
        assert len(bodies) == (4 if double is planner else 2)
        for before, after in pairwise(bodies):
            assert after.startswith(before.removesuffix(ENDING))


def test_a_cut_editor_calls_nothing():
    editor = Scripted(lambda _: Turn(text=BLOCK[:30], finish_reason="length"))
    model = Architect(Scripted([Turn(text=PLAN)]), editor)
    reply = asyncio.run(listen(model, Request("s", "", (), (UserMessage("go"),))))[-1]
    assert (reply.message.calls, reply.message.stop) == ((), "length")
