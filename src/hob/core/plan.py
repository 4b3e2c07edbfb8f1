"""The next move, as a pure function of the session."""

from hob.core import events as e
from hob.core.agent import Limits
from hob.core.effects import CallModel, Effect, Judge, Record, Rest, RunTools, Wait
from hob.core.messages import AssistantMessage, ToolResult
from hob.core.request import Request
from hob.core.reuse import expected_of
from hob.core.session import OpenCall, Session
from hob.core.upkeep import after_overflow, upkeep

MAX_STARTS = 3  # a safe call that took the process down this often is not begun again
MAX_BLOCKED = 3
MAX_CUTS = 3
MAX_UNACKNOWLEDGED = 3
MAX_DELAY_S = 120.0
HINT_AFTER = 2  # attempts that gave nothing usable
HINT = (
    "Note from the host: your last answers could not be used ({}). Answer anew: in words, or with one tool call"
    " whose arguments are one JSON object."
)
SAME_AGAIN = ("malformed", "empty", "server")  # the same prompt may well fail in the same way again

CANCELLED = ToolResult("Cancelled by the person before it finished.", is_error=True)
INTERRUPTED = ToolResult(
    "Interrupted by a restart; outcome unknown; not re-run. Check the state before you repeat it.",
    is_error=True,
)


def next_effect(s: Session) -> Effect:
    """Decide what happens next. Called only between effects, so `stepping` and `running` mean a crash."""
    if s.phase == "idle":
        return _next_at_rest(s)
    if s.cancelling:
        return Record((*_finish_all(s, CANCELLED), e.TurnFinished("cancelled")))
    if s.phase == "failed":
        return after_overflow(s) or Record((e.TurnFinished("failed", s.error),))
    if s.phase == "stepping":
        final = s.attempt >= s.limits.max_attempts
        return Record(
            (e.StepFailed("interrupted", "Interrupted while the model was answering.", final),)
        )
    if s.phase == "tools":
        return _next_for_calls(s)
    if steer := next((q for q in s.queue if q.delivery == "steer"), None):
        return Record((e.InputDelivered(steer.input_id),))
    if s.phase == "answered":
        return _after_answer(s)
    if s.queue and (not s.messages or isinstance(s.messages[-1], AssistantMessage)):
        # A turn whose input was lost in a crash: a model is not asked to answer itself.
        return Record((e.InputDelivered(s.queue[0].input_id),))
    if ending := _ending(s):
        return Record((ending,))
    if s.attempt == HINT_AFTER and s.error_kind in SAME_AGAIN and not s.hinted:
        return Record((e.Nudged("unusable", HINT.format(s.error.rstrip("."))),))
    if circle := s.progress.circle(s.limits.stuck_after):
        return Record((_unstick(s, circle),))
    return upkeep(s, _time_left_s(s)) or _call_model(s)


def _next_at_rest(s: Session) -> Effect:
    if s.queue:
        first = s.queue[0]
        return Record((e.TurnStarted(first.limits or Limits()), e.InputDelivered(first.input_id)))
    return Rest() if s.compaction is None else Record((e.TurnStarted(s.limits),))


def _finish_all(s: Session, result: ToolResult) -> tuple[e.Event, ...]:
    return tuple(e.ToolFinished(c.call.call_id, result) for c in s.calls if c.status != "done")


def _after_answer(s: Session) -> Effect:
    if s.cuts == 0:
        last = s.messages[-1]
        gave_up = isinstance(last, AssistantMessage) and last.stop == "gave_up"
        return Record((e.TurnFinished("unreached" if gave_up else "done"),))
    if s.cuts >= MAX_CUTS or _ending(s):
        return Record(
            (
                e.TurnFinished(
                    "out_of_tokens", "The answer was cut at the output limit again and again."
                ),
            )
        )
    hint = (
        "Your last answer was cut at the output limit. Go on where it stopped, in smaller pieces."
    )
    return Record((e.Nudged("length", hint),))


