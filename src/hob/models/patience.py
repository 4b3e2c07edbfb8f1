"""How long to wait for a model server, and the waiting itself, which costs next to nothing."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from hob.core.deltas import Notice
from hob.core.errors import ModelError
from hob.models.address import is_loopback

_LONGEST_PAUSE_S = 60.0


class Patience(Struct, frozen=True):
    """Limits in seconds; None: none. There is never a limit on the whole answer.

    `first_token_s` runs from sending the request to the first words (heartbeats do not count),
    `between_tokens_s` is silence in the middle, `settle_s` is how long a finished answer may keep
    the connection open, `notice_s` is the wait before the first word to the person.
    """

    connect_s: float | None = 5.0
    first_token_s: float | None = None
    between_tokens_s: float | None = 900.0
    settle_s: float = 2.0
    notice_s: float = 5.0


# Loading a model from disk and reading a long prompt can take any time on one's own machine, and
# some servers (Ollama, vLLM with some tool parsers) keep a tool call back until it is whole: a large
# file at 10 tokens a second is minutes of silence. A local server that dies closes its sockets, so
# long limits cost nothing there.
# They are not infinite: a server that hangs must not hold up a whole night. An hour is more than the longest
# prompt reading that users report (2,400 s).
LOCAL = Patience(first_token_s=3600.0)
REMOTE = Patience(first_token_s=600.0, between_tokens_s=300.0)


def patience_for(
    base_url: str, first_token_s: float | None, between_tokens_s: float | None
) -> Patience:
    """Return the usual patience with a server, changed where somebody gave a limit (seconds)."""
    usual = LOCAL if is_loopback(base_url) else REMOTE
    return replace(
        usual,
        first_token_s=first_token_s or usual.first_token_s,
        between_tokens_s=between_tokens_s or usual.between_tokens_s,
    )


class Watch:
    """Keeps the limits of one model call. Make it inside the running loop, `close` it at the end."""

    def __init__(self, patience: Patience, deadline_s: float | None, server: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._server = server
        self._limit_s = patience.between_tokens_s
        self.started_at = self._loop.time()
        self._deadline_at = None if deadline_s is None else self.started_at + deadline_s
        self._pause_s = patience.notice_s
        self._notice_at = self.started_at + self._pause_s
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._since = self.started_at
        self._cancels_before = 0
        self._fired = False

    def elapsed_s(self) -> float:
        """Return the seconds since the call began."""
        return self._loop.time() - self.started_at

    async def arrived(self, job: asyncio.Future[Any]) -> bool:
        """Wait for a job before the first token: True when it is done, False when a notice is due.

        Raises `ModelError` (timeout) at the limit; the job is then still running.
        """
        ends = [at for at in (self._first_token_at(), self._deadline_at) if at is not None]
        until = min([*ends, self._notice_at])
        done, _ = await asyncio.wait({job}, timeout=max(0.0, until - self._loop.time()))
        if done:
            return True
        now = self._loop.time()
        if ends and now >= min(ends):
            raise self._timeout("said nothing", now - self.started_at)
        return False

    def notice(self) -> Notice:
        """Return what to tell the person now; the next is due after twice the time, a minute at most."""
        now = self._loop.time()
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._notice_at = now + self._pause_s
        waited_s = now - self.started_at
        return Notice(
            f"{self._server} has been silent for {waited_s:.0f} s: "
            "it is loading the model or reading the prompt."
        )

    async def read(self, reading: Awaitable[bytes | None]) -> bytes | None:
        """Await the next piece of an answer that has begun.

        Raises `ModelError` (timeout) after too long a silence. One timer serves the whole answer:
        it looks when the last piece came and sleeps on, so a piece costs no timer of its own.
        """
        self._reader = asyncio.current_task()
        self._since = self._loop.time()
        if self._timer is None:
            self._arm()
        try:
            return await reading
        except asyncio.CancelledError:
            if not self._fired or self._reader is None:
                raise
            if self._reader.uncancel() > self._cancels_before:
                raise  # somebody else cancelled too, and that goes first
            raise self._timeout(
                "fell silent in its answer", self._loop.time() - self._since
            ) from None
        finally:
            self._reader = None

    def settle(self, limit_s: float) -> None:
        """Wait at most this long from now on, because the answer is complete."""
        self._limit_s = limit_s
        self.close()

    def close(self) -> None:
        """Let the timer go."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        ends = [] if self._deadline_at is None else [self._deadline_at]
        if self._limit_s is not None:
            ends.append(self._since + self._limit_s)
        if ends:
            self._timer = self._loop.call_at(min(ends), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._reader is None:
            return  # the consumer is at work; the next read arms the timer again
        now = self._loop.time()
        silent = self._limit_s is not None and now >= self._since + self._limit_s
        late = self._deadline_at is not None and now >= self._deadline_at
        if not silent and not late:
            self._arm()
            return
        self._fired = True
        self._cancels_before = self._reader.cancelling()
        self._reader.cancel()

    def _first_token_at(self) -> float | None:
        limit_s = self._patience.first_token_s
        return None if limit_s is None else self.started_at + limit_s

    def _timeout(self, what: str, waited_s: float) -> ModelError:
        return ModelError(
            "timeout",
            f"{self._server} {what} for {waited_s:.{0 if waited_s >= 10 else 1}f} s; "
            "look whether it still works, or raise the limit.",
        )
