"""The rules that make candidate repairs: each finds what it is there for, and every candidate is a real edit."""

import ast
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hob.models.offline.change import make_change
from hob.models.offline.findings import numbered_lines
from hob.models.offline.repairs.generate import generate, hot_lines
from hob.models.offline.repairs.scene import Clues
from hob.models.offline.repairs.source import Patch

ALL = {"100": "1-99"}
RULES = [
    ("if a < b: pass", "if a <= b: pass", ()),
    ("x = n ^ 1", "x = n & 1", ()),
    ("x += 1", "x -= 1", ()),
    ("x = a and b", "x = a or b", ()),
    ("x = (a + b) * 2", "x = a + (b * 2)", ()),
    ("for i in range(n): pass", "for i in range(n + 1): pass", ()),
    ("x = a[i]", "x = a[i + 1]", ()),
    ("x = f(a, b)", "x = f(b, a)", ()),
    ("x = a - b", "x = b - a", ()),
    ("x = not a", "x = a", ()),
    ("while True:\n    b = a.pop()", "while a:\n    b = a.pop()", ()),
    ("a.append(b)", "a.extend(b)", ()),
    ("x = a.lower()", "x = a.upper()", ()),
    ("x = min(a)", "x = max(a)", ()),
    ("x = a.pop()", "x = a.pop(0)", ()),
    ("x = sorted(a)", "x = sorted(a, reverse=True)", ()),
    ("return a", "return sorted(a)", ()),
    ("x = a + b", "x = max(0, a + b)", ()),
    ("x = 0", 'x = float("-inf")', ()),
    ("yield f(a)", "yield from f(a)", ()),
    ("for y in a:\n    b = y\n    return b", "for y in a:\n    b = y\nreturn b", ()),
    ("b = a + 1", "b = a + 1\nreturn b", ()),
    ("i = a\nx = b[:]", "i = a\nx = b[i:]", ()),
    ("x = b[i:]\ny = b[:]", "x = b[i:]\ny = b[1:]", ()),
    ("g(a)\nx = b", "g(a)\nx = g(b)", ()),
    ("y = a.clean()\nx = b", "y = a.clean()\nx = b.clean()", ()),
    ("y = g(a, key=n)\nx = g(b)", "y = g(a, key=n)\nx = g(b, key=n)", ()),
    ("y = g(a, n)\nx = g(b)", "y = g(a, n)\nx = g(b, n)", ()),
    (
        "def g(a):\n    a.log()\n    return 1\nx = a",
        "def g(a):\n    a.log()\n    return 1\na.log()\nx = a",
        (),
    ),
    ("x = nmae", "x = name", (("NameError", "name 'nmae' is not defined"),)),
    ("x = math.pi", "x = math.pi", (("NameError", "name 'math' is not defined"),)),
    (
        "try:\n    x = a\nexcept KeyError:\n    pass",
        "try:\n    x = a\nexcept IndexError:\n    pass",
        (),
    ),
]


def candidates(body: str, errors: tuple[tuple[str, str], ...] = ()) -> tuple[str, list[str]]:
    """Return a module around a body, and the modules that the candidates make of it."""
    text = "name = 1\n\n\ndef f(a, b, n):\n    i = 0\n" + textwrap.indent(body, "    ") + "\n"
    clues = Clues(tuple(error for error, _ in errors), tuple(message for _, message in errors))
    found = generate(text, "a.py", ALL, clues)
    return text, [text[: c.patch.start] + c.patch.text + text[c.patch.end :] for c in found]


@pytest.mark.parametrize(("old", "new", "errors"), RULES)
def test_a_rule_finds_its_repair(old: str, new: str, errors: tuple[tuple[str, str], ...]) -> None:
    text, made = candidates(old, errors)
    wanted = text.replace(textwrap.indent(old, "    "), textwrap.indent(new, "    "))
    if old == new:
        wanted = "import math\n" + text
    trees = [ast.dump(ast.parse(one)) for one in made if parses(one)]
    assert ast.dump(ast.parse(wanted)) in trees


def parses(text: str) -> bool:
    """Tell whether a text is Python."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("old", [old for old, _, _ in RULES])
def test_every_candidate_changes_the_text_and_most_are_python(old: str) -> None:
    text, made = candidates(old)
    assert text not in made
    assert sum(map(parses, made)) >= 0.75 * len(made)


def test_candidates_stay_on_lines_that_failing_tests_execute() -> None:
    text = "def f(a):\n    return a + 1\n\n\ndef g(a):\n    return a - 1\n"
    found = generate(text, "a.py", {"100": "5-6"}, Clues())
    assert found
    assert {one.patch.line for one in found} <= {5, 6}


def test_a_text_that_is_no_python_has_no_candidates() -> None:
    assert generate("def f(:\n", "a.py", ALL, Clues()) == []


def test_strings_with_other_letters_keep_their_place() -> None:
    text = 'def f(a):\n    return "äöü" + a + "ß"\n'
    made = [
        text[: c.patch.start] + c.patch.text + text[c.patch.end :]
        for c in generate(text, "a.py", ALL, Clues())
    ]
    assert 'def f(a):\n    return a + "äöü" + "ß"\n' in made


def test_line_ranges() -> None:
    assert hot_lines({"100": "3-4,7", "50": "9"}) == {3: 1.0, 4: 1.0, 7: 1.0, 9: 0.5}


def test_numbered_lines_without_notes() -> None:
    content = "1\tdef f():\n2\t\treturn 1\n3\t\n[more lines: read on with start_line=4]"
    assert numbered_lines(content) == {1: "def f():", 2: "\treturn 1", 3: ""}


@given(
    st.lists(st.sampled_from(["a = 1", "b = 2", "", "a = 1  # x"]), min_size=1, max_size=9),
    st.data(),
)
def test_a_change_is_exact_and_unique(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines) + "\n"
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, len(text) - 1))
    new = data.draw(st.sampled_from(["c", "c = 3\n", ""]))
    changed = text[:start] + new + text[end:]
    change = make_change("a.py", text, Patch(start, end, new, "rule", 1.0, 1, 1))
    if changed.strip() and text.strip() and change.search and change.replace:
        assert text.count(change.search) == 1
        assert text.replace(change.search, change.replace) == changed
        assert changed.count(change.replace) == 1
        assert changed.replace(change.replace, change.search) == text
