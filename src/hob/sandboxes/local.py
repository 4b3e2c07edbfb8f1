"""The workspace on this machine, without walls: files under one root, commands as children."""

import os
from collections.abc import Mapping, Sequence

from hob.core.ports import ExecResult, FileInfo, Report
from hob.sandboxes.files import Files
from hob.sandboxes.process import Processes, owner_mark
from hob.sandboxes.tree import carries, kill_tree, living


def kill_leftovers(owner: str) -> int:
    """Kill what commands of a sandbox with this owner left running; return how many there were.

    For when the Hob that would have done it was killed itself. Only the one who owns the name now may
    call it, before running anything. Called from below such a command it does nothing.
    """
    mark = owner_mark(owner)
    if not owner or carries(os.getpid(), mark):
        return 0
    count = len(living(mark))
    if count:
        kill_tree(mark)
    return count


class LocalSandbox:
    """Implements the port `Sandbox`. `env` is all that children see, see `child_environment`.

    File tools keep away from `protected` (absolute paths); commands do not. By `owner` processes are
    found again after a crash, see `kill_leftovers`; by `records` (a folder) temporary files.
    """

    def __init__(
        self,
        root: str,
        env: Mapping[str, str],
        protected: Sequence[str] = (),
        owner: str = "",
        records: str = "",
    ) -> None:
        self._files = Files(root, protected, records)
        self._processes = Processes(self._files.root, env, owner=owner)

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
