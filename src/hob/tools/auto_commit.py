"""Commit what a turn changed, apart from what was dirty before: by plumbing, so that nothing else is touched.

Both commits are built in an index of their own. The person's index changes only in the committed
paths, the working tree not at all, and no hook runs.
"""

import re
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from hob.core.checkpoints import Change, Committed, Image, Images, Journal, checkpoints
from hob.core.ports import ExecResult, FileError, Sandbox
from hob.core.session import Session
from hob.tools.commit_message import listed, message_for
from hob.tools.git import repository_above, run_git

MAX_PATHS = 1_000
_CHUNK = 100  # paths in one command line
_BUSY = (
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("BISECT_LOG", "a bisection"),
)
_MODE = re.compile(r"(\d{6}) \w+ ([0-9a-f]+)\t(.*)", re.DOTALL)
_ODD = re.compile(r'["\\\x00-\x1f\x7f]')
_T = TypeVar("_T")
_Entry = tuple[str, str]  # git's mode and object name; "" twice for nothing


class NotCommitted(Exception):
    """Nothing is committed; the text says why in a sentence."""


class AutoCommit:
    """Commits for one session in the repository of its workspace."""

    def __init__(
        self, sandbox: Sandbox, journal: Journal, images: Images, *, trailer: bool
    ) -> None:
        self._sandbox, self._journal, self._images = sandbox, journal, images
        self._trailer = trailer

    async def after_turn(self, session: Session) -> str:
        """Commit what was not committed yet and return in a sentence what came of it, "" for nothing to do."""
        gone = {call for group in session.undone for call in group}
        marks = self._journal.marks()
        last = max((n for n, m in enumerate(marks) if isinstance(m, Committed)), default=-1)
        found = [one for one in checkpoints(marks[last + 1 :]) if one.call_id not in gone]
        changes = self._standing([c for one in found for c in one.changes.values()])
        if not changes:
            return ""
        try:
            repository = await self._open()
            entries = await self._entries(repository, changes)
            if not entries:
                return ""
            told = await self._commit(repository, entries, session)
        except (NotCommitted, FileError) as error:
            return f"Not committed: {error}"
        self._journal.add([Committed(found[-1].call_id, told)])
        return told

    def _standing(self, changes: Sequence[Change]) -> list[Change]:
        """Return one change a path, for files that are still as the agent left them."""
        joined: dict[str, Change] = {}
        for one in changes:
            first = joined.get(one.path)
            joined[one.path] = Change(one.path, first.before if first else one.before, one.after)
        return [
            one
            for one in joined.values()
            if not one.before.same(one.after)
            and "dir" not in (one.before.kind, one.after.kind)
            and self._images.look(one.path)[0].same(one.after)
        ][:MAX_PATHS]

    async def _open(self) -> "_Repository":
        """Return the repository. Raises `NotCommitted` if it is in no state for a commit."""
        try:
            await repository_above(self._sandbox)
        except FileError as error:
            raise NotCommitted(f"{error}.") from None
        asked = await self._git("rev-parse", "--absolute-git-dir", "--show-prefix")
        folder, _, prefix = asked.stdout.partition("\n")
        if asked.exit_code != 0:
            raise NotCommitted("this is not a git repository.")
        if what := _under_way(Path(folder)):
            raise NotCommitted(f"{what} is under way in this repository.")
        branch = await self._git("symbolic-ref", "-q", "HEAD")
        if branch.exit_code != 0:
            raise NotCommitted("HEAD is detached: switch to a branch.")
        if (await self._git("var", "GIT_AUTHOR_IDENT")).exit_code != 0:
            raise NotCommitted("git has no user.name and user.email: set them.")
        head = await self._git("rev-parse", "-q", "--verify", "HEAD^{commit}")
        return _Repository(prefix.strip("\n"), head.stdout.strip())

    async def _entries(
        self, repository: "_Repository", changes: Sequence[Change]
    ) -> "list[_Planned]":
        """Return for each path that git does not ignore what HEAD has, what was there before, what is there now."""
        ignored: set[str] = set()
        known: dict[str, _Entry] = {}
        for part in _parts([one.path for one in changes]):
            seen = await self._git("check-ignore", "--", *part)
            ignored.update(seen.stdout.splitlines())
            if repository.head:
                listing = await self._must("ls-tree", "-z", "HEAD", "--", *part)
                known |= {
                    m[3]: (m[1], m[2]) for m in map(_MODE.fullmatch, listing.split("\0")) if m
                }
        planned: list[_Planned] = []
        for one in changes:
            head = known.get(one.path, ("", ""))
            after = await self._entry(one.path, one.after)
            # Git quotes odd names, so that nobody could tell whether they are ignored.
            if one.path not in ignored and not _ODD.search(one.path) and after != head:
                before = await self._entry(one.path, one.before)
                planned.append(_Planned(one.path, head, before, after))
        return planned

    async def _entry(self, path: str, image: Image) -> _Entry:
        """Write a blob for an image, through the filters that the path has. Raises `NotCommitted`."""
        if image.kind == "absent" or not image.digest:
            return "", ""
        try:
            data = self._journal.image(image.digest)
        except KeyError:
            seen, data = self._images.look(path)
            if not seen.same(image):
                raise NotCommitted(f"{path!r} changed at this very moment.") from None
        with tempfile.NamedTemporaryFile(prefix="hob-") as file:
            file.write(data)
            file.flush()
            how = ["--no-filters"] if image.kind == "link" else [f"--path={path}"]
            name = await self._must("hash-object", "-w", *how, "--", file.name)
        mode = "120000" if image.kind == "link" else "100644"
        return ("100755" if (image.mode or 0) & 0o111 else mode), name.strip()

    async def _commit(
        self, repository: "_Repository", entries: "Sequence[_Planned]", session: Session
    ) -> str:
        dirty = [one for one in entries if one.before not in (one.head, ("", ""))]
        with _own_index() as env:
            if repository.head:
                await self._must("read-tree", "HEAD", env=env)
            parent, told = repository.head, ""
            if dirty:
                paths = [one.path for one in dirty]
                await self._stage(repository, [(one.path, one.before) for one in dirty], env)
                words = f"Keep what was not committed before Hob's change\n\n{listed(paths)}\n"
                parent = await self._record(words, parent, env)
                told = f" What was dirty before is commit {parent[:10]}."
            await self._stage(repository, [(one.path, one.after) for one in entries], env)
            words = message_for(session, [one.path for one in entries], trailer=self._trailer)
            new = await self._record(words, parent, env)
        subject = words.partition("\n")[0]
        expected = repository.head or "0" * len(new)
        await self._must("update-ref", "-m", f"commit: {subject}", "HEAD", new, expected)
        await self._stage(repository, [(one.path, one.after) for one in entries], {})
        return f"Committed {new[:10]} {subject!r}.{told}"

    async def _stage(
        self,
        repository: "_Repository",
        entries: Sequence[tuple[str, _Entry]],
        env: Mapping[str, str],
    ) -> None:
        """Set entries of an index. `--cacheinfo` wants paths from the top of the repository."""
        for part in _parts(entries):
            gone = [path for path, (mode, _) in part if not mode]
            kept = [
                word
                for path, (mode, name) in part
                if mode
                for word in ("--cacheinfo", f"{mode},{name},{repository.prefix}{path}")
            ]
            if gone:
                await self._must("update-index", "--force-remove", "--", *gone, env=env)
            if kept:
                await self._must("update-index", "--add", "--replace", *kept, env=env)

    async def _record(self, words: str, parent: str, env: Mapping[str, str]) -> str:
        tree = (await self._must("write-tree", env=env)).strip()
        parents = ["-p", parent] if parent else []
        return (await self._must("commit-tree", tree, *parents, "-m", words)).strip()

    async def _must(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        done = await self._git(*arguments, env=env)
        if done.exit_code != 0:
            said = (done.stderr.strip().splitlines() or [f"exit code {done.exit_code}"])[-1]
            raise NotCommitted(f"git {arguments[0]} failed: {said}")
        return done.stdout

    async def _git(self, *arguments: str, env: Mapping[str, str] | None = None) -> ExecResult:
        return await run_git(self._sandbox, *arguments, env=dict(env or {}))


class _Repository(Struct, frozen=True):
    prefix: str  # of the workspace in it, with its slash
    head: str


class _Planned(Struct, frozen=True):
    path: str
    head: _Entry
    before: _Entry
    after: _Entry


def _under_way(folder: Path) -> str:
    return next((what for name, what in _BUSY if (folder / name).exists()), "")


@contextmanager
def _own_index() -> Generator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="hob-") as folder:
        yield {"GIT_INDEX_FILE": str(Path(folder, "index"))}


def _parts(items: "Sequence[_T]") -> "Iterator[Sequence[_T]]":
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
