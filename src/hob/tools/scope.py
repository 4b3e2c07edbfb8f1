"""Which files of a workspace a search looks at: `.gitignore`, `.agentignore`, and the obvious.

Rules apply from the repository's root down, also where the workspace is only a folder of it. A file
that git tracks although a pattern matches it is left out like any other. `.agentignore` has the same
syntax and the last word, so `!name` in it brings back what git ignores.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from hob.core.ports import FileError, FileInfo, Sandbox
from hob.tools.ignore import Rules
from hob.tools.walk import Watch

SKIPPED = frozenset({".git", ".hob", ".venv", "__pycache__", "node_modules"})

_GIT, _OURS = ".gitignore", ".agentignore"
_EXCLUDE = ".git/info/exclude"
_MAX_RULES = 1_000_000  # bytes
_ABOVE_S = 5.0
# Files with keys are not for searches, unless .agentignore says otherwise or a path names them.
_SECRETS = Rules(b".env*\n!.env.example\n!.env.sample\n!.env.template\n!.env.dist\n")
# Prints the ignore files above the workspace up to the repository's root, nothing without one.
_ABOVE = r"""
top=$(pwd -P)
folder=$top
while [ ! -e "$folder/.git" ]; do
    [ "$folder" != / ] || exit 0
    folder=${folder%/*}
    folder=${folder:-/}
done
[ "$folder" != "$top" ] || exit 0
show() { [ ! -f "$2" ] || [ -L "$2" ] || { printf '\036%s\037%s\037' "$1" "$3"; head -c 100000 "$2"; }; }
below=${top#"${folder%/}/"}
show git "$folder/.git/info/exclude" "$below"
while [ -n "$below" ]; do
    show git "$folder/.gitignore" "$below"
    show ours "$folder/.agentignore" "$below"
    case $below in */*) ;; *) break ;; esac
    folder=${folder%/}/${below%%/*}
    below=${below#*/}
done
printf '\036end'
"""


class _Level(Struct, frozen=True):
    """One ignore file. A path of the workspace is, seen from it, `stem` + `path[cut:]`."""

    rules: Rules
    cut: int = 0
    stem: bytes = b""


class Scope(Struct, frozen=True):
    """The ignore files that apply in a folder, the nearest last."""

    git: tuple[_Level, ...] = ()
    ours: tuple[_Level, ...] = ()

    def ignores(self, path: str, is_folder: bool) -> bool:
        """Return whether a path in this folder is left out."""
        name = path.encode("utf-8", "surrogateescape")
        for levels in (self.ours, self.git):
            for level in reversed(levels):
                verdict = level.rules.verdict(level.stem + name[level.cut :], is_folder)
                if verdict is not None:
                    return verdict
        return b".env" in name and bool(_SECRETS.verdict(name, is_folder))


async def above(sandbox: Sandbox) -> Scope:
    """Return what applies to the whole workspace because it lies inside a repository."""
    if sandbox.stat(".git") is not None:
        return Scope()
    command = ("sh", "-c", _ABOVE)
    result = await sandbox.exec(command, timeout_s=_ABOVE_S, max_bytes=_MAX_RULES)
    pieces = result.stdout.split("\036")
    if result.exit_code != 0 or pieces[-1] != "end":
        return Scope()
    git: list[_Level] = []
    ours: list[_Level] = []
    heads = [piece.split("\037", 2) for piece in pieces[1:-1]]
    heads = [head for head in heads if len(head) == 3]
    for kind, below, text in heads:
        level = _Level(Rules(text.encode()), 0, below.encode() + b"/")
        (git if kind == "git" else ours).append(level)
    scope = Scope(tuple(git), tuple(ours))
    # Somebody whose home is a repository that ignores everything still wants to search a project.
    return Scope() if heads and _hidden(scope, heads[0][1].split("/")) else scope


def _hidden(scope: Scope, names: Sequence[str]) -> bool:
    """Return whether the workspace itself, `names` below the repository's root, is ignored."""
    total = sum(len(name.encode()) + 1 for name in names)
    for depth in range(1, len(names) + 1):
        path = "/".join(names[:depth]).encode()
        for level in reversed((*scope.git, *scope.ours)):
            # A file that stands deeper says nothing of the folders above it.
            cut = total - len(level.stem)
            verdict = level.rules.verdict(path[cut:], True) if cut <= len(path) else None
            if verdict:
                return True
            if verdict is not None:
                break
    return False


