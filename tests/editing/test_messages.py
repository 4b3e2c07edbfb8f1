"""A refusal costs one turn: it names the place, the first difference, and what to do."""

import pytest

from hob.editing import EditRefused, apply

MAIN = "def main():\n    return 1\n"


def said(before: str, search: str, replace: str = "x") -> str:
    with pytest.raises(EditRefused) as caught:
        apply(before, search, replace)
    return str(caught.value)


@pytest.mark.parametrize(
    ("search", "replace", "says"),
    [
        (
            "    return 2",
            "x",
            "First difference at line 2: the file has '    return 1', search '    return 2'",
        ),
        ("def mian():", "x", "1\tdef main():"),
        ("qqqqqqqqqqq", "x", "nothing is like it"),
        ("gone", "    return 1", "replace is already there, at line 2"),
        ("main", "main", "are the same"),
        ("n", "x", "stands 2 times, at lines 1, 2;"),
        (" \n", "x", "search is blank"),
        ("12\tdef mian():\n19\t    retrun 1\n", "x", "leave out the line numbers"),
    ],
)
def test_a_refusal_says_what_to_do(search: str, replace: str, says: str):
    assert says in said(MAIN, search, replace)


def test_the_difference_is_shown_with_its_blanks():
    text = "one = 1\ntwo = 2\n\tthree = 3\nfour = 4\n"
    shown = said(text, "one = 1\ntwo = 3  \n\tthree = 3\n")
    assert shown.endswith(
        "--- search\n+++ file\n one = 1\n-two = 3\u00b7\u00b7\n+two = 2\n \u2192three = 3\n"
        " Send the file's own text, exactly."
    )
    assert "1\tone = 1\n2\ttwo = 2\n3\t\tthree = 3\n" in shown


def test_candidates_are_shown_with_lines_around_them():
    text = "".join(f"def f{n}():\n    return 1\n\n" for n in range(30))
    shown = said(text, "    return 1\n", "    return 2\n")
    assert shown.startswith("search stands more than 20 times, at lines 2, 5, 8, 11, 14")
    assert "\n1\tdef f0():\n2\t    return 1\n3\t\n" in shown
    assert shown.count("--") == 4


def test_a_refusal_is_short():
    line = "x" * 5000
    text = "\n".join(f"{line}{n}" for n in range(100))
    for search in (line + "y", text[:200_000].replace("7", "q"), "x" * 100):
        assert len(said(text, search)) < 3000


@pytest.mark.parametrize("search", ["0)", "1)\n2)", "7: "])
def test_line_numbers_with_no_text_behind_them_are_refused(search: str):
    with pytest.raises(EditRefused):
        apply("", search, "")
    with pytest.raises(EditRefused):
        apply("a\nb\n", search, "x")
