"""Unified diffs: what git prints applies exactly, what models write applies where its place is certain."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hob.editing import EditRefused, apply_reply
from hob.editing.udiff import apply_hunks, parse_udiff

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@example.org",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@example.org",
}
NAMES = ["a.py", "b/a.py", "with space.txt", "ünï.md", 'quo"te.txt', "b/c/d.txt"]

line = st.one_of(
    st.sampled_from(
        ["", " ", "x = 1", "-- sql", "++ more", "- minus", "+ plus", "@@ -1 +1 @@", "--- a/x",
         "+++ b/x", "diff --git a/x b/x", "\\ No newline at end of file", "```", "\ttab", "crlf\r",
         "form\x0cfeed", "line\u2028sep"]
    ),
    st.text("abc é", max_size=4),
)  # fmt: skip
text = st.builds(
    lambda lines, end: "\n".join(lines) + ("\n" if end and lines else ""),
    st.lists(line, max_size=14),
    st.booleans(),
)
tree = st.dictionaries(st.sampled_from(NAMES), text, min_size=1, max_size=4)


@st.composite
def changed(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str]]:
    before = draw(tree)
    after: dict[str, str] = {}
    for name, content in before.items():
        kind = draw(st.sampled_from(["same", "edit", "edit", "delete", "move", "new text"]))
        lines = content.split("\n")
        for _ in range(draw(st.integers(1, 3)) if kind == "edit" else 0):
            at = draw(st.integers(0, len(lines)))
            lines[at : at + draw(st.integers(0, 2))] = draw(st.lists(line, max_size=3))
        if kind == "new text":
            lines = draw(text).split("\n")
        target = draw(st.sampled_from(NAMES)) if kind == "move" else name
        if kind != "delete" and target not in after and (target == name or target not in before):
            after[target] = "\n".join(lines)
    for name, content in draw(tree).items():
        if name not in before:
            after.setdefault(name, content)
    return before, after


def put(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode())


def git(root: Path, *words: str) -> bytes:
    command = ["git", "-c", "init.defaultBranch=main", "-c", "core.autocrlf=false", *words]
    return subprocess.run(command, cwd=root, env=ENV, check=True, capture_output=True).stdout


OPTIONS = [(), ("-M",), ("-U0",), ("--no-prefix",), ("-U1", "-M", "-C")]


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changed(), st.sampled_from(OPTIONS), st.booleans())
def test_what_git_diff_prints_applies_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    trees: tuple[dict[str, str], dict[str, str]],
    options: tuple[str, ...],
    fenced: bool,
):
    before, after = trees
    root = tmp_path_factory.mktemp("repo")
    git(root, "init", "-q")
    put(root, before)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    for name in before:
        (root / name).unlink()
    put(root, after)
    git(root, "add", "-A")
    diff = git(root, "diff", "--cached", "--text", *options).decode()
    if not diff:
        assert before == after
        return
    assert apply_reply(before, f"````diff\n{diff}````\n" if fenced else diff, "udiff") == after


def test_the_whole_of_git(tmp_path: Path):
    git(tmp_path, "init", "-q")
    put(tmp_path, {"keep.txt": "1\n2\n3\n4\n5\n6\n7\n8\n", "gone.txt": "x\n", "mode.sh": "ls\n"})
    git(tmp_path, "add", "-A")
    (tmp_path / "keep.txt").rename(tmp_path / "moved to.txt")
    (tmp_path / "moved to.txt").write_text("1\n2\n3\n4\nfive\n6\n7\n8")
    (tmp_path / "gone.txt").unlink()
    (tmp_path / "mode.sh").chmod(0o755)
    (tmp_path / "empty").touch()
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "add", "-A")
    diff = git(tmp_path, "diff", "--cached", "-M").decode()
    before = {"keep.txt": "1\n2\n3\n4\n5\n6\n7\n8\n", "gone.txt": "x\n", "mode.sh": "ls\n"}
    assert apply_reply(before, diff, "udiff") == {
        "moved to.txt": "1\n2\n3\n4\nfive\n6\n7\n8", "mode.sh": "ls\n", "empty": "",
    }  # fmt: skip


OLD = "one\ntwo\n\nthree\nfour\nfive\nsix\nseven\n"


@pytest.mark.parametrize(
    "hunk",
    [
        "@@ ... @@\n two\n \n-three\n+3\n four\n",
        "@@ ... @@\n two\n\n-three\n+3\n four\n",  # blank context without its space
        "@@\n-three\n+3\n",
        "@@ -40,9 +41,2 @@ def f():\n two\n \n-three\n+3\n four\n",
        "@@ -1,5 +1,5 @@\n-three\n+3\n four\n",
        "@@ -4 +4 @@\n-three\n+3\n",
    ],
)
@pytest.mark.parametrize("fenced", [True, False])
def test_what_models_write(hunk: str, fenced: bool):
    diff = f"--- a/f.txt\n+++ b/f.txt\n{hunk}"
    reply = f"So:\n\n```diff\n{diff}```\n\nDone.\n" if fenced else f"{diff}\nDone.\n"
    assert apply_reply({"f.txt": OLD}, reply, "udiff") == {"f.txt": OLD.replace("three", "3")}


@pytest.mark.parametrize("names", [("f.txt", "f.txt"), ("a/f.txt", "b/f.txt\t2024-01-01 10:00"),
                                   ("./f.txt", "./f.txt"), ('"a/f.txt"', '"b/f.txt"')])  # fmt: skip
def test_names(names: tuple[str, str]):
    diff = f"--- {names[0]}\n+++ {names[1]}\n@@ -1 +1 @@\n-one\n+1\n"
    assert apply_reply({"f.txt": OLD}, diff, "udiff") == {"f.txt": OLD.replace("one", "1")}


def test_several_files_new_and_deleted_in_one_reply():
    reply = (
        "```diff\n--- a/f.txt\n+++ b/f.txt\n@@ ... @@\n-one\n+1\n@@ ... @@\n-seven\n+7\n"
        "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,2 @@\n+a\n+b\n"
        "--- a/old.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n```\n"
    )
    files = {"f.txt": OLD, "old.txt": "gone\n", "other": "o"}
    assert apply_reply(files, reply, "udiff") == {
        "f.txt": OLD.replace("one", "1").replace("seven", "7"), "new.txt": "a\nb\n", "other": "o",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("diff", "words"),
    [
        ("diff --git a/x b/x\nindex 1..2 100644\nBinary files a/x and b/x differ\n", "binary"),
        ("diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+t\n",
         "symbolic link"),
        ("--- a/f.txt\n+++ b/f.txt\n@@ -1,4 +1,4 @@\n-one\n+o", "cut off"),
        ("```diff\n--- a/f.txt\n+++ b/f.txt\n@@ -1,4 +1,4 @@\n-one\n+1\n", "cut off"),
        ("```diff\n@@ -1 +1 @@\n-one\n+1\n```\n", "no file"),
        ("--- a/f.txt\n+++ b/f.txt\n@@ ... @@\n+new\n", "without a line around"),
        ("--- a/f.txt\n+++ b/f.txt\n@@ -3,2 +3,2 @@\n-not there at all\n+x\n", "line 1 of the reply"),
        ("--- /dev/null\n+++ b/f.txt\n@@ -0,0 +1 @@\n+x\n", "is there already"),
        ("--- a/f.txt\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-one\n-two\n", "does not show all"),
        ("--- a/nope.txt\n+++ b/nope.txt\n@@ -1 +1 @@\n-one\n+1\n", "no file 'nope.txt'"),
        ("--- a/../f.txt\n+++ b/../f.txt\n@@ -1 +1 @@\n-one\n+1\n", "leaves the workspace"),
        ("diff --git a/f.txt b/g.txt\nrename from f.txt\nrename to g.txt\n", "there already"),
        ("only words\n", "no edit"),
    ],
)  # fmt: skip
def test_refusals(diff: str, words: str):
    files = {"f.txt": OLD, "g.txt": "g\n"}
    with pytest.raises(EditRefused, match=words):
        apply_reply(files, diff, "udiff")


def test_two_same_places_are_told_apart_by_exact_numbers_only():
    text = "x\ny\n" * 3
    exact = "--- a/f\n+++ b/f\n@@ -3,2 +3,2 @@\n-x\n+z\n y\n"
    assert apply_reply({"f": text}, exact, "udiff") == {"f": "x\ny\nz\ny\nx\ny\n"}
    with pytest.raises(EditRefused):
        apply_reply({"f": text}, exact.replace("-3,2 +3,2", "..."), "udiff")


def test_crlf_files_take_a_diff_with_plain_endings():
    text = OLD.replace("\n", "\r\n")
    diff = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-one\n+1\n two\n"
    assert apply_reply({"f": text}, diff, "udiff") == {"f": text.replace("one", "1")}


def test_a_fence_in_the_file_does_not_end_the_diff():
    text = "# T\n\n```\nls\n```\nend\n"
    diff = "```diff\n--- a/f\n+++ b/f\n@@ -2,5 +2,5 @@\n \n ```\n-ls\n+ls -l\n ```\n end\n```\n"
    assert apply_reply({"f": text}, diff, "udiff") == {"f": text.replace("ls", "ls -l")}


def test_no_hunks_change_nothing():
    assert apply_hunks("a\n", []).text == "a\n"
    assert parse_udiff("") == []
