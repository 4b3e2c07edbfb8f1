"""The workspace in a container: commands run inside it, files are reached on our side of the mount."""

import asyncio
from collections.abc import Mapping, Sequence

from hob.core.ports import ExecResult, FileError, Job, Report, Sink, Terminal
from hob.sandboxes.client import attend, uninterrupted
from hob.sandboxes.client_terminal import ClientTerminal
from hob.sandboxes.container import Container
from hob.sandboxes.docker_arguments import Arguments, DockerSettings, Unavailable
from hob.sandboxes.filed import Filed
from hob.sandboxes.files import Files
from hob.sandboxes.output import Output
from hob.sandboxes.scripts import JOBS

_LAST_S = 2.0  # for what a killed command printed to arrive
_ENGINE_SAYS = (  # Docker's and podman's words for a container that is not there any more
    "Error response from daemon",
    "Cannot connect to",
    "No such container",
    "no container with name",
    "can only create exec sessions on running containers",
)


class DockerSandbox(Filed):
    """Implements the port `Sandbox` by one container, which starts with the first command.

    `env` is all that commands are told (see `far_environment`), `client_env` all that the command-line
    client sees. File tools have the guarantees of `Files`. A signal that ends a command shows as exit
    code 128 + its number, as shells tell it. `owner` is the session's id.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of its own, told by name
        self,
        root: str,
        settings: DockerSettings,
        env: Mapping[str, str],
        client_env: Mapping[str, str],
        *,
        protected: Sequence[str] = (),
        owner: str = "",
        records: str = "",
    ) -> None:
        self._files = Files(root, protected, records)
        super().__init__(self._files)
        self._arguments = Arguments(
            settings, self._files.root, env, client_env, protected=protected, owner=owner
        )
        self._container = Container(self._arguments, client_env)
        self._terminals: list[ClientTerminal] = []

    @property
    def root(self) -> str:
        """Return the absolute real path of the workspace, the same outside and inside."""
        return self._files.root

    @property
    def scratch(self) -> str:
        """Return a private folder in the container's memory; it goes with the container."""
        return self._arguments.scratch

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
        """Run an argument vector in the container; without one, exit code 126 and the reason. See the port."""
        output = Output(max_bytes, report, sink)
        variables = env or {}
        folder, token = self._arguments.new_call()
        try:
            await self._container.ready()
            argv = self._arguments.exec(command, variables, token, folder)
        except Unavailable as reason:
            return _refused(output, str(reason))
        client = attend(argv, self._arguments.environment(variables), output)
        call = asyncio.ensure_future(client)
        try:
            await asyncio.wait((call,), timeout=timeout_s)
        except asyncio.CancelledError:
            await uninterrupted(self._end(call, token, folder))
            raise
        if not call.done():
            await uninterrupted(self._end(call, token, folder))
            return output.result(None, timed_out=True)
        return await self._finished(call, output, command)

    async def jobs(self) -> Sequence[Job]:
        """Return what commands left running in the container, oldest first; nothing if there is none."""
        inside = ["exec", self._arguments.name, "sh", "-c", JOBS, "hob", self._arguments.mark]
        try:
            if not self._container.begun:
                return ()
            told = await self._container.client(inside)
        except Unavailable:
            return ()
        return self._arguments.started.jobs(told.stdout)

    async def terminal(
        self,
        command: Sequence[str],
        *,
        columns: int = 100,
        lines: int = 30,
        env: dict[str, str] | None = None,
    ) -> Terminal:
        """Start an interactive program in the container's own pseudo terminal. Raises `FileError`."""
        variables = {"TERM": "xterm", **(env or {})}
        folder, token = self._arguments.new_call()
        try:
            await self._container.ready()
            argv = self._arguments.terminal(command, variables, token, folder)
        except Unavailable as reason:
            raise FileError(str(reason)) from None

        async def end() -> None:
            await self._container.kill(token, folder, "at-once")

        client_env = {**self._arguments.environment(variables), "TERM": variables["TERM"]}
        opened = await ClientTerminal.open(argv, client_env, (lines, columns), end)
        self._terminals = [one for one in self._terminals if one.exit_code is None]
        self._terminals.append(opened)
        return opened

    async def close(self) -> None:
        """Remove the container with all that runs in it and let the root go. May be called twice."""
        self._files.close()
        await self._container.remove()
        for terminal in self._terminals:
            await terminal.close()

    async def _end(self, call: "asyncio.Future[int]", token: str, folder: str) -> None:
        """Kill a command's whole tree and take what it printed."""
        await self._container.kill(token, folder)
        await asyncio.wait((call,), timeout=_LAST_S)
        call.cancel()
        await asyncio.wait((call,))

    async def _finished(
        self, call: "asyncio.Future[int]", output: Output, command: Sequence[str]
    ) -> ExecResult:
        try:
            code = call.result()
        except (OSError, ValueError) as error:
            return _refused(output, f"{command[0] if command else ''}: cannot be started: {error}")
        said = output.text("stderr")
        if code != 0 and (code == 137 or any(words in said for words in _ENGINE_SAYS)):
            try:
                running = await self._container.running()
            except Unavailable:
                running = False
            if not running:
                await self._container.remove()
                return _refused(
                    output,
                    "the container ended (removed from outside, or out of memory); the next command "
                    "starts a new one, with an empty /tmp",
                )
        return output.result(code)


def _refused(output: Output, reason: str) -> ExecResult:
    output.add("stderr", reason.encode())
    return output.result(126)
