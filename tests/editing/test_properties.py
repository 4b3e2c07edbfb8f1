"""What holds for every edit: nothing beside it changes, endings do not matter, nothing else is raised."""

import random
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from hob.editing import Edited, EditRefused, apply, apply_bytes, edit

LINE = st.text(alphabet="ab \t\u00fc", max_size=4)
CODE = st.sampled_from(
    ["a = 1", "    b = a", "\tc()", "", "  ", "if x:", "# it's", "# it\u2019s", "...", "}", "{", "```",
     "1\ta", "2\tb", "&lt;b&gt;", "\\n", "'x'", '"x"', "return a", "    return  a", "a", "b", "\ud800"],
)  # fmt: skip
TEXT = st.lists(LINE, max_size=8).map("\n".join)
SOURCE = st.lists(CODE, max_size=12).map("\n".join)
ENDING = st.sampled_from(["\n", "\r\n", "\r", "\r\r\n", ""])


def outcome(before: str, search: str, replace: str) -> Edited | str:
    try:
        return edit(before, search, replace)
    except EditRefused as refused:
        return str(refused)


@settings(deadline=None, max_examples=300)
@given(TEXT, st.integers(0, 40), st.integers(1, 12), TEXT)
def test_an_exact_and_unique_edit_is_a_splice(before: str, start: int, size: int, new: str):
    old = before[start : start + size]
    places = [i for i in range(len(before)) if before.startswith(old, i)] if old else []
    if not old.strip() or old == new or len(places) != 1:
        return
    at = places[0]
    lead = before[before.rfind("\n", 0, at) + 1 : at]
    if lead.isspace() or (old[0] == "\n" and new[:1] not in {"", "\n"}):
        return
    edited = edit(before, old, new)
    if before[at - 1 : at] in {"", "\n"} and old.endswith("\n") and not new.endswith("\n") and new:
        new += "\n"  # whole lines stay whole lines
    assert edited.text == before[:at] + new + before[at + len(old) :]
    assert edited.notes == ()


@settings(deadline=None, max_examples=500)
@given(SOURCE, SOURCE, SOURCE)
def test_nothing_but_a_refusal_is_raised(before: str, search: str, replace: str):
    result = outcome(before, search, replace)
    assert isinstance(result, Edited) or 0 < len(result) < 3000
    assert outcome(before, search, replace) == result
    with suppress(EditRefused):
        apply_bytes(before.encode("utf-8", "surrogatepass"), search, replace)


@settings(deadline=None, max_examples=500)
@given(SOURCE, st.data())
def test_endings_make_no_difference(before: str, data: st.DataObject):
    search, replace = near(before, data), data.draw(SOURCE)
    plain = outcome(before, search, replace)
    dos = outcome(before.replace("\n", "\r\n"), search, replace)
    if isinstance(plain, Edited) and "\n" in before:
        assert isinstance(dos, Edited)
        assert dos == plain._replace(text=plain.text.replace("\n", "\r\n"))
    elif "\n" in before:
        assert dos == plain


@settings(deadline=None, max_examples=500)
@given(SOURCE, st.data())
def test_lines_beside_the_edit_stay(before: str, data: st.DataObject):
    search, replace = near(before, data), data.draw(SOURCE)
    result = outcome(before, search, replace)
    if not isinstance(result, Edited) or not search.strip():
        return
    old, new = before.split("\n"), result.text.split("\n")
    head = result.first_line - 1
    tail = len(new) - result.last_line
    # A part of a line above or below may have been quoted too; then only that line is more.
    assert new[: max(0, head - 1)] == old[: max(0, head - 1)]
    assert tail <= 1 or new[-tail + 1 :] == old[-tail + 1 :]
    assert len(old) - len(new) <= search.count("\n") + 1


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(LINE, ENDING), max_size=8), st.data())
def test_bytes_outside_the_quoted_text_never_change(
    parts: list[tuple[str, str]], data: st.DataObject
):
    before = "".join(line + ending for line, ending in parts)
    start = data.draw(st.integers(0, len(before)))
    old = before[start : start + data.draw(st.integers(1, 10))]
    result = outcome(before, old, data.draw(TEXT))
    at = before.find(old)
    plain, quoted = before.replace("\r\n", "\n"), old.replace("\r\n", "\n")
    once = plain.find(quoted) == plain.rfind(quoted) >= 0
    if isinstance(result, Edited) and at >= 0 and once and "\n" in before:
        lead = before[before.rfind("\n", 0, at) + 1 : at]
        if not lead.strip(" \t"):
            return
        assert result.text.startswith(before[:at].removesuffix("\r"))
        assert result.text.endswith(before[at + len(old) :].removeprefix("\n"))


def near(before: str, data: st.DataObject) -> str:
    """Return some lines of a text, more or less."""
    dice = random.Random(data.draw(st.integers(0, 10_000)))
    lines = before.split("\n")
    start = dice.randrange(len(lines))
    part = lines[start : start + dice.randint(1, 6)]
    for _ in range(dice.randrange(3)):
        spot = dice.randrange(len(part))
        part[spot] = dice.choice([part[spot].strip(), part[spot] + " ", "\t" + part[spot], "a = 2"])
    return "\n".join(part)


def test_a_refused_edit_returns_nothing():
    for text in ("a\na\n", "b\n", ""):
        result = None
        with suppress(EditRefused):
            result = apply(text, "a\n", "c\n")
        assert result is None
