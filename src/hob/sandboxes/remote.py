"""A workspace on another machine, behind the HTTP API of a SWE-ReX server."""

import asyncio
from collections.abc import Mapping, Sequence

from hob.core.ports import ExecResult, FileError, Job, Report, Sink, Terminal
from hob.sandboxes.far_jobs import Started
from hob.sandboxes.filed import Filed
from hob.sandboxes.output import Output
from hob.sandboxes.remote_api import Api, RemoteError
from hob.sandboxes.remote_calls import run_far
from hob.sandboxes.remote_files import RemoteFiles
from hob.sandboxes.remote_link import Link
from hob.sandboxes.scripts import JOBS


class RemoteSandbox(Filed):
    """Implements the port `Sandbox` at a server whose user we are; `root` is a folder over there.

    `env` is added to the allow-listed part of the server's own environment. Weaker than on this machine:

    - Nothing walls commands off there but what walls the server off: a container, a virtual machine.
    - A path is walked by `cd -P` and checked after each step; the last name is looked at and then used,
      and the source of a move is named by its path. Who swaps links there at that moment can lead a
      *read*, a *move* or a *delete* astray, a write never (it replaces a name in the folder it is in).
    - Reads of more than 8 MB come in pieces, so a file that changes meanwhile can be torn.
    - Names that are not UTF-8 are listed but cannot be used, and far homes are guarded by name only.
    - A signal that ends a command shows as exit code 128 + its number; output is looked for up to four
      times a second; a command may print 256 MB.
    - There are no terminals.
    """

    def __init__(
        self,
        root: str,
        url: str,
        key: str,
        env: Mapping[str, str],
        *,
        owner: str = "",
        orphans: bool = False,
    ) -> None:
        self._link = Link(Api(url, key), root, env, owner=owner, orphans=orphans)
        self._files = RemoteFiles(self._link, root)
        super().__init__(self._files)
        self._calls = 0
        self._started = Started()

    @property
    def root(self) -> str:
        """Return the absolute path of the workspace over there; after the first contact, its real path."""
        return self._link.root

    @property
    def scratch(self) -> str:
        """Return a private folder over there; it is there from the first contact until the end."""
        return self._link.scratch

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
        """Run an argument vector over there; without a server, exit code 126 and the reason. See the port."""
        self._calls += 1
        self._started.note(self._calls)
        output = Output(max_bytes, report, sink)
        problem = _unsendable(command)
        if problem:
            output.add("stderr", problem.encode())
            return output.result(126)
        return await run_far(self._link, self._calls, output, command, env or {}, timeout_s)

    async def jobs(self) -> Sequence[Job]:
        """Return what commands left running over there, oldest first; nothing without contact."""
        if not self._calls:
            return ()
        try:
            told = await asyncio.to_thread(self._link.script, JOBS, self._link.mark)
        except RemoteError:
            return ()
        return self._started.jobs(told.stdout)

    async def terminal(
        self,
        command: Sequence[str],
        *,
        columns: int = 100,
        lines: int = 30,
        env: dict[str, str] | None = None,
    ) -> Terminal:
        """Refuse: the API strips control sequences and waits for prompts. Raises `FileError`."""
        raise FileError(
            "a SWE-ReX server has no terminals; run the program without one, by a script or with its "
            "input in a file"
        )

    async def close(self) -> None:
        """End everything of ours over there; a server that is gone is no error. May be called twice."""
        try:
            await asyncio.to_thread(self._link.close)
        except RemoteError:
            return


def _unsendable(command: Sequence[str]) -> str:
    """Return why an argument vector cannot go over there, or ""."""
    name = command[0] if command else ""
    if any("\0" in one for one in command):
        return f"{name}: cannot be started: an argument holds a NUL"
    try:
        size = max(len(one.encode()) for one in command) if command else 0
    except UnicodeEncodeError:
        return f"{name!r}: cannot be started: an argument is not UTF-8"
    return f"{name}: the command line is too long; put it into a file" if size > 131_071 else ""
