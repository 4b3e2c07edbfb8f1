"""Files of a workspace on another machine, by small sh programs that hold the folder they work in."""

import base64
import os
import stat
from collections.abc import Sequence
from difflib import get_close_matches

from hob.core.ports import FileError, FileInfo
from hob.sandboxes.leftovers import TEMPORARY
from hob.sandboxes.remote_api import RemoteError
from hob.sandboxes.remote_link import Link
from hob.sandboxes.remote_scripts import FILES

_PIECE_BYTES = 8 << 20
_INLINE_BYTES = 48 << 10  # one argument may be 128 KB long, in base64
_UPLOAD_S = 300.0

_SAID = {
    "gone": "the workspace on the far side is gone",
    "notdir": "{path!r} is not a directory; read_file reads a file",
    "below": "a folder on the way to {path!r} is not a directory, so it cannot exist",
    "dir": "{path!r} is a directory; list_dir shows what is in it",
    "fifo": "{path!r} is a FIFO, not a regular file",
    "socket": "{path!r} is a socket, not a regular file",
    "device": "{path!r} is a device, not a regular file",
    "denied": "{path!r}: permission denied; the person has to allow it",
    "loop": "{path!r} goes through more than 40 symbolic links",
    "exists": "{path!r} exists already; delete it first or choose another name",
    "self": "the workspace itself cannot be moved, replaced or deleted",
    "notempty": "{path!r} is a directory that is not empty; delete what is in it first",
    "git": "{path!r} is git's own; change it with the git tools, not as a file",
    "kept": "{path!r} holds keys or Hob's own data, so file tools leave it alone; ask the person if you need it",
    "outside": "{path!r} leads outside the workspace through a symbolic link; use a path that stays inside it",
    "changing": "{path!r} changes faster than it can be listed; try again",
}


class _Absent(FileError):
    """Nothing stands at the path."""


class RemoteFiles:
    """The files below a link's root; see `RemoteSandbox` for what is weaker than on this machine."""

    def __init__(self, link: Link, root: str) -> None:
        self._link = link
        self._alias = root  # as the person wrote it; the far side may have resolved links in it

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a regular file's first `max_bytes` bytes. Raises `FileError`."""
        parts = self._parts(path)
        pieces: list[bytes] = []
        while max_bytes > 0:
            size = min(max_bytes, _PIECE_BYTES)
            start = sum(map(len, pieces)) + 1
            said = self._run("read", "follow", str(start), str(size), path=path, parts=parts)
            pieces.append(base64.b64decode(said))
            max_bytes -= len(pieces[-1])
            if len(pieces[-1]) < size:
                break
        return b"".join(pieces)

    def write(self, path: str, data: bytes) -> None:
        """Replace or create a file: old or new, never torn. Raises `FileError`."""
        parts = self._parts(path, change=True)
        unique = TEMPORARY + os.urandom(6).hex()
        staged, text = "", ""
        if len(data) > _INLINE_BYTES:
            # Refused before megabytes travel.
            self._run("may", "follow change make", unique, "", path=path, parts=parts)
            staged = f"{self._link.scratch}/files/{unique}"
            try:
                self._link.api.upload(staged, data, timeout_s=_UPLOAD_S)
            except RemoteError as error:
                raise FileError(str(error)) from None
        else:
            text = base64.b64encode(data).decode()
        staged = staged or f"-{text}"
        self._run("write", "follow change make", unique, staged, path=path, parts=parts)

    def list(self, path: str) -> Sequence[FileInfo]:
        """Return a directory's entries sorted by name. Raises `FileError`."""
        parts = self._parts(path)
        said = base64.b64decode(self._run("list", "follow", "", "", path=path, parts=parts))
        prefix = "".join(part + "/" for part in parts)
        found: list[FileInfo] = []
        # Batches of names and of what stat(1) says of them, in the same order.
        batches = said.split(b"\0\0")[:-1]
        for names, facts in zip(batches[::2], batches[1::2], strict=True):
            for name, line in zip(names.split(b"\0"), facts.split(b"\n"), strict=False):
                found.append(_described(prefix + os.fsdecode(name[2:]), line.decode()))
        return sorted(found, key=lambda one: one.path)

    def stat(self, path: str) -> FileInfo | None:
        """Return what stands at a path, links followed, or None. Raises `FileError` if outside."""
        parts = self._parts(path)
        try:
            said = self._run("stat", "follow", "", "", path=path, parts=parts)
        except _Absent:
            return None
        return _described("/".join(parts) or ".", said)

    def move(self, source: str, target: str) -> None:
        """Rename inside the workspace; never onto something that exists. Raises `FileError`."""
        old, new = self._parts(source, change=True), self._parts(target, change=True)
        both = [*old, *new]
        self._run("move", "change whole", str(len(old)), source, path=target, parts=both)

    def delete(self, path: str) -> None:
        """Delete a file, a link or an empty directory. Raises `FileError`."""
        parts = self._parts(path, change=True)
        self._run("delete", "change", "", "", path=path, parts=parts)

    def _parts(self, path: str, *, change: bool = False) -> tuple[str, ...]:
        """Return the components below the root; `..` is taken lexically. Raises `FileError`."""
        try:
            self._link.connect()  # only the far side knows what the root really is
        except RemoteError as error:
            raise FileError(str(error)) from None
        parts = components(path, (self._link.root, self._alias))
        if change and any(part.casefold() == ".git" for part in parts):
            raise FileError(_SAID["git"].format(path="/".join(parts)))
        return parts

    def _run(
        self, what: str, how: str, first: str, second: str, *, path: str, parts: Sequence[str]
    ) -> str:
        """Run one operation; return what it says after `ok`. Raises `FileError`."""
        try:
            where = (self._link.root, "\n".join(self._link.protected))
            said = self._link.script(FILES, *where, what, how, first, second, *parts)
        except RemoteError as error:
            raise FileError(str(error)) from None
        word, _, rest = said.stdout.partition("\n")
        if word == "ok" and said.exit_code == 0:
            return rest
        if word.startswith("source "):
            word, path = word.removeprefix("source "), second
        word, _, count = word.partition(" ")
        shown = "/".join(self._parts(path)) or "."
        if word == "absent":
            raise _missing(shown, int(count), base64.b64decode(rest))
        if word in _SAID:
            kind = _Absent if word == "below" and what == "stat" else FileError
            raise kind(_SAID[word].format(path=shown))
        cause = said.stderr.strip().rpartition("\n")[2] or f"exit code {said.exit_code}"
        raise FileError(f"{shown!r}: nothing was changed, the far side says: {cause}")


