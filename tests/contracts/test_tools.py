"""Every tool: a small frozen schema, failures as values that say what to do, results that can be stored."""

import asyncio
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core.messages import ToolResult
from hob.core.ports import Clock, Report, Sandbox, Tool
from hob.core.schema import fit, problems
from hob.sandboxes.environment import child_environment
from hob.sandboxes.local import LocalSandbox
from hob.stores.memory import MemoryBlobs
from hob.tools.bounds import cut_line, cut_lines, cut_text, printable
from hob.tools.changes import diff
from hob.tools.first_set import TOOLS, belongings
from hob.tools.lines import quick
from hob.tools.seen import Seen
from hob.tools.settings import Settings
from hob.tools.tool import FunctionTool, bind, done, tool
from hob.tools.walk import Glob

ENV = child_environment({"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, "test")
NAMES = [one.spec.name for one in TOOLS]
EXPECTED = {
    "bash": ("execute", "never"), "delete_file": ("write", "never"), "edit_file": ("write", "never"),
    "git_branch": ("write", "never"), "git_commit": ("write", "never"), "git_diff": ("read", "safe"),
    "git_log": ("read", "safe"), "git_status": ("read", "safe"), "glob": ("read", "safe"),
    "grep": ("read", "safe"), "list_dir": ("read", "safe"), "move_file": ("write", "never"),
    "read_file": ("read", "safe"), "read_output": ("read", "safe"),
    "shell_session": ("execute", "never"), "think": ("none", "safe"), "write_file": ("write", "never"),
}  # fmt: skip


class FastClock:
    """Time that runs 100 times as fast, so that limits come soon."""

    def __init__(self, speed: float = 1) -> None:
        self._speed = speed

    def now_ms(self) -> int:
        return 1_700_000_000_000

    def monotonic_s(self) -> float:
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class Desk:
    """The tools bound to a folder."""

    def __init__(
        self, root: Path, clock: Clock | None = None, home: str = "", **settings: Any
    ) -> None:
        self.root = root
        self.sandbox = LocalSandbox(str(root), {**ENV, "HOME": home} if home else ENV)
        chosen = Settings(**settings)
        self.blobs = MemoryBlobs()
        supplies = {
            Sandbox: self.sandbox,
            Settings: chosen,
            Clock: clock or FastClock(),
            **belongings(self.sandbox, chosen, self.blobs),
            Seen: Seen(),
        }
        self.tools: dict[str, Tool] = {one.spec.name: bind(one, supplies) for one in TOOLS}

    async def call(self, name: str, /, **arguments: Any) -> ToolResult:
        schema = json.loads(self.tools[name].spec.parameters)
        fitted, problem = fit(schema, arguments)
        assert problem == ""
        result = await self.tools[name].run(fitted, lambda stream, text: None)
        encoded = msgspec.json.encode(result)
        assert msgspec.json.decode(encoded, type=ToolResult) == result
        return result

    def __call__(self, name: str, /, **arguments: Any) -> ToolResult:
        return asyncio.run(self.call(name, **arguments))

    def close(self) -> None:
        asyncio.run(self.sandbox.close())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("def main():\n    return 1\n")
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def good(result: ToolResult) -> str:
    assert not result.is_error, result.content
    return result.content


def bad(result: ToolResult) -> str:
    assert result.is_error, result.content
    return result.content


# --- the contract --------------------------------------------------------------------------------


def test_the_first_set_is_small_sorted_and_classed():
    assert sorted(EXPECTED) == NAMES
    assert {t.spec.name: (t.spec.access, t.spec.replay) for t in TOOLS} == EXPECTED
    wire = [
        {
            "type": "function",
            "function": {
                "name": one.spec.name,
                "description": one.spec.description,
                "parameters": json.loads(one.spec.parameters),
            },
        }
        for one in TOOLS
    ]
    assert len(json.dumps(wire, separators=(",", ":"))) <= 6000


@pytest.mark.parametrize("one", TOOLS, ids=NAMES)
def test_a_spec_is_valid_and_compact(one: FunctionTool):
    schema = json.loads(one.spec.parameters)
    assert one.spec.parameters == json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
    assert list(schema) == [k for k in ("type", "properties", "required", "additionalProperties")
                            if k in schema]  # fmt: skip
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema.get("required", ())) <= set(schema["properties"])
    for parameter in schema["properties"].values():
        assert parameter["type"] in {"string", "integer", "number", "boolean", "array"}
    assert not {"sandbox", "settings", "clock", "report"} & set(schema["properties"])
    assert re.fullmatch(r"[A-Z].{10,120}\.", one.spec.description)


@pytest.mark.parametrize("one", TOOLS, ids=NAMES)
def test_a_tool_needs_its_ports(one: FunctionTool):
    if one.spec.name != "none":
        with pytest.raises(TypeError, match=f"{one.spec.name}.*needs"):
            bind(one, {})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("delete_file", {"path": "src/mian.py"}),
        ("edit_file", {"path": "src/mian.py", "search": "a", "replace": "b"}),
        ("git_diff", {"path": "none"}),
        ("glob", {"pattern": "*", "path": "none"}),
        ("grep", {"pattern": "x", "path": "none"}),
        ("list_dir", {"path": "none"}),
        ("move_file", {"source": "none", "target": "x"}),
        ("read_file", {"path": "src/mian.py"}),
    ],
)
def test_an_unknown_path_is_a_failure_with_a_next_step(
    desk: Desk, name: str, arguments: dict[str, Any]
):
    content = bad(desk(name, **arguments))
    assert re.search(
        r"did you mean 'src/main\.py'|list_dir '\.' shows|not a git repository", content
    )
    assert content.isprintable()


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a\0b", "\ud800", "src/../../x", ""])
def test_a_path_outside_is_a_failure(desk: Desk, path: str):
    for name, arguments in (
        ("read_file", {}), ("list_dir", {}), ("delete_file", {}), ("write_file", {"content": "x"}),
        ("edit_file", {"search": "", "replace": "x"}), ("grep", {"pattern": "x"}),
        ("glob", {"pattern": "*"}),
    ):  # fmt: skip
        bad(desk(name, path=path, **arguments))
    bad(desk("move_file", source="src", target=path))
    assert sorted(p.name for p in desk.root.iterdir()) == ["src"]


