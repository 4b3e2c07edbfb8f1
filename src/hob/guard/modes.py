"""Four modes, each a verdict for each class of access."""

from hob.core.permission import APPROVAL_REQUIRED, Access, Action, Decision, Mode, Verdict

_TABLE: dict[Mode, dict[Access, Verdict]] = {
    "read-only": {"none": "allow", "read": "allow", "write": "ask", "execute": "ask"},
    "workspace-write": {"none": "allow", "read": "allow", "write": "allow", "execute": "ask"},
    "full": {"none": "allow", "read": "allow", "write": "allow", "execute": "allow"},
    "locked": {"none": "allow", "read": "deny", "write": "deny", "execute": "deny"},
}

_WHAT: dict[Access, str] = {
    "none": "",
    "read": "reads files",
    "write": "changes files",
    "execute": "runs a command",
}


class ModeGuard:
    """Judges by mode alone. The sandbox keeps every path inside the workspace, in every mode.

    Without `interactive` nobody can answer, so each question becomes a denial with its reason.
    """

    def __init__(self, mode: Mode, interactive: bool) -> None:
        self._mode: Mode = mode
        self._interactive = interactive

    async def judge(self, action: Action) -> Decision:
        """Return the verdict of the mode on one action."""
        rule = f"mode {self._mode}: {action.access}"
        verdict = _TABLE[self._mode][action.access]
        what = f"{action.tool} {_WHAT[action.access]}"
        if verdict == "allow":
            return Decision("allow", rule)
        if verdict == "deny":
            return Decision(
                "deny",
                rule,
                f"{what}, which mode {self._mode!r} never allows. Do not try variants.",
            )
        if self._interactive:
            return Decision("ask", rule, what)
        reason = (
            f"{what}; that needs an approval, and nobody is there to give it. Do not try variants."
            " (For people: run again on a terminal, or with --permission-mode full.)"
        )
        return Decision("deny", rule, reason, APPROVAL_REQUIRED)
