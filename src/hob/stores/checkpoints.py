"""Checkpoints on disk: one folder a session with an append-only journal and its before-images.

Not in the database: marks are written from inside a synchronous file operation, each batch with one
fsync, and all of it goes when the session goes (or is old), whatever other sessions keep.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hob.core.checkpoints import Mark
from hob.stores.blobs import FileBlobs

MAX_AGE_S = 30 * 86_400
MAX_TOTAL_BYTES = 5 << 30
_PRUNE_EVERY_S = 86_400

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Mark] = msgspec.json.Decoder(Mark)


class FileJournal:
    """Implements the port `Journal` in `folder` (made when first needed)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = FileBlobs(folder / "images")

    def add(self, marks: Sequence[Mark]) -> None:
        """Append marks with one fsync. Raises `OSError`."""
        if not marks:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / "journal.jsonl"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            size = os.fstat(descriptor).st_size
            # What a crash cut off must not swallow the next mark.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            lines = b"".join(_encoder.encode(mark) + b"\n" for mark in marks)
            file.write(b"\n" + lines if torn else lines)
            file.flush()
            os.fsync(descriptor)

    def marks(self) -> Sequence[Mark]:
        """Return all whole marks, the oldest first."""
        try:
            lines = (self._folder / "journal.jsonl").read_bytes().split(b"\n")
        except FileNotFoundError:
            return ()
        found: list[Mark] = []
        for line in lines:
            try:
                found.append(_decoder.decode(line))
            except msgspec.DecodeError:  # cut off by a crash: what it announced had not begun
                continue
        return found

    def keep(self, data: bytes) -> str:
        """Keep bytes and return their SHA-256. Raises `OSError`."""
        return self._blobs.put(data)

    def image(self, digest: str) -> bytes:
        """Return kept bytes. Raises `KeyError`."""
        return self._blobs.get(digest)


class CheckpointFolder:
    """All journals under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def journal(self, session_id: str) -> FileJournal:
        """Return the journal of a session."""
        return FileJournal(self._folder / session_id)

    def forget(self, session_id: str) -> None:
        """Delete what belongs to a session."""
        shutil.rmtree(self._folder / session_id, ignore_errors=True)

    def prune(self, now_s: float) -> None:
        """Once a day delete what nobody touched for 30 days, then the oldest until 5 GB are left."""
        stamp = self._folder / ".pruned"
        try:
            if not self._folder.is_dir() or now_s - _touched_at(stamp) < _PRUNE_EVERY_S:
                return
            stamp.touch(mode=0o600)
            kept = [one for one in self._folder.iterdir() if one.is_dir()]
        except OSError:
            return
        total = 0
        for folder in sorted(kept, key=_used_at, reverse=True):
            total += _size_bytes(folder)
            if now_s - _used_at(folder) > MAX_AGE_S or total > MAX_TOTAL_BYTES:
                shutil.rmtree(folder, ignore_errors=True)


def _used_at(folder: Path) -> float:
    """Return when a session's journal or a shadow repository was last written (s since the epoch)."""
    return max(_touched_at(folder / name) for name in (".", "journal.jsonl", "index"))


def _touched_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size_bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total
