"""The git of a shadow repository: its own folder and settings, nobody's configuration, no program started by it."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

LIMIT_S = 5.0


class ShadowError(Exception):
    """No snapshot can be taken; the text says why in a few words."""


class Difference(Struct, frozen=True):
    """One path between two snapshots. Git's modes and object names, "" where there is nothing."""

    path: str
    old_mode: str
    old_object: str
    new_mode: str
    new_object: str


class ShadowGit:
    """git with the repository `folder` and the working tree `root`; `path` is where it is found."""

    def __init__(self, folder: Path, root: str, path: str) -> None:
        self._root = Path(root)
        self._environment = {
            "PATH": path,
            "LC_ALL": "C",
            "GIT_DIR": str(folder),
            "GIT_WORK_TREE": root,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "none",
        }

    def run(
        self,
        deadline: float,
        *arguments: str,
        given: bytes | None = None,
        expected: Sequence[int] = (0,),
    ) -> bytes:
        """Run it and return its output. `deadline` as `time.monotonic` counts. Raises `ShadowError`."""
        own = self._root / ".git" / "info" / "exclude"
        command = [
            "git",
            "-c", "core.hooksPath=/dev/null",
            "-c", "core.fsmonitor=false",
            "-c", "core.attributesFile=/dev/null",
            "-c", f"core.excludesFile={own if own.is_file() else os.devnull}",
            "-c", "core.autocrlf=false",
            "-c", "core.quotePath=false",
            "-c", "gc.auto=0",
            "-c", "maintenance.auto=false",
            *arguments,
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command,
                cwd=self._root,
                env=self._environment,
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                timeout=max(0.1, deadline - time.monotonic()),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ShadowError(f"a snapshot takes longer than {LIMIT_S:g} s") from None
        except OSError as error:
            raise ShadowError(f"git cannot be run: {error.strerror}") from None
        if done.returncode not in expected:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ShadowError(
                f"git {' '.join(arguments[:2])} failed: {said[-1] if said else done.returncode}"
            )
        return done.stdout

    def differences(self, before: str, after: str) -> Sequence[Difference]:
        """Return what differs between two trees. Raises `ShadowError`."""
        if before == after:
            return ()
        raw = self.run(
            time.monotonic() + LIMIT_S,
            "diff-tree", "-r", "-z", "--no-renames", "--full-index", before, after,
        ).split(b"\0")  # fmt: skip
        found: list[Difference] = []
        for head, path in zip(raw[::2], raw[1::2], strict=False):
            old_mode, new_mode, old, new, _ = head.decode("ascii").lstrip(":").split(" ")
            present = [
                (m, o) if m != "000000" else ("", "") for m, o in ((old_mode, old), (new_mode, new))
            ]
            found.append(Difference(os.fsdecode(path), *present[0], *present[1]))
        return found

    def folders(self, tree: str) -> frozenset[str]:
        """Return all folders of a tree. Raises `ShadowError`."""
        raw = self.run(time.monotonic() + LIMIT_S, "ls-tree", "-d", "-r", "-z", "--name-only", tree)
        return frozenset(os.fsdecode(one) for one in raw.split(b"\0") if one)

    def contents(self, objects: Sequence[str]) -> dict[str, bytes]:
        """Return the bytes of objects by name. Raises `ShadowError`."""
        wanted = sorted(set(objects) - {""})
        if not wanted:
            return {}
        given = "".join(f"{one}\n" for one in wanted).encode()
        raw = self.run(time.monotonic() + LIMIT_S, "cat-file", "--batch", given=given)
        found: dict[str, bytes] = {}
        place = 0
        for name in wanted:
            end = raw.index(b"\n", place)
            size = int(raw[place:end].rsplit(b" ", 1)[-1])
            found[name] = raw[end + 1 : end + 1 + size]
            place = end + 1 + size + 1
        return found
