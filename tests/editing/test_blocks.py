"""SEARCH/REPLACE blocks and whole files, as models really write them."""

import pytest

from hob.editing.asked import Edit
from hob.editing.blocks import parse_blocks, parse_whole
from hob.editing.outcome import EditRefused

BLOCK = "<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE\n"
PLAIN = ("src/a.py", "x = 1\n", "x = 2\n")


def edits(reply: str) -> list[tuple[str, str, str]]:
    return [one[:3] for one in parse_blocks(reply)]


@pytest.mark.parametrize(
    "reply",
    [
        f"src/a.py\n```python\n{BLOCK}```\n",
        f"I change it:\n\n**src/a.py**\n\n```python\n{BLOCK}```\nDone.",
        f"**`src/a.py`**:\n```\n{BLOCK}```",
        f"### src/a.py\n```py\n{BLOCK}```",
        f"# `src/a.py`\n```py\n{BLOCK}```",
        f"File: src/a.py\n~~~\n{BLOCK}~~~",
        f"1. `src/a.py`\n```py\n{BLOCK}```",
        f"// src/a.py\n```js\n{BLOCK}```",
        f"In `src/a.py`, change the number:\n```python\n{BLOCK}```",
        f"```python src/a.py\n{BLOCK}```",
        f"```src/a.py\n{BLOCK}```",
        f"```python:src/a.py\n{BLOCK}```",
        f'```python title="src/a.py"\n{BLOCK}```',
        f"```python\nsrc/a.py\n{BLOCK}```",
        f"```python\n# src/a.py\n{BLOCK}```",
        f"````python\nsrc/a.py\n{BLOCK}````",
        f"src/a.py\n{BLOCK}",
        f"`src/a.py`\n\n{BLOCK}\nThat is all.",
        f"src/a.py\n```python\n{BLOCK}",  # the fence is not closed, the block is
        "src/a.py\n<<<<< SEARCH\nx = 1\n=====\nx = 2\n>>>>> REPLACE",
        "src/a.py\n<<<<<<<<< SEARCH\nx = 1\n=========\nx = 2\n>>>>>>>>> REPLACE",
        "src/a.py\n<<<<<<< ORIGINAL\nx = 1\n=======\nx = 2\n>>>>>>> UPDATED",
        "src/a.py\n<<<<<<< search\nx = 1\n======\nx = 2\n>>>>>>> replace\n",
        "src/a.py\n<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>>\n",
        "src/a.py\n```\n<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE```\n",
        "1. First:\n\n   src/a.py\n   ```python\n   <<<<<<< SEARCH\n   x = 1\n   =======\n   x = 2\n"
        "   >>>>>>> REPLACE\n   ```\n",
        f"src/a.py\n```python\n{BLOCK}```\n".replace("\n", "\r\n").replace("\r\n", "\n"),
        f"An example:\n\n    src/b.py\n    <<<<<<< SEARCH\n    a\n\nsrc/a.py\n{BLOCK}",
        f"````markdown\nsrc/b.py\n```\n{BLOCK}```\n````\nsrc/a.py\n{BLOCK}",
        f"```bash\nls\n```\nsrc/a.py\n{BLOCK}",
    ],
)
def test_one_block_in_every_dress(reply: str):
    assert edits(reply) == [PLAIN]


def test_several_blocks_keep_the_path_and_the_order():
    reply = (
        f"src/a.py\n```\n{BLOCK}{BLOCK}```\nand once more:\n```\n{BLOCK}```\n"
        f"`src/b.py`\n```\n{BLOCK}src/c.py\n{BLOCK}```\n"
    )
    assert [one[0] for one in edits(reply)] == ["src/a.py"] * 3 + ["src/b.py", "src/c.py"]


