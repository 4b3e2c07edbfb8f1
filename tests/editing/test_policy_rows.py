"""The policies of editing, one row each: what is written, what is refused, and what no edit may touch."""

# ruff: noqa: E501 (a row of a table is one thing to read)

import re
from contextlib import suppress

import pytest

from editing import policies, refusals
from hob.editing import EditRefused, apply, apply_bytes

WRITTEN = [
    pytest.param(*row[1:], id=f"{stage.lower()}: {row[0]}")
    for stage in ("EXACT", "LINES", "CLEANED", "ELIDED", "ALIGNED")
    for row in getattr(policies, stage)
]
KEPT = [pytest.param(*row[1:], id=row[0]) for row in policies.KEPT]
REFUSED = [
    pytest.param(*row[1:], id=f"{kind.lower()}: {row[0]}")
    for kind in ("AMBIGUOUS", "MISSING", "DONE", "MISLED", "EMPTY", "ELISION", "BROKEN")
    for row in getattr(refusals, kind)
]


@pytest.mark.parametrize(("before", "search", "replace", "after"), WRITTEN)
def test_what_is_meant_is_written_and_nothing_else(
    before: str, search: str, replace: str, after: str
):
    assert apply(before, search, replace) == after


@pytest.mark.parametrize(("before", "search", "replace", "after"), WRITTEN)
def test_a_file_with_crlf_gets_the_same_edit(before: str, search: str, replace: str, after: str):
    crlf = apply(before.replace("\n", "\r\n"), search, replace)
    ending = "\r\n" if "\n" in before else "\n"
    assert crlf == after.replace("\n", ending)


@pytest.mark.parametrize(("before", "search", "replace", "after"), KEPT)
def test_a_token_of_the_model_never_replaces_one_of_the_file(
    before: str, search: str, replace: str, after: str
):
    with suppress(EditRefused):
        assert apply(before, search, replace) == after


@pytest.mark.parametrize(("before", "search", "replace", "words"), REFUSED)
def test_what_is_not_safe_is_refused_and_the_message_helps(
    before: str, search: str, replace: str, words: tuple[str, ...]
):
    with pytest.raises(EditRefused) as caught:
        apply(before, search, replace)
    message = str(caught.value)
    assert message
    missing = [
        word
        for word in words
        if not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", message, re.IGNORECASE)
    ]
    assert missing == [], message


@pytest.mark.parametrize(("before", "search", "replace", "words"), REFUSED)
def test_a_refusal_is_the_same_for_crlf(
    before: str, search: str, replace: str, words: tuple[str, ...]
):
    with pytest.raises(EditRefused):
        apply(before.replace("\n", "\r\n"), search, replace)


def test_a_line_that_changes_has_the_spacing_of_the_file_or_of_replace():
    after = apply(policies.FIVE, "two=2\nthree=3\n", "two=2\nthree=33\n")
    lines = after.split("\n")
    assert lines[2] in {"three = 33", "three=33"}
    assert [*lines[:2], *lines[3:]] == ["one = 1", "two = 2", "four = 4", "five = 5", ""]


@pytest.mark.parametrize(("before", "text"), [("a = 1\n", "b = 2\n"), ("a = 1", "b = 2\n")])
def test_an_empty_search_never_overwrites(before: str, text: str):
    with suppress(EditRefused):
        assert apply(before, "", text) == "a = 1\nb = 2\n"


