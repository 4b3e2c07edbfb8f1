"""Server-sent events: the same stream in any pieces gives the same events."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core.errors import ModelError
from hob.models.sse import EventParser

STREAM = (
    "\ufeff: hello\n"
    'data: {"a": "naïve 😀"}\n\n'
    "event: message\r\nid: 7\r\ndata: one\r\ndata: two\r\n\r\n"
    "data:no space\r\r"
    "retry: 10\n"
    "data:  two spaces\n\n"
    "data\n\n"
    ":\n\n\n"
    '{"bare": 1}\n\n'
    'error: {"code": 500}\n\n'
    "data: [DONE]"
).encode()

EVENTS = [
    '{"a": "naïve 😀"}'.encode(),
    b"one\ntwo",
    b"no space",
    b" two spaces",
    b"",
    b'{"bare": 1}',
    b'{"error": {"code": 500}}',
    b"[DONE]",
]


def parse(pieces):
    parser = EventParser("server")
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


def cut(data, places):
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def test_every_form_of_a_line_is_understood():
    assert parse([STREAM]) == EVENTS


def test_one_byte_at_a_time_gives_the_same_events():
    assert parse([STREAM[n : n + 1] for n in range(len(STREAM))]) == EVENTS


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STREAM))))
def test_any_split_gives_the_same_events(places):
    assert parse(cut(STREAM, places)) == EVENTS


@settings(deadline=None)
@given(st.data())
def test_any_events_with_any_line_ends_in_any_split_come_back(data):
    line = st.binary(max_size=20).filter(lambda b: b"\r" not in b and b"\n" not in b)
    events = data.draw(st.lists(st.lists(line, min_size=1, max_size=3), max_size=5))
    ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
    stream = b""
    for lines in events:
        stream += b"".join(b"data: " + one + data.draw(ends) for one in lines)
        # After a bare \r a single \n would belong to it, so the blank line gets both.
        stream += b"\r\n" if stream.endswith(b"\r") else data.draw(ends)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))
    joined = [b"\n".join(lines) for lines in events]
    if b"\r\r\n" not in stream:
        assert parse(cut(stream, places)) == joined
    assert parse(cut(stream, places)) == parse([stream])


@settings(deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_any_bytes_at_all_end_in_events_or_in_one_error(data, places):
    places = [min(place, len(data)) for place in places]

    def outcome(pieces):
        try:
            return parse(pieces)
        except ModelError as error:
            return error.kind

    whole = outcome([data])
    assert outcome(cut(data, places)) == whole
    assert isinstance(whole, list) or whole == "malformed"


@pytest.mark.parametrize("line", [b"dta: {}\n", b"nonsense\n", b"<html>\n"])
def test_a_line_that_is_no_field_is_an_error(line):
    with pytest.raises(ModelError, match="no server-sent event") as caught:
        EventParser("server").feed(line)
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 60, b"x" * 60],
        [b"data: " + b"x" * 60 + b"\n"] * 3,
        [b"data: " + b"x" * 200 + b"\n"],
        [b"x"] * 101,
    ],
)
def test_an_event_has_a_size_limit(pieces):
    parser = EventParser("server", max_event_bytes=100)
    with pytest.raises(ModelError, match="more than 100 bytes"):
        list(map(parser.feed, pieces))
