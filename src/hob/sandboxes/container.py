"""One container a session: started at its first use, removed at the end, also after a crash."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hob.core.ports import ExecResult
from hob.sandboxes.client import attend, uninterrupted
from hob.sandboxes.docker_arguments import HOME, PROCESS, Arguments, Unavailable
from hob.sandboxes.identity import is_gone
from hob.sandboxes.output import Output
from hob.sandboxes.scripts import END, PROGRAMS

_CONTROL_S = 30.0  # for what the engine does at once; a start waits for disks
_START_S = 120.0
_CONTROL_BYTES = 65536
# Mounted over these, a workspace would hide the image's own programs.
_SYSTEM = frozenset({
    "/", "/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr",
    "/var",
})  # fmt: skip
_PREPARE = r"""
umask 077
mkdir "$1" "$1/calls" "$2" || exit
shift 2
for one; do command -v "$one" >/dev/null || printf '%s ' "$one"; done
"""


class Container:
    """Implements the life of the container that `arguments` describe; `env` is what the client sees."""

    def __init__(self, arguments: Arguments, env: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._env = dict(env)
        self._starting: asyncio.Task[None] | None = None
        self._swept = False
        self._empty = ""

    async def ready(self) -> None:
        """Start it if it does not run. Raises `Unavailable`."""
        if self._starting is None:
            # Never torn apart by a cancellation: a container that half started could not be removed.
            self._starting = asyncio.ensure_future(self._start())
        starting = self._starting
        try:
            await asyncio.shield(starting)
        except Unavailable:
            if self._starting is starting:
                self._starting = None
            raise

    async def client(
        self,
        arguments: Sequence[str],
        timeout_s: float = _CONTROL_S,
        env: Mapping[str, str] | None = None,
    ) -> ExecResult:
        """Run the client for a control command; at the limit it is killed. Raises `Unavailable`."""
        output = Output(_CONTROL_BYTES, None, None)
        argv = [self._arguments.program(), *arguments]
        try:
            code = await asyncio.wait_for(attend(argv, env or self._env, output), timeout_s)
        except TimeoutError:
            return output.result(None, timed_out=True)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{argv[0]!r} cannot be run: {error}") from None
        return output.result(code)

    async def running(self) -> bool:
        """Return whether it is there and runs."""
        found = await self.client(
            ["inspect", "--format", "{{.State.Running}}", self._arguments.name]
        )
        return found.stdout.strip() == "true"

    async def kill(self, token: str, folder: str, *haste: str) -> None:
        """Kill a tree inside; the whole container, if that fails."""
        inside = ["exec", self._arguments.name, "sh", "-c", END, "hob", token, folder, *haste]
        try:
            left = (await self.client(inside)).stdout
        except Unavailable as reason:
            left = str(reason)
        if left != "0\n":
            await self.remove()

    async def remove(self) -> None:
        """Remove it with all that runs in it; the next use starts a new one. May be called twice."""
        starting, self._starting = self._starting, None
        if starting is not None:
            await uninterrupted(self._remove(starting))
        self._drop_empty()

    async def _remove(self, starting: "asyncio.Task[None]") -> None:
        if not starting.done():
            await asyncio.wait((starting,))
        if not starting.cancelled() and isinstance(starting.exception(), Unavailable):
            return
        await self.client(["rm", "--force", self._arguments.name])

    def _drop_empty(self) -> None:
        if self._empty:
            with suppress(OSError):
                Path(self._empty).rmdir()
            self._empty = ""

    async def _start(self) -> None:
        if not self._arguments.settings.image:
            raise Unavailable(
                "No image is named for the container; set HOB_DOCKER_IMAGE to one that you have"
            )
        if self._arguments.root in _SYSTEM:
            raise Unavailable(
                f"{self._arguments.root!r} would hide the image's own files; work in a folder below it"
            )
        await self._sweep()
        self._empty = self._empty or tempfile.mkdtemp(prefix="hob-empty-")
        start = self._arguments.run(self._empty)
        started = await self.client(start, _START_S, self._arguments.environment())
        if started.exit_code != 0:
            # It may have been made and not started, and after a time limit anything is possible.
            await self.client(["rm", "--force", self._arguments.name])
            raise Unavailable(self._reason(started))
        folders = (self._arguments.scratch, HOME)
        prepare = ["exec", self._arguments.name, "sh", "-c", _PREPARE, "hob", *folders, *PROGRAMS]
        found = await self.client(prepare)
        if found.exit_code != 0 or found.stdout:
            await self.client(["rm", "--force", self._arguments.name])
            lacks = found.stdout.strip() or "a shell (sh)"
            raise Unavailable(
                f"The image {self._arguments.settings.image!r} lacks {lacks}; choose one with a shell and the "
                "usual tools (coreutils, util-linux and grep, or busybox)"
            )

    async def _sweep(self) -> None:
        """Remove the containers of Hobs that were killed; once is enough."""
        if self._swept:
            return
        self._swept = True
        listed = await self.client(["ps", "--all", "--quiet", "--filter", f"label={PROCESS}"])
        if not listed.stdout.split():
            return
        form = f'{{{{.Id}}}} {{{{index .Config.Labels "{PROCESS}"}}}}'
        told = await self.client(["inspect", "--format", form, *listed.stdout.split()])
        pairs = [line.partition(" ") for line in told.stdout.splitlines()]
        dead = [number for number, _, mark in pairs if is_gone(mark)]
        if dead:
            await self.client(["rm", "--force", *dead])

    def _reason(self, result: ExecResult) -> str:
        name, image = self._arguments.settings.program, self._arguments.settings.image
        if result.timed_out:
            return f"{name!r} did not start a container in {_START_S:g} s; look at its engine"
        said = result.stderr.strip().partition("\n")[0]
        low = result.stderr.lower()
        if "no such image" in low or "unable to find image" in low or "image not known" in low:
            return (
                f"There is no image {image!r} on this machine; fetch it with `{name} pull {image}` "
                "or name another with HOB_DOCKER_IMAGE"
            )
        if "cannot connect to" in low or "permission denied" in low:
            return f"{name!r} reaches no engine ({said}); start it, or work with --sandbox local"
        return f"{name!r} could not start a container from {image!r}: {said}"