def test_names_that_are_not_utf8_can_be_listed_found_and_stored(desk: Desk):
    name = "caf\udce9.txt"
    (desk.root / name).write_bytes(b"needle \xff\n")
    (desk.root / "line\nbreak.txt").write_bytes(b"needle\n")
    assert "caf\\udce9.txt\t9" in good(desk("list_dir"))
    assert good(desk("glob", pattern="*.txt")).split("\n") == ["caf\\udce9.txt", "line\\nbreak.txt"]
    assert "caf\\udce9.txt:1: needle" in good(desk("grep", pattern="needle"))
    good(desk("edit_file", path=name, search="needle", replace="pin"))
    assert (desk.root / name).read_bytes() == b"pin \xff\n"
    good(desk("read_file", path=name))
    good(desk("move_file", source=name, target="x\udcfe"))
    good(desk("delete_file", path="x\udcfe"))


# --- from a function to a tool -------------------------------------------------------------------


@tool(access="read", replay="safe")
async def every_type(
    text: Annotated[str, "some text"],
    report: Report,
    many: list[str],
    level: Literal["low", "high"] = "low",
    ratio: float | None = None,
    number: int = 1,
    really: bool = False,
) -> ToolResult:
    """Say
    it all.

    Not this.
    """
    report("stdout", text)
    return done(f"{text} {many} {level} {ratio} {number} {really}")


def test_types_become_schema():
    assert every_type.spec.description == "Say it all."
    assert json.loads(every_type.spec.parameters) == {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "some text"},
            "many": {"type": "array", "items": {"type": "string"}},
            "level": {"type": "string", "enum": ["low", "high"]},
            "ratio": {"type": "number"},
            "number": {"type": "integer"},
            "really": {"type": "boolean"},
        },
        "required": ["text", "many"],
        "additionalProperties": False,
    }
    told: list[tuple[str, str]] = []
    run = bind(every_type, {}).run({"text": "a", "many": ["b"]}, lambda *piece: told.append(piece))
    assert asyncio.run(run) == done("a ['b'] low None 1 False")
    assert told == [("stdout", "a")]


# --- fitting arguments ---------------------------------------------------------------------------

SCHEMA = {
    **json.loads(every_type.spec.parameters),
    "required": [],
}


@pytest.mark.parametrize(
    ("came", "fitted"),
    [
        ({"number": "3"}, {"number": 3}),
        ({"number": 3.0}, {"number": 3}),
        ({"number": "4.0"}, {"number": 4}),
        ({"ratio": "0.5"}, {"ratio": 0.5}),
        ({"ratio": 2}, {"ratio": 2}),
        ({"really": "True"}, {"really": True}),
        ({"really": "false"}, {"really": False}),
        ({"many": '["a", "b"]'}, {"many": ["a", "b"]}),
        ({"many": "a.py"}, {"many": ["a.py"]}),
        ({"text": 5}, {"text": "5"}),
        ({"text": True}, {"text": "true"}),
        ({"ratio": None, "text": None}, {}),
        ({"text": "3"}, {"text": "3"}),
    ],
)
def test_lossless_repairs(came: dict[str, Any], fitted: dict[str, Any]):
    assert fit(SCHEMA, came) == (fitted, "")
    assert problems(SCHEMA, fitted) == ""


@pytest.mark.parametrize(
    ("came", "says"),
    [
        ({"nubmer": 3}, "there is no parameter 'nubmer'; did you mean 'number'?"),
        ({"number": 3.5}, "the parameter 'number' must be an integer, not a number (3.5)."),
        ({"number": "x"}, "the parameter 'number' must be an integer, not a string ('x')."),
        ({"number": True}, "the parameter 'number' must be an integer, not a boolean (True)."),
        ({"really": 1}, "the parameter 'really' must be true or false, not an integer (1)."),
        ({"text": ["a"]}, "the parameter 'text' must be a string, not a list (['a'])."),
        ({"many": [1]}, "the parameter 'many[0]' must be a string, not an integer (1)."),
        ({"many": ""}, "the parameter 'many' must be a list of strings, not a string ('')."),
        (
            {"level": "mid"},
            "the parameter 'level' must be one of \"low\", \"high\", not a string ('mid').",
        ),
    ],
)
def test_problems_name_parameter_expectation_and_value(came: dict[str, Any], says: str):
    assert fit(SCHEMA, came)[1] == says
    assert problems(SCHEMA, came) == says


