"""The keeper: nobody leaves it, whoever is killed first; what commands leave is known and ended."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hob.core.ports import ExecResult, FileError
from hob.sandboxes.environment import child_environment
from hob.sandboxes.local import LocalSandbox

ENV = child_environment({"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, "test")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="keepers need Linux")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[LocalSandbox]:
    (tmp_path / "root").mkdir()
    box = LocalSandbox(str(tmp_path / "root"), ENV)
    yield box
    asyncio.run(box.close())


async def sh(box: LocalSandbox, script: str, timeout_s: float = 30, **more: object) -> ExecResult:
    argv = ["bash", "--noprofile", "--norc", "-c", script]
    return await box.exec(argv, timeout_s=timeout_s, **more)  # type: ignore[arg-type]


def running(word: str) -> list[int]:
    found: list[int] = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0].decode()
            if process.name.isdecimal() and word in line and state not in "ZX":
                found.append(int(process.name))
    return sorted(found)


def keepers(box: LocalSandbox) -> list[int]:
    """Return the keeper and its parents of commands."""
    return running(f"{box.scratch} ".strip())


def gone(word: str, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while running(word) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running(word)


# Each starts `sleep WORD` so that neither session, group, parent nor environment lead back.
HIDDEN = {
    "setsid": "setsid -f env -i {s}; {s}",
    "double fork": "( ( setsid env -i {s} & ) & ); {s}",
    "ignores": "( ( setsid env -i bash -c \"trap '' INT TERM HUP; while :; do {s}; done\" & ) & ); {s}",
    "stopped": "( setsid env -i bash -c '{s} & kill -STOP $$' & ); {s}",
    "pipe held": "( trap '' INT TERM; setsid -f env -i {s} ) & disown -a; {s}",
    "daemon": "setsid -f env -i bash -c 'cd /; exec </dev/null >/dev/null 2>&1; setsid -f env -i {s}'; {s}",
    "moves on": "setsid -f env -i bash -c 'f() {{ [ $1 = 99999 ] || f $(($1 + 1)) & }}; f 0; : {s}'; {s}",
    "leader gone": "setsid -f env -i {s}; exit 0",
}


@pytest.mark.parametrize("way", ["timeout", "cancel"])
def test_not_even_who_hides_survives(box: LocalSandbox, way: str):
    word = f"61.{os.getpid()}{len(way)}"

    async def end(number: int, script: str) -> None:
        command = script.format(s=f"sleep {word}{number}")
        if script.endswith("exit 0"):
            result = await sh(box, command)
            assert result.job is not None
            return
        if way == "timeout":
            assert (await sh(box, command, 1)).timed_out
            return
        task = asyncio.ensure_future(sh(box, command, 60))
        await asyncio.sleep(0.7)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def all_kinds() -> None:
        await asyncio.gather(*(end(n, s) for n, s in enumerate(HIDDEN.values())))

    asyncio.run(all_kinds())
    last = len(HIDDEN) - 1
    assert [running(f"sleep {word}{number}") for number in range(last)] == [[]] * last
    assert len(running(f"sleep {word}{last}")) == 1  # its command ended by itself: a job
    asyncio.run(box.close())
    assert running(f"sleep {word}") == []


def test_what_is_left_belongs_to_the_command_it_came_from(box: LocalSandbox):
    word = f"61.2{os.getpid()}"

    async def many() -> None:
        scripts = [f"setsid -f sleep {word}{n}" for n in range(6)]
        results = await asyncio.gather(*(sh(box, script) for script in scripts))
        for number, result in enumerate(results):
            assert result.job is not None
            assert result.job.command == f"sleep {word}{number}"
        jobs = await box.jobs()
        assert sorted(job.command for job in jobs) == [f"sleep {word}{n}" for n in range(6)]
        assert len({job.job_id for job in jobs}) == 6
        os.kill(jobs[0].pids[0], signal.SIGTERM)
        await asyncio.sleep(0.1)
        assert [job.job_id for job in await box.jobs()] == [job.job_id for job in jobs[1:]]
        assert (await sh(box, "true; (exit) &")).job is None

    asyncio.run(many())


KILLED = """
import asyncio, os, sys
from hob.sandboxes.environment import child_environment
from hob.sandboxes.local import LocalSandbox
async def main():
    box = LocalSandbox(sys.argv[1], child_environment({"PATH": os.environ["PATH"]}))
    await box.exec(["bash", "-c", f"setsid -f env -i sleep {sys.argv[2]}"], timeout_s=9)
    print(box.scratch, flush=True)
    script = f"trap '' TERM INT; (setsid env -i sleep {sys.argv[2]} &); sleep {sys.argv[2]}"
    await box.exec(["bash", "-c", script], timeout_s=99)
