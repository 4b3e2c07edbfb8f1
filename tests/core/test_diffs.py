"""Diffs in a few words."""

import asyncio

from hob.core.agent import ToolSpec
from hob.core.diffs import counts, is_diff, summary
from hob.core.messages import ToolCall, ToolResult
from hob.loop.toolbox import Toolbox
from hob.stores.memory import MemoryBlobs

DIFF = (
    "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,3 @@\n-x = 1\n+x = 2\n+--- y\n z = 4\n"
    "--- /dev/null\n+++ b/new.txt\t2026-01-01\n@@ -0,0 +1 @@\n+++ not a header of its own? no\n"
)


def test_a_diff_is_told_file_by_file():
    assert is_diff(DIFF)
    assert not is_diff("a @@ b")
    assert summary("--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n+z\n") == "a.py +2 -1"
    assert summary("no diff") == ""
    assert counts("--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n+z\n") == (2, 1)
    many = "".join(f"+++ b/f{n}\n@@ -1 +1 @@\n+x\n" for n in range(50))
    assert summary(many).splitlines()[-1] == "… and 10 more files"


class _Long:
    spec = ToolSpec("git_diff", "Show.", '{"type":"object","properties":{}}', "read", "safe")

    async def run(self, arguments, report):
        hunk = "@@ -1,500 +1,500 @@\n" + "-old line\n+new line\n" * 500
        return ToolResult("".join(f"--- a/f{n}.py\n+++ b/f{n}.py\n{hunk}" for n in range(3)))


def test_a_diff_that_is_too_long_enters_with_its_summary():
    box = Toolbox([_Long()], MemoryBlobs(), max_tokens=600)
    result = asyncio.run(box.run(ToolCall("1.0", "git_diff", "{}"), lambda *_: None))
    assert result.content.startswith(
        "f0.py +500 -500\nf1.py +500 -500\nf2.py +500 -500\n\n--- a/f0.py"
    )
    assert "characters cut here" in result.content
    assert len(result.content) < 4000
