"""Change files: `write_file`, `edit_file`, `move_file`, `delete_file`."""

from typing import Annotated

from hob.core.messages import ToolResult
from hob.core.ports import FileError, Sandbox
from hob.tools.bounds import printable
from hob.tools.changes import broken, diff
from hob.tools.exact import replace_once
from hob.tools.settings import Settings
from hob.tools.text import MAX_FILE_BYTES, Text, check_whole, decode
from hob.tools.tool import done, failed, tool


@tool(access="write", replay="never")
async def write_file(path: str, content: str, sandbox: Sandbox, settings: Settings) -> ToolResult:
    """Create or replace a whole file; missing directories are made."""
    check_whole(content)
    data = content.encode()
    before = _existing(sandbox, path)
    note = _link_note(sandbox, path)
    sandbox.write(path, data)
    created = before is None
    verb = "Created" if created else "Replaced"
    return _written(
        f"{verb} {path!r}: {len(data)} bytes.{note}", path, (before or "", content), settings,
        bytes=len(data), created=created,
    )  # fmt: skip


@tool(access="write", replay="never")
async def edit_file(
    path: str,
    search: Annotated[str, "exact text of the file, without line numbers; empty: new file"],
    replace: str,
    sandbox: Sandbox,
    settings: Settings,
) -> ToolResult:
    """Replace a text that occurs exactly once in a file."""
    check_whole(search)
    check_whole(replace)
    if sandbox.stat(path) is None and not search:
        sandbox.write(path, replace.encode())
        size = len(replace.encode())
        return _written(
            f"Created {path!r}: {size} bytes.", path, ("", replace), settings,
            bytes=size, created=True,
        )  # fmt: skip
    before = _text(sandbox, path)
    if not search:
        return failed(f"{path!r} exists already; send the text to replace in search")
    edited = replace_once(before.text, search, replace)
    if isinstance(edited, str):
        return failed(f"{path!r}: {edited}")
    data = before.encode(edited.text)
    note = _link_note(sandbox, path)
    sandbox.write(path, data)
    where = (
        f"line {edited.first_line}"
        if edited.first_line == edited.last_line
        else f"lines {edited.first_line}-{edited.last_line}"
    )
    return _written(
        f"Edited {path!r}, {where}.{note}", path, (before.text, edited.text), settings,
        bytes=len(data), created=False, lines=[edited.first_line, edited.last_line],
    )  # fmt: skip


@tool(access="write", replay="never")
async def move_file(source: str, target: str, sandbox: Sandbox) -> ToolResult:
    """Move or rename a file or directory; the target must not exist."""
    sandbox.move(source, target)
    return done(
        f"Moved {source!r} to {target!r}.", path=printable(source), target=printable(target)
    )


@tool(access="write", replay="never")
async def delete_file(path: str, sandbox: Sandbox) -> ToolResult:
    """Delete a file or an empty directory."""
    sandbox.delete(path)
    return done(f"Deleted {path!r}.", path=printable(path))


def _existing(sandbox: Sandbox, path: str) -> str | None:
    """Return what a file holds before it is replaced: "" for binary, None if it is not there."""
    if sandbox.stat(path) is None:
        return None
    text = decode(sandbox.read(path, MAX_FILE_BYTES))
    return "" if text is None else text.text


def _link_note(sandbox: Sandbox, path: str) -> str:
    """Return a warning for a file that has other names: a write makes it a file of its own."""
    info = sandbox.stat(path)
    if info is None or info.links < 2:
        return ""
    return " It had another hard link, which keeps the old contents."


def _text(sandbox: Sandbox, path: str) -> Text:
    data = sandbox.read(path, MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise FileError(f"{path!r} is over {MAX_FILE_BYTES} bytes; edit it with a program in bash")
    text = decode(data)
    if text is None:
        raise FileError(f"{path!r} is a binary file; edit_file changes text only")
    return text


def _written(
    said: str, path: str, texts: tuple[str, str], settings: Settings, **metadata: object
) -> ToolResult:
    """Return the success of a write, with a warning if the file does not parse (any more)."""
    before, after = texts
    metadata |= {"path": printable(path), "diff": diff(before, after, path)}
    trouble = broken(path, after) if settings.write_validation else ""
    if not trouble:
        return done(said, **metadata)
    was = broken(path, before)
    state = "still does not parse" if was else "does not parse now"
    return done(f"{said} But it {state}: {trouble}", syntax_error=trouble, **metadata)
