"""One examination from the first request to the profile."""

import math
import time
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from hob.core.errors import ModelError
from hob.models.doctor import material as m
from hob.models.doctor.advice import finding, mended_by_template
from hob.models.doctor.behaviour import Behaviour
from hob.models.doctor.exact import Exact
from hob.models.doctor.families import family_of, sound_template
from hob.models.doctor.live import Live
from hob.models.doctor.server import Server, describe
from hob.models.doctor.wire import Wire
from hob.models.profile import Finding, Profile

Seen = tuple[str, str]
LARGEST_CHECKED_WINDOW = 65_536
_SUSPECTED_WINDOW = 4_096  # what Ollama and LM Studio take unless told otherwise
SMALLEST_WINDOW = 8_192
_SLOW_S = 60.0

# With one of these function calling cannot work, but plain words still can.
_TEXT = frozenset(
    {
        *(
            "tools-dropped",
            "tools-partial",
            "tools-lost-later",
            "tools-unsupported",
            "tools-refused",
        ),
        *(
            "results-dropped",
            "past-results-dropped",
            "calls-dropped",
            "calls-refused",
            "results-order",
        ),
        *("calls-in-text", "arguments-escaped", "arguments-not-json"),
    }
)
_SINGLE = frozenset({"parallel-refused", "parallel-dropped", "results-order"})


class Examination(Struct, frozen=True):
    """What came of it. `template` is a sound chat template, empty where none is needed."""

    profile: Profile
    requests: int = 0
    looks: int = 0
    seconds: float = 0.0
    called: bool = False  # a real call came back as a call
    rendered: bool = False  # the server shows its prompts
    template: str = ""
    family: str = "chatml"

    @property
    def broken(self) -> bool:
        """Say whether something was found that breaks sessions or makes them slow."""
        return any(found.severity != "note" for found in self.profile.findings)


async def examine(
    base_url: str,
    model: str,
    api_key: str = "",
    limit_s: float = 300.0,
    told: Callable[[str], None] = lambda _: None,
) -> Examination:
    """Examine one model on one server, in at most 40 small requests.

    `base_url` is normalised; `limit_s` (seconds) is for each request; `told` hears what is being
    asked. Raises `ModelError` if the server cannot be reached or refuses the key; everything else
    that goes wrong is a finding.
    """
    wire = Wire(base_url, model, api_key, limit_s)
    try:
        return await _examine(wire, api_key, limit_s, told)
    finally:
        await wire.aclose()


async def _examine(
    wire: Wire, api_key: str, limit_s: float, told: Callable[[str], None]
) -> Examination:
    started = time.monotonic()
    behaviour = Behaviour(wire, told)
    answers = await behaviour.begin()
    server = await describe(wire)
    exact, live = Exact(wire, server), Live(wire, api_key, limit_s)
    window, mark = server.window_tokens, family_of(server.template, wire.model).mark
    seen: list[Seen] = []
    live_marks: bool | None = None
    if answers:
        told("rendered prompts")
        await exact.run()
        await exact.special(mark)
        await behaviour.counts()
        live_marks = await behaviour.marks(mark)
        await behaviour.reuse()
        await exact.again()
        told("a real tool call")
        await live.run()
        told("the window")
        judged, window = await _window(wire, server, behaviour)
        seen += judged
        seen += _slow(live.first_token_s)
    if server.tools is False:
        seen.append(("tools-unsupported", "The server lists no tool capability for it."))
    if server.merges_system:
        seen.append(("system-merged", "The template has no place for a system message (/props)."))
    findings = _findings([*behaviour.seen, *exact.seen, *live.seen, *seen], server)
    profile = _profile(server, wire, findings, window)
    thoughts = behaviour.counted.thoughts
    profile = replace(
        profile,
        keep_reasoning=thoughts.in_turn or thoughts.later,
        break_control_tokens=live_marks is not False,
    )
    return Examination(
        profile,
        wire.requests,
        wire.looks,
        time.monotonic() - started,
        live.called,
        exact.rendered,
        _template(server, wire.model, findings),
        family_of(server.template, wire.model).name,
    )