def test_nested_schemas_are_checked_too():
    schema = {
        "type": "object",
        "properties": {
            "where": {
                "type": "object",
                "properties": {"line": {"type": "integer", "minimum": 1}},
                "required": ["line"],
            },
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["where"],
    }
    assert problems(schema, {"where": {"line": 1}, "either": None, "extra": 1}) == ""
    assert "'where' is missing" in problems(schema, {})
    assert "'where.line' is missing" in problems(schema, {"where": {}})
    assert "'where.line' must be at least 1" in problems(schema, {"where": {"line": 0}})
    assert "'either' fits none" in problems(schema, {"where": {"line": 1}, "either": 3})
    assert fit(schema, {"where": '{"line": 2}'}) == ({"where": {"line": 2}}, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["text", "many", "level", "ratio", "number", "x"]), JSON))
def test_fit_and_problems_agree(arguments: dict[str, Any]):
    fitted, problem = fit(SCHEMA, arguments)
    assert problems(SCHEMA, fitted) == problem
    if not problem:
        assert fit(SCHEMA, fitted) == (fitted, "")
    if not problems(SCHEMA, arguments):
        assert fitted == arguments


# --- bounds --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(alphabet="ab\n", max_size=200), st.integers(4, 60))
def test_cut_text_keeps_the_ends_and_counts_the_middle(text: str, most: int):
    cut = cut_text(text, most)
    if len(text) <= most:
        assert cut == text
        return
    head, _, rest = cut.partition("\n[... ")
    count, _, tail = rest.partition(" cut ...]\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) <= most
    missing = int(count.split(" ")[0])
    # Line ends at the end of the head make room for the note and are neither shown nor missing.
    shown = len(text) - len(tail) - missing
    assert text[:shown].rstrip("\n") == head
    assert text[shown : shown + missing].count("\n") == int(count.split(" ")[2])


def test_other_bounds():
    assert cut_text("x" * 100, 10, total_bytes=5000) == "xxxxx\n[... 4990 bytes cut ...]\nxxxxx"
    assert cut_lines(["a"] * 5, 2, 2) == ["a"] * 5
    assert cut_lines(list("abcdef"), 2, 1) == ["a", "b", "[... 3 lines cut ...]", "f"]
    assert cut_line("abcdef", 4) == "abcd [+2 characters]"
    assert printable("ok näme") == "ok näme"
    assert printable("a\u202eb\n") == "a\\u202eb\\n"


# --- editing -------------------------------------------------------------------------------------


TEXT = st.lists(st.text(alphabet="ab \tü", max_size=4), max_size=8).map("\n".join)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=60), st.text(max_size=4), st.text(max_size=4))
def test_a_refused_edit_changes_no_byte(data: bytes, search: str, replace: str):
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        target = Path(folder) / "f.txt"
        target.write_bytes(data)
        result = desk("edit_file", path="f.txt", search=search, replace=replace)
        after = target.read_bytes()
        desk.close()
    if result.is_error:
        assert after == data
    else:
        assert search.encode() in data.replace(b"\r\n", b"\n") or data[:2] in {
            b"\xff\xfe",
            b"\xfe\xff",
        }


@pytest.mark.parametrize(
    ("before", "search", "replace", "after"),
    [
        (b"\xef\xbb\xbfa\r\nb\r\n", "b", "c\nd", b"\xef\xbb\xbfa\r\nc\r\nd\r\n"),
        (b"a\r\nb\nc\n", "a\nb\nc", "a\nX\nc", b"a\r\nX\nc\n"),
        (b"a\r\nb\nc", "a", "a\nz", b"a\r\nz\r\nb\nc"),
        (b"no end", "end", "end\nmore", b"no end\nmore"),
        (b"bad \xff byte\n", "byte", "b\xc3\xbc", b"bad \xff b\xc3\x83\xc2\xbc\n"),
        ("ab\n".encode("utf-16"), "b", "ü", "aü\n".encode("utf-16")),
        (b"\xfe\xff\x00a\x00\n", "a", "bc", b"\xfe\xff\x00b\x00c\x00\n"),
    ],
)
def test_an_edit_keeps_encoding_mark_and_endings(
    desk: Desk, before: bytes, search: str, replace: str, after: bytes
):
    (desk.root / "f.txt").write_bytes(before)
    good(desk("edit_file", path="f.txt", search=search, replace=replace))
    assert (desk.root / "f.txt").read_bytes() == after


