"""Take back what a session did to files, do it again, and show it. A person's own changes are never overwritten."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from hob.core import events as e
from hob.core.checkpoints import (
    Checkpoint,
    Image,
    Images,
    Journal,
    Leg,
    checkpoints,
    redoing,
    undoing,
)
from hob.core.codec import open_entry
from hob.core.errors import CommandRefused, SessionNotFound
from hob.core.ports import Clock, FileError, Ids, Store
from hob.core.session import Session, fold
from hob.loop.log import Log, whole
from hob.sessions.patch import Patch, Side, patch

MAX_NAMED = 30  # paths that the note for the model names


class Wish(Struct, frozen=True):
    """How far back: `steps` checkpoints, the last turn that has any, or to before a call."""

    steps: int = 1
    turn: bool = False
    call_id: str = ""


class Conflict(Struct, frozen=True):
    """A path that was left alone, why, and the diff from what the agent left to what stands there."""

    path: str
    why: str
    diff: str = ""


class Plan(Struct, frozen=True):
    """What would be done: paths to put back, paths to leave alone, and what no checkpoint covers."""

    direction: str
    calls: tuple[str, ...]
    legs: tuple[Leg, ...]
    conflicts: tuple[Conflict, ...]
    uncovered: tuple[str, ...] = ()
    resumed: bool = False  # an earlier one was interrupted, and this is the rest of it


class Outcome(Struct, frozen=True):
    """What was done."""

    plan: Plan
    paths: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


class Undo:
    """Undo, redo and diff over stored sessions. One that another process works in is busy."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        open_journal: Callable[[str], Journal],
        open_images: Callable[[str], Images],
    ) -> None:
        self._store, self._clock, self._ids = store, clock, ids
        self._open_journal, self._open_images = open_journal, open_images

    async def look(self, session_id: str, direction: str, wish: Wish) -> Plan:
        """Return what `restore` would do, changing nothing. Raises `CommandRefused`."""
        recorded = [
            open_entry(one) for one in whole(session_id, await self._store.read(session_id))
        ]
        session = fold(recorded)
        desk = self._desk(session)
        try:
            return desk.plan(direction, _chosen(desk.found, recorded, session, direction, wish))
        finally:
            desk.images.close()

    async def restore(self, session_id: str, direction: str, wish: Wish) -> Outcome:
        """Take back or do again. First finishes one that was interrupted, and then does only that.

        Raises `CommandRefused` if there is nothing to do, `SessionBusy`.
        """
        claim = self._store.claim(session_id)
        try:
            log = await Log.open(self._store, self._clock, session_id, lambda _: None)
            if log.session.session_id != session_id:
                raise SessionNotFound(f"There is no session {session_id!r}.")
            recorded = [open_entry(one) for one in await self._store.read(session_id)]
            desk = self._desk(log.session)
            try:
                calls = _chosen(desk.found, recorded, log.session, direction, wish)
                begun = log.session.restoring
                if begun is None:
                    begun = e.RestoreStarted(self._ids.new_id("r"), _way(direction), calls)
                    plan = desk.plan(begun.direction, calls)
                    await log.commit(session_id, lambda _, begun=begun: (begun,))
                else:
                    plan = desk.plan(begun.direction, begun.calls, resumed=True)
                outcome = desk.carry_out(plan)
                finished = e.RestoreFinished(
                    begun.restore_id, begun.direction, begun.calls, outcome.paths,
                    tuple(one.path for one in outcome.conflicts), _note(outcome),
                )  # fmt: skip
                await log.commit(session_id, lambda _: (finished,))
                return outcome
            finally:
                desk.images.close()
        finally:
            claim.release()

    async def tell(self, session_id: str, note: str) -> None:
        """Add a note for the model at the tail of a session."""
        claim = self._store.claim(session_id)
        try:
            log = await Log.open(self._store, self._clock, session_id, lambda _: None)
            told = e.RestoreFinished(self._ids.new_id("r"), "undo", (), note=note)
            await log.commit(session_id, lambda _: (told,))
        finally:
            claim.release()

    async def diff(self, session_id: str) -> list[Patch]:
        """Return what a session changed: the first before-image of each path against what stands there now."""
        session = fold(map(open_entry, whole(session_id, await self._store.read(session_id))))
        desk = self._desk(session)
        try:
            return desk.diff()
        finally:
            desk.images.close()

    def _desk(self, session: Session) -> "_Desk":
        journal = self._open_journal(session.session_id)
        return _Desk(journal, self._open_images(session.workspace))


