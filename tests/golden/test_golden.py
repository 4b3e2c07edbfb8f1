"""The log of every released version loads, folds and is a valid conversation."""

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from golden.make import FOLDER, golden
from hob import __version__
from hob.core.codec import open_entry
from hob.core.events import Event
from hob.core.messages import AssistantMessage, ToolMessage, UserMessage
from hob.core.plan import next_effect
from hob.core.session import fold
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
        5300,
        5040,
    )
    assert [type(m) for m in session.messages] == [
        UserMessage,
        AssistantMessage,
        ToolMessage,
        ToolMessage,
        UserMessage,
        AssistantMessage,
        ToolMessage,
        UserMessage,
        AssistantMessage,
        ToolMessage,
        AssistantMessage,
        UserMessage,
        UserMessage,
        UserMessage,
        AssistantMessage,
    ]
    assert session.messages[1].calls[0].arguments == '{ "path" : "a.py" }'
    assert session.messages[10] == AssistantMessage("I was about to", stop="cancelled")
    assert (session.undone, session.restoring) == ((), None)
