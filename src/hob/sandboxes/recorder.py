"""The checkpoints of a session under way: which call changes what, noted before it happens.

Writes, moves and deletes of tools are covered for certain: without a before-image there is no change.
What commands do is covered as far as the shadow repository goes.
"""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256

from hob.core.checkpoints import (
    ABSENT,
    CallChanges,
    Image,
    Journal,
    Mark,
    Touched,
    Uncovered,
    checkpoints,
    parents,
    storable,
)
from hob.core.permission import Access
from hob.core.ports import FileError
from hob.sandboxes.images import WorkspaceImages
from hob.sandboxes.linecount import counted
from hob.sandboxes.watch import CommandWatch

MAX_FOLDER_FILES = 5_000


class _Call:
    """One call under way: what it has marked so far, and the snapshot before its commands."""

    def __init__(self, call_id: str, access: Access) -> None:
        self.call_id, self.access = call_id, access
        self.marks: list[Mark] = []
        self.tree = ""
        self.commands = False


# Of the task, not of the recorder: what runs beside a call must not be taken for a part of it.
_current: ContextVar[_Call | None] = ContextVar("call", default=None)

_Side = tuple[str, Image, Image]  # path, before, after


class Recorder:
    """Implements the port `Checkpoints`. `watch` is None where commands are not to be covered."""

    def __init__(
        self, images: WorkspaceImages, journal: Journal, watch: CommandWatch | None
    ) -> None:
        self._images, self._journal, self._watch = images, journal, watch
        self._told: set[str] = set()

    async def before(self, call_id: str, access: Access) -> None:
        """Begin a checkpoint; with access `execute` the snapshot is taken now, else with the first command."""
        _current.set(_Call(call_id, access))
        if access == "execute":
            await self.before_command()

    async def before_command(self) -> None:
        """Take a snapshot, once a call that may change something."""
        call = _current.get()
        if call is None or call.commands or call.access not in ("write", "execute"):
            return
        call.commands = True
        if self._watch is not None:
            call.tree = await asyncio.to_thread(self._watch.begin, call.call_id)

    async def after(self, call_id: str) -> CallChanges:
        """End the checkpoint. Raises nothing."""
        call = _current.get()
        if call is None or call.call_id != call_id:
            return CallChanges()
        _current.set(None)
        notes: Sequence[str] = ()
        if call.commands and self._watch is not None:
            marks, notes = await asyncio.to_thread(self._watch.end, call.call_id, call.tree)
            call.marks += marks
        found = checkpoints(call.marks)
        changes = [c for one in found for c in one.changes.values()]
        fresh = [note for note in dict.fromkeys(notes) if note not in self._told]
        self._told.update(fresh)
        numbers = [counted(one, self._journal, self._images) for one in changes]
        return CallChanges(tuple(numbers), tuple(fresh))

    def writing(self, path: str, data: bytes) -> Sequence[_Side]:
        """Return what a write of these bytes changes. Raises `FileError`."""
        place = self._place(path, follow=True)
        if place is None:
            return ()
        before = self._look(place)
        mode = before.mode if before.kind == "file" else None
        after = Image("file", sha256(data).hexdigest(), mode, len(data))
        return [*self._folders(place), (place, before, after)]

    def moving(self, source: str, target: str) -> Sequence[_Side]:
        """Return what a move changes. Raises `FileError`, also for a folder of more than 5,000 files."""
        old, new = self._place(source, follow=False), self._place(target, follow=False)
        if old is None or new is None or self._images.look(new)[0].kind != "absent":
            return ()
        sides = self._folders(new)
        for path in self._below(old):
            before = self._look(path)
            sides += [(path, before, ABSENT), (new + path[len(old) :], ABSENT, before)]
        return sides

    def deleting(self, path: str) -> Sequence[_Side]:
        """Return what a delete changes. Raises `FileError`."""
        place = self._place(path, follow=False)
        return () if place is None else [(place, self._look(place), ABSENT)]

    @contextmanager
    def recorded(self, path: str, sides: Sequence[_Side]) -> Generator[None]:
        """Mark what is about to change; if it did not after all, mark that."""
        call = _current.get()
        if call is None or not sides:
            yield
            return
        named = [side for side in sides if storable(side[0])]
        marks: list[Mark] = [Touched(call.call_id, *side) for side in named]
        for name, before, _ in sides:
            if not storable(name):
                marks.append(Uncovered(call.call_id, f"{name!r} (a name that is not UTF-8)"))
            elif not before.covered:
                why = "larger than 20 MB" if before.kind == "file" else "no plain file"
                marks.append(Uncovered(call.call_id, f"{name} ({why})"))
        self._mark(call, marks, path)
        try:
            yield
        except BaseException:
            self._mark(call, [Touched(call.call_id, p, b, b) for p, b, _ in named], path)
            raise

    def _mark(self, call: _Call, marks: Sequence[Mark], path: str) -> None:
        try:
            self._journal.add(marks)
        except OSError as error:
            raise _not_kept(path, error) from None
        call.marks += marks

    def _place(self, path: str, *, follow: bool) -> str | None:
        return None if _current.get() is None else self._images.canonical(path, follow=follow)

    def _look(self, path: str) -> Image:
        """Return what stands at a path, its bytes kept. Raises `FileError` if they cannot be."""
        image, data = self._images.look(path)
        if image.covered and image.kind in ("file", "link"):
            try:
                self._journal.keep(data)
            except OSError as error:
                raise _not_kept(path, error) from None
        return image

    def _folders(self, path: str) -> list[_Side]:
        """Return the folders that have to be made for a path, the outermost first."""
        made = [one for one in parents(path) if self._images.look(one)[0].kind == "absent"]
        return [(one, ABSENT, Image("dir")) for one in made]

    def _below(self, path: str) -> Sequence[str]:
        """Return a path and all below it. Raises `FileError` beyond 5,000."""
        found = [path]
        for one in found:
            if self._images.look(one)[0].kind == "dir":
                found += self._images.names(one)
            if len(found) > MAX_FOLDER_FILES:
                raise FileError(
                    f"{path!r} holds more than {MAX_FOLDER_FILES} files, too many to take back;"
                    " move it with a command"
                )
        return found


def _not_kept(path: str, error: OSError) -> FileError:
    return FileError(
        f"{path!r}: what stands there cannot be kept for an undo ({error.strerror or error});"
        " nothing was changed, free some space"
    )