def _ending(s: Session) -> e.TurnFinished | None:
    limits = s.limits
    if s.blocked >= MAX_BLOCKED:
        return e.TurnFinished(
            "blocked", f"{s.blocked} calls needed an approval that nobody could give."
        )
    if s.turn.steps >= limits.max_steps:
        return e.TurnFinished("step_limit", f"The limit of {limits.max_steps} steps is reached.")
    if limits.max_wall_s is not None and _elapsed_s(s) >= limits.max_wall_s:
        return e.TurnFinished("out_of_time", f"The limit of {limits.max_wall_s:g} s is reached.")
    if (
        limits.max_output_tokens is not None
        and s.turn.completion_tokens >= limits.max_output_tokens
    ):
        return e.TurnFinished(
            "out_of_tokens", f"The limit of {limits.max_output_tokens} output tokens is reached."
        )
    return None


def _unstick(s: Session, circle: str) -> e.Event:
    if s.nudges:
        return e.TurnFinished("stuck", f"Stopped: {circle}, also after a hint.")
    text = f"Note from the host: {circle}. Do something different, or say what keeps you from going on."
    return e.Nudged("stuck", text)


def _call_model(s: Session) -> CallModel:
    limits, attempt = s.limits, s.attempt + 1
    left = (
        None
        if limits.max_output_tokens is None
        else limits.max_output_tokens - s.turn.completion_tokens
    )
    variation = s.attempt if s.error_kind in SAME_AGAIN else 0
    request = Request(
        s.session_id,
        s.agent.instructions,
        s.agent.tools,
        s.messages,
        left,
        _time_left_s(s),
        variation,
    )
    return CallModel(
        (e.StepStarted(attempt),),
        request,
        s.totals.steps + 1,
        attempt,
        limits.max_attempts,
        min(s.delay_s, MAX_DELAY_S),
        expected_of(s.gauge, s.last),
    )


def _next_for_calls(s: Session) -> Effect:
    if settled := _settle_first(s):
        return Record(settled)
    if proposed := tuple(c.call for c in s.calls if c.status == "proposed"):
        return Judge(proposed)
    batch = _batch(s)
    if not batch:
        return Wait()
    starts = tuple(e.ToolStarted(c.call.call_id, c.replay) for c in batch)
    return RunTools(starts, tuple(c.call for c in batch), _time_left_s(s))


def _settle_first(s: Session) -> tuple[e.Event, ...]:
    """Give a result to every call that will not run: over the cap, not acknowledged, denied, interrupted."""
    settled: list[e.Event] = []
    for index, c in enumerate(s.calls):
        if result := _result_without_running(s, index, c):
            settled.append(e.ToolFinished(c.call.call_id, result))
    return tuple(settled)


def _result_without_running(s: Session, index: int, c: OpenCall) -> ToolResult | None:
    limits = s.limits
    if c.status == "proposed":
        if limits.acknowledge_failures and s.failure and s.unacknowledged < MAX_UNACKNOWLEDGED:
            return ToolResult(
                "Not run: the last command failed. Say in a sentence what caused it, then call again.",
                is_error=True,
            )
        if limits.max_calls_per_step is not None and index >= limits.max_calls_per_step:
            return ToolResult(
                f"Not run: at most {limits.max_calls_per_step} call(s) a step. Call it again next.",
                is_error=True,
            )
    if c.status in ("proposed", "asked", "allowed") and _time_left_s(s) == 0.0:
        return ToolResult("Not run: the time of the turn is up.", is_error=True)
    if c.status == "denied":
        reason = c.decision.reason if c.decision else ""
        return ToolResult(f"Denied. {reason}".rstrip(), is_error=True)
    if c.status == "running" and c.replay == "never":
        return INTERRUPTED
    if c.status in ("running", "allowed") and c.starts >= MAX_STARTS:
        return INTERRUPTED
    return None


def _batch(s: Session) -> tuple[OpenCall, ...]:
    """Return the calls to run now: reads at the front side by side, anything else alone and in order."""
    batch: list[OpenCall] = []
    for c in s.calls:
        if c.status == "done":
            continue
        if c.status == "asked":
            break  # what stands behind an open question waits for it: order is part of the meaning
        if c.access not in ("none", "read"):
            return tuple(batch) or (c,)
        batch.append(c)
    return tuple(batch)


def _elapsed_s(s: Session) -> float:
    return (s.at - s.turn_started_at) / 1000


def _time_left_s(s: Session) -> float | None:
    if s.limits.max_wall_s is None:
        return None
    return max(0.0, s.limits.max_wall_s - _elapsed_s(s))
