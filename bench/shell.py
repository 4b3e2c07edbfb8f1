"""What a command costs in Hob's sandbox, beside a bare subprocess and, where importable, SWE-ReX.

Run as `python bench/shell.py` with Hob importable; `--rounds N` for other than 100. It prints and
asserts nothing: figures are medians in milliseconds of one run, all ways interleaved, so compare them
with each other and not with another day's. SWE-ReX pulls a GPL package and is never a dependency: put it
into an environment of its own (with Hob's `src` on PYTHONPATH) to see its row.
"""

import argparse
import asyncio
import importlib
import os
import resource
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from hob.sandboxes.environment import child_environment
from hob.sandboxes.local import LocalSandbox
from hob.stores.blobs import FileBlobs
from hob.tools.first_set import belongings
from hob.tools.settings import Settings
from hob.tools.shell import bash
from hob.tools.tool import bind

BASH = ["bash", "--noprofile", "--norc", "-c"]
FIFTY_MB = "head -c 50000000 /dev/zero | tr '\\0' x"
KINDS = {
    "daemon": "setsid -f bash -c 'cd /; exec <&- >&- 2>&-; setsid -f sleep {w}'; sleep {w}",
    "setsid": "setsid -f sleep {w}; sleep {w}",
    "double fork": "( ( setsid sleep {w} & ) & ); sleep {w}",
    "wiped environment": "( ( setsid env -i sleep {w} & ) & ); sleep {w}",
    "ignores TERM": "trap '' INT TERM HUP; while :; do sleep {w}; done",
    "stopped": "sleep {w} & kill -STOP $!; kill -STOP $$",
    "pipe held": "(trap '' INT TERM; setsid -f sleep {w}) & disown -a; sleep {w}",
}

Way = Callable[[], Awaitable[object]]


