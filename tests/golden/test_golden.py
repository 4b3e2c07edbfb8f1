"""The log of every released version loads, folds and is a valid conversation."""

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from golden.make import FOLDER, golden
from hob import __version__
from hob.core.codec import open_entry
from hob.core.events import CompactionAsked, Event
from hob.core.messages import AssistantMessage, ToolMessage, UserMessage
from hob.core.plan import next_effect
from hob.core.reuse import Reuse
from hob.core.session import fold
from hob.core.transcript import NOTED, is_strict
from hob.stores.jsonl import import_lines
from loop.house import assert_valid

LOGS = sorted(FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_log_of_an_earlier_version_loads(path: Path):
    recorded = [open_entry(entry) for entry in import_lines(path.read_bytes().splitlines())]
    session = fold(recorded)
    assert_valid(session.messages)
    next_effect(session)
    assert session.session_id
    assert session.phase == "idle"


def test_there_is_a_log_of_this_version_and_it_is_what_this_version_writes():
    assert (FOLDER / f"{__version__}.jsonl").read_bytes() == b"".join(asyncio.run(golden()))


def test_the_log_of_this_version_has_every_kind_of_event():
    recorded = [open_entry(entry) for entry in import_lines(asyncio.run(golden()))]
    assert {type(item.event) for item in recorded} == set(get_args(Event))


def test_the_first_log_folds_to_what_it_always_did():
    log = (FOLDER / "0.1.0.jsonl").read_bytes().splitlines()
    session = fold(map(open_entry, import_lines(log)))
    assert (session.name, session.workspace, session.outcome) == (
        "mending",
        "/home/ada/proj",
        "done",
    )
    assert (session.totals.steps, session.totals.prompt_tokens, session.totals.cached_tokens) == (
        4,
        7550,
        7140,
    )
    assert session.messages == (
        UserMessage("Mend the tests.\n\n[Summary]\nThe assert wants 2; x is 2 now."),
        AssistantMessage("I was about to", stop="cancelled"),
        UserMessage("Later, the docs."),
        AssistantMessage("Done: the documentation says 2 now."),
    )
    assert (session.changed, session.compacted_at, session.reuse) == ((), 3, Reuse(2100, 2050))
    assert (session.undone, session.restoring) == ((), None)


def test_before_its_compaction_the_first_log_says_everything():
    log = (FOLDER / "0.1.0.jsonl").read_bytes().splitlines()
    recorded = list(map(open_entry, import_lines(log)))
    asked = next(n for n, one in enumerate(recorded) if isinstance(one.event, CompactionAsked))
    messages = fold(recorded[:asked]).messages
    assert is_strict(messages)
    assert [type(m) for m in messages] == [
        UserMessage,
        AssistantMessage,
        ToolMessage,
        ToolMessage,
        AssistantMessage,
        UserMessage,
        AssistantMessage,
        ToolMessage,
        AssistantMessage,
        UserMessage,
        AssistantMessage,
        ToolMessage,
        AssistantMessage,
        UserMessage,
        AssistantMessage,
        UserMessage,
        AssistantMessage,
        UserMessage,
    ]
    assert messages[1].calls[0].arguments == '{ "path" : "a.py" }'
    assert messages[4] == NOTED
    assert messages[12] == AssistantMessage("I was about to", stop="cancelled")
