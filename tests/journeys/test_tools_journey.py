"""A piece of work on a real git repository, with every tool of the first set."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from hob.core.messages import ToolResult
from hob.core.ports import Clock, Sandbox
from hob.sandboxes.environment import child_environment
from hob.sandboxes.local import LocalSandbox
from hob.stores.memory import MemoryBlobs
from hob.tools.first_set import TOOLS, belongings
from hob.tools.seen import Seen
from hob.tools.settings import Settings
from hob.tools.tool import bind


class WallClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def test_a_fault_is_found_repaired_and_committed(tmp_path: Path):
    asyncio.run(journey(tmp_path))


async def journey(root: Path) -> None:
    home = root / "home"
    work = root / "work"
    home.mkdir()
    work.mkdir()
    env = child_environment({"PATH": os.environ["PATH"], "HOME": str(home)}, "journey")
    sandbox = LocalSandbox(str(work), env)
    settings = Settings()
    shared = belongings(sandbox, settings, MemoryBlobs())
    clock = WallClock()
    supplies = {Sandbox: sandbox, Settings: settings, Clock: clock, Seen: Seen(), **shared}
    tools = {one.spec.name: bind(one, supplies) for one in TOOLS}
    used: set[str] = set()
    heard: list[tuple[str, str]] = []

    async def call(name: str, /, **arguments: Any) -> ToolResult:
        used.add(name)
        return await tools[name].run(arguments, lambda *piece: heard.append(piece))

    async def ok(name: str, /, **arguments: Any) -> str:
        result = await call(name, **arguments)
        assert not result.is_error, f"{name}: {result.content}"
        return result.content

    async def no(name: str, /, **arguments: Any) -> str:
        result = await call(name, **arguments)
        assert result.is_error, f"{name}: {result.content}"
        return result.content

    try:
        await begin(ok, no)
        await repair(ok, no)
        await commit(ok, no)
        await tidy(ok, no)
        await remember(ok)
    finally:
        await sandbox.close()
    assert used == set(tools)
    assert ("stdout", "on branch\n") in heard
    assert sorted(p.name for p in work.iterdir()) == [".git", "README.md", "pkg"]
    assert (work / "pkg" / "sums.py").read_text() == "def add(a, b):\n    return a + b\n"
    assert list(home.iterdir()) == []


async def begin(ok: Any, no: Any) -> None:
    assert "not a git repository" in await no("git_status")
    assert await ok("write_file", path="pkg/sum.py", content="def add(a, b):\n    return a - b\n")
    await ok(
        "write_file",
        path="pkg/check.py",
        content="from sum import add\nassert add(2, 2) == 4, add(2, 2)\nprint('fine')\n",
    )
    await ok("write_file", path="README.md", content="# Sums\n")
    await ok("bash", command="git init -q -b main")
    assert await ok("git_branch") == "[no branches: there are no commits yet]"
    assert await no("git_log") == "there are no commits yet"
    said = await no("git_commit", message="Begin", paths=["pkg", "README.md"])
    assert said == "git has no user.name and user.email; ask the person to set them"
    await ok("bash", command="git config user.name Hob && git config user.email hob@example.org")
    assert "3 files changed" in await ok("git_commit", message="Begin", paths=["pkg", "README.md"])
    assert "nothing to commit" in await no("git_commit", message="Again")
    assert await ok("git_status") == "## main"


async def repair(ok: Any, no: Any) -> None:
    said = await no("bash", command="python3 -B pkg/check.py")
    assert said.startswith("exit code 1\nstderr:\nTraceback")
    assert said.endswith("AssertionError: 0")
    assert "noted" in await ok("think", thought="add subtracts")
    assert await ok("list_dir", path="pkg") == "check.py\t67\nsum.py\t32"
    assert await ok("glob", pattern="**/s*.py") == "pkg/sum.py"
    assert await ok("grep", pattern=r"return a\b") == "pkg/sum.py:2:     return a - b"
    assert await ok("read_file", path="pkg/sum.py") == "1\tdef add(a, b):\n2\t    return a - b"
    assert "nearest lines" in await no(
        "edit_file", path="pkg/sum.py", search="return a * c", replace="x"
    )
    await ok("edit_file", path="pkg/sum.py", search="a - b", replace="a + b")
    assert await ok("bash", command="python3 -B pkg/check.py") == "exit code 0\nstdout:\nfine"


async def commit(ok: Any, no: Any) -> None:
    assert "-    return a - b\n+    return a + b" in await ok("git_diff")
    assert "no changes here" in await ok("git_diff", staged=True)
    await ok("git_branch", name="repair")
    assert await ok("git_branch") == "  main\n* repair"
    assert "1 file changed" in await ok("git_commit", message="Add, do not subtract")
    log = await ok("git_log", limit=5, path="pkg/sum.py")
    assert [line.split(": ")[1] for line in log.split("\n")] == ["Add, do not subtract", "Begin"]
    await ok("git_branch", name="main")
    assert "a - b" in await ok("read_file", path="pkg/sum.py", start_line=2)
    await ok("git_branch", name="repair")
    assert await ok("bash", command="echo on branch") == "exit code 0\nstdout:\non branch"


async def tidy(ok: Any, no: Any) -> None:
    assert "exists already" in await no("move_file", source="pkg/sum.py", target="README.md")
    await ok("move_file", source="pkg/sum.py", target="pkg/sums.py")
    await ok("edit_file", path="pkg/check.py", search="from sum ", replace="from sums ")
    assert await ok("bash", command="python3 -B pkg/check.py") == "exit code 0\nstdout:\nfine"
    await ok("write_file", path="notes.txt", content="gone soon")
    assert "?? notes.txt" in await ok("git_status")
    await ok("delete_file", path="notes.txt")
    assert "not empty" in await no("delete_file", path="pkg")
    # A file that is gone and one that is new, both by name.
    said = await ok("git_commit", message="Rename", paths=["pkg/sum.py", "pkg/sums.py"])
    assert "rename pkg/{sum.py => sums.py} (100%)" in said
    assert " M pkg/check.py" in await ok("git_status")
    assert "1 file changed" in await ok("git_commit", message="Follow the rename")


async def remember(ok: Any) -> None:
    await ok(
        "bash", command="export A=1; python3 -m venv --without-pip ../env; . ../env/bin/activate"
    )
    said = await ok("bash", command="echo $A; python -c 'import sys; print(sys.prefix[-4:])'")
    assert said == "exit code 0\nstdout:\n1\n/env"
    said = await ok("bash", command="seq 5000")
    name = said.partition("read_output('")[2][:12]
    assert (await ok("read_output", output=name, start_line=2500, end_line=2500)).startswith(
        "2500\t2500\n"
    )
    # Isolated: an interactive Python may leave a history file of its own in the home folder.
    await ok("shell_session", action="start", text="python -I -i", until=">>> $")
    said = await ok("shell_session", action="send", text="import os; os.environ['A']", until="'\r")
    assert said.startswith("import os; os.environ['A']\n'1'")
    said = await ok("shell_session", action="close")
    assert said.startswith("[no output]") or ">>>" in said
