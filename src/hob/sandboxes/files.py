"""Files of a workspace, all through directory descriptors; writes are whole or not at all."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from hob.core.ports import FileError, FileInfo
from hob.sandboxes.paths import Absent, Paths, Place, missing

TEMPORARY = ".hob-tmp-"

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20


class Files:
    """The files under one root. Paths are relative to it or absolute inside it.

    What is in `protected` (absolute paths) is neither read nor changed; see `Paths`.
    """

    def __init__(self, root: str, protected: Sequence[str] = ()) -> None:
        self._paths = Paths(root, protected)
        self.root = self._paths.root

    def close(self) -> None:
        """Let the root go."""
        self._paths.close()

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a regular file's first `max_bytes` bytes. Raises `FileError`."""
        with self._paths.place(path) as place:
            _regular(place, self._present(place))
            fd = os.open(place.name, _READ, dir_fd=place.fd)
            try:
                # What stands here may have changed since we looked; the descriptor cannot.
                info = os.fstat(fd)
                _regular(place, info)
                return _read(fd, max_bytes, info.st_size)
            finally:
                os.close(fd)

    def write(self, path: str, data: bytes) -> None:
        """Replace or create a file: old or new, never torn. Raises `FileError`.

        Mode and owner are kept, a link stays a link (its target is written), parents are made. A
        hard link is broken: the other name keeps the old contents.
        """
        with self._paths.place(path, change=True, make=True) as place:
            old = _look(place)
            if old is not None:
                _regular(place, old)
            temporary = TEMPORARY + os.urandom(6).hex()
            # An existing file may be private: its contents must never be readable on the way.
            mode = 0o600 if old is not None else 0o666
            fd = os.open(temporary, _CREATE, mode, dir_fd=place.fd)
            try:
                try:
                    _fill(fd, data, old)
                finally:
                    os.close(fd)
                os.rename(temporary, place.name, src_dir_fd=place.fd, dst_dir_fd=place.fd)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=place.fd)
                raise
            os.fsync(place.fd)

    def list(self, path: str) -> Sequence[FileInfo]:
        """Return a directory's entries sorted by name. Raises `FileError`."""
        with self._paths.place(path) as place:
            if not stat.S_ISDIR(self._present(place).st_mode):
                raise FileError(f"{place.path!r} is not a directory; read_file reads a file")
            fd = os.open(place.name, _FOLDER, dir_fd=place.fd)
            try:
                with os.scandir(fd) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
                    prefix = "" if place.path == "." else place.path + "/"
                    return [_info(prefix + one.name, one) for one in found]
            finally:
                os.close(fd)

    def stat(self, path: str) -> FileInfo | None:
        """Return what stands at a path, links followed, or None. Raises `FileError` if outside."""
        parts = self._paths.parts(path)
        try:
            with self._paths.place(path) as place:
                info = _look(place)
        except Absent:
            return None
        if info is None:
            return None
        return _described("/".join(parts) or ".", info)

    def move(self, source: str, target: str) -> None:
        """Rename inside the workspace; never onto something that exists. Raises `FileError`."""
        with (
            self._paths.place(source, follow=False, change=True, whole=True) as old,
            self._paths.place(target, follow=False, change=True, make=True, whole=True) as new,
        ):
            info = self._present(old)
            if "." in {old.name, new.name}:
                raise FileError("the workspace itself cannot be moved or replaced")
            try:
                if stat.S_ISDIR(info.st_mode):
                    _move_folder(old, new)
                else:
                    _move_file(old, new)
            except FileExistsError:
                raise FileError(
                    f"{new.path!r} exists already; delete it first or choose another name"
                ) from None

    def delete(self, path: str) -> None:
        """Delete a file, a link or an empty directory. Raises `FileError`."""
        with self._paths.place(path, follow=False, change=True) as place:
            info = self._present(place)
            if place.name == ".":
                raise FileError("the workspace itself cannot be deleted")
            if not stat.S_ISDIR(info.st_mode):
                os.unlink(place.name, dir_fd=place.fd)
                return
            try:
                os.rmdir(place.name, dir_fd=place.fd)
            except OSError:
                raise FileError(
                    f"{place.path!r} is a directory that is not empty; delete what is in it first"
                ) from None

    def _present(self, place: Place) -> os.stat_result:
        info = _look(place)
        if info is None:
            names = self._paths.parts(place.path)[:-1]
            raise missing(place.fd, names, place.name, place.path)
        return info


def _look(place: Place) -> os.stat_result | None:
    try:
        return os.stat(place.name, dir_fd=place.fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _regular(place: Place, info: os.stat_result) -> None:
    kind = _kind(info.st_mode)
    if kind == "dir":
        raise FileError(f"{place.path!r} is a directory; list_dir shows what is in it")
    if kind != "file":
        raise FileError(f"{place.path!r} is {_odd_kind(info.st_mode)}, not a regular file")


def _read(fd: int, max_bytes: int, expected: int) -> bytes:
    pieces: list[bytes] = []
    # One byte more than expected finds the end of an ordinary file in the second read.
    want = min(max_bytes, expected + 1)
    while max_bytes > 0 and (piece := os.read(fd, want)):
        pieces.append(piece)
        max_bytes -= len(piece)
        want = min(max_bytes, _PIECE)
    return b"".join(pieces)


def _fill(fd: int, data: bytes, old: os.stat_result | None) -> None:
    if old is not None:
        mine = os.fstat(fd)
        if (old.st_uid, old.st_gid) != (mine.st_uid, mine.st_gid):
            with suppress(OSError):
                os.fchown(fd, old.st_uid, old.st_gid)
        os.fchmod(fd, stat.S_IMODE(old.st_mode))
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.fsync(fd)


def _move_file(old: Place, new: Place) -> None:
    # A link cannot be made onto something that exists; a rename would replace it without a word.
    try:
        os.link(old.name, new.name, src_dir_fd=old.fd, dst_dir_fd=new.fd, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        # No hard links here (FAT, some network file systems): look first, as well as that goes.
        if _look(new) is not None:
            raise FileExistsError from None
        os.rename(old.name, new.name, src_dir_fd=old.fd, dst_dir_fd=new.fd)
    else:
        os.unlink(old.name, dir_fd=old.fd)


def _move_folder(old: Place, new: Place) -> None:
    # Rename replaces an empty directory and nothing else: ours keeps the name safe meanwhile.
    os.mkdir(new.name, dir_fd=new.fd)
    try:
        os.rename(old.name, new.name, src_dir_fd=old.fd, dst_dir_fd=new.fd)
    except BaseException:
        with suppress(OSError):
            os.rmdir(new.name, dir_fd=new.fd)
        raise


def _info(path: str, entry: "os.DirEntry[str]") -> FileInfo:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:  # gone since the directory was read, or not ours to look at
        return FileInfo(path, "other")
    return _described(path, info)


def _described(path: str, info: os.stat_result) -> FileInfo:
    kind = _kind(info.st_mode)
    # Every directory has more than one link; only a file can have other names.
    links = info.st_nlink if kind == "file" else 1
    return FileInfo(path, kind, info.st_size, info.st_mode, links)


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    return "link" if stat.S_ISLNK(mode) else "other"


def _odd_kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a FIFO"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a link" if stat.S_ISLNK(mode) else "a device"
