"""Chunks as servers really send them, whole and damaged, without a network."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply, ToolCall, Usage
from hob.models.answer import Answer
from hob.models.scripted_wire import DONE, chunk


def read(*events, ends=True):
    """Return the message that these chunks make, without a network."""
    answer = Answer("server")
    deltas = [delta for event in events for delta in answer.feed(event)]
    if ends:
        deltas += answer.feed(DONE)
    deltas += answer.close()
    return answer.reply(None, 0.0), deltas


def piece(**delta):
    return chunk({"delta": delta})


def call_piece(**fields):
    return piece(tool_calls=[fields])


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\n <html>", b"\xef\xbb\xbf<html>"])
def test_a_web_page_is_named_even_if_it_is_mislabelled(page):
    with pytest.raises(ModelError, match="web page"):
        read(page, ends=False)


@pytest.mark.parametrize(
    "chunks",
    [
        # the protocol
        (
            call_piece(index=0, id="a", type="function", function={"name": "f", "arguments": ""}),
            call_piece(index=0, function={"arguments": '{"x"'}),
            call_piece(index=0, function={"arguments": ":1}"}),
            call_piece(index=1, id="b", function={"name": "g", "arguments": "{}"}),
        ),
        # index as text, name and id in every piece
        (
            call_piece(index="0", id="a", function={"name": "f", "arguments": '{"x"'}),
            call_piece(index="0", id="a", function={"name": "f", "arguments": ":1}"}),
            call_piece(index="1", id="b", function={"name": "g", "arguments": "{}"}),
        ),
        # index 0 for every call, whole calls
        (
            call_piece(index=0, id="a", function={"name": "f", "arguments": '{"x":1}'}),
            call_piece(index=0, id="b", function={"name": "g", "arguments": "{}"}),
        ),
        # no index, pieces
        (
            call_piece(id="a", function={"name": "f", "arguments": ""}),
            call_piece(function={"arguments": '{"x":1}'}),
            call_piece(id="b", function={"name": "g", "arguments": "{}"}),
        ),
        # both in one chunk, arguments as objects
        (
            piece(
                tool_calls=[
                    {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
                    {"id": "b", "function": {"name": "g", "arguments": {}}},
                ]
            ),
        ),
        # pieces of two calls mixed
        (
            call_piece(index=0, id="a", function={"name": "f"}),
            call_piece(index=1, id="b", function={"name": "g"}),
            call_piece(index=0, function={"arguments": '{"x":1}'}),
            call_piece(index=1, function={"arguments": "{}"}),
        ),
        # flat, without `function`
        (
            call_piece(id="a", name="f", arguments='{"x":1}'),
            call_piece(id="b", name="g", arguments="{}"),
        ),
    ],
)
def test_calls_come_together_however_they_are_cut(chunks):
    reply, deltas = read(*chunks)
    assert reply.message.calls == (
        ToolCall("", "f", '{"x":1}', "a"),
        ToolCall("", "g", "{}", "b"),
    )
    assert reply.message.stop == "calls"
    for index, whole in ((0, ("f", '{"x":1}')), (1, ("g", "{}"))):
        mine = [d for d in deltas if d.index == index]
        assert ("".join(d.name for d in mine), "".join(d.arguments for d in mine)) == whole


def test_an_id_that_comes_twice_is_kept_once():
    reply, _ = read(
        call_piece(index=0, id="a", function={"name": "f", "arguments": "{}"}),
        call_piece(index=1, id="a", function={"name": "f", "arguments": "{}"}),
    )
    assert [call.wire_id for call in reply.message.calls] == ["a", ""]


def test_the_token_limit_drops_calls_that_are_not_whole():
    reply, _ = read(
        call_piece(index=0, id="a", function={"name": "f", "arguments": "{}"}),
        call_piece(index=1, id="b", function={"name": "g", "arguments": '{"x":'}),
        chunk({"delta": {}, "finish_reason": "length"}),
    )
    assert [call.name for call in reply.message.calls] == ["f"]
    assert reply.message.stop == "length"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (b'data: {"choices":[{"delta":{"content":[{"type":"text","text":"a"},{}]}}]}\n\n', "a"),
        (b'data: {"choices":[{"delta":{"content":"a"},"index":"0"}],"usage":7}\n\n', "a"),
        (b'data: {"choices":[{"delta":[]},{"delta":{"content":"b"}}]}\n\n', ""),
        (b'data: {"choices":[null,{"delta":{"content":"a"}}]}\n\n', "a"),
        (b'data: {"choices":[{"delta":{"content":"a\xff"}}]}\n\n', "a\ufffd"),
        (b'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n', "a?"),
        (b'data: {"choices":[{"delta":{"content":"a\tb"}}],"x":NaN}\n\n', "a\tb"),
        (b'data: {"choices":[{"message":{"content":"a"}}]}\n\n', "a"),
        (b'data: {"choices":[{"delta":{"content":"a"}}]}\ndata: [DONE]\n\n', "a"),
        (b'data: {"choices":null}\n\ndata: {}\n\n', ""),
        (b'data: {"choices":{}}\n\ndata:\n\n', ""),
    ],
)
def test_wrong_types_are_borne(event, text):
    _, deltas = read(event, piece(content="!"))
    assert "".join(delta.text for delta in deltas) in (text + "!", text)


@pytest.mark.parametrize("data", [b"[1]", b"7", b"{", b'"x"', b"[" * 100_000])
def test_what_is_no_chunk_is_malformed(data):
    with pytest.raises(ModelError) as caught:
        read(b"data: " + data + b"\n\n")
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b'data: {"error":"boom"}\n\n', "server"),
        (b'data: {"error":{"message":"loading model","code":503}}\n\n', "overloaded"),
        (b'data: {"object":"error","message":"prompt is too long"}\n\n', "context_overflow"),
        (b'error: {"code":500,"message":"boom"}\n\n', "server"),
        (b'{"error":"boom"}', "server"),
    ],
)
def test_an_error_inside_the_stream_is_an_error(event, kind):
    with pytest.raises(ModelError) as caught:
        read(event, ends=False)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("stop", "end"), ("tool_calls", "end"), ("length", "length"), ("eos", "end"), (7, "end")],
)
def test_finish_reasons(finish, stop):
    reply, _ = read(piece(content="a"), chunk({"delta": {}, "finish_reason": finish}))
    assert reply.message.stop == stop


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_answer_of_thoughts_alone_is_empty(text):
    with pytest.raises(ModelError, match="only thoughts") as caught:
        read(piece(reasoning="hm", content=text))
    assert caught.value.kind == "empty"


def test_thoughts_cut_by_the_limit_are_an_answer():
    reply, _ = read(piece(reasoning="hm"), chunk({"delta": {}, "finish_reason": "length"}))
    assert reply.message == AssistantMessage("", "hm", (), "length")


@pytest.mark.parametrize(
    ("more", "usage"),
    [
        (
            {
                "usage": {
                    "prompt_tokens": 10,
                    "completion_tokens": 5,
                    "prompt_tokens_details": {"cached_tokens": 8},
                    "completion_tokens_details": {"reasoning_tokens": 2},
                }
            },
            Usage(10, 8, 5, 2),
        ),
        ({"timings": {"cache_n": 8, "prompt_n": 2, "predicted_n": 5}}, Usage(10, 8, 5)),
        ({"usage": {"prompt_tokens": 10}, "timings": {"cache_n": 8}}, Usage(10, 8)),
        ({"usage": {"prompt_tokens": 10, "prompt_cache_hit_tokens": 4}}, Usage(10, 4)),
        ({"usage": {"prompt_tokens": "10", "prompt_tokens_details": None}}, Usage()),
        ({"usage": {"prompt_tokens": 10.0, "completion_tokens": -1}}, Usage(10)),
        ({}, Usage()),
    ],
)
def test_token_counts_in_all_shapes(more, usage):
    assert read(piece(content="a"), chunk(None, **more))[0].usage == usage


def test_token_counts_inside_the_last_choice():
    last = chunk({"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 3}})
    assert read(piece(content="a"), last)[0].usage == Usage(3)


STREAM = b"".join(
    (
        piece(role="assistant", content=None),
        piece(reasoning_content="Wörter 😀"),
        piece(content="naïve "),
        piece(content="text"),
        call_piece(index=0, id="a", function={"name": "f", "arguments": '{"x":'}),
        call_piece(index=0, function={"arguments": '"é"}'}),
        chunk({"delta": {}, "finish_reason": "tool_calls"}),
        chunk(None, usage={"prompt_tokens": 4}),
        DONE,
    )
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_any_split_of_a_stream_gives_the_same_reply(places):
    edges = [0, *sorted(places), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(edges)]
    whole, split = Answer("server"), Answer("server")
    expected = [*whole.feed(STREAM), *whole.close()]
    found = [delta for part in pieces for delta in split.feed(part)] + split.close()
    assert found == expected
    assert split.reply(None, 0.0) == whole.reply(None, 0.0)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(STREAM)), st.binary(min_size=1, max_size=3))
def test_damage_anywhere_ends_in_a_reply_or_one_model_error(place, damage):
    answer = Answer("server")
    damaged = STREAM[:place] + damage + STREAM[place + len(damage) :]
    try:
        answer.feed(damaged)
        answer.close()
        assert isinstance(answer.reply(None, 0.0), Reply)
    except ModelError:
        pass


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(STREAM)))
def test_a_stream_cut_anywhere_gives_no_partial_call(place):
    answer = Answer("server")
    try:
        answer.feed(STREAM[:place])
        answer.close()
        outcome = answer.reply(None, 0.0).message.calls
    except ModelError as error:
        outcome = error.kind
    whole = (ToolCall("", "f", '{"x":"é"}', "a"),)
    assert outcome in ("cut", "empty", "malformed", whole)
