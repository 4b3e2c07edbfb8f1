"""Three texts become one, or none: line by line, nobody's change lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hob.editing.diff3 import MAX_COMPARED, merge

BASE = "one\ntwo\nthree\nfour\nfive\nsix\n"


@pytest.mark.parametrize(
    ("mine", "theirs", "merged"),
    [
        (BASE, BASE, BASE),
        (BASE.replace("two", "TWO"), BASE, BASE.replace("two", "TWO")),
        (BASE, BASE.replace("two", "TWO"), BASE.replace("two", "TWO")),
        # Apart, both are kept.
        (
            BASE.replace("two", "TWO"),
            BASE.replace("five", "FIVE"),
            "one\nTWO\nthree\nfour\nFIVE\nsix\n",
        ),
        # The same change on both sides is made once.
        (BASE.replace("two", "2"), BASE.replace("two", "2") + "end\n", "one\n2\n" + BASE[8:] + "end\n"),
        # Touching or overlapping changes are a conflict.
        (BASE.replace("two", "TWO"), BASE.replace("two", "zwei"), None),
        (BASE.replace("two", "TWO"), BASE.replace("three", "drei"), None),
        (BASE.replace("two\nthree\n", ""), BASE.replace("three", "drei"), None),
        # Both put something in at the same place.
        ("new\n" + BASE, "other\n" + BASE, None),
        # At both ends.
        ("new\n" + BASE, BASE + "end\n", "new\n" + BASE + "end\n"),
        # A missing newline at the end is a difference like any other.
        (BASE.replace("one", "ONE"), BASE[:-1], BASE.replace("one", "ONE")[:-1]),
        ("", BASE + "seven\n", None),
    ],
)  # fmt: skip
def test_changes_are_joined_or_refused(mine: str, theirs: str, merged: str | None):
    assert merge(BASE, mine, theirs) == merged


def test_a_form_feed_ends_no_line():
    assert merge("a\f\nb\nc\nd\n", "A\f\nb\nc\nd\n", "a\f\nb\nc\nD\n") == "A\f\nb\nc\nD\n"


def test_texts_that_differ_all_over_are_a_conflict():
    long = "".join(f"{n}\n" for n in range(MAX_COMPARED + 2))
    assert merge(long, long.replace("\n", "!\n"), "x\n" + long) is None
    assert merge(long, long.replace("\n7\n", "\nseven\n"), "x\n" + long) is not None


lines = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "e\n"]), max_size=8).map("".join)


@given(lines, lines, lines)
def test_no_side_is_privileged(base: str, mine: str, theirs: str):
    assert merge(base, mine, theirs) == merge(base, theirs, mine)


@given(lines, lines)
def test_one_change_is_taken_whole(base: str, mine: str):
    assert merge(base, mine, base) == mine
    assert merge(base, base, mine) == mine
    assert merge(base, mine, mine) == mine
