"""The rows of the table: each figure of the agents beside the best of today's agents and the target."""

from collections.abc import Callable
from dataclasses import dataclass, field

from prompts import Prompts
from results import (
    Outcome,
    Results,
    children_ms,
    cpu_ms,
    extra_ms,
    growth,
    own_ms,
    peak_mb,
    start_ms,
    tenth_ms,
    wall_ms,
)
from workload import FAST_PIECES, LIGHT_STEPS, LONG_STEPS, SLOW_PIECES, STEPS, WAIT_S

AGENTS = ("floor", "mini", "hob")
_NONE = "-"


@dataclass
class Figure:
    """One row. `numbers` are what the `texts` show; `met` is None where there is no target."""

    name: str
    best: str = ""
    target: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    met: bool | None = None
    floor_misses: bool = False

    @property
    def ratio(self) -> str:
        """Return Hob beside the floor."""
        floor, hob = self.numbers.get("floor"), self.numbers.get("hob")
        return f"{hob / floor:.1f} x" if floor and hob and floor > 0 else ""

    @property
    def verdict(self) -> str:
        """Return `yes`, `MISSED`, or nothing where there is no target."""
        if self.met is None:
            return ""
        return "yes" if self.met else f"MISSED{' (floor too)' if self.floor_misses else ''}"


def figures(results: Results, s_per_byte: float) -> list[Figure]:
    """Return all rows, those of the issue with a target and a few that explain them."""
    return [
        *_starting(results),
        *_steps(results),
        *_whole(results),
        *_growing(results, s_per_byte),
        *_streaming(results),
        *_prompting(results),
    ]


def _row(
    name: str,
    number: Callable[[str], float | None],
    unit: str,
    digits: int = 1,
    *,
    best: str = "",
    limit: float | None = None,
    target: str = "",
) -> Figure:
    """Return a row of one number for each agent. `limit` is Hob's target in the same unit."""
    row = Figure(name, best, target or (f"<= {limit:g} {unit}" if limit is not None else ""))
    for agent in AGENTS:
        value = number(agent)
        row.texts[agent] = _NONE if value is None else f"{value:,.{digits}f} {unit}".rstrip()
        if value is not None:
            row.numbers[agent] = value
    if limit is not None and "hob" in row.numbers:
        row.met = row.numbers["hob"] <= limit
        row.floor_misses = row.numbers.get("floor", 0.0) > limit
    return row


def _starting(results: Results) -> list[Figure]:
    return [
        _row(
            "start to first model request, CPU",
            lambda a: results.middle(a, "nothing", start_ms), "ms", 0,
            best="260-340 ms, most 0.5-5.6 s", limit=220,
        ),
        _row(
            "--help, CPU", lambda a: results.middle(a, "help", cpu_ms), "ms", 0,
            best="50 ms-2 s", limit=60,
        ),
    ]  # fmt: skip


def _steps(results: Results) -> list[Figure]:
    def slope(workload: str, part: Callable[[Outcome], float]) -> Callable[[str], float | None]:
        return lambda agent: results.slope(agent, workload, STEPS, part)

    return [
        _row("shell step (`true`), CPU of agent and shell", slope("shell", cpu_ms), "ms", 2,
             best="14.7 ms (floor 2.3)", limit=5),
        _row("  of it the agent's own", slope("shell", own_ms), "ms", 2),
        _row("  of it the shell it started", slope("shell", children_ms), "ms", 2),
        _row("  wall time of it", slope("shell", wall_ms), "ms", 2),
        _row("read step, CPU", slope("read", cpu_ms), "ms", 2, best="8.0 ms (floor 0.4)", limit=2),
        _row("  wall time of it", slope("read", wall_ms), "ms", 2),
    ]  # fmt: skip


def _whole(results: Results) -> list[Figure]:
    def whole(name: str, workload: str, part: Callable[[Outcome], float], best: str = "") -> Figure:
        return _row(name, lambda a: results.middle(a, workload, part), "ms", 0, best=best)

    mixed = whole(f"whole {STEPS}-step run with pytest, CPU of all processes", "mixed", cpu_ms,
                  "2.8 x floor, others 4.4-34 x")  # fmt: skip
    mixed.target = "<= 1.6 x floor"
    if {"hob", "floor"} <= mixed.numbers.keys():
        mixed.met = mixed.numbers["hob"] <= 1.6 * mixed.numbers["floor"]
    return [
        mixed,
        whole("  without pytest: small commands only", "plain", cpu_ms),
        whole("  of it the agent's own", "plain", own_ms),
        whole("  wall time of it", "plain", wall_ms),
        _row("  own CPU a step, start left out",
             lambda a: results.slope(a, "plain", STEPS, own_ms), "ms", 2),
        whole("the same acts by shell alone, CPU of all processes", "same", cpu_ms),
        whole("  of it the agent's own", "same", own_ms),
    ]  # fmt: skip


