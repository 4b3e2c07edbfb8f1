"""Search a workspace, in a thread and within a time limit: `glob` for names, `grep` for lines."""

import re
from collections.abc import Sequence

from hob.core.messages import ToolResult
from hob.core.ports import Clock, FileError, FileInfo, Sandbox
from hob.tools.bounds import cut_line, printable
from hob.tools.lines import Matcher, TooSlow
from hob.tools.needles import needles
from hob.tools.ripgrep import sieved
from hob.tools.scope import Walk, above
from hob.tools.settings import Settings
from hob.tools.text import decode
from hob.tools.tool import done, failed, tool
from hob.tools.walk import Glob, Watch, in_thread

_LIMIT_S = 20.0
_MAX_PATHS = 200
_MAX_MATCHES = 100
_MAX_CHARS = 14_000
_MAX_LINE = 300
_MAX_FILE = 2_000_000


@tool(access="read", replay="safe")
async def glob(pattern: str, sandbox: Sandbox, clock: Clock, path: str = ".") -> ToolResult:
    """Find files by a pattern such as `src/**/*.py`, relative to path."""
    watch = Watch(clock, _LIMIT_S)
    wanted = Glob(pattern.removeprefix("./"))
    walk = Walk(sandbox, watch, await above(sandbox))

    def find() -> list[str]:
        folder, cut = _folder(sandbox, path)
        return sorted(
            entry.path for entry in walk.files(folder) if wanted.matches(entry.path[cut:])
        )

    found = await in_thread(watch, find)
    lines = [printable(one) for one in found[:_MAX_PATHS]]
    if len(found) > _MAX_PATHS:
        lines.append(f"[{len(found) - _MAX_PATHS} more files; narrow the pattern]")
    if watch.over():
        lines.append(f"[stopped after {_LIMIT_S:g}s; there may be more, narrow path]")
    if not lines:
        deeper = f"; in all directories: '**/{pattern}'" if "**" not in pattern else ""
        lines.append(f"[no file matches{deeper}]".encode("utf-8", "replace").decode())
    lines += _ignored(walk)
    return done("\n".join(lines), files=len(found), ignored=walk.ignored, complete=not watch.over())


@tool(access="read", replay="safe")
async def grep(  # noqa: PLR0913 - three of them are supplied
    pattern: str,
    sandbox: Sandbox,
    clock: Clock,
    settings: Settings,
    path: str = ".",
    glob: str | None = None,
    ignore_case: bool = False,
) -> ToolResult:
    """Find lines by a Python regular expression in a file or directory; glob filters names."""
    watch = Watch(clock, _LIMIT_S)
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return failed(f"the pattern {pattern!r} is no regular expression: {error}; escape it")
    walk = Walk(sandbox, watch, await above(sandbox))
    names = Glob(glob if "/" in glob else f"**/{glob}") if glob else None
    entries = await in_thread(watch, lambda: _entries(sandbox, walk, path, names))
    texts = needles(pattern, ignore_case)
    small = [entry for entry in entries if entry.size <= _MAX_FILE]
    limit_s = watch.left_s()
    sieve = await sieved(sandbox, settings.ripgrep, small, texts, ignore_case, limit_s)
    search = _Search(sandbox, watch, walk, len(entries) - len(small))
    await in_thread(watch, lambda: search.run(pattern, ignore_case, sieve))
    return search.result()


def _entries(sandbox: Sandbox, walk: Walk, path: str, names: Glob | None) -> list[FileInfo]:
    """Return the files to search: the named one, or those below a directory that fit."""
    info = sandbox.stat(path)
    if info is not None and info.kind == "file":
        return [info]
    folder, cut = _folder(sandbox, path)
    return [
        entry
        for entry in walk.files(folder)
        if entry.kind == "file" and (names is None or names.matches(entry.path[cut:]))
    ]


class _Search:
    """One grep: what it has found so far, and what it left out."""

    def __init__(self, sandbox: Sandbox, watch: Watch, walk: Walk, skipped: int) -> None:
        self._sandbox = sandbox
        self._watch = watch
        self._walk = walk
        self._shown: list[str] = []
        self._room = _MAX_CHARS
        self._hits = 0
        self._files = 0
        self._skipped = skipped
        self._slow = ""

    def run(self, pattern: str, ignore_case: bool, entries: Sequence[FileInfo]) -> None:
        """Search files, in this order."""
        matcher = Matcher(pattern, ignore_case, self._watch)
        try:
            for entry in entries:
                if self._watch.over():
                    break
                self._look(entry, matcher)
        finally:
            matcher.close()

    def result(self) -> ToolResult:
        """Return what was found, with a count of the rest."""
        lines = self._shown
        if self._hits > len(lines):
            rest = self._hits - len(lines)
            total = f"{self._hits} in {self._files} files"
            lines = [*lines, f"[{rest} more matches, {total}; narrow the pattern or path]"]
        if not lines:
            lines = ["[no match]"]
        lines += _ignored(self._walk)
        if self._skipped:
            lines.append(f"[{self._skipped} large or unreadable files were not searched]")
        complete = not self._watch.over() and not self._slow
        if not complete:
            where = f" in {self._slow}" if self._slow else ""
            lines.append(f"[stopped after {_LIMIT_S:g}s{where}; narrow path, simplify the pattern]")
        return done(
            "\n".join(lines), matches=self._hits, files=self._files,
            ignored=self._walk.ignored, complete=complete,
        )  # fmt: skip

    def _look(self, entry: FileInfo, matcher: Matcher) -> None:
        try:
            text = decode(self._sandbox.read(entry.path, _MAX_FILE))
        except FileError:
            self._skipped += 1
            return
        if text is None:
            return
        shown = text.shown()
        try:
            hits = matcher.lines(shown)
        except TooSlow:
            self._slow = printable(entry.path)
            self._watch.stop()
            return
        if hits:
            self._files += 1
            self._add(printable(entry.path), shown.split("\n"), hits)

    def _add(self, path: str, lines: list[str], hits: list[int]) -> None:
        for number in hits:
            self._hits += 1
            if len(self._shown) < _MAX_MATCHES and self._room > 0:
                line = cut_line(lines[number].rstrip("\r"), _MAX_LINE)
                found = f"{path}:{number + 1}: {line}"
                self._room -= len(found) + 1
                self._shown.append(found)


def _folder(sandbox: Sandbox, path: str) -> tuple[str, int]:
    """Return a directory's plain path, and how many characters of its entries' paths it takes."""
    info = sandbox.stat(path)
    folder = path if info is None else info.path
    return folder, 0 if folder == "." else len(folder) + 1


def _ignored(walk: Walk) -> list[str]:
    """Return what to say of files that ignore files left out."""
    return (
        [f"[{walk.ignored} ignored paths not searched; path= can name one]"] if walk.ignored else []
    )
