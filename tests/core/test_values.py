"""Values: codec, ids, admit, and the fold on logs that nobody should have written."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hob.core import events as e
from hob.core.admit import admit
from hob.core.agent import Agent, Limits
from hob.core.codec import from_line, open_entry, seal, to_line
from hob.core.commands import Cancel, Decide, Prompt, Rename, Withdraw
from hob.core.errors import CommandRefused
from hob.core.ids import compose
from hob.core.messages import AssistantMessage, Details, ToolCall, ToolResult
from hob.core.permission import Decision
from hob.core.plan import next_effect
from hob.core.ports import Entry
from hob.core.session import Session, fold, reduce

text = st.text(st.characters(codec=None), max_size=20)
names = st.sampled_from(["1.0", "1.1", "2.0"])
results = st.builds(
    ToolResult,
    text,
    st.booleans(),
    st.builds(Details, text, text, st.none() | st.integers(-64, 255)),
)
messages = st.builds(
    AssistantMessage,
    text,
    text,
    st.lists(st.builds(ToolCall, names, text, text), max_size=2).map(tuple),
)
any_event = st.one_of(
    st.builds(e.SessionStarted, text, text, st.builds(Agent, text, text)),
    st.builds(e.SessionNamed, text),
    st.just(e.SessionReopened()),
    st.builds(
        e.InputQueued,
        names,
        text,
        st.sampled_from(["steer", "queue"]),
        st.none() | st.builds(Limits, st.integers(1, 9)),
    ),
    st.builds(e.InputDelivered, names),
    st.builds(e.InputWithdrawn, names),
    st.builds(e.TurnStarted, st.builds(Limits, st.integers(1, 9))),
    st.builds(e.Nudged, st.sampled_from(["stuck", "length"]), text),
    st.just(e.CancelRequested()),
    st.builds(e.TurnFinished, st.sampled_from(["done", "cancelled", "failed"]), text),
    st.builds(e.StepStarted, st.integers(1, 4)),
    st.builds(e.StepFinished, messages),
    st.builds(e.StepFailed, st.sampled_from(["timeout", "cancelled"]), text, st.booleans()),
    st.builds(e.PermissionAsked, names, text, text),
    st.builds(
        e.PermissionDecided, names, st.builds(Decision, st.sampled_from(["allow", "deny"]), text)
    ),
    st.builds(e.ToolStarted, names, st.sampled_from(["never", "safe"])),
    st.builds(e.ToolFinished, names, results),
)


@given(st.lists(any_event, max_size=30))
def test_every_log_folds_and_has_a_next_move(events):
    s = Session()
    for n, event in enumerate(events, 1):
        s = reduce(s, e.Recorded(n, n, event))
        next_effect(s)
    assert s == fold(e.Recorded(n, n, event) for n, event in enumerate(events, 1))


@given(any_event)
def test_what_is_stored_comes_back(event):
    kept, body = seal(event)
    entry = Entry(3, 7, body)
    assert open_entry(entry) == e.Recorded(3, 7, kept)
    assert from_line(to_line(entry)) == entry
    try:
        msgspec.json.encode(event)
    except UnicodeEncodeError:
        assert kept != event
    else:
        assert kept == event


def test_argument_text_is_kept_byte_for_byte():
    written = '{ "a" : 1.0,\t"b":"\\u00e9\\/" , }'
    event = e.StepFinished(AssistantMessage(calls=(ToolCall("1.0", "t", written),)))
    kept = open_entry(Entry(1, 1, seal(event)[1])).event
    assert kept.message.calls[0].arguments == written


def test_fields_of_later_versions_are_ignored_and_missing_ones_get_their_default():
    body = b'{"kind":"tool_started","call_id":"1.0","colour":"blue"}'
    assert open_entry(Entry(1, 1, body)).event == e.ToolStarted("1.0", "never")


@given(st.integers(0, 2**44), st.integers(0, 2**44), st.integers(0, 2**80))
def test_ids_sort_by_time(a, b, dice):
    first, second = compose("s", a, dice), compose("s", b, dice)
    assert len(first) == len(second) == 18
    assert (first < second) == (a < b)


def state(*events: e.Event) -> Session:
    return fold(e.Recorded(n, 0, event) for n, event in enumerate(events, 1))


WORKING = (e.SessionStarted("s", "/w", Agent()), e.TurnStarted(), e.StepStarted(1))
ASKED = (
    *WORKING,
    e.StepFinished(AssistantMessage(calls=(ToolCall("1.0", "run", "{}"),))),
    e.PermissionAsked("1.0", "rule"),
)


@pytest.mark.parametrize(
    ("events", "command", "expected"),
    [
        ((), Prompt("i", "go"), (e.InputQueued("i", "go"),)),
        ((e.InputQueued("i", "go"),), Prompt("i", "go"), ()),
        ((), Prompt("i", "  "), CommandRefused),
        ((e.InputQueued("i", "go"),), Withdraw("i"), (e.InputWithdrawn("i"),)),
        ((), Withdraw("i"), CommandRefused),
        (
            ASKED,
            Decide("1.0", True),
            (e.PermissionDecided("1.0", Decision("allow", "person"), "person"),),
        ),
        (ASKED, Decide("1.1", True), CommandRefused),
        ((*ASKED, e.CancelRequested()), Decide("1.0", True), CommandRefused),
        (WORKING, Decide("1.0", True), CommandRefused),
        (WORKING, Cancel(), (e.CancelRequested(),)),
        ((*WORKING, e.CancelRequested()), Cancel(), ()),
        ((), Cancel(), ()),
        ((), Rename("x"), (e.SessionNamed("x"),)),
    ],
)
def test_commands(events, command, expected):
    if expected is CommandRefused:
        with pytest.raises(CommandRefused):
            admit(state(*events), command)
    else:
        assert admit(state(*events), command) == expected


def test_a_no_tells_the_model_why():
    (decided,) = admit(state(*ASKED), Decide("1.0", False, "Use make."))
    assert decided.decision == Decision("deny", "person", "Use make.")
