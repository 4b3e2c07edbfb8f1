"""What a session tells its followers: first all since a place in the log, then what comes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from hob.core.codec import open_entry
from hob.core.deltas import Delta
from hob.core.events import Recorded
from hob.core.ports import Store

MAX_WAITING = 4096  # items that may wait for one slow follower


class Feed:
    """One session's fan-out. `tell` is called by the log, after the store has the event."""

    def __init__(self, store: Store, session_id: str) -> None:
        self._store, self._session_id = store, session_id
        self._followers: set[_Follower] = set()
        self._closed = False

    def tell(self, item: Recorded | Delta) -> None:
        """Hand an event or a delta to everybody who follows."""
        for follower in self._followers:
            follower.put(item)

    def close(self) -> None:
        """End all followers once they have read what waits for them."""
        self._closed = True
        for follower in self._followers:
            follower.wake.set()

    async def follow(self, after: int = 0) -> AsyncGenerator[Recorded | Delta, None]:
        """Yield every event with a sequence number above `after`, in order, none twice, and live deltas between.

        A follower that falls too far behind loses deltas, never events: those it reads again from the log.
        """
        follower = _Follower(after)
        self._followers.add(follower)
        try:
            while not (self._closed and follower.settled):
                async for item in self._next(follower):
                    yield item
                if not self._closed:
                    await follower.wake.wait()
                    follower.wake.clear()
        finally:
            self._followers.discard(follower)

    async def _next(self, follower: "_Follower") -> AsyncGenerator[Recorded | Delta, None]:
        """Yield what there is now: first from the log if the follower is behind it, then what waits."""
        if follower.behind:
            follower.behind = False
            for entry in await self._store.read(self._session_id, follower.after):
                follower.after = entry.seq
                yield open_entry(entry)
        while follower.waiting:
            item = follower.waiting.popleft()
            if not isinstance(item, Recorded):
                yield item
            elif item.seq == follower.after + 1:
                follower.after = item.seq
                yield item
            elif item.seq > follower.after:  # something was left out before it
                follower.behind = True
                follower.wake.set()


class _Follower:
    """The waiting line of one follower, bounded. `after` is the last event it has heard."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.waiting: deque[Recorded | Delta] = deque()
        self.wake = asyncio.Event()
        self.behind = True  # has to read the log first

    @property
    def settled(self) -> bool:
        """Tell whether everything there is has been taken."""
        return not self.waiting and not self.behind

    def put(self, item: Recorded | Delta) -> None:
        """Add an item, or note that the follower has to read the log again."""
        if len(self.waiting) < MAX_WAITING:
            self.waiting.append(item)
        elif isinstance(item, Recorded):
            self.behind = True
        self.wake.set()
