"""Logs and blobs in memory: for tests and for runs that leave nothing behind."""

import tempfile
from collections.abc import Sequence
from hashlib import sha256
from typing import BinaryIO, cast

from hob.core.errors import SessionBusy, SessionNotFound
from hob.core.ports import Claim, Entry, Shelf, Spool
from hob.stores.spool import PlacedSpool

_SHORTEST = 8


class MemoryStore:
    """A store that forgets with the process."""

    def __init__(self) -> None:
        self._logs: dict[str, list[Entry]] = {}
        self._claimed: set[str] = set()

    async def append(self, session_id: str, entries: Sequence[Entry], durable: bool) -> None:
        """Keep all entries or none. Raises `SessionBusy` if one is there already."""
        log = self._logs.get(session_id, [])
        if any(entry.seq != place for place, entry in enumerate(entries, len(log) + 1)):
            raise SessionBusy(f"Session {session_id!r} was written by somebody else.")
        self._logs[session_id] = [*log, *entries]

    async def read(self, session_id: str, after: int = 0) -> Sequence[Entry]:
        """Return the entries with a sequence number above `after`."""
        return tuple(self._logs.get(session_id, ())[after:])

    async def shelves(self) -> Sequence[Shelf]:
        """Return all sessions, the last changed one first."""
        shelves = [
            Shelf(name, log[0].at, log[-1].at, log[-1].seq)
            for name, log in self._logs.items()
            if log
        ]
        return sorted(shelves, key=lambda shelf: (shelf.updated_at, shelf.session_id), reverse=True)

    async def delete(self, session_id: str) -> None:
        """Forget a session. Raises `SessionNotFound`."""
        if self._logs.pop(session_id, None) is None:
            raise SessionNotFound(f"There is no session {session_id!r}.")

    def claim(self, session_id: str) -> Claim:
        """Become the one writer. Raises `SessionBusy`."""
        if session_id in self._claimed:
            raise SessionBusy(f"Session {session_id!r} is open already.")
        self._claimed.add(session_id)
        return _MemoryClaim(self._claimed, session_id)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to finish."""


class _MemoryClaim:
    def __init__(self, claimed: set[str], session_id: str) -> None:
        self._claimed, self._session_id = claimed, session_id

    def release(self) -> None:
        """Give the right back."""
        self._claimed.discard(self._session_id)


class MemoryBlobs:
    """Blobs that die with the process."""

    def __init__(self) -> None:
        self._data: dict[str, bytes | BinaryIO] = {}

    def __del__(self) -> None:
        """Close the files of large blobs."""
        for held in self._data.values():
            if not isinstance(held, bytes):
                held.close()

    def put(self, data: bytes) -> str:
        """Keep bytes and return their SHA-256."""
        digest = sha256(data).hexdigest()
        self._data.setdefault(digest, data)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes. Raises `KeyError`."""
        held = self._data[digest]
        return held if isinstance(held, bytes) else self.read(digest, 0, self.size(digest))

    def spool(self) -> Spool:
        """Begin a blob whose bytes come in pieces. A large one is a file without a name."""
        return PlacedSpool(_Nameless(self._data), self.put)

    def find(self, prefix: str) -> str:
        """Return the one digest that begins so. Raises `KeyError`."""
        found = [digest for digest in self._data if digest.startswith(prefix)]
        if len(found) != 1 or len(prefix) < _SHORTEST:
            raise KeyError(prefix)
        return found[0]

    def size(self, digest: str) -> int:
        """Return the number of bytes. Raises `KeyError`."""
        held = self._data[digest]
        return len(held) if isinstance(held, bytes) else held.seek(0, 2)

    def read(self, digest: str, offset: int, max_bytes: int) -> bytes:
        """Return a piece. Raises `KeyError`."""
        held = self._data[digest]
        if isinstance(held, bytes):
            return held[offset : offset + max_bytes]
        held.seek(offset)
        return held.read(max_bytes)


class _Nameless:
    """Files that are gone when nobody holds them."""

    def __init__(self, data: dict[str, bytes | BinaryIO]) -> None:
        self._data = data

    def open(self) -> BinaryIO:
        """Return a new file."""
        return cast("BinaryIO", tempfile.TemporaryFile())

    def keep(self, digest: str, file: BinaryIO) -> None:
        """Hold it."""
        if digest in self._data:
            file.close()
        else:
            self._data[digest] = file

    def drop(self, file: BinaryIO) -> None:
        """Let it go."""
        file.close()
