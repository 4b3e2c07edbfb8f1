"""Each policy of editing: what is tolerated, what is kept of the file, what is refused and in which words."""

import pytest

from hob.editing import Edited, EditRefused, apply, apply_bytes, edit

FILE = '''\
import os


class Cache:
    """Keeps values."""

    def get(self, key):
        # it\u2019s there or not
        value = self.values.get(key, "none")

        return value

    def put(self, key, value):
        self.values[key] = value
        self.size += 1
        return None


class Other:
    def put(self, key, value):
        self.values[key] = value
        return None
'''


def refused(before: str, search: str, replace: str, **more: int) -> str:
    with pytest.raises(EditRefused) as caught:
        edit(before, search, replace, **more)
    assert len(str(caught.value)) < 3000
    return str(caught.value)


# --- exact ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "search", "replace", "after"),
    [
        ("a\nb\nc\n", "b\n", "x\n", "a\nx\nc\n"),
        ("foo(a, b)\n", "a, b", "b, a", "foo(b, a)\n"),
        # Never indented anew: byte for byte what was asked for.
        ("    a = 1\n", "    a = 1\n", "b = 2\n", "b = 2\n"),
        # One of several places is nothing but whole lines.
        ("x = 1\nxx = 10\n", "x = 1", "y = 2", "y = 2\nxx = 10\n"),
        # A leading line break ends the line above.
        ("a\nb\nc\n", "\nb\n", "x\n", "a\nx\nc\n"),
        ("a\n\nb\n", "\n\nb", "\nb", "a\nb\n"),
        # The file's own wrapping is text like any other.
        ("```\ncode\n```\n", "```\ncode\n```\n", "```\nmore\n```\n", "```\nmore\n```\n"),
        ("a &lt; b\n", "a &lt; b", "a &lt; c", "a &lt; c\n"),
        ("1\tone\n2\ttwo\n", "2\ttwo", "2\tzwei", "1\tone\n2\tzwei\n"),
        ("x = ...\n", "x = ...", "x = 1", "x = 1\n"),
    ],
)
def test_exact_edits_are_a_splice(before: str, search: str, replace: str, after: str):
    assert edit(before, search, replace).text == after
    assert edit(before, search, replace).notes == ()


def test_a_line_of_its_own_wins_over_a_part_of_one():
    assert apply("max = 10\n    x = 1\n", "x = 1", "y = 2") == "max = 10\n    y = 2\n"


def test_where_it_was_written():
    assert edit("a\nb\nc\n", "b\n", "x\ny\n") == Edited("a\nx\ny\nc\n", 2, 3, ())
    assert edit("a\nb\nc\n", "\nb\n", "x\n")[1:3] == (2, 2)
    assert edit(FILE, "\tself.size += 1", "\tself.size += 2\n\tself.full = True")[1:3] == (15, 16)
    assert edit("", "", "a\nb\n") == Edited("a\nb\n", 1, 2, ())


@pytest.mark.parametrize(
    ("before", "search", "says"),
    [
        ("aaa", "aa", "stands 2 times, at lines 1, 1;"),
        ("a\na\n", "a\n", "stands 2 times, at lines 1, 2;"),
        ("    a\nb\n        a\n", "a\n", "stands 2 times, at lines 1, 3;"),
        ("foo bar\nbar baz\n", "bar", "stands 2 times, at lines 1, 2;"),
        ("a\n" * 30, "a", "stands more than 20 times, at lines 1, 2, 3, 4"),
        ("a\n" * 30, "a", "19, 20 and so on; add lines around it until it is unique"),
    ],
)
def test_ties_are_refused(before: str, search: str, says: str):
    assert says in refused(before, search, "x")


def test_a_hint_chooses_among_exact_places_only():
    text = "".join(f"line {n}\nsame\n" for n in range(10))
    assert edit(text, "same\n", "new\n", line=6).text == text.replace("line 2\nsame", "line 2\nnew")
    assert "stands 10 times" in refused(text, "same\n", "new\n", line=5)
    assert "stands 10 times" in refused(text, "  same\n", "  new\n", line=6)
    assert edit("a\nb\n", "b", "c", line=999).text == "a\nc\n"


# --- tolerated -----------------------------------------------------------------------------------

GET = FILE[FILE.index("    def get") : FILE.index("    def put")]


