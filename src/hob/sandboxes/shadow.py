"""A shadow repository: snapshots of a workspace in a git of our own, which never sees the person's .git.

Only the index and loose objects are used; nothing is ever checked out, and no reference is made:
what a command changed is copied into the session's before-images at once, and old objects go when
they are a day old. Limits and settings: security.md 5.4.
"""

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from hob.sandboxes.shadow_git import LIMIT_S, ShadowError, ShadowGit

MAX_FILES = 50_000
MAX_FILE_BYTES = 10 << 20
MAX_TOTAL_BYTES = 2 << 30

_SLOW_S = 0.5  # many files look changed by their times alone: refresh what the index knows of them
_MANY = 200
_PRUNE_EVERY_S = 86_400
_MARKERS = (
    ".git", ".hg", ".svn", ".jj", ".bzr", "AGENTS.md", "Makefile", "CMakeLists.txt", "meson.build",
    "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "tox.ini", "package.json",
    "deno.json", "Cargo.toml", "go.mod", "pom.xml", "build.gradle", "build.gradle.kts", "Gemfile",
    "composer.json", "mix.exs", "Package.swift", "pubspec.yaml", "flake.nix",
)  # fmt: skip
_ATTRIBUTES = "* -filter -diff -text -eol -ident -merge -working-tree-encoding\n"
_EXCLUDED = (
    ".hob-tmp-*", "node_modules/", ".venv/", "venv/", "__pycache__/", "*.pyc", ".tox/", ".nox/",
    ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".hypothesis/", ".gradle/",
)  # fmt: skip


class Snapshot(Struct, frozen=True):
    """A tree in the shadow repository; `left_out` names what in the workspace it does not hold."""

    tree: str
    left_out: tuple[str, ...] = ()


