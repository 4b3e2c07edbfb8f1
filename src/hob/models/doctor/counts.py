"""What the counts of the doctor's prompts say: pure, so that it can be tried on any set of numbers."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from hob.core.errors import ModelError
from hob.models.doctor import material as m
from hob.models.doctor.wire import Measure

Seen = tuple[str, str]
"""A probe's name and what was seen."""


class Thoughts(Struct, frozen=True):
    """Whether past thoughts, sent back, reach the model: inside a turn, and after the next question."""

    in_turn: bool = False
    later: bool = False


class Counts:
    """The measurements by the name of their prompt."""

    def __init__(self, measured: Mapping[str, Measure]) -> None:
        self.measured = measured

    @property
    def tokens_per_word(self) -> float | None:
        """Return what a made-up word costs, None if it was not measured."""
        cost = self.gain("words", "plain")
        return cost / len(m.LONG.split()) if cost else None

    @property
    def thoughts(self) -> Thoughts:
        """Return what becomes of past thoughts."""
        return Thoughts(self.kept("thought", "step"), self.kept("past thought", "turn"))

    def gain(self, longer: str, shorter: str) -> int | None:
        """Return how many tokens more one prompt has than another, None if one of them has no count."""
        a, b = self.measured.get(longer), self.measured.get(shorter)
        if a is None or b is None or a.tokens is None or b.tokens is None:
            return None
        return a.tokens - b.tokens

    def failed(self, name: str) -> ModelError | None:
        """Return why a prompt was refused, None if it was not."""
        measure = self.measured.get(name)
        return measure.error if measure is not None else None

    def lost(self, longer: str, shorter: str) -> bool:
        """Say whether a part of 100 words added next to nothing."""
        gained = self.gain(longer, shorter)
        return gained is not None and gained < 0.5 * self.cost()

    def kept(self, longer: str, shorter: str) -> bool:
        """Say whether a part of 100 words was counted."""
        gained = self.gain(longer, shorter)
        return gained is not None and gained > 0.5 * self.cost()

    def cost(self) -> int:
        """Return what 100 words cost."""
        return self.gain("words", "plain") or 0


def judge(counts: Counts) -> list[Seen]:
    """Return what is wrong, causes before what they explain."""
    seen = [*refusals(counts), *_tools(counts)]
    for probe, longer, shorter, what in _PARTS:
        if not _has(seen, _BECAUSE.get(probe, ())) and counts.lost(longer, shorter):
            gained, words = counts.gain(longer, shorter), len(m.LONG.split())
            text = f"{what} of {words} words adds {gained} tokens, as text {counts.cost()}."
            seen.append((probe, text))
    if not _has(seen, ("calls-dropped", "calls-refused")):
        seen += _quotes(counts)
    thoughts = counts.thoughts
    if thoughts.in_turn or thoughts.later:
        where = "always" if thoughts.later else "until the next question"
        seen.append(("thoughts", f"Past thoughts that are sent back reach the model {where}."))
    return [*seen, *_roles(counts)]


def refusals(counts: Counts) -> list[Seen]:
    """Return what was refused that must not be."""
    seen: list[Seen] = []
    with_tools = counts.failed("tool")
    for probe, name in _REFUSALS:
        error = counts.failed(name)
        if error is None or (name != "tool" and str(error) == str(with_tools)):
            continue
        probe = "window-small" if error.kind == "context_overflow" else probe
        seen.append((probe, str(error)))
    return seen


def _tools(counts: Counts) -> list[Seen]:
    one, more = counts.gain("tool", "plain"), counts.gain("tools", "tool")
    if one is None or more is None:
        return []
    least = _least_of_a_tool()
    if one < least:
        return [("tools-dropped", f"A tool's description adds {one} tokens.")]
    seen: list[Seen] = []
    if more < least:
        seen.append(("tools-partial", f"One tool adds {one} tokens, two more add {more}."))
    for shorter, longer, when in (
        ("step, no tool", "step", "after a result"),
        ("turn", "turn, tool", "with the second question"),
    ):
        gained = counts.gain(longer, shorter)
        if gained is not None and gained < least // 2:
            text = f"A tool's description adds {one} tokens at first and {gained} {when}."
            return [*seen, ("tools-lost-later", text)]
    return seen


def _least_of_a_tool() -> int:
    """Return the least that one description can cost: its words."""
    return round(len(" ".join(m.description(m.ONE_TOOL[0])).split()) * 0.8)


def _quotes(counts: Counts) -> list[Seen]:
    as_call, as_text = counts.gain("step, quotes", "step"), counts.gain("turn, quotes", "turn")
    if as_call is None or as_text is None or as_call <= 1.2 * as_text:
        return []
    text = (
        f"Arguments with quotes cost {as_call} tokens in a call and {as_text} as the text they are."
    )
    return [("arguments-escaped", text)]


def _roles(counts: Counts) -> list[Seen]:
    seen: list[Seen] = []
    if counts.failed("null") is not None and counts.failed("step") is None:
        seen.append(("null-content", "Calls beside `content: null` are refused."))
    refused = [n for n in ("user after tool", "two users", "late system") if counts.failed(n)]
    if refused:
        seen.append(("strict-roles", f"Refused: {', '.join(refused)}."))
    return seen


def _has(seen: Sequence[Seen], probes: Sequence[str]) -> bool:
    return any(probe in probes for probe, _ in seen)


# probe, the prompt with a part of 100 words, the same with a short part, the part
_PARTS = (
    ("system-dropped", "system", "plain", "A system message"),
    ("system-dropped-with-tools", "system, tool", "tool", "With tools, a system message"),
    ("system-lost-later", "turn, system", "turn", "With a second question, a system message"),
    ("results-dropped", "step, long result", "step", "A tool's result"),
    ("calls-dropped", "step, long argument", "step", "A call's argument"),
    ("history-dropped", "turn, long question", "turn", "An earlier question"),
    ("history-dropped", "turn, long answer", "turn", "An earlier answer"),
    ("past-results-dropped", "past, long result", "past", "A result from before the last question"),
    ("parallel-dropped", "two calls, long second", "two calls", "The second call of an answer"),
    ("parallel-dropped", "two calls, long result", "two calls", "The second call's result"),
)
# A cause that was named already explains these.
_BECAUSE: Mapping[str, Sequence[str]] = {
    "system-dropped-with-tools": ("system-dropped",),
    "system-lost-later": ("system-dropped",),
    "history-dropped": ("history-dropped",),
    "past-results-dropped": ("results-dropped", "history-dropped"),
    "parallel-dropped": ("results-dropped", "calls-dropped", "parallel-dropped"),
}
_REFUSALS = (
    ("tools-refused", "tool"),
    ("system-refused", "system"),
    ("calls-refused", "step"),
    ("turn-refused", "turn"),
    ("parallel-refused", "two calls"),
)
