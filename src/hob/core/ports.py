"""What the house needs from outside. One protocol a port; adapters live in the rooms above."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from hob.core.agent import ToolSpec
from hob.core.deltas import Delta
from hob.core.messages import Reply, ToolResult
from hob.core.permission import Action, Decision
from hob.core.request import Request


class Model(Protocol):
    """Any language model. `name` is what people see."""

    @property
    def name(self) -> str:
        """Return the model's name for people."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield deltas as they come and end with exactly one `Reply`.

        Raises `ModelError` (never anything else but cancellation). An answer that was cut yields no
        `Reply`, so that no tool is ever run from a partial call. Closing the iterator stops the
        server's work.
        """
        ...

    async def aclose(self) -> None:
        """Let connections go."""
        ...


MAX_SPOOL = 256 << 20  # bytes

Report = Callable[[str, str], None]  # (stream "stdout" | "stderr", text): output of a running tool
Sink = Callable[[str, bytes], None]  # (stream, bytes): every byte that a command writes, in order


class Tool(Protocol):
    """One thing an agent can do."""

    @property
    def spec(self) -> ToolSpec:
        """Return the tool as the model sees it."""
        ...

    async def run(self, arguments: dict[str, Any], report: Report) -> ToolResult:
        """Do it. `arguments` fit the schema. Failures are results with `is_error`, not exceptions."""
        ...


class Permission(Protocol):
    """The guard."""

    async def judge(self, action: Action) -> Decision:
        """Return the verdict on one action, with the rule that gave it."""
        ...


class Entry(Struct, frozen=True):
    """One stored event: sequence number (1, 2, …), time (ms since the epoch), encoded event."""

    seq: int
    at: int
    body: bytes


class Shelf(Struct, frozen=True):
    """What a store knows of one session without reading it. Times in ms since the epoch."""

    session_id: str
    created_at: int
    updated_at: int
    last_seq: int


class Claim(Protocol):
    """The right to write one session; it ends with the process at the latest."""

    def release(self) -> None:
        """Give the right back."""
        ...


class Store(Protocol):
    """Where logs live. It keeps bytes and knows nothing of events."""

    async def append(self, session_id: str, entries: Sequence[Entry], durable: bool) -> None:
        """Keep all entries or none; with `durable`, return only when they would survive a power cut.

        Raises `SessionBusy` if an entry with the same sequence number is there already.
        """
        ...

    async def read(self, session_id: str, after: int = 0) -> Sequence[Entry]:
        """Return the entries with a sequence number above `after`, in order."""
        ...

    async def shelves(self) -> Sequence[Shelf]:
        """Return all sessions, the last changed one first."""
        ...

    async def delete(self, session_id: str) -> None:
        """Forget a session. Raises `SessionNotFound`."""
        ...

    def claim(self, session_id: str) -> Claim:
        """Become the one writer of a session. Raises `SessionBusy` if another process is."""
        ...

    async def aclose(self) -> None:
        """Finish what is under way and let go."""
        ...


class Spool(Protocol):
    """A blob that is still being written. It takes any amount, and keeps the first `MAX_SPOOL` bytes."""

    @property
    def seen(self) -> int:
        """Return how many bytes were written."""
        ...

    @property
    def kept(self) -> int:
        """Return how many of them are kept; less than `seen` where the cap or the disk was reached."""
        ...

    def write(self, data: bytes) -> None:
        """Add bytes. Raises nothing: what cannot be kept is only counted."""
        ...

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Return a piece of what was kept so far."""
        ...

    def finish(self) -> str:
        """Keep it as a blob and return its digest. Raises `OSError`."""
        ...

    def drop(self) -> None:
        """Forget it. May be called twice, and after `finish`."""
        ...


class Blobs(Protocol):
    """Large outputs, kept by the digest of their bytes."""

    def put(self, data: bytes) -> str:
        """Keep bytes and return their digest."""
        ...

    def get(self, digest: str) -> bytes:
        """Return the bytes. Raises `KeyError`."""
        ...

    def spool(self) -> Spool:
        """Begin a blob whose bytes come in pieces."""
        ...

    def find(self, prefix: str) -> str:
        """Return the one digest that begins so (8 hex digits at least). Raises `KeyError`."""
        ...

    def size(self, digest: str) -> int:
        """Return the number of bytes. Raises `KeyError`."""
        ...

    def read(self, digest: str, offset: int, max_bytes: int) -> bytes:
        """Return a piece, without checking the whole. Raises `KeyError`."""
        ...


