"""The doctor against the real engine: every planted fault is found, no good template is blamed, its own are sound."""

import asyncio

import pytest

from hob.models.doctor.examine import Examination, examine
from hob.models.doctor.families import FAMILIES, sound_template
from models.doctor_doubles import Double, serving
from tiny.engine import engine
from tiny.held_out import HELD_OUT
from tiny.templates import BROKEN, GOOD

EXPECTED = {
    "no_tools": "tools-dropped",
    "one_tool": "tools-partial",
    "system_lost_with_tools": "system-dropped-with-tools",
    "no_results": "results-dropped",
    "no_call_history": "calls-dropped",
    "double_json": "arguments-escaped",
    "raises_on_parallel": "parallel-refused",
    "first_call_only": "parallel-dropped",
    "clock": "clock",
    "no_genprompt": "generation-prompt",
    "history_lost": "history-dropped",
    "second_turn_raises": "turn-refused",
    "tools_move": "prefix-moves",
}
QUICK = ("no_tools", "double_json", "no_genprompt", "tools_move")
SLOW = [pytest.param(n, marks=pytest.mark.slow) for n in EXPECTED if n not in QUICK]
HELD_OUT_CASES = [pytest.param(n, marks=pytest.mark.slow) for n in HELD_OUT]


def examined(template: str, **settings: int) -> Examination:
    with engine(template, **settings) as served:
        return asyncio.run(examine(served.base_url, served.model))


def faults(examination: Examination) -> set[str]:
    return {f.probe for f in examination.profile.findings if f.severity != "note"}


@pytest.mark.parametrize("name", GOOD)
def test_good_template_is_not_blamed(name):
    examination = examined(GOOD[name])
    assert faults(examination) == set()
    assert not examination.broken
    assert examination.template == ""
    assert examination.requests <= 40
    profile = examination.profile
    assert (profile.kind, profile.window_tokens, profile.slots) == ("llamacpp", 8192, 1)
    assert (profile.tool_format, profile.parallel_calls) == ("native", True)
    assert profile.keep_reasoning == (name == "thinking")
    assert profile.break_control_tokens


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_fault_is_found_and_the_proposed_template_is_sound(name):
    examination = examined(BROKEN[name])
    assert faults(examination) == {EXPECTED[name]}
    assert examination.requests <= 40
    mended = examined(examination.template)
    assert faults(mended) == set()


def test_template_without_a_system_message_is_no_fault_where_the_server_merges_it():
    examination = examined(BROKEN["no_system"])
    assert faults(examination) == set()
    assert "system-merged" in {f.probe for f in examination.profile.findings}


@pytest.mark.slow
@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
def test_our_own_templates_are_sound(family):
    assert faults(examined(sound_template(family))) == set()


@pytest.mark.parametrize("name", HELD_OUT_CASES)
def test_templates_that_the_doctor_was_not_made_with(name):
    template, expected = HELD_OUT[name]
    found = faults(examined(template))
    assert found >= expected
    assert bool(found) == bool(expected)


@pytest.mark.parametrize(
    ("name", "expected"), [("chatml", set()), ("no_results", {"results-dropped"})]
)
def test_counts_alone_are_enough(name, expected):
    template = {**GOOD, **BROKEN}[name]
    with engine(template) as served, serving(Double(behind=served.base_url)) as double:
        examination = asyncio.run(examine(double.base_url, "tiny"))
    assert faults(examination) == expected
    assert not examination.rendered
    assert examination.profile.kind == "openai"
    assert "window-unknown" in {f.probe for f in examination.profile.findings}


def test_small_window_is_said():
    assert "window-small" in faults(examined(GOOD["chatml"], n_ctx=2048))
