"""What a session tells its followers: first everything since a place in the log, then what comes."""

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
        follower = _Follower()
        self._followers.add(follower)
        behind = True
        try:
            while True:
                if behind:
                    for entry in await self._store.read(self._session_id, after):
                        after = entry.seq
                        yield open_entry(entry)
                for item in follower.take():
                    if not isinstance(item, Recorded):
                        yield item
                    elif item.seq > after:
                        after = item.seq
                        yield item
                behind = follower.overrun
                follower.overrun = False
                if behind or follower.waiting:
                    continue
                if self._closed:
                    return
                await follower.wake.wait()
                follower.wake.clear()
        finally:
            self._followers.discard(follower)


class _Follower:
    """The waiting line of one follower, bounded."""

    def __init__(self) -> None:
        self.waiting: deque[Recorded | Delta] = deque()
        self.wake = asyncio.Event()
        self.overrun = False

    def put(self, item: Recorded | Delta) -> None:
        """Add an item, or note that the follower has to read the log again."""
        if len(self.waiting) < MAX_WAITING:
            self.waiting.append(item)
        elif isinstance(item, Recorded):
            self.overrun = True
        self.wake.set()

    def take(self) -> list[Recorded | Delta]:
        """Empty the line."""
        items = list(self.waiting)
        self.waiting.clear()
        return items
