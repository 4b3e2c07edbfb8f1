"""Writes that find the file changed by somebody else: merged or refused, never lost."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hob.core.messages import ToolResult
from hob.core.ports import Sandbox
from hob.sandboxes.local import LocalSandbox
from hob.tools.read import read_file
from hob.tools.seen import Seen
from hob.tools.settings import Settings
from hob.tools.syntax import counter, faults
from hob.tools.tool import bind
from hob.tools.write import delete_file, edit_file, move_file, write_file

TEXT = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"


class Desk:
    def __init__(self, root: Path, seen: Seen | None = None) -> None:
        self.root = root
        self.sandbox = LocalSandbox(str(root), {"PATH": "/usr/bin:/bin"})
        supplies = {Sandbox: self.sandbox, Settings: Settings(), Seen: seen or Seen()}
        tools = (read_file, write_file, edit_file, move_file, delete_file)
        self._tools = {one.spec.name: bind(one, supplies) for one in tools}

    def __call__(self, name: str, /, **arguments: Any) -> ToolResult:
        return asyncio.run(self._tools[name].run(arguments, lambda stream, text: None))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "a.py").write_text(TEXT)
    desk = Desk(tmp_path)
    yield desk
    asyncio.run(desk.sandbox.close())


def test_an_edit_goes_into_what_a_person_wrote_meanwhile(desk: Desk):
    desk("read_file", path="a.py")
    (desk.root / "a.py").write_text(TEXT.replace("return 2", "return 22"))
    result = desk("edit_file", path="./a.py", search="return 1", replace="return 11")
    assert not result.is_error
    assert (desk.root / "a.py").read_text() == TEXT.replace("1\n", "11\n").replace("2\n", "22\n")
    assert "It had been changed since you read it; that was kept:" in result.content
    assert "-    return 2\n+    return 22" in result.content
    assert result.details.metadata["merged"] is True
    # What was shown is known from now on.
    again = desk("edit_file", path="a.py", search="return 11", replace="return 1")
    assert again.content == "Edited 'a.py', line 2."


def test_an_edit_of_what_a_person_changed_is_refused_with_their_change(desk: Desk):
    desk("read_file", path="a.py")
    theirs = TEXT.replace("return 1", "return one_of(three)")
    (desk.root / "a.py").write_text(theirs)
    result = desk("edit_file", path="a.py", search="    return 1\n", replace="    return 11\n")
    assert result.is_error
    assert (desk.root / "a.py").read_text() == theirs
    assert "It was changed since you read it, by a person or a command:" in result.content
    assert "-    return 1\n+    return one_of(three)" in result.content


def test_a_whole_file_is_merged_with_a_persons_change(desk: Desk):
    desk("read_file", path="a.py", start_line=1, end_line=2)
    (desk.root / "a.py").write_text("# theirs\n" + TEXT)
    result = desk("write_file", path="a.py", content=TEXT.replace("return 2", "return 3"))
    assert not result.is_error
    assert (desk.root / "a.py").read_text() == "# theirs\n" + TEXT.replace("return 2", "return 3")
    assert "+# theirs" in result.content


def test_a_whole_file_that_collides_with_a_persons_change_is_refused(desk: Desk):
    desk("read_file", path="a.py")
    theirs = TEXT.replace("return 2", "return 22")
    (desk.root / "a.py").write_text(theirs)
    result = desk("write_file", path="a.py", content=TEXT.replace("return 2", "return 3"))
    assert result.is_error
    assert (desk.root / "a.py").read_text() == theirs
    assert "nothing was written" in result.content
    assert "-    return 2\n+    return 22" in result.content


def test_what_the_agent_wrote_itself_is_no_surprise(desk: Desk):
    desk("write_file", path="new.txt", content="one\n")
    desk("edit_file", path="new.txt", search="one", replace="two")
    result = desk("write_file", path="new.txt", content="three\n")
    assert result.content == "Replaced 'new.txt': 6 bytes."


def test_a_moved_or_deleted_file_is_forgotten(desk: Desk):
    desk("read_file", path="a.py")
    desk("move_file", source="a.py", target="b.py")
    (desk.root / "a.py").write_text("other\n")
    assert "changed since" not in desk("write_file", path="a.py", content="mine\n").content
    desk("delete_file", path="a.py")
    (desk.root / "a.py").write_text("other\n")
    assert "changed since" not in desk("write_file", path="a.py", content="mine\n").content


def test_a_replaced_file_keeps_its_endings_mark_and_encoding(desk: Desk):
    (desk.root / "dos.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    desk("write_file", path="dos.txt", content="three\nfour\n")
    assert (desk.root / "dos.txt").read_bytes() == b"\xef\xbb\xbfthree\r\nfour\r\n"
    (desk.root / "wide.txt").write_bytes("one\n".encode("utf-16"))
    desk("write_file", path="wide.txt", content="two\n")
    assert (desk.root / "wide.txt").read_bytes() == "two\n".encode("utf-16")
    # Mixed endings are nobody's wish: the text is written as it was sent.
    (desk.root / "mixed.txt").write_bytes(b"one\r\ntwo\n")
    desk("write_file", path="mixed.txt", content="three\nfour\n")
    assert (desk.root / "mixed.txt").read_bytes() == b"three\nfour\n"


def test_the_contents_of_seen_files_are_bounded():
    seen = Seen()
    for number in range(40):
        seen.note(f"{number}", bytes(1_000_000))
    assert seen.known("0") is None
    assert seen.stale("0", b"x")  # the digest is kept all the same
    assert seen.known("39") == bytes(1_000_000)
    seen.note("39", bytes(20_000_000))
    assert seen.known("39") is None
    assert not seen.stale("39", bytes(20_000_000))


def test_a_resumed_session_still_knows_what_it_read(tmp_path: Path):
    (tmp_path / "a.py").write_text(TEXT)
    first = Desk(tmp_path)
    metadata = first("read_file", path="a.py").details.metadata
    theirs = TEXT.replace("return 2", "return 22")
    (tmp_path / "a.py").write_text(theirs)
    second = Desk(tmp_path, seen=Seen(metadata["seen"]))
    result = second("write_file", path="a.py", content=TEXT.replace("return 1", "return 3"))
    assert result.is_error
    assert "nothing was written" in result.content
    assert "read it again" in result.content
    assert (tmp_path / "a.py").read_text() == theirs
    second("read_file", path="a.py")
    assert not second("write_file", path="a.py", content=TEXT).is_error
    for desk in (first, second):
        asyncio.run(desk.sandbox.close())


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("a.py", "x = '\\d'\n", ""),
        ("a.py", "def f(:\n", "line 1: "),
        ("a.py", "x\0", "null bytes"),
        ("a.pyi", "x =\n", "line 1: "),
        ("a.txt", "def f(:\n", ""),
        ("a.json", '{"a": 1}', ""),
        ("a.json", '{"a": }', "line 1 column 7"),
        ("a.toml", "a = 1\n", ""),
        ("a.toml", "a = \n", "line 1"),
        ("Makefile", "x", ""),
    ],
)
def test_what_does_not_parse_is_told(path: str, text: str, found: str):
    assert found in faults(path, text).first
    assert bool(found) == bool(faults(path, text).count)


BROKEN = {
    "js": "function f( {", "jsx": "let a = <div>", "ts": "let a: number = ;", "tsx": "let a = <p>",
    "go": "package main\nfunc f( {\n", "rs": "fn main() { let x = ; }", "java": "class A { void f( { }",
    "kt": "fun f( {", "cs": "class A { void F( { }", "c": "int main( { return 0; }",
    "cpp": "class A { void f( { };", "h": "int f( {", "rb": "def f(\n)) end", "php": "<?php function ( { ",
    "lua": "x = = 1", "swift": "func f( {", "scala": "object A { def f( = }",
    "sh": "if true; then echo", "css": "a { b: c", "yaml": "a: [1,\n b: 2",
}  # fmt: skip


@pytest.mark.parametrize("ending", BROKEN)
def test_other_languages_are_checked_where_ast_grep_is_installed(ending: str):
    pytest.importorskip("ast_grep_py", reason="the extra `ast` is not installed")
    assert faults(f"a.{ending}", BROKEN[ending]).count > 0
    assert faults(f"a.{ending}", "").count == 0
    count = counter(f"a.{ending}")
    assert count is not None
    assert count(BROKEN[ending]) > 0


def test_bytes_that_are_no_text_are_not_judged():
    assert faults("a.js", "let a = '\udcff" * 3).count == 0


def test_a_file_that_broke_is_reported_at_once(desk: Desk):
    pytest.importorskip("ast_grep_py", reason="the extra `ast` is not installed")
    result = desk("write_file", path="a.js", content="function f( {\n")
    assert result.content.startswith(
        "Created 'a.js': 14 bytes.\nBut it does not parse now: line 1: "
    )
