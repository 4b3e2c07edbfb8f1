"""Checks on the shape of a package tree; each takes a root folder and returns what is wrong.

They take the root as an argument so that the tests can plant a fault in a copy and see it found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 50
CLASS_LINES = 200
CLASS_METHODS = 15

# Names that say nothing about what a file holds.
FORBIDDEN_NAMES = frozenset({"utils", "helpers", "common", "base", "manager", "types", "misc"})

# A `match` over a closed union is a table: cutting it up makes it harder to read.
LONG_FUNCTIONS = {
    ("core/session.py", "reduce"): "one case for each kind of event",
    ("core/plan.py", "next_effect"): "one case for each state a session can rest in",
}

# "path" or "path:ClassName" -> the reason why it may be larger. This list may only shrink.
WAIVERS: dict[str, str] = {}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def oversized(root: Path) -> list[str]:
    """Name each file, function and class under `root` that is larger than the house allows."""
    found: list[str] = []
    for name, source, tree in _modules(root):
        lines = source.count("\n")
        if lines > FILE_LINES and name not in WAIVERS:
            found.append(f"{name}: {lines} lines, at most {FILE_LINES}")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found += _oversized_function(name, node)
            elif isinstance(node, ast.ClassDef) and f"{name}:{node.name}" not in WAIVERS:
                found += _oversized_class(name, node)
    return found


def undocumented(root: Path) -> list[str]:
    """Name each module, public class and public function under `root` without a docstring."""
    found: list[str] = []
    for name, _, tree in _modules(root):
        if not ast.get_docstring(tree):
            found.append(f"{name}: every room says what it is in its first line")
        found += [
            f"{name}:{node.lineno} {node.name} has no docstring"
            for node in tree.body
            if isinstance(node, Definition)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    return found


def misnamed(root: Path) -> list[str]:
    """Name each file and folder under `root` whose name does not say what is in it."""
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if path.stem in FORBIDDEN_NAMES and (path.is_dir() or path.suffix == ".py")
    ]


def printing(root: Path) -> list[str]:
    """Name each `print` outside the rooms that own a terminal."""
    return [
        f"{name}:{node.lineno} prints; send an event or a delta instead"
        for name, _, tree in _modules(root)
        if name != "main.py" and not name.startswith("cli/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


def lazy_imports(root: Path) -> list[str]:
    """Name each import inside a function outside `main.py`."""
    return [
        f"{name}:{node.lineno} imports inside {function.name!r}"
        for name, _, tree in _modules(root)
        if name != "main.py"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def imported_names(path: Path) -> set[str]:
    """Collect the dotted names that one source file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _oversized_function(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    lines = _lines(node)
    if lines <= FUNCTION_LINES or (name, node.name) in LONG_FUNCTIONS:
        return []
    return [f"{name}:{node.lineno} {node.name}: {lines} lines, at most {FUNCTION_LINES}"]


def _oversized_class(name: str, node: ast.ClassDef) -> list[str]:
    lines = _lines(node)
    methods = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
    found: list[str] = []
    if lines > CLASS_LINES:
        found.append(f"{name}:{node.lineno} {node.name}: {lines} lines, at most {CLASS_LINES}")
    if methods > CLASS_METHODS:
        found.append(
            f"{name}:{node.lineno} {node.name}: {methods} methods, at most {CLASS_METHODS}"
        )
    return found


def _lines(node: Definition) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _modules(root: Path) -> Iterator[tuple[str, str, ast.Module]]:
    for path in sorted(root.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        yield path.relative_to(root).as_posix(), source, ast.parse(source, str(path))
