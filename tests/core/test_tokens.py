"""The token estimate beside what real tokenizers counted, and what every estimate must hold.

`token_samples.json` was made after the weights were fitted, from other texts: written for it, made by
chance, or the output of this repository's own tools. The counts are from the published vocabularies.
"""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from hob.core.tokens import Ratio, estimate_head, estimate_message, estimate_tokens

SAMPLES: list[dict[str, Any]] = msgspec.json.decode(
    (Path(__file__).parent / "token_samples.json").read_bytes()
)
KINDS = sorted({sample["kind"] for sample in SAMPLES})
# Vocabularies of 100k and more, which today's models have.
REFERENCE = ("llama-3", "gpt-4o", "qwen-2.5")
any_text = st.text(st.characters(), max_size=300)
counts = st.integers(1, 10**6)


def reference(sample: dict[str, Any]) -> float:
    product = 1.0
    for name in REFERENCE:
        product *= sample["tokens"][name]
    return product ** (1 / len(REFERENCE))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_text_is_within_a_fifth(kind: str) -> None:
    samples = [sample for sample in SAMPLES if sample["kind"] == kind]
    ratios = {s["name"]: estimate_tokens(s["text"]) / reference(s) for s in samples}
    assert 0.8 <= sum(ratios.values()) / len(ratios) <= 1.2, ratios
    assert all(0.7 <= ratio <= 1.4 for ratio in ratios.values()), ratios


def test_most_texts_are_within_a_fifth_and_the_middle_is_right() -> None:
    ratios = sorted(estimate_tokens(s["text"]) / reference(s) for s in SAMPLES)
    assert sum(abs(ratio - 1) <= 0.2 for ratio in ratios) >= 0.85 * len(ratios)
    assert 0.95 <= ratios[len(ratios) // 2] <= 1.1


@given(any_text, any_text)
def test_the_parts_of_a_text_are_about_the_whole(first: str, second: str) -> None:
    whole = estimate_tokens(first + second)
    parts = estimate_tokens(first) + estimate_tokens(second)
    assert abs(whole - parts) <= 6


@given(any_text)
def test_a_text_is_some_tokens_and_no_more_than_its_bytes(text: str) -> None:
    estimate = estimate_tokens(text)
    assert estimate_tokens("") == 0
    assert (estimate > 0) == bool(text)
    assert estimate <= 2 * len(text.encode("utf-8", "surrogatepass")) + 1


def test_longer_is_not_less() -> None:
    for sample in SAMPLES:
        text = sample["text"]
        cuts = [estimate_tokens(text[:end]) for end in range(0, len(text), len(text) // 20)]
        assert all(later >= earlier for earlier, later in pairwise(cuts))


@pytest.mark.parametrize("unit", ["a", "A", "0", " ", "\n", ".", "aA", "ion", "中", "😀", "\ud800"])
def test_hostile_text_takes_time_in_proportion(unit: str) -> None:
    small = unit * 20_000

    def seconds(text: str) -> float:
        started = time.process_time()
        estimate_tokens(text)
        return time.process_time() - started

    few = min(sum(seconds(small) for _ in range(8)) for _ in range(3))
    many = min(seconds(small * 8) for _ in range(3))
    assert many < 4 * few + 0.005


def test_a_message_is_its_parts_and_what_the_template_adds() -> None:
    words = estimate_tokens("Look at the file.")
    path = estimate_tokens('{"path":"a.py"}') + estimate_tokens("read_file")
    call = ToolCall("1.0", "read_file", '{"path":"a.py"}')
    assert 4 <= estimate_message(UserMessage("")) <= 8
    assert estimate_message(UserMessage("Look at the file.")) - words in range(4, 9)
    assert estimate_message(
        ToolMessage("1.0", "read_file", "Look at the file.")
    ) == estimate_message(UserMessage("Look at the file."))
    bare = estimate_message(AssistantMessage("Look at the file."))
    assert bare == estimate_message(UserMessage("Look at the file."))
    assert estimate_message(AssistantMessage("Look at the file.", calls=(call,))) > bare + path
    assert estimate_message(AssistantMessage("Look at the file.", "Which one?")) == bare


def test_the_head_is_the_instructions_and_the_tools() -> None:
    schema = '{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}'
    tool = ToolSpec("read_file", "Read a text file.", schema)
    assert estimate_head("", ()) == 0
    assert estimate_head("Be brief.", ()) == estimate_message(UserMessage("Be brief."))
    one, two = estimate_head("", (tool,)), estimate_head("", (tool, tool))
    assert two - one > estimate_tokens(schema)
    assert one > two - one


def test_a_ratio_learns_quickly_and_forgets_an_odd_step() -> None:
    ratio = Ratio()
    assert (ratio.value, ratio.of(1000)) == (1.0, 1000)
    for _ in range(4):
        ratio = ratio.after(8_000, 10_400)
    assert 1.2 < ratio.value <= 1.3
    odd = ratio.after(8_000, 80_000)
    assert odd.value < 1.75
    for _ in range(12):
        odd = odd.after(8_000, 10_400)
    assert odd.value == pytest.approx(1.3, abs=0.08)
    assert ratio.after(0, 500) == ratio.after(500, 0) == ratio


@given(st.lists(st.tuples(counts, counts), max_size=30))
def test_a_ratio_stays_within_its_bounds(pairs: list[tuple[int, int]]) -> None:
    ratio = Ratio()
    for estimated, counted in pairs:
        ratio = ratio.after(estimated, counted)
        assert 0.5 <= ratio.value <= 2.0
    assert ratio == msgspec.json.decode(msgspec.json.encode(ratio), type=Ratio)
