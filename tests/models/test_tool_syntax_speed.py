"""Hostile text costs time in proportion to its length, and an ordinary answer next to nothing."""

# ruff: noqa: E501 (a row of a table is one thing to read)

import time
from collections.abc import Callable
from functools import partial

import pytest

from hob.models.tool_syntax import calls_in_text, repair_arguments
from models.tool_syntax_tools import TOOLS

BAR, LOW = "\uff5c", "\u2581"
DEEP = f"<{BAR}tool{LOW}call{LOW}begin{BAR}>"
PIECES = [
    "<tool_call>", '<tool_call>{"', '<tool_call>{"name": "bash", "arguments": {"command": "',
    'x <tool_call>{"name": "bash", "arguments": {"command": "\n', "\n<tool_call>\n{", "<tool_call>bash\n<arg_key>",
    "<tool_call>bash\n<arg_key>a</arg_key><arg_value>", "<function=bash><parameter=command>", "\n<function=bash>\n",
    "<function=bash>\n<parameter=command>\nx\n</parameter>\n", "</parameter>", "</parameter>\n</function>\n", "[TOOL_CALLS]",
    "[TOOL_CALLS]bash[ARGS]{", "[TOOL_CALLS] [{\"name\": ", "[bash(", "[bash(command='", "\n[bash(command=\"a\"), ",
    "{", "[", "\n{", '\n{"name": "bash", "arguments": ', '"', "'", '" ', '", "', "\\", "`", "``x`", "```\n", "```json\n{\n",
    "```json\n{\"name\": \"bash\"\n```\n", "```x\n</think>\n", "~~~\n````\n", "<think>", "</think>\n", "x <think>", "\n> ",
    ">>>bash\n", ">>>bash\n{", "<|channel|>", "<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>commentary to=",
    "commentary to=functions.bash json{", DEEP, f"{DEEP}bash<{BAR}tool{LOW}sep{BAR}>{{", "<|tool_call_begin|>functions.bash:0",
    "<|python_tag|>", "<|python_tag|>{\"name\": ", "call:bash{a:<escape>", "<start_function_call>call:bash{command:<escape>",
    "<|START_ACTION|>[", "Action: ```json\n", " ", "\n", "\t", "a", "a.b-", "<arg_key>", "<parameter ", "<function name=",
    "<|im_end|>", " <", "<invoke name=\"bash\">", "functools[", "“", "\u00a0", "Let me look.\n<tool_call>{}</tool_call>\n",
]  # fmt: skip
SMALL, LARGE = 8_000, 48_000
LEAST_S = 0.004  # what is faster is not measured


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of one run, the least of two."""
    taken: list[float] = []
    for _ in range(2):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def text_of(piece: str, size: int, ending: str = "") -> str:
    return (piece * (size // len(piece) + 1))[:size] + ending


def growth(work: Callable[[str], object], texts: tuple[str, str]) -> float:
    """Return how many times longer the second text takes than its length alone explains."""
    small, large = (max(seconds(partial(work, text)), LEAST_S) for text in texts)
    return large / small / (len(texts[1]) / len(texts[0]))


def look(text: str) -> object:
    return calls_in_text(text, TOOLS, "end")


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("ending", ["", '\n</tool_call>"}'])
def test_time_grows_with_the_length_and_no_faster(piece: str, ending: str):
    assert growth(look, (text_of(piece, SMALL, ending), text_of(piece, LARGE, ending))) < 2.5


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
def test_two_hundred_kilobytes_grow_no_faster(piece: str):
    assert growth(look, (text_of(piece, 25_000), text_of(piece, 200_000))) < 2.5


@pytest.mark.parametrize(
    "piece", ['"', '\\"', "{", '{"a": ', "'", '", "', "}", "<", "x", "\n", "[[", '"a" ', "\"b' "]
)
def test_arguments_are_repaired_in_the_same_bounds(piece: str):
    small, large = (f'{{"command": "{text_of(piece, size)}}}' for size in (SMALL, LARGE))
    assert growth(lambda text: repair_arguments(text, "{}"), (small, large)) < 2.5


def test_an_answer_without_a_mark_costs_one_look():
    text = "The tests pass now; `a.py` has a < b and f(x) in it.\n" * 4_000
    assert seconds(partial(look, text)) < 20 * max(seconds(text.split), 0.001)
