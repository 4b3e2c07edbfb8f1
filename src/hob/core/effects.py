"""What the loop may do next. An effect carries the facts to write down before it is performed.

Effect
├── Record      only facts, nothing to perform
├── CallModel   one model call
├── Compact     make the context small, with a summary by the model or without
├── Judge       ask the guard about proposed calls
├── RunTools    run allowed calls
├── Wait        a person has to decide
└── Rest        nothing to do
"""

from msgspec import Struct

from hob.core.agent import ContextPolicy
from hob.core.compaction import Record as Facts
from hob.core.events import Event
from hob.core.gauge import Gauge
from hob.core.messages import Message, ToolCall
from hob.core.request import Request
from hob.core.reuse import Expected


class Record(Struct, frozen=True):
    """Write facts down; nothing else happens."""

    intent: tuple[Event, ...]


class CallModel(Struct, frozen=True):
    """Ask the model, after waiting `delay_s` seconds. `attempt` of `max_attempts` for the session's `step`-th step."""

    intent: tuple[Event, ...]
    request: Request
    step: int = 1
    attempt: int = 1
    max_attempts: int = 1
    delay_s: float = 0.0
    expected: Expected = Expected()


class Compact(Struct, frozen=True):
    """Make a context of at most `max_tokens` out of `messages`; without a request no model is asked.

    `facts` are what the host knows itself, except the names of blobs.
    """

    intent: tuple[Event, ...]
    messages: tuple[Message, ...]
    facts: Facts
    policy: ContextPolicy
    max_tokens: int
    reason: str
    gauge: Gauge
    request: Request | None = None
    expected: Expected = Expected()
    attempt: int = 1
    delay_s: float = 0.0


class Judge(Struct, frozen=True):
    """Get a verdict on each call. It has no effect outside, so its intent is empty."""

    calls: tuple[ToolCall, ...]
    intent: tuple[Event, ...] = ()


class RunTools(Struct, frozen=True):
    """Run these calls side by side; `deadline_s` seconds are left of the turn."""

    intent: tuple[Event, ...]
    calls: tuple[ToolCall, ...]
    deadline_s: float | None = None


class Wait(Struct, frozen=True):
    """A person has to decide first."""

    intent: tuple[Event, ...] = ()


class Rest(Struct, frozen=True):
    """Nothing to do."""

    intent: tuple[Event, ...] = ()


Effect = Record | CallModel | Compact | Judge | RunTools | Wait | Rest
