"""Change files: `write_file`, `edit_file`, `move_file`, `delete_file`."""

from typing import Annotated

from msgspec import Struct

from hob import editing
from hob.core.messages import ToolResult
from hob.core.ports import FileError, Sandbox
from hob.editing.diff3 import merge
from hob.tools.bounds import printable
from hob.tools.changes import diff
from hob.tools.seen import Seen
from hob.tools.settings import Settings
from hob.tools.syntax import Faults, counter, faults
from hob.tools.text import MAX_FILE_BYTES, Text, check_whole, decode
from hob.tools.tool import done, failed, tool

_MAX_FOREIGN = 3000  # characters of somebody else's change that are shown


@tool(access="write", replay="never")
async def write_file(
    path: str, content: str, sandbox: Sandbox, settings: Settings, seen: Seen
) -> ToolResult:
    """Create or replace a whole file; missing directories are made."""
    check_whole(content)
    desk = _Desk(sandbox, settings, seen)
    old = desk.look(path)
    if old is None:
        return desk.create(path, content)
    before = old.text.text if old.text is not None else ""
    after = content if old.text is None else old.text.endings_of(content)
    if old.foreign:
        base = None if old.known is None else decode(old.known)
        merged = None if base is None else merge(base.text, after, before)
        if merged is None:
            return failed(
                f"{path!r} was changed since you read it, by a person or a command, where your text"
                f" differs too; nothing was written. The change:\n{old.foreign}\nSend both changes."
            )
        after = merged
    data = after.encode() if old.text is None else old.text.encode(after)
    said = f"Replaced {path!r}: {len(data)} bytes."
    return desk.replace(path, old, data, said, (before, after))


@tool(access="write", replay="never")
async def edit_file(
    path: str,
    search: Annotated[str, "text of the file, without line numbers; empty: new file"],
    replace: str,
    sandbox: Sandbox,
    settings: Settings,
    seen: Seen,
) -> ToolResult:
    """Replace a text that stands in one place of a file."""
    check_whole(search)
    check_whole(replace)
    desk = _Desk(sandbox, settings, seen)
    old = desk.look(path)
    if old is None:
        if search:
            sandbox.read(path, 0)  # says what is missing, and which names are like it
        return desk.create(path, replace)
    if old.text is None:
        return failed(f"{path!r} is a binary file; edit_file changes text only")
    before = old.text.text
    try:
        edited = editing.edit(before, search, replace, path=path, check=counter(path))
    except editing.EditRefused as refusal:
        theirs = f"\nIt was changed since you read it, by a person or a command:\n{old.foreign}"
        return failed(f"{path!r}: {refusal}{theirs if old.foreign else ''}")
    first, last = edited.first_line, max(edited.first_line, edited.last_line)
    where = f"line {first}" if first == last else f"lines {first}-{last}"
    how = f" ({'; '.join(edited.notes)})" if edited.notes else ""
    said = f"Edited {path!r}, {where}{how}."
    data = old.text.encode(edited.text)
    tolerated = {"tolerated": list(edited.notes)} if edited.notes else {}
    return desk.replace(
        path, old, data, said, (before, edited.text), lines=[first, last], **tolerated
    )


@tool(access="write", replay="never")
async def move_file(source: str, target: str, sandbox: Sandbox, seen: Seen) -> ToolResult:
    """Move or rename a file or directory; the target must not exist."""
    key = key_of(sandbox, source)
    sandbox.move(source, target)
    return done(
        f"Moved {source!r} to {target!r}.",
        path=printable(source),
        target=printable(target),
        **seen.forget(key),
    )


@tool(access="write", replay="never")
async def delete_file(path: str, sandbox: Sandbox, seen: Seen) -> ToolResult:
    """Delete a file or an empty directory."""
    key = key_of(sandbox, path)
    sandbox.delete(path)
    return done(f"Deleted {path!r}.", path=printable(path), **seen.forget(key))


class _Old(Struct, frozen=True):
    """A file as it stands: its text (None: binary), other names, and what the model does not know of it."""

    key: str
    text: Text | None
    links: int
    known: bytes | None = None
    foreign: str = ""


class _Desk:
    """Where one change of a file is made: look at it, write it, say what became of it."""

    def __init__(self, sandbox: Sandbox, settings: Settings, seen: Seen) -> None:
        self._sandbox = sandbox
        self._settings = settings
        self._seen = seen

    def look(self, path: str) -> _Old | None:
        """Return what stands at a path, None if nothing does. Raises `FileError`."""
        info = self._sandbox.stat(path)
        if info is None:
            return None
        data = self._sandbox.read(path, MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise FileError(
                f"{path!r} is over {MAX_FILE_BYTES} bytes; delete it first, or use a program in bash"
            )
        text = decode(data)
        if not self._seen.stale(info.path, data):
            return _Old(info.path, text, info.links)
        known = self._seen.known(info.path)
        return _Old(info.path, text, info.links, known, _foreign(path, known, text))

    def create(self, path: str, content: str) -> ToolResult:
        """Write a file that was not there."""
        data = content.encode()
        self._sandbox.write(path, data)
        noted = self._seen.note(key_of(self._sandbox, path), data)
        said = f"Created {path!r}: {len(data)} bytes."
        return self._told(said, path, ("", content), bytes=len(data), created=True, **noted)

    def replace(
        self, path: str, old: _Old, data: bytes, said: str, texts: tuple[str, str], **more: object
    ) -> ToolResult:
        """Write a file that was there."""
        self._sandbox.write(path, data)
        more |= self._seen.note(old.key, data)
        if old.links > 1:
            said += " It had another hard link, which keeps the old contents."
        if old.foreign:
            said += f" It had been changed since you read it; that was kept:\n{old.foreign}"
            more["merged"] = True
        return self._told(said, path, texts, bytes=len(data), created=False, **more)

    def _told(self, said: str, path: str, texts: tuple[str, str], **metadata: object) -> ToolResult:
        """Return the success of a write, with a warning if the file does not parse (any more)."""
        before, after = texts
        metadata |= {"path": printable(path), "diff": diff(before, after, path)}
        now = faults(path, after) if self._settings.write_validation else Faults()
        if not now.count:
            return done(said, **metadata)
        state = "still does not parse" if faults(path, before).count else "does not parse now"
        return done(f"{said}\nBut it {state}: {now.first}", syntax_error=now.first, **metadata)


def _foreign(path: str, known: bytes | None, text: Text | None) -> str:
    """Return in a diff, or a sentence, what somebody else did to a file."""
    if known is None:
        return "[what it was before is not kept; read it again]"
    base = decode(known)
    if base is None or text is None:
        return "[it is binary]"
    return diff(base.text, text.text, path, _MAX_FOREIGN)


def key_of(sandbox: Sandbox, path: str) -> str:
    """Return the path by which `Seen` knows a file. Raises `FileError`."""
    info = sandbox.stat(path)
    return info.path if info is not None else path