@pytest.mark.parametrize(
    ("search", "replace"),
    [
        ("", "new\n"),
        ("old\n", ""),
        ("```python\nx\n```\n", "~~~\nx\n~~~\n"),
        ("a\n...\nb\n", "a\n...\nc\n"),
        ("Title\n=====\n\nTitle\n========\n", "Name\n====\n"),
        ("<<<<<<< HEAD\nmine\n", "theirs\n>>>>>>> branch\n"),
        ("  indented\n\n\ttab\n", "\n\n"),
        (">>> doctest\n", "<div>\n"),
    ],
)
@pytest.mark.parametrize("fence", ["", "```", "````"])
def test_content_comes_out_as_it_stands(search: str, replace: str, fence: str):
    block = f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"
    reply = f"a.md\n{fence}\n{block}{fence}\n" if fence else f"a.md\n{block}"
    assert edits(reply) == [("a.md", search, replace)]


def test_nine_marks_hold_a_block():
    reply = f"a.md\n<<<<<<<<< SEARCH\n{BLOCK}=========\nnothing\n>>>>>>>>> REPLACE\n"
    assert edits(reply) == [("a.md", BLOCK, "nothing\n")]


def test_the_lines_of_a_request_are_known():
    reply = f"So:\n\nsrc/a.py\n```py\n{BLOCK}```\nDone."
    (one,) = parse_blocks(reply)
    assert one == Edit(*PLAIN, place=(2, 10))  # pyright: ignore[reportArgumentType]
    assert reply.split("\n")[10] == "Done."


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (f"{BLOCK}", "has no path"),
        (f"```python\n{BLOCK}```", "has no path"),
        ("a.py\n```\n<<<<<<< SEARCH\nx = 1\n=======\nx =", "cut off"),
        ("a.py\n```\n<<<<<<< SEARCH\nx = 1\n", "cut off"),
        (f"a.py\n<<<<<<< SEARCH\nx\n=======\ny\n{BLOCK}", "cut off"),
        ("a.py\n<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n", "cut off"),
        ("a.py\n<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE\n", "nine signs"),
        (f"```python\nx = 1\ny = 2\n{BLOCK}```\n", "middle of a fence"),
    ],
)
def test_what_cannot_be_told_is_refused(reply: str, words: str):
    with pytest.raises(EditRefused, match=words):
        parse_blocks(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "Nothing to do.",
        "    a.py\n    <<<<<<< SEARCH\n    x\n",
        f"````text\na.py\n```\n{BLOCK}```\n````\n",
        "> a.py\n> <<<<<<< SEARCH\n> x\n",
    ],
)
def test_examples_are_no_edits(reply: str):
    assert parse_blocks(reply) == []


@pytest.mark.parametrize(
    ("reply", "files"),
    [
        ("a.py\n```python\nx = 1\n```\n", {"a.py": "x = 1\n"}),
        ("```python a.py\nx = 1\n```\n", {"a.py": "x = 1\n"}),
        ("```a.py\nx = 1\n\n```\n", {"a.py": "x = 1\n\n"}),
        ("**`a.py`**\n\n~~~\n```\nx\n```\n~~~\n", {"a.py": "```\nx\n```\n"}),
        ("README.md\n````\n```bash\nls\n```\n````\n", {"README.md": "```bash\nls\n```\n"}),
        ("Makefile\n```\nall:\n\techo\n```\nb/c.txt\n```\n```\n",
         {"Makefile": "all:\n\techo\n", "b/c.txt": ""}),
        ("Run it:\n```bash\nls\n```\na.py\n```\n1\n```\n", {"a.py": "1\n"}),
        ("In `a.py` I would write:\n```python\nx\n```\n", {}),
    ],
)  # fmt: skip
def test_whole_files(reply: str, files: dict[str, str]):
    assert {one.path: one.content for one in parse_whole(reply)} == files


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("a.py\n```python\nx = 1\n", "cut off"),
        ("README.md\n```\n```bash\nls\n```\n```\n", "longer fence"),
        ("README.md\n```\none\n```\ntwo\n```\nthree\n```\n", "longer fence"),
    ],
)
def test_whole_files_without_a_certain_end_are_refused(reply: str, words: str):
    with pytest.raises(EditRefused, match=words):
        parse_whole(reply)