@pytest.mark.parametrize(
    ("search", "replace", "says"),
    [
        (
            "    return 2",
            "x",
            "First difference at line 2: the file has '    return 1', search '    return 2'",
        ),
        ("2\t    return 1", "x", "would break the syntax: line 2"),
        ("def mian():", "x", "1\tdef main():"),
        ("qqqqqqqqqqq", "x", "nothing is like it"),
        ("gone", "    return 1", "replace is already there, at line 2"),
        ("main", "main", "are the same"),
        ("n", "x", "stands 2 times, at lines 1, 2;"),
        (" \n", "x", "search is blank"),
        ("", "x", "search is empty and the file is not"),
        ("    return 1\n\n\n", "x", "would break the syntax: line 2"),
        ("\ud800", "x", "half a character"),
        ("main", "\udfff", "half a character"),
    ],
)
def test_a_refusal_says_what_to_do(desk: Desk, search: str, replace: str, says: str):
    path = desk.root / "src" / "main.py"
    before = path.read_bytes()
    assert says in bad(desk("edit_file", path="src/main.py", search=search, replace=replace))
    assert path.read_bytes() == before


def test_an_edit_says_where_and_shows_the_difference(desk: Desk):
    result = desk("edit_file", path="src/main.py", search="return 1", replace="x = 2\n    return x")
    assert good(result) == "Edited 'src/main.py', lines 2-3."
    assert result.details.metadata["diff"] == (
        "--- a/src/main.py\n+++ b/src/main.py\n@@ -1,2 +1,3 @@\n def main():\n"
        "-    return 1\n+    x = 2\n+    return x\n"
    )
    result = desk("edit_file", path="src/main.py", search="x = 2", replace="x = (2")
    assert "But it does not parse now: line 2: '(' was never closed" in good(result)
    result = desk("edit_file", path="src/main.py", search="return x", replace="return y")
    assert "But it still does not parse" in good(result)
    result = desk("edit_file", path="new/one.txt", search="", replace="hello")
    assert good(result) == "Created 'new/one.txt': 5 bytes."
    assert result.details.metadata["created"] is True


def test_a_broken_hard_link_is_told(desk: Desk):
    for name, call in (
        ("a", ("write_file", {"path": "a", "content": "new\n"})),
        ("b", ("edit_file", {"path": "b", "search": "old", "replace": "new"})),
    ):
        (desk.root / name).write_text("old\n")
        (desk.root / f"other-{name}").hardlink_to(desk.root / name)
        said = "It had another hard link, which keeps the old contents."
        assert good(desk(call[0], **call[1])).endswith(said)
        assert (desk.root / f"other-{name}").read_text() == "old\n"
        assert said not in good(desk("write_file", path=name, content="again\n"))


def test_binary_files_are_neither_shown_nor_edited(desk: Desk):
    (desk.root / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    assert "binary file (PNG image, 11 bytes)" in bad(desk("read_file", path="p.png"))
    assert "binary" in bad(desk("edit_file", path="p.png", search="P", replace="Q"))


# --- diffs and checks ----------------------------------------------------------------------------


@settings(deadline=None)
@given(TEXT, TEXT)
def test_a_diff_leads_from_one_text_to_the_other(before: str, after: str):
    body = diff(before, after, "f").split("\n")[2:]
    assert sum(line[:1] == "-" for line in body) <= before.count("\n") + 1
    if before == after:
        assert body in ([""], [])
        return
    added = [line[1:] for line in body if line[:1] in "+ " and line]
    wanted = after.split("\n")
    assert all(line in wanted for line in added)


def test_a_diff_is_bounded_and_numbered():
    before = "".join(f"line {n}\n" for n in range(5000))
    after = before.replace("line 4000\n", "changed\n")
    assert diff(before, after, "f").split("\n")[2] == "@@ -3998,7 +3998,7 @@"
    assert len(diff(before, before[::-1], "f")) < 12_200
    assert "No newline at end of file" in diff("a", "b", "f")


def test_write_validation_can_be_off(tmp_path: Path):
    desk = Desk(tmp_path, write_validation=False)
    assert good(desk("write_file", path="a.py", content="def f(:")) == "Created 'a.py': 7 bytes."
    desk.close()


def test_a_written_file_is_checked_and_compared(desk: Desk):
    result = desk("write_file", path="pkg/a.py", content="def f(:\n")
    assert good(result).startswith(
        "Created 'pkg/a.py': 8 bytes.\nBut it does not parse now: line 1"
    )
    assert result.details.metadata["created"] is True
    assert result.details.metadata["bytes"] == 8
    result = desk("write_file", path="pkg/a.py", content="def f(): ü = 1\n")
    assert good(result) == "Replaced 'pkg/a.py': 16 bytes."
    assert "-def f(:\n+def f(): ü = 1\n" in result.details.metadata["diff"]
    assert "half a character" in bad(desk("write_file", path="x", content="\ud800"))
    assert "git's own" in bad(desk("write_file", path=".git/hooks/x", content="x"))


# --- reading -------------------------------------------------------------------------------------


def test_reading_is_numbered_capped_and_says_how_to_go_on(desk: Desk):
    (desk.root / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 1235)))
    lines = good(desk("read_file", path="long.txt")).split("\n")
    assert lines[0] == "1\tline 1"
    assert lines[499] == "500\tline 500"
    assert lines[500:] == ["[lines 1-500 of 1234; read on with start_line=501]"]
    lines = good(desk("read_file", path="long.txt", start_line=1230, end_line=5000)).split("\n")
    assert lines == [f"{n}\tline {n}" for n in range(1230, 1235)]
    assert good(desk("read_file", path="long.txt", start_line=0, end_line=1)) == "1\tline 1"
    assert "has 1234 lines" in bad(desk("read_file", path="long.txt", start_line=1235))
    assert "before start_line" in bad(desk("read_file", path="long.txt", start_line=9, end_line=8))


