"""The file half of a sandbox, which hands each question on to whatever holds its files."""

from collections.abc import Sequence
from typing import Protocol

from hob.core.ports import FileInfo


class Files(Protocol):
    """What can hold the files of a workspace; see the methods of the port `Sandbox`."""

    def read(self, path: str, max_bytes: int) -> bytes: ...
    def write(self, path: str, data: bytes) -> None: ...
    def list(self, path: str) -> Sequence[FileInfo]: ...
    def stat(self, path: str) -> FileInfo | None: ...
    def move(self, source: str, target: str) -> None: ...
    def delete(self, path: str) -> None: ...


class Filed:
    """A sandbox's files, as the port wants them; each method raises `FileError`."""

    def __init__(self, files: Files) -> None:
        self._held = files

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a regular file's first `max_bytes` bytes."""
        return self._held.read(path, max_bytes)

    def write(self, path: str, data: bytes) -> None:
        """Replace or create a file atomically."""
        self._held.write(path, data)

    def list(self, path: str) -> Sequence[FileInfo]:
        """Return a directory's entries sorted by name."""
        return self._held.list(path)

    def stat(self, path: str) -> FileInfo | None:
        """Return what stands at a path, links followed, or None."""
        return self._held.stat(path)

    def move(self, source: str, target: str) -> None:
        """Rename, never onto something that exists."""
        self._held.move(source, target)

    def delete(self, path: str) -> None:
        """Delete a file or an empty directory."""
        self._held.delete(path)