@pytest.mark.parametrize(
    ("search", "replace", "old", "new", "note"),
    [
        # Blanks at the ends of lines, and indentation.
        ("        self.size += 1  \n", "        self.size += 2  \n", "+= 1", "+= 2", "blanks at"),
        ("self.size += 1\n", "self.size += 2\nif x:\n    y()\n", "self.size += 1\n",
         "self.size += 2\n        if x:\n            y()\n", "indentation"),
        ("\t\tself.size += 1\n", "\t\tif x:\n\t\t\tself.size += 1\n", "        self.size += 1\n",
         "        if x:\n            self.size += 1\n", "indentation"),
        ("    self.values[key] = value\n    self.size += 1\n",
         "    self.values[key] = value\n    self.size += 2\n", "+= 1", "+= 2", "indentation"),
        # The first line lost its blanks; the others are as the file has them.
        ("self.size += 1\n        return None", "self.size += 1\n        return 0",
         "+= 1\n        return None", "+= 1\n        return 0", "indentation"),
        # Only the quotation is indented wrongly.
        ("self.size += 1\nreturn None", "        self.size += 1\n        return 0",
         "+= 1\n        return None", "+= 1\n        return 0", "indentation"),
        # Look-alikes, spacing, quotes: the file keeps its own.
        ("        # it's there or not\n", "        # it's there or isn't\n",
         "there or not", "there or isn't", "look-alike"),
        ("        self.size+=1\n        return None", "        self.size+=1\n        return 0",
         "+= 1\n        return None", "+= 1\n        return 0", "spacing"),
        ("        value=self.values.get(key,'none')\n", "        value=self.values.get(name,'none')\n",
         "get(key", "get(name", "quotes"),
        # Blank lines that were left out or added stay as they are in the file.
        ("        value = self.values.get(key, \"none\")\n        return value\n",
         "        value = self.values.get(key, \"none\")\n        return value + 1\n",
         "return value\n", "return value + 1\n", ""),
        ("        self.size += 1\n\n        return None\n", "        self.size += 1\n\n        return 0\n",
         "+= 1\n        return None", "+= 1\n        return 0", ""),
    ],
)  # fmt: skip
def test_what_is_tolerated(search: str, replace: str, old: str, new: str, note: str):
    edited = edit(FILE, search, replace)
    assert edited.text == FILE.replace(old, new, 1)
    assert note in " ".join(edited.notes)


NUMBERED = "".join(f"{n}{{}}{line}\n" for n, line in enumerate(GET.rstrip().split("\n"), 7))


@pytest.mark.parametrize("mark", ["\t", "|", " | ", ": ", "\u2192", ":", ". "])
@pytest.mark.parametrize("both", [True, False])
def test_line_numbers_are_left_out(mark: str, both: bool):
    search = NUMBERED.replace("{}", mark)
    replace = (search if both else GET.rstrip() + "\n").replace("return value", "return 1")
    edited = edit(FILE, search, replace)
    assert edited.text == FILE.replace("return value", "return 1")
    assert "line numbers" in edited.notes[0]


@pytest.mark.parametrize(
    ("search", "replace", "note"),
    [
        ("```python\n{}```\n", "```python\n{}```", "fence"),
        ("```\n{}```", "{}", "fence"),
        ("~~~\n{}~~~\n", "~~~\n{}~~~\n", "fence"),
    ],
)
def test_fences_are_left_out(search: str, replace: str, note: str):
    new = GET.replace("return value", "return 1")
    edited = edit(FILE, search.replace("{}", GET), replace.replace("{}", new))
    assert edited.text == FILE.replace("return value", "return 1")
    assert note in edited.notes[0]


@pytest.mark.parametrize(
    ("escape", "note"),
    [
        (lambda text: text.replace('"', "&quot;").replace("<", "&lt;"), "HTML"),
        (lambda text: text.replace('"', '\\"'), "backslashes"),
        (lambda text: text.replace("\n", "\\n").replace('"', '\\"'), "backslashes"),
    ],
)
def test_escapes_are_read_as_what_they_stand_for(escape, note: str):
    new = GET.replace("return value", 'return "<1>"')
    if note == "HTML":
        new = new.replace("<1>", "1")
    edited = edit(FILE, escape(GET.rstrip()), escape(new.rstrip()))
    assert edited.text == FILE.replace(GET, new)
    assert note in edited.notes[0]