def test_reading_on_reaches_every_line(tmp_path: Path):
    desk = Desk(tmp_path, max_read_lines=7, max_read_chars=300)
    text = [("x" * (n * 7 % 90)) for n in range(100)]
    (tmp_path / "f").write_text("\n".join(text))
    start, seen = 1, dict[int, str]()
    while start:
        content = good(desk("read_file", path="f", start_line=start))
        for line in content.split("\n"):
            number, tab, rest = line.partition("\t")
            if tab:
                seen[int(number)] = rest
        more = re.search(r"start_line=(\d+)\]", content)
        start = int(more[1]) if more else 0
    assert [seen[n] for n in range(1, 101)] == text
    desk.close()


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", "[the file is empty]"),
        (b"\n", "1\t"),
        (b"a\r\nb", "1\ta\n2\tb"),
        (b"\xef\xbb\xbfa\n", "1\ta"),
        ("ä\n".encode("utf-16"), "1\tä\n[the file is UTF-16-LE]"),
        (b"a\xff\n", "1\ta\ufffd\n[some bytes are not UTF-8 and show as \ufffd]"),
        (b"x" * 2100, "1\t" + "x" * 2000 + " [+100 characters]"),
    ],
)
def test_reading_odd_files(desk: Desk, data: bytes, shown: str):
    (desk.root / "f").write_bytes(data)
    assert good(desk("read_file", path="f")) == shown


def test_listing(desk: Desk):
    (desk.root / "a.txt").write_text("123")
    (desk.root / "link").symlink_to("a.txt")
    assert good(desk("list_dir")) == "a.txt\t3\nlink\t[link]\nsrc/"
    (desk.root / "none").mkdir()
    assert good(desk("list_dir", path="none")) == "[empty]"
    for n in range(600):
        (desk.root / "none" / f"{n:03}").touch()
    assert good(desk("list_dir", path="none")).endswith(
        "499\t0\n[100 more entries; use glob to narrow down]"
    )


# --- searching -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.py", ["a.py"], ["a.txt", "d/a.py"]),
        ("**/*.py", ["a.py", "d/a.py", "d/e/a.py"], ["a.pyc"]),
        ("d/**", ["d/a", "d/e/a"], ["d", "e/d/a"]),
        ("d/**/a", ["d/a", "d/x/y/a"], ["d/ab"]),
        ("**", ["a", "d/a"], []),
        ("{a,b}.[tp]?", ["a.py", "b.tx"], ["c.py", "a.xy"]),
        ("**/d/**/*.py", ["d/a.py", "x/d/y/a.py"], ["a.py"]),
        ("*a*a*a*a*a*a*a*a*a*b", [], ["a" * 200]),
        ("{{{{", [], ["x"]),
        ("[", [], ["x"]),
    ],
)
def test_glob_patterns(pattern: str, yes: list[str], no: list[str]):
    wanted = Glob(pattern)
    assert [wanted.matches(path) for path in yes] == [True] * len(yes)
    assert [wanted.matches(path) for path in no] == [False] * len(no)


def test_glob_and_grep_skip_the_obvious(desk: Desk):
    for folder in (".git", "node_modules", "__pycache__", ".venv", ".hob", "src/deep"):
        (desk.root / folder).mkdir()
        (desk.root / folder / "hit.py").write_text("needle\n")
    (desk.root / "env").mkdir()
    (desk.root / "env" / "pyvenv.cfg").touch()
    (desk.root / "env" / "hit.py").write_text("needle\n")
    (desk.root / "out").symlink_to("/etc")
    (desk.root / "blob").write_bytes(b"\0needle\n")
    (desk.root / "big").write_bytes(b"needle\n" * 400_000)
    assert good(desk("glob", pattern="**/hit.py")) == "src/deep/hit.py"
    assert good(desk("glob", pattern="**/*.py", path="src")) == "src/deep/hit.py\nsrc/main.py"
    found = good(desk("grep", pattern="needle"))
    assert found == "src/deep/hit.py:1: needle\n[1 large or unreadable files were not searched]"
    assert good(desk("grep", pattern="NEEDLE", path="src", ignore_case=True)).startswith("src/deep")
    assert good(desk("grep", pattern="needle", glob="*.txt", path="src")) == "[no match]"
    assert good(desk("grep", pattern="needle", glob="deep/*.py", path="src")).startswith("src/deep")
    assert "[no file matches; in all directories: '**/hit.py']" in good(
        desk("glob", pattern="hit.py")
    )
    assert "no regular expression" in bad(desk("grep", pattern="("))


