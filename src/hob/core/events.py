"""Facts. An event is written once, never changed, and all of them together are the session.

    Event
    ├── session   SessionStarted SessionNamed SessionReopened
    ├── input     InputQueued InputDelivered InputWithdrawn
    ├── turn      TurnStarted Nudged CancelRequested TurnFinished
    ├── step      StepStarted StepFinished StepFailed
    ├── call      PermissionAsked PermissionDecided ToolStarted ToolFinished
    ├── context   CompactionAsked Compacted
    └── undo      RestoreStarted RestoreFinished

A turn runs from a delivered input until rest; a step is one model call; a call is one tool call.
"""

from typing import Literal

from msgspec import Struct

from hob.core.agent import Agent, Limits
from hob.core.errors import ErrorKind
from hob.core.messages import AssistantMessage, Message, Timings, ToolResult, Usage
from hob.core.permission import Access, Decider, Decision, Replay
from hob.core.reuse import Reuse

Delivery = Literal["steer", "queue"]
Direction = Literal["undo", "redo"]
Outcome = Literal[
    "done",
    "unreached",  # the model ended and said that the goal is not reached
    "cancelled",
    "failed",
    "stuck",
    "step_limit",
    "out_of_time",
    "out_of_tokens",
    "blocked",  # nobody could give the approvals it needed
]


class SessionStarted(Struct, frozen=True, tag_field="kind", tag="session_started"):
    """The first event of every log. `parent_id` and `forked_at` (a sequence number) name what it was forked from."""

    session_id: str
    workspace: str
    agent: Agent
    parent_id: str = ""
    forked_at: int = 0


class SessionNamed(Struct, frozen=True, tag_field="kind", tag="session_named"):
    """A person gave the session a name."""

    name: str


class SessionReopened(Struct, frozen=True, tag_field="kind", tag="session_reopened"):
    """A process took up a turn that another one left unfinished. What was allowed then is judged again now."""


class InputQueued(Struct, frozen=True, tag_field="kind", tag="input_queued"):
    """Words arrived: `steer` lands at the next step boundary, `queue` waits for rest.

    With limits of their own they begin a new budget; without, those of the turn go on.
    """

    input_id: str
    text: str
    delivery: Delivery = "steer"
    limits: Limits | None = None


class InputDelivered(Struct, frozen=True, tag_field="kind", tag="input_delivered"):
    """A queued input became a message."""

    input_id: str


class InputWithdrawn(Struct, frozen=True, tag_field="kind", tag="input_withdrawn"):
    """A queued input was taken back before it was delivered."""

    input_id: str


class TurnStarted(Struct, frozen=True, tag_field="kind", tag="turn_started"):
    """Work began, under these limits."""

    limits: Limits = Limits()


class Nudged(Struct, frozen=True, tag_field="kind", tag="nudged"):
    """The host put words into the context: the model went in circles, was cut off, or could not be understood."""

    reason: Literal["stuck", "length", "unusable"]
    text: str


class CancelRequested(Struct, frozen=True, tag_field="kind", tag="cancel_requested"):
    """A person asked the turn to stop."""


class TurnFinished(Struct, frozen=True, tag_field="kind", tag="turn_finished"):
    """The turn is over; `reason` says why in words where `done` does not say it all."""

    outcome: Outcome
    reason: str = ""


class StepStarted(Struct, frozen=True, tag_field="kind", tag="step_started"):
    """Intent: the model is about to be called for the `attempt`-th time (1, 2, …) for this step.

    A `summary` is asked for when the context is to be compacted.
    """

    attempt: int
    purpose: Literal["answer", "summary"] = "answer"


class StepFinished(Struct, frozen=True, tag_field="kind", tag="step_finished"):
    """The model answered."""

    message: AssistantMessage
    usage: Usage = Usage()
    timings: Timings = Timings()
    model: str = ""
    server: str = ""
    reuse: Reuse = Reuse()


class StepFailed(Struct, frozen=True, tag_field="kind", tag="step_failed"):
    """The model call gave no answer. Unless `final`, it is made again after `delay_s` seconds.

    `partial` is what had been said when a person cancelled; partial calls are dropped.
    `window_tokens` is the window that the server turned out to have, if that was the failure.
    """

    error: ErrorKind
    text: str
    final: bool
    delay_s: float = 0.0
    partial: str = ""
    window_tokens: int | None = None


class PermissionAsked(Struct, frozen=True, tag_field="kind", tag="permission_asked"):
    """A call waits for a person. `access` and `replay` are what the tool of this process says of itself."""

    call_id: str
    rule: str
    reason: str = ""
    access: Access = "execute"
    replay: Replay = "never"


class PermissionDecided(Struct, frozen=True, tag_field="kind", tag="permission_decided"):
    """The verdict on a call. `access` and `replay` as above; a person's answer leaves them as they were."""

    call_id: str
    decision: Decision
    by: Decider = "rule"
    access: Access = "execute"
    replay: Replay = "never"


class ToolStarted(Struct, frozen=True, tag_field="kind", tag="tool_started"):
    """Intent: the call is about to run. `replay` says whether it may run again after a crash."""

    call_id: str
    replay: Replay = "never"


class ToolFinished(Struct, frozen=True, tag_field="kind", tag="tool_finished"):
    """The result of a call; every call gets exactly one, also if it never ran."""

    call_id: str
    result: ToolResult


class CompactionAsked(Struct, frozen=True, tag_field="kind", tag="compaction_asked"):
    """A person wants the context to be compacted now. `focus`: what the summary must not leave out."""

    focus: str = ""


class Compacted(Struct, frozen=True, tag_field="kind", tag="compacted"):
    """The context was replaced by these messages. What they leave out stays in the log and in blobs.

    `by` says who wrote the summary: the model, or the host by rule when the model could not.
    Tokens are estimates in the server's tokens; usage and timings are those of the summary.
    """

    messages: tuple[Message, ...]
    by: Literal["model", "rule"]
    reason: str
    before_tokens: int
    after_tokens: int
    usage: Usage = Usage()
    timings: Timings = Timings()
    reuse: Reuse = Reuse()


class RestoreStarted(Struct, frozen=True, tag_field="kind", tag="restore_started"):
    """Intent: a person takes back what these calls (the oldest first) did to files, or does it again."""

    restore_id: str
    direction: Direction
    calls: tuple[str, ...]


class RestoreFinished(Struct, frozen=True, tag_field="kind", tag="restore_finished"):
    """What became of it: paths put back, and paths left alone because somebody else changed them.

    `note` tells the model; it may come without a restore, for a conversation that was taken back.
    """

    restore_id: str
    direction: Direction
    calls: tuple[str, ...]
    paths: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    note: str = ""


Event = (
    SessionStarted
    | SessionNamed
    | SessionReopened
    | InputQueued
    | InputDelivered
    | InputWithdrawn
    | TurnStarted
    | Nudged
    | CancelRequested
    | TurnFinished
    | StepStarted
    | StepFinished
    | StepFailed
    | PermissionAsked
    | PermissionDecided
    | ToolStarted
    | ToolFinished
    | CompactionAsked
    | Compacted
    | RestoreStarted
    | RestoreFinished
)


class Recorded(Struct, frozen=True):
    """An event with what the log added: its place (1, 2, …) and its time (ms since the epoch)."""

    seq: int
    at: int
    event: Event
