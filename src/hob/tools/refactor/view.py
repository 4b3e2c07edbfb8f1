"""The project as rope sees it: the snapshot, with fixed preferences, and nothing that could be written."""

# rope has no types of its own.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false

import os
from collections.abc import Iterable
from typing import Any

from rope.base.prefs import ImportPrefs, Prefs
from rope.base.project import Project
from rope.refactor.patchedast import MismatchedTokenError, get_patched_ast

from hob.tools.refactor.snapshot import Snapshot


class View(Project):
    """A rope project that reads the snapshot, has fixed preferences and cannot write.

    The preferences are not those of the workspace: rope would run its `.ropeproject/config.py` and
    import what its `pyproject.toml` names.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._source_folders: list[Any] | None = None
        self._left_out: set[str] = set()
        nothing: Any = None  # no `.ropeproject`; rope says str only
        super().__init__(snapshot.root, fscommands=_Reading(snapshot), ropefolder=nothing)

    def _init_prefs(self, prefs) -> None:
        self.prefs = Prefs(
            ignored_resources=[],
            imports=ImportPrefs("from-global"),
            save_history=False,
            save_objectdb=False,
            automatic_soa=False,
            perform_doa=False,
            ignore_syntax_errors=True,
            import_dynload_stdmods=False,  # or rope imports them
        )
        self.ignored.set_patterns([])
        self._init_other_parts()

    def is_ignored(self, resource) -> bool:
        """Return whether a file or folder is not one of the project's own."""
        path = resource.path
        return path not in self._snapshot.sources and path not in self._snapshot.folders

    def get_files(self):
        """Return the readable Python files."""
        sources = self._snapshot.sources.items()
        return {
            self.get_file(p) for p, s in sources if s.text is not None and p not in self._left_out
        }

    def get_python_files(self):
        """Return the readable Python files, sorted."""
        return sorted(self.get_files(), key=lambda file: file.path)

    def leave_out(self, word: str, wanted: str) -> list[str]:
        """Leave out files that hold a word and that rope cannot take apart; return their paths.

        One such file, valid as it may be, ends every refactoring that comes to it. Raises rope's error
        if the wanted file is one.
        """
        for file in self.mentioning(word):
            try:
                get_patched_ast(self._snapshot.text(file.path), True)
            except MismatchedTokenError:
                if file.path == wanted:
                    raise
                self._left_out.add(file.path)
            except (SyntaxError, ValueError, RecursionError):  # named by others
                continue
        return sorted(self._left_out)

    def take_in(self) -> None:
        """Look at all files again."""
        self._left_out.clear()

    def mentioning(self, word: str, *always: str) -> list[Any]:
        """Return the readable files that hold a word, and these: rope would parse all others for nothing.

        What is in `always` is a file's path or a folder's.
        """
        below = tuple(path + "/" for path in always)
        return [
            self.get_file(path)
            for path, source in sorted(self._snapshot.sources.items())
            if source.text is not None
            and path not in self._left_out
            and (word in source.text or path in always or path.startswith(below))
        ]

    def get_source_folders(self):
        """Return the folders that imports may start from: every folder with modules but packages, and above.

        rope itself stops at the first folder that holds a package, so that `tests/__init__.py` hides `src`.
        """
        if self._source_folders is None:
            sources = self._snapshot.sources
            own = {path.rpartition("/")[0] for path in sources}
            above = {folder[:at] for folder in own for at, c in enumerate(folder) if c == "/"}
            found = {"", *(f for f in own | above if f"{f}/__init__.py" not in sources)}
            ordered = sorted(found, key=lambda folder: (folder.count("/"), folder))
            self._source_folders = [self.get_folder(folder) for folder in ordered]
        return self._source_folders

    def look_again(self) -> None:
        """Let rope compare what it has read with the disk."""
        self.validate(self.root)

    def forget(self, paths: Iterable[str]) -> None:
        """Drop what was concluded from files whose text changed."""
        for path in paths:
            for observer in list(self.observers):
                observer.resource_changed(self.get_file(path))


class _Reading:
    """The file commands that rope gets: reading from the snapshot and nothing else."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def read(self, path: str) -> bytes:
        data = self._snapshot.rope_bytes(os.path.relpath(path, self._snapshot.root))
        if data is None:
            raise FileNotFoundError(path)
        return data
