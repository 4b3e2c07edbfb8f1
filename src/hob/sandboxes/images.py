"""Paths of a workspace as images: looked at and put back through directory descriptors, links never followed."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from hob.core.checkpoints import ABSENT, Image
from hob.core.ports import FileError
from hob.sandboxes.files import Files
from hob.sandboxes.leftovers import TEMPORARY
from hob.sandboxes.paths import Absent, Paths, Place

MAX_IMAGE_BYTES = 20 << 20

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHER = Image("other")
_NEW_MODE = 0o644


class WorkspaceImages:
    """Implements the port `Images` for a folder of this machine."""

    def __init__(self, root: str, protected: Sequence[str] = ()) -> None:
        self._files = Files(root, protected)
        self._paths = Paths(root, protected)
        self.root = self._files.root

    def close(self) -> None:
        """Let the root go."""
        self._files.close()
        self._paths.close()

    def canonical(self, path: str, *, follow: bool) -> str | None:
        """Return the path below the root that a change would really reach, None if none inside."""
        try:
            whole = Path(self.root, *self._paths.parts(path))
        except FileError:
            return None
        try:
            real = whole.resolve() if follow else whole.parent.resolve() / whole.name
        except (OSError, RuntimeError):
            return None
        inside = real.is_relative_to(self.root) and str(real) != self.root
        return str(real.relative_to(self.root)) if inside else None

    def names(self, path: str) -> Sequence[str]:
        """Return the paths of a directory's entries. Raises `FileError`."""
        return [one.path for one in self._files.list(path)]

    def look(self, path: str) -> tuple[Image, bytes]:
        """Return what stands at a path and its bytes; a file of more than 20 MB has no digest."""
        parent = Path(self.root, path).parent
        if os.path.realpath(parent) != str(parent):
            return _OTHER, b""  # a folder on the way was replaced by a link
        try:
            with self._paths.place(path, follow=False) as place:
                return _seen(place)
        except Absent:
            return ABSENT, b""
        except FileError:
            return _OTHER, b""

    def put(self, path: str, image: Image, data: bytes) -> None:
        """Make a path be like an image. Raises `FileError`, also for a directory that is not empty."""
        now, _ = self.look(path)
        if now.kind == "other":
            raise FileError(f"{path!r} is no longer a plain file; nothing was changed")
        if image.kind == "file" and now.kind == "file":
            self._files.write(path, data)
            self._set_executable(path, image.mode)
            return
        if now.kind != "absent" and (image.kind in ("absent", "dir") or now.kind == "dir"):
            if now.kind == image.kind:
                return
            self._files.delete(path)
        if image.kind == "absent":
            return
        with self._paths.place(path, follow=False, change=True, make=True) as place:
            if image.kind == "dir":
                os.mkdir(place.name, dir_fd=place.fd)
            else:
                _make(place, image, data)
            os.fsync(place.fd)

    def _set_executable(self, path: str, mode: int | None) -> None:
        if mode is None:
            return
        with self._paths.place(path, follow=False, change=True) as place:
            fd = os.open(place.name, _READ, dir_fd=place.fd)
            try:
                have = stat.S_IMODE(os.fstat(fd).st_mode)
                if bool(have & 0o111) != bool(mode & 0o111):
                    readable = (have & 0o444) >> 2
                    os.fchmod(fd, have | readable if mode & 0o111 else have & ~0o111)
            finally:
                os.close(fd)


def _seen(place: Place) -> tuple[Image, bytes]:
    try:
        info = os.stat(place.name, dir_fd=place.fd, follow_symlinks=False)
    except FileNotFoundError:
        return ABSENT, b""
    if stat.S_ISDIR(info.st_mode):
        return Image("dir"), b""
    if stat.S_ISLNK(info.st_mode):
        target = os.fsencode(os.readlink(place.name, dir_fd=place.fd))
        return Image("link", sha256(target).hexdigest(), None, len(target)), target
    return _read(place, info) if stat.S_ISREG(info.st_mode) else (_OTHER, b"")


def _read(place: Place, info: os.stat_result) -> tuple[Image, bytes]:
    mode = stat.S_IMODE(info.st_mode)
    if info.st_size > MAX_IMAGE_BYTES:
        return Image("file", "", mode, info.st_size), b""
    fd = os.open(place.name, _READ, dir_fd=place.fd)
    with os.fdopen(fd, "rb") as file:
        data = file.read(MAX_IMAGE_BYTES + 1)
    if len(data) > MAX_IMAGE_BYTES:
        return Image("file", "", mode, info.st_size), b""
    return Image("file", sha256(data).hexdigest(), mode, len(data)), data


def _make(place: Place, image: Image, data: bytes) -> None:
    """Make a file or link beside its place and rename it there, never readable by more than it will be."""
    temporary = TEMPORARY + os.urandom(6).hex()
    try:
        if image.kind == "link":
            os.symlink(os.fsdecode(data), temporary, dir_fd=place.fd)
        else:
            fd = os.open(temporary, _CREATE, 0o600, dir_fd=place.fd)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(fd, _NEW_MODE if image.mode is None else image.mode & 0o777)
                os.fsync(fd)
        os.rename(temporary, place.name, src_dir_fd=place.fd, dst_dir_fd=place.fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=place.fd)
        raise