def components(path: str, roots: Sequence[str]) -> tuple[str, ...]:
    """Return a path's components below the first of `roots` (all are its names). Raises `FileError`."""
    if not path:
        raise FileError("the path is empty; give one relative to the workspace, such as '.'")
    if "\0" in path:
        raise FileError(f"{path!r} holds a NUL, so it names no file; use another path")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise FileError(
            f"{path!r} is not UTF-8, which a far machine cannot be told; use another path"
        ) from None
    outside = FileError(f"{path!r} is outside the workspace {roots[0]!r}; use a path inside it")
    inside = path
    if path.startswith("/"):
        stem = next((one for one in roots if f"{path}/".startswith(f"{one}/")), None)
        if stem is None:
            raise outside
        inside = path[len(stem) :]
    parts: list[str] = []
    for part in inside.split("/"):
        if part == ".." and not parts:
            raise outside
        if part == "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return tuple(parts)


def _missing(path: str, after: int, names: bytes) -> _Absent:
    """Return the error for a path whose last `after` components are not in a folder with these names."""
    parts = path.split("/")
    folder, name = parts[: len(parts) - after], parts[len(parts) - after]
    found = [os.fsdecode(one) for one in names.split(b"\n")]
    near = get_close_matches(name, found, n=3, cutoff=0.6)
    if near:
        shown = " or ".join(repr("/".join([*folder, one])) for one in near)
        return _Absent(f"there is no {path!r}; did you mean {shown}?")
    return _Absent(
        f"there is no {path!r}; list_dir {'/'.join(folder) or '.'!r} shows what is there"
    )


def _described(path: str, line: str) -> FileInfo:
    mode_text, size, links = line.split()
    mode = int(mode_text, 16)
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "dir"), (stat.S_ISLNK, "link"))
    kind = next((name for test, name in kinds if test(mode)), "other")
    return FileInfo(path, kind, int(size), mode, int(links) if kind == "file" else 1)
