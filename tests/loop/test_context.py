"""The window over long sessions: a server with one slot counts what it reads, caches and computes."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core import events as e
from hob.core.agent import ContextPolicy, Limits
from hob.core.commands import Cancel, Compact, Prompt
from hob.core.deltas import Delta
from hob.core.errors import CommandRefused, ModelError
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
from hob.core.request import Request
from hob.core.transcript import is_strict
from hob.loop.loop import run
from loop.house import House

GOAL = "Make the parser accept trailing commas, and keep the old error messages."
SUMMARY = "The parser lives in parse.py; the comma rule is half done."


def chatml(request: Request) -> str:
    """The prompt as a template would write it, without the header of the answer."""
    tools = "".join(f"{t.name} {t.description} {t.parameters}\n" for t in request.tools)
    return f"<system>{request.instructions}\n{tools}</system>" + "".join(
        map(written, request.messages)
    )


def written(message: Message) -> str:
    match message:
        case UserMessage(text):
            return f"<user>{text}</user>"
        case ToolMessage():
            return f"<tool>{message.content}</tool>"
        case AssistantMessage(text, _, calls):
            return f"<model>{text}{''.join(c.name + c.arguments for c in calls)}</model>"


class OneSlot:
    """A server with one slot and a window: four characters are a token, a prompt that is too long is refused or cut."""

    def __init__(
        self,
        steps: int,
        *,
        window: int = 10**9,
        cuts: bool = False,
        counts: bool = True,
        failing: int = 0,
        disturbed_at: int | None = None,
    ) -> None:
        self.disturbed_at = disturbed_at  # another client uses half of the slot before this request
        self.failing = failing  # wishes for a summary that the server fails on
        self.name = "one-slot"
        self.steps, self.window, self.cuts, self.counts = steps, window, cuts, counts
        self.slot = ""
        self.prompts: list[str] = []
        self.computed: list[int] = []
        self.requests: list[Request] = []
        self.summaries = 0

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        await asyncio.sleep(0)
        prompt = chatml(request)
        tokens = len(prompt) // 4
        self.requests.append(request)
        if len(self.prompts) == self.disturbed_at:
            self.slot = self.slot[: len(self.slot) // 2] + "another conversation"
        if tokens > self.window and not self.cuts:
            raise ModelError("context_overflow", "Too long.", window_tokens=self.window)
        if tokens > self.window:
            prompt = prompt[-4 * (self.window // 2) :]
            tokens = len(prompt) // 4
        same = next(
            (n for n, (a, b) in enumerate(zip(self.slot, prompt, strict=False)) if a != b),
            min(len(self.slot), len(prompt)),
        )
        self.prompts.append(prompt)
        self.computed.append(tokens - same // 4)
        message = self.answer(request)
        self.slot = prompt + written(message)
        usage = Usage(tokens, same // 4, 20) if self.counts else Usage()
        yield Reply(message, usage, model="m")

    def answer(self, request: Request) -> AssistantMessage:
        last = request.messages[-1]
        asked = last.text if isinstance(last, UserMessage) else getattr(last, "content", "")
        if "Host: the context is nearly full" in asked:
            if self.failing:
                self.failing -= 1
                raise ModelError("server", "A bug in the server.")
            self.summaries += 1
            return AssistantMessage(f"{SUMMARY} ({self.summaries})")
        n = len(self.prompts) - self.summaries
        if n > self.steps:
            return AssistantMessage("All done.")
        call = ToolCall("", "read", f'{{"n": {n}}}')
        return AssistantMessage(f"step {n}", calls=(call,), stop="calls")

    async def aclose(self) -> None:
        pass


class Bulky:
    """A tool whose results have a size, and differ."""

    def __init__(self, spec, chars: int) -> None:
        self.spec, self.chars = spec, chars

    async def run(self, arguments, report) -> ToolResult:
        line = f"line of output number {arguments.get('n')} with some words in it\n"
        return ToolResult((line * (self.chars // len(line) + 1))[: self.chars])


def house(server: OneSlot, chars: int) -> House:
    one = House(lambda _: AssistantMessage("unused"))
    one.mind = server
    one.tools = [Bulky(tool.spec, chars) for tool in one.tools]
    return one


async def session_of(server, chars, policy, *, steps=1000):
    one = house(server, chars)
    log = await one.open()
    limits = Limits(max_steps=steps, context=policy)
    await one.send(log, Prompt("p", GOAL, limits=limits))
    await run(log, one.performer())
    return one, log


def compactions(recorded) -> list[e.Compacted]:
    return [r.event for r in recorded if isinstance(r.event, e.Compacted)]


def check_growth(server: OneSlot, recorded) -> None:
    """Each prompt extends the one before it, unless a compaction lies between; each is strict."""
    order = [
        r.event
        for r in recorded
        if isinstance(r.event, e.Compacted | e.StepFinished | e.StepFailed)
    ]
    requests = iter(server.requests)
    before: Request | None = None
    for event in order:
        by_rule = isinstance(event, e.Compacted) and event.by == "rule"
        request = None if by_rule else next(requests)
        if request is not None:
            assert is_strict(request.messages)
            if before is not None:
                assert chatml(request).startswith(chatml(before))
        before = None if isinstance(event, e.Compacted) else request


@pytest.mark.parametrize("window", [16_384, 32_768])
def test_two_hundred_steps_in_a_small_window_are_no_storm(window):
    async def main():
        server = OneSlot(200, window=window)
        one, log = await session_of(server, 3400, ContextPolicy(window))
        recorded = await one.store.recorded()
        assert log.session.outcome == "done"
        assert log.session.totals.steps == 201
        done = compactions(recorded)
        steps = [
            sum(isinstance(r.event, e.StepFinished) for r in recorded[:n])
            for n, r in enumerate(recorded)
            if isinstance(r.event, e.Compacted)
        ]
        assert all(b - a >= 5 for a, b in pairwise(steps))
        assert all(c.by == "model" and c.after_tokens <= 0.42 * window for c in done)
        assert len(done) <= 40
        first = log.session.messages[0]
        assert isinstance(first, UserMessage)
        assert first.text.startswith(GOAL)
        assert SUMMARY in first.text
        check_growth(server, recorded)
        assert log.session.losses == ()

    asyncio.run(main())


def test_what_is_computed_is_hardly_more_than_what_was_appended():
    async def main():
        window = 32_768
        server = OneSlot(200, window=window)
        one, _ = await session_of(server, 1200, ContextPolicy(window))
        recorded = await one.store.recorded()
        done = compactions(recorded)
        assert len(done) >= 2
        kept = sum(len("".join(map(written, c.messages[1:]))) // 4 for c in done)
        appended = len(server.prompts[0]) // 4
        before = server.prompts[0]
        for prompt in server.prompts[1:]:
            if prompt.startswith(before):
                appended += (len(prompt) - len(before)) // 4
            before = prompt
        appended += sum(len(c.messages[0].text) // 4 for c in done)
        assert sum(server.computed) <= 1.1 * appended
        assert sum(server.computed) <= appended + kept + 64 * len(done)

    asyncio.run(main())


def test_a_compaction_keeps_the_head_and_the_goal_in_the_cache():
    async def main():
        server = OneSlot(60, window=16_384)
        one, _ = await session_of(server, 3000, ContextPolicy(16_384))
        at = next(n for n, (a, b) in enumerate(pairwise(server.prompts), 1) if not b.startswith(a))
        kept = len(server.prompts[at]) // 4 - server.computed[at]
        head = server.prompts[0].index("<user>") + len("<user>") + len(GOAL)
        assert kept >= head // 4 - 1
        assert one.tools

    asyncio.run(main())


def test_results_that_alone_fill_the_window_end_the_turn_with_advice():
    async def main():
        server = OneSlot(200, window=8192)
        one, log = await session_of(server, 14_000, ContextPolicy(8192))
        assert log.session.outcome == "out_of_tokens"
        assert "hob context" in log.session.reason
        assert len(compactions(await one.store.recorded())) <= 2

    asyncio.run(main())


@pytest.mark.parametrize("cuts", [False, True])
def test_a_server_with_a_smaller_window_than_it_says_is_found_out(cuts):
    async def main():
        server = OneSlot(60, window=6000, cuts=cuts)
        one, log = await session_of(server, 1500, ContextPolicy(32_768))
        recorded = await one.store.recorded()
        assert log.session.outcome == "done"
        assert any(c.by == "rule" for c in compactions(recorded))
        assert log.session.window_seen is not None
        assert log.session.window_seen <= 6000
        assert isinstance(log.session.messages[0], UserMessage)
        assert log.session.messages[0].text.startswith(GOAL)
        failed = [r.event for r in recorded if isinstance(r.event, e.StepFailed)]
        assert [f.error for f in failed] == ["context_overflow"]

    asyncio.run(main())


def test_a_first_prompt_that_is_cut_ends_the_turn():
    async def main():
        server = OneSlot(3, window=2000, cuts=True)
        one = house(server, 100)
        log = await one.open()
        await one.send(log, Prompt("p", "word " * 4000))
        await run(log, one.performer())
        assert log.session.outcome == "failed"
        assert "cut the prompt without a word" in log.session.reason
        assert "num_ctx" in log.session.reason

    asyncio.run(main())


def test_without_counts_the_estimate_alone_keeps_the_window():
    async def main():
        server = OneSlot(100, window=16_384, counts=False)
        one, log = await session_of(server, 3000, ContextPolicy(16_384))
        assert log.session.outcome == "done"
        assert compactions(await one.store.recorded())

    asyncio.run(main())


@pytest.mark.parametrize(("failing", "by"), [(0, "model"), (1, "model"), (2, "rule")])
def test_a_summary_is_asked_for_twice_and_then_done_without(failing, by):
    async def main():
        server = OneSlot(22, window=16_384, failing=failing)
        one, log = await session_of(server, 3000, ContextPolicy(16_384))
        recorded = await one.store.recorded()
        assert log.session.outcome == "done"
        assert [c.by for c in compactions(recorded)] == [by]
        failed = [r.event for r in recorded if isinstance(r.event, e.StepFailed)]
        assert [(f.error, f.final) for f in failed] == [("server", False)] * failing
        first = log.session.messages[0]
        assert isinstance(first, UserMessage)
        assert first.text.startswith(GOAL)
        assert (SUMMARY in first.text) == (by == "model")

    asyncio.run(main())


def test_a_goal_that_fills_the_window_ends_the_turn_with_advice():
    async def main():
        server = OneSlot(50, window=16_384)
        one = house(server, 2000)
        log = await one.open()
        limits = Limits(max_steps=100, context=ContextPolicy(16_384))
        await one.send(log, Prompt("p", "word " * 9300, limits=limits))
        await run(log, one.performer())
        assert log.session.outcome == "out_of_tokens"
        assert log.session.reason.startswith("After the compaction")
        assert "hob context" in log.session.reason
        assert len(compactions(await one.store.recorded())) == 1

    asyncio.run(main())


def test_compact_by_hand():
    async def main():
        server = OneSlot(12, window=16_384)
        one, log = await session_of(server, 2000, ContextPolicy(16_384))
        before = log.session
        assert before.outcome == "done"
        await one.send(log, Compact("the comma rule"))
        await run(log, one.performer())
        s = log.session
        assert (s.phase, s.outcome, s.compaction) == ("idle", "done", None)
        assert "Above all, keep: the comma rule" in server.prompts[-1]
        assert server.prompts[-1].startswith(server.slot[: len(server.prompts[-2])])
        assert s.gauge.tokens < before.gauge.tokens / 2
        assert s.messages[-1] == before.messages[-1]
        assert s.totals.steps == before.totals.steps
        with pytest.raises(CommandRefused, match="nothing to compact"):
            await one.send(log, Compact())
        await one.send(log, Prompt("q", "Go on."))
        await run(log, one.performer())
        assert log.session.outcome == "done"
        assert is_strict(log.session.messages)

    asyncio.run(main())


def test_a_compaction_with_little_in_the_context_is_refused():
    async def main():
        server = OneSlot(2, window=16_384)
        one, log = await session_of(server, 200, ContextPolicy(16_384))
        before = log.session
        with pytest.raises(CommandRefused, match="nothing to compact"):
            await one.send(log, Compact())
        assert log.session == before

    asyncio.run(main())


def test_a_loss_names_its_cause_and_place():
    async def main():
        server = OneSlot(6, disturbed_at=4)
        one = house(server, 2000)
        log = await one.open()
        await one.send(log, Prompt("p", GOAL))
        await run(log, one.performer())
        lost = [
            r.event.reuse
            for r in await one.store.recorded()
            if isinstance(r.event, e.StepFinished) and r.event.reuse.lost
        ]
        assert len(lost) == 1
        assert lost[0].lost > 500
        assert "(a result of read)" in lost[0].cause
        assert log.session.turn.lost_tokens == lost[0].lost
        assert log.session.losses == (lost[0].cause,)

    asyncio.run(main())


moves = st.lists(st.sampled_from(["go", "steer", "queue", "cancel", "compact"]), max_size=6)


@settings(max_examples=60, deadline=None)
@given(moves, st.integers(0, 40), st.integers(200, 4000), st.sampled_from([4000, 9000, 10**9]))
def test_every_prompt_extends_the_one_before_and_is_strict(doing, at, chars, window):
    async def main():
        server = OneSlot(14, window=window)
        one = house(server, chars)
        log = await one.open()
        limits = Limits(context=ContextPolicy(window if window < 10**9 else None))
        await one.send(log, Prompt("p", GOAL, limits=limits))
        for n, move in enumerate(doing):
            task = asyncio.ensure_future(run(log, one.performer()))
            for _ in range(at + n):
                await asyncio.sleep(0)
            try:
                if move == "cancel":
                    await one.send(log, Cancel())
                elif move == "compact":
                    await one.send(log, Compact())
                elif move != "go":
                    await one.send(log, Prompt(f"{move}{n}", f"also {n}", move))
            except CommandRefused:
                pass
            await task
        await run(log, one.performer())
        recorded = await one.store.recorded()
        assert log.session.phase == "idle"
        assert is_strict(log.session.messages)
        for request in server.requests:
            assert is_strict(request.messages)
        # A request that was cancelled may leave no answer behind; what was sent is still the beginning.
        known = [r.event for r in recorded if isinstance(r.event, e.StepStarted | e.Compacted)]
        requests = iter(server.requests)
        before = None
        for event in known:
            if isinstance(event, e.Compacted):
                before = None
                continue
            request = next(requests, None)
            if request is None:
                break
            if before is not None:
                assert is_extension(before, request)
            before = request

    asyncio.run(main())


def is_extension(before: Request, request: Request) -> bool:
    """The wish for a summary rides on the newest result and is taken back if it came to nothing."""
    old, new = chatml(before), chatml(request)
    return new.startswith(
        old.partition("\n\n[Host: the context is nearly full")[0].partition(
            "<user>Host: the context"
        )[0]
    )