def _findings(seen: list[Seen], server: Server) -> tuple[Finding, ...]:
    """Return one finding for each probe; what was rendered explains what was counted, and the other way round."""
    first: dict[str, str] = {}
    for probe, text in seen:
        first.setdefault(probe, text)
    for cause, effects in _EXPLAINS.items():
        if cause in first:
            for effect in effects:
                first.pop(effect, None)
    order = {"broken": 0, "costly": 1, "note": 2}
    found = [finding(probe, text, server.kind) for probe, text in first.items()]
    return tuple(sorted(found, key=lambda one: order[one.severity]))


_EXPLAINS = {
    "tools-dropped": ("tools-partial", "tools-lost-later", "no-call"),
    "system-dropped": ("system-dropped-with-tools", "system-lost-later"),
    "system-dropped-with-tools": ("system-lost-later",),
    "calls-dropped": ("arguments-escaped", "parallel-dropped"),
    "history-dropped": ("past-results-dropped", "prefix-moves", "arguments-escaped"),
    # llama.cpp learns from a second question how arguments are written.
    "turn-refused": ("strict-roles", "past-results-dropped", "arguments-escaped"),
    "clock": ("prefix-moves", "date", "cache-unused"),
    "tools-lost-later": ("prefix-moves",),
    "system-lost-later": ("prefix-moves",),
    "calls-refused": ("parallel-refused", "null-content"),
    "cut-silently": ("window-small",),
}


def _profile(
    server: Server, wire: Wire, findings: tuple[Finding, ...], window: int | None
) -> Profile:
    probes = {found.probe for found in findings}
    text = bool(probes & _TEXT)
    return Profile(
        kind=server.kind,
        base_url=wire.base_url,
        model=wire.model,
        version=server.version,
        window_tokens=window,
        slots=server.slots,
        tool_format="text" if text else "native",
        parallel_calls=not probes & _SINGLE,
        edit_format="diff" if text else "",
        findings=findings,
    )


def _template(server: Server, model: str, findings: tuple[Finding, ...]) -> str:
    if not any(mended_by_template(found) for found in findings):
        return ""
    return sound_template(family_of(server.template, model).name)


def _slow(first_token_s: float | None) -> list[Seen]:
    if first_token_s is None or first_token_s < _SLOW_S:
        return []
    return [("slow", f"The first word of a short answer took {first_token_s:.0f} s.")]


async def _window(
    wire: Wire, server: Server, behaviour: Behaviour
) -> tuple[list[Seen], int | None]:
    """Send more than the window and look whether the server says so or cuts in silence."""
    window, cost = server.window_tokens, behaviour.counted.tokens_per_word
    seen: list[Seen] = []
    if window is None:
        seen.append(("window-unknown", "The server does not say how long a conversation may be."))
    elif window < SMALLEST_WINDOW:
        text = f"The window is {window} tokens ({server.window_from})."
        seen.append(("window-small", text))
    if cost is None:
        return seen, window
    if window is not None and window > LARGEST_CHECKED_WINDOW:
        text = f"The window is {window} tokens: what happens beyond it was not tried."
        return [*seen, ("window-unchecked", text)], window
    limit = window or _SUSPECTED_WINDOW
    count = math.ceil(1.3 * limit / cost) + 20
    measure = await wire.ask([m.user(f"{m.words(count)} {m.ASK}")])
    expected = round(count * cost)
    if measure.error is not None:
        return [*seen, *_refused_window(measure.error)], window
    if measure.tokens is None:
        return seen, window
    if measure.tokens < 0.85 * expected:
        text = f"A prompt of about {expected} tokens was answered as if it had {measure.tokens}."
        return [*seen, ("cut-silently", text)], window or measure.tokens
    if window is not None and measure.tokens > window:
        seen.append(("window-larger", f"It took {measure.tokens} tokens, and states {window}."))
    return seen, window


def _refused_window(error: ModelError) -> list[Seen]:
    if error.kind in ("context_overflow", "refused"):
        return []
    return [("window-unchecked", f"What happens beyond the window was not seen: {error}")]
