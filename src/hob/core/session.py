"""The fold: a session is what its events add up to. Live, resumed, forked, tested: this one."""

from collections.abc import Iterable
from functools import reduce as fold_left
from typing import Any, Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from hob.core import events as e
from hob.core.agent import Agent, Limits
from hob.core.errors import ErrorKind
from hob.core.gauge import Gauge
from hob.core.messages import (
    AssistantMessage,
    Message,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
)
from hob.core.permission import APPROVAL_REQUIRED, Access, Decision, Replay
from hob.core.progress import Progress, names_cause
from hob.core.reuse import Expected, Reuse
from hob.core.totals import Totals
from hob.core.traces import changed_after, is_failed_command, seen_after
from hob.core.transcript import appended

WAITING_MS = 3000  # a call that took this long and brought nothing new was polling, not circling
MAX_LOSSES = 5
COMPACTED = "compacted: the kept part is computed once more"
FORGIVEN_AFTER = 5  # steps in a row with something new make an earlier hint forgotten

CallStatus = Literal["proposed", "asked", "allowed", "denied", "running", "done"]
Phase = Literal["idle", "ready", "stepping", "tools", "answered", "failed"]


class OpenCall(Struct, frozen=True):
    """A call of the step that is being worked on. `starts` counts how often it was begun (crashes)."""

    call: ToolCall
    status: CallStatus = "proposed"
    access: Access = "execute"
    replay: Replay = "never"
    starts: int = 0
    started_at: int = 0
    decision: Decision | None = None
    result: ToolResult | None = None


class Session(Struct, frozen=True):
    """Everything that is known about a session. Times in ms since the epoch."""

    session_id: str = ""
    workspace: str = ""
    name: str = ""
    agent: Agent = Agent()
    messages: tuple[Message, ...] = ()
    queue: tuple[e.InputQueued, ...] = ()
    calls: tuple[OpenCall, ...] = ()
    phase: Phase = "idle"
    limits: Limits = Limits()
    attempt: int = 0
    delay_s: float = 0.0
    cancelling: bool = False
    seq: int = 0
    at: int = 0
    turn_started_at: int = 0
    turn: Totals = Totals()
    hinted: bool = False  # the model was told that its answers to this step were unusable
    nudges: int = 0  # hints against going in circles, in this turn
    cuts: int = 0  # answers cut by the output limit, in a row
    blocked: int = 0  # denials for want of a person, in this turn
    denied: int = 0  # denials by anything but a person, in this turn
    progress: Progress = Progress()
    failure: str = ""  # the failed command that the model has not named a cause for
    unacknowledged: int = 0  # replies in a row that did not
    error: str = ""  # the last failed step, in words
    error_kind: ErrorKind | None = None
    outcome: e.Outcome | None = None
    reason: str = ""
    totals: Totals = Totals()  # of the whole session
    undone: tuple[tuple[str, ...], ...] = ()  # calls taken back, the last group last
    restoring: e.RestoreStarted | None = None
    notes: tuple[str, ...] = ()  # for the model, as soon as no call is open
    seen: dict[
        str, str
    ] = {}  # digests of the files that the model knows, by path (`metadata["seen"]`)
    sent: int = 0  # messages that a model was asked with
    gauge: Gauge = Gauge()
    last: Expected = Expected()  # who answered the last step and when
    reuse: Reuse = Reuse()  # of the last step
    losses: tuple[str, ...] = ()  # why something was computed again in this turn, the last ones
    asked: tuple[str, ...] = ()  # what the person said, the goal first
    changed: tuple[str, ...] = ()  # files that calls changed, the last ones last
    last_failure: str = ""  # the last failed command, also if a cause was named
    compaction: str | None = None  # a person wants one, with this focus
    compacted_at: int | None = None  # the number of steps at the last one
    only_compacting: bool = False  # the turn was begun for it and has nothing else to do
    window_seen: int | None = None  # what the server turned out to hold, in tokens


