"""From runs to numbers: medians over the rounds of one workload, and what is taken from inside a run."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from measure import Run
from prompts import Prompts

_TENTHS = 10


@dataclass(frozen=True)
class Outcome:
    """What is kept of one run: its numbers, the sizes of its requests, the facts about its prompts."""

    run: Run
    sizes: tuple[int, ...] = ()
    prompts: Prompts | None = None


@dataclass
class Results:
    """All outcomes by agent and workload, and what an agent that failed said last."""

    outcomes: dict[tuple[str, str], list[Outcome]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, agent: str, workload: str, outcome: Outcome) -> None:
        """Keep one outcome."""
        self.outcomes.setdefault((agent, workload), []).append(outcome)

    def middle(self, agent: str, workload: str, number: Callable[[Outcome], float]) -> float | None:
        """Return the median of a number over the rounds, None if there was no run."""
        if agent in self.failures:
            return None
        outcomes = self.outcomes.get((agent, workload))
        return median(map(number, outcomes)) if outcomes else None

    def slope(
        self, agent: str, workload: str, steps: int, number: Callable[[Outcome], float]
    ) -> float | None:
        """Return what one step adds: the workload less a run without steps, divided by the steps."""
        whole = self.middle(agent, workload, number)
        start = self.middle(agent, "nothing", number)
        return None if whole is None or start is None else (whole - start) / steps


def own_ms(outcome: Outcome) -> float:
    """Return the CPU of the agent's own process."""
    return outcome.run.own_s * 1000


def children_ms(outcome: Outcome) -> float:
    """Return the CPU of what the agent started and waited for."""
    return outcome.run.children_s * 1000


def cpu_ms(outcome: Outcome) -> float:
    """Return the CPU of the process tree."""
    return outcome.run.cpu_s * 1000


def wall_ms(outcome: Outcome) -> float:
    """Return the time from start to end."""
    return outcome.run.wall_s * 1000


def start_ms(outcome: Outcome) -> float:
    """Return the agent's own CPU until the first request had arrived."""
    return outcome.run.marks[0].own_s * 1000


def peak_mb(outcome: Outcome) -> float:
    """Return the peak memory of the agent's own process."""
    return outcome.run.peak_mb


def _between(run: Run) -> list[float]:
    """Return the agent's own CPU seconds from each request to the next: step by step."""
    return [after.own_s - before.own_s for before, after in pairwise(run.marks)]


def tenth_ms(number: int, s_per_byte: float = 0.0) -> Callable[[Outcome], float]:
    """Return the function for the own CPU per step in one tenth of the steps (0 the first, -1 the last).

    With `s_per_byte` the bare sending of the requests is taken off.
    """

    def value(outcome: Outcome) -> float:
        steps = _between(outcome.run)
        length = len(steps) // _TENTHS
        begin = (number % _TENTHS) * length
        sent = sum(outcome.sizes[begin + 1 : begin + 1 + length])
        return (sum(steps[begin : begin + length]) - sent * s_per_byte) / length * 1000

    return value


def growth(s_per_byte: float, first: int = 0) -> Callable[[Outcome], float]:
    """Return the function for how many times a step of the last tenth costs one of the first."""
    end, begin = tenth_ms(-1, s_per_byte), tenth_ms(first, s_per_byte)
    return lambda outcome: end(outcome) / begin(outcome)


def extra_ms(light: int, parts: float) -> Callable[[Outcome], float]:
    """Return the function for what one part of the long answer cost beyond a light step.

    The first light step warms the agent up and is left out.
    """

    def value(outcome: Outcome) -> float:
        steps = _between(outcome.run)
        return (steps[light] - median(steps[1:light])) / parts * 1000

    return value


def sending_s_per_byte(size: int = 1 << 20, times: int = 60) -> float:
    """Return the CPU seconds that sending one byte over loopback costs, measured here and now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = threading.Thread(target=_swallow, args=(server,), daemon=True)
        reader.start()
        with socket.create_connection(server.getsockname()) as sender:
            spent = [_send(sender, bytes(size)) for _ in range(times)]
        reader.join()
    return median(spent) / size


def _send(sender: socket.socket, data: bytes) -> float:
    begun = time.thread_time()
    sender.sendall(data)
    return time.thread_time() - begun


def _swallow(server: socket.socket) -> None:
    reader, _ = server.accept()
    with reader:
        while reader.recv(1 << 16):
            pass


def numbers(results: Results) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Return every run's plain numbers, for the JSON file."""
    table: dict[str, dict[str, list[dict[str, float]]]] = {}
    for (agent, workload), outcomes in results.outcomes.items():
        table.setdefault(agent, {})[workload] = [_plain(outcome) for outcome in outcomes]
    return table


def _plain(outcome: Outcome) -> dict[str, float]:
    marks = outcome.run.marks
    parts: Sequence[tuple[str, Callable[[Outcome], float]]] = (
        ("own_ms", own_ms), ("children_ms", children_ms), ("wall_ms", wall_ms),
        *((("start_ms", start_ms), ("peak_mb", peak_mb)) if marks else ()),
    )  # fmt: skip
    return {name: round(number(outcome), 3) for name, number in parts} | {
        "requests": len(marks),
        "sent_bytes": sum(outcome.sizes),
    }