def _growing(results: Results, s_per_byte: float) -> list[Figure]:
    def middle(part: Callable[[Outcome], float]) -> Callable[[str], float | None]:
        return lambda agent: results.middle(agent, "long", part)

    return [
        _row(f"{LONG_STEPS} steps: own CPU a step, first tenth", middle(tenth_ms(0)), "ms", 2,
             best="13 ms"),
        _row("  last tenth", middle(tenth_ms(-1)), "ms", 2, best="15 ms, most 19 -> 90"),
        _row("  last beside first", middle(growth(0.0)), "x", 2),
        _row("  the same beyond the bytes sent", middle(growth(s_per_byte)), "x", 2, limit=1.3),
        _row("  last beside second tenth, beyond the bytes sent", middle(growth(s_per_byte, 1)),
             "x", 2),
        _row("  bytes sent in all", middle(lambda o: sum(o.sizes) / 1e6), "MB", 1),
    ]  # fmt: skip


def _streaming(results: Results) -> list[Figure]:
    def extra(workload: str, parts: float) -> Callable[[str], float | None]:
        return lambda agent: results.middle(agent, workload, extra_ms(LIGHT_STEPS, parts))

    return [
        _row(f"CPU per streamed piece, {FAST_PIECES} pieces at 1 ms", extra("fast", FAST_PIECES),
             "ms", 3, best="0.15-7 ms", limit=0.12),
        _row(f"  {SLOW_PIECES} pieces at 20 ms", extra("slow", SLOW_PIECES), "ms", 3,
             limit=0.12),
        _row("CPU per second of waiting for the model", extra("wait", WAIT_S), "ms", 2,
             best="0-27 ms", limit=1),
        _row("peak memory of the agent", lambda a: _highest(results, a), "MB", 1,
             best="104-167 MB", limit=75),
    ]  # fmt: skip


def _highest(results: Results, agent: str) -> float | None:
    """Return the largest peak memory over the 40-step workloads."""
    peaks = [results.middle(agent, name, peak_mb) for name in ("mixed", "same")]
    return max((peak for peak in peaks if peak is not None), default=None)


def _prompting(results: Results) -> list[Figure]:
    prefix = Figure("prompts that extend the one before byte for byte", "stable in the good ones")
    whole = Figure("  as whole request bodies")
    echo = Figure("arguments echoed exactly")
    sent = Figure("bytes sent in the 40-step run")
    fixed = Figure("fixed prompt with all tools", "1,400-19,600 tokens", "<= 2,500 tokens")
    prefix.target = echo.target = "all"
    for agent in AGENTS:
        prompts = _prompts(results, agent)
        if prompts is None:
            for row in (prefix, whole, echo, sent, fixed):
                row.texts[agent] = _NONE
            continue
        prefix.texts[agent] = f"{prompts.extended} of {prompts.followed}"
        whole.texts[agent] = f"{prompts.literal} of {prompts.followed}"
        echo.texts[agent] = f"{prompts.echoed} of {prompts.called}"
        sent.texts[agent] = f"{prompts.sent_bytes / 1e6:.2f} MB"
        fixed.texts[agent] = f"{prompts.fixed_tokens:,} tokens ({prompts.fixed_bytes:,} bytes)"
        fixed.numbers[agent] = prompts.fixed_tokens
        if agent == "hob":
            prefix.met = prompts.literal == prompts.extended == prompts.followed
            echo.met = prompts.echoed == prompts.called
            fixed.met = prompts.fixed_tokens <= 2500
    return [prefix, whole, echo, sent, fixed]


def _prompts(results: Results, agent: str) -> Prompts | None:
    """Return the facts about the worst of the 40-step runs: by tools if the agent has any."""
    if agent in results.failures:
        return None
    for name in ("mixed", "same"):
        found = [o.prompts for o in results.outcomes.get((agent, name), []) if o.prompts]
        if found:
            return min(found, key=lambda p: (p.extended, p.literal, p.echoed))
    return None
