"""What can be seen from outside: pairs of prompts that differ in one part, and how many tokens that part cost.

Nothing is needed of the server but `usage.prompt_tokens`. If a part of 100 words adds no tokens, the model never
sees it. (Method and figures: design/engine.md, section 5.)
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from hob.core.errors import ModelError
from hob.models.doctor import material as m
from hob.models.doctor.counts import Counts, judge, refusals
from hob.models.doctor.wire import Json, Measure, Wire

Seen = tuple[str, str]
"""A probe's name and what was seen."""
Prompt = tuple[Sequence[Json], Sequence[Json]]

_TICK_S = 1.1  # longer than the resolution of a clock that shows seconds
_FATAL = ("unreachable", "auth", "timeout", "overloaded")

# Text that JSON has to escape, and that HTML-minded `tojson` filters leave alone.
_QUOTED = 'say "so"\n' * 20

_TURN = [m.user(m.ASK), m.said("Yes."), m.user(m.ASK)]
_STEP = [m.user(m.ASK), m.called("box"), m.result("done")]
_PAST = [m.user(m.ASK), m.called("box"), m.result("done"), m.said("Yes."), m.user(m.ASK)]
_TWO = [m.user(m.ASK), m.called("box", "jar"), m.result("done"), m.result("done", 1)]

PROMPTS: Mapping[str, Prompt] = {
    "plain": ([m.user(m.ASK)], ()),
    "words": ([m.user(f"{m.LONG} {m.ASK}")], ()),
    "tool": ([m.user(m.ASK)], m.ONE_TOOL),
    "tools": ([m.user(m.ASK)], m.THREE_TOOLS),
    "system": ([m.system(m.LONG), m.user(m.ASK)], ()),
    "system, tool": ([m.system(m.LONG), m.user(m.ASK)], m.ONE_TOOL),
    "step": (_STEP, m.ONE_TOOL),
    "step, no tool": (_STEP, ()),
    "step, long result": ([*_STEP[:2], m.result(m.LONG)], m.ONE_TOOL),
    "step, long argument": ([_STEP[0], m.called(m.LONG), _STEP[2]], m.ONE_TOOL),
    "step, quotes": ([_STEP[0], m.called(_QUOTED), _STEP[2]], m.ONE_TOOL),
    "turn": (_TURN, ()),
    "turn, quotes": ([_TURN[0], m.said(m.arguments(_QUOTED)), _TURN[2]], ()),
    "turn, long question": ([m.user(f"{m.LONG} {m.ASK}"), *_TURN[1:]], ()),
    "turn, long answer": ([_TURN[0], m.said(m.LONG), _TURN[2]], ()),
    "turn, system": ([m.system(m.LONG), *_TURN], ()),
    "turn, tool": (_TURN, m.ONE_TOOL),
    "past": (_PAST, m.ONE_TOOL),
    "past, long result": ([*_PAST[:2], m.result(m.LONG), *_PAST[3:]], m.ONE_TOOL),
    "two calls": (_TWO, m.ONE_TOOL),
    "two calls, long second": ([_TWO[0], m.called("box", m.LONG), *_TWO[2:]], m.ONE_TOOL),
    "two calls, long result": ([*_TWO[:3], m.result(m.LONG, 1)], m.ONE_TOOL),
    "null": ([_STEP[0], m.called("box", content=None), _STEP[2]], m.ONE_TOOL),
    "user after tool": ([*_STEP, m.user(m.ASK)], m.ONE_TOOL),
    "two users": ([m.user(m.ASK), m.user(m.ASK)], ()),
    "late system": ([m.user(m.ASK), m.said("Yes."), m.system(m.ASK), m.user(m.ASK)], ()),
    "thought": ([_STEP[0], m.called("box", reasoning=m.LONG), _STEP[2]], m.ONE_TOOL),
    "past thought": ([_TURN[0], m.said("Yes.", m.LONG), _TURN[2]], ()),
}