class _Desk:
    """One session's checkpoints beside its workspace as it is now."""

    def __init__(self, journal: Journal, images: Images) -> None:
        self._journal, self.images = journal, images
        self.found = checkpoints(journal.marks())

    def plan(self, direction: str, calls: Sequence[str], *, resumed: bool = False) -> Plan:
        """Compare what the calls left with what stands there."""
        chosen = [one for one in self.found if one.call_id in calls]
        legs: list[Leg] = []
        conflicts: list[Conflict] = []
        for leg in undoing(chosen) if direction == "undo" else redoing(chosen):
            now, data = self.images.look(leg.path)
            if leg.broken:
                conflicts.append(Conflict(leg.path, "somebody else changed it between the calls"))
            if now.same(leg.then):
                continue
            if problem := self._problem(leg, now):
                conflicts.append(self._conflict(leg, Side(now, data), problem))
            else:
                legs.append(leg)
        uncovered = [what for one in chosen for what in one.uncovered]
        if any(one.commands for one in chosen):
            uncovered.append("files that git ignores, where a command changed them")
        uncovered += [
            f"the command of call {one.call_id}, which was never seen to end"
            for one in chosen
            if one.open_tree
        ]
        return Plan(
            direction, tuple(calls), tuple(legs), tuple(conflicts),
            tuple(dict.fromkeys(uncovered)), resumed,
        )  # fmt: skip

    def _problem(self, leg: Leg, now: Image) -> str:
        """Return why a path must be left alone, or ""."""
        if leg.now.kind == "dir" and now.kind == "dir":
            return ""  # goes only if it is empty by then
        if not leg.then.covered:
            return "what stood there was not kept (larger than 20 MB, or no plain file)"
        if not now.same(leg.now):
            return "it was changed since, by you or by another program"
        if leg.then.kind in ("file", "link"):
            try:
                self._journal.image(leg.then.digest)
            except KeyError:
                return "what stood there is no longer kept"
        return ""

    def _conflict(self, leg: Leg, now: Side, why: str) -> Conflict:
        try:
            left = Side(leg.now, self._bytes(leg.now))
        except KeyError:
            # What the agent left was never copied; what it found is the next best to compare with.
            try:
                left = Side(leg.then, self._bytes(leg.then))
            except KeyError:
                return Conflict(leg.path, why)
        return Conflict(leg.path, why, patch(leg.path, left, now).text)

    def carry_out(self, plan: Plan) -> Outcome:
        """Put back path by path: removals first, the deepest first. Each step may be repeated after a crash."""
        paths: list[str] = []
        conflicts = list(plan.conflicts)
        for leg in sorted(plan.legs, key=_order):
            try:
                if self._put(leg):
                    paths.append(leg.path)
            except (FileError, OSError) as error:
                conflicts.append(Conflict(leg.path, str(error)))
        return Outcome(plan, tuple(sorted(paths)), tuple(conflicts))

    def _put(self, leg: Leg) -> bool:
        """Put one path back, what stands there being kept first for the way back."""
        now, data = self.images.look(leg.path)
        if now.same(leg.then):
            return True
        if now.kind == "dir" and leg.then.kind == "absent":
            try:
                self.images.put(leg.path, leg.then, b"")
            except FileError:
                return False  # not empty: what is in it is not the agent's
            return True
        if not now.same(leg.now):
            raise FileError("it was changed at this very moment")
        if now.kind in ("file", "link"):
            self._journal.keep(data)
        self.images.put(leg.path, leg.then, self._bytes(leg.then))
        return True

    def diff(self) -> list[Patch]:
        """Return the patches of all paths that differ from their first before-image."""
        first: dict[str, Image] = {}
        for one in self.found:
            for path, change in one.changes.items():
                first.setdefault(path, change.before)
        patches: list[Patch] = []
        for path, before in sorted(first.items()):
            now, data = self.images.look(path)
            if now.same(before) or "dir" in (now.kind, before.kind):
                continue
            try:
                old = Side(before, self._bytes(before))
            except KeyError:
                old = Side(Image("file"))
            patches.append(patch(path, old, Side(now, data)))
        return patches

    def _bytes(self, image: Image) -> bytes:
        return self._journal.image(image.digest) if image.kind in ("file", "link") else b""


