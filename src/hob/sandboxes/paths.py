"""From a path that a model wrote to an open directory inside the root, no link followed blindly.

Every directory on the way is opened from the one before it with O_NOFOLLOW, so nobody can swap a
component for a link behind our back; links are read and followed by hand, inside the root only.
(`openat2` would forbid no more than that: links inside have to be followed, the protected names
judged one by one, and the call goes through ctypes, whose import costs more than it saves.)
"""

import errno
import os
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from threading import Lock

from hob.core.ports import FileError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40
_MAX_DEPTH = 250  # each directory on the way is an open descriptor
_MAX_SHOWN = 200
_NAMES_SEARCHED = 2000
_COMPARED_CHARS = 30_000  # finding names alike is quadratic in their length
# What HFS+ leaves out when it compares names (git's core.protectHFS knows the same ones).
_IGNORED = dict.fromkeys([
    *range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF,
])  # fmt: skip
# How NTFS may call it (git's core.protectNTFS), for a workspace on a mounted disk.
_GIT_NAMES = frozenset({".git", "git~1"})
_NOT_A_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP})


class Absent(FileError):
    """Nothing stands at the path."""


class Place:
    """Where a path leads: a name in an open directory. `path`, from the root, is for messages.

    `folder` are the real names of the directory, links resolved.
    """

    __slots__ = ("fd", "folder", "name", "path")

    def __init__(self, fd: int, folder: Sequence[str], name: str, path: str) -> None:
        self.fd = fd
        self.folder = folder
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
        self._lock = Lock()
        self._walks = 0
        self._closed = False
        self._fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let the root go as soon as no thread is on its way from it. May be called twice."""
        with self._lock:
            self._closed = True
        self._let_go()

    def parts(self, path: str) -> list[str]:
        """Return the components below the root; `..` is taken lexically. Raises `FileError`."""
        _check(path)
        parts: list[str] = []
        for part in path.split("/"):
            if part == "..":
                if parts:
                    parts.pop()
                elif path[0] != "/":  # there is nothing above the root of the file system
                    raise self._outside(path)
            elif part not in {"", "."}:
                parts.append(part)
        if path[0] != "/":
            return parts
        inside = self._below_root("/" + "/".join(parts))
        if inside is None:
            raise self._outside(path)
        return [part for part in inside.split("/") if part]

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
        `make` creates missing directories (and takes them away again if what they were for fails);
        `whole` refuses what has something protected below it. The last name itself may be missing.
        """
        parts = self.parts(path)
        walk = _Walk(self, "/".join(parts) or ".", parts, change, whole)
        with self._lock:
            # A number of a descriptor that was closed may by now mean any other directory.
            if self._closed:
                raise FileError("the workspace is closed; nothing can be read or changed any more")
            self._walks += 1
        try:
            name = walk.descend(follow, make)
            yield Place(walk.fds[-1], walk.names, name, walk.path)
        except OSError as error:
            walk.unmake()
            raise failure(path, error) from None
        except BaseException:
            walk.unmake()
            raise
        finally:
            walk.rewind(self._fd)
            with self._lock:
                self._walks -= 1
            if self._closed:
                self._let_go()

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
                what = "/".join([self.root.rstrip("/"), *kept])
                raise FileError(
                    f"{shown(path)}: {what!r} holds keys or Hob's own data, so file tools leave it "
                    "alone; ask the person if you need it"
                )

    def _let_go(self) -> None:
        with self._lock:
            if self._closed and not self._walks and self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _below_root(self, path: str) -> str | None:
        for root in (self.root, self._alias):
            stem = root.rstrip("/")
            if path == root or path.startswith(stem + "/"):
                return path[len(stem) :]
        return None

    def _outside(self, path: str) -> FileError:
        return FileError(
            f"{shown(path)} is outside the workspace {self.root!r}; use a path inside it"
        )


def _check(path: str) -> None:
    """Raise `FileError` for what no system call takes."""
    if not path:
        raise FileError("the path is empty; give one relative to the workspace, such as '.'")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise FileError(f"{shown(path)} cannot be a file name; use another path") from None
    if "\0" in path:
        raise FileError(f"{shown(path)} holds a NUL, so it names no file; use another path")