def test_an_elision_stands_for_lines_that_stay():
    search = "    def get(self, key):\n        ...\n        return value\n"
    replace = "    def get(self, name):\n        ...\n        return value or name\n"
    edited = edit(FILE, search, replace)
    assert edited.text == FILE.replace("get(self, key)", "get(self, name)").replace(
        "return value", "return value or name"
    )
    assert "'...' stands for lines 8-10" in edited.notes[0]


def test_a_misquoted_line_stays_as_it_is():
    search = GET.replace("there or not", "htere or not")
    edited = edit(FILE, search, search.replace("return value", "return 1"))
    assert edited.text == FILE.replace("return value", "return 1")
    assert "line 8" in edited.notes[0]


def test_a_line_left_out_stays_in_the_file():
    search = "".join(line + "\n" for line in GET.split("\n")[:4] if "it\u2019s" not in line)
    search += "\n        return value\n"
    edited = edit(FILE, search, search.replace("return value", "return 1"))
    assert edited.text == FILE.replace("return value", "return 1")


def test_the_comment_of_a_changed_line_is_kept():
    text = "first = read(1)\nb = 2  # the second one\nthird = read(3)\nfourth = read(4)\n"
    search = text.replace("second", "socend")
    assert apply(text, search, search.replace("b = 2", "b = 5")) == text.replace("b = 2", "b = 5")


def test_a_short_quotation_with_a_misquoted_comment():
    search = '        # it is there or not\n        value = self.values.get(key, "none")\n'
    assert apply(FILE, search, search.replace("key,", "name,")) == FILE.replace(
        "get(key,", "get(name,"
    )


def test_a_mark_before_the_text_stays_first():
    assert apply("\ufeff  a\nb\n", "\ta\n", "\tx\n\ta\n") == "\ufeff  x\n  a\nb\n"
    assert apply("\ufeffa\n", "\ufeffa\n", "b\n") == "\ufeffb\n"


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "replace", "says"),
    [
        ("", "x", "search is empty and the file is not"),
        (" \n\t\n", "x", "search is blank"),
        ("import os", "import os", "the same; nothing to do"),
        # What differs is no typo: an identifier, a number, an operator, a negation.
        ("        self.sise += 1\n", "        self.sise += 2\n", "was not found"),
        ("        self.size += 2\n", "        self.size += 3\n", "the file has '        self.size += 1'"),
        ("        self.size -= 1\n", "        self.size -= 3\n", "line 15"),
        (GET.replace("return value", "return not value"),
         GET.replace("return value", "return 1"), "the edit changes 'return not value'"),
        # Several places.
        ("    def put(self, key, value):\n        self.values[key] = value\n", "x", "lines 13, 20;"),
        ("def put(self, key, value):\n    self.values[key] = value\n", "x", "lines 13, 20;"),
        # Elisions that do not pair.
        (GET, "    def get(self, key):\n        ...\n        return 1\n", "replace has '...'"),
        (GET, "    def get(self, key):\n        # rest of the code unchanged\n", "written out"),
        (GET, "    def get(self, key):\n        # ... existing code ...\n        return 1\n", "has not"),
        ("    def get(self, key):\n        ...\n        return value\n", "    x = 1\n", "stand in both"),
        # Two places glued together.
        ("    def get(self, key):\n        # it\u2019s there or not\n        self.size += 1\n        return None\n",
         "x", "was not found"),
        # The new text is there already.
        ("        self.size += 9\n", "        self.size += 1\n", "already there, at line 15"),
    ],
)  # fmt: skip
def test_what_is_refused(search: str, replace: str, says: str):
    assert says in refused(FILE, search, replace)


def test_a_deletion_never_takes_a_line_that_was_not_shown():
    text = "start()\none()\nsecret()\ntwo()\nthree()\nfour()\nfive()\nend()\n"
    search = text.replace("secret()\n", "")
    assert "leaves out line 3, 'secret()'" in refused(text, search, "start()\nend()\n")


def test_new_lines_are_not_placed_by_guess():
    text = "start()\none()\nsecret()\ntwo()\nthree()\nfour()\nfive()\nend()\n"
    search = text.replace("secret()\n", "")
    said = refused(text, search, search.replace("one()\n", "one()\nnew()\n"))
    assert "just where the new lines go" in said
    given = search.replace("one()\n", "one()\nsecret()\n").replace("five()", "six()")
    assert apply(text, search, given) == text.replace("five()", "six()")


