"""`hob context`: what fills the window of a session, what was reused step by step, and what was lost."""

from typing import Any

import msgspec

from hob.cli.terminal import harmless, one_line
from hob.core import events as e
from hob.core.codec import open_entry
from hob.core.session import Session, fold
from hob.core.sources import by_source
from hob.core.upkeep import window_of
from hob.sessions.service import Sessions

MAX_STEPS = 20
BAR = 24


async def context_command(name: str, sessions: Sessions, workspace: str, *, as_json: bool) -> int:
    """Show the context of a session (the last one of the workspace without a name)."""
    session_id = await sessions.find(name) if name else await sessions.latest(workspace)
    recorded = [open_entry(entry) for entry in await sessions.entries(session_id)]
    session = fold(recorded)
    steps = [one for one in recorded if isinstance(one.event, e.StepFinished | e.Compacted)]
    if as_json:
        print(msgspec.json.encode(_document(session, steps)).decode())
        return 0
    print("\n".join([*_filling(session), "", *_history(steps)]))
    return 0


def _filling(session: Session) -> list[str]:
    gauge, window = session.gauge, window_of(session)
    of = f"{gauge.tokens / window:.0%} of {window:,}" if window else "the window is not known"
    counted = (
        f", {gauge.prompt + gauge.answer:,} of them counted by the server" if gauge.prompt else ""
    )
    lines = [
        f"session {session.session_id} · next prompt about {gauge.tokens:,} tokens{counted} · {of}",
        "",
    ]
    sources = by_source(session)
    whole = max(1, window or sum(one.tokens for one in sources))
    for one in sources:
        bar = "█" * round(BAR * min(1.0, one.tokens / whole))
        lines.append(
            f"{one.tokens:>9,}  {one.tokens / whole:>4.0%}  {one_line(one.name, 28):<28} {one.pieces:>4}  {bar}"
        )
    if window and window > gauge.tokens:
        high = session.limits.context.high_water
        lines.append(f"{window - gauge.tokens:>9,}  {1 - gauge.tokens / window:>4.0%}  free")
        lines += ["", f"It will be compacted at {high * window:,.0f} tokens ({high:.0%})."]
    return lines


def _history(steps: list[e.Recorded]) -> list[str]:
    if not steps:
        return ["No step yet."]
    lines = ["  event   prompt   reused  computed    again  first token"]
    for one in steps[-MAX_STEPS:]:
        event = one.event
        if not isinstance(event, e.StepFinished | e.Compacted):
            continue
        reuse, first_s = event.reuse, event.timings.first_token_s
        known = event.usage.prompt_tokens is not None
        cells = [
            f"{one.seq:>7}",
            f"{reuse.sent:>8,}" if known else f"{'?':>8}",
            f"{reuse.cached:>8,}" if reuse.cached is not None else f"{'?':>8}",
            f"{reuse.computed:>9,}" if reuse.cached is not None else f"{'?':>9}",
            f"{reuse.lost:>8,}",
            f"{first_s:>10.1f} s" if first_s is not None else "",
        ]
        lines.append(" ".join(cells).rstrip())
        if isinstance(event, e.Compacted):
            told = f"compacted, {event.reason}: {event.before_tokens:,} to {event.after_tokens:,} tokens"
            lines.append(f"        {harmless(told)}")
        if reuse.cause:
            lines.append(f"        {harmless(reuse.cause)}")
    if len(steps) > MAX_STEPS:
        lines.append(f"  … {len(steps) - MAX_STEPS} earlier steps: see --json")
    return lines


def _document(session: Session, steps: list[e.Recorded]) -> dict[str, Any]:
    gauge = session.gauge
    return {
        "session_id": session.session_id,
        "tokens": gauge.tokens,
        "counted_tokens": gauge.prompt + gauge.answer,
        "window_tokens": window_of(session),
        "sources": msgspec.to_builtins(by_source(session)),
        "steps": [
            {
                "seq": one.seq,
                "at": one.at,
                "kind": "step" if isinstance(one.event, e.StepFinished) else "compaction",
                **msgspec.to_builtins(one.event.reuse),
                "computed": one.event.reuse.computed,
                "first_token_s": one.event.timings.first_token_s,
            }
            for one in steps
            if isinstance(one.event, e.StepFinished | e.Compacted)
        ],
    }
