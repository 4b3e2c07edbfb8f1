"""Verdicts on tool calls. The engine that reaches them stands behind the `Permission` port."""

from typing import Any, Literal

from msgspec import Struct

Verdict = Literal["allow", "ask", "deny"]
Mode = Literal["read-only", "workspace-write", "full", "locked"]
Access = Literal["none", "read", "write", "execute"]
Replay = Literal["never", "safe"]
Decider = Literal["rule", "person", "hook"]

APPROVAL_REQUIRED = "approval_required"


class Action(Struct, frozen=True):
    """What is to be judged: one call, its arguments already checked against the schema."""

    call_id: str
    tool: str
    access: Access
    arguments: dict[str, Any]


class Decision(Struct, frozen=True):
    """A verdict with the rule that gave it.

    `code` is `approval_required` when a question became a denial because nobody could answer it.
    """

    verdict: Verdict
    rule: str
    reason: str = ""
    code: str = ""
