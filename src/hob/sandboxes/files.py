"""Files of a workspace, all through directory descriptors; writes are whole or not at all."""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from hob.core.ports import FileError, FileInfo
from hob.sandboxes.leftovers import Leftovers
from hob.sandboxes.paths import Absent, Paths, Place, missing, shown, synchronise

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20
_ACL = "system.posix_acl_access"
# What speaks for the old contents must not vouch for new ones.
_OF_CONTENTS = frozenset({"security.capability", "security.ima", "security.evm"})


class Files:
    """The files under one root. Paths are relative to it or absolute inside it.

    What is in `protected` (absolute paths) is neither read nor changed; see `Paths`. In the folder
    `records` it is written down where there may be temporary files, and what an earlier process
    left of them is taken away; see `Leftovers`.
    """

    def __init__(self, root: str, protected: Sequence[str] = (), records: str = "") -> None:
        self._paths = Paths(root, protected)
        self._leftovers = Leftovers(records, self._paths)
        self.root = self._paths.root

    def close(self) -> None:
        """Let the root go. May be called twice."""
        self._leftovers.close()
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

        Mode, owner and attributes are kept as far as allowed, a link stays a link (its target is
        written), parents are made. A hard link is broken: the other name keeps the old contents.
        """
        with self._paths.place(path, change=True, make=True) as place:
            _no_slash(path)
            old = _look(place)
            if old is not None:
                _regular(place, old)
                _writable(place, old)
            _replace(place, self._leftovers.temporary(place), data, old)

    def list(self, path: str) -> Sequence[FileInfo]:
        """Return a directory's entries sorted by name. Raises `FileError`."""
        with self._paths.place(path) as place:
            if not stat.S_ISDIR(self._present(place).st_mode):
                raise FileError(f"{shown(place.path)} is not a directory; read_file reads a file")
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
                    _no_slash(target)
                    _move_file(old, new)
            except FileExistsError:
                raise FileError(
                    f"{shown(new.path)} exists already; delete it first or choose another name"
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
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                raise FileError(
                    f"{shown(place.path)} is a directory that is not empty; delete what is in it first"
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
        raise FileError(f"{shown(place.path)} is a directory; list_dir shows what is in it")
    if kind != "file":
        raise FileError(f"{shown(place.path)} is {_odd_kind(info.st_mode)}, not a regular file")


def _read(fd: int, max_bytes: int, expected: int) -> bytes:
    pieces: list[bytes] = []
    # One byte more than expected finds the end of an ordinary file in the second read.
    want = min(max_bytes, expected + 1)
    while max_bytes > 0 and (piece := os.read(fd, want)):
        pieces.append(piece)
        max_bytes -= len(piece)
        want = min(max_bytes, _PIECE)
    return b"".join(pieces)


def _no_slash(path: str) -> None:
    if path.endswith(("/", "/.")):
        raise FileError(f"{shown(path)} names a directory; leave off the slash to name a file")


def _writable(place: Place, old: os.stat_result) -> None:
    """Refuse a file that is write-protected: by renaming it would be replaced all the same."""
    if os.access(place.name, os.W_OK, dir_fd=place.fd, follow_symlinks=False):
        return
    if os.fstatvfs(place.fd).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    raise FileError(
        f"{shown(place.path)} is write-protected (mode {stat.S_IMODE(old.st_mode):04o}); nothing was "
        "changed, chmod it first if it is meant to be changed"
    )


def _replace(place: Place, temporary: str, data: bytes, old: os.stat_result | None) -> None:
    # An existing file may be private: its contents must never be readable on the way.
    mode = 0o600 if old is not None else 0o666
    fd = os.open(temporary, _CREATE, mode, dir_fd=place.fd)
    try:
        try:
            if old is not None:
                _inherit(fd, place, old)
            _fill(fd, data)
        finally:
            os.close(fd)
        os.rename(temporary, place.name, src_dir_fd=place.fd, dst_dir_fd=place.fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=place.fd)
        raise
    synchronise(place.fd)


def _inherit(fd: int, place: Place, old: os.stat_result) -> None:
    """Give the new file the owner, mode and attributes of the old one, as far as we may.

    Rights that were meant for an owner or group that we cannot give are left out.
    """
    mine = os.fstat(fd)
    mode = stat.S_IMODE(old.st_mode)
    if old.st_gid != mine.st_gid:
        try:
            os.fchown(fd, -1, old.st_gid)
        except OSError:
            mode = (mode & ~(stat.S_ISGID | stat.S_IRWXG)) | (mode & stat.S_IRWXO) << 3
    if old.st_uid != mine.st_uid:
        try:
            os.fchown(fd, old.st_uid, -1)
        except OSError:
            mode &= ~stat.S_ISUID
    os.fchmod(fd, mode)
    if hasattr(os, "listxattr"):
        _copy_attributes(fd, place)


def _copy_attributes(fd: int, place: Place) -> None:
    """Copy extended attributes, among them the access list; a default one from above goes."""
    had = _attributes(place)
    for name, value in had.items():
        with suppress(OSError):
            os.setxattr(fd, name, value)
    with suppress(OSError):
        if _ACL not in had and _ACL in os.listxattr(fd):
            os.removexattr(fd, _ACL)


def _attributes(place: Place) -> dict[str, bytes]:
    try:
        fd = os.open(place.name, _READ, dir_fd=place.fd)
    except OSError:
        return {}
    try:
        names = [one for one in os.listxattr(fd) if one not in _OF_CONTENTS]
        return {name: os.getxattr(fd, name) for name in names}
    except OSError:
        return {}
    finally:
        os.close(fd)


def _fill(fd: int, data: bytes) -> None:
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
        # Between the two somebody may have saved a new file under the old name: that one stays.
        was, now = _look(new), _look(old)
        if was is not None and now is not None and os.path.samestat(was, now):
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
