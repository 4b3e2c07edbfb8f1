"""When a context is compacted, and to what size."""

import pytest
from msgspec.structs import replace

from hob.core.agent import Agent, ContextPolicy, Limits
from hob.core.effects import Compact
from hob.core.gauge import Gauge
from hob.core.messages import AssistantMessage, UserMessage
from hob.core.session import Session
from hob.core.upkeep import upkeep, window_of

HEAD = "word " * 2000


def session(tokens: int, **more) -> Session:
    gauge = replace(Gauge.of(HEAD, ()), prompt=tokens)
    return Session(
        agent=Agent(instructions=HEAD),
        messages=(UserMessage("Goal."), AssistantMessage("Yes."), UserMessage("On.")),
        limits=Limits(context=ContextPolicy(10_000)),
        gauge=gauge,
        **more,
    )


def test_the_head_counts_against_the_low_water_mark():
    effect = upkeep(session(8_000), None)
    assert isinstance(effect, Compact)
    head = Gauge.of(HEAD, ()).tokens
    assert 1_800 < head < 2_400
    assert effect.max_tokens == 4_000 - head
    assert effect.reason == "8,000 of 10,000 tokens were in use"


@pytest.mark.parametrize(
    ("tokens", "more", "compacts"),
    [
        (7_999, {}, False),
        (8_000, {}, True),
        (5_000, {"window_seen": 6_000}, True),
        (9_000, {"compacted_at": 0}, False),
    ],
)
def test_only_at_the_high_water_mark_and_not_again_at_once(tokens, more, compacts):
    s = session(tokens, **more)
    if "compacted_at" in more:
        s = replace(s, totals=replace(s.totals, steps=4))
    assert isinstance(upkeep(s, None), Compact) == compacts


def test_what_a_server_turned_out_to_hold_only_makes_the_window_smaller():
    assert window_of(session(1, window_seen=4_000)) == 4_000
    assert window_of(session(1, window_seen=40_000)) == 10_000
    unknown = replace(session(1), limits=Limits())
    assert window_of(unknown) is None
    assert upkeep(unknown, None) is None