BYTES = [
    ("a mark stays", b"\xef\xbb\xbfa = 1\nb = 2\n", "b = 2", "b = 3", b"\xef\xbb\xbfa = 1\nb = 3\n"),
    ("a mark before the changed line", b"\xef\xbb\xbfa = 1\nb = 2\n", "a = 1\n", "a = 3\n", b"\xef\xbb\xbfa = 3\nb = 2\n"),
    ("CRLF, one line", b"a\r\nb\r\nc\r\n", "b\n", "x\n", b"a\r\nx\r\nc\r\n"),
    ("CRLF, several", b"a\r\nb\r\nc\r\n", "a\nb\n", "a\nx\ny\n", b"a\r\nx\r\ny\r\nc\r\n"),
    ("CRLF in SEARCH, too", b"a\r\nb\r\nc\r\n", "a\r\nb\r\n", "a\r\nx\r\n", b"a\r\nx\r\nc\r\n"),
    ("CRLF in SEARCH, LF in the file", b"a\nb\nc\n", "a\r\nb\r\n", "a\r\nx\r\n", b"a\nx\nc\n"),
    ("CRLF with a mark", b"\xef\xbb\xbfa\r\nb\r\n", "b\n", "x\ny\n", b"\xef\xbb\xbfa\r\nx\r\ny\r\n"),
    ("CRLF, no final newline", b"a\r\nb", "a\nb\n", "a\nx\n", b"a\r\nx"),
    ("old endings", b"a\rb\rc\r", "b\n", "x\n", b"a\rx\rc\r"),
    ("mixed endings stay", b"a\r\nb\nc\r\n", "b\nc\n", "b\nx\n", b"a\r\nb\nx\r\n"),
    ("mixed endings elsewhere stay", b"a\nb\r\nc\nd\r\n", "c\n", "x\n", b"a\nb\r\nx\nd\r\n"),
    ("UTF-16, little end", "\ufeffa\nb\n".encode("utf-16-le"), "b", "x", "\ufeffa\nx\n".encode("utf-16-le")),
    ("UTF-16, big end", "\ufeffa\nb\n".encode("utf-16-be"), "b", "\u00e9", "\ufeffa\n\u00e9\n".encode("utf-16-be")),
    ("UTF-16 and CRLF", "\ufeffa\r\nb\r\n".encode("utf-16-le"), "a\nb\n", "a\nx\n", "\ufeffa\r\nx\r\n".encode("utf-16-le")),
    ("bytes that are no UTF-8", b"a\xff\xfe\nb = 2\n", "b = 2", "b = 3", b"a\xff\xfe\nb = 3\n"),
    ("Latin-1 beside the change", b"# caf\xe9\nb = 2\nc = 3\n", "b = 2\nc = 3\n", "b = 2\nc = 4\n", b"# caf\xe9\nb = 2\nc = 4\n"),
    ("no final newline stays", b"a = 1\nb = 2", "b = 2\n", "b = 3\n", b"a = 1\nb = 3"),
    ("a new last line takes over", b"a = 1\nb = 2", "b = 2\n", "b = 2\nc = 3\n", b"a = 1\nb = 2\nc = 3"),
    ("astral signs", "a = '\U0001f600'\nb = 2\n".encode(), "b = 2", "b = '\U0001f600'", "a = '\U0001f600'\nb = '\U0001f600'\n".encode()),
    ("a file is made", b"", "", "a\n", b"a\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "search", "replace", "after"), [pytest.param(*row[1:], id=row[0]) for row in BYTES]
)
def test_bytes_keep_their_encoding_marks_and_endings(
    before: bytes, search: str, replace: str, after: bytes
):
    assert apply_bytes(before, search, replace) == after


@pytest.mark.parametrize(
    "before",
    [b"a\x00b\nc\n", b"\x00\x01\x02\x03", b"c\n" + b"\x00" * 9],
    ids=["inside", "binary", "at the end"],
)
def test_a_file_with_nul_is_refused(before: bytes):
    with pytest.raises(EditRefused):
        apply_bytes(before, "c\n", "d\n")


@pytest.mark.parametrize(("before", "search", "replace", "words"), REFUSED)
def test_bytes_are_refused_where_text_is(
    before: str, search: str, replace: str, words: tuple[str, ...]
):
    with pytest.raises(EditRefused):
        apply_bytes(before.encode(), search, replace)
