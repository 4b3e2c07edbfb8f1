"""Decide, append, fold, tell: one critical section, so that no decision is made on a stale session."""

import asyncio
from collections.abc import Callable, Sequence

from hob.core import events as e
from hob.core.codec import open_entry, seal
from hob.core.deltas import Delta
from hob.core.effects import Effect, Record
from hob.core.errors import HobError, InvariantBroken
from hob.core.ports import Clock, Entry, Store
from hob.core.session import Session, fold, reduce

Tell = Callable[[e.Recorded | Delta], None]
Decide = Callable[[Session], Sequence[e.Event]]

MAX_RECORDS = 10_000  # more than any backlog of inputs; a plan that never gets beyond it is a bug


class Log:
    """The one writer of one session. `session` is always the fold of what the store holds."""

    def __init__(self, store: Store, clock: Clock, session: Session, tell: Tell) -> None:
        self.session = session
        self.tell = tell
        self.cancelled = asyncio.Event()
        self._store, self._clock = store, clock
        self._line = asyncio.Lock()
        self._broken = False
        self._watch_cancel()

    @classmethod
    async def open(cls, store: Store, clock: Clock, session_id: str, tell: Tell) -> "Log":
        """Return the log of a session, stored or new. Raises `HobError` if it is not whole."""
        entries = whole(session_id, await store.read(session_id))
        return cls(store, clock, fold(map(open_entry, entries)), tell)

    async def reopen(self) -> None:
        """Say that this process takes up what another one left unfinished, if it did."""
        await self.commit(
            self.session.session_id,
            lambda s: () if s.phase == "idle" else (e.SessionReopened(),),
        )

    async def commit(self, session_id: str, decide: Decide) -> Sequence[e.Recorded]:
        """Write what `decide` makes of the session as it is now, and return it as recorded."""
        async with self._line:
            return await self._append(session_id, decide(self.session), self._now())

    async def advance(self, facts: Sequence[e.Event], plan: Callable[[Session], Effect]) -> Effect:
        """Write facts, choose the next effect and write its intent: all in one append.

        Effects that only record are chained, so that what comes back is something to perform.
        """
        async with self._line:
            now = self._now()
            pending = list(facts)
            session = _ahead(self.session, pending, now)
            for _ in range(MAX_RECORDS):
                effect = plan(session)
                pending.extend(effect.intent)
                if not isinstance(effect, Record):
                    await self._append(self.session.session_id, pending, now)
                    return effect
                session = _ahead(session, effect.intent, now)
            raise InvariantBroken(f"The plan only records: {pending[-3:]!r}")

    def _now(self) -> int:
        """Time never runs backwards inside a log, whatever the machine's clock does."""
        return max(self._clock.now_ms(), self.session.at)

    async def _append(
        self, session_id: str, events: Sequence[e.Event], now: int
    ) -> Sequence[e.Recorded]:
        if self._broken:
            raise InvariantBroken("An earlier write failed; open the session again.")
        if not events:
            return ()
        recorded: list[e.Recorded] = []
        entries: list[Entry] = []
        for place, event in enumerate(events, self.session.seq + 1):
            kept, body = seal(event)
            recorded.append(e.Recorded(place, now, kept))
            entries.append(Entry(place, now, body))
        # Once begun, a write is finished even if the caller is cancelled: the fold must not fall behind the disk.
        write = asyncio.ensure_future(self._store.append(session_id, entries, _durable(events)))
        interrupted = await _outlast(write)
        try:
            write.result()
        except BaseException:
            self._broken = True
            raise
        self.session = fold(recorded, self.session)
        self._watch_cancel()
        for one in recorded:
            self.tell(one)
        if interrupted:
            raise asyncio.CancelledError
        return recorded

    def _watch_cancel(self) -> None:
        if self.session.cancelling:
            self.cancelled.set()
        else:
            self.cancelled.clear()


def _ahead(session: Session, events: Sequence[e.Event], now: int) -> Session:
    for event in events:
        session = reduce(session, e.Recorded(session.seq + 1, now, event))
    return session


def whole(session_id: str, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries of one log if none is missing, else raise `HobError`."""
    for place, entry in enumerate(entries, 1):
        if entry.seq != place:
            raise HobError(
                f"The log of session {session_id!r} has no event {place}: go on from before the gap"
                f" with `hob sessions fork {session_id} --at {place - 1}`."
            )
    return entries


async def _outlast(write: "asyncio.Future[None]") -> bool:
    """Wait until a write is done and return whether somebody cancelled the waiting meanwhile."""
    interrupted = False
    while not write.done():
        try:
            await asyncio.wait((write,))
        except asyncio.CancelledError:
            interrupted = True
    return interrupted


def _durable(events: Sequence[e.Event]) -> bool:
    """Tell whether a batch must survive a power cut before anybody hears of it.

    What was acknowledged to a person, what is about to change the world, and its result. A model's
    answer with calls in it is followed at once by one of these; so a step pays for two syncs at most.
    """
    return any(map(_weighs, events))


def _weighs(event: e.Event) -> bool:
    match event:
        case e.StepStarted() | e.StepFailed() | e.Nudged() | e.InputDelivered() | e.TurnStarted():
            return False
        case e.StepFinished(message):
            return not message.calls
        case e.ToolStarted(_, replay):
            return replay == "never"
        case e.PermissionDecided(_, _, by):
            return by == "person"
        case _:
            return True
