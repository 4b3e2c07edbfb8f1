"""Broken arguments: mended where they have one meaning, refused where they have two or none."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core.schema import problems
from hob.models.tool_syntax import hint_for, repair_arguments
from models.tool_syntax_judge import DIALECTS, damages, draw_case, measure, read
from models.tool_syntax_tools import TOOLS, found

BY_NAME = {tool.name: tool for tool in TOOLS}
SCHEMA = BY_NAME["edit_file"].parameters
BASH = BY_NAME["bash"].parameters
EDIT = {"path": "a.py", "old": "x", "new": "y\n", "all": True}


@pytest.mark.parametrize(
    ("broken", "schema", "meant"),
    [
        ("{'path': 'a.py', 'old': 'x', 'new': 'y\\n', 'all': True}", SCHEMA, EDIT),
        ('{"path": "a.py", "old": "x", "new": "y\\n", "all": true,}', SCHEMA, EDIT),
        ('{path: "a.py", old: "x", new: "y\\n", all: true}', SCHEMA, EDIT),
        ('{"path": "a.py", "old": "x", "new": "y\n", "all": true}', SCHEMA, EDIT),
        ('{"path": "a.py", "old": "x", "new": "y\\n", "all": true', SCHEMA, EDIT),
        ('{"path": "a.py", "old": "x", "new": "y\\n", "all": true}}', SCHEMA, EDIT),
        ('```json\n{"path": "a.py", "old": "x", "new": "y\\n", "all": true}\n```', SCHEMA, EDIT),
        ('{“path”: “a.py”, “old”: “x”, “new”: "y\\n", “all”: true}', SCHEMA, EDIT),
        ('{"path": "a.py" "old": "x", "new": "y\\n" "all": true}', SCHEMA, EDIT),
        ('{"path": "a.py", "old": "x", "new": "y\\n", "all": true}</tool_call>', SCHEMA, EDIT),
        ('{"command": "grep -E "a|b" x.txt"}', BASH, {"command": 'grep -E "a|b" x.txt'}),
        ('{"command": "grep \\d+ \\$HOME"}', BASH, {"command": "grep \\d+ \\$HOME"}),
        ('{"command": "echo \'a\'", "timeout_s": None}', BASH, {"command": "echo 'a'", "timeout_s": None}),
        ("{'command': 'echo it\\'s'}", BASH, {"command": "echo it's"}),
        ("{'command': 'git commit -m \"it's\"'}", BASH, {"command": 'git commit -m "it\'s"'}),
        ('"{\'command\': \'ls\'}"', BASH, {"command": "ls"}),
        ('{"command": "tab\there"}', BASH, {"command": "tab\there"}),
        ('{"command": "\\ud83d\\ude80",}', BASH, {"command": "🚀"}),
        ('\ufeff{"command": "ls",}', BASH, {"command": "ls"}),
    ],
)  # fmt: skip
def test_arguments_with_one_meaning_are_mended(broken: str, schema: str, meant: dict[str, Any]):
    repaired = repair_arguments(broken, schema)
    assert repaired is not None
    assert json.loads(repaired) == meant


@pytest.mark.parametrize(
    "broken",
    [
        '{"command": "rm -rf /tm', '{"command": ', '{"command', '{"command": "a", "command": "b"}', "rm -rf /",
        '{"command": "a"; "b"}', '{"command": "echo "a", "b": 1"}', '{"command": ["a", "b "c" d"]}', '{"cmd": "ls",}',
        '["ls"', "42", '{"command": NaN}', '{"command": ls}', "{'command': 'a' + 'b'}", '{"command": "a"} and more',
        '{"command": "\\u12"}x', '{"command": "a" // b\n}', '{"command": f"a"}', "{", "[[[[", '{"command": "a" : "b"}',
    ],
)  # fmt: skip
def test_arguments_with_two_meanings_or_none_are_refused(broken: str):
    assert repair_arguments(broken, BASH) is None


@pytest.mark.parametrize(
    "whole", ["", "  ", "{}", '{"a": 1}', '{"command":"ls"  }', '"{\\"command\\": \\"ls\\"}"']
)
def test_what_the_loop_reads_itself_comes_back_byte_for_byte(whole: str):
    assert repair_arguments(whole, BASH) == whole


@given(st.text(max_size=60), st.data())
@settings(max_examples=300, deadline=None)
def test_no_cut_argument_text_becomes_a_shorter_string(command: str, data: st.DataObject):
    text = json.dumps({"command": command, "timeout_s": 3}, ensure_ascii=data.draw(st.booleans()))
    repaired = repair_arguments(text[: data.draw(st.integers(1, len(text)))], BASH)
    assert repaired is None or json.loads(repaired)["command"] == command


SIGNS = st.text(alphabet="{}[]\"'\\,: \n`abc=()<>1", max_size=40)


@given(SIGNS, SIGNS)
@settings(max_examples=500, deadline=None)
def test_no_text_breaks_the_parser(before: str, inside: str):
    for text in (
        before + inside, f"{before}<tool_call>{inside}</tool_call>", f"<function=bash>{inside}", f"[bash({inside})]",
        f"```json\n{inside}\n```", f"[TOOL_CALLS]bash[ARGS]{inside}", f"<|python_tag|>{inside}",
    ):  # fmt: skip
        for name, arguments in found(text) + found(text, "length"):
            assert name in BY_NAME
            assert isinstance(arguments, dict)
    repair_arguments(before + inside, BASH)


@given(st.text(), st.sampled_from(["path", "content"]))
@settings(max_examples=200, deadline=None)
def test_any_text_is_written_byte_for_byte_through_json(text: str, key: str):
    wanted = {"path": "a", "content": "b", key: text}
    call = json.dumps({"name": "write_file", "arguments": wanted})
    assert found(f"<tool_call>{call}</tool_call>") == [("write_file", wanted)]


# --- the second judge ------------------------------------------------------------------------------


def test_the_judge_finds_what_was_called_and_nothing_else():
    total, good, missed, invented, partial = measure(seed=4711, rounds=4)
    every = sum(total[name] for name in DIALECTS)
    assert (invented, partial) == ([], [])
    assert len(missed) <= 0.05 * every
    assert {name: good[name] for name in DIALECTS if good[name] < 0.9 * total[name]} == {}


@pytest.mark.parametrize("name", DIALECTS)
def test_what_is_whole_is_always_found(name: str):
    rng = random.Random(name)
    cases = [draw_case(rng, name, "") for _ in range(25)]
    assert [(case.text, read(case.text)) for case in cases if read(case.text) != case.calls] == []


def test_every_dialect_takes_some_damage():
    assert sum(len(damages(name)) for name in DIALECTS) > 100


# --- hints -----------------------------------------------------------------------------------------


def test_a_hint_names_the_tool_the_problem_and_an_example():
    assert hint_for("its arguments are not valid JSON", BY_NAME["edit_file"], "hermes") == (
        "Your call of 'edit_file' was not carried out: its arguments are not valid JSON. Send it again, whole, as a "
        "function call whose arguments are one JSON object (double quotes, line ends as \\n), like this: "
        '{"name": "edit_file", "arguments": {"path": "…", "old": "…", "new": "…"}}'
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_the_example_of_a_hint_fits_its_tool(tool: Any):
    hint = hint_for("cut", tool, "qwen3-coder")
    example, _ = json.JSONDecoder().raw_decode(hint[hint.index('{"name"') :])
    assert example["name"] == tool.name
    assert problems(json.loads(tool.parameters), example["arguments"]) == ""
