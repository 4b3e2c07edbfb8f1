"""Does a text parse? Python, JSON and TOML always; other languages where ast-grep is installed.

ast-grep (tree-sitter grammars in one package, the extra `ast`) is loaded at the first file that needs it.
"""

import ast
import json
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from msgspec import Struct

from hob.tools.text import encodes

_MAX_CHECKED = 500_000  # characters
_SHOWN_CHARS = 120

# Endings whose grammar is stable enough that an error means something to a person.
_GRAMMARS = {
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "tsx",
    ".ts": "typescript", ".mts": "typescript", ".tsx": "tsx",
    ".go": "go", ".rs": "rust", ".java": "java", ".kt": "kotlin", ".cs": "csharp",
    ".c": "c", ".h": "cpp", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp",
    ".rb": "ruby", ".php": "php", ".lua": "lua", ".swift": "swift", ".scala": "scala",
    ".sh": "bash", ".bash": "bash", ".css": "css", ".yaml": "yaml", ".yml": "yaml",
}  # fmt: skip


class Faults(Struct, frozen=True):
    """How many places do not parse, and the first of them in words ("" if there is none)."""

    count: int = 0
    first: str = ""


def faults(path: str, text: str) -> Faults:
    """Return what does not parse in a file of this name. A kind we cannot judge has no faults."""
    ending = path[path.rfind(".") :].lower() if "." in path else ""
    if len(text) > _MAX_CHECKED:
        return Faults()
    if ending in {".py", ".pyi"}:
        return _python(text)
    if ending in {".json", ".toml"}:
        return _data(ending, text)
    grammar = _GRAMMARS.get(ending)
    return _tree(grammar, text) if grammar else Faults()


def counter(path: str) -> Callable[[str], int] | None:
    """Return a function that counts the faults of texts for this path, None if nobody can."""
    ending = path[path.rfind(".") :].lower() if "." in path else ""
    known = ending in {".json", ".toml"} or (ending in _GRAMMARS and _ast_grep() is not None)
    return (lambda text: faults(path, text).count) if known else None


def _python(text: str) -> Faults:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "file", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        shown = (error.text or "").strip()[:_SHOWN_CHARS]
        return Faults(1, f"line {error.lineno}: {error.msg}" + (f": {shown}" if shown else ""))
    except (ValueError, RecursionError, MemoryError) as error:
        return Faults(1, str(error) or type(error).__name__)
    return Faults()


def _data(ending: str, text: str) -> Faults:
    # TOML is rare and its parser costs milliseconds to import.
    parse = json.loads if ending == ".json" else import_module("tomllib").loads
    try:
        parse(text)
    except (ValueError, RecursionError) as error:
        return Faults(1, str(error)[:_SHOWN_CHARS] or type(error).__name__)
    return Faults()


def _tree(grammar: str, text: str) -> Faults:
    engine = _ast_grep()
    if engine is None or not encodes(text):
        return Faults()
    found = engine.SgRoot(text, grammar).root().find_all(kind="ERROR")
    if not found:
        return Faults()
    number: int = found[0].range().start.line
    line = text.split("\n")[number].strip()[:_SHOWN_CHARS]
    return Faults(len(found), f"line {number + 1}: the {grammar} parser stops at: {line}")


@cache
def _ast_grep() -> Any:
    try:
        return import_module("ast_grep_py")
    except ImportError:
        return None
