"""The fold: a session is what its events add up to. Live, resumed, forked, tested: this one."""

from collections.abc import Iterable
from functools import reduce as fold_left
from typing import Any, Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from hob.core import events as e
from hob.core.agent import Agent, Limits
from hob.core.errors import ErrorKind
from hob.core.messages import (
    AssistantMessage,
    Details,
    Message,
    ToolCall,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
)
from hob.core.permission import APPROVAL_REQUIRED, Access, Decision, Replay
from hob.core.progress import Progress, names_cause

WAITING_MS = 3000  # a call that took this long and brought nothing new was polling, not circling
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


class Totals(Struct, frozen=True):
    """Steps taken, and sums of what servers reported for them."""

    steps: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, usage: Usage, message: AssistantMessage) -> "Totals":
        """Return the sums after one more step. What a server does not report is estimated for the limits."""
        completion = usage.completion_tokens
        if completion is None:
            completion = _estimate(message)
        return Totals(
            self.steps + 1,
            self.prompt_tokens + (usage.prompt_tokens or 0),
            self.cached_tokens + (usage.cached_tokens or 0),
            self.completion_tokens + completion,
        )


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


def reduce(s: Session, recorded: e.Recorded) -> Session:
    """Return the session after one more event. Raises nothing: every stored log folds."""
    before = s
    s = replace(s, seq=recorded.seq, at=recorded.at)
    match recorded.event:
        case e.SessionStarted(session_id, workspace, agent):
            return replace(s, session_id=session_id, workspace=workspace, agent=agent)
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
                s,
                phase="ready",
                messages=(*s.messages, UserMessage(text)),
                nudges=s.nudges + (cause == "stuck"),
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
        case e.StepStarted(attempt):
            return replace(s, phase="stepping", attempt=attempt)
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
            s = replace(s, seen=_seen(s.seen, result.details))
            return _settle(_with_call(s, call_id, status="done", result=result))
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
        s,
        queue=tuple(q for q in s.queue if q.input_id != input_id),
        phase="ready",
        messages=(*s.messages, UserMessage(item.text)),
        progress=Progress(),
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
        failure="",
        unacknowledged=0,
        error="",
        error_kind=None,
        outcome=None,
        reason="",
    )


def _finish_step(s: Session, step: e.StepFinished) -> Session:
    message = step.message
    named = bool(s.failure) and names_cause(f"{message.text}\n{message.reasoning}", s.failure)
    return replace(
        s,
        phase="tools" if message.calls else "answered",
        attempt=0,
        delay_s=0.0,
        turn=s.turn.plus(step.usage, message),
        totals=s.totals.plus(step.usage, message),
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
    if failed.error == "cancelled":
        s = replace(s, attempt=0)
        if failed.partial:
            said = AssistantMessage(failed.partial, stop="cancelled")
            return replace(s, messages=(*s.messages, said))
    return s


def _seen(known: dict[str, str], details: Details) -> dict[str, str]:
    """Return what is known of files after a result; an empty digest means that nothing is any more."""
    news = details.metadata.get("seen")
    if not isinstance(news, dict):
        return known
    known = {**known, **news}
    return {path: digest for path, digest in known.items() if digest}


def _restore(s: Session, restored: e.RestoreFinished) -> Session:
    undone = s.undone
    if restored.calls:
        undone = (*undone, restored.calls) if restored.direction == "undo" else undone[:-1]
    s = replace(s, restoring=None, undone=undone)
    if not restored.note:
        return s
    if s.calls:  # nobody may speak between calls and their results
        return replace(s, notes=(*s.notes, restored.note))
    return replace(s, messages=(*s.messages, UserMessage(restored.note)))


def _is_failed_command(details: Details) -> bool:
    return details.exit_code not in (0, None) or bool(details.metadata.get("timed_out"))


def _with_call(s: Session, call_id: str, **change: Any) -> Session:
    calls = tuple(replace(c, **change) if c.call.call_id == call_id else c for c in s.calls)
    return replace(s, calls=calls)


def _settle(s: Session) -> Session:
    """When the last open call is done, their results enter the context, in the order of the calls."""
    if not s.calls or any(c.status != "done" for c in s.calls):
        return s
    results: list[Message] = []
    failure, unacknowledged = s.failure, s.unacknowledged
    for c in s.calls:
        if c.result is None:
            continue
        results.append(
            ToolMessage(
                c.call.call_id, c.call.name, c.result.content, c.call.wire_id, c.result.is_error
            )
        )
        if c.result.is_error and _is_failed_command(c.result.details):
            failure, unacknowledged = f"{c.call.arguments}\n{c.result.content}", 0
    progress = _progress(s)
    return replace(
        s,
        phase="ready",
        calls=(),
        failure=failure,
        unacknowledged=unacknowledged,
        messages=(*s.messages, *results, *map(UserMessage, s.notes)),
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


def _estimate(message: AssistantMessage) -> int:
    written = len(message.text) + len(message.reasoning)
    return max(1, (written + sum(len(call.arguments) for call in message.calls)) // 4)
