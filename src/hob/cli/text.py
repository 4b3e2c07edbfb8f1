"""A session as a person reads it: prose on standard output, everything else on standard error."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO, cast

from hob.cli.terminal import Palette, harmless, one_line
from hob.core import events as e
from hob.core.deltas import Delta, Notice, ReasoningDelta, TextDelta
from hob.core.messages import ToolCall, ToolResult
from hob.core.reuse import Reuse
from hob.core.session import Session
from hob.core.upkeep import window_of

WIDTH = 100
STATUS_WIDTH = 76  # must not wrap, or it could not be taken back
MAX_DIFF_LINES = 40
MAX_CHANGES = 10
_COUNTS = (("match", "matches"), ("file", "files"), ("entry", "entries"), ("byte", "bytes"))
_MAIN_ARGUMENT = (
    "command", "path", "pattern", "source", "message", "thought", "name", "text", "output", "action",
)  # fmt: skip


class TextView:
    """Shows items of a feed as they come."""

    def __init__(self, out: TextIO, err: TextIO, environment: Mapping[str, str]) -> None:
        self._out, self._err = out, err
        self._colour = Palette.for_stream(err, environment)
        self._calls: dict[str, ToolCall] = {}
        self._column_open = False  # prose stands on an unfinished line
        self._thinking = False
        self._streamed = False
        self._status_open = False  # a passing line stands on the terminal
        self._failure = ""  # the last one shown

    def prime(self, session: Session) -> None:
        """Know the calls that are open when a session is taken up again."""
        self._calls = {c.call.call_id: c.call for c in session.calls}

    def show(self, item: e.Recorded | Delta) -> None:
        """Show one item."""
        match item:
            case TextDelta(text):
                self._prose(text)
            case ReasoningDelta(text):
                self._think(text)
            case Notice(text):
                self._line(f"{self._colour.dim}{harmless(text)}{self._colour.reset}")
            case e.Recorded(_, _, event):
                self._event(event)
            case _:
                pass

    def _event(self, event: e.Event) -> None:
        match event:
            case e.StepStarted(_, purpose):
                self._streamed = False
                self._status("waiting for the model" + (" to sum up" * (purpose == "summary")))
            case e.ToolStarted(call_id):
                if call := self._calls.get(call_id):
                    self._status(f"{call.name} {first_line(main_argument(call))}")
            case e.StepFinished(message, reuse=reuse):
                if message.text and not self._streamed:
                    self._prose(message.text)
                self._end_line()
                self._calls = {call.call_id: call for call in message.calls}
                if reuse.lost:
                    self._line(_lost(reuse, self._colour))
            case e.StepFailed(error, text, final, delay_s) if error != "cancelled":
                self._failure = text
                again = "" if final else f" Trying again{f' in {delay_s:g} s' if delay_s else ''}."
                self._line(f"{self._colour.bad}{harmless(text)}{self._colour.reset}{again}")
            case e.ToolFinished(call_id, result):
                self._call(self._calls.get(call_id) or ToolCall(call_id, "?", "{}"), result)
            case _:
                self._aside(event)

    def _aside(self, event: e.Event) -> None:
        """Show what happens beside steps and calls."""
        match event:
            case e.Compacted() as done:
                told = (
                    f"Context compacted from {done.before_tokens:,} to {done.after_tokens:,} tokens"
                )
                how = "" if done.by == "model" else ", by rule: the model gave no summary"
                self._line(f"{self._colour.note}{told}{how}.{self._colour.reset}")
                if done.reuse.lost:
                    self._line(_lost(done.reuse, self._colour))
            case e.RestoreFinished(_, direction, _, paths, conflicts):
                self._restored(direction, paths, conflicts)
            case e.Nudged(_, text):
                self._line(f"{self._colour.note}{harmless(text)}{self._colour.reset}")
            case _:
                pass

    def _call(self, call: ToolCall, result: ToolResult) -> None:
        colour = self._colour
        mark = f"{colour.bad}✗" if result.is_error else f"{colour.good}✓"
        head = f"{mark}{colour.reset} {colour.bold}{harmless(call.name)}{colour.reset}"
        told = one_line(first_line(main_argument(call)), WIDTH - len(call.name) - 20)
        ending = one_line(outcome(result), 60)
        self._line(
            " ".join(filter(None, (head, told, ending and f"{colour.dim}{ending}{colour.reset}")))
        )
        known = result.details.metadata
        diff = known.get("diff")
        if isinstance(diff, str) and diff:
            self._diff(diff)
        elif isinstance(known.get("changes"), list):
            self._changes(known["changes"], int(known.get("changed_paths", 0)))
        for note in known.get("not_covered", ()):
            self._line(f"    {colour.note}{harmless(str(note))}{colour.reset}")

    def _restored(self, direction: str, paths: Sequence[str], conflicts: Sequence[str]) -> None:
        told = f"{direction}: {', '.join(paths) or 'nothing'}"
        if conflicts:
            told += f"; left as somebody else changed them: {', '.join(conflicts)}"
        self._line(f"{self._colour.note}{harmless(told)}{self._colour.reset}")

    def _changes(self, changes: list[dict[str, Any]], total: int) -> None:
        """Show which files a call changed that brings no diff of its own."""
        colour = self._colour
        files = [one for one in changes if "dir" not in one.get("kinds", ())]
        for one in files[:MAX_CHANGES]:
            before, after = one.get("kinds") or ("file", "file")
            sign = "A" if before == "absent" else "D" if after == "absent" else "M"
            count = f" +{one['added']} -{one['removed']}" if one.get("added") is not None else ""
            self._line(f"    {colour.dim}{sign} {harmless(str(one['path']))}{count}{colour.reset}")
        rest = total - (len(changes) - len(files)) - MAX_CHANGES
        if rest > 0:
            self._line(f"    {colour.dim}… {rest} more files{colour.reset}")

    def _diff(self, diff: str) -> None:
        colour = self._colour
        lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
        for line in lines[:MAX_DIFF_LINES]:
            paint = {"+": colour.good, "-": colour.bad, "@": colour.note}.get(line[:1], colour.dim)
            self._line(f"    {paint}{harmless(line)}{colour.reset}")
        if len(lines) > MAX_DIFF_LINES:
            self._line(f"    {colour.dim}… {len(lines) - MAX_DIFF_LINES} more lines{colour.reset}")

    def _prose(self, text: str) -> None:
        if self._thinking or self._status_open:
            self._end_line()
        self._streamed = True
        shown = harmless(text)
        self._out.write(shown)
        self._out.flush()
        self._column_open = not shown.endswith("\n")

    def _think(self, text: str) -> None:
        """Thoughts are for a person who watches, not for a file."""
        if not self._colour.dim:
            return
        if not self._thinking:
            self._end_line()
            self._err.write(self._colour.dim)
        self._err.write(harmless(text))
        self._err.flush()
        self._thinking = True

    def _line(self, text: str) -> None:
        self._end_line()
        self._err.write(f"{text}\n")
        self._err.flush()

    def _status(self, text: str) -> None:
        """Show what is under way; on a terminal only, and gone with the next output."""
        if self._colour.dim:
            self._end_line()
            self._err.write(
                f"{self._colour.dim}… {one_line(text, STATUS_WIDTH)}{self._colour.reset}"
            )
            self._err.flush()
            self._status_open = True

    def _end_line(self) -> None:
        if self._status_open:
            self._status_open = False
            self._err.write("\r\x1b[K")
            self._err.flush()
        if self._thinking:
            self._thinking = False
            self._err.write(f"{self._colour.reset}\n")
            self._err.flush()
        if self._column_open:
            self._column_open = False
            self._out.write("\n")
            self._out.flush()

    def close(self, session: Session, duration_s: float) -> None:
        """Show the closing line: how it ended and what it took."""
        colour = self._colour
        ending = session.outcome or "unfinished"
        paint = colour.good if ending == "done" else colour.bad
        if session.reason and session.reason != self._failure:
            self._line(f"{colour.bad}{harmless(session.reason)}{colour.reset}")
        steps = "1 step" if session.turn.steps == 1 else f"{session.turn.steps} steps"
        parts = [steps, *_tokens(session), f"{duration_s:.1f} s"]
        told = "".join(f" · {part}" for part in (*parts, f"session {session.session_id}"))
        self._line(
            f"{paint}{ending.replace('_', ' ')}{colour.reset}{colour.dim}{told}{colour.reset}"
        )


def _lost(reuse: Reuse, colour: Palette) -> str:
    told = f"{reuse.lost:,} tokens were computed again: {reuse.cause}."
    return f"{colour.note}{harmless(told)}{colour.reset}"


def _tokens(session: Session) -> list[str]:
    """Return what the turn took of the model, and how full the window is."""
    turn, window = session.turn, window_of(session)
    if not turn.prompt_tokens:
        return []
    shares = [f"{turn.cached_tokens:,} reused"] if turn.cached_tokens else []
    shares += [f"{turn.lost_tokens:,} computed again"] if turn.lost_tokens else []
    parts = f" ({', '.join(shares)})" if shares else ""
    told = [f"{turn.prompt_tokens:,} tokens in{parts}, {turn.completion_tokens:,} out"]
    if window:
        told.append(f"window {session.gauge.tokens / window:.0%} of {window:,}")
    return told


def first_line(text: str) -> str:
    """Return the first line, marked if there are more."""
    head, _, rest = text.strip().partition("\n")
    return f"{head} …" if rest else head


def main_argument(call: ToolCall) -> str:
    """Return what a call is about: its most telling argument, or all of them."""
    try:
        value: Any = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return call.arguments
    if not isinstance(value, dict):
        return call.arguments
    arguments = cast("dict[str, Any]", value)
    told = next((str(arguments[name]) for name in _MAIN_ARGUMENT if arguments.get(name)), "")
    if call.name == "move_file":
        told = f"{told} → {arguments.get('target', '')}"
    return told


def outcome(result: ToolResult) -> str:
    """Return how a call ended, in a few words."""
    details = result.details
    if details.exit_code not in (None, 0):
        return f"exit {details.exit_code}"
    if result.is_error:
        return result.content
    known = details.metadata
    if "lines" in known:
        first, last = known["lines"]
        span = f"line {first}" if first == last else f"lines {first}-{last}"
        return f"{span} of {known['total_lines']}" if known.get("whole") is False else span
    for one, many in _COUNTS:
        if many in known:
            return f"1 {one}" if known[many] == 1 else f"{known[many]} {many}"
    return ""