class Behaviour:
    """All measurements of one examination, and what they say."""

    def __init__(self, wire: Wire, told: Callable[[str], None] = lambda _: None) -> None:
        self._wire = wire
        self._told = told
        self.measured: dict[str, Measure] = {}
        self.counted = Counts(self.measured)
        self.seen: list[Seen] = []

    async def begin(self) -> bool:
        """Send the first request and say whether the rest makes sense. Raises `ModelError` if nobody answers."""
        plain = await self._ask("plain")
        if plain.error is not None and plain.error.kind == "refused":
            plain = await self._other_cap(plain.error)
        if plain.error is not None:
            if plain.error.kind in _FATAL:
                raise plain.error
            self.seen.append(("answer-failed", str(plain.error)))
            return False
        if plain.tokens is None:
            self.seen.append(("no-usage", "The server reports no usage.prompt_tokens."))
        return True

    async def counts(self) -> None:
        """Send every prompt of the table and judge what they cost."""
        if self.measured["plain"].tokens is None:
            await self._only_errors()
            return
        again = await self._wire.ask(*PROMPTS["plain"])
        if again.tokens != self.measured["plain"].tokens and again.error is None:
            first = self.measured["plain"].tokens
            text = f"The same question counted {first} tokens, then {again.tokens}."
            self.seen.append(("usage-partial", text))
            await self._only_errors()
            return
        for name in PROMPTS:
            if name not in self.measured:
                await self._ask(name)
        self.seen += judge(self.counted)

    async def marks(self, mark: str) -> bool | None:
        """Say whether a control token's text inside a message acts as the token; None if it cannot be seen."""
        if self.measured["plain"].tokens is None:
            return None
        like = mark[:-3] + mark[-2] + mark[-3] + mark[-1]
        live, plain = [await self._wire.ask([m.user(text * 30 + m.ASK)]) for text in (mark, like)]
        if live.error is not None and plain.error is None:
            self.seen.append(("control-tokens", f"{mark!r} in a message gives an error."))
            return True
        if live.tokens is None or plain.tokens is None:
            return None
        if live.tokens < 0.6 * plain.tokens:
            text = f"30 times {mark!r} in a message are {live.tokens} tokens, like text {plain.tokens}."
            self.seen.append(("control-tokens", text))
            return True
        return False

    async def reuse(self) -> None:
        """Send a conversation that grows, across a tick of the clock, and look what the server computes again."""
        start = [m.system(m.LONG), m.user(m.ASK)]
        more = [m.said("Yes."), m.user("And now say no.")]
        first = await self._wire.ask(start, m.THREE_TOOLS)
        second = await self._wire.ask([*start, *more], m.THREE_TOOLS)
        if first.tokens is None or second.tokens is None or second.cached is None:
            return
        await asyncio.sleep(_TICK_S)
        longest = [*start, *more, *more]
        third = await self._wire.ask(longest, m.THREE_TOOLS)
        if third.error is not None:
            return
        grew, later = (_reused(b, a) for a, b in ((first, second), (second, third)))
        if grew and later:
            return
        if grew:
            self._note("clock", second, third, " a second later")
            return
        again = await self._wire.ask(longest, m.THREE_TOOLS)
        if _reused(again, third):
            self._note("prefix-moves", first, second, "")
            return
        self._note("cache-unused", third, again, " for the same request again")

    async def _ask(self, name: str) -> Measure:
        self._told(name)
        self.measured[name] = await self._wire.ask(*PROMPTS[name])
        return self.measured[name]

    async def _other_cap(self, error: ModelError) -> Measure:
        """Try again with other limits for the answer: some servers refuse one token, or the field."""
        plain = Measure(error=error)
        for cap in ({"max_tokens": 16}, {"max_completion_tokens": 16}):
            self._wire.use_cap(cap)
            plain = await self._ask("plain")
            if plain.error is None:
                text = f"Answers of one token are refused ({error})"
                self.seen.append(("refuses-short", text))
                return plain
        return plain

    async def _only_errors(self) -> None:
        """Without counts a refusal still shows."""
        for name in ("tool", "system", "step", "turn", "past", "two calls"):
            await self._ask(name)
        self.seen += refusals(self.counted)

    def _note(self, probe: str, before: Measure, after: Measure, when: str) -> None:
        text = f"Of {before.tokens} tokens that were sent before, {after.cached} were reused{when}."
        self.seen.append((probe, text))


def _reused(measure: Measure, before: Measure) -> bool:
    return (measure.cached or 0) >= 0.6 * (before.tokens or 0)
