"""Before-images as values: what a call found at each path, what it left, how several calls add up; and their ports."""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from msgspec import Struct, field

from hob.core.permission import Access

Kind = Literal["absent", "file", "link", "dir", "other"]


class Image(Struct, frozen=True):
    """What stands at a path. `digest` is the SHA-256 of a file's bytes or of a link's target.

    Of the mode only the executable bits are compared; the rest is for a file that has to be made
    anew. A file without a digest was too large to be kept.
    """

    kind: Kind = "absent"
    digest: str = ""
    mode: int | None = None
    size: int = 0

    @property
    def covered(self) -> bool:
        """Tell whether it can be put back."""
        return self.kind in ("absent", "dir") or (
            self.kind in ("file", "link") and self.digest != ""
        )

    def same(self, other: "Image") -> bool:
        """Tell whether two images are one and the same content. Two that nobody read are not."""
        if self.kind != other.kind or self.kind == "other" or not (self.covered and other.covered):
            return False
        return self.digest == other.digest and (
            self.kind != "file"
            or _runs(self.mode) in (None, _runs(other.mode))
            or other.mode is None
        )


ABSENT = Image()


class Touched(Struct, frozen=True, tag_field="kind", tag="touched"):
    """A call changes a path: written before it does. A second one for the same path tells what came after all."""

    call_id: str
    path: str
    before: Image
    after: Image


class CommandBegan(Struct, frozen=True, tag_field="kind", tag="command_began"):
    """A command runs; `tree` is the snapshot before it."""

    call_id: str
    tree: str


class CommandEnded(Struct, frozen=True, tag_field="kind", tag="command_ended"):
    """What the command changed is recorded."""

    call_id: str


class Uncovered(Struct, frozen=True, tag_field="kind", tag="uncovered"):
    """Something that no undo can bring back, and why, in words."""

    call_id: str
    what: str


class Committed(Struct, frozen=True, tag_field="kind", tag="committed"):
    """All before this is in a commit, or was told to a person as not committed."""

    call_id: str
    told: str


Mark = Touched | CommandBegan | CommandEnded | Uncovered | Committed


class Change(Struct, frozen=True):
    """What a call did to one path. Line counts are None where nobody counts lines."""

    path: str
    before: Image
    after: Image
    added: int | None = None
    removed: int | None = None


class Checkpoint(Struct):
    """All that one call touched. `open_tree` names the snapshot before a command that was never seen to end."""

    call_id: str
    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    uncovered: list[str] = field(default_factory=list[str])
    open_tree: str = ""
    commands: bool = False

    @property
    def effective(self) -> bool:
        """Tell whether there is anything to take back."""
        return bool(self.changes)


def checkpoints(marks: Iterable[Mark]) -> list[Checkpoint]:
    """Return the checkpoints of a session, the oldest first."""
    found: dict[str, Checkpoint] = {}
    for mark in marks:
        one = found.setdefault(mark.call_id, Checkpoint(mark.call_id))
        match mark:
            case Touched(_, path, before, after):
                old = one.changes.get(path)
                one.changes[path] = Change(path, old.before if old else before, after)
            case CommandBegan(_, tree):
                one.open_tree, one.commands = tree, True
            case CommandEnded():
                one.open_tree = ""
            case Uncovered(_, what):
                one.uncovered.append(what)
            case Committed():
                pass
    for one in found.values():
        one.changes = {p: c for p, c in one.changes.items() if not c.before.same(c.after)}
    return list(found.values())


class Leg(Struct, frozen=True):
    """Where a path has to be (`now`) to be brought to `then`; `broken` if somebody else changed it in between."""

    path: str
    now: Image
    then: Image
    broken: bool = False


def undoing(chosen: Sequence[Checkpoint]) -> list[Leg]:
    """Return what takes these checkpoints (the oldest first) back."""
    return _legs(
        [{p: (c.after, c.before) for p, c in one.changes.items()} for one in reversed(chosen)]
    )


def redoing(chosen: Sequence[Checkpoint]) -> list[Leg]:
    """Return what does these checkpoints (the oldest first) again."""
    return _legs([{p: (c.before, c.after) for p, c in one.changes.items()} for one in chosen])


def _legs(hops: Sequence[dict[str, tuple[Image, Image]]]) -> list[Leg]:
    """Chain hops path by path; where one does not begin at what the last one reached, the chain ends there."""
    legs: dict[str, Leg] = {}
    for hop in hops:
        for path, (start, goal) in hop.items():
            leg = legs.get(path)
            if leg is None:
                legs[path] = Leg(path, start, goal)
            elif not leg.broken:
                fits = start.same(leg.then)
                legs[path] = Leg(path, leg.now, goal if fits else leg.then, not fits)
    return [legs[path] for path in sorted(legs)]


def parents(path: str) -> list[str]:
    """Return the folders above a path, the outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def storable(path: str) -> bool:
    """Tell whether a name can be written down as JSON: it is UTF-8."""
    return path.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in path)


def _runs(mode: int | None) -> bool | None:
    return None if mode is None else bool(mode & 0o111)


class Checkpoints(Protocol):
    """Keeps what a call is about to change, so that it can be taken back."""

    async def before(self, call_id: str, access: Access) -> None:
        """Begin a checkpoint: what this task changes from now on belongs to the call."""
        ...

    async def after(self, call_id: str) -> "CallChanges":
        """End it and return what changed. Raises nothing: what cannot be seen is said in `notes`."""
        ...


class CallChanges(Struct, frozen=True):
    """What one call changed; `notes` say once a session what is not covered."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


class Journal(Protocol):
    """The checkpoints of one session: marks in order, and the bytes of before-images."""

    def add(self, marks: Sequence[Mark]) -> None:
        """Keep marks, durably. Raises `OSError`."""
        ...

    def marks(self) -> Sequence[Mark]:
        """Return all marks, the oldest first."""
        ...

    def keep(self, data: bytes) -> str:
        """Keep bytes durably and return their SHA-256. Raises `OSError`."""
        ...

    def image(self, digest: str) -> bytes:
        """Return kept bytes. Raises `KeyError`."""
        ...


class Images(Protocol):
    """The paths of a workspace as images; a link is a thing of its own and never followed."""

    def look(self, path: str) -> tuple[Image, bytes]:
        """Return what stands at a path, and its bytes (a link's target), up to the cap."""
        ...

    def put(self, path: str, image: Image, data: bytes) -> None:
        """Make a path be like an image, whole or not at all. Raises `FileError`."""
        ...

    def close(self) -> None:
        """Let the workspace go."""
        ...