asyncio.run(main())
"""


def test_a_killed_hob_takes_everything_along(tmp_path: Path):
    word = f"61.3{os.getpid()}"
    env = {**ENV, "PYTHONPATH": os.pathsep.join(sys.path)}
    hob = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), word], stdout=subprocess.PIPE, env=env
    )
    assert hob.stdout is not None
    scratch = hob.stdout.readline().decode().strip()
    deadline = time.monotonic() + 5
    while len(running(f"sleep {word}")) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(running(f"sleep {word}")) >= 3
    assert Path(scratch).is_dir()
    hob.kill()
    hob.communicate()
    assert gone(word)
    assert gone(scratch)
    assert not Path(scratch).exists()


def test_a_killed_keeper_costs_one_command(box: LocalSandbox):
    word = f"61.4{os.getpid()}"

    async def main() -> None:
        await sh(box, "true")
        before = keepers(box)
        assert len(before) == 2
        task = asyncio.ensure_future(sh(box, f"sleep {word} & setsid -f sleep {word}; wait"))
        for _ in range(200):
            if len(running(f"sleep {word}")) == 2:
                break
            await asyncio.sleep(0.02)
        os.kill(before[0], signal.SIGKILL)
        result = await asyncio.wait_for(task, 10)
        assert (result.exit_code, result.timed_out) == (-signal.SIGKILL, False)
        assert running(f"sleep {word}") == []
        assert (await sh(box, "echo again")).stdout == "again\n"
        assert keepers(box)
        assert keepers(box)[0] != before[0]

    asyncio.run(main())


def test_a_killed_parent_is_replaced(box: LocalSandbox):
    async def main() -> None:
        await sh(box, "true")
        for _ in range(5):
            await asyncio.sleep(0.05)
            os.kill(keepers(box)[-1], signal.SIGKILL)
            await asyncio.sleep(0.05)
            assert (await sh(box, "echo on", 5)).stdout == "on\n"

    asyncio.run(main())


def test_a_command_starts_clean(box: LocalSandbox):
    async def main() -> None:
        with (Path(box.root) / "held").open("w") as held:
            os.set_inheritable(held.fileno(), True)
            script = (
                "grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd; ps -o sid=,pid= $$"
            )
            result = await sh(box, script)
        lines = result.stdout.split()
        assert lines[:3] == ["SigBlk:", "0" * 16, "SigIgn:"]
        # posix_spawn(3) of glibc leaves its own two, 32 and 33, ignored; a program sets them itself.
        assert int(lines[3], 16) & ~(3 << 31) == 0
        assert lines[4:8] == ["0", "1", "2", "3"]
        assert lines[8] == lines[9]

    asyncio.run(main())


def test_the_keeper_knows_no_secret(box: LocalSandbox):
    asyncio.run(sh(box, "true"))
    for pid in keepers(box):
        assert Path(f"/proc/{pid}/environ").read_bytes() in {b"", b"LC_CTYPE=C.UTF-8\0"}


def test_a_hundred_commands_at_once(box: LocalSandbox):
    async def main() -> list[str]:
        results = await asyncio.gather(*(sh(box, f"echo {n}; exit {n}") for n in range(100)))
        assert [one.exit_code for one in results] == list(range(100))
        return [one.stdout for one in results]

    assert asyncio.run(main()) == [f"{n}\n" for n in range(100)]


def test_a_cancelled_start_leaves_nobody(box: LocalSandbox):
    word = f"61.5{os.getpid()}"

    async def main() -> None:
        tasks = [asyncio.ensure_future(sh(box, f"sleep {word}")) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert running(f"sleep {word}") == []


@pytest.mark.parametrize("keeper", [True, False])
def test_a_sink_hears_every_byte_also_after_the_return(tmp_path: Path, keeper: bool):
    async def main() -> None:
        box = LocalSandbox(str(tmp_path), ENV, keeper=keeper)
        heard: dict[str, bytes] = {"stdout": b"", "stderr": b""}

        def sink(stream: str, data: bytes) -> None:
            heard[stream] += data

        script = "head -c 3000000 /dev/zero; echo e >&2; (sleep 0.4; echo late; echo late >&2) &"
        result = await sh(box, script, sink=sink, max_bytes=100)
        assert result.stdout_bytes == 3_000_000
        assert result.job is not None
        await asyncio.sleep(0.8)
        assert heard["stderr"] == b"e\nlate\n"
        assert heard["stdout"] == b"\0" * 3_000_000 + b"late\n"
        await box.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_job_that_prints_without_end_cannot_keep_us_busy(box: LocalSandbox):
    async def main() -> float:
        heard = [0]

        def sink(_: str, data: bytes) -> None:
            heard[0] += len(data)

        result = await sh(box, "yes &", sink=sink)
        assert result.job is not None
        before, begun = heard[0], time.process_time()
        await asyncio.sleep(1)
        assert heard[0] - before < 30_000_000
        assert [job.command for job in await box.jobs()] == ["yes"]
        return time.process_time() - begun

    assert asyncio.run(main()) < 0.5


@pytest.mark.parametrize("keeper", [True, False])
def test_a_terminal_reads_until_quiet_a_pattern_or_the_end(tmp_path: Path, keeper: bool):
    async def main() -> None:
        box = LocalSandbox(str(tmp_path), ENV, keeper=keeper)
        script = "echo one; sleep 0.8; echo two; read x; echo got $x; exit 3"
        one = await box.terminal(["bash", "-c", script], columns=40, lines=10)
        assert await one.read(timeout_s=5) == "one\r\n"
        assert await one.read(timeout_s=5, until="tw.\r\n$") == "two\r\n"
        assert one.exit_code is None
        await one.send("me\n")
        assert await one.read(timeout_s=5, until="never") == "me\r\ngot me\r\n"
        assert one.exit_code == 3
        with pytest.raises(FileError, match="has ended"):
            await one.send("more")
        await one.close()
        await one.close()
        for argv in (["no-such-program"], ["a\0b"]):
            with suppress(FileError):
                missing = await box.terminal(argv)
                await missing.read(timeout_s=5, until="never")
                assert missing.exit_code != 0
                await missing.close()
        await box.close()

    asyncio.run(main())


def test_scratch_is_private_and_can_be_read(box: LocalSandbox):
    asyncio.run(sh(box, 'echo x >"$1/a"'.replace("$1", box.scratch)))
    assert box.read(f"{box.scratch}/a", 9) == b"x\n"
    os.mkfifo(f"{box.scratch}/fifo")
    Path(f"{box.scratch}/link").symlink_to("/etc/passwd")
    for name in ("fifo", "link", "none", "../../etc/passwd"):
        with pytest.raises(FileError):
            box.read(f"{box.scratch}/{name}", 9)


def test_what_a_killed_parent_had_is_killed(box: LocalSandbox):
    word = f"61.6{os.getpid()}"

    async def main() -> None:
        task = asyncio.ensure_future(sh(box, f"(setsid env -i sleep {word} &); sleep {word}"))
        for _ in range(200):
            if len(running(f"sleep {word}")) == 2:
                break
            await asyncio.sleep(0.02)
        os.kill(keepers(box)[1], signal.SIGKILL)
        result = await asyncio.wait_for(task, 10)
        assert (result.exit_code, result.timed_out) == (-signal.SIGKILL, False)
        assert gone(f"sleep {word}")
        assert (await sh(box, "echo on")).stdout == "on\n"

    asyncio.run(main())


def test_parents_are_used_again_and_few_wait(box: LocalSandbox):
    async def at_once(count: int) -> int:
        await asyncio.gather(*(sh(box, "true") for _ in range(count)))
        await asyncio.sleep(0.2)
        return len(keepers(box)) - 1

    for _ in range(3):  # an event loop of its own each
        assert asyncio.run(at_once(1)) == 1
    assert asyncio.run(at_once(12)) == 4
    assert asyncio.run(at_once(3)) == 4
    job = asyncio.run(sh(box, "sleep 0.3 &")).job
    assert job is not None
    time.sleep(0.4)  # its end comes when no loop listens
    assert asyncio.run(box.jobs()) == []
    assert asyncio.run(at_once(4)) == 4


def test_a_large_request_arrives(box: LocalSandbox):
    async def main() -> None:
        text = "x" * 120_000
        result = await box.exec(["printf", "%s", text], timeout_s=9, max_bytes=200_000)
        assert result.stdout == text
        many = {f"V{n}": text for n in range(3)}
        result = await sh(box, "echo ${#V0} ${#V2}", env=many)
        assert result.stdout == "120000 120000\n"
        assert (await box.exec(["true", *[text] * 50], timeout_s=9)).exit_code == 126

    asyncio.run(main())
