"""What a reply asks to be changed, as values, and which paths it may name."""

from collections.abc import Sequence
from typing import NamedTuple

from hob.editing.outcome import EditRefused


class Place(NamedTuple):
    """The lines of a reply (from 0, `last` not included) in which something is asked."""

    first: int
    last: int


class Edit(NamedTuple):
    """Replace one text of a file by another; an empty `search` creates the file."""

    path: str
    search: str
    replace: str
    place: Place


class Write(NamedTuple):
    """Give a file this content, whether it is there or not."""

    path: str
    content: str
    place: Place


class Hunk(NamedTuple):
    """Old lines become new lines, each with its ending. `start` is the first old line, None if nobody said.

    `exact` tells that the numbers of the header are those of the lines below it.
    """

    start: int | None
    old: tuple[str, ...]
    new: tuple[str, ...]
    exact: bool


class Patch(NamedTuple):
    """Hunks for one file. A `source` of None is a new file, a `target` of None a deleted one.

    Both with different names: moved, or copied if `keeps`.
    """

    source: str | None
    target: str | None
    hunks: tuple[Hunk, ...]
    place: Place
    keeps: bool = False


Asked = Edit | Write | Patch


def lines_of(reply: str) -> list[str]:
    """Return the lines of a reply without their endings; LF ends a line and nothing else."""
    return reply.split("\n")


def safe_path(path: str) -> str:
    """Return a path below the root in its plain form. Raises `EditRefused` for any other."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    problem = ""
    if path.startswith(("/", "~")) or path[1:2] == ":":
        problem = "is absolute"
    elif ".." in parts:
        problem = "leaves the workspace"
    elif "\\" in path:
        problem = "holds a backslash"
    elif not path.isprintable():
        problem = "holds a control character"
    elif not parts or path.endswith("/"):
        problem = "names no file"
    if problem:
        raise EditRefused(
            f"the path {path!r} {problem}; give the path of a file, relative to the workspace, with /"
        )
    return "/".join(parts)


def spans(asked: Sequence[Asked]) -> list[Place]:
    """Return the lines of the reply that the requests take up, in order, none of them twice."""
    found: list[Place] = []
    for one in sorted({one.place for one in asked}):
        if found and one.first <= found[-1].last:
            found[-1] = Place(found[-1].first, max(found[-1].last, one.last))
        else:
            found.append(one)
    return found