def test_results_are_capped_with_a_count_of_the_rest(desk: Desk):
    for n in range(250):
        (desk.root / f"f{n:03}.txt").write_text("hit\n")
    assert good(desk("glob", pattern="f*")).endswith("\n[50 more files; narrow the pattern]")
    result = desk("grep", pattern="^hit$")
    assert good(result).endswith(
        "\n[150 more matches, 250 in 250 files; narrow the pattern or path]"
    )
    assert (result.details.metadata["matches"], result.details.metadata["files"]) == (250, 250)


@pytest.mark.parametrize(
    ("pattern", "is_quick"),
    [
        ("plain", True), (r"def \w+\(", True), ("a.*b.*c", True), ("[+*?]{2}x+?", True),
        ("(?:foo|bar)", True), ("one|two|three|four", True), ("(a+)+$", False), ("(a|a)*", False),
        ("a.*b.*c.*d", False), (r"(a)\1", False), ("(?=a)", False), ("a?a?a?", False),
        ("(a|a)" * 11, False),
    ],
)  # fmt: skip
def test_patterns_that_could_take_long_are_known(pattern: str, is_quick: bool):
    assert quick(pattern) is is_quick


def test_both_ways_of_matching_find_the_same(desk: Desk):
    (desk.root / "t").write_text("a1b\nä2b\n\nxx\n")
    both = [desk("grep", pattern=p, path="t").content for p in (r"\d", r"(\d)(?:)?(?:)?(?:)?")]
    assert both == ["t:1: a1b\nt:2: ä2b"] * 2


def test_a_bad_pattern_hangs_nothing(tmp_path: Path):
    (tmp_path / "trap").write_text("a" * 60 + "b\n")
    desk = Desk(tmp_path, FastClock(20))

    async def race() -> tuple[ToolResult, int]:
        ticks = 0
        search = asyncio.ensure_future(desk.call("grep", pattern="(a+)+$"))
        while not search.done():
            await asyncio.wait([search], timeout=0.01)
            ticks += 1
        return await search, ticks

    result, ticks = asyncio.run(race())
    assert "in trap; narrow path, simplify the pattern" in good(result)
    assert result.details.metadata["complete"] is False
    assert ticks > 3

    async def cancelled() -> None:
        search = asyncio.ensure_future(desk.call("grep", pattern="(a+)+$"))
        await asyncio.sleep(0.1)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search

    asyncio.run(cancelled())  # ends only when its threads do
    desk.close()


# --- shell, git, think ---------------------------------------------------------------------------


def test_bash_success_and_failure(desk: Desk):
    assert good(desk("bash", command="echo out; echo err >&2")) == (
        "exit code 0\nstdout:\nout\nstderr:\nerr"
    )
    assert good(desk("bash", command="cat")) == "exit code 0\n[no output]"
    result = desk("bash", command="echo out; for i in $(seq 1 60); do echo e$i >&2; done; exit 7")
    assert bad(result).startswith(
        "exit code 7\nstdout:\nout\nstderr:\ne1\ne2\ne3\n[... 37 lines cut"
    )
    assert result.content.endswith("\ne41\n" + "\n".join(f"e{n}" for n in range(42, 61)))
    assert (result.details.exit_code, result.details.stdout) == (7, "out\n")
    assert result.details.stderr.count("\n") == 60
    assert bad(desk("bash", command="kill -9 $$")).startswith("killed by SIGKILL")
    assert "too long" in bad(desk("bash", command="true " + "x" * 200_000))
    for limit_s in (0, -1, math.nan, math.inf, -math.inf, -(10**400)):
        said = bad(desk("bash", command="touch ran", timeout_s=limit_s))
        assert said.startswith("timeout_s must be above 0 and finite, not ")
        assert len(said) < 120
    assert not (desk.root / "ran").exists()
    assert good(desk("bash", command="echo $AGENT $TERM; pwd")).endswith(f"hob dumb\n{desk.root}")


def test_bash_times_out_and_keeps_what_there_was(tmp_path: Path):
    desk = Desk(tmp_path, bash_timeout_s=1.2)
    result = desk("bash", command="echo part; echo oops >&2; sleep 60")
    assert bad(result) == (
        "Command timed out after 1.2s\nstdout:\npart\nstderr:\noops"
        "\n[the shell's state is as before this command]"
    )
    assert (result.details.exit_code, result.details.stdout) == (None, "part\n")
    assert result.details.metadata["timed_out"] is True
    desk.close()
    desk = Desk(tmp_path)
    assert good(desk("bash", command="echo fine", timeout_s=99999)) == "exit code 0\nstdout:\nfine"
    desk.close()


def test_bash_bounds_what_the_model_gets(desk: Desk):
    result = desk("bash", command="head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end")
    content = good(result)
    assert len(content) < 16_384
    kept = content.count("x", len("exit code 0"))
    cut = re.search(
        r"\[\.\.\. (\d+) bytes cut; read_output\('(\w+)'\) shows the rest \.\.\.\]", content
    )
    assert cut is not None
    assert int(cut[1]) + kept + len("\nend\n") == 1_000_005
    assert content.endswith("x\nend")
    assert result.details.metadata["stdout_bytes"] == 1_000_005


