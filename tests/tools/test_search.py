"""`grep` and `glob`: ignore files as git reads them, the same with ripgrep and without, honest counts."""

import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hob.core.messages import ToolResult
from hob.core.ports import Clock, Sandbox
from hob.sandboxes.local import LocalSandbox
from hob.tools.needles import needles
from hob.tools.search import glob, grep
from hob.tools.settings import Settings
from hob.tools.tool import bind
from tools.test_ignore import git, lines, tree

WITHOUT = "/usr/bin:/bin"
WITH = f"{Path(sys.executable).parent}:{WITHOUT}"


class Now:
    def now_ms(self) -> int:
        return 0

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Desk:
    def __init__(self, root: Path, path: str = WITHOUT) -> None:
        self.root = root
        self.sandbox = LocalSandbox(str(root), {"PATH": path})
        supplies = {Sandbox: self.sandbox, Clock: Now(), Settings: Settings()}
        self._tools = {one.spec.name: bind(one, supplies) for one in (glob, grep)}

    def __call__(self, name: str, /, **arguments: Any) -> ToolResult:
        result = asyncio.run(self._tools[name].run(arguments, lambda stream, text: None))
        assert not result.is_error, result.content
        return result

    def names(self, **arguments: Any) -> list[str]:
        """Return what glob finds, without its notes."""
        found = self("glob", **{"pattern": "**", **arguments}).content.split("\n")
        return [one for one in found if not re.fullmatch(r"\[.* .*\]", one)]


