"""Large outputs as files named by the SHA-256 of their bytes: written once, never changed."""

import os
import re
import secrets
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from hob.core.ports import Spool
from hob.stores.spool import PlacedSpool

_PREFIX = r"[0-9a-f]{8,64}"


class FileBlobs:
    """Blobs under one folder, in 256 sub-folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = Folder(folder, self._path)

    def put(self, data: bytes) -> str:
        """Keep bytes durably and return their digest. The same bytes twice are kept once."""
        digest = sha256(data).hexdigest()
        target = self._path(digest)
        if _has(target, len(data)):
            return digest
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half_written = target.with_name(f".{digest}.{secrets.token_hex(4)}")
        descriptor = os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half_written.replace(target)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes. Raises `KeyError` if they are not here or not what they were."""
        if len(digest) != 64 or not digest.isalnum():
            raise KeyError(digest)
        try:
            data = self._path(digest).read_bytes()
        except OSError:
            raise KeyError(digest) from None
        if sha256(data).hexdigest() != digest:
            raise KeyError(digest)
        return data

    def spool(self) -> Spool:
        """Begin a blob whose bytes come in pieces. What was not finished is removed with it."""
        return PlacedSpool(self.place, self.put)

    def find(self, prefix: str) -> str:
        """Return the one digest that begins so. Raises `KeyError`."""
        if not re.fullmatch(_PREFIX, prefix):
            raise KeyError(prefix)
        folder = self._folder / prefix[:2]
        found = [f"{prefix[:2]}{path.name}" for path in folder.glob(f"{prefix[2:]}*")]
        if len(found) != 1:
            raise KeyError(prefix)
        return found[0]

    def size(self, digest: str) -> int:
        """Return the number of bytes. Raises `KeyError`."""
        try:
            return self._path(self.find(digest)).stat().st_size
        except OSError:
            raise KeyError(digest) from None

    def read(self, digest: str, offset: int, max_bytes: int) -> bytes:
        """Return a piece. Raises `KeyError`."""
        try:
            with self._path(self.find(digest)).open("rb") as file:
                file.seek(offset)
                return file.read(max_bytes)
        except OSError:
            raise KeyError(digest) from None

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]


class Folder:
    """Spools beside the blobs: becoming one is a rename."""

    def __init__(self, folder: Path, path: Callable[[str], Path]) -> None:
        self._folder = folder
        self._path = path

    def open(self) -> BinaryIO:
        """Return a new file for its owner only."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = self._folder / f".spool-{secrets.token_hex(8)}"
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
        return name.open("r+b")

    def keep(self, digest: str, file: BinaryIO) -> None:
        """Rename it. It is not forced to the disk: a power cut costs an excerpt's rest, not the log."""
        size = file.seek(0, 2)
        file.close()
        target = self._path(digest)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _has(target, size):
            Path(file.name).unlink(missing_ok=True)
        else:
            Path(file.name).replace(target)

    def drop(self, file: BinaryIO) -> None:
        """Close and remove it."""
        file.close()
        Path(file.name).unlink(missing_ok=True)


def _has(target: Path, size: int) -> bool:
    """Return whether a blob is here. A file of another size was torn by a power cut."""
    try:
        return target.stat().st_size == size
    except OSError:
        return False
