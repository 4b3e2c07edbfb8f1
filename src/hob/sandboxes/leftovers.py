"""Temporary files of writes that never ended: where they may be, and taking them away.

Every process that writes keeps a record of the directories in which it makes temporary files: one
file per process and workspace, locked while the process lives, gone when it ends well. So the next
start finds leftovers without walking the tree, and knows for certain whose owner is dead.
"""

import errno
import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from threading import Lock

from hob.core.ports import FileError
from hob.sandboxes.paths import Paths, Place

TEMPORARY = ".hob-tmp-"

_RECORD = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_RECORD = 10_000_000
_TRIES = 5


class Leftovers:
    """Names the temporary files of one workspace, and sweeps those of the dead when it begins.

    `folder` is for the records, "" for none. A record that cannot be kept stops no write.
    """

    def __init__(self, folder: str, paths: Paths) -> None:
        self._token = os.urandom(4).hex()
        self._folder = Path(folder) if folder else None
        self._key = hashlib.sha256(os.fsencode(paths.root)).hexdigest()[:16]
        self._lock = Lock()
        self._noted: set[tuple[str, ...]] = set()
        self._fd = -1
        if self._folder is not None:
            _sweep(self._folder, self._key, paths)

    def temporary(self, place: Place) -> str:
        """Return a fresh name for a temporary file beside a place, after noting the directory."""
        folder = tuple(place.folder)
        with self._lock:
            if self._folder is not None and folder not in self._noted:
                with suppress(OSError):
                    self._note(self._folder, folder)
                self._noted.add(folder)
        return f"{TEMPORARY}{self._token}-{os.urandom(6).hex()}"

    def close(self) -> None:
        """Throw the record away: whoever ends well leaves nothing. May be called twice."""
        with self._lock:
            if self._fd >= 0 and self._folder is not None:
                with suppress(OSError):
                    (self._folder / f"{self._key}-{self._token}").unlink()
                os.close(self._fd)
            self._fd, self._folder = -1, None

    def _note(self, records: Path, folder: tuple[str, ...]) -> None:
        if self._fd < 0:
            records.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = _locked(records / f"{self._key}-{self._token}")
        os.write(self._fd, os.fsencode("/".join(folder)) + b"\0")


def _locked(path: Path) -> int:
    """Make a record that nobody else may take for a dead one's."""
    for _ in range(_TRIES):
        fd = os.open(path, _RECORD | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            continue
        # Before the lock a sweep may have found an empty record of nobody, and removed it.
        if os.fstat(fd).st_nlink:
            return fd
        os.close(fd)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _sweep(records: Path, key: str, paths: Paths) -> None:
    """Delete the temporary files of processes that are dead, and their records."""
    found: list[Path] = []
    with suppress(OSError):
        found = [path for path in records.iterdir() if path.name.startswith(f"{key}-")]
    for path in found:
        with suppress(OSError):
            _sweep_one(path, f"{TEMPORARY}{path.name.removeprefix(f'{key}-')}-", paths)


def _sweep_one(record: Path, prefix: str, paths: Paths) -> None:
    fd = os.open(record, _RECORD)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while the owner lives
        for folder in os.read(fd, _MAX_RECORD).split(b"\0")[:-1]:
            with suppress(FileError):
                _clear(paths, os.fsdecode(folder), prefix)
        record.unlink()
    finally:
        os.close(fd)


def _clear(paths: Paths, folder: str, prefix: str) -> None:
    """Delete the files in one directory whose names begin so, unless a link leads there by now."""
    names = folder.split("/") if folder else []
    with paths.place("/".join([*names, prefix]), follow=False) as place:
        if list(place.folder) != names:
            return
        with os.scandir(place.fd) as entries:
            found = [one.name for one in entries if one.is_file(follow_symlinks=False)]
        for name in found:
            if name.startswith(prefix):
                os.unlink(name, dir_fd=place.fd)
