"""What a commit of Hob says: the task, the files, what was run to check it."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from hob.core.messages import AssistantMessage, Message, ToolMessage, UserMessage
from hob.core.session import Session

MAX_SUBJECT = 72
MAX_FILES = 30
MAX_COMMANDS = 8
TRAILER = "Co-authored-by: Hob <noreply@hob.invalid>"

_FROM_HOST = "Note from the host:"
_CHECKS = re.compile(
    r"\b(pytest|unittest|tox|nox|ruff|mypy|pyright|flake8|eslint|tsc|jest|vitest|ctest|phpunit|rspec"
    r"|tests?|check|lint|make|build|verify)\b|\b(python3?|node|cargo|go|npm|pnpm|yarn|gradle|mvn)\b"
)
_EXIT = re.compile(r"exit code (-?\d+)|(killed by \w+)|(Command timed out after \S+)")
_KINDS = (
    ("test", re.compile(r"(^|/)(tests?/|test_[^/]*$|[^/]*_test\.\w+$|[^/]*\.(test|spec)\.\w+$)")),
    ("docs", re.compile(r"(^|/)docs?/|\.(md|rst|adoc)$")),
)
_WORDS = (
    ("fix", re.compile(r"^(fix|repair|mend|correct|debug)\b", re.IGNORECASE)),
    ("feat", re.compile(r"^(add|implement|support|introduce)\b", re.IGNORECASE)),
    ("refactor", re.compile(r"^(refactor|rename|extract|restructure)\b", re.IGNORECASE)),
)


def message_for(session: Session, paths: Sequence[str], *, trailer: bool) -> str:
    """Return the message: subject of at most 72 characters, files, commands with exit codes, session."""
    task = _task(session.messages)
    parts = [_subject(task, paths), "Files:\n" + listed(paths)]
    if commands := list(_commands(session.messages))[-MAX_COMMANDS:]:
        parts.append("Checked with:\n" + "\n".join(commands))
    last = f"Session: {session.session_id}"
    parts.append(f"{last}\n{TRAILER}" if trailer else last)
    return "\n\n".join(parts) + "\n"


def _subject(task: str, paths: Sequence[str]) -> str:
    line = " ".join((task.strip().splitlines() or [""])[0].split()).rstrip(".")
    line = "".join(sign for sign in line if sign.isprintable()) or f"Change {paths[0]}"
    kind = next((kind for kind, form in _KINDS if all(map(form.search, paths))), "")
    kind = kind or next((kind for kind, form in _WORDS if form.search(line)), "")
    if kind and not re.match(r"\w+(\([^)]*\))?!?: ", line):
        line = f"{kind}: {line[:1].lower()}{line[1:]}"
    return line if len(line) <= MAX_SUBJECT else line[: MAX_SUBJECT - 1].rstrip() + "…"


def _task(messages: Sequence[Message]) -> str:
    said = [m.text for m in messages if isinstance(m, UserMessage)]
    return next((text for text in reversed(said) if not text.startswith(_FROM_HOST)), "")


def _commands(messages: Sequence[Message]) -> Iterator[str]:
    """Yield the checking commands since the last words of the person, with how each ended."""
    asked: dict[str, str] = {}
    for message in messages[_since(messages) :]:
        if isinstance(message, AssistantMessage):
            asked |= {c.call_id: c.arguments for c in message.calls if c.name == "bash"}
        elif isinstance(message, ToolMessage) and message.call_id in asked:
            command = _command(asked[message.call_id])
            ended = _EXIT.match(message.content)
            if ended and _CHECKS.search(command):
                how = f"exit code {ended[1]}" if ended[1] else ended[0]
                yield f"- {command}: {how}"


def _since(messages: Sequence[Message]) -> int:
    places = [
        n
        for n, m in enumerate(messages)
        if isinstance(m, UserMessage) and not m.text.startswith(_FROM_HOST)
    ]
    return places[-1] if places else 0


def _command(arguments: str) -> str:
    try:
        value: Any = json.loads(arguments)
    except (ValueError, RecursionError):
        return ""
    text = cast("dict[str, Any]", value).get("command", "") if isinstance(value, dict) else ""
    line = " ".join(str(text).split())
    return line if len(line) <= 160 else line[:159] + "…"


def listed(paths: Sequence[str]) -> str:
    """Return paths as a list of at most 30 lines and a count."""
    more = [f"- and {len(paths) - MAX_FILES} more"] if len(paths) > MAX_FILES else []
    return "\n".join([*(f"- {path}" for path in paths[:MAX_FILES]), *more])
