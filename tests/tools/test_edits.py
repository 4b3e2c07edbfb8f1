"""A whole reply carried out in a workspace: all its files or none."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hob.core.messages import ToolResult
from hob.core.ports import FileError, Sandbox
from hob.sandboxes.local import LocalSandbox
from hob.tools.edits import apply_edits
from hob.tools.read import read_file
from hob.tools.seen import Seen
from hob.tools.settings import Settings
from hob.tools.tool import bind


class Full(LocalSandbox):
    """A workspace that takes no file named `full`."""

    def write(self, path: str, data: bytes) -> None:
        if path == "full.txt":
            raise FileError("no space left for 'full.txt'")
        super().write(path, data)


class Desk:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.sandbox = Full(str(root), {"PATH": "/usr/bin:/bin"})
        supplies = {Sandbox: self.sandbox, Settings: Settings(), Seen: Seen()}
        self._tools = {one.spec.name: bind(one, supplies) for one in (apply_edits, read_file)}

    def edits(self, reply: str, format: str = "diff") -> ToolResult:
        return self("apply_edits", reply=reply, format=format)

    def __call__(self, name: str, /, **arguments: Any) -> ToolResult:
        return asyncio.run(self._tools[name].run(arguments, lambda stream, text: None))

    def files(self) -> dict[str, bytes]:
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "a.py").write_bytes(b"\xef\xbb\xbfx = 1\r\ny = 2\r\n")
    (tmp_path / "b.txt").write_text("one\n")
    (tmp_path / "binary").write_bytes(b"\0\1")
    desk = Desk(tmp_path)
    yield desk
    asyncio.run(desk.sandbox.close())


def block(path: str, search: str, replace: str) -> str:
    return f"{path}\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def test_all_files_are_written_and_told(desk: Desk):
    reply = block("a.py", "x = 1\n", "x = 3\n") + block("new/c.txt", "", "c\n")
    result = desk.edits(reply)
    assert result.content == "Edited 'a.py', line 1.\nCreated 'new/c.txt'."
    assert desk.files() == {
        "a.py": b"\xef\xbb\xbfx = 3\r\ny = 2\r\n", "b.txt": b"one\n", "binary": b"\0\1",
        "new/c.txt": b"c\n",
    }  # fmt: skip
    assert result.details.metadata["paths"] == ["a.py", "new/c.txt"]
    assert "+x = 3" in result.details.metadata["diff"]
    assert sorted(result.details.metadata["seen"]) == ["a.py", "new/c.txt"]


def test_a_diff_moves_and_deletes(desk: Desk):
    diff = (
        "diff --git a/b.txt b/d.txt\nsimilarity index 100%\nrename from b.txt\nrename to d.txt\n"
        "--- a/a.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x = 1\n-y = 2\n"
    )
    result = desk.edits(diff, "udiff")
    assert result.content == "Moved 'd.txt' from 'b.txt', line 1.\nDeleted 'a.py'."
    assert desk.files() == {"d.txt": b"one\n", "binary": b"\0\1"}


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (block("b.txt", "one\n", "1\n") + block("a.py", "nope\n", "q\n"), "1 of 2 edits do not"),
        (block("b.txt", "one\n", "1\n") + block("full.txt", "", "q\n"), "no space left"),
        (block("b.txt", "one\n", "1\n") + block("binary", "x\n", "q\n"), "has no path"),
        (block("./binary", "x\n", "q\n"), "is a binary file"),
        (block("../b.txt", "one\n", "1\n"), "leaves the workspace"),
        (block("b.txt", "one\n", "1\n")[:-12], "cut off"),
        ("words", "no edit in this format"),
    ],
)
def test_a_refusal_changes_nothing(desk: Desk, reply: str, words: str):
    before = desk.files()
    result = desk.edits(reply)
    assert result.is_error
    if (
        words != "has no path"
    ):  # a word without a dot is no path: the block belongs to the file before it
        assert words in result.content
    assert desk.files() == before


def test_what_a_person_changed_is_kept_or_refused(desk: Desk):
    desk("read_file", path="b.txt")
    (desk.root / "b.txt").write_text("one\ntheirs\n")
    whole = desk.edits("b.txt\n```\n1\n```\n", "whole")
    assert whole.is_error
    assert "+theirs" in whole.content
    assert desk.files()["b.txt"] == b"one\ntheirs\n"
    edited = desk.edits(block("b.txt", "one\n", "1\n"))
    assert not edited.is_error
    assert "it was kept:" in edited.content
    assert desk.files()["b.txt"] == b"1\ntheirs\n"


def test_a_file_that_does_not_parse_any_more_is_reported(desk: Desk):
    result = desk.edits("a.py\n```\nx = (\n```\n", "whole")
    assert not result.is_error
    assert "But 'a.py' does not parse now: " in result.content
