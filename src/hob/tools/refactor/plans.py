"""A refactoring as computed, and carrying it out through the sandbox: all files or none."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hob.core.ports import FileError, Sandbox
from hob.tools.bounds import printable
from hob.tools.refactor.worker import Worker

MAX_FILES = 2_000
_MAX_BYTES = 10_000_000
_KEPT = 8
_SHOWN = 10


class FileChange(Struct, frozen=True):
    """The new bytes of one file, with how many lines were added and removed."""

    path: str
    data: bytes
    added: int
    removed: int


class Plan(Struct, frozen=True):
    """What a refactoring changes. `digests` (SHA-256 by path) are of what it was computed from.

    `word` is what was looked for afterwards, `trace` what was found, see `traces.remaining`.
    """

    title: str
    files: tuple[FileChange, ...]
    moves: tuple[tuple[str, str], ...]
    digests: dict[str, str]
    diff: str
    notes: tuple[str, ...]
    word: str
    trace: dict[str, Any]


class Refactorings:
    """What a session knows of refactorings: the worker and the latest previews."""

    def __init__(self, worker: Worker | None = None) -> None:
        self.worker = worker or Worker()
        self._plans: dict[str, Plan] = {}
        self._count = 0

    async def compute(self, sandbox: Sandbox, title: str, wish: Mapping[str, Any]) -> Plan:
        """Return what would change. Raises `FileError`."""
        path = str(wish["path"])
        info = sandbox.stat(path)
        if info is None:
            sandbox.list(path)  # its error says what is there instead
        digest = _digest(sandbox, path) if info is not None and info.kind == "file" else None
        answer = await self.worker.ask(sandbox.root, {"wish": dict(wish), "digest": digest})
        if "refusal" in answer:
            raise FileError(answer["refusal"])
        files = tuple(
            FileChange(f["path"], base64.b64decode(f["data"]), f["added"], f["removed"])
            for f in answer["files"]
        )
        if len(files) > MAX_FILES:
            raise FileError(
                f"{len(files)} files would change, at most {MAX_FILES} may; nothing was changed"
            )
        moves = tuple((old, new) for old, new in answer["moves"])
        return Plan(
            title, files, moves, answer["digests"], answer["diff"], tuple(answer["notes"]),
            answer["word"], answer["trace"],
        )  # fmt: skip

    def keep(self, plan: Plan) -> str:
        """Keep a plan and return its id; the oldest of more than eight is forgotten."""
        self._count += 1
        plan_id = f"p{self._count}"
        self._plans[plan_id] = plan
        if len(self._plans) > _KEPT:
            del self._plans[next(iter(self._plans))]
        return plan_id

    def kept(self, plan_id: str) -> Plan:
        """Return a plan. Raises `FileError`."""
        if plan_id not in self._plans:
            known = ", ".join(self._plans) or "none"
            raise FileError(f"no preview {plan_id!r} (there are: {known}); make one without plan")
        return self._plans[plan_id]

    def close(self) -> None:
        """End the worker. May be called twice."""
        self.worker.close()


def apply(plan: Plan, sandbox: Sandbox) -> dict[str, bytes]:
    """Write all files, then move, and return the old bytes by path; or change nothing.

    Raises `FileError`. Nothing is awaited here, so no cancellation can come between the files.
    """
    before = _unchanged(plan, sandbox)
    for _, target in plan.moves:
        if sandbox.stat(target) is not None:
            raise FileError(f"{target!r} exists already; nothing was changed")
    done: list[tuple[str, str]] = []
    written: list[str] = []
    try:
        for change in plan.files:
            written.append(change.path)
            sandbox.write(change.path, change.data)
        for source, target in plan.moves:
            sandbox.move(source, target)
            done.append((source, target))
    except (FileError, OSError) as error:
        left = _taken_back(sandbox, before, written, done)
        state = (
            f"these could not be put back: {_listed(left)}" if left else "all files are as before"
        )
        raise FileError(f"{error}; the refactoring was taken back, {state}") from error
    return before


def _unchanged(plan: Plan, sandbox: Sandbox) -> dict[str, bytes]:
    """Return the present bytes of the files to write. Raises `FileError` naming those that changed."""
    before: dict[str, bytes] = {}
    stale: list[str] = []
    wanted = {change.path for change in plan.files}
    for path, digest in plan.digests.items():
        try:
            data = sandbox.read(path, _MAX_BYTES)
        except FileError:
            stale.append(path)
            continue
        if hashlib.sha256(data).hexdigest() != digest:
            stale.append(path)
        elif path in wanted:
            before[path] = data
    if stale:
        raise FileError(
            f"changed since the refactoring was computed: {_listed(stale)}; nothing was written, call"
            " again without plan"
        )
    return before


def _taken_back(
    sandbox: Sandbox,
    before: Mapping[str, bytes],
    written: list[str],
    moved: list[tuple[str, str]],
) -> list[str]:
    """Put old names and contents back; return the paths where that failed."""
    left: list[str] = []
    for source, target in reversed(moved):
        try:
            sandbox.move(target, source)
        except (FileError, OSError):
            left.append(source)
    for path in reversed(written):
        try:
            if sandbox.read(path, _MAX_BYTES) != before[path]:
                sandbox.write(path, before[path])
        except (FileError, OSError):
            left.append(path)
    return left


def _digest(sandbox: Sandbox, path: str) -> str:
    return hashlib.sha256(sandbox.read(path, _MAX_BYTES)).hexdigest()


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(repr(printable(path)) for path in paths[:_SHOWN]) + more
