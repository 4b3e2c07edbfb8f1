"""Unified diffs in a few words: which files, how many lines."""

import re

MAX_FILES = 40
_HUNK = re.compile(r"^@@ ", re.MULTILINE)


def is_diff(text: str) -> bool:
    """Tell whether a text holds a unified diff."""
    return _HUNK.search(text) is not None


def counts(text: str) -> tuple[int, int]:
    """Return how many lines a diff adds and removes."""
    lines = text.splitlines()
    plus = sum(line.startswith("+") and not line.startswith("+++ ") for line in lines)
    minus = sum(line.startswith("-") and not line.startswith("--- ") for line in lines)
    return plus, minus


def summary(text: str) -> str:
    """Return one line for each file of a diff: its path, lines added and removed; "" if there is none."""
    files: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("+++ "):
            files.append([line])
        elif files and line[:1] in "+-" and not line.startswith("--- "):
            files[-1].append(line)
    told: list[str] = []
    for head, *lines in files[:MAX_FILES]:
        path = head[4:].split("\t")[0].removeprefix("b/")
        plus = sum(line[0] == "+" for line in lines)
        told.append(f"{path} +{plus} -{len(lines) - plus}")
    if len(files) > MAX_FILES:
        told.append(f"… and {len(files) - MAX_FILES} more files")
    return "\n".join(told)
