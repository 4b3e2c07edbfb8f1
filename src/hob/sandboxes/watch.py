"""What commands change: a snapshot before and after, the difference kept as before-images."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from hob.core.checkpoints import (
    ABSENT,
    CommandBegan,
    CommandEnded,
    Image,
    Journal,
    Mark,
    Touched,
    Uncovered,
    parents,
    storable,
)
from hob.sandboxes.shadow import Shadow
from hob.sandboxes.shadow_git import ShadowError


class CommandWatch:
    """Covers the commands of one session, until the shadow repository refuses once."""

    def __init__(self, shadow: Shadow, journal: Journal) -> None:
        self._shadow, self._journal = shadow, journal
        self._off = ""  # why it gave up for good
        self._refused = ""  # why it does nothing yet: a `git init` changes that
        self._left_out: set[str] = set()

    def begin(self, call_id: str) -> str:
        """Take a snapshot and return its tree, "" if there is none."""
        self._refused = self._off or self._shadow.refusal()
        if self._refused:
            return ""
        try:
            tree = self._shadow.snapshot().tree
            self._journal.add([CommandBegan(call_id, tree)])
        except (ShadowError, OSError) as error:
            self._off = str(error)
            return ""
        return tree

    def end(self, call_id: str, tree: str) -> tuple[Sequence[Mark], Sequence[str]]:
        """Return what changed since the snapshot, marked, and in words what is not covered."""
        marks: list[Mark] = []
        if tree:
            try:
                after = self._shadow.snapshot()
                marks = self._differences(call_id, tree, after.tree)
                fresh = [one for one in after.left_out if one not in self._left_out]
                self._left_out.update(fresh)
                marks += [Uncovered(call_id, one) for one in fresh]
                marks.append(CommandEnded(call_id))
                self._journal.add(marks)
            except (ShadowError, OSError) as error:
                self._off = str(error)
                return (), self._notes()
        return marks, self._notes()

    def _notes(self) -> Sequence[str]:
        why = self._off or self._refused
        off = [f"Undo does not cover what commands change: {why}."] if why else []
        return [*off, *(f"Undo does not cover {one}." for one in sorted(self._left_out))]

    def _differences(self, call_id: str, old: str, new: str) -> list[Mark]:
        found = self._shadow.git.differences(old, new)
        data = self._shadow.git.contents(
            [name for one in found for name in (one.old_object, one.new_object)]
        )
        known = frozenset[str]()
        if any(not one.old_mode and "/" in one.path for one in found):
            known = self._shadow.git.folders(old)
        marks: list[Mark] = []
        made: set[str] = set()
        for one in found:
            if not storable(one.path):
                marks.append(Uncovered(call_id, f"{one.path!r} (a name that is not UTF-8)"))
                continue
            if one.old_object:
                self._journal.keep(data[one.old_object])
            if not one.old_mode:
                made.update(parents(one.path))
            before = _picture(one.old_mode, one.old_object, data)
            after = _picture(one.new_mode, one.new_object, data)
            marks.append(Touched(call_id, one.path, before, after))
        folders: list[Mark] = [
            Touched(call_id, path, ABSENT, Image("dir")) for path in sorted(made - known)
        ]
        return folders + marks


def _picture(mode: str, name: str, data: Mapping[str, bytes]) -> Image:
    if not mode:
        return ABSENT
    content = data[name]
    if mode == "120000":
        return Image("link", sha256(content).hexdigest(), None, len(content))
    return Image("file", sha256(content).hexdigest(), int(mode, 8) & 0o777, len(content))
