"""The workspace on this machine, without walls: files under one root, commands as children."""

import os
import stat
from collections.abc import Mapping, Sequence

from hob.core.ports import ExecResult, FileError, Job, Report, Sink, Terminal
from hob.sandboxes.filed import Filed
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


class LocalSandbox(Filed):
    """Implements the port `Sandbox`. `env` is all that children see, see `child_environment`.

    File tools keep away from `protected` (absolute paths); commands do not. By `owner` processes are
    found again after a crash, see `kill_leftovers`; by `records` (a folder) temporary files. Without
    `keeper` commands are children of our own.
    """

    def __init__(
        self,
        root: str,
        env: Mapping[str, str],
        protected: Sequence[str] = (),
        owner: str = "",
        records: str = "",
        *,
        keeper: bool = True,
    ) -> None:
        self._files = Files(root, protected, records)
        super().__init__(self._files)
        self._processes = Processes(self._files.root, env, owner, keeper=keeper)

    @property
    def root(self) -> str:
        """Return the absolute real path of the workspace."""
        return self._files.root

    @property
    def scratch(self) -> str:
        """Return our private folder, made at the first question."""
        return self._processes.scratch

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        report: Report | None = None,
        max_bytes: int = 65536,
        env: dict[str, str] | None = None,
        sink: Sink | None = None,
    ) -> ExecResult:
        """Run an argument vector; `env` is added to the environment. See the port."""
        return await self._processes.run(
            command, timeout_s=timeout_s, report=report, max_bytes=max_bytes, env=env, sink=sink
        )

    async def jobs(self) -> Sequence[Job]:
        """Return what commands left running, oldest first."""
        return await self._processes.jobs()

    async def terminal(
        self,
        command: Sequence[str],
        *,
        columns: int = 100,
        lines: int = 30,
        env: dict[str, str] | None = None,
    ) -> Terminal:
        """Start an interactive program. Raises `FileError`."""
        return await self._processes.terminal(command, (lines, columns), env)

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a regular file's first `max_bytes` bytes. Raises `FileError`."""
        folder, _, name = path.rpartition("/")
        if folder == self.scratch and name != "..":
            return _read_plain(path, max_bytes)
        return super().read(path, max_bytes)

    async def close(self) -> None:
        """Kill what commands left running and let the root go. May be called twice."""
        self._processes.kill_all()
        self._files.close()


def _read_plain(path: str, max_bytes: int) -> bytes:
    """Read a file of our own folder, where a command may have put anything."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise FileError(f"{path!r} cannot be read: {error.strerror}") from None
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise FileError(f"{path!r} is not a regular file")
        return file.read(max_bytes)