def put(root: Path, **files: str) -> None:
    """Write files; `__` in a name is a slash, `_` at its start a dot."""
    for name, text in files.items():
        path = root / re.sub(r"(^|/)_", r"\1.", name.replace("__", "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def make() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def new(root: Path, path: str = WITHOUT) -> Desk:
        desks.append(Desk(root, path))
        return desks[-1]

    yield new
    for desk in desks:
        asyncio.run(desk.sandbox.close())


# --- ignore files --------------------------------------------------------------------------------


def test_a_whole_tree_is_seen_as_git_sees_it(make: Callable[..., Desk], tmp_path: Path):
    chance = random.Random(5)
    for number in range(12):
        root = tmp_path / f"{number}"
        root.mkdir()
        git(root, "init", "-q")
        folders = [path for path, is_folder in tree(root, chance) if is_folder]
        for folder in ("", *chance.sample(folders, min(3, len(folders)))):
            (root / folder / ".gitignore").write_bytes(lines(chance))
        (root / ".git" / "info").mkdir(exist_ok=True)
        (root / ".git" / "info" / "exclude").write_bytes(lines(chance))
        told = git(root, "ls-files", "-z", "--others", "--exclude-standard").decode()
        theirs = sorted(path for path in told.split("\0") if path)
        # The whole tree, and folders of it as workspaces of their own.
        assert make(root).names() == theirs[:200]
        for folder in chance.sample(folders, min(4, len(folders))):
            below = [
                path.removeprefix(f"{folder}/") for path in theirs if path.startswith(f"{folder}/")
            ]
            if below and not folder.endswith(" "):
                assert make(root / folder).names() == below, (root, folder)


def test_agentignore_works_without_git_and_has_the_last_word(
    make: Callable[..., Desk], tmp_path: Path
):
    put(tmp_path, a="", b="", gen__a="", gen__b="", big__x="", src__c="", src__d="")
    put(tmp_path, _agentignore="/b\nbig/\n!/gen\n", src___agentignore="c\n")
    assert make(tmp_path).names() == [
        ".agentignore", "a", "gen/a", "gen/b", "src/.agentignore", "src/d",
    ]  # fmt: skip
    put(tmp_path, _gitignore="gen\na\n", _git__HEAD="")
    desk = make(tmp_path)
    assert desk.names(path="gen") == ["gen/b"]
    assert desk.names(pattern="*") == [".agentignore", ".gitignore"]
    assert "[5 ignored paths not searched; path= can name one]" in desk("glob", pattern="*").content


def test_what_is_named_is_searched(make: Callable[..., Desk], tmp_path: Path):
    put(tmp_path, _gitignore="out/\n*.log\n", out__deep__a="hit", out__a_log="hit", x_log="hit")
    (tmp_path / "x.log").write_text("hit")
    (tmp_path / ".env").write_text("KEY=hit")
    (tmp_path / ".git").mkdir()
    desk = make(tmp_path)
    assert desk("grep", pattern="hit").content == (
        "x_log:1: hit\n[3 ignored paths not searched; path= can name one]"
    )
    assert desk("grep", pattern="hit", path="x.log").content == "x.log:1: hit"
    assert desk("grep", pattern="hit", path=".env").content == ".env:1: KEY=hit"
    assert desk("grep", pattern="hit", path="out").content == "out/a_log:1: hit\nout/deep/a:1: hit"
    assert desk("grep", pattern="hit", path="out/deep").content == "out/deep/a:1: hit"
    assert desk("grep", pattern="nothing").content == (
        "[no match]\n[3 ignored paths not searched; path= can name one]"
    )


def test_keys_are_left_out_unless_wanted(make: Callable[..., Desk], tmp_path: Path):
    put(tmp_path, _env="", a="", b___env_local="")
    (tmp_path / ".env.example").touch()
    (tmp_path / ".envrc").touch()
    assert make(tmp_path).names() == [".env.example", "a"]
    put(tmp_path, _agentignore="!.env*\n")
    assert make(tmp_path).names() == [
        ".agentignore", ".env", ".env.example", ".envrc", "a", "b/.env_local",
    ]  # fmt: skip


def test_a_repository_inside_has_rules_of_its_own(make: Callable[..., Desk], tmp_path: Path):
    put(tmp_path, _git__HEAD="", _gitignore="*.c\n", a="", lib___git__HEAD="", lib__x="")
    (tmp_path / "lib" / "y.c").touch()
    (tmp_path / "y.c").touch()
    put(tmp_path, lib___gitignore="x\n")
    assert make(tmp_path).names() == [".gitignore", "a", "lib/.gitignore", "lib/y.c"]


def test_a_home_that_ignores_everything_hides_no_project(make: Callable[..., Desk], tmp_path: Path):
    git(tmp_path, "init", "-q")
    put(tmp_path, _gitignore="*\n", work__project__a="hit")
    assert make(tmp_path / "work" / "project").names() == ["a"]
    assert make(tmp_path).names() == []


def test_ignore_files_are_not_read_through_links(make: Callable[..., Desk], tmp_path: Path):
    put(tmp_path, rules="a\n", a="", sub__a="")
    (tmp_path / ".gitignore").symlink_to("rules")
    (tmp_path / "sub" / ".agentignore").symlink_to("../rules")
    assert make(tmp_path).names() == [".gitignore", "a", "rules", "sub/.agentignore", "sub/a"]


# --- with ripgrep and without --------------------------------------------------------------------

WORDS = [
    "alpha",
    "Alpha",
    "ALPHA",
    "beta_1",
    "straße",
    "STRASSE",
    "kelvin",
    "\u212aelvin",
    "\u017fet",
    "f\u0130ne",
    "l\u0131ne",
    "İx",
    "x.y",
    "tab\tq",
    "",
]
PATTERNS = [
    "alpha", "beta_1", r"alpha|beta_1", r"^alpha", r"alpha$", r"al+pha", r"alphax?", r"(alpha|x)y?",
    r"\balpha\b", r"x\.y", r"[ab]eta_1", "straße", "kelvin", "set", "fine", "line", r"\d", "", r"(?i)alpha",
    r"beta_\d{1,2}", r"alpha.*beta", "nothing_like_it", r"tab\tq", "\t", "caf\ufffd", "(a)lpha(?:x)?(?:y)?",
]  # fmt: skip


def corpus(root: Path, chance: random.Random) -> None:
    for number in range(160):
        folder = root / chance.choice(("", "a", "a/b", "c d", "é"))
        folder.mkdir(parents=True, exist_ok=True)
        text = "\n".join(
            " ".join(chance.choice(WORDS) for _ in range(3)) for _ in range(chance.randrange(6))
        )
        coded = [
            text.encode(), text.encode(), text.encode(), text.encode("utf-16"), text.encode("utf-8-sig"),
            b"\0" + text.encode(), b"x" * 9000 + b"\0\n" + text.encode(), b"caf\xe9 " + text.encode(),
            text.replace("\n", "\r\n").encode(), text.encode("utf-16-be"),
        ]  # fmt: skip
        (
            folder
            / chance.choice(
                (f"f{number}", f"-f{number}", f"f {number}", f"ü{number}", f"n\n{number}")
            )
        ).write_bytes(chance.choice(coded))
    (root / "a" / "large").write_bytes(b"alpha\n" * 400_000)
    (root / "out").symlink_to("/etc")
    (root / ".gitignore").write_text("f1*\n")


def test_ripgrep_changes_no_result(make: Callable[..., Desk], tmp_path: Path):
    assert subprocess.run(["rg", "--version"], env={"PATH": WITH}, check=False).returncode == 0
    corpus(tmp_path, random.Random(3))
    one, other = make(tmp_path, WITH), make(tmp_path, WITHOUT)
    found = 0
    for pattern in PATTERNS:
        for ignore_case in (False, True):
            arguments = {"pattern": pattern, "ignore_case": ignore_case}
            result = one("grep", **arguments)
            assert result == other("grep", **arguments), arguments
            found += bool(result.details.metadata["matches"])
    assert found > 30
    assert one("grep", pattern=r"caf\ufffd") == other("grep", pattern=r"caf\ufffd")
    assert one("glob", pattern="**/f*") == other("glob", pattern="**/f*")
    assert one("grep", pattern="alpha", glob="f*2*") == other("grep", pattern="alpha", glob="f*2*")


def test_ripgrep_is_asked_only_for_many_files_and_sifts(make: Callable[..., Desk], tmp_path: Path):
    """A program that keeps nothing shows that it is asked; one that fails, that it is not needed."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "rg"
    root = tmp_path / "root"
    root.mkdir()
    for number in range(150):
        (root / f"f{number}").write_text("needle\n")
    for script, matches in (("exit 1", 0), ("exit 2", 150), ("echo x; exit 2", 150)):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        desk = make(root, f"{tmp_path / 'bin'}:{WITHOUT}")
        assert desk("grep", pattern="needle").details.metadata["matches"] == matches
        # Nothing to look for in advance: never asked.
        assert desk("grep", pattern="n.*").details.metadata["matches"] == 150
    fake.write_text("#!/bin/sh\nexit 1\n")
    for number in range(60):
        (root / f"f{number}").unlink()
    assert desk("grep", pattern="needle").details.metadata["matches"] == 90


def test_many_long_names_go_in_several_calls(make: Callable[..., Desk], tmp_path: Path):
    folder = tmp_path / ("d" * 200) / ("e" * 200)
    folder.mkdir(parents=True)
    for number in range(600):
        (folder / f"{number:03}").write_text("needle\n" if number % 3 == 0 else "straw\n")
    results = [make(tmp_path, path)("grep", pattern="needle") for path in (WITH, WITHOUT)]
    assert results[0] == results[1]
    assert results[0].details.metadata["files"] == 200
    assert ", 200 in 200 files; narrow the pattern or path]" in results[0].content


# --- needles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("needle", ["needle"]), (r"needle \w+", ["needle "]), ("abc|defg", ["abc", "defg"]),
        ("abc|d", []), ("(abc)def", ["def"]), ("abcd?", ["abc"]), ("abcd*xyzw", ["xyzw"]),
        ("abcd+", ["abcd"]), ("abc{2}defg", ["defg"]), ("abc{x", []), (r"a\.bc", ["a.bc"]),
        (r"\x41abc", []), (r"abc\d", ["abc"]), ("(?i)abc", []), ("(?:abc)?defg", ["defg"]),
        ("[abc]defg", ["defg"]), ("abc(|d)efg", ["abc"]), ("", []), ("a{(}bcd)?", []),
    ],
)  # fmt: skip
def test_what_a_match_must_contain(pattern: str, found: list[str]):
    assert needles(pattern, False) == found


PIECES = st.sampled_from([
    "a", "b", "k", "K", "i", "\u017f", "é", "\\.", ".", "*", "+", "?", "{2}", "{1,2}", "{", "}", "(", ")", "(?:",
    "|", "[ab]", "[^a]", "^", "$", "\\d", "\\b", "abc", "kb", "\\x61", " ", "\\ ", "(?=", "\\1",
])  # fmt: skip


@settings(deadline=None, max_examples=1500)
@given(
    st.lists(PIECES, max_size=8),
    st.text(alphabet="abkKiI\u017f\u212aİ\u0131éÉ. {}1", max_size=10),
    st.booleans(),
)
@example(["a", "{", "(", "}", "abc", ")", "?"], "a{", False)
def test_every_match_contains_a_needle(pieces: list[str], line: str, ignore_case: bool):
    pattern = "".join(pieces)
    try:
        compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error:
        return
    found = needles(pattern, ignore_case)
    if not found:
        return
    lines = [
        line,
        *(f"{line}{one}" for one in found),
        pattern,
        line + "abc" + line,
        "kbkb",
        "abcabc",
    ]
    for one in lines:
        if compiled.search(one):
            lowered = one.lower() if ignore_case else one
            assert any((n.lower() if ignore_case else n) in lowered for n in found), (pattern, one)


def test_counts_are_exact_beyond_what_is_shown(make: Callable[..., Desk], tmp_path: Path):
    for number in range(120):
        (tmp_path / f"f{number:03}").write_text("hit\nmiss\nhit\n")
    for path in (WITH, WITHOUT):
        result = make(tmp_path, path)("grep", pattern="hit")
        lines = result.content.split("\n")
        assert len(lines) == 101
        assert lines[-1] == "[140 more matches, 240 in 120 files; narrow the pattern or path]"


def test_a_deep_and_a_closed_folder_are_passed_over(make: Callable[..., Desk], tmp_path: Path):
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    (tmp_path / "z").write_text("hit")
    assert make(tmp_path)("grep", pattern="hit").content == "z:1: hit"
