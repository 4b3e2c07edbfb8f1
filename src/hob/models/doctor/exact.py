"""What a rendered prompt shows, where a server renders without answering (llama.cpp, vLLM): canaries and prefixes."""

import asyncio
import re
from collections.abc import Sequence

from hob.models.doctor import material as m
from hob.models.doctor.server import Server
from hob.models.doctor.wire import Json, Messages, Wire

Seen = tuple[str, str]
_TICK_S = 1.1
_THOUGHT = re.compile(r"<think>.*?</think>\s*", re.DOTALL)
_CLOCK = re.compile(r"strftime_now\([^)]*%(H|I|M|S|T|X|c|s)")
_DATE = re.compile(r"strftime_now\(")

_CALL = m.called(f'{m.CANARY_ARGUMENT} "so"\n')
_TWO = m.called(m.CANARY_ARGUMENT, "jar")
_RESULTS = [m.result(m.CANARY_FIRST), m.result(m.CANARY_SECOND, 1)]
_START = [m.system(m.CANARY_SYSTEM), m.user(m.CANARY_USER)]
_LONG_START = [m.system(m.LONG), m.user(m.ASK), m.called("box"), m.result("done")]


class Exact:
    """The exact checks of one examination; `seen` is empty if the server renders nothing."""

    def __init__(self, wire: Wire, server: Server) -> None:
        self._wire = wire
        self._server = server
        self.seen: list[Seen] = []
        self.rendered = False
        self._first = ""
        self._started_at = 0.0

    async def run(self) -> None:
        """Render, and look into what comes."""
        if self._server.kind not in ("llamacpp", "vllm"):
            return
        one = await self._render([*_START, _CALL, m.result(m.CANARY_FIRST)], m.ONE_TOOL)
        if one is None:
            return
        self.rendered, self._first = True, one
        self._started_at = asyncio.get_running_loop().time()
        self._canaries(one)
        two = await self._render([*_START, _TWO, *_RESULTS], m.ONE_TOOL)
        if two is not None:
            first, second = two.find(m.CANARY_FIRST), two.find(m.CANARY_SECOND)
            if 0 <= second < first:
                self.seen.append(
                    ("results-order", "The second call's result stands before the first's.")
                )
        await self._opening()
        await self._prefix()

    async def again(self) -> None:
        """Render the first prompt once more, later than a clock's tick, and compare."""
        if not self.rendered:
            return
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._started_at + _TICK_S - loop.time()))
        again = await self._render([*_START, _CALL, m.result(m.CANARY_FIRST)], m.ONE_TOOL)
        self._clock(self._first, again)

    async def special(self, mark: str) -> None:
        """Look whether a mark of the template is one token of the vocabulary."""
        if self._server.kind != "llamacpp" or mark not in self._server.template:
            return
        answer = await self._wire.look("/tokenize", {"content": mark, "parse_special": True})
        tokens = (answer or {}).get("tokens")
        if isinstance(tokens, list) and len(tokens) > 1:  # pyright: ignore[reportUnknownArgumentType]
            count = len(tokens)  # pyright: ignore[reportUnknownArgumentType]
            self.seen.append(("special-tokens", f"{mark!r} is {count} tokens, not one."))

    def _canaries(self, prompt: str) -> None:
        for probe, canary, what in (
            ("tools-lost-later", m.description(m.ONE_TOOL[0])[1], "the tool's description"),
            ("system-lost-later", m.CANARY_SYSTEM, "the system message"),
            ("calls-dropped", m.CANARY_ARGUMENT, "the call that the model made"),
            ("results-dropped", m.CANARY_FIRST, "the tool's result"),
        ):
            if canary not in prompt:
                self.seen.append((probe, f"The rendered prompt lacks {what}."))
        shown = re.search(rf'{m.CANARY_ARGUMENT} (\\*)"so(\\*)"(\\*n)?', prompt)
        if shown is None:
            return
        if len(shown[1]) > 1:
            self.seen.append(
                ("arguments-escaped", f"The rendered prompt has the argument as {shown[0]!r}.")
            )
        elif not shown[1] and shown[3]:
            self.seen.append(
                ("arguments-not-json", f"The rendered prompt has the argument as {shown[0]!r}.")
            )

    async def _opening(self) -> None:
        """Compare how the history opens an answer with how the prompt ends."""
        asked = await self._render([m.user(m.CANARY_USER)])
        past = await self._render([m.user(m.CANARY_USER), m.said(m.CANARY_ANSWER), m.user(m.ASK)])
        if asked is None or past is None:
            return
        opener = _between(past, m.CANARY_USER, m.CANARY_ANSWER)
        if opener is None or m.CANARY_USER not in asked:
            return
        opener = _THOUGHT.sub("", opener).strip()
        ending = asked.rpartition(m.CANARY_USER)[2].strip()
        if opener != ending and opener.startswith(ending):
            text = f"Past answers are opened by {opener!r}, the prompt ends in {ending!r}."
            self.seen.append(("generation-prompt", text))

    async def _prefix(self) -> None:
        """Look whether a longer conversation only adds to the end."""
        now = await self._render(_LONG_START, m.THREE_TOOLS)
        steps = [m.called("jar"), m.result("done")], [m.said("Yes."), m.user(m.ASK)]
        for more in steps:
            later = await self._render([*_LONG_START, *more], m.THREE_TOOLS)
            if now is None or later is None:
                continue
            same = _same(now, later)
            if same < 0.9 * len(now):
                text = (
                    f"Of {len(now)} characters only {same} stay the same when a conversation grows."
                )
                self.seen.append(("prefix-moves", text))
                return

    def _clock(self, one: str, again: str | None) -> None:
        template = self._server.template
        if again is not None and one != again:
            same = _same(one, again)
            text = f"The same request gave another prompt a second later, from character {same} on."
            self.seen.append(("clock", text))
        elif _CLOCK.search(template):
            self.seen.append(
                ("clock", "The template writes the time into the prompt (strftime_now).")
            )
        elif _DATE.search(template):
            self.seen.append(
                ("date", "The template writes the date into the prompt (strftime_now).")
            )

    async def _render(self, messages: Messages, tools: Sequence[Json] = ()) -> str | None:
        body: Json = {"messages": list(messages), **({"tools": list(tools)} if tools else {})}
        if self._server.kind == "llamacpp":
            answer = await self._wire.look("/apply-template", body) or {}
            prompt = answer.get("prompt")
            return prompt if isinstance(prompt, str) else None
        tokens = (
            await self._wire.look("/tokenize", {"model": self._wire.model, **body}) or {}
        ).get("tokens")
        if not isinstance(tokens, list):
            return None
        answer = (
            await self._wire.look("/detokenize", {"model": self._wire.model, "tokens": tokens})
            or {}
        )
        prompt = answer.get("prompt")
        return prompt if isinstance(prompt, str) else None


def _between(text: str, start: str, end: str) -> str | None:
    after = text.partition(start)[2]
    between, found, _ = after.partition(end)
    return between if found else None


def _same(one: str, other: str) -> int:
    """Return how many characters two texts share at their start."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
