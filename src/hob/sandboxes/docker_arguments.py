"""What we tell the `docker` (or `podman`) command line: whole argument vectors, nothing run."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from hob.sandboxes.identity import process_mark
from hob.sandboxes.scripts import MARKER, RUN, SIT

SESSION, PROCESS = "hob.session", "hob.process"  # labels
HOME = "/tmp/home"


class Unavailable(Exception):
    """There is no container to work in; the text says why and what to do."""


class DockerSettings(Struct, frozen=True):
    """Which engine and image, and how much a container gets. `network` is a network's name or none."""

    image: str = ""
    program: str = "docker"
    network: str = "none"
    memory: str = "4g"
    cpus: str = "2"
    pids: int = 512


def client_environment(parent: Mapping[str, str]) -> dict[str, str]:
    """Return what the command-line client needs of our environment: where the engine is, its settings."""
    names = {
        "PATH",
        "HOME",
        "USER",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "SSH_AUTH_SOCK",
    }
    engine = ("DOCKER_", "CONTAINER_", "CONTAINERS_")
    return {k: v for k, v in parent.items() if k in names or k.startswith(engine)}


class Arguments:
    """The argument vectors for one container. `env` is all it is told, `client_env` all the client is.

    The workspace is mounted at its own absolute path, so that paths in output, debug information and
    virtual environments hold on both sides. What is `protected` below it is covered.
    """

    def __init__(
        self,
        settings: DockerSettings,
        root: str,
        env: Mapping[str, str],
        client_env: Mapping[str, str],
        *,
        protected: Sequence[str] = (),
        owner: str = "",
    ) -> None:
        self.settings = settings
        self.root = root
        self._env = dict(env)
        self._client_env = dict(client_env)
        self._protected = protected
        self._owner = owner
        self._calls = 0
        unique = os.urandom(8).hex()
        self.name = f"hob-{unique}"
        self.scratch = f"/tmp/.hob-{unique}"

    def program(self) -> str:
        """Return the client's absolute path. Raises `Unavailable`."""
        found = shutil.which(self.settings.program, path=self._client_env.get("PATH"))
        if found is None:
            raise Unavailable(
                f"There is no program {self.settings.program!r} on the PATH; install it, name another "
                "with HOB_DOCKER_PROGRAM, or work with --sandbox local"
            )
        return found

    def new_call(self) -> tuple[str, str]:
        """Return a folder inside and a token for one more command; by both its tree is ended."""
        self._calls += 1
        return f"{self.scratch}/calls/{self._calls}", f"{os.urandom(8).hex()}-{self._calls};"

    def run(self, empty: str) -> list[str]:
        """Return the client's arguments that start the container; `empty` is an empty folder of ours."""
        limits = self.settings
        rootless_podman = "podman" in Path(limits.program).name and os.getuid() != 0
        return [
            *("run", "--detach", "--rm", "--init", "--pull", "never", "--name", self.name),
            *("--label", f"{SESSION}={self._owner}", "--label", f"{PROCESS}={process_mark()}"),
            *("--network", limits.network, "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges", "--read-only"),
            *("--pids-limit", str(limits.pids), "--memory", limits.memory, "--cpus", limits.cpus),
            *(("--userns", "keep-id") if rootless_podman else ()),
            *("--user", f"{os.getuid()}:{os.getgid()}"),
            *("--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777"),
            *("--mount", _mount(self.root, self.root)),
            *self._covers(empty),
            *("--workdir", self.root),
            *self._variables({**self._env, "HOME": HOME}),
            *("--entrypoint", "tail", limits.image, "-f", "/dev/null"),
        ]

    def exec(
        self, command: Sequence[str], env: Mapping[str, str], token: str, folder: str
    ) -> list[str]:
        """Return the client's argv for a command."""
        start = [self.program(), "exec", "--workdir", self.root, *self._variables(env), self.name]
        return [*start, "sh", "-c", RUN, "hob", folder, token, *command]

    def terminal(
        self, command: Sequence[str], env: Mapping[str, str], token: str, folder: str
    ) -> list[str]:
        """Return the client's argv for a program in a pseudo terminal."""
        start = [self.program(), "exec", "--interactive", "--tty", "--workdir", self.root]
        variables = self._variables({**env, MARKER: token})
        return [*start, *variables, self.name, "sh", "-c", SIT, "hob", folder, *command]

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return what the client sees when it passes on variables (by default those of the start)."""
        passed = self._env if env is None else env
        return {**{k: v for k, v in passed.items() if self._by_name(k)}, **self._client_env}

    def _covers(self, empty: str) -> list[str]:
        # Not a tmpfs: podman would copy into it what it covers.
        arguments: list[str] = []
        below = self.root.rstrip("/") + "/"
        for path in sorted({os.path.realpath(one) for one in self._protected}):
            if not path.startswith(below):
                continue
            if Path(path).exists():
                cover = empty if Path(path).is_dir() else "/dev/null"
                arguments += ["--mount", _mount(cover, path) + ",readonly"]
        return arguments

    def _by_name(self, name: str) -> bool:
        """Return whether the client can be handed a value in its own environment: not on a command line."""
        own = {MARKER, "HOME", "PATH", "TERM", "TMPDIR", *self._client_env}
        return name not in own and not name.startswith(("DOCKER_", "CONTAINER", "XDG_"))

    def _variables(self, env: Mapping[str, str]) -> list[str]:
        """Name the variables; only what would change the client itself is written out."""
        arguments: list[str] = []
        for name, value in sorted(env.items()):
            arguments += ["--env", name if self._by_name(name) else f"{name}={value}"]
        return arguments


def _mount(source: str, target: str) -> str:
    """Return the value of --mount: one line of CSV."""
    fields = ["type=bind", f"source={source}", f"target={target}"]
    return ",".join(
        '"' + one.replace('"', '""') + '"' if any(c in one for c in ',"\n') else one
        for one in fields
    )