class Job(Struct, frozen=True):
    """What a command left running: a name, the processes (the first one leads), what the first one runs."""

    job_id: str
    pids: tuple[int, ...]
    command: str
    age_s: float = 0.0


class ExecResult(Struct, frozen=True):
    """A finished command. `exit_code` is negative for a signal, None when it was killed at its time limit.

    Each stream holds at most the cap that the sandbox was asked for (head and tail, with a note
    between); the `*_bytes` counts are what the command really wrote. `job` is what it left running.
    """

    stdout: str
    stderr: str
    exit_code: int | None
    timed_out: bool = False
    duration_s: float = 0.0
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    job: Job | None = None


class Terminal(Protocol):
    """An interactive program in a pseudo terminal."""

    async def send(self, text: str) -> None:
        """Type text, control characters included. Raises `FileError` if the program has ended."""
        ...

    async def read(
        self, *, timeout_s: float, quiet_s: float = 0.3, until: str | None = None
    ) -> str:
        """Return what it printed since the last read, raw.

        Waits until the text matches the regular expression `until`, or, if there is none, until nothing
        came for `quiet_s` (after something did); until the program has ended or `timeout_s` is over.
        `until` is searched for in the last 1,000 characters and must be one that cannot take long.
        """
        ...

    @property
    def exit_code(self) -> int | None:
        """Return how it ended, None while it runs; negative for a signal."""
        ...

    async def close(self) -> None:
        """Hang up and kill the whole process tree. May be called twice."""
        ...


class FileInfo(Struct, frozen=True):
    """One directory entry. `kind` is file, dir, link or other; size in bytes; `links` are its names."""

    path: str
    kind: str
    size: int = 0
    mode: int = 0
    links: int = 1


class FileError(Exception):
    """A file operation that cannot be done; the text is for the model and names path and next step."""


class Sandbox(Protocol):
    """A workspace: files under one root, and commands that run in it.

    Paths are relative to the root or absolute inside it.
    """

    @property
    def root(self) -> str:
        """Return the absolute real path of the workspace, as commands in it see it."""
        ...

    @property
    def scratch(self) -> str:
        """Return a private folder outside the workspace, as commands see it, for our own state; gone at the end.

        `read` may read a file in it; where it cannot, a command can.
        """
        ...

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
        """Run an argument vector with the workspace as directory, nothing on stdin, an allow-listed environment.

        At the limit, and on cancellation, the whole process tree is killed; what it printed is kept.
        `sink` gets every byte, also those that `max_bytes` leaves out of the result, and those that
        background processes write after the return. They live until the sandbox is closed.
        """
        ...

    async def jobs(self) -> Sequence[Job]:
        """Return what commands left running and still runs, oldest first."""
        ...

    async def terminal(
        self,
        command: Sequence[str],
        *,
        columns: int = 100,
        lines: int = 30,
        env: dict[str, str] | None = None,
    ) -> "Terminal":
        """Start an interactive program in a pseudo terminal. Raises `FileError` where there is none."""
        ...

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a regular file's first `max_bytes` bytes. Raises `FileError`."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Replace or create a file atomically, keeping mode and symlink; parents are made. Raises `FileError`."""
        ...

    def list(self, path: str) -> Sequence[FileInfo]:
        """Return a directory's entries sorted by name. Raises `FileError`."""
        ...

    def stat(self, path: str) -> FileInfo | None:
        """Return what stands at a path, or None. Raises `FileError` for a path outside."""
        ...

    def move(self, source: str, target: str) -> None:
        """Rename inside the workspace; never onto something that exists. Raises `FileError`."""
        ...

    def delete(self, path: str) -> None:
        """Delete a file or an empty directory. Raises `FileError`."""
        ...

    async def close(self) -> None:
        """Stop what still runs and let everything go. May be called twice."""
        ...


class Clock(Protocol):
    """Time, asked for and never taken."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Ids(Protocol):
    """Names for new things."""

    def new_id(self, prefix: str) -> str:
        """Return an id that no other call returns, sortable by time."""
        ...
