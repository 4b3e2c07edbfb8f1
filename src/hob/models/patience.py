"""How long to wait for a model server in each phase of a call, and the waiting itself, which costs next to nothing.

connect   until the server takes the connection
load      while it says that it is loading the model
prefill   from there to the first words: it reads the prompt
answer    silence between two pieces of the answer
settle    after a finished answer, until the connection is closed
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from hob.core.deltas import Delta, Notice
from hob.core.errors import ModelError
from hob.models.address import is_loopback
from hob.models.progress import Progress, Sight

_LONGEST_PAUSE_S = 60.0
_LOOK_S = 1.0  # for one look at what the server is doing
_LOADING_S = 10.0  # a sight of a loading server counts as long as that


class Patience(Struct, frozen=True):
    """Limits in seconds; None: none. There is never a limit on the whole answer.

    `load_s` is for a server that says that it is loading the model. `first_token_s` is the silence
    before the first words: it runs from sending the request, or from the last sign that the server
    loads or reads on (heartbeats are none). `between_tokens_s` is silence in the middle, `settle_s`
    is how long a finished answer may keep the connection open, `notice_s` is the wait before the
    first word to the person.
    """

    connect_s: float | None = 5.0
    load_s: float | None = 1800.0
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
    base_url: str,
    first_token_s: float | None,
    between_tokens_s: float | None,
    load_s: float | None = None,
) -> Patience:
    """Return the usual patience with a server, changed where somebody gave a limit (seconds)."""
    usual = LOCAL if is_loopback(base_url) else REMOTE
    return replace(
        usual,
        load_s=load_s or usual.load_s,
        first_token_s=first_token_s or usual.first_token_s,
        between_tokens_s=between_tokens_s or usual.between_tokens_s,
    )


class Watch:
    """Keeps the limits of one model call. Make it inside the running loop, `close` it at the end."""

    def __init__(
        self,
        patience: Patience,
        deadline_s: float | None,
        server: str,
        progress: Progress | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._server = server
        self._progress = progress
        self._limit_s = patience.between_tokens_s
        self.started_at = self._loop.time()
        self._deadline_at = None if deadline_s is None else self.started_at + deadline_s
        self._pause_s = patience.notice_s
        self._notice_at = self.started_at + self._pause_s
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._since = self.started_at
        self._loading_at: float | None = None
        self._sight: Sight | None = None
        self._cancels_before = 0
        self._fired = False

    def elapsed_s(self) -> float:
        """Return the seconds since the call began."""
        return self._loop.time() - self.started_at

    def loading(self) -> None:
        """Note that the server has just said that it is loading the model. Raises at the limit."""
        self._loading_at = self._since = self._loop.time()
        limit_s = self._patience.load_s
        if limit_s is not None and self.elapsed_s() >= limit_s:
            raise _timeout(
                self._server,
                f"was still loading the model after {_seconds(self.elapsed_s())}",
                "look at its log and whether the model fits its memory, or raise HOB_LOAD_TIMEOUT",
            )

    def hear(self, deltas: Sequence[Delta]) -> None:
        """Note whether the server has said by itself how far it is, so that nobody need look or wonder."""
        if any(isinstance(delta, Notice) for delta in deltas):
            self._since = self._loop.time()
            self._notice_at = max(self._notice_at, self._since + self._pause_s)

    async def notices(self, job: asyncio.Future[Any]) -> AsyncGenerator[Notice]:
        """Wait for a job before the first token, and yield what the person should know meanwhile.

        Raises `ModelError` (timeout) at the limit; the job is then still running.
        """
        while not await self._arrived(job):
            if notice := await self._notice(job):
                yield notice

    async def _arrived(self, job: asyncio.Future[Any]) -> bool:
        """Wait for a job: True when it is done, False when a notice is due. Raises `ModelError`."""
        while not job.done():
            now = self._loop.time()
            self._keep_deadline(now)
            limit_at = self._first_token_at()
            if limit_at is not None and now >= limit_at:
                await self._look_at_server(job)
                if (limit_at := self._first_token_at()) is not None and now >= limit_at:
                    raise _no_first_token(self._server, self._sight, now - self._since)
                continue
            if now >= self._notice_at:
                return False
            ends = [at for at in (limit_at, self._deadline_at, self._notice_at) if at is not None]
            await asyncio.wait({job}, timeout=max(0.0, min(ends) - now))
        return True

    async def _notice(self, job: asyncio.Future[Any]) -> Notice | None:
        """Return what to tell the person now, None if the job is done by then.

        The next is due after twice the time, a minute at most.
        """
        await self._look_at_server(job)
        if job.done():
            return None
        now = self._loop.time()
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._notice_at = now + self._pause_s
        waited_s = now - self.started_at
        if self._sight is not None:
            return Notice(f"{self._server} {self._sight.words}.")
        if self._loading_at is not None and now - self._loading_at < _LOADING_S:
            return Notice(f"{self._server} is loading the model, since {waited_s:.0f} s.")
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
            now = self._loop.time()
            self._keep_deadline(now)
            raise _timeout(
                self._server,
                f"fell silent in its answer for {_seconds(now - self._since)}",
                "look whether it still works, or raise HOB_TOKEN_TIMEOUT",
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
        return None if limit_s is None else self._since + limit_s

    async def _look_at_server(self, job: asyncio.Future[Any]) -> None:
        """See what the server is doing, unless the answer comes first. What moves is not silent."""
        if self._progress is None:
            return
        look = asyncio.ensure_future(self._progress())
        try:
            await asyncio.wait({job, look}, timeout=_LOOK_S, return_when="FIRST_COMPLETED")
        finally:
            if not look.done():
                look.cancel()
                await asyncio.wait({look})
        sight = None if look.cancelled() else look.result()
        if sight is not None and sight.phase == "load":
            self.loading()
        elif sight is not None and (self._sight is None or sight.done > self._sight.done):
            self._since = self._loop.time()
        self._sight = sight

    def _keep_deadline(self, now: float) -> None:
        if self._deadline_at is not None and now >= self._deadline_at:
            raise _timeout(
                self._server,
                f"was not done when the time of the turn was over, after {_seconds(self.elapsed_s())}",
                "give the turn more time, or a smaller task",
            )


def _no_first_token(server: str, sight: Sight | None, waited_s: float) -> ModelError:
    step = "look whether it still works, or raise HOB_FIRST_TOKEN_TIMEOUT"
    if sight is not None:
        return _timeout(
            server,
            f"said nothing for {_seconds(waited_s)} and got no further; when last seen it "
            f"{sight.words.replace('is', 'was', 1)}",
            step,
        )
    return _timeout(
        server,
        f"took the request and said nothing for {_seconds(waited_s)}: no first token, so it was "
        "loading the model or reading the prompt",
        step,
    )


def _timeout(server: str, what: str, step: str) -> ModelError:
    return ModelError("timeout", f"{server} {what}; {step}.")


def _seconds(seconds: float) -> str:
    return f"{seconds:.{0 if seconds >= 10 else 1}f} s"