def reduce(s: Session, recorded: e.Recorded) -> Session:
    """Return the session after one more event. Raises nothing: every stored log folds."""
    before = s
    s = replace(s, seq=recorded.seq, at=recorded.at)
    match recorded.event:
        case e.SessionStarted(session_id, workspace, agent):
            gauge = Gauge.of(agent.instructions, agent.tools)
            return replace(s, session_id=session_id, workspace=workspace, agent=agent, gauge=gauge)
        case e.SessionNamed(name):
            return replace(s, name=name)
        case e.SessionReopened():
            return _reopen(before, s)
        case e.InputQueued() as item:
            return replace(s, queue=(*s.queue, item))
        case e.InputDelivered(input_id):
            return _deliver(s, input_id)
        case e.InputWithdrawn(input_id):
            return replace(s, queue=tuple(q for q in s.queue if q.input_id != input_id))
        case e.TurnStarted(limits):
            return _begin_turn(s, limits)
        case e.Nudged(cause, text):
            # The trail begins anew: what counts is what the model does with the hint.
            return replace(
                _say(s, UserMessage(text)),
                phase="ready",
                nudges=s.nudges + (cause == "stuck"),
                hinted=cause == "unusable",
                progress=Progress(),
            )
        case e.CancelRequested():
            return replace(s, cancelling=True)
        case e.TurnFinished(outcome, reason):
            return replace(
                s,
                phase="idle",
                attempt=0,
                delay_s=0.0,
                cancelling=False,
                outcome=outcome,
                reason=reason,
            )
        case e.StepStarted(attempt, purpose):
            sent = len(s.messages) if purpose == "answer" else s.sent
            return replace(s, phase="stepping", attempt=attempt, sent=sent)
        case e.StepFinished() as step:
            return _finish_step(s, step)
        case e.StepFailed() as failed:
            return _fail_step(s, failed)
        case e.PermissionAsked(call_id, rule, reason, access, replay_class):
            asked = Decision("ask", rule, reason)
            return _with_call(
                s, call_id, status="asked", decision=asked, access=access, replay=replay_class
            )
        case e.PermissionDecided() as verdict:
            return _decide(s, verdict)
        case e.ToolStarted(call_id, replay_class):
            starts = next((c.starts for c in s.calls if c.call.call_id == call_id), 0) + 1
            return _with_call(
                s, call_id, status="running", replay=replay_class, starts=starts, started_at=s.at
            )
        case e.ToolFinished(call_id, result):
            s = replace(
                s,
                seen=seen_after(s.seen, result.details),
                changed=changed_after(s.changed, result.details),
            )
            return _settle(_with_call(s, call_id, status="done", result=result))
        case e.CompactionAsked(focus):
            return replace(s, compaction=focus)
        case e.Compacted() as compacted:
            return _compact(s, compacted)
        case e.RestoreStarted() as restoring:
            return replace(s, restoring=restoring)
        case e.RestoreFinished() as restored:
            return _restore(s, restored)
        case _:
            assert_never(recorded.event)


def fold(events: Iterable[e.Recorded], start: Session | None = None) -> Session:
    """Return what the events add up to, from the beginning or from `start`."""
    return fold_left(reduce, events, start or Session())


def _deliver(s: Session, input_id: str) -> Session:
    item = next((q for q in s.queue if q.input_id == input_id), None)
    if item is None:
        return s
    # New words change the direction: what looked like a circle before them is none now.
    s = replace(
        _say(s, UserMessage(item.text)),
        queue=tuple(q for q in s.queue if q.input_id != input_id),
        phase="ready",
        progress=Progress(),
        asked=(*s.asked, item.text),
        only_compacting=False,
    )
    if item.limits is None:
        return s
    return replace(s, limits=item.limits, turn=Totals(), turn_started_at=s.at)


def _reopen(before: Session, s: Session) -> Session:
    """Put open calls back to where the guard of this process judges them, and stop the clock meanwhile."""
    calls = tuple(
        replace(c, status="proposed", decision=None) if _may_run(c) else c for c in before.calls
    )
    return replace(s, calls=calls, turn_started_at=s.at - (before.at - before.turn_started_at))


def _may_run(c: OpenCall) -> bool:
    """Tell whether a call could still be run: it was never begun, or may be begun again."""
    return c.status in ("asked", "allowed") or (c.status == "running" and c.replay == "safe")


def _decide(s: Session, verdict: e.PermissionDecided) -> Session:
    decision = verdict.decision
    denied = decision.verdict != "allow" and verdict.by != "person"
    s = replace(
        s,
        blocked=s.blocked + (decision.code == APPROVAL_REQUIRED),
        denied=s.denied + (denied or decision.code == APPROVAL_REQUIRED),
    )
    status = "allowed" if decision.verdict == "allow" else "denied"
    if verdict.by == "person":
        return _with_call(s, verdict.call_id, status=status, decision=decision)
    return _with_call(
        s,
        verdict.call_id,
        status=status,
        decision=decision,
        access=verdict.access,
        replay=verdict.replay,
    )


def _begin_turn(s: Session, limits: Limits) -> Session:
    return replace(
        s,
        phase="ready",
        limits=limits,
        turn_started_at=s.at,
        attempt=0,
        delay_s=0.0,
        turn=Totals(),
        nudges=0,
        cuts=0,
        blocked=0,
        denied=0,
        cancelling=False,
        losses=(),
        hinted=False,
        only_compacting=s.compaction is not None and not s.queue,
        failure="",
        unacknowledged=0,
        error="",
        error_kind=None,
        outcome=None,
        reason="",
    )


