"""Carry a compaction out: keep what leaves the context where it can be read again, then build the new one."""

from collections.abc import Callable

from msgspec.structs import replace

from hob.core import events as e
from hob.core.compaction import compact_context
from hob.core.effects import Compact
from hob.core.messages import Reply, Timings, ToolMessage, Usage
from hob.core.reuse import Reuse, measure
from hob.core.tokens import Ratio, estimate_message

MIN_PUT_ASIDE = 400  # characters; what is shorter is not worth another call to read it again


def compacted(
    effect: Compact, reply: Reply | None, put_aside: Callable[[str], str], now_ms: int
) -> e.Compacted:
    """Return the compaction as a fact. `put_aside` keeps a text and returns the name to read it by, or ""."""
    gauge, words = effect.gauge, "" if reply is None else reply.message.text.strip()
    blobs = {
        message.call_id: name
        for message in effect.messages
        if isinstance(message, ToolMessage) and len(message.content) >= MIN_PUT_ASIDE
        if (name := put_aside(message.content))
    }
    facts = replace(effect.facts, blobs=blobs)
    # What the server counted for these very messages says more than what was learned from earlier ones.
    estimated = sum(map(estimate_message, effect.messages))
    ratio = Ratio(estimated or 1, max(1, gauge.tokens - gauge.head_tokens))
    kept = compact_context(effect.messages, words, facts, effect.max_tokens, effect.policy, ratio)
    requested = effect.request.messages if effect.request is not None else ()
    return e.Compacted(
        kept.messages,
        "model" if words else "rule",
        effect.reason,
        gauge.tokens,
        gauge.anew(kept.messages).tokens,
        Usage() if reply is None else reply.usage,
        Timings() if reply is None else reply.timings,
        Reuse() if reply is None else measure(effect.expected, reply, requested, now_ms),
    )
