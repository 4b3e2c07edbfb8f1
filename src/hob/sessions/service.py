"""Make, open, list, fork, name and delete sessions."""

import re
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from hob.core import events as e
from hob.core.agent import Agent
from hob.core.codec import open_entry, seal
from hob.core.errors import CommandRefused, HobError, SessionNotFound
from hob.core.messages import UserMessage, is_conversation
from hob.core.ports import Clock, Entry, Ids, Shelf, Store
from hob.core.session import Session, fold
from hob.loop.log import Log, whole
from hob.loop.perform import Performer
from hob.sessions.actor import Actor
from hob.sessions.feed import Feed

Equip = Callable[[Session], Performer]

TITLE_LENGTH = 72
MIN_NAME = 4
_ID = re.compile(r"[a-z0-9-]{1,64}")


class Summary(Struct, frozen=True):
    """One line of the list of sessions. Times in ms since the epoch."""

    session_id: str
    title: str
    workspace: str
    created_at: int
    updated_at: int
    steps: int
    outcome: str


class Sessions:
    """All sessions of one store. `equip` gives a session its model, tools and guard.

    `forget` lets go of what is kept of a session elsewhere, when it is deleted.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        equip: Equip,
        forget: Callable[[str], None] | None = None,
    ) -> None:
        self._store, self._clock, self._ids, self._equip = store, clock, ids, equip
        self._forget = forget

    async def create(self, workspace: str, agent: Agent) -> Actor:
        """Begin a session in a workspace (an absolute path)."""
        session_id = self._ids.new_id("s")
        started = e.SessionStarted(session_id, workspace, agent)
        return await self._actor(session_id, started)

    async def open(self, session_id: str) -> Actor:
        """Open a stored session for work. Raises `SessionNotFound`, `SessionBusy`."""
        return await self._actor(await self.find(session_id), None)

    async def _actor(self, session_id: str, started: e.SessionStarted | None) -> Actor:
        claim = self._store.claim(session_id)
        try:
            feed = Feed(self._store, session_id)
            log = await Log.open(self._store, self._clock, session_id, feed.tell)
            if started:
                await log.commit(session_id, lambda _: (started,))
            elif log.session.session_id != session_id:
                raise SessionNotFound(f"Session {session_id!r} has no events: it was removed.")
            else:
                await log.reopen()
            return Actor(log, feed, self._equip(log.session), claim)
        except BaseException:
            claim.release()
            raise

    async def find(self, name: str) -> str:
        """Return the id for an id, the beginning or end of one, or a session's name. Raises `SessionNotFound`."""
        shelves = await self._store.shelves()
        if any(shelf.session_id == name for shelf in shelves):
            return name
        ids = [shelf.session_id for shelf in shelves] if len(name) >= MIN_NAME else []
        hits = [one for one in ids if one.startswith(name) or one.endswith(name)]
        if not hits and name:
            hits = [s.session_id async for s in self.summaries() if s.title == name]
        if len(hits) > 1:
            raise SessionNotFound(
                f"{name!r} fits {len(hits)} sessions: {', '.join(hits[:5])}. Give more of the id."
            )
        if not hits:
            raise SessionNotFound(f"There is no session {name!r}; see `hob sessions list`.")
        return hits[0]

    async def load(self, session_id: str) -> Session:
        """Return a session as it is stored, without opening it for work. Raises `HobError`."""
        return fold(map(open_entry, whole(session_id, await self._store.read(session_id))))

    async def recorded(self, session_id: str) -> Sequence[e.Recorded]:
        """Return all events of a session. Raises `SessionNotFound`."""
        return [open_entry(entry) for entry in whole(session_id, await self.entries(session_id))]

    async def entries(self, session_id: str) -> Sequence[Entry]:
        """Return the stored bytes of a session, for export. Raises `SessionNotFound`."""
        entries = await self._store.read(await self.find(session_id))
        if not entries:
            raise SessionNotFound(f"There is no session {session_id!r}.")
        return entries

    async def summaries(self, workspace: str = "") -> AsyncGenerator[Summary, None]:
        """Yield what is worth listing, the last changed session first, of one workspace or all."""
        for shelf in await self._store.shelves():
            try:
                summary = _summary(shelf, await self.load(shelf.session_id))
            except HobError as error:  # one damaged session must not hide the others
                summary = Summary(
                    shelf.session_id,
                    str(error),
                    "",
                    shelf.created_at,
                    shelf.updated_at,
                    0,
                    "damaged",
                )
            if not workspace or summary.workspace in (workspace, ""):
                yield summary

    async def latest(self, workspace: str) -> str:
        """Return the id of the last changed session of a workspace. Raises `SessionNotFound`."""
        async for summary in self.summaries(workspace):
            if summary.outcome != "damaged":
                return summary.session_id
        raise SessionNotFound(
            f"There is no session in {workspace!r} yet: start one with `hob run`."
        )

    async def fork(self, session_id: str, at: int | None = None) -> str:
        """Copy a session up to and including event `at` (default: all) under a new id, and return that."""
        entries = await self.entries(session_id)
        first = open_entry(entries[0]).event
        place = entries[-1].seq if at is None else at
        if not isinstance(first, e.SessionStarted) or not 1 <= place <= entries[-1].seq:
            raise CommandRefused(
                f"Session {session_id!r} has the events 1 to {entries[-1].seq}; {place} is none."
            )
        child = self._ids.new_id("s")
        head = replace(first, session_id=child, parent_id=first.session_id, forked_at=place)
        await self._store.append(child, _with_head(entries[:place], head), True)
        return child

    async def receive(self, entries: Sequence[Entry], workspace: str) -> str:
        """Store an imported log as one of this workspace, under a new id if its own is taken; return the id.

        The file does not choose where it works. Raises `HobError` for a log that is no conversation.
        """
        first = open_entry(entries[0]).event
        if not isinstance(first, e.SessionStarted):
            raise HobError("The file does not begin with a session_started event.")
        if not is_conversation(fold(map(open_entry, entries)).messages):
            raise HobError(
                "The events in the file do not make a conversation: calls lack their results."
            )
        first = replace(first, workspace=workspace)
        taken = {shelf.session_id for shelf in await self._store.shelves()}
        # An id becomes a file name (the lock): one that we did not make is never trusted.
        if first.session_id in taken or not _ID.fullmatch(first.session_id):
            first = replace(first, session_id=self._ids.new_id("s"), parent_id=first.session_id)
        await self._store.append(first.session_id, _with_head(entries, first), True)
        return first.session_id

    async def rename(self, session_id: str, name: str) -> None:
        """Give a session a name. Raises `SessionBusy` while another process works in it."""
        claim = self._store.claim(session_id)
        try:
            log = await Log.open(self._store, self._clock, session_id, lambda _: None)
            if log.session.session_id != session_id:
                raise SessionNotFound(f"There is no session {session_id!r}.")
            await log.commit(session_id, lambda _: (e.SessionNamed(name),))
        finally:
            claim.release()

    async def delete(self, session_id: str) -> None:
        """Forget a session. Raises `SessionNotFound`, `SessionBusy`."""
        claim = self._store.claim(session_id)
        try:
            await self._store.delete(session_id)
            if self._forget is not None:
                self._forget(session_id)
        finally:
            claim.release()


def _with_head(entries: Iterable[Entry], head: e.SessionStarted) -> list[Entry]:
    first, *rest = entries
    return [Entry(1, first.at, seal(head)[1]), *rest]


def _summary(shelf: Shelf, session: Session) -> Summary:
    said = next((m.text for m in session.messages if isinstance(m, UserMessage)), "") or next(
        (q.text for q in session.queue), ""
    )
    title = session.name or " ".join(said.split())[:TITLE_LENGTH]
    outcome = session.outcome or ("new" if session.phase == "idle" else "unfinished")
    return Summary(
        shelf.session_id,
        title,
        session.workspace,
        shelf.created_at,
        shelf.updated_at,
        session.totals.steps,
        outcome,
    )
