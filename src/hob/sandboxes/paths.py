"""From a path that a model wrote to an open directory inside the root, no link followed blindly.

Every directory on the way is opened from the one before it with O_NOFOLLOW, so nobody can swap a
component for a link behind our back; links are read and followed by hand, inside the root only.
"""

import errno
import os
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches

from hob.core.ports import FileError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40
_NAMES_SEARCHED = 2000
_NOT_A_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP})


class Absent(FileError):
    """Nothing stands at the path."""


class Place:
    """Where a path leads: a name in an open directory. `path`, from the root, is for messages."""

    __slots__ = ("fd", "name", "path")

    def __init__(self, fd: int, name: str, path: str) -> None:
        self.fd = fd
        self.name = name
        self.path = path


class Paths:
    """The root of a workspace and the only way from a path to a descriptor in it.

    No path leads to or below a protected one. A protected path above the root counts for nothing:
    whoever works inside it has chosen that.
    """

    def __init__(self, root: str, protected: Sequence[str] = ()) -> None:
        self.root = os.path.realpath(root)
        self._alias = os.path.abspath(root)  # noqa: PTH100 - links must stay unresolved here
        self._protected: list[list[str]] = []
        for path in protected:
            for spelling in {path, os.path.realpath(path)}:
                inside = self.link_parts(spelling)
                if inside is not None:
                    self._protected.append([part.casefold() for part in inside])
        self._fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let the root go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def parts(self, path: str) -> list[str]:
        """Return the components below the root; `..` is taken lexically. Raises `FileError`."""
        if not path:
            raise FileError("the path is empty; give one relative to the workspace, such as '.'")
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            raise FileError(f"{path!r} cannot be a file name; use another path") from None
        if "\0" in path:
            raise FileError(f"{path!r} holds a NUL, so it names no file; use another path")
        inside = path if path[0] != "/" else self._below_root(path)
        parts: list[str] = []
        for part in inside.split("/") if inside is not None else [".."]:
            if part == "..":
                if not parts:
                    raise self._outside(path)
                parts.pop()
            elif part not in {"", "."}:
                parts.append(part)
        return parts

    @contextmanager
    def place(
        self,
        path: str,
        *,
        follow: bool = True,
        change: bool = False,
        make: bool = False,
        whole: bool = False,
    ) -> Generator[Place]:
        """Walk to a path and hold its directory open. Raises `FileError`.

        With `follow` a link in the last place is followed too; `change` refuses git's own names;
        `make` creates missing directories; `whole` refuses what has something protected below it.
        The last name itself may be missing.
        """
        parts = self.parts(path)
        walk = _Walk(self, "/".join(parts) or ".", parts, change, whole)
        try:
            name = walk.descend(follow, make)
            yield Place(walk.fds[-1], name, walk.path)
        except OSError as error:
            raise failure(path, error) from None
        finally:
            walk.rewind(self._fd)

    def start(self) -> int:
        """Return the root's descriptor."""
        return self._fd

    def link_parts(self, target: str) -> list[str] | None:
        """Return an absolute link target's components below the root, None if it is elsewhere."""
        inside = self._below_root(target)
        return None if inside is None else [p for p in inside.split("/") if p not in {"", "."}]

    def guard(self, names: Sequence[str], path: str, whole: bool) -> None:
        """Raise `FileError` if the names from the root lead to or below something protected."""
        if not self._protected:
            return
        here = [name.casefold() for name in names]
        for kept in self._protected:
            if here[: len(kept)] == kept or (whole and kept[: len(here)] == here):
                shown = "/".join([self.root.rstrip("/"), *kept])
                raise FileError(
                    f"{path!r}: {shown!r} holds keys or Hob's own data, so file tools leave it "
                    "alone; ask the person if you need it"
                )

    def _below_root(self, path: str) -> str | None:
        for root in (self.root, self._alias):
            stem = root.rstrip("/")
            if path == root or path.startswith(stem + "/"):
                return path[len(stem) :]
        return None

    def _outside(self, path: str) -> FileError:
        return FileError(f"{path!r} is outside the workspace {self.root!r}; use a path inside it")


