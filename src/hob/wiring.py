"""The one place that knows all names: settings become objects."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from secrets import randbits
from typing import cast

from hob.config import Config, ConfigError
from hob.core.agent import Agent, ContextPolicy, Limits
from hob.core.checkpoints import Checkpoints, Journal
from hob.core.ids import compose
from hob.core.permission import Mode
from hob.core.ports import Blobs, Clock, Model, Sandbox, Store
from hob.core.session import Session
from hob.guard.modes import ModeGuard
from hob.instructions.prompt import system_message
from hob.loop.perform import Performer
from hob.loop.toolbox import Toolbox, content_cap
from hob.sandboxes.environment import child_environment, sensitive_paths
from hob.sandboxes.images import WorkspaceImages
from hob.sandboxes.local import LocalSandbox, kill_leftovers
from hob.sandboxes.recorder import Recorder
from hob.sandboxes.recording import RecordingSandbox
from hob.sandboxes.shadow import Shadow
from hob.sandboxes.watch import CommandWatch
from hob.sessions.service import Sessions
from hob.sessions.undo import Undo
from hob.stores.blobs import FileBlobs
from hob.stores.checkpoints import CheckpointFolder
from hob.stores.memory import MemoryBlobs, MemoryStore
from hob.stores.sqlite import SqliteStore
from hob.tools.auto_commit import AutoCommit
from hob.tools.first_set import TOOLS, belongings
from hob.tools.optional import OPTIONAL, TEXT_PROTOCOL, extra, optional
from hob.tools.outputs import Outputs
from hob.tools.seen import Seen
from hob.tools.settings import Settings
from hob.tools.tool import bind

MAX_READ_CHARS = 16_000
CHARS_A_TOKEN = 3  # of code, at least; so a page of a file is not cut a second time
AfterTurn = Callable[[Session], Awaitable[str]]


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class RandomIds:
    """Ids from the clock and the operating system's dice."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new_id(self, prefix: str) -> str:
        """Return an id that no other call returns, sortable by time."""
        return compose(prefix, self._clock.now_ms(), randbits(35))


@dataclass(frozen=True, slots=True)
class House:
    """What a front end needs: sessions, the agent that new ones get, the limits of a turn."""

    sessions: Sessions
    agent: Agent
    limits: Limits


def agent(with_tools: Sequence[str] = (), *, scratchpad: bool = True) -> Agent:
    """Return the agent of new sessions: the system message and the tools by name.

    `with_tools` are optional tools; without a scratchpad there is no `think`. Raises `ConfigError`
    for a tool that is not known.
    """
    unknown = [name for name in with_tools if name not in OPTIONAL]
    if unknown:
        known = ", ".join(sorted(OPTIONAL))
        raise ConfigError(f"There is no optional tool {unknown[0]!r}: give one of {known}.")
    tools = {*TOOLS, *map(optional, with_tools)}
    specs = tuple(
        sorted(
            (tool.spec for tool in tools if scratchpad or tool.spec.name != "think"),
            key=lambda spec: spec.name,
        )
    )
    return Agent(instructions=system_message(), tools=specs)


@asynccontextmanager
async def open_house(
    config: Config,
    make_model: Callable[[], Model],
    *,
    interactive: bool,
    keep: bool,
    default_steps: int,
    window_tokens: int | None = None,
) -> AsyncGenerator[House]:
    """Yield a house whose sessions get their model from `make_model`; without `keep` nothing stays on disk.

    `window_tokens` is the window that the server says it has.
    """
    clock = SystemClock()
    window = config.context_tokens or window_tokens
    cap = content_cap(window)
    equipment = _Equipment(config, clock, make_model, cap, interactive=interactive, keep=keep)
    async with _open_store(config, keep=keep) as store:
        sessions = Sessions(store, clock, RandomIds(clock), equipment.equip)
        equipment.prune()
        who = agent(config.with_tools, scratchpad=config.scratchpad)
        yield House(sessions, who, _limits(config, default_steps, window))