def test_near_ties_are_refused():
    part = "def {0}():\n    a = first({1})\n    b = second(a)\n    c = third(b)\n    return c\n\n"
    text = part.format("one", 1) + part.format("two", 2)
    search = part.format("three", 3)
    assert "places are about as near" in refused(text, search, search.replace("third", "other"))


def test_what_parsed_before_parses_after():
    said = refused(FILE, "self.size += 1\n", "self.size += (1\n")
    assert "would break the syntax: line 15: '(' was never closed" in said
    with pytest.raises(EditRefused, match="break the syntax"):
        edit("x = [\n  1,\n]\n", "    1,\n", "    1,\n]\n", path="a.py")
    assert apply("x = [\n  1,\n]\n", "    1,\n", "    1,\n]\n") == "x = [\n  1,\n]\n]\n"
    # An exact edit is made all the same; whoever writes the file says that it does not parse.
    assert apply("x = 1\n", "x = 1", "x = (") == "x = (\n"


def test_another_language_is_checked_by_the_caller():
    text = "if (a) {\n    b();\n}\n"

    def count(code: str) -> int:
        return abs(code.count("{") - code.count("}"))

    assert edit(text, "b();\n", "c();\n", path="a.js", check=count).text == text.replace("b", "c")
    with pytest.raises(EditRefused, match="break the syntax"):
        edit(text, "  b();\n", "  b(); {\n", path="a.js", check=count)


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "search", "replace", "after"),
    [
        (b"\xef\xbb\xbfa\r\nb\r\n", "b", "c\nd", b"\xef\xbb\xbfa\r\nc\r\nd\r\n"),
        (b"a\r\nb\nc\n", "a\nb\nc", "a\nX\nc", b"a\r\nX\nc\n"),
        (b"a\r\nb\nc\r\nd\n", "a\nb\nc\nd", "A\nb\nc\nD", b"A\r\nb\nc\r\nD\n"),
        (b"a\r\nb\nc", "a", "a\nz", b"a\r\nz\r\nb\nc"),
        (b"no end", "end", "end\nmore", b"no end\nmore"),
        (b"bad \xff byte\n", "byte", "b\xc3\xbc", b"bad \xff b\xc3\x83\xc2\xbc\n"),
        ("ab\n".encode("utf-16"), "b", "\xfc", "a\xfc\n".encode("utf-16")),
        (b"\xfe\xff\x00a\x00\n", "a", "bc", b"\xfe\xff\x00b\x00c\x00\n"),
        (b"a\rb\rc\r", "b\n", "x\ny\n", b"a\rx\ry\rc\r"),
        # Found by its lines: the endings and the end of the file stay all the same.
        (b"if a:\r\n    b()\r\n", "  b()\n", "  b()\n  c()\n", b"if a:\r\n    b()\r\n    c()\r\n"),
        (b"if a:\n    b()", "  b()\n", "  b()\n  c()\n", b"if a:\n    b()\n    c()"),
        (b"if a:\r\n    b()", "  b()\n", "  c()\n", b"if a:\r\n    c()"),
        (b"x\n  a\n  b", " b\n", "", b"x\n  a"),
        (b"a caf\xe9\n\tb\n", "a caf\xc3\xa9\nb\n".encode().decode("latin-1"), "", None),
        (b"# caf\xe9\n\tb\n", "# caf\xe9\n  b\n", "# caf\xe9\n  c\n", b"# caf\xe9\n\tc\n"),
    ],
)
def test_bytes_of_a_file(before: bytes, search: str, replace: str, after: bytes | None):
    if after is None:
        with pytest.raises(EditRefused):
            apply_bytes(before, search, replace)
    else:
        assert apply_bytes(before, search, replace) == after


@pytest.mark.parametrize(
    ("before", "replace", "says"),
    [
        (b"a\0b", "x", "binary"),
        (b"\xff\xfea", "x", "not the UTF-16 text"),
        (b"b\n", "\udfff\ud800", "half a character"),
    ],
)
def test_what_is_no_text_is_refused(before: bytes, replace: str, says: str):
    with pytest.raises(EditRefused, match=says):
        apply_bytes(before, "b", replace)


def test_an_empty_search_creates():
    assert apply("", "", "new\n") == "new\n"
    assert apply_bytes(b"", "", "new\n") == b"new\n"
    assert "empty" in refused("", "", "")
    assert "was not found" in refused("", "a", "b")
