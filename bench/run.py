"""Measure Hob beside a bare loop and mini-swe-agent, and print the table. See README.md here.

Nothing here asserts a time. A missed target is printed and the exit code stays 0; it is 1 only if Hob
or the floor did not do what the script says.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from agents import FLOOR, HOB, MINI, Agent
from figures import Figure, figures
from measure import AgentFailed, command, play
from prompts import inspect
from results import Outcome, Results, numbers, sending_s_per_byte
from table import rendered
from workload import (
    FAST_GAP_S,
    FAST_PIECES,
    LONG_STEPS,
    SLOW_GAP_S,
    SLOW_PIECES,
    STEPS,
    TASK,
    WAIT_S,
    Turn,
    Workload,
    calls,
    long_answer,
    make_repository,
    mixed,
    pieces,
    read,
    shell,
    with_pytest,
)

ROUNDS, SLOW_ROUNDS = 5, 3
QUICK_ROUNDS, QUICK_SLOW_ROUNDS = 2, 1


def main(argv: Sequence[str]) -> int:
    """Measure, print, and return the exit code."""
    options = _options(argv)
    if not hasattr(os, "pidfd_open"):
        print("The bench reads process clocks as Linux has them; run it on Linux.")
        return 0
    rounds = QUICK_ROUNDS if options.quick else options.rounds
    slow = min(rounds, QUICK_SLOW_ROUNDS if options.quick else SLOW_ROUNDS)
    agents = [a for a in (FLOOR, MINI, HOB) if a.installed and a.name not in options.without]
    with tempfile.TemporaryDirectory(prefix="hob-bench-") as folder:
        bench = Bench(Path(folder), agents)
        bench.all(rounds, slow)
        rows = figures(bench.results, sending_s_per_byte())
    notes = _notes(rounds, slow, bench.results, Path(tempfile.gettempdir()))
    print(rendered(rows, notes))
    if options.json:
        _write(options.json, rows, notes, bench.results)
    return 1 if {"hob", "floor"} & bench.results.failures.keys() else 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"interleaved runs ({ROUNDS})")
    parser.add_argument("--without", action="append", default=[], choices=["mini", "floor", "hob"])
    parser.add_argument("--json", type=Path, help="also write all numbers to this file")
    return parser.parse_args(argv)


class Bench:
    """Runs workloads in turn, each agent once a round, in fresh folders under one temporary one."""

    def __init__(self, folder: Path, agents: Sequence[Agent]) -> None:
        self._folder = folder
        self._agents = list(agents)
        self._runs = 0
        self.results = Results()
        self._template = folder / "template"
        make_repository(self._template)

    def all(self, rounds: int, slow_rounds: int) -> None:
        """Run everything: first what warms the disk up and does not count, then the real rounds."""
        for agent in self._agents:
            self._play(agent, _same(agent), keep=False)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", file=sys.stderr)
            # Nobody always comes first: what ran just before leaves its traces in the caches.
            self._agents = [*self._agents[1:], self._agents[0]]
            for make in (_nothing, _shell, _read, _plain, _mixed, _same):
                self._each(make)
            self._help()
            if number < slow_rounds:
                for make in (_long, _fast, _slow, _wait):
                    self._each(make)

    def _each(self, make: Callable[[Agent], Workload | None]) -> None:
        for agent in self._agents:
            if workload := make(agent):
                self._play(agent, workload)

    def _play(self, agent: Agent, workload: Workload, keep: bool = True) -> None:
        if agent.name in self.results.failures:
            return
        with self._fresh() as (repository, state):
            try:
                run = play(
                    workload.turns,
                    lambda base_url: agent.argv(base_url, repository, state),
                    repository, state, agent.environment(state),
                )  # fmt: skip
            except AgentFailed as error:
                self.results.failures[agent.name] = f"{workload.name}: {error}"
                return
        prompts = inspect(run.bodies, workload.turns, TASK)
        sizes = tuple(map(len, run.bodies))
        run.bodies.clear()
        if keep:
            self.results.add(agent.name, workload.name, Outcome(run, sizes, prompts))

    def _help(self) -> None:
        for agent in self._agents:
            if agent.name in self.results.failures or agent is FLOOR:
                continue
            with self._fresh() as (_, state):
                try:
                    run = command([str(agent.program), "--help"], state, agent.environment(state))
                except AgentFailed as error:
                    self.results.failures[agent.name] = f"--help: {error}"
                    continue
            self.results.add(agent.name, "help", Outcome(run))

    @contextmanager
    def _fresh(self) -> Iterator[tuple[Path, Path]]:
        """Yield a copy of the repository and an empty folder for what the agent keeps."""
        self._runs += 1
        place = self._folder / str(self._runs)
        shutil.copytree(self._template, place / "repository")
        (place / "state").mkdir()
        try:
            yield place / "repository", place / "state"
        finally:
            shutil.rmtree(place)


def _nothing(agent: Agent) -> Workload:
    return calls("nothing", [], by_shell=agent.by_shell, submits=agent.submits)


def _shell(agent: Agent) -> Workload:
    steps = [shell(f"true # {n}") for n in range(STEPS)]
    return calls("shell", steps, by_shell=True, submits=agent.submits)


def _read(agent: Agent) -> Workload | None:
    steps = [read(n) for n in range(STEPS)]
    return None if agent.by_shell else calls("read", steps, by_shell=False, submits=False)


def _plain(agent: Agent) -> Workload | None:
    return None if agent.by_shell else calls("plain", mixed(STEPS), by_shell=False, submits=False)


def _mixed(agent: Agent) -> Workload | None:
    steps = with_pytest(mixed(STEPS))
    return None if agent.by_shell else calls("mixed", steps, by_shell=False, submits=False)


def _same(agent: Agent) -> Workload:
    return calls("same", with_pytest(mixed(STEPS)), by_shell=True, submits=agent.submits)


def _long(agent: Agent) -> Workload:
    return calls("long", mixed(LONG_STEPS), by_shell=agent.by_shell, submits=agent.submits)


def _fast(agent: Agent) -> Workload | None:
    return _streamed("fast", agent, pieces(FAST_PIECES, FAST_GAP_S))


def _slow(agent: Agent) -> Workload | None:
    return _streamed("slow", agent, pieces(SLOW_PIECES, SLOW_GAP_S))


def _streamed(name: str, agent: Agent, answer: Turn) -> Workload | None:
    if not agent.streams:
        return None
    return long_answer(name, answer, by_shell=agent.by_shell, submits=agent.submits)


def _wait(agent: Agent) -> Workload:
    answer = Turn(text="Well.", delay_s=WAIT_S)
    return long_answer("wait", answer, by_shell=agent.by_shell, submits=agent.submits)


def _notes(rounds: int, slow: int, results: Results, folder: Path) -> list[str]:
    notes = [
        f"{_processor()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, logs on {_file_system(folder)}.",
        f"CPU time, medians of {rounds} interleaved runs ({slow} for the 200-step, streaming and "
        "waiting rows). Other work on the same cores moves CPU time too: look at the ratios.",
        "mini-swe-agent knows only a shell and does not stream, so it appears in the rows by shell; "
        "its 200 steps are the same acts by shell.",
        "No small tool set exists yet: its row (<= 1,400 tokens) is not measured.",
    ]
    if not MINI.installed:
        notes.append("mini-swe-agent is not installed; `make bench` does that.")
    return notes + [f"{name} FAILED in {text}" for name, text in results.failures.items()]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _file_system(folder: Path) -> str:
    """Return the type of the file system that holds a folder."""
    place, kind = "", "an unknown file system"
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, found, *_ = line.split()
        if folder.resolve().is_relative_to(mount) and len(mount) > len(place):
            place, kind = mount, found
    return kind


def _write(path: Path, rows: Sequence[Figure], notes: Sequence[str], results: Results) -> None:
    figures_ = [asdict(row) | {"ratio": row.ratio} for row in rows]
    whole = {"notes": list(notes), "figures": figures_, "runs": numbers(results)}
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
