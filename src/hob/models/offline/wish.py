"""What the person asks for, as far as a search for repairs can serve it."""

import re
import shlex
from typing import Literal

from msgspec import Struct

Kind = Literal["repair", "run", "other"]
FIX = (
    r"fix|repair|solve|debug|mend|correct|find|resolve|heal|make|get|turn|bring|locate|investigate"
)
FAULT = (
    r"tests?|suite|bugs?|faults?|fail(?:s|ed|ing|ures?)?|broken|green|pass(?:es|ing)?|errors?|crash(?:es)?"
    r"|exceptions?|defects?|mistakes?|regressions?"
)
GOAL = re.compile(
    r"\b(?:make|get|until|so(?: that)?|let|have|see|turn|bring)\b.{0,60}\b(?:tests?|suite|it|everything|build)\b"
    r".{0,40}\b(?:pass(?:es|ing)?|green|succeeds?|works?)\b",
    re.IGNORECASE | re.DOTALL,
)
REPAIR = re.compile(rf"\b(?:{FIX})\b.{{0,80}}\b(?:{FAULT})\b", re.IGNORECASE | re.DOTALL)
COMPLAINT = re.compile(
    r"\b(?:tests?|suite)\b.{0,40}\b(?:fail(?:s|ed|ing)?|broken|red|hangs?|crash(?:es)?)\b",
    re.IGNORECASE,
)
RUN = re.compile(
    r"^\W*(?:please\s+)?(?:run|execute|start)\b.{0,30}\b(?:tests?|suite|pytest)\b", re.IGNORECASE
)
OTHER_WORK = re.compile(
    r"^\W*(?:please\s+|can you\s+|could you\s+)*(?:write|add|create|implement|explain|refactor|rename|document"
    r"|delete|remove|describe|summari[sz]e|translate|review|convert|port|upgrade|install|why|what|how|who|when"
    r"|where|list|show|tell|generate|build|design)\b",
    re.IGNORECASE,
)
STOP = re.compile(
    r"^\W*(?:please\s+)?(?:stop|cancel|abort|undo|revert|never mind)\b", re.IGNORECASE
)
COMMAND = re.compile(
    r"^(?:\S*/)?(?:python[\d.]*|pytest|py\.test|make|tox|nox|uv|poetry|hatch|pdm|coverage|\./\S+)\b"
)


class Wish(Struct, frozen=True):
    """A request: what to do, and with which test command and test paths if the person gave one."""

    kind: Kind = "other"
    command: str = ""
    paths: tuple[str, ...] = ()


def read_wish(text: str) -> Wish:
    """Understand a request as far as words go."""
    command = next(
        (one for one in re.findall(r"`([^`\n]+)`", text) if COMMAND.match(one.strip())), ""
    ).strip()
    if GOAL.search(text) or COMPLAINT.search(text):
        kind: Kind = "repair"
    elif OTHER_WORK.search(text):
        kind = "other"
    elif REPAIR.search(text):
        kind = "repair"
    elif RUN.search(text):
        kind = "run"
    else:
        kind = (
            "repair"
            if command and re.search(r"\b(?:fix|repair|pass)", text, re.IGNORECASE)
            else "other"
        )
    if kind == "other":
        return Wish()
    return Wish(kind, command, test_paths(command))


def test_paths(command: str) -> tuple[str, ...]:
    """Return the paths that a pytest command names."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ()
    places = [
        i
        for i, word in enumerate(words)
        if word.rsplit("/", maxsplit=1)[-1] in {"pytest", "py.test"}
    ]
    if not places:
        return ()
    return tuple(
        word for word in words[places[0] + 1 :] if ".py" in word and not word.startswith("-")
    )
