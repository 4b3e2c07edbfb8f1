"""Which folders and files of a tree are not the project's own: rules of `.gitignore` and `.agentignore`."""

import re
from collections.abc import Iterable
from typing import NamedTuple

FILES = (".gitignore", ".agentignore")
SKIPPED = frozenset({
    ".eggs", ".git", ".hg", ".hob", ".mypy_cache", ".nox", ".pytest_cache", ".ropeproject",
    ".ruff_cache", ".svn", ".tox", ".venv", "__pycache__", "node_modules", "site-packages",
})  # fmt: skip


class Rule(NamedTuple):
    """One line of an ignore file. `base` is its folder, "" for the root, else with a slash at the end."""

    base: str
    pattern: re.Pattern[str]
    ignores: bool
    folders_only: bool


def rules(text: str, base: str) -> list[Rule]:
    """Return the rules of an ignore file (gitignore(5)); a line that is no pattern is passed over."""
    found: list[Rule] = []
    for raw in text.splitlines():
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        ignores = not line.startswith("!")
        line = line.removeprefix("!").removeprefix("\\")
        folders_only = line.endswith("/")
        body = line.rstrip("/")
        anchored = "/" in body
        try:
            pattern = re.compile(_expression(body.removeprefix("/"), anchored=anchored))
        except re.error:
            continue
        found.append(Rule(base, pattern, ignores, folders_only))
    return found


def ignored(path: str, known: Iterable[Rule], *, folder: bool) -> bool:
    """Return whether the last rule that fits says so; the caller does not go into ignored folders."""
    answer = False
    for rule in known:
        if rule.folders_only and not folder:
            continue
        if path.startswith(rule.base) and rule.pattern.fullmatch(path[len(rule.base) :]):
            answer = rule.ignores
    return answer


def _expression(body: str, *, anchored: bool) -> str:
    parts: list[str] = [] if anchored else ["(?:.*/)?"]
    at = 0
    while at < len(body):
        rest = body[at:]
        if rest.startswith("**/"):
            parts.append("(?:.*/)?")
            at += 3
        elif rest.startswith("**"):
            parts.append(".*")
            at += 2
        elif rest[0] in "*?":
            parts.append("[^/]*" if rest[0] == "*" else "[^/]")
            at += 1
        elif rest[0] == "[" and (end := rest.find("]", 2)) > 0:
            parts.append("[" + rest[1:end].replace("!", "^", 1).replace("\\", "\\\\") + "]")
            at += end + 1
        else:
            parts.append(re.escape(rest[0]))
            at += 1
    return "".join(parts)