class _Walk:
    """One descent: the open directories from the root down, their names, what is still to go."""

    def __init__(
        self, paths: Paths, path: str, parts: list[str], change: bool, whole: bool
    ) -> None:
        self.path = path
        self.fds = [paths.start()]
        self._paths = paths
        self._names: list[str] = []
        self._todo: deque[str] = deque()
        self._change = change
        self._whole = whole
        self._links = 0
        self._add(parts)

    def descend(self, follow: bool, make: bool) -> str:
        """Open every directory on the way; return the last name ("." for a directory itself)."""
        while self._todo:
            name = self._todo.popleft()
            if name == "..":
                self._up()
                continue
            # Before the link or directory is opened or made; of links also where they lead.
            here = [*self._names, name]
            self._paths.guard(here, self.path, self._whole and not self._todo)
            if not self._todo:
                target = self._link(name) if follow else None
                if target is None:
                    return name
                self._follow(target)
            else:
                self._enter(name, make)
        self._paths.guard(self._names, self.path, self._whole)
        return "."

    def rewind(self, root_fd: int) -> None:
        """Close everything but the root."""
        while self.fds[-1] != root_fd:
            os.close(self.fds.pop())
        self._names.clear()

    def _up(self) -> None:
        if not self._names:
            raise self._leaves()
        os.close(self.fds.pop())
        self._names.pop()

    def _enter(self, name: str, make: bool) -> None:
        try:
            fd = self._open(name, make)
        except OSError as error:
            if error.errno not in _NOT_A_DIRECTORY:
                raise
            target = self._link(name)
            if target is None:
                here = "/".join([*self._names, name])
                raise Absent(
                    f"{here!r} is not a directory, so {self.path!r} cannot exist"
                ) from None
            self._follow(target)
        else:
            self.fds.append(fd)
            self._names.append(name)

    def _open(self, name: str, make: bool) -> int:
        try:
            return os.open(name, _DIRECTORY, dir_fd=self.fds[-1])
        except FileNotFoundError:
            if not make:
                raise missing(self.fds[-1], self._names, name, self.path) from None
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=self.fds[-1])
        return os.open(name, _DIRECTORY, dir_fd=self.fds[-1])

    def _link(self, name: str) -> str | None:
        try:
            return os.readlink(name, dir_fd=self.fds[-1])
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.ENOENT}:
                return None
            raise

    def _follow(self, target: str) -> None:
        self._links += 1
        if self._links > _MAX_LINKS:
            raise FileError(f"{self.path!r} goes through more than {_MAX_LINKS} symbolic links")
        parts: list[str] | None = target.split("/")
        if target.startswith("/"):
            parts = self._paths.link_parts(target)
            if parts is None:
                raise self._leaves()
            self.rewind(self._paths.start())
        self._add([part for part in parts if part not in {"", "."}])

    def _add(self, parts: list[str]) -> None:
        # Judged before the first step, so that a refused path has made no directories.
        if self._change and any(part.casefold() == ".git" for part in parts):
            raise FileError(
                f"{self.path!r} is git's own; change it with the git tools, not as a file"
            )
        self._todo.extendleft(reversed(parts))

    def _leaves(self) -> FileError:
        return FileError(
            f"{self.path!r} leads outside the workspace through a symbolic link; "
            "use a path that stays inside it"
        )


def missing(fd: int, names: list[str], name: str, path: str) -> Absent:
    """Return the error for a name that is not in a directory, with the nearest names that are."""
    folder = "/".join(names) or "."
    found: list[str] = []
    with suppress(OSError):
        found = os.listdir(fd)[:_NAMES_SEARCHED]
    near = get_close_matches(name, found, n=3, cutoff=0.6)
    if near:
        shown = " or ".join(repr("/".join([*names, one])) for one in near)
        return Absent(f"there is no {path!r}; did you mean {shown}?")
    return Absent(f"there is no {path!r}; list_dir {folder!r} shows what is there")


def failure(path: str, error: OSError) -> FileError:
    """Return what an operating system error means for the one who asked."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return FileError(f"{path!r}: permission denied; the person has to allow it")
        case errno.ELOOP:
            return FileError(f"{path!r} was replaced by a link meanwhile; look again with list_dir")
        case errno.ENAMETOOLONG:
            return FileError(f"{path[:80]!r}… is too long for a path; use a shorter name")
        case errno.ENOSPC | errno.EDQUOT:
            return FileError(f"{path!r}: the disk is full; nothing was changed, free some space")
        case errno.EROFS:
            return FileError(f"{path!r} is on a read-only file system; nothing was changed")
        case _:
            return FileError(f"{path!r}: {error.strerror or error}")
