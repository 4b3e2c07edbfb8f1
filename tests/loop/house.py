"""A small house for properties: a torn store, a scripted mind, tools that count, a guard by name."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import pairwise
from typing import Any

from hob.core import events as e
from hob.core.admit import admit
from hob.core.agent import Agent, Limits, ToolSpec
from hob.core.codec import open_entry
from hob.core.commands import Command, Decide
from hob.core.deltas import Delta, TextDelta
from hob.core.errors import ModelError
from hob.core.messages import (
    AssistantMessage,
    Message,
    Reply,
    ToolCall,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
)
from hob.core.permission import APPROVAL_REQUIRED, Action, Decision
from hob.core.ports import Entry, Report
from hob.core.request import Request
from hob.core.session import fold
from hob.core.tokens import estimate_message
from hob.core.transcript import is_strict
from hob.loop.log import Log
from hob.loop.loop import run
from hob.loop.perform import Performer
from hob.loop.toolbox import Toolbox
from hob.stores.memory import MemoryBlobs, MemoryStore

SCHEMA = '{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}'
SPECS = (
    ToolSpec("bad", "Denied.", SCHEMA, "execute", "never"),
    ToolSpec("read", "Read.", SCHEMA, "read", "safe"),
    ToolSpec("run", "Run.", SCHEMA, "execute", "never"),
    ToolSpec("write", "Write.", SCHEMA, "write", "never"),
)
AGENT = Agent("test", "Be good.", SPECS)


class Crash(BaseException):
    """The process dies here."""


class TornStore(MemoryStore):
    """Dies when its log would grow beyond `crash_at` events; the worst case keeps the events before that."""

    def __init__(self, crash_at: int | None = None) -> None:
        super().__init__()
        self.crash_at = crash_at

    async def append(self, session_id: str, entries: Sequence[Entry], durable: bool) -> None:
        await asyncio.sleep(0)
        kept = [x for x in entries if self.crash_at is None or x.seq <= self.crash_at]
        if kept:
            await super().append(session_id, kept, durable)
        if len(kept) < len(entries):
            raise Crash

    async def recorded(self) -> list[e.Recorded]:
        return [open_entry(entry) for entry in await self.read("s")]


class TestClock:
    """Time that passes only when somebody sleeps or asks."""

    __test__ = False

    def __init__(self) -> None:
        self.ms = 1_000_000

    def now_ms(self) -> int:
        self.ms += 1
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)
        await asyncio.sleep(0)


Say = Callable[[Sequence[Message]], AssistantMessage]


class Mind:
    """Answers as a function of the context: deterministic across restarts. `fail` calls fail first."""

    def __init__(self, say: Say, fail: int = 0) -> None:
        self.name = "mind"
        self.say, self.fail = say, fail
        self.seen: list[Request] = []

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        self.seen.append(request)
        await asyncio.sleep(0)
        if self.fail:
            self.fail -= 1
            raise ModelError("unreachable", "Down.")
        yield TextDelta("…")
        await asyncio.sleep(0)
        prompt = 10 + sum(map(estimate_message, request.messages))
        yield Reply(self.say(request.messages), Usage(prompt, 5, 3))

    async def aclose(self) -> None:
        pass


def script(steps: Sequence[Sequence[str]]) -> Say:
    """Step n calls the tools named in steps[n]; after the last, words end the turn."""

    def say(messages: Sequence[Message]) -> AssistantMessage:
        n = sum(isinstance(m, AssistantMessage) and m.stop != "cancelled" for m in messages)
        if n >= len(steps):
            return AssistantMessage(f"done {n}")
        calls = tuple(
            ToolCall("", name, f'{{"n": {n * 10 + i}}}') for i, name in enumerate(steps[n])
        )
        return AssistantMessage(f"step {n}", calls=calls, stop="calls")

    return say


class CountingTool:
    """Notes each run; the result depends on the arguments only."""

    def __init__(
        self, spec: ToolSpec, ran: list[tuple[str, Any]], store: TornStore | None = None
    ) -> None:
        self.spec, self.ran, self._store = spec, ran, store
        self.announced = True

    async def run(self, arguments: dict[str, Any], report: Report) -> ToolResult:
        if self._store:  # law 4: the intent is on disk before the effect
            started = [
                r.event for r in await self._store.recorded() if isinstance(r.event, e.ToolStarted)
            ]
            self.announced = self.announced and bool(started)
        self.ran.append((self.spec.name, arguments.get("n")))
        report("stdout", "working")
        await asyncio.sleep(0)
        return ToolResult(f"{self.spec.name} {arguments.get('n')} ok")


class NameGuard:
    """Denies `bad`, asks about the names it is given, allows the rest."""

    def __init__(self, ask: Sequence[str] = (), blocked: Sequence[str] = ()) -> None:
        self._ask, self._blocked = ask, blocked

    async def judge(self, action: Action) -> Decision:
        if action.tool in self._blocked:
            return Decision("deny", "test", "nobody there", APPROVAL_REQUIRED)
        if action.tool == "bad":
            return Decision("deny", "test", "never")
        return Decision("ask" if action.tool in self._ask else "allow", "test")


class House:
    """Everything one session needs, and how to drive it to rest."""

    def __init__(
        self,
        say: Say,
        *,
        crash_at: int | None = None,
        fail: int = 0,
        ask: Sequence[str] = (),
        blocked: Sequence[str] = (),
    ) -> None:
        self.store, self.clock, self.ran = TornStore(crash_at), TestClock(), list[tuple[str, Any]]()
        self.mind = Mind(say, fail)
        self.tools = [CountingTool(spec, self.ran, self.store) for spec in SPECS]
        self.guard = NameGuard(ask, blocked)
        self.told: list[e.Recorded | Delta] = []

    async def open(self) -> Log:
        """Open the log as after a restart; begin the session if there is none yet."""
        log = await Log.open(self.store, self.clock, "s", self.told.append)
        if not log.session.session_id:
            await log.commit("s", lambda _: (e.SessionStarted("s", "/w", AGENT),))
        else:
            await log.reopen()
        return log

    def performer(self) -> Performer:
        return Performer(self.mind, Toolbox(self.tools, MemoryBlobs()), self.guard, self.clock)

    async def send(self, log: Log, command: Command) -> None:
        await log.commit("s", lambda s: admit(s, command))

    async def drive(self, log: Log) -> None:
        """Run to rest, saying yes to every question."""
        performer = self.performer()
        await run(log, performer)
        while asked := [c for c in log.session.calls if c.status == "asked"]:
            await self.send(log, Decide(asked[0].call.call_id, True))
            await run(log, performer)

    async def check(self, log: Log) -> None:
        """What holds for every session at rest."""
        recorded = await self.store.recorded()
        assert log.session == fold(recorded), "live and folded differ"
        assert log.session.phase == "idle"
        assert not log.session.queue
        assert not log.session.cancelling
        assert_valid(log.session.messages)
        for request in self.mind.seen:
            assert is_strict(request.messages), request.messages
        for k in range(len(recorded) + 1):
            fold(recorded[:k])
        for earlier, later in pairwise(self.mind.seen):
            assert later.messages[: len(earlier.messages)] == earlier.messages, (
                "the context changed before its tail"
            )
            assert (later.instructions, later.tools) == (earlier.instructions, earlier.tools)
        once = [r for r in self.ran if r[0] in ("write", "run")]
        assert len(once) == len(set(once)), "an unsafe tool ran twice"
        assert not [r for r in self.ran if r[0] == "bad"], "a denied tool ran"
        assert all(tool.announced for tool in self.tools), "a tool ran before its intent was stored"


def assert_valid(messages: Sequence[Message]) -> None:
    """Every call is answered exactly once, in order, before anybody else speaks."""
    waiting: list[str] = []
    used: set[str] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            assert waiting, "an answer without a call"
            assert waiting.pop(0) == message.call_id
        else:
            assert not waiting, "somebody spoke over an open call"
            if isinstance(message, AssistantMessage):
                waiting = [call.call_id for call in message.calls]
                assert not used.intersection(waiting), "a call id was used twice"
                used.update(waiting)
            else:
                assert isinstance(message, UserMessage)
    assert not waiting


def limits(**change: Any) -> Limits:
    """Limits for tests."""
    return Limits(**change)
