"""When the context has to become smaller, and when that cannot help any more. Pure, like `plan`."""

from hob.core import events as e
from hob.core.compaction import DEFAULT_MAX_TOKENS, request_for_summary, summary_tokens
from hob.core.compaction import Record as Facts
from hob.core.effects import Compact, Effect, Record
from hob.core.request import Request
from hob.core.reuse import expected_of
from hob.core.session import Session

STEPS_BETWEEN = 5  # never twice within so many steps: a storm of summaries gets nowhere
MUST_BE_FREE = 0.4
BRIM = 0.95  # of the window; nothing sensible fits above it
SUMMARY_ATTEMPTS = 2
ADVICE = (
    "Give the server a larger window, take a smaller task, or lower HOB_MAX_READ_LINES; "
    "`hob context` shows what fills it."
)


def window_of(s: Session) -> int | None:
    """Return the window in tokens: what is known of it, or what the server turned out to hold."""
    sizes = [size for size in (s.limits.context.window_tokens, s.window_seen) if size]
    return min(sizes) if sizes else None


def nothing_to_compact(s: Session) -> str:
    """Return why a compaction would change nothing, in a sentence, or an empty string."""
    tokens = s.gauge.tokens
    if len(s.messages) < 2 or tokens - s.gauge.head_tokens <= _by_hand(s):
        return f"There is nothing to compact: the context is about {tokens:,} tokens."
    return ""


def upkeep(s: Session, time_left_s: float | None) -> Effect | None:
    """Return the move that the context needs before the model is called, if it needs one."""
    window, tokens = window_of(s), s.gauge.tokens
    if s.compaction is not None:
        return _compact(s, "asked for", time_left_s)
    if window is None:
        return None
    if s.compacted_at == s.totals.steps and tokens > (1 - MUST_BE_FREE) * window:
        return _refuse(s, window, "After the compaction")
    if tokens >= BRIM * window and not _is_allowed(s):
        return _refuse(s, window, f"Within {STEPS_BETWEEN} steps of a compaction")
    if tokens < s.limits.context.high_water * window or not _is_allowed(s):
        return None
    return _compact(s, f"{tokens:,} of {window:,} tokens were in use", time_left_s)


def after_overflow(s: Session) -> Effect | None:
    """Return the compaction that may help after the server refused a prompt as too long, or None."""
    if s.error_kind != "context_overflow" or not _is_allowed(s) or len(s.messages) < 2:
        return None
    return _compact(s, "the prompt did not fit the server's window", None, ask=False)


def _is_allowed(s: Session) -> bool:
    return s.compacted_at is None or s.totals.steps - s.compacted_at >= STEPS_BETWEEN


def _target(s: Session) -> int:
    """Return the tokens that messages may have after a compaction: the low-water mark less the head."""
    window = window_of(s) or s.gauge.tokens
    return max(0, int(s.limits.context.low_water * window) - s.gauge.head_tokens)


def _by_hand(s: Session) -> int:
    """Return the tokens that messages may have when a person asks: few, whatever the window holds."""
    return min(_target(s), DEFAULT_MAX_TOKENS)


def _refuse(s: Session, window: int, when: str) -> Effect:
    reason = f"{when} {s.gauge.tokens:,} of {window:,} tokens are in use. {ADVICE}"
    return Record((e.TurnFinished("out_of_tokens", reason),))


def _compact(s: Session, reason: str, time_left_s: float | None, *, ask: bool = True) -> Compact:
    facts = Facts(s.asked, s.changed, s.last_failure)
    policy, attempt = s.limits.context, s.attempt + 1
    target = _target(s) if s.compaction is None else _by_hand(s)
    common = (s.messages, facts, policy, target, reason, s.gauge)
    if not ask or attempt > SUMMARY_ATTEMPTS:
        return Compact((), *common)
    request = Request(
        s.session_id,
        s.agent.instructions,
        s.agent.tools,
        request_for_summary(s.messages, s.compaction or "", s.sent),
        summary_tokens(window_of(s)),
        time_left_s,
    )
    return Compact(
        (e.StepStarted(attempt, "summary"),),
        *common,
        request,
        expected_of(s.gauge, s.last),
        attempt,
        s.delay_s,
    )