def test_git_without_a_repository_is_one_sentence(desk: Desk):
    for name in ("git_status", "git_diff", "git_log", "git_branch"):
        assert bad(desk(name)) == "this is not a git repository; `git init` in bash makes one"
    # Files that look like a bare repository are not one: its configuration could run programs.
    for folder in ("objects", "refs"):
        (desk.root / folder).mkdir()
    (desk.root / "HEAD").write_text("ref: refs/heads/main\n")
    (desk.root / "config").write_text("[core]\n\tfsmonitor = touch owned\n\tbare = false\n")
    assert "not a git repository" in bad(desk("git_status"))
    assert not (desk.root / "owned").exists()


def test_a_repository_runs_nothing_of_its_own(desk: Desk):
    (desk.root / "run.sh").write_text("#!/bin/sh\ntouch owned-$1\n")
    (desk.root / "run.sh").chmod(0o755)
    setup = """
        git init -q -b main . && git config user.name T && git config user.email t@example.org
        for hook in pre-commit commit-msg post-commit post-checkout reference-transaction; do
            printf '#!/bin/sh\\ntouch owned-hook\\nexit 1\\n' > .git/hooks/$hook
            chmod +x .git/hooks/$hook
        done
        touch .gitattributes
        git config core.fsmonitor './run.sh fsmonitor'; git config core.pager './run.sh pager'
        git config diff.external './run.sh external'; git config pager.log './run.sh log'
        git config commit.gpgSign false; git config log.showSignature true
    """
    good(desk("bash", command=setup))
    good(desk("git_commit", message="-one", paths=["src", ".gitattributes"]))
    (desk.root / "src" / "main.py").write_text("x = 2\n")
    for name in ("git_status", "git_diff", "git_log", "git_branch"):
        good(desk(name))
    good(desk("git_branch", name="other"))
    good(desk("git_commit", message="two"))
    assert not list(desk.root.glob("owned*"))
    assert "is no branch name" in bad(desk("git_branch", name="--discard-changes"))
    assert "git failed" in bad(desk("git_branch", name="a..b"))
    assert "does not exist" in bad(desk("git_commit", message="x", paths=["--amend"]))


GIT_SETUP = """
    git init -q -b main . && git config user.name T && git config user.email t@example.org
    git add -A && git commit -q -m one && git branch other
    printf '#!/bin/sh\ntouch "%s/owned"\ncat\n' "$PWD" > .git/run.sh && chmod +x .git/run.sh
"""
GIT_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("git_status", {}), ("git_diff", {}), ("git_log", {}), ("git_branch", {}),
    ("git_branch", {"name": "other"}), ("git_branch", {"name": "new"}),
    ("git_commit", {"message": "two"}), ("git_commit", {"message": "two", "paths": ["src"]}),
)  # fmt: skip
EVIL = (
    "filter.x.clean", "filter.x.smudge", "filter.x.y.process", "Filter.X.Clean", "hook.x.command",
    "gc.recentObjectsHook", "gpg.program", "gpg.ssh.program", "gpg.ssh.defaultKeyCommand",
    "core.alternateRefsCommand",
)  # fmt: skip
HARMLESS = (
    "core.editor", "sequence.editor", "core.sshCommand", "core.gitProxy", "core.askPass",
    "diff.x.command", "diff.x.textconv", "diff.external", "merge.x.driver", "credential.helper",
    "credential.https://h.helper", "core.pager", "pager.log", "core.fsmonitor", "core.hooksPath",
)  # fmt: skip


def evil(desk: Desk, setup: str) -> None:
    good(desk("bash", command=f"{GIT_SETUP}\n{setup}"))
    (desk.root / "owned").unlink(missing_ok=True)  # setting up may have run it
    (desk.root / "src" / "main.py").write_text("x = 2\n")


@pytest.mark.parametrize("key", EVIL)
def test_git_refuses_a_configuration_that_runs_programs(desk: Desk, key: str):
    attributes = "echo '* filter=x diff=x merge=x' > .git/info/attributes"
    evil(desk, f'{attributes}; git config {key} "$PWD/.git/run.sh"')
    section, _, name = key.rpartition(".")
    first, dot, rest = section.partition(".")
    shown = f"{first.lower()}{dot}{rest.lower()}.{name.lower()}"
    for tool_name, arguments in GIT_CALLS:
        said = bad(desk(tool_name, **arguments))
        assert said == (f"this repository's configuration runs programs ({shown}); use git in bash")
    assert not (desk.root / "owned").exists()


@pytest.mark.parametrize("key", HARMLESS)
def test_git_works_where_a_configured_program_is_never_asked(desk: Desk, key: str):
    attributes = "echo '* diff=x merge=x' > .git/info/attributes"
    evil(desk, f'{attributes}; git config {key} "$PWD/.git/run.sh"')
    for tool_name, arguments in GIT_CALLS:
        desk(tool_name, **arguments)
        assert not (desk.root / "owned").exists(), tool_name
    (desk.root / "src" / "main.py").write_text("x = 3\n")
    good(desk("git_commit", message="three"))
    assert not (desk.root / "owned").exists()


@pytest.mark.parametrize(
    "setting",
    ["git config commit.gpgSign true", "printf '[commit]\\n\\tgpgSign\\n' >> .git/config"],
)
def test_git_commits_unsigned_and_says_so_where_the_repository_wants_signatures(
    desk: Desk, setting: str
):
    evil(desk, setting)
    assert "[not signed" in good(desk("git_commit", message="two"))


