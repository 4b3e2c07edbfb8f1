"""Undo as a service: crashes at every point of a restore, broken chains, groups of calls."""

import asyncio

import pytest

from hob.core import events as e
from hob.core.checkpoints import ABSENT, Checkpoint, Image, Leg, Touched, redoing, undoing
from hob.core.checkpoints import Change as C
from hob.core.errors import CommandRefused
from hob.core.messages import AssistantMessage, ToolCall, ToolResult
from hob.loop.log import Log
from hob.sandboxes.images import WorkspaceImages
from hob.sessions.undo import Undo, Wish
from hob.stores.checkpoints import FileJournal
from loop.house import AGENT, Crash, TestClock, TornStore


class Numbers:
    def __init__(self) -> None:
        self.n = 0

    def new_id(self, prefix: str) -> str:
        self.n += 1
        return f"{prefix}-{self.n}"


def image(journal: FileJournal, text: str) -> Image:
    return Image("file", journal.keep(text.encode()), 0o644, len(text))


class Dying(WorkspaceImages):
    """Dies at the n-th change of a file, before or after it."""

    def __init__(self, root: str, at: int, after: bool) -> None:
        super().__init__(root)
        self.left, self.after_it = at, after

    def put(self, path: str, image: Image, data: bytes) -> None:
        self.left -= 1
        if self.left == 0 and not self.after_it:
            raise Crash
        super().put(path, image, data)
        if self.left == 0:
            raise Crash


class Place:
    def __init__(self, folder) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self.journal = FileJournal(folder / "journal")
        self.store = TornStore()
        for name in ("a", "b", "c"):
            before = image(self.journal, "old\n") if name != "c" else ABSENT
            self.journal.add([Touched("1.0", name, before, image(self.journal, "new\n"))])
            (self.work / name).write_text("new\n")

    def undo(self, images=None) -> Undo:
        made = images or (lambda root: WorkspaceImages(root))
        return Undo(self.store, TestClock(), Numbers(), lambda _: self.journal, made)

    async def session(self) -> None:
        log = await Log.open(self.store, TestClock(), "s", lambda _: None)
        call = ToolCall("1.0", "write", "{}")
        await log.commit(
            "s",
            lambda _: (
                e.SessionStarted("s", str(self.work), AGENT),
                e.InputQueued("i", "go"),
                e.TurnStarted(),
                e.InputDelivered("i"),
                e.StepStarted(1),
                e.StepFinished(AssistantMessage(calls=(call,), stop="calls")),
                e.ToolStarted("1.0"),
                e.ToolFinished("1.0", ToolResult("done")),
                e.StepStarted(1),
                e.StepFinished(AssistantMessage("Done.")),
                e.TurnFinished("done"),
            ),
        )

    def tree(self) -> dict[str, str]:
        return {p.name: p.read_text() for p in self.work.iterdir()}


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True])
def test_killed_in_the_middle_the_next_one_finishes_it_and_nothing_more(tmp_path, at, after):
    async def main():
        place = Place(tmp_path)
        await place.session()
        dying = place.undo(lambda root: Dying(root, at, after))
        with pytest.raises(Crash):
            await dying.restore("s", "undo", Wish())
        outcome = await place.undo().restore("s", "undo", Wish())
        assert outcome.plan.resumed
        assert outcome.conflicts == ()
        assert place.tree() == {"a": "old\n", "b": "old\n"}
        with pytest.raises(CommandRefused, match="nothing to undo"):
            await place.undo().restore("s", "undo", Wish())
        await place.undo().restore("s", "redo", Wish())
        assert place.tree() == dict.fromkeys("abc", "new\n")
        kinds = [type(r.event).__name__ for r in await place.store.recorded()][-4:]
        assert kinds == ["RestoreStarted", "RestoreFinished"] * 2

    asyncio.run(main())


@pytest.mark.parametrize("seq", [11, 12])
def test_killed_before_the_intent_or_before_the_end_is_stored(tmp_path, seq):
    async def main():
        place = Place(tmp_path)
        await place.session()
        place.store.crash_at = seq
        with pytest.raises(Crash):
            await place.undo().restore("s", "undo", Wish())
        # Without a stored intent nothing was touched; with one, all of it is done.
        assert (place.tree()["a"] == "new\n") is (seq == 11)
        place.store.crash_at = None
        await place.undo().restore("s", "undo", Wish())
        assert place.tree() == {"a": "old\n", "b": "old\n"}

    asyncio.run(main())


def test_a_chain_that_somebody_else_broke_ends_there():
    one, two, three, four = (Image("file", str(n), 0o644) for n in range(4))

    def checkpoint(call: str, before: Image, after: Image) -> Checkpoint:
        return Checkpoint(call, {"a": C("a", before, after)})

    whole = [checkpoint("1", one, two), checkpoint("2", two, three)]
    assert undoing(whole) == [Leg("a", three, one)]
    assert redoing(whole) == [Leg("a", one, three)]
    broken = [checkpoint("1", one, two), checkpoint("2", three, four)]
    assert undoing(broken) == [Leg("a", four, three, broken=True)]


def test_new_changes_end_the_redo(tmp_path):
    async def main():
        place = Place(tmp_path)
        await place.session()
        await place.undo().restore("s", "undo", Wish())
        place.journal.add([Touched("2.0", "d", ABSENT, image(place.journal, "d\n"))])
        with pytest.raises(CommandRefused, match="changed files after the undo"):
            await place.undo().restore("s", "redo", Wish())

    asyncio.run(main())
