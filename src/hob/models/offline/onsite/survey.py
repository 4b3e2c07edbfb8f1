"""Finds out what kind of tests a workspace has, and makes the scratch copy in which everything is tried."""

from __future__ import annotations

import ast
import fnmatch
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

SKIPPED = frozenset(
    (".git", ".hg", ".svn", ".venv", "venv", "env", "node_modules", "__pycache__", ".tox", ".nox",
     ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hob", "site-packages", ".eggs")
)  # fmt: skip
PATTERNS = ("test_*.py", "*_test.py", "tests.py", "test.py", "*_tests.py")
MAX_BYTES = 150 << 20
MAX_FILES = 20_000
CHUNK = 400


def say(result: dict[str, Any]) -> None:
    """Print the result as short numbered lines, so that a cut or a foreign line is noticed."""
    text = json.dumps(result, separators=(",", ":"))
    parts = [text[i : i + CHUNK] for i in range(0, len(text), CHUNK)]
    for number, part in enumerate(parts, 1):
        sys.stdout.write(f"HOB-OFFLINE {number}/{len(parts)} {part}\n")
    sys.stdout.flush()


def leave_when_told() -> None:
    """End on a polite signal by the ordinary way out, so that no scratch copy stays behind."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def walk(root: str) -> tuple[list[str], int]:
    """Return all files below the root (relative, sorted) without what tools leave behind, and their size."""
    found: list[str] = []
    size = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED and not Path(folder, name, "pyvenv.cfg").is_file()
        )
        for name in sorted(files):
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file():
                size += path.stat().st_size
                found.append(str(path.relative_to(root)))
        if len(found) > MAX_FILES or size > MAX_BYTES:
            break
    return found, size


def copy(root: str, scratch: str, files: list[str]) -> None:
    """Copy these files."""
    for name in files:
        target = Path(scratch, name)
        target.parent.mkdir(exist_ok=True, parents=True)
        shutil.copy2(Path(root, name), target)


def is_test(path: str) -> bool:
    """Tell whether a file belongs to the tests (and so is never edited)."""
    name = Path(path).name
    if name == "conftest.py" or any(fnmatch.fnmatch(name, pattern) for pattern in PATTERNS):
        return True
    return any(part in ("tests", "test", "testing") for part in Path(path).parts[:-1])


def read(path: Path) -> str:
    """Return a file's text, or nothing if it is not text."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""


def kind_of(text: str) -> str:
    """Return what a test file holds: pytest, unittest, functions, script, or nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return "pytest" if "pytest" in text else "unittest" if "unittest" in text else "functions"
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    if "pytest" in names:
        return "pytest"
    bases = [
        ast.dump(base)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    ]
    if any("TestCase" in base for base in bases):
        return "unittest"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith(
            "test"
        ):
            fixture = any(arg.arg for arg in node.args.args)
            return "pytest" if fixture and not called(tree, node.name) else "functions"
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            return "functions"
    return (
        "script"
        if any(isinstance(node, (ast.Assert, ast.Raise)) for node in ast.walk(tree))
        else ""
    )


def called(tree: ast.AST, name: str) -> bool:
    """Tell whether a file calls one of its own functions."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(isinstance(one, ast.Name) and one.id == name for one in calls)


def runs_itself(text: str) -> bool:
    """Tell whether a test file is also a program that calls its own test functions."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return any(isinstance(node, ast.Assert) for node in tree.body)


def survey(root: str, files: list[str]) -> dict[str, str]:
    """Return the test files with the kind of tests each one holds."""
    kinds: dict[str, str] = {}
    for path in files:
        name = Path(path).name
        if any(fnmatch.fnmatch(name, pattern) for pattern in PATTERNS):
            text = read(Path(root, path))
            kind = kind_of(text)
            if kind == "functions" and runs_itself(text):
                kind = "script"
            if kind:
                kinds[path] = kind
    if not kinds:
        for path in files:
            if path.endswith(".py") and ">>> " in read(Path(root, path)):
                kinds[path] = "doctest"
    return kinds


def options_in_the_way(root: str) -> bool:
    """Tell whether the project's pytest options would start workers or another tracer."""
    for name in ("pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini", ".pytest.ini"):
        for match in re.finditer(
            r"addopts\s*=((?:.*\n)(?:[ \t]+.*\n)*)", read(Path(root, name)) + "\n"
        ):
            if re.search(
                r"(^|[\s\"'])(-n\b|--numprocesses|--cov|--forked|--timeout)", match.group(1)
            ):
                return True
    return False


def make_plan(root: str, temp: str, kinds: dict[str, str], job: dict[str, Any]) -> dict[str, Any]:
    """Decide who runs which test file. `temp` is a folder for what tests leave behind."""
    uses = job["pytest"] and any(kind in ("pytest", "functions") for kind in kinds.values())
    plain = {p: k for p, k in kinds.items() if k in ("script", "doctest") or not uses}
    return {
        "root": root,
        "temp": temp,
        "pytest": uses,
        "plain": plain,
        "arguments": job["arguments"],
        "plain_options": options_in_the_way(root),
        "tests": [],
        "traced": False,
        "stop": False,
        "limit_s": 5.0,
    }