@pytest.mark.parametrize(
    "setup",
    [
        # By a file that the agent may write, by the configuration of a linked tree.
        "git config include.path ../own; git config -f own filter.x.clean .git/run.sh",
        "git config extensions.worktreeConfig true; git config --worktree filter.x.clean ./x",
    ],
)
def test_git_refuses_it_wherever_it_stands(desk: Desk, setup: str):
    evil(desk, setup)
    for name, arguments in GIT_CALLS:
        assert "configuration runs programs" in bad(desk(name, **arguments))
    assert not (desk.root / "owned").exists()


def test_git_uses_the_filters_of_the_person(tmp_path: Path):
    work, home = tmp_path / "work", tmp_path / "home"
    (work / "src").mkdir(parents=True)
    home.mkdir()
    (home / ".gitconfig").write_text('[filter "up"]\n\tclean = tr a-z A-Z\n\trequired\n')
    desk = Desk(work, home=str(home))
    evil(desk, "echo '*.py filter=up' > .gitattributes; git config alias.x '!touch owned'")
    assert "+X = 2" in good(desk("bash", command="git add -A; git diff --cached"))
    assert "+X = 2" in good(desk("git_diff", staged=True))
    desk.close()


def test_git_fetches_nothing_on_the_way(desk: Desk):
    evil(
        desk,
        """
        object=$(git rev-parse HEAD:src/main.py)
        rm -f .git/objects/$(echo $object | cut -c1-2)/$(echo $object | cut -c3-)
        git config core.repositoryFormatVersion 1; git config extensions.partialClone origin
        git config remote.origin.promisor true; git config protocol.ext.allow always
        git config remote.origin.url "ext::$PWD/.git/run.sh"; git config protocol.allow always
        """,
    )
    assert "git failed" in bad(desk("git_diff"))
    for name, arguments in GIT_CALLS:
        desk(name, **arguments)
    assert not (desk.root / "owned").exists()


def test_git_works_in_the_workspace_only(desk: Desk, tmp_path_factory: pytest.TempPathFactory):
    victim = tmp_path_factory.mktemp("victim")
    evil(desk, f"git config core.worktree {victim}")
    for name, arguments in GIT_CALLS:
        assert "core.worktree is another folder" in bad(desk(name, **arguments))
    good(desk("bash", command=f"git config core.worktree {desk.root}"))
    assert "main.py" in good(desk("git_status"))
    assert list(victim.iterdir()) == []


def test_a_submodule_runs_nothing_of_its_own(desk: Desk):
    evil(
        desk,
        """
        git init -q sub && git -C sub -c user.name=T -c user.email=t@example.org commit -q --allow-empty -m s &&
        git add sub && git commit -q -m sub &&
        git -C sub config core.fsmonitor "$PWD/.git/run.sh"
        """,
    )
    good(desk("git_status"))
    good(desk("git_diff"))
    for name, arguments in GIT_CALLS[4:7]:
        assert "the submodule 'sub'" in bad(desk(name, **arguments))
    assert not (desk.root / "owned").exists()
    assert "1 file changed" in good(desk("git_commit", message="two", paths=["src"]))
    assert not (desk.root / "owned").exists()


def test_git_in_a_folder_of_a_repository_stays_in_it(tmp_path: Path):
    above = Desk(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("x = 1\n")
    (tmp_path / "private.txt").write_text("old\n")
    good(above("bash", command=GIT_SETUP))
    (tmp_path / "private.txt").write_text("unfinished\n")
    good(above("bash", command="git commit -q --allow-empty -m empty"))
    assert "empty" in good(above("git_log"))
    desk = Desk(tmp_path / "src")
    assert good(desk("git_status")) == "## main"
    assert "no changes here" in good(desk("git_diff"))
    assert "nothing to commit" in bad(desk("git_commit", message="two"))
    (tmp_path / "src" / "main.py").write_text("x = 2\n")
    assert "unfinished" not in good(desk("git_diff"))
    assert good(desk("git_commit", message="two")).endswith(
        f"[changes of this workspace only; its repository {str(tmp_path)!r} is larger]"
    )
    assert "empty" not in good(desk("git_log"))
    assert good(above("git_status")) == "## main\n M private.txt"
    for path in ("../private.txt", str(tmp_path / "private.txt"), "..", "/", ""):
        for name in ("git_diff", "git_log"):
            assert "is outside the workspace" in bad(desk(name, path=path))
        assert "is outside the" in bad(desk("git_commit", message="x", paths=["main.py", path]))
    assert "use git in bash" in bad(desk("git_branch", name="other"))
    assert "* main" in good(desk("git_branch"))
    above.close()
    desk.close()


def test_thinking_is_kept_outside_the_context(desk: Desk):
    result = desk("think", thought="hm")
    assert result == done("noted", thought="hm", at=1_700_000_000_000)
    result = desk("think", thought="x" * 2001 + "\ud800")
    assert good(result) == "noted, the first 2000 characters"
    assert result.details.metadata["thought"] == "x" * 2000 + " [+2 characters]"
