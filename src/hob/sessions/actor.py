"""The one writer of a session: commands in, a running loop, events out."""

import asyncio
from collections.abc import AsyncGenerator

from hob.core import events as e
from hob.core.admit import admit
from hob.core.commands import Command
from hob.core.deltas import Delta, Notice
from hob.core.ports import Claim
from hob.core.session import Session
from hob.loop.log import Log
from hob.loop.loop import run
from hob.loop.perform import Performer
from hob.sessions.feed import Feed


class Actor:
    """A session that is open for work. Close it: its claim keeps other processes out."""

    def __init__(self, log: Log, feed: Feed, performer: Performer, claim: Claim) -> None:
        self._log, self._feed, self._performer, self._claim = log, feed, performer, claim
        self._again = asyncio.Event()
        self._resting = asyncio.Event()
        self.notes: list[str] = []  # what was done after turns, in words for people
        self._worker: asyncio.Task[None] | None = None

    @property
    def session(self) -> Session:
        """Return the session as it is now."""
        return self._log.session

    async def send(self, command: Command) -> None:
        """Carry out a command: when this returns, what it amounts to is on disk. Raises `CommandRefused`."""
        await self._log.commit(self.session.session_id, lambda s: admit(s, command))
        self.wake()

    def follow(self, after: int = 0) -> AsyncGenerator[e.Recorded | Delta, None]:
        """Yield events after a sequence number, then what comes."""
        return self._feed.follow(after)

    def wake(self) -> None:
        """Let the loop look whether there is something to do (also what a crash left open)."""
        self._again.set()
        self._resting.clear()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    async def rest(self) -> Session:
        """Wait until there is nothing to do or a person has to decide. Raises what broke the loop."""
        if self._worker is None:
            return self.session
        resting = asyncio.ensure_future(self._resting.wait())
        try:
            await asyncio.wait((resting, self._worker), return_when=asyncio.FIRST_COMPLETED)
        finally:
            resting.cancel()
        if self._worker.done():
            self._worker.result()
        return self.session

    async def aclose(self) -> None:
        """Stop where it is and let go; a step or call under way is left as an intent without a result."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait((self._worker,))
        self._feed.close()
        await self._performer.aclose()
        self._claim.release()

    async def _work(self) -> None:
        try:
            while True:
                self._again.clear()
                await run(self._log, self._performer)
                if note := await self._performer.after_turn(self.session):
                    self.notes.append(note)
                    self._log.tell(Notice(note))
                if not self._again.is_set():
                    self._resting.set()
                await self._again.wait()
        finally:
            self._feed.close()