def _finish_step(s: Session, step: e.StepFinished) -> Session:
    message, aside = step.message, step.reuse.aside
    named = bool(s.failure) and names_cause(f"{message.text}\n{message.reasoning}", s.failure)
    return replace(
        s,
        phase="tools" if message.calls else "answered",
        hinted=False,
        attempt=0,
        delay_s=0.0,
        turn=s.turn.plus(step.usage, step.reuse, message),
        totals=s.totals.plus(step.usage, step.reuse, message),
        gauge=s.gauge.plus((message,)) if aside else s.gauge.counted(step.usage, message),
        last=s.last if aside else Expected(seen_at=s.at, model=step.model, server=step.server),
        reuse=step.reuse,
        losses=(*s.losses, step.reuse.cause)[-MAX_LOSSES:] if step.reuse.lost else s.losses,
        cuts=s.cuts + 1 if message.stop == "length" else 0,
        failure="" if named else s.failure,
        unacknowledged=0 if named or not s.failure else s.unacknowledged + 1,
        messages=(*s.messages, message),
        calls=tuple(map(OpenCall, message.calls)),
    )


def _fail_step(s: Session, failed: e.StepFailed) -> Session:
    s = replace(
        s,
        phase="failed" if failed.final else "ready",
        delay_s=failed.delay_s,
        error=failed.text,
        error_kind=failed.error,
    )
    if failed.window_tokens is not None:
        s = replace(s, window_seen=min(failed.window_tokens, s.window_seen or failed.window_tokens))
    if failed.error == "cancelled":
        s = replace(s, attempt=0)
        if failed.partial:
            return _say(s, AssistantMessage(failed.partial, stop="cancelled"))
    return s


def _say(s: Session, *messages: Message) -> Session:
    """Put messages at the end of the context; no server has counted them yet."""
    grown = appended(s.messages, *messages)
    return replace(s, messages=grown, gauge=s.gauge.plus(grown[len(s.messages) :]))


def _compact(s: Session, compacted: e.Compacted) -> Session:
    return replace(
        s,
        phase="answered" if s.only_compacting else "ready",
        attempt=0,
        delay_s=0.0,
        error="",
        error_kind=None,
        messages=compacted.messages,
        sent=0,
        gauge=s.gauge.anew(compacted.messages),
        last=replace(s.last, excuse=COMPACTED),
        turn=s.turn.plus(compacted.usage, compacted.reuse, None),
        totals=s.totals.plus(compacted.usage, compacted.reuse, None),
        compaction=None,
        compacted_at=s.totals.steps,
    )


def _restore(s: Session, restored: e.RestoreFinished) -> Session:
    undone = s.undone
    if restored.calls:
        undone = (*undone, restored.calls) if restored.direction == "undo" else undone[:-1]
    s = replace(s, restoring=None, undone=undone)
    if not restored.note:
        return s
    if s.calls:  # nobody may speak between calls and their results
        return replace(s, notes=(*s.notes, restored.note))
    return _say(s, UserMessage(restored.note))


def _with_call(s: Session, call_id: str, **change: Any) -> Session:
    calls = tuple(replace(c, **change) if c.call.call_id == call_id else c for c in s.calls)
    return replace(s, calls=calls)


def _settle(s: Session) -> Session:
    """When the last open call is done, their results enter the context, in the order of the calls."""
    if not s.calls or any(c.status != "done" for c in s.calls):
        return s
    results: list[Message] = []
    failure, unacknowledged, last_failure = s.failure, s.unacknowledged, s.last_failure
    for c in s.calls:
        if c.result is None:
            continue
        results.append(
            ToolMessage(
                c.call.call_id, c.call.name, c.result.content, c.call.wire_id, c.result.is_error
            )
        )
        if c.result.is_error and is_failed_command(c.result.details):
            failure, unacknowledged = f"{c.call.arguments}\n{c.result.content}", 0
            last_failure = failure
    progress = _progress(s)
    return replace(
        _say(s, *results, *map(UserMessage, s.notes)),
        phase="ready",
        calls=(),
        failure=failure,
        unacknowledged=unacknowledged,
        last_failure=last_failure,
        notes=(),
        progress=progress,
        nudges=0 if progress.fresh >= FORGIVEN_AFTER else s.nudges,
    )


def _progress(s: Session) -> Progress:
    """Return the trail after this step. A call that took its time was waiting for something: no circle."""
    if any(c.started_at and s.at - c.started_at >= WAITING_MS for c in s.calls):
        return Progress(seen=s.progress.seen)
    return s.progress.after(
        [(c.call.name, c.call.arguments, c.result.content) for c in s.calls if c.result]
    )
