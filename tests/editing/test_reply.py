"""A whole reply: all of it or none, nothing elsewhere, and a report that names each edit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hob.editing import EditRefused, apply_reply
from hob.editing.asked import safe_path

FILES = {"src/app.py": "x = 1\ny = 2\n", "lib/app.py": "z = 3\n", "src/one.py": "only = 1\n"}


def block(path: str, search: str, replace: str) -> str:
    return f"{path}\n```\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n```\n"


def refused(reply: str, format: str = "editblock", files: dict[str, str] = FILES) -> str:
    before = dict(files)
    with pytest.raises(EditRefused) as caught:
        apply_reply(files, reply, format)
    assert files == before
    return str(caught.value)


@pytest.mark.parametrize("format", ["editblock", "diff", "diff-fenced"])
def test_edits_in_order_each_on_top_of_the_one_before(format: str):
    reply = (
        block("src/app.py", "x = 1\n", "x = 5\n")
        + block("src/app.py", "x = 5\ny = 2\n", "x = 6\n")
        + block("new/file.py", "", "n = 1\n")
        + block("new/file.py", "n = 1\n", "n = 2\n")
    )
    assert apply_reply(FILES, reply, format) == {
        **FILES, "src/app.py": "x = 6\n", "new/file.py": "n = 2\n",
    }  # fmt: skip


def test_whole():
    reply = "src/app.py\n```\nx = 9\n```\nnew.txt\n```\nhi\n```\n"
    assert apply_reply(FILES, reply, "whole") == {
        **FILES,
        "src/app.py": "x = 9\n",
        "new.txt": "hi\n",
    }
    dressed = {"a.txt": "\ufeffone\r\ntwo\r\n"}
    assert apply_reply(dressed, "a.txt\n```\none\n2\n```\n", "whole") == {
        "a.txt": "\ufeffone\r\n2\r\n"
    }
    for line in (
        "# ... existing code ...",
        "// rest of the file unchanged",
        "    # ... (rest unchanged)",
    ):
        assert "leaves out" in refused(f"src/app.py\n```\nx = 9\n{line}\n```\n", "whole")


def test_all_or_none_and_every_refusal_is_told():
    reply = (
        block("src/app.py", "x = 1\n", "x = 5\n")
        + block("src/app.py", "not there\n", "q\n")
        + block("src/nowhere.py", "a\n", "b\n")
    )
    said = refused(reply)
    assert said.startswith("Nothing was changed. 2 of 3 edits do not apply;")
    assert "edit 2 ('src/app.py', line 9 of the reply): " in said
    assert (
        "edit 3 ('src/nowhere.py', line 17 of the reply): there is no file 'src/nowhere.py'" in said
    )


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (block("app.py", "x = 1\n", "x = 2\n"), "could be each of 'lib/app.py', 'src/app.py'"),
        (block("src/ap.py", "x = 1\n", "x = 2\n"), "Closest: 'src/app.py'"),
        (block("lib/app.py", "x = 1\n", "x = 2\n"), "stands in 'src/app.py'; if that is meant"),
        (block("src/app.py", "", "x = 2\n"), "SEARCH is empty and 'src/app.py' has text"),
        (block("src/app.py", "  \n\n", "x = 2\n"), "src/app.py"),
        (block("/etc/passwd.txt", "x = 1\n", "x = 2\n"), "is absolute"),
        (block("../src/app.py", "x = 1\n", "x = 2\n"), "leaves the workspace"),
        (block("src/../../a.py", "", "x = 2\n"), "leaves the workspace"),
        (block("src\\app.py", "x = 1\n", "x = 2\n"), "backslash"),
        (block("src/app.py", "x = 1\n", "x = 2\n")[:-30], "cut off"),
        ("No change is needed.", "no edit in this format"),
    ],
)
def test_refusals(reply: str, words: str):
    assert words in refused(reply)


def test_a_base_name_that_fits_one_file_is_that_file():
    changed = apply_reply(FILES, block("one.py", "only = 1\n", "only = 2\n"), "editblock")
    assert changed == {**FILES, "src/one.py": "only = 2\n"}


def test_unknown_formats_are_named():
    assert "'prose'" in refused("x", "prose")


@given(st.text(max_size=20))
def test_no_path_leaves_the_root(path: str):
    try:
        plain = safe_path(path)
    except EditRefused:
        return
    assert not plain.startswith("/")
    assert ".." not in plain.split("/")
    assert "\\" not in plain
    assert plain.isprintable()


@given(
    st.lists(st.sampled_from(["src/app.py", "lib/app.py", "x.txt"]), min_size=1, max_size=4),
    st.lists(
        st.sampled_from(["x = 1\n", "z = 3\n", "", "nope\n", "y = 2\n"]), min_size=4, max_size=4
    ),
    st.sampled_from(["editblock", "diff-fenced", "whole", "udiff"]),
    st.integers(0, 400),
)
def test_a_reply_is_carried_out_or_changes_nothing(
    paths: list[str], searches: list[str], format: str, cut: int
):
    reply = "".join(block(*pair, "r\n") for pair in zip(paths, searches, strict=False))[:cut]
    files = dict(FILES)
    try:
        after = apply_reply(files, reply, format)
    except EditRefused:
        pass
    else:
        assert {path for path in after if after[path] != FILES.get(path)} <= set(paths) | {"x.txt"}
    assert files == FILES
