"""A session as JSON: one object at the end, or one line for everything that happens."""

from typing import Any, Protocol, TextIO

import msgspec

from hob.core import events as e
from hob.core.deltas import Delta
from hob.core.messages import AssistantMessage
from hob.core.permission import APPROVAL_REQUIRED
from hob.core.session import Session
from hob.core.upkeep import window_of


class View(Protocol):
    """Something that shows a session."""

    def prime(self, session: Session) -> None:
        """Know the calls that are open when a session is taken up again."""
        ...

    def show(self, item: e.Recorded | Delta) -> None:
        """Show one item of the feed."""
        ...

    def close(self, session: Session, duration_s: float) -> None:
        """Show how it ended."""
        ...


class JsonView:
    """Prints one JSON object at the end; with `stream`, before that a line for each event and delta."""

    def __init__(self, out: TextIO, *, stream: bool) -> None:
        self._out, self._stream = out, stream
        self._denials: list[dict[str, Any]] = []
        self._tools: dict[str, str] = {}

    def prime(self, session: Session) -> None:
        """Know the names of open calls."""
        self._tools = {c.call.call_id: c.call.name for c in session.calls}

    def show(self, item: e.Recorded | Delta) -> None:
        """Print an item as `{"type": "event"|"delta", …}`, and remember denials for the end."""
        if isinstance(item, e.Recorded):
            self._remember(item.event)
        if self._stream:
            kind = "event" if isinstance(item, e.Recorded) else "delta"
            self._print({"type": kind, **msgspec.to_builtins(item)})

    def _remember(self, event: e.Event) -> None:
        if isinstance(event, e.StepFinished):
            self._tools = {call.call_id: call.name for call in event.message.calls}
        elif isinstance(event, e.PermissionDecided) and event.decision.verdict == "deny":
            self._denials.append(
                {
                    "call_id": event.call_id,
                    "tool": self._tools.get(event.call_id, ""),
                    "rule": event.decision.rule,
                    "reason": event.decision.reason,
                    "code": event.decision.code,
                }
            )

    def close(self, session: Session, duration_s: float) -> None:
        """Print the result object."""
        last = session.messages[-1] if session.messages else None
        turn = session.turn
        self._print(
            {
                "type": "result",
                "result": last.text if isinstance(last, AssistantMessage) else "",
                "session_id": session.session_id,
                "outcome": session.outcome,
                "reason": session.reason,
                "is_error": exit_code(session) != 0,
                "usage": {
                    "steps": turn.steps,
                    "prompt_tokens": turn.prompt_tokens,
                    "cached_tokens": turn.cached_tokens,
                    "completion_tokens": turn.completion_tokens,
                    "computed_again_tokens": turn.lost_tokens,
                },
                "context": {
                    "tokens": session.gauge.tokens,
                    "window_tokens": window_of(session),
                    "computed_again_because": list(session.losses),
                },
                "denials": self._denials,
                "approval_required": any(d["code"] == APPROVAL_REQUIRED for d in self._denials),
                "duration_ms": round(duration_s * 1000),
            }
        )

    def _print(self, value: dict[str, Any]) -> None:
        self._out.write(msgspec.json.encode(value).decode() + "\n")
        self._out.flush()


def failure_line(reason: str) -> str:
    """Return the result object of a run that could not begin."""
    failed = {"type": "result", "result": "", "session_id": "", "outcome": "failed"}
    return msgspec.json.encode({**failed, "reason": reason, "is_error": True}).decode()


_BY_OUTCOME: dict[e.Outcome | None, int] = {
    "done": 0,
    "unreached": 10,
    "blocked": 11,
    "stuck": 12,
    "step_limit": 53,
    "out_of_time": 55,
    "out_of_tokens": 55,
    "cancelled": 130,
    "failed": 1,
    None: 1,
}


def exit_code(session: Session) -> int:
    """Return the exit code for how the last turn ended (table in the README)."""
    if session.outcome == "failed":
        return {"auth": 41, "unreachable": 69}.get(session.error_kind or "", 1)
    if session.denied and session.outcome in ("done", "unreached"):
        return 11
    return _BY_OUTCOME[session.outcome]