class Walk:
    """Goes through the files of a workspace, sorted within each directory; links are not followed.

    It ends early when `watch` is over. `ignored` counts what ignore files left out; a directory is one.
    """

    def __init__(self, sandbox: Sandbox, watch: Watch, outer: Scope) -> None:
        self.ignored = 0
        self._sandbox = sandbox
        self._watch = watch
        self._outer = outer

    def files(self, path: str) -> Iterator[FileInfo]:
        """Yield files and links below a directory, an ignored one too if it is named here.

        Directories that cannot be read are passed over, but for the first. Raises `FileError`.
        """
        waiting = [(path, self._scope(path))]
        first = True
        while waiting and not self._watch.over():
            folder, scope = waiting.pop()
            try:
                entries = self._sandbox.list(folder)
            except FileError:
                if first:
                    raise
                continue
            names = {entry.path.rpartition("/")[2] for entry in entries}
            if not first and "pyvenv.cfg" in names:
                continue  # a virtual environment, whatever its name
            first = False
            scope = self._entered(scope, folder, names, entries)
            folders: list[tuple[str, Scope]] = []
            for entry in entries:
                if self._watch.over():
                    return
                if entry.kind == "dir" and entry.path.rpartition("/")[2] in SKIPPED:
                    continue
                if scope.ignores(entry.path, entry.kind == "dir"):
                    self.ignored += 1
                elif entry.kind == "dir":
                    folders.append((entry.path, scope))
                else:
                    yield entry
            waiting.extend(reversed(folders))

    def _scope(self, path: str) -> Scope:
        """Return what applies to a directory from those above it; nothing if it is itself ignored."""
        scope = self._outer
        parts = [] if path == "." else path.split("/")
        folder = "."
        for depth in range(len(parts)):
            entries = self._sandbox.list(folder)
            names = {entry.path.rpartition("/")[2] for entry in entries}
            scope = self._entered(scope, folder, names, entries)
            folder = "/".join(parts[: depth + 1])
            if scope.ignores(folder, True):
                scope = Scope()
        return scope

    def _entered(
        self, scope: Scope, folder: str, names: set[str], entries: Sequence[FileInfo]
    ) -> Scope:
        """Return what applies inside a directory with these entries."""
        if names.isdisjoint({".git", _GIT, _OURS}):
            return scope
        prefix = "" if folder == "." else f"{folder}/"
        kinds = {entry.path: entry.kind for entry in entries}
        git, ours = list(scope.git), list(scope.ours)
        if ".git" in names:
            git.clear()  # a repository of its own
            if kinds[f"{prefix}.git"] == "dir":
                git += self._read(f"{prefix}{_EXCLUDE}", prefix)
        # Like git, through no link.
        if kinds.get(f"{prefix}{_GIT}") == "file":
            git += self._read(f"{prefix}{_GIT}", prefix)
        if kinds.get(f"{prefix}{_OURS}") == "file":
            ours += self._read(f"{prefix}{_OURS}", prefix)
        return Scope(tuple(git), tuple(ours))

    def _read(self, path: str, prefix: str) -> list[_Level]:
        try:
            if self._sandbox.stat(path) is None:
                return []
            rules = Rules(self._sandbox.read(path, _MAX_RULES))
        except FileError:
            return []
        return [_Level(rules, len(prefix.encode("utf-8", "surrogateescape")))] if rules else []
