"""Carry out the edits of a whole reply: `apply_edits`, which the text protocol calls for models without tools."""

from typing import Literal

from hob.core.messages import ToolResult
from hob.core.ports import FileError, Sandbox
from hob.editing import EditRefused
from hob.editing.reply import Done, Outcome, carry_out, parse
from hob.tools.bounds import printable
from hob.tools.changes import diff
from hob.tools.seen import Seen
from hob.tools.settings import Settings
from hob.tools.syntax import counter, faults
from hob.tools.text import MAX_FILE_BYTES, Text, check_whole, decode
from hob.tools.tool import done, failed, tool

_VERBS = {
    "created": "Created",
    "edited": "Edited",
    "replaced": "Replaced",
    "deleted": "Deleted",
    "moved": "Moved",
    "copied": "Copied",
}


@tool(access="write", replay="never")
async def apply_edits(
    reply: str,
    format: Literal["diff", "diff-fenced", "whole", "udiff"],
    sandbox: Sandbox,
    settings: Settings,
    seen: Seen,
) -> ToolResult:
    """Carry out all edits of a reply, or none of them."""
    check_whole(reply)
    desk = _Desk(sandbox, seen)
    try:
        outcome = carry_out(parse(reply, format), desk.look, check=counter)
    except EditRefused as refusal:
        return failed(f"{refusal}{desk.foreign()}")
    if format == "whole" and desk.foreign():
        return failed(
            f"Nothing was changed.{desk.foreign()}\nRead it again, then send the whole file."
        )
    desk.write(outcome)
    said = [_told(one) for one in outcome.done]
    said += _faults(outcome, desk, settings)
    changed = {path: text or "" for path, text in outcome.texts.items()}
    diffs = "".join(diff(desk.before(path), text, path) for path, text in changed.items())
    return done(
        "\n".join(said) + desk.foreign(kept=True),
        paths=[printable(path) for path in changed],
        diff=diffs,
        seen=desk.seen_now,
    )


class _Desk:
    """The files that one reply touches: as they were read, and as they are written, all or none."""

    def __init__(self, sandbox: Sandbox, seen: Seen) -> None:
        self._sandbox = sandbox
        self._seen = seen
        self._data: dict[str, bytes | None] = {}
        self._texts: dict[str, Text] = {}
        self._foreign: list[str] = []
        self.seen_now: dict[str, str] = {}

    def look(self, path: str) -> str | None:
        """Return the text of a file, None if there is none. Raises `EditRefused` for one that is no text."""
        try:
            data = self._read(path)
        except FileError as error:
            raise EditRefused(str(error)) from None
        self._data[path] = data
        if data is None:
            return None
        text = decode(data)
        if text is None or len(data) > MAX_FILE_BYTES:
            what = "is a binary file" if text is None else f"is over {MAX_FILE_BYTES} bytes"
            raise EditRefused(f"{path!r} {what}; only text can be edited")
        self._texts[path] = text
        if self._seen.stale(path, data):
            known = self._seen.known(path)
            base = None if known is None else decode(known)
            shown = (
                diff(base.text, text.text, path, 3000)
                if base
                else f"[what {path!r} was before is not kept]"
            )
            self._foreign.append(shown)
        return text.text

    def before(self, path: str) -> str:
        """Return the text that a file had, empty if it was not there."""
        return self._texts[path].text if path in self._texts else ""

    def foreign(self, kept: bool = False) -> str:
        """Return what others changed in these files since the model read them."""
        if not self._foreign:
            return ""
        head = "This had been changed since you read it, by a person or a command"
        return "\n".join([f"\n{head}{'; it was kept' if kept else ''}:", *self._foreign])

    def write(self, outcome: Outcome) -> None:
        """Write all files. Raises `FileError`; then those that were written before are put back."""
        encoded = {
            path: None if text is None else self._texts.get(path, Text("")).encode(text)
            for path, text in outcome.texts.items()
        }
        for path in encoded:
            if self._read(path) != self._data[path]:
                raise FileError(
                    f"{path!r} was changed by somebody else just now; nothing was written. Send it again"
                )
        written: list[str] = []
        try:
            for path in sorted(encoded, key=lambda path: encoded[path] is None):
                self._put(path, encoded[path])
                written.append(path)
        except FileError as error:
            for path in written:
                self._put(path, self._data[path])
            raise FileError(f"{error}. Nothing was changed") from None

    def _read(self, path: str) -> bytes | None:
        if self._sandbox.stat(path) is None:
            return None
        return self._sandbox.read(path, MAX_FILE_BYTES + 1)

    def _put(self, path: str, data: bytes | None) -> None:
        if data is None:
            self._sandbox.delete(path)
            noted = self._seen.forget(path)
        else:
            self._sandbox.write(path, data)
            noted = self._seen.note(path, data)
        self.seen_now |= noted.get("seen", {})


def _told(one: Done) -> str:
    where = f"line {one.first_line}"
    if one.last_line > one.first_line:
        where = f"lines {one.first_line}-{one.last_line}"
    source = f" from {one.source!r}" if one.source else ""
    lines = f", {where}" if one.kind in ("edited", "moved", "copied") else ""
    return " ".join([f"{_VERBS[one.kind]} {one.path!r}{source}{lines}.", *one.notes])


def _faults(outcome: Outcome, desk: _Desk, settings: Settings) -> list[str]:
    """Return a warning for each written file that does not parse (any more)."""
    said: list[str] = []
    for path, text in outcome.texts.items():
        now = faults(path, text) if settings.write_validation and text is not None else None
        if now is not None and now.count:
            state = (
                "still does not parse"
                if faults(path, desk.before(path)).count
                else "does not parse now"
            )
            said.append(f"But {path!r} {state}: {now.first}")
    return said
