"""A sandbox that remembers: before a tool changes a file, what stood there is kept."""

from collections.abc import Sequence
from typing import Any

from hob.core.ports import ExecResult, FileInfo, Job, Sandbox, Terminal
from hob.sandboxes.recorder import Recorder


class RecordingSandbox:
    """Implements the port `Sandbox` around another one, with a recorder that hears of every change first."""

    def __init__(self, inner: Sandbox, recorder: Recorder) -> None:
        self._inner, self._recorder = inner, recorder

    @property
    def root(self) -> str:
        """Return the workspace."""
        return self._inner.root

    @property
    def scratch(self) -> str:
        """Return the scratch folder."""
        return self._inner.scratch

    async def exec(self, command: Sequence[str], **options: Any) -> ExecResult:
        """Run a command; see the port."""
        await self._recorder.before_command()
        return await self._inner.exec(command, **options)

    async def jobs(self) -> Sequence[Job]:
        """Return what commands left running."""
        return await self._inner.jobs()

    async def terminal(self, command: Sequence[str], **options: Any) -> Terminal:
        """Start an interactive program; see the port."""
        await self._recorder.before_command()
        return await self._inner.terminal(command, **options)

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a file's first bytes. Raises `FileError`."""
        return self._inner.read(path, max_bytes)

    def write(self, path: str, data: bytes) -> None:
        """Replace or create a file, after its before-image is kept. Raises `FileError`."""
        with self._recorder.recorded(path, self._recorder.writing(path, data)):
            self._inner.write(path, data)

    def list(self, path: str) -> Sequence[FileInfo]:
        """Return a directory's entries. Raises `FileError`."""
        return self._inner.list(path)

    def stat(self, path: str) -> FileInfo | None:
        """Return what stands at a path. Raises `FileError`."""
        return self._inner.stat(path)

    def move(self, source: str, target: str) -> None:
        """Rename, after both sides are noted. Raises `FileError`."""
        with self._recorder.recorded(source, self._recorder.moving(source, target)):
            self._inner.move(source, target)

    def delete(self, path: str) -> None:
        """Delete, after the before-image is kept. Raises `FileError`."""
        with self._recorder.recorded(path, self._recorder.deleting(path)):
            self._inner.delete(path)

    async def close(self) -> None:
        """Close the sandbox; the recorder is closed by whoever made it."""
        await self._inner.close()
