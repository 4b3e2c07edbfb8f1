"""A blob in the making: in memory while it is small, then in a file; counted beyond its cap."""

from collections.abc import Callable
from hashlib import sha256
from typing import BinaryIO, Protocol

from hob.core.ports import MAX_SPOOL

_IN_MEMORY = 65536


class Place(Protocol):
    """Where a spool goes when it outgrows the memory, and where it ends up."""

    def open(self) -> BinaryIO:
        """Return a new file for reading and writing."""
        ...

    def keep(self, digest: str, file: BinaryIO) -> None:
        """Make the finished file the blob of this digest."""
        ...

    def drop(self, file: BinaryIO) -> None:
        """Close and remove a file that is not wanted."""
        ...


class PlacedSpool:
    """Implements the port `Spool` over a place. `put` keeps what stayed in memory."""

    def __init__(self, place: Place, put: Callable[[bytes], str], cap: int = MAX_SPOOL) -> None:
        self._place = place
        self._put = put
        self._cap = cap
        self._memory: bytearray = bytearray()
        self._file: BinaryIO | None = None
        self._hash = sha256()
        self._broken = False
        self.seen = 0
        self.kept = 0

    def write(self, data: bytes) -> None:
        """Add bytes; beyond the cap, or once the disk is full, they are only counted."""
        self.seen += len(data)
        data = data[: self._cap - self.kept]
        if not data or self._broken:
            return
        try:
            if self._file is None and len(self._memory) + len(data) > _IN_MEMORY:
                self._file = self._place.open()
                self._file.write(self._memory)
                self._memory.clear()
            if self._file is None:
                self._memory += data
            else:
                self._file.seek(0, 2)
                self._file.write(data)
        except OSError:
            self._broken = True
            return
        self._hash.update(data)
        self.kept += len(data)

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Return a piece of what was kept so far."""
        if self._file is None:
            return bytes(self._memory[offset : offset + max_bytes])
        self._file.seek(offset)
        return self._file.read(min(max_bytes, max(0, self.kept - offset)))

    def finish(self) -> str:
        """Keep it as a blob and return its digest. Raises `OSError`."""
        file, self._file = self._file, None
        if file is None:
            data = bytes(self._memory)
            self._memory.clear()
            return self._put(data)
        digest = self._hash.hexdigest()
        file.truncate(self.kept)
        self._place.keep(digest, file)
        return digest

    def drop(self) -> None:
        """Forget it. May be called twice, and after `finish`."""
        self._memory.clear()
        self._broken = True
        if self._file is not None:
            self._place.drop(self._file)
            self._file = None
