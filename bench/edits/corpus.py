"""The files that edits are made to: the interpreter's own library, this repository, and snippets."""

import ast
import random
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edits.snippets import SNIPPETS

_ROOT = Path(__file__).parents[2]
_LARGEST = 150_000
_COMMENTS = {
    ".py": "#", ".js": "//", ".ts": "//", ".go": "//", ".c": "//", ".yml": "#", ".toml": "#", "": "#",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One file as lines without endings; `final` says whether its last line has an ending."""

    name: str
    lines: tuple[str, ...]
    final: bool = True

    @property
    def suffix(self) -> str:
        """Return the ending of the name, which says the language."""
        return Path(self.name).suffix

    @property
    def comment(self) -> str:
        """Return what begins a comment to the end of the line, or nothing."""
        return _COMMENTS.get(self.suffix, "")

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return the lines without any white space: two lines with one key are easily confused."""
        return tuple("".join(line.split()) for line in self.lines)

    @cached_property
    def text(self) -> str:
        """Return the file with LF endings."""
        return "\n".join(self.lines) + ("\n" if self.final else "")


def corpus(rng: random.Random, wanted: int = 160) -> list[Source]:
    """Return the sources in a fixed order for a seed; only files that can be read and parsed."""
    library = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"test", "tests", "lib2to3", "site-packages", "idlelib", "__pycache__", "pydoc_data"}
    paths = sorted(
        path
        for path in library.rglob("*.py")
        if not skipped.intersection(path.relative_to(library).parts)
        and 1_500 < path.stat().st_size < _LARGEST
    )
    found = [s for path in rng.sample(paths, min(wanted, len(paths))) if (s := _read(path))]
    ours = [*sorted(_ROOT.glob("src/hob/*/*.py")), _ROOT / "AGENTS.md", _ROOT / "pyproject.toml"]
    found += [s for path in ours if path.is_file() and (s := _read(path))]
    return found


def snippets() -> list[Source]:
    """Return the embedded sources."""
    return [source(name, text) for name, text in SNIPPETS]


def source(name: str, text: str) -> Source:
    """Return a source from its text, which has LF endings."""
    final = text.endswith("\n")
    return Source(name, tuple((text[:-1] if final else text).split("\n")), final)


def parses(text: str) -> bool:
    """Say whether a text is Python."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def _read(path: Path) -> Source | None:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None
    odd = "\r\x0c\x0b\x00\x1c\x1d\x1e\x85\u2028\u2029\ufeff"
    if any(sign in text for sign in odd) or text.count("\n") < 20:
        return None
    if path.suffix == ".py" and not parses(text):
        return None
    return source(path.name, text)