def _order(leg: Leg) -> tuple[int, int, str]:
    """Removals first, the deepest first; then what is made, folders before what is in them."""
    if leg.then.kind == "absent":
        return 0, -leg.path.count("/"), leg.path
    return 1, 0, leg.path


def _way(direction: str) -> e.Direction:
    return "redo" if direction == "redo" else "undo"


def _chosen(
    found: Sequence[Checkpoint],
    recorded: Sequence[e.Recorded],
    session: Session,
    direction: str,
    wish: Wish,
) -> tuple[str, ...]:
    """Return the calls that a wish means, the oldest first. Raises `CommandRefused`."""
    if session.restoring is not None:
        return session.restoring.calls
    gone = {call for group in session.undone for call in group}
    standing = [one for one in found if one.effective or one.open_tree]
    if direction == "redo":
        return _redoable(standing, session, gone)
    left = [one.call_id for one in standing if one.call_id not in gone]
    if not left:
        raise CommandRefused(
            "There is nothing to undo: this session changed no file that is covered."
        )
    if wish.call_id:
        if wish.call_id not in left:
            raise CommandRefused(
                f"Call {wish.call_id!r} changed nothing that can be undone; there are: {', '.join(left[-10:])}."
            )
        return tuple(left[left.index(wish.call_id) :])
    if wish.turn:
        turns = _turns(recorded)
        last = turns.get(left[-1], 0)
        return tuple(call for call in left if turns.get(call, 0) == last)
    return tuple(left[-wish.steps :])


def _redoable(standing: Sequence[Checkpoint], session: Session, gone: set[str]) -> tuple[str, ...]:
    if not session.undone:
        raise CommandRefused("There is nothing to redo: nothing was undone.")
    group = session.undone[-1]
    order = [one.call_id for one in standing]
    later = order[order.index(group[-1]) + 1 :] if group[-1] in order else []
    if fresh := [call for call in later if call not in gone]:
        raise CommandRefused(
            f"There is nothing to redo: call {fresh[0]!r} changed files after the undo."
        )
    return group


def _turns(recorded: Sequence[e.Recorded]) -> dict[str, int]:
    """Return for each call the number of its turn."""
    turns: dict[str, int] = {}
    turn = 0
    for item in recorded:
        if isinstance(item.event, e.TurnStarted):
            turn += 1
        elif isinstance(item.event, e.ToolStarted):
            turns[item.event.call_id] = turn
    return turns


def place_before(recorded: Sequence[e.Recorded], call_id: str, *, turn: bool) -> int:
    """Return the last event before the step (or the turn) that made a call: where a fork forgets it."""
    place, step, started = 0, 0, 0
    queued: dict[str, int] = {}
    for item in recorded:
        match item.event:
            case e.InputQueued(input_id):
                queued[input_id] = item.seq
            case e.TurnStarted():
                started = item.seq
            case e.InputDelivered(input_id) if started == item.seq - 1:
                # Words that came with the turn go with it; words that waited before it stay.
                started = (
                    queued.get(input_id, started)
                    if queued.get(input_id) == started - 1
                    else started
                )
            case e.StepStarted(1):
                step = item.seq
            case e.StepFinished(message) if any(c.call_id == call_id for c in message.calls):
                place = (started if turn else step) - 1
            case _:
                pass
    if place < 1:
        raise CommandRefused(f"There is no call {call_id!r} in this session.")
    return place


def _note(outcome: Outcome) -> str:
    """Return what the model has to know, in a few lines."""
    if not outcome.paths and not outcome.conflicts:
        return ""
    undone = outcome.plan.direction == "undo"
    calls = ", ".join(outcome.plan.calls[-10:])
    said = "took back" if undone else "did again"
    lines = [f"Note from the host: the person {said} what your calls {calls} changed in files."]
    if outcome.paths:
        lines.append(f"{'Put back' if undone else 'Changed again'}: {_named(outcome.paths)}.")
    if outcome.conflicts:
        kept = _named([one.path for one in outcome.conflicts])
        lines.append(f"Left as they are, because they were changed since: {kept}.")
    lines.append("Read a file again before you change it.")
    return "\n".join(lines)


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    return ", ".join(paths[:MAX_NAMED]) + more
