"""The project as it stood at one moment: every Python file's bytes, digest and text, read once.

rope reads from here and never from the disk, so that all it computes fits the digests.
"""

import hashlib
import io
import os
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hob.tools.refactor.ignoring import FILES, SKIPPED, Rule, ignored, rules

MAX_SOURCES = 20_000
MAX_SOURCE_BYTES = 2_000_000
MAX_TOTAL_BYTES = 300_000_000
MAX_ENTRIES = 300_000

_ENDING = re.compile("\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class Refusal(Exception):
    """Why nothing can be done; the text is for the model."""


class Source(NamedTuple):
    """One Python file. `text` has no byte order mark and \\n as line end; None: `trouble` says why."""

    path: str
    data: bytes
    digest: str
    text: str | None
    encoding: str
    trouble: str
    stamp: tuple[int, ...]

    def carry(self, text: str) -> bytes:
        """Return other text as bytes of this file: its encoding, its mark, its line ends.

        Raises `Refusal` for a character that the file's encoding does not have.
        """
        marked = self.data.startswith(_BOM)
        old = self.data.decode("utf-8-sig" if marked else self.encoding)
        ended = _with_endings(text, old)
        try:
            return (_BOM if marked else b"") + ended.encode(self.encoding)
        except UnicodeEncodeError as error:
            sign = ended[error.start]
            raise Refusal(f"{self.path!r} is {self.encoding} and cannot hold {sign!r}") from None


class Snapshot:
    """The files below a root. `sources` are Python files, `others` the rest with their size."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.sources: dict[str, Source] = {}
        self.others: dict[str, int] = {}
        self.folders: set[str] = set()
        self.too_large: list[str] = []
        self.overlay: dict[str, str] = {}

    def refresh(self) -> tuple[set[str], bool]:
        """Look again; return the paths that changed and whether files came or went.

        Raises `Refusal` if the project is over the limits.
        """
        before, sources = self.sources, dict[str, Source]()
        self.others, self.folders, self.too_large = {}, {""}, []
        total = 0
        for path, info in self._walk():
            if not path.endswith(".py"):
                self.others[path] = info.st_size
            elif info.st_size > MAX_SOURCE_BYTES:
                self.too_large.append(path)
            else:
                source = self._load(path, info, before.get(path))
                if source is not None:
                    sources[path] = source
                total += info.st_size
            if len(sources) > MAX_SOURCES or total > MAX_TOTAL_BYTES:
                raise Refusal(
                    f"the workspace holds over {MAX_SOURCES} Python files or {MAX_TOTAL_BYTES} bytes"
                    " of them; list what is not the project's own in .agentignore, or work in a part"
                )
        self.sources = dict(sorted(sources.items()))
        changed = {p for p, s in sources.items() if p in before and before[p].digest != s.digest}
        return changed, before.keys() != sources.keys()

    def text(self, path: str) -> str:
        """Return the text that rope sees. Raises `Refusal` if there is none."""
        if path in self.overlay:
            return self.overlay[path]
        source = self.sources[path]
        if source.text is None:
            raise Refusal(f"{path!r} cannot be read as Python: {source.trouble}")
        return source.text

    def rope_bytes(self, path: str) -> bytes | None:
        """Return what rope reads: the text without mark and with \\n, in the file's own encoding."""
        source = self.sources.get(path)
        if source is None or source.text is None:
            return b"" if source else None
        return self.overlay.get(path, source.text).encode(source.encoding)

    def _load(self, path: str, info: os.stat_result, old: Source | None) -> Source | None:
        stamp = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
        if old is not None and old.stamp == stamp:
            return old
        try:
            fd = os.open(f"{self.root}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # gone since, or not ours to read
            return None
        with os.fdopen(fd, "rb") as file:
            data = file.read(MAX_SOURCE_BYTES + 1)
        return _source(path, data, stamp)

    def _walk(self) -> Iterator[tuple[str, os.stat_result]]:
        waiting: list[tuple[str, list[Rule]]] = [("", [])]
        seen = 0
        while waiting:
            folder, known = waiting.pop()
            try:
                with os.scandir(f"{self.root}/{folder}") as opened:
                    entries = sorted(opened, key=lambda one: one.name)
            except OSError:
                continue
            seen += len(entries)
            if seen > MAX_ENTRIES:
                raise Refusal(
                    f"the workspace holds over {MAX_ENTRIES} files; list some in .agentignore"
                )
            names = {one.name for one in entries}
            if folder and "pyvenv.cfg" in names:
                continue  # a virtual environment, whatever its name
            if folder:
                self.folders.add(folder)
            prefix = folder + "/" if folder else ""
            known = known + [
                r for name in FILES if name in names for r in self._rules(prefix, name)
            ]
            for one in entries:
                path = prefix + one.name
                is_folder = one.is_dir(follow_symlinks=False)
                if one.name in SKIPPED or ignored(path, known, folder=is_folder):
                    continue
                if is_folder:
                    waiting.append((path, known))
                elif one.is_file(follow_symlinks=False):
                    yield path, one.stat(follow_symlinks=False)

    def _rules(self, prefix: str, name: str) -> list[Rule]:
        try:
            file = Path(self.root, prefix, name)
            with file.open(encoding="utf-8", errors="replace") as opened:
                return rules(opened.read(MAX_SOURCE_BYTES), prefix)
        except OSError:
            return []


def _source(path: str, data: bytes, stamp: tuple[int, ...]) -> Source:
    digest = hashlib.sha256(data).hexdigest()
    try:
        found, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        encoding = "utf-8" if found == "utf-8-sig" else found
        text = _ENDING.sub("\n", data.removeprefix(_BOM).decode(encoding))
        text.encode(encoding)
    except (SyntaxError, UnicodeError, LookupError) as error:
        return Source(path, data, digest, None, "utf-8", f"{error}", stamp)
    return Source(path, data, digest, text, encoding, "", stamp)


def _with_endings(text: str, old: str) -> str:
    """Return the text with the line ends of the old one, line by line where they were mixed."""
    endings = _ENDING.findall(old)
    kinds = set(endings)
    if len(kinds) <= 1:
        return text.replace("\n", endings[0]) if kinds - {"\n"} else text
    return _mixed(text.split("\n"), _ENDING.split(old), endings)


def _mixed(new: list[str], lines: list[str], endings: list[str]) -> str:
    """Return the lines joined: what stood before and after a change keeps its ends, the rest gets the first's."""
    same = 0
    while same < min(len(new), len(endings)) and new[same] == lines[same]:
        same += 1
    shift = len(new) - len(lines)
    chosen: list[str] = []
    for at in range(len(new) - 1):
        old_at = at if shift == 0 or at < same else at - shift
        kept = 0 <= old_at < len(endings) and (shift == 0 or lines[old_at] == new[at])
        chosen.append(endings[old_at] if kept else endings[0])
    return "".join(line + end for line, end in zip(new, [*chosen, ""], strict=True))
