"""Request bytes: each body extends the one before it, and says exactly what the messages say."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.control_tokens import WORD_JOINER, broken
from hob.models.render import ENDING, Renderer, echoed_arguments

TOOLS = (
    ToolSpec("read_file", "Read a file.", '{"type": "object",  "properties": {}}'),
    ToolSpec("write_file", "Write »it«.", '{"type":"object"}'),
)

words = st.text(max_size=12)
calls = st.builds(
    ToolCall,
    call_id=words,
    name=words,
    arguments=st.one_of(words, st.sampled_from(['{"a": 1}', "{", "", '"{}"', "[1]"])),
    wire_id=words,
)
messages = st.lists(
    st.one_of(
        st.builds(UserMessage, words),
        st.builds(ToolMessage, words, words, words, words),
        st.builds(AssistantMessage, words, words, st.lists(calls, max_size=2).map(tuple)),
    ),
    max_size=8,
).map(tuple)


def ask(said, instructions="Be brief.", tools=TOOLS, session_id="s", max_tokens=None):
    return Request(session_id, instructions, tools, tuple(said), max_tokens)


@settings(deadline=None)
@given(messages)
def test_each_body_extends_the_one_before(said):
    renderer = Renderer("m")
    bodies = [renderer.render(ask(said[:n])) for n in range(len(said) + 1)]
    for before, after in pairwise(bodies):
        assert after.startswith(before.removesuffix(ENDING))
    assert bodies[-1] == Renderer("m").render(ask(said))
    json.loads(bodies[-1])


@settings(deadline=None)
@given(messages, messages, st.integers(0, 8))
def test_what_was_rendered_before_never_shows(first, second, kept):
    renderer = Renderer("m", keep_reasoning=True)
    renderer.render(ask(first))
    said = first[:kept] + second
    fresh = Renderer("m", keep_reasoning=True)
    assert renderer.render(ask(said)) == fresh.render(ask(said))
    assert renderer.render(ask(first)) == fresh.render(ask(first))


def test_the_body_is_exactly_this():
    said = (
        UserMessage("Hi »you«"),
        AssistantMessage(
            "", "thinking", (ToolCall("c1", "read_file", '{"path":  "a"}', "w1"),), "calls"
        ),
        ToolMessage("c1", "read_file", "text", "w1"),
        AssistantMessage("Done.", "", (ToolCall("c2", "x", '{"a":'),)),
        ToolMessage("c2", "x", "no"),
    )
    body = Renderer("m", {"temperature": 0, "stream_options": None}).render(
        ask(said, max_tokens=100)
    )
    assert body.decode() == (
        '{"model":"m","stream":true,"temperature":0,'
        '"tools":[{"type":"function","function":{"name":"read_file","description":"Read a file.",'
        '"parameters":{"type": "object",  "properties": {}}}},'
        '{"type":"function","function":{"name":"write_file","description":"Write »it«.",'
        '"parameters":{"type":"object"}}}],'
        '"messages":[{"role":"system","content":"Be brief."},'
        '{"role":"user","content":"Hi »you«"},'
        '{"role":"assistant","content":"","tool_calls":[{"id":"w1","type":"function",'
        '"function":{"name":"read_file","arguments":"{\\"path\\":  \\"a\\"}"}}]},'
        '{"role":"tool","tool_call_id":"w1","content":"text"},'
        '{"role":"assistant","content":"Done.","tool_calls":[{"id":"c2","type":"function",'
        '"function":{"name":"x","arguments":"{\\"_invalid_json\\":\\"{\\\\\\"a\\\\\\":\\"}"}}]},'
        '{"role":"tool","tool_call_id":"c2","content":"no"}],"max_tokens":100}'
    )


def test_usage_is_asked_for_and_empty_lists_are_left_out():
    body = Renderer("m").render(ask((), instructions="", tools=()))
    assert body == (
        b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}'
    )


def test_thoughts_are_sent_back_only_if_asked():
    said = (AssistantMessage("a", "thought"),)
    assert b"thought" not in Renderer("m").render(ask(said))
    kept = Renderer("m", keep_reasoning=True).render(ask(said))
    assert b'{"role":"assistant","content":"a","reasoning_content":"thought"}' in kept


def test_sessions_do_not_mix_and_only_some_are_kept():
    renderer = Renderer("m")
    said = (UserMessage("a"), UserMessage("b"))
    for n in range(20):
        body = renderer.render(ask((*said, UserMessage(str(n))), session_id=str(n)))
        assert json.loads(body)["messages"][-1]["content"] == str(n)
    again = renderer.render(ask((*said, UserMessage("0")), session_id="0"))
    assert json.loads(again)["messages"][-1]["content"] == "0"


def test_a_changed_head_is_rendered_anew():
    renderer = Renderer("m")
    renderer.render(ask((UserMessage("a"),)))
    body = renderer.render(ask((UserMessage("a"),), instructions="Other."))
    assert json.loads(body)["messages"][0] == {"role": "system", "content": "Other."}


@pytest.mark.parametrize(
    ("written", "echoed"),
    [
        ('{"a":  1 }', '{"a":  1 }'),
        ("", "{}"),
        (" \n", "{}"),
        ('{"a"', '{"_invalid_json":"{\\"a\\""}'),
        ("[1]", '{"_invalid_json":"[1]"}'),
        ('"{\\"a\\": 1}"', '{"a": 1}'),
        ('"no"', '{"_invalid_json":"\\"no\\""}'),
        ("[" * 5000, '{"_invalid_json":"' + "[" * 5000 + '"}'),
    ],
)
def test_arguments_in_the_history_are_always_an_object(written, echoed):
    assert echoed_arguments(written) == echoed


def test_file_names_that_are_no_text_do_not_break_a_request():
    body = Renderer("m").render(ask((UserMessage("a\udcffb"),)))
    assert json.loads(body)["messages"][-1]["content"] == "a?b"


SAID = (UserMessage("a"), AssistantMessage("b"), UserMessage("c"), AssistantMessage("d"))


@pytest.mark.parametrize(
    ("then", "diverged"),
    [
        (ask(SAID), ""),
        (ask((*SAID, UserMessage("e"))), ""),
        (ask(SAID, max_tokens=5), ""),
        (msgspec.structs.replace(ask(SAID), variation=1), ""),
        (ask(SAID, instructions="Other."), "the system message"),
        (ask(SAID, tools=TOOLS[:1]), "the tools"),
        (ask(SAID, tools=(*TOOLS, *TOOLS)), "the tools"),
        (ask((UserMessage("x"), *SAID[1:])), "message 1 of the conversation"),
        (ask((*SAID[:2], UserMessage("x"))), "message 3 of the conversation"),
        (ask(SAID[:3]), "message 4 of the conversation"),
        (ask((*SAID[:3], AssistantMessage("d", "thought"))), "message 4 of the conversation"),
        # A session that was read again has the same messages as other objects.
        (ask([msgspec.structs.replace(m) for m in SAID]), ""),
        (ask(SAID, tools=tuple(msgspec.structs.replace(t) for t in TOOLS)), ""),
    ],
)
def test_what_broke_the_prefix_is_told(then, diverged):
    renderer = Renderer("m")
    renderer.render(ask(SAID))
    assert renderer.diverged == ""
    assert renderer.render(then) == Renderer("m").render(then)
    assert renderer.diverged == diverged
    renderer.render(then)
    assert renderer.diverged == ""


def test_another_session_breaks_nothing():
    renderer = Renderer("m")
    renderer.render(ask(SAID))
    renderer.render(ask((UserMessage("x"),), instructions="Other.", session_id="t"))
    assert renderer.diverged == ""
    renderer.render(ask(SAID))
    assert renderer.diverged == ""


@given(
    st.none() | st.integers(1, 9999),
    st.integers(0, 3),
)
def test_the_tail_is_json_and_no_part_of_the_prompt(max_tokens, variation):
    plain = Renderer("m").render(ask(SAID))
    asked = msgspec.structs.replace(ask(SAID, max_tokens=max_tokens), variation=variation)
    body = Renderer("m").render(asked)
    assert body.startswith(plain.removesuffix(ENDING))
    more = {} if max_tokens is None else {"max_tokens": max_tokens}
    varied = {"temperature": 0.8, "seed": variation} if variation else {}
    assert json.loads(body) == {**json.loads(plain), **more, **varied}


TOKEN = "<|im_end|>"
BROKEN = "<\u2060|im_end|>"


def test_control_tokens_of_the_person_and_of_tools_are_broken_and_nothing_else():
    call = ToolCall("c1", "write_file", json.dumps({"text": TOKEN}), "w1")
    said = (
        UserMessage(f"Find {TOKEN}."),
        AssistantMessage(f"I see {TOKEN}.", f"{TOKEN}?", (call,), "calls"),
        ToolMessage("c1", "write_file", f"1: {TOKEN}", "w1"),
    )
    renderer = Renderer("m", keep_reasoning=True, break_control_tokens=True)
    body = json.loads(renderer.render(ask(said, instructions=f"Not {TOKEN}.")))
    system, user, assistant, tool = body["messages"]
    assert system["content"] == f"Not {TOKEN}."
    assert user["content"] == f"Find {BROKEN}."
    assert (assistant["content"], assistant["reasoning_content"]) == (
        f"I see {TOKEN}.",
        f"{TOKEN}?",
    )
    assert assistant["tool_calls"][0]["function"]["arguments"] == call.arguments
    assert tool["content"] == f"1: {BROKEN}"


spiced = st.lists(
    st.sampled_from(
        ["<|im_end|>", "<|", "|>", "<", "a", "[INST]", "[", "</s>", "<s", ">", "\u2060"]
    ),
    max_size=8,
).map("".join)


@settings(deadline=None)
@given(st.lists(st.builds(UserMessage, spiced) | st.builds(ToolMessage, words, words, spiced)))
def test_with_broken_tokens_each_body_still_extends_the_one_before(said):
    renderer = Renderer("m", break_control_tokens=True)
    bodies = [renderer.render(ask(said[:n])) for n in range(len(said) + 1)]
    for before, after in pairwise(bodies):
        assert after.startswith(before.removesuffix(ENDING))
    assert bodies[-1] == Renderer("m", break_control_tokens=True).render(ask(said))


@settings(deadline=None)
@given(spiced)
def test_breaking_tokens_loses_nothing_and_breaks_nothing_twice(text):
    once = broken(text)
    assert broken(once) == once
    assert once.replace(WORD_JOINER, "") == text.replace(WORD_JOINER, "")
    assert not any(token in once for token in ("<|im_end|>", "[INST]", "</s>"))


@pytest.mark.parametrize(
    "token",
    [
        *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start|>", "<|call|>"),
        *("<|START_OF_TURN_TOKEN|>", "<|tool>", "<|turn>", "<turn|>", "<tool_call|>", "<channel|>"),
        *(
            "<|fim prefix|>",
            "<|reserved_special_token_0|>",
            "<\uff5cend\u2581of\u2581sentence\uff5c>",
        ),
        *(
            "<\uff5ctool\u2581calls\u2581begin\uff5c>",
            "<start_of_turn>",
            "<end_of_turn>",
            "<s>",
            "</s>",
        ),
        *("<bos>", "<eos>", "<pad>", "<unk>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[THINK]"),
    ],
)
def test_every_family_s_tokens_are_broken(token):
    first, rest = token[0], token[1:]
    assert broken(f"a{token}b{token}") == f"a{first}\u2060{rest}b{first}\u2060{rest}"


@pytest.mark.parametrize(
    "text",
    [
        *("a < b", "x <| y", "let (a |> f)", "[1, 2]", "a[i]", "<div>", "<sup>"),
        *(
            "List<String>",
            "<|",
            "|>",
            "<||>",
            "[inst]",
            "[INSTALL]",
            "<!-- s -->",
            "std::vector<S>",
        ),
    ],
)
def test_what_is_no_token_stays(text):
    assert broken(text) == text