def plain(argv: list[str], env: dict[str, str]) -> object:
    return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def tree_cpu_s() -> float:
    """Return the CPU time of ourselves, of ended children, and of all below us with theirs."""
    family: dict[int, tuple[int, float]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                data = (process / "stat").read_text(encoding="utf-8", errors="replace")
                # Nanoseconds of the process itself; what it reaped is counted in ticks only.
                own = int((process / "schedstat").read_text(encoding="utf-8").split()[0]) / 1e9
            except OSError:
                continue
            fields = data.rpartition(")")[2].split()
            reaped = sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")
            family[int(process.name)] = (int(fields[1]), own + reaped)
    below = {os.getpid()}
    while fresh := {pid for pid, (above, _) in family.items() if above in below} - below:
        below |= fresh
    return cpu_s() + sum(family[pid][1] for pid in below - {os.getpid()})


async def measure(ways: dict[str, Way], rounds: int) -> dict[str, tuple[float, float, float]]:
    walls: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        await way()
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            await way()
            walls[name].append((time.perf_counter() - begun) * 1000)
    found: dict[str, tuple[float, float, float]] = {}
    for name, way in ways.items():
        begun = tree_cpu_s()
        for _ in range(rounds):
            await way()
        cpu = (tree_cpu_s() - begun) / rounds * 1000
        found[name] = (statistics.median(walls[name]), min(walls[name]), cpu)
    return found


def survivors(word: str) -> list[int]:
    """Return who has `sleep WORD` in its command line and lives."""
    found: list[int] = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                line = (process / "cmdline").read_bytes()
                state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
            except OSError:
                continue
            if f"sleep\0{word}".encode() in line and state not in {b"Z", b"X"}:
                found.append(int(process.name))
    return found


async def hob_survivors(box: LocalSandbox) -> dict[str, int]:
    left: dict[str, int] = {}
    for number, (name, script) in enumerate(KINDS.items()):
        word = f"98{number}.{os.getpid()}"
        await box.exec([*BASH, script.format(w=word)], timeout_s=0.5)
        left[name] = len(survivors(word))
    return left


def bare_survivors() -> dict[str, int]:
    """Do what many agents do: subprocess with a time limit, kill the process group."""
    left: dict[str, int] = {}
    for number, (name, script) in enumerate(KINDS.items()):
        word = f"97{number}.{os.getpid()}"
        process = subprocess.Popen(
            [*BASH, script.format(w=word)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(0.5)
        os.killpg(process.pid, 9)
        process.wait()
        time.sleep(0.05)
        found = survivors(word)
        left[name] = len(found)
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return left


async def swerex_way() -> tuple[Way, Way] | None:
    """Return a trivial command in a SWE-ReX session and its end, None where it is not installed."""
    try:
        abstract = importlib.import_module("swerex.runtime.abstract")
        local = importlib.import_module("swerex.runtime.local")
    except ImportError:
        return None
    runtime = local.LocalRuntime()
    await runtime.create_session(abstract.CreateBashSessionRequest())

    async def true() -> object:
        return await runtime.run_in_session(abstract.BashAction(command="true", timeout=30))

    return true, runtime.close


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        env = child_environment({"PATH": os.environ["PATH"], "HOME": folder})
        box = LocalSandbox(folder, env)
        direct = LocalSandbox(folder, env, keeper=False)
        settings = Settings()
        shared = belongings(box, settings, FileBlobs(Path(folder) / "blobs"))
        shell = bind(bash, shared)

        async def bare() -> object:
            return plain(["true"], env)

        async def bare_bash() -> object:
            return plain([*BASH, ":"], env)

        ways: dict[str, Way] = {
            "subprocess true": bare,
            "sandbox true": lambda: box.exec(["true"], timeout_s=30),
            "sandbox true, no keeper": lambda: direct.exec(["true"], timeout_s=30),
            "subprocess bash -c :": bare_bash,
            "sandbox bash -c :": lambda: box.exec([*BASH, ":"], timeout_s=30),
            "bash tool, remembering": lambda: shell.run({"command": ":"}, lambda *_: None),
        }
        peer = await swerex_way()
        figures = await measure(ways, rounds)
        print(f"{'trivial command':28}{'median':>9}{'min':>9}{'CPU':>9}  ms")
        for name, (median, least, cpu) in figures.items():
            print(f"{name:28}{median:9.2f}{least:9.2f}{cpu:9.2f}")
        if peer is not None:
            found = await measure({"swe-rex session": peer[0]}, min(rounds, 20))
            median, least, cpu = found["swe-rex session"]
            print(f"{'swe-rex session':28}{median:9.2f}{least:9.2f}{cpu:9.2f}")
            await peer[1]()
        else:
            print("swe-rex is not installed here")
        pairs = (
            ("sandbox true", "subprocess true"),
            ("bash tool, remembering", "sandbox bash -c :"),
        )
        for one, other in pairs:
            wall = figures[one][1] - figures[other][1]
            cpu = figures[one][2] - figures[other][2]
            print(f"{one} over {other}: {wall:+.2f} ms (least), {cpu:+.2f} ms CPU")

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun, used = time.perf_counter(), time.process_time()
        result = await shell.run({"command": FIFTY_MB, "timeout_s": 60}, lambda *_: None)
        wall, used = time.perf_counter() - begun, time.process_time() - used
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        begun = time.perf_counter()
        plain([*BASH, FIFTY_MB], env)
        print(
            f"50 MB through the bash tool: {wall:.2f} s, own CPU {used:.2f} s, memory +{grown:.1f} MB,"
            f" result {len(result.content)} characters; bare subprocess {time.perf_counter() - begun:.2f} s"
        )
        left, bare_left = await hob_survivors(box), bare_survivors()
        await box.close()
        await direct.close()
        print("survivors of a timed-out command: Hob / killpg")
        for name in KINDS:
            print(f"  {name:20}{left[name]} / {bare_left[name]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    asyncio.run(main(parser.parse_args().rounds))