class Shadow:
    """Snapshots of `root`, kept in a folder below `folder`. `confirmed`: the person wants them here in any case."""

    def __init__(
        self,
        folder: Path,
        root: str,
        *,
        home: str = "",
        path: str = os.defpath,
        confirmed: bool = False,
    ) -> None:
        self._folder = folder / sha256(os.fsencode(root)).hexdigest()[:32]
        self._root, self._home, self._confirmed = Path(root), home, confirmed
        self._data = folder
        self.git = ShadowGit(self._folder, root, path)

    def refusal(self) -> str:
        """Return why this root gets no snapshots, or ""."""
        if self._root == self._root.parent:
            return "the workspace is the whole machine"
        home = Path(self._home).resolve() if self._home else None
        if home is not None and home.is_relative_to(self._root):
            return "the workspace is, or holds, the home folder"
        if not self._confirmed and not any((self._root / one).exists() for one in _MARKERS):
            return "the workspace is no repository and has no project file"
        return ""

    def snapshot(self) -> Snapshot:
        """Take one. With nothing changed since the last, it costs one git process. Raises `ShadowError`."""
        if reason := self.refusal():
            raise ShadowError(reason)
        deadline = time.monotonic() + LIMIT_S
        with self._alone():
            if not (self._folder / "HEAD").exists():
                self._make(deadline)
            begun = time.monotonic()
            listed = self.git.run(deadline, "ls-files", "-z", "-m", "-o", "--exclude-standard")
            slow = time.monotonic() - begun > _SLOW_S
            fresh, gone, left_out = self._sort(sorted({one for one in listed.split(b"\0") if one}))
            tree = self._folder / "tree"
            if fresh or gone or not tree.exists():
                tree.unlink(missing_ok=True)
                self._feed(deadline, fresh, "--add", "--remove", "--replace")
                self._feed(deadline, gone, "--force-remove")
                tree.write_bytes(self.git.run(deadline, "write-tree").strip())
            elif slow:
                self.git.run(deadline, "update-index", "-q", "--refresh", expected=(0, 1))
            self._prune()
            return Snapshot(tree.read_text(encoding="ascii"), tuple(left_out))

    def _sort(self, paths: Sequence[bytes]) -> tuple[list[bytes], list[bytes], list[str]]:
        """Part changed paths into those to take in, those to drop, and words on what is left out."""
        count = self._known() + len(paths)
        if count > MAX_FILES:
            raise ShadowError(f"the workspace has more than {MAX_FILES:,} files")
        fresh: list[bytes] = []
        gone: list[bytes] = []
        left_out: list[str] = []
        total = 0
        for path in paths:
            shown = os.fsdecode(path)
            if path.endswith(b"/"):
                left_out.append(f"{shown} (a repository of its own)")
                continue
            info = _look(self._root / shown)
            if info is None or stat.S_ISLNK(info.st_mode):
                fresh.append(path)
            elif not stat.S_ISREG(info.st_mode):
                gone.append(path)
            elif info.st_size > MAX_FILE_BYTES or not os.access(self._root / shown, os.R_OK):
                why = "cannot be read" if info.st_size <= MAX_FILE_BYTES else "larger than 10 MB"
                left_out.append(f"{shown} ({why})")
                gone.append(path)
            else:
                total += info.st_size
                fresh.append(path)
        if total > MAX_TOTAL_BYTES:
            raise ShadowError("the workspace is larger than 2 GB")
        # What was never taken in needs no dropping, and must not make every snapshot a change.
        return fresh, self._indexed(gone), left_out

    def _indexed(self, paths: Sequence[bytes]) -> list[bytes]:
        if not paths:
            return []
        listed = self.git.run(time.monotonic() + LIMIT_S, "ls-files", "-z", "-c").split(b"\0")
        return sorted(set(paths) & set(listed))

    def _known(self) -> int:
        """Return how many files the index holds (its header: gitformat-index(5))."""
        try:
            with (self._folder / "index").open("rb") as file:
                return int.from_bytes(file.read(12)[8:], "big")
        except OSError:
            return 0

    def _feed(self, deadline: float, paths: Sequence[bytes], *options: str) -> None:
        if paths:
            given = b"".join(path + b"\0" for path in paths)
            # What counts as big is streamed into one pack: a fifth of the time of as many loose objects.
            large = len(paths) >= _MANY
            pack = ("-c", "core.bigFileThreshold=1", "-c", "core.compression=1") if large else ()
            self.git.run(deadline, *pack, "update-index", *options, "-z", "--stdin", given=given)

    def _make(self, deadline: float) -> None:
        self.git.run(deadline, "init", "-q", "--template=")
        info = self._folder / "info"
        info.mkdir(mode=0o700, exist_ok=True)
        (info / "attributes").write_text(_ATTRIBUTES, encoding="utf-8")
        excluded: list[str] = [*_EXCLUDED]
        data = self._data.parent.resolve()
        if data.is_relative_to(self._root):
            excluded.append(f"/{data.relative_to(self._root)}/")
        (info / "exclude").write_text("".join(f"{one}\n" for one in excluded), encoding="utf-8")

    @contextmanager
    def _alone(self) -> Generator[None]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / "hob.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ShadowError(f"no room for snapshots: {error}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (self._folder / "index.lock").unlink(missing_ok=True)  # of a killed git: we are alone
            yield
        except OSError as error:
            raise ShadowError(f"no snapshot: {error}") from None
        finally:
            os.close(lock)

    def _prune(self) -> None:
        """Once a day drop objects that are a day old and in no index; begin anew when it grew too large."""
        stamp = self._folder / "pruned"
        seen = _look(stamp)
        if seen is not None and time.time_ns() / 1e9 - seen.st_mtime < _PRUNE_EVERY_S:
            return
        stamp.touch()
        if seen is not None:
            self.git.run(time.monotonic() + 60.0, "prune", "--expire=1.day.ago")
            objects = self._folder / "objects"
            size = sum(one.stat().st_size for one in objects.rglob("*") if one.is_file())
            if size > MAX_TOTAL_BYTES:
                for name in ("index", "tree"):
                    (self._folder / name).unlink(missing_ok=True)
                shutil.rmtree(objects, ignore_errors=True)
                objects.mkdir()


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
