"""The workspace on this machine, without walls: files under one root, commands as children."""

from collections.abc import Mapping, Sequence

from hob.core.ports import ExecResult, FileInfo, Report
from hob.sandboxes.files import Files
from hob.sandboxes.process import Processes


class LocalSandbox:
    """Implements the port `Sandbox`. `env` is all that children see, see `child_environment`."""

    def __init__(self, root: str, env: Mapping[str, str]) -> None:
        self._files = Files(root)
        self._processes = Processes(self._files.root, env)

    @property
    def root(self) -> str:
        """Return the absolute real path of the workspace."""
        return self._files.root

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        report: Report | None = None,
        max_bytes: int = 65536,
        env: dict[str, str] | None = None,
    ) -> ExecResult:
        """Run an argument vector; `env` is added to the environment. See the port."""
        return await self._processes.run(
            command, timeout_s=timeout_s, report=report, max_bytes=max_bytes, env=env
        )

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a regular file's first `max_bytes` bytes. Raises `FileError`."""
        return self._files.read(path, max_bytes)

    def write(self, path: str, data: bytes) -> None:
        """Replace or create a file atomically. Raises `FileError`."""
        self._files.write(path, data)

    def list(self, path: str) -> Sequence[FileInfo]:
        """Return a directory's entries sorted by name. Raises `FileError`."""
        return self._files.list(path)

    def stat(self, path: str) -> FileInfo | None:
        """Return what stands at a path, links followed, or None. Raises `FileError`."""
        return self._files.stat(path)

    def move(self, source: str, target: str) -> None:
        """Rename, never onto something that exists. Raises `FileError`."""
        self._files.move(source, target)

    def delete(self, path: str) -> None:
        """Delete a file or an empty directory. Raises `FileError`."""
        self._files.delete(path)

    async def close(self) -> None:
        """Kill what commands left running and let the root go. May be called twice."""
        self._processes.kill_all()
        self._files.close()