class _Walk:
    """One descent: the open directories from the root down, their names, what is still to go."""

    def __init__(
        self, paths: Paths, path: str, parts: list[str], change: bool, whole: bool
    ) -> None:
        self.path = path
        self.fds = [paths.start()]
        self.names: list[str] = []
        self._paths = paths
        self._made: set[int] = set()  # by depth: the directories that are there because of us
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
            here = [*self.names, name]
            self._paths.guard(here, self.path, self._whole and not self._todo)
            if not self._todo:
                target = self._link(name) if follow else None
                if target is None:
                    return name
                self._follow(target)
            else:
                self._enter(name, make)
        self._paths.guard(self.names, self.path, self._whole)
        return "."

    def rewind(self, root_fd: int) -> None:
        """Close everything but the root."""
        while self.fds[-1] != root_fd:
            os.close(self.fds.pop())
        self.names.clear()
        self._made.clear()

    def unmake(self) -> None:
        """Take away the directories that were made on the way, as far as they are empty."""
        with suppress(OSError):
            while len(self.names) in self._made:
                os.rmdir(self.names[-1], dir_fd=self.fds[-2])
                self._up()

    def _up(self) -> None:
        if not self.names:
            raise self._leaves()
        self._made.discard(len(self.names))
        os.close(self.fds.pop())
        self.names.pop()

    def _enter(self, name: str, make: bool) -> None:
        if len(self.names) >= _MAX_DEPTH:
            raise FileError(f"{shown(self.path)} is more than {_MAX_DEPTH} directories deep")
        try:
            fd = self._open(name, make)
        except OSError as error:
            if error.errno not in _NOT_A_DIRECTORY:
                raise
            target = self._link(name)
            if target is None:
                here = "/".join([*self.names, name])
                raise Absent(
                    f"{shown(here)} is not a directory, so {shown(self.path)} cannot exist"
                ) from None
            self._follow(target)
        else:
            self.fds.append(fd)
            self.names.append(name)

    def _open(self, name: str, make: bool) -> int:
        try:
            return os.open(name, _DIRECTORY, dir_fd=self.fds[-1])
        except FileNotFoundError:
            if not make:
                raise missing(self.fds[-1], self.names, name, self.path) from None
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=self.fds[-1])
            self._made.add(len(self.names) + 1)
            synchronise(self.fds[-1])
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
            raise FileError(
                f"{shown(self.path)} goes through more than {_MAX_LINKS} symbolic links"
            )
        parts: list[str] | None = target.split("/")
        if target.startswith("/"):
            parts = self._paths.link_parts(target)
            if parts is None:
                raise self._leaves()
            self.rewind(self._paths.start())
        self._add([part for part in parts if part not in {"", "."}])

    def _add(self, parts: list[str]) -> None:
        # Judged before the first step, so that a refused path has made no directories.
        if self._change and any(_gits_own(part) for part in parts):
            raise FileError(
                f"{shown(self.path)} is git's own; change it with the git tools, not as a file"
            )
        self._todo.extendleft(reversed(parts))

    def _leaves(self) -> FileError:
        return FileError(
            f"{shown(self.path)} leads outside the workspace through a symbolic link; "
            "use a path that stays inside it"
        )


def shown(path: str) -> str:
    """Return a path as it stands in messages: quoted, escaped, and never a page long."""
    return repr(path if len(path) <= _MAX_SHOWN else path[:_MAX_SHOWN] + "…")


def synchronise(fd: int) -> None:
    """Make the names in a directory survive a power cut, where the file system can."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise


def missing(fd: int, names: Sequence[str], name: str, path: str) -> Absent:
    """Return the error for a name that is not in a directory, with the nearest names that are."""
    folder = "/".join(names) or "."
    found: list[str] = []
    with suppress(OSError):
        found = os.listdir(fd)[: min(_NAMES_SEARCHED, _COMPARED_CHARS // len(name))]
    near = get_close_matches(name, found, n=3, cutoff=0.6)
    if near:
        names_shown = " or ".join(shown("/".join([*names, one])) for one in near)
        return Absent(f"there is no {shown(path)}; did you mean {names_shown}?")
    return Absent(f"there is no {shown(path)}; list_dir {shown(folder)} shows what is there")


def failure(path: str, error: OSError) -> FileError:
    """Return what an operating system error means for the one who asked."""
    says = _SAYS.get(error.errno or 0) or error.strerror or str(error)
    return FileError(f"{shown(path)}{says if says[0] in ': ' else f': {says}'}")


_SAYS = {
    errno.EACCES: ": permission denied; the person has to allow it",
    errno.EPERM: ": permission denied; the person has to allow it",
    errno.ELOOP: " was replaced by a link meanwhile; look again with list_dir",
    errno.ENOENT: " or the directory it is in was taken away meanwhile; look again with list_dir",
    errno.ENAMETOOLONG: " is too long for a path; use a shorter name",
    errno.ENOSPC: ": the disk is full; nothing was changed, free some space",
    errno.EDQUOT: ": the disk quota is used up; nothing was changed, free some space",
    errno.EFBIG: ": the file would be larger than is allowed here; nothing was changed",
    errno.EROFS: " is on a read-only file system; nothing was changed",
    errno.EXDEV: " would go to another file system; copy it in bash and delete the old one",
    errno.EBUSY: " is in use by the system (perhaps a mount point); nothing was changed",
    errno.EINVAL: " cannot be used so (is it a directory that would go into itself?)",
    errno.EISDIR: " became a directory meanwhile; look again with list_dir",
    errno.ENOTDIR: " is not in a directory any more; look again with list_dir",
    errno.ENXIO: " is nothing that can be opened as a file",
    errno.EMFILE: ": too many files are open; try again",
    errno.ENFILE: ": too many files are open; try again",
}


def _gits_own(name: str) -> bool:
    plain = name if name.isascii() else name.translate(_IGNORED)
    return plain.casefold().partition(":")[0].rstrip(". ") in _GIT_NAMES