class _Equipment:
    """What sessions are given to work with: a model, a sandbox, tools, a guard, a memory."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        make_model: Callable[[], Model],
        max_tokens: int,
        *,
        interactive: bool,
        keep: bool,
    ) -> None:
        self._config, self._clock, self._make_model = config, clock, make_model
        self._max_tokens = max_tokens
        self._blobs: Blobs = FileBlobs(config.data_dir / "blobs") if keep else MemoryBlobs()
        self._records = str(config.data_dir / "writes") if keep else ""
        self._protected = sensitive_paths(_home(config), str(config.data_dir))
        # On another machine there are no files of ours to keep.
        remembers = keep and config.checkpoints != "off" and config.sandbox != "remote"
        self._memory = _Memory(config, self._protected) if remembers else None
        self._guard = ModeGuard(cast("Mode", config.permission_mode), interactive)
        self._settings = Settings(
            max_read_lines=config.max_read_lines,
            max_read_chars=min(MAX_READ_CHARS, CHARS_A_TOKEN * max_tokens),
            max_trace_length=config.max_trace_length,
            bash_timeout_s=config.bash_timeout_s,
            stateless_shell=config.stateless_shell,
            ripgrep=_ripgrep() if config.sandbox == "local" else "rg",
        )

    def equip(self, session: Session) -> Performer:
        """Return the hands of a session."""
        config = self._config
        inner = open_sandbox(config, session, self._protected, self._records)
        sandbox, recorder, let_go, after_turn = inner, None, inner.close, None
        if self._memory is not None:
            sandbox, recorder, let_go, after_turn = self._memory.around(inner, session)
        shared = belongings(sandbox, self._settings, self._blobs)
        # A resumed session finds the tools that it was begun with, whatever is asked for now.
        names = {*config.with_tools, *(spec.name for spec in session.agent.tools)}
        more = extra(names if config.edit_format == "tools" else {*names, TEXT_PROTOCOL})
        supplies = {
            Sandbox: sandbox,
            Settings: self._settings,
            Clock: self._clock,
            Seen: Seen(session.seen),
            **shared,
            **more.supplies,
        }
        toolbox = Toolbox(
            [bind(tool, supplies) for tool in (*TOOLS, *more.tools)],
            self._blobs,
            recorder,
            self._max_tokens,
        )

        async def close() -> None:
            more.close()
            await let_go()
            cast("Outputs", shared[Outputs]).close()

        return Performer(self._make_model(), toolbox, self._guard, self._clock, close, after_turn)

    def prune(self) -> None:
        """Let what is too old to be of use go."""
        if self._memory is not None:
            self._memory.prune(self._clock)


def open_sandbox(
    config: Config, session: Session, protected: Sequence[str], records: str
) -> Sandbox:
    """Return where a session's commands run; what a killed Hob left working beside us is ended."""
    crashed = any(call.status == "running" for call in session.calls)
    owner, env = session.session_id, config.environment
    if config.sandbox == "local":
        if crashed:
            kill_leftovers(owner)
        own = child_environment(env, owner)
        return LocalSandbox(session.workspace, own, protected, owner=owner, records=records)
    # Their clients cost milliseconds to import, and few people use them.
    far = import_module("hob.sandboxes.far")
    if config.sandbox == "docker":
        settings = (config.docker_image, config.docker_program, config.docker_network)
        return far.open_container(session.workspace, settings, env, protected, owner, records)
    server = (config.remote_url, config.remote_key)
    return far.open_remote(session.workspace, server, env, owner, crashed)


@asynccontextmanager
async def open_archive(config: Config) -> AsyncGenerator[Sessions]:
    """Yield the stored sessions, without a model: to list, show, export, fork, remove."""

    clock = SystemClock()
    async with _open_store(config, keep=True) as store:
        forget = CheckpointFolder(config.data_dir / "checkpoints").forget
        yield Sessions(store, clock, RandomIds(clock), _runs_nothing, forget)


def _runs_nothing(session: Session) -> Performer:
    raise AssertionError("an archive runs nothing")


@asynccontextmanager
async def open_undo(config: Config) -> AsyncGenerator[tuple[Sessions, Undo]]:
    """Yield the stored sessions and what takes back their changes."""
    clock = SystemClock()
    memory = _Memory(config, sensitive_paths(_home(config), str(config.data_dir)))
    async with _open_store(config, keep=True) as store:
        sessions = Sessions(store, clock, RandomIds(clock), _runs_nothing)
        yield sessions, Undo(store, clock, RandomIds(clock), memory.journal, memory.images)


class _Memory:
    """Before-images and shadow repositories in the data folder."""

    def __init__(self, config: Config, protected: Sequence[str]) -> None:
        self._config, self._protected = config, protected
        self._folder = CheckpointFolder(config.data_dir / "checkpoints")
        self._shadows = config.data_dir / "shadows"

    def journal(self, session_id: str) -> Journal:
        """Return the journal of a session."""
        return self._folder.journal(session_id)

    def images(self, workspace: str) -> WorkspaceImages:
        """Return the images of a workspace."""
        return WorkspaceImages(workspace, self._protected)

    def around(
        self, inner: Sandbox, session: Session
    ) -> tuple[Sandbox, Checkpoints, Callable[[], Awaitable[None]], AfterTurn | None]:
        """Return a sandbox on files of this machine with a memory, the memory, what closes both, and auto-commit."""
        config, journal = self._config, self.journal(session.session_id)
        images = self.images(session.workspace)
        shadow = Shadow(
            self._shadows,
            images.root,
            home=_home(config),
            path=config.environment.get("PATH", os.defpath),
            confirmed="checkpoints" in config.origins,
        )
        watch = CommandWatch(shadow, journal) if config.checkpoints == "on" else None
        recorder = Recorder(images, journal, watch)

        async def close_both() -> None:
            await inner.close()
            images.close()

        sandbox = RecordingSandbox(inner, recorder)
        commit = AutoCommit(sandbox, journal, images, trailer=config.commit_trailer)
        wanted = config.auto_commit and config.sandbox == "local"
        return sandbox, recorder, close_both, commit.after_turn if wanted else None

    def prune(self, clock: Clock) -> None:
        """Let old checkpoints go."""
        now_s = clock.now_ms() / 1000
        self._folder.prune(now_s)
        CheckpointFolder(self._shadows).prune(now_s)


def _home(config: Config) -> str:
    return config.environment.get("HOME", "")


@asynccontextmanager
async def _open_store(config: Config, *, keep: bool) -> AsyncGenerator[Store]:
    store: Store = SqliteStore(config.data_dir) if keep else MemoryStore()
    try:
        yield store
    finally:
        await store.aclose()


def _limits(config: Config, default_steps: int, window_tokens: int | None) -> Limits:
    return Limits(
        max_steps=config.max_steps or default_steps,
        max_wall_s=config.max_wall_s,
        max_output_tokens=config.max_output_tokens,
        max_calls_per_step=1 if config.one_action else None,
        acknowledge_failures=config.acknowledge_failures,
        context=ContextPolicy(
            window_tokens,
            config.compact_at,
            config.compact_to,
            config.retain_tool_results,
            config.compress_diffs,
            config.externalize_reasoning,
        ),
    )


def _ripgrep() -> str:
    """Return the `rg` that was installed with us, else the one on the path."""
    ours = Path(sys.executable).with_name("rg")
    return str(ours) if ours.exists() else "rg"
