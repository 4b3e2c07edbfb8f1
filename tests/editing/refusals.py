"""What has to be refused, as rows: (name, file, SEARCH, REPLACE, words that the message must hold)."""

# ruff: noqa: E501 (a row of a table is one thing to read)

from editing.policies import DEEP, FIVE, JS, MAKE, PY, TWICE, Refusal

_RET = "        path = os.path.join(self.folder, name)\n"
_TOTAL = "        total = 0\n        for entry in os.listdir(self.folder):\n"
_DONE = FIVE.replace("three = 3", "three = 33")

AMBIGUOUS: list[Refusal] = [
    ("a line that stands twice", TWICE, "    x = 1\n", "    x = 2\n", ("2", "7")),
    ("two lines that stand twice", TWICE, "    x = 1\n    return x\n", "    x = 2\n    return x\n", ("2", "7")),
    ("a part of a line that stands twice", "aa bb\ncc bb\n", "bb", "dd", ("1", "2")),
    ("three times", "a\nb\na\nb\na\n", "a\n", "c\n", ("1", "3", "5")),
    ("occurrences that overlap", "abaha\nababa\n", "aba", "x", ()),
    ("lines that overlap", "x\nx\nx\n", "x\nx\n", "y\n", ()),
    ("overlap in one line", "q = aaa\n", "aa", "b", ()),
    ("the same method of two classes", PY, _RET, "        path = name\n", ("13", "19")),
    ("at a wrong indentation, two places", DEEP, "x = 1\nreturn x\n", "x = 2\nreturn x\n", ("2", "8")),
    ("at a third indentation, two places", DEEP, "      x = 1\n      return x\n", "      x = 2\n      return x\n", ("2", "8")),
    ("line numbers of neither place", TWICE, "3\t    x = 1\n4\t    return x\n", "3\t    x = 2\n4\t    return x\n", ()),
    ("fenced lines that stand twice", TWICE, "```\n    x = 1\n    return x\n```\n", "```\n    x = 2\n```\n", ("2", "7")),
    ("with trailing blanks, two places", TWICE, "    x = 1  \n    return x\n", "    x = 2\n    return x\n", ("2", "7")),
    ("with look-alikes, two places", "a = 'q'\nb\na = 'q'\n", "a = \u2018q\u2019\n", "a = 'r'\n", ("1", "3")),
    ("spacing that fits two places", "a = 1\nb = 0\na  =  1\n", "a=1\n", "a=2\n", ("1", "3")),
    ("an elision whose head stands twice", TWICE, "    x = 1\n...\n    return x\n", "    x = 2\n...\n    return x\n", ()),
    ("two blocks alike but for a comment", "# one\na = 1\nb = 2\nc = 3\n# two\na = 1\nb = 2\nc = 3\n",
     "# xxx\na = 1\nb = 2\nc = 3\n", "# xxx\na = 1\nb = 2\nc = 4\n", ()),
    ("a closing brace", JS, "}\n", "};\n", ("9", "13")),
]  # fmt: skip

MISSING: list[Refusal] = [
    ("another file's text", FIVE, "def main():\n    run()\n", "def main():\n    stop()\n", ()),
    ("the nearest line is named", FIVE, "two = 2\nthree = 4\n", "two = 2\nthree = 5\n", ("three = 3", "line 3")),
    ("another case", "Import os\n", "import os\n", "import sys\n", ()),
    ("another name", FIVE, "thre = 3\n", "thre = 4\n", ()),
    ("another number where it is changed", FIVE, "two = 2\nthree = 4\nfour = 4\n", "two = 2\nthree = 5\nfour = 4\n", ()),
    ("another operator where it is changed", "a\nif x < 1:\n    b = 1\n    c = 2\nd = 3\n",
     "a\nif x <= 1:\n    b = 1\n    c = 2\nd = 3\n", "a\nif x > 1:\n    b = 1\n    c = 2\nd = 3\n", ()),
    ("a negation where it is changed", PY, "        if os.path.exists(path):\n            return None\n",
     "        if os.path.isfile(path):\n            return None\n", ()),
    ("spacing inside a string that is changed", "s = 'a  b'\n", "s = 'a b'\n", "s = 'c d'\n", ()),
    ("half of the lines", PY, _TOTAL + "            other = 3\n            more = 4\n", _TOTAL, ()),
    ("two lines, one unknown", FIVE, "two = 2\nthird = 3\n", "two = 3\nthird = 3\n", ()),
    ("lines in another order", FIVE, "three = 3\ntwo = 2\n", "three = 3\ntwo = 9\n", ()),
    ("lines of two places", PY, "        self.folder = folder\n        self.limit = limit\n        total = 0\n"
     "        for entry in os.listdir(self.folder):\n", "        self.folder = folder\n        self.limit = limit\n"
     "        total = 1\n        for entry in os.listdir(self.folder):\n", ()),
    ("a line of the file inside what goes", "a = 1\nb = 2\nkeep = f()\nc = 3\nd = 4\ne = 5\n",
     "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\n", "a = 1\ne = 5\n", ()),
    ("an insertion beside an unknown line", "a = 1\nb = 2\n# the old note here\nc = 3\nd = 4\n",
     "a = 1\nb = 2\n# a new remark there\nc = 3\nd = 4\n", "a = 1\nb = 2\n# a new remark there\nx = 9\nc = 3\nd = 4\n", ()),
    ("an empty file", "", "a = 1\n", "a = 2\n", ()),
    ("a file of blank lines", "\n\n\n", "a = 1\n", "a = 2\n", ()),
    ("longer than the file", "a = 1\n", FIVE, FIVE + "b\n", ()),
    ("numbers that are not consecutive", FIVE, "2\ttwo = 2\n9\tthree = 3\n", "2\ttwo = 2\n9\tthree = 4\n", ()),
    ("a recipe of another target", MAKE, "install:\n\trm -f tide tide.o\n", "install:\n\trm -f tide\n", ()),
]  # fmt: skip

DONE: list[Refusal] = [
    ("a changed line", _DONE, "two = 2\nthree = 3\nfour = 4\n", "two = 2\nthree = 33\nfour = 4\n", ("already",)),
    ("an inserted line", FIVE, "two = 2\nfour = 4\n", "two = 2\nthree = 3\nfour = 4\n", ("already", "2")),
    ("a line that is gone", FIVE, "two = 2\nextra = 0\nthree = 3\n", "two = 2\nthree = 3\n", ("already",)),
    ("a note at the end of a line", "a = 1\nb = f(x)  # why\nc = 3\nd = 4\ne = 5\n",
     "a = 1\nb = f(x)\nc = 3\nd = 4\ne = 5\n", "a = 1\nb = f(x)  # why\nc = 3\nd = 4\ne = 5\n", ("already",)),
    ("a parameter", "def f(a, b=None):\n    x = 1\n    y = 2\n    z = 3\n    return x\n",
     "def f(a):\n    x = 1\n    y = 2\n    z = 3\n    return x\n",
     "def f(a, b=None):\n    x = 1\n    y = 2\n    z = 3\n    return x\n", ("already",)),
    ("a word put in front", "a = 1\nb = await f(x)\nc = 3\nd = 4\ne = 5\n", "a = 1\nb = f(x)\nc = 3\nd = 4\ne = 5\n",
     "a = 1\nb = await f(x)\nc = 3\nd = 4\ne = 5\n", ("already",)),
]  # fmt: skip

_SECTIONS = (
    "[dev]\nhost = local\nport = 80\nuser = x\n\n[prod]\nhost = remote\nport = 443\nuser = y\n"
)
_TWO = "def a():\n    start()\n    x = 1\n    halt()\n\n\ndef b():\n    begin()\n    y = 1\n    stop()\n"
_CLASSES = (
    "class A:\n    def run(self):\n        self.start()\n        self.stop()\n\n\n"
    "class B:\n    def run(self):\n        self.start()\n        self.work()\n        self.stop()\n"
)
_LEVELS = "for x in y:\n    if x:\n        a()\n        b()\n    c()\n"
_NOTED = "x = f()  # old note\nu = 1\nv = 2\nw = 3\nz = 4\n"
MISLED: list[Refusal] = [
    ("the header of another section", _SECTIONS, "[dev]\nhost = remote\nport = 443\nuser = y\n",
     "[dev]\nhost = remote\nport = 444\nuser = y\n", ()),
    ("an elision that leaves its function", _TWO, "def a():\n    start()\n...\n    stop()\n",
     "def a():\n    start(1)\n...\n    stop(1)\n", ()),
    ("an elision that leaves its class", _CLASSES, "class A:\n...\n        self.work()\n        self.stop()\n",
     "class A:\n...\n        self.work()\n        self.halt()\n", ()),
    ("a new line of unknown depth", _LEVELS, "b()\nc()\n", "b()\nd()\nc()\n", ()),
    ("a new line of unknown depth in a longer block", _LEVELS, "if x:\na()\nb()\nc()\n",
     "if x:\na()\nb()\nd()\nc()\n", ()),
    ("two notes at one place", _NOTED, _NOTED.replace("  # old note", ""), _NOTED.replace("old", "new"), ()),
]  # fmt: skip

EMPTY: list[Refusal] = [
    ("a blank", FIVE, " ", "x", ()),
    ("newlines", FIVE + "\n\n", "\n\n", "x\n", ()),
    ("a tab", MAKE, "\t", "    ", ()),
    ("an indentation", PY, "    \n", "x\n", ()),
    ("white space on an empty file", "", " \n", "x\n", ()),
    ("a fence with nothing in it", FIVE, "```\n```\n", "```\nx = 1\n```\n", ()),
    ("only dots", FIVE, "...\n", "x = 1\n", ()),
    ("no-break spaces", FIVE, "\u00a0\u00a0\n", "x\n", ()),
]  # fmt: skip

ELISION: list[Refusal] = [
    ("dots in REPLACE only", PY, _TOTAL + "            if entry.startswith(\".\"):\n                continue\n",
     "        total = 1\n        ...\n", ("...",)),
    ("\"rest unchanged\" that would delete", PY,
     "    def count(self):\n" + _TOTAL + "            if entry.startswith(\".\"):\n                continue\n",
     "    def count(self, hidden=False):\n        # ... rest unchanged ...\n", ()),
    ("\"existing code\" in another language", JS, "function area(shape) {\n  if (shape.kind === 'circle') {\n"
     "    return Math.PI * shape.r ** 2;\n  }\n", "function area(shape, scale) {\n  // ... existing code ...\n", ()),
    ("\"rest of the function\" ", PY, "    def get(self, name):\n" + _RET + "        if not os.path.exists(path):\n"
     "            return None\n", "    def get(self, name, default=None):\n        # rest of the function stays the same\n", ()),
    ("dots in SEARCH only", PY, "    def count(self):\n        total = 0\n        ...\n        return total\n",
     "    def count(self):\n        return len(os.listdir(self.folder))\n", ()),
    ("more dots in SEARCH than in REPLACE", FIVE, "one = 1\n...\nthree = 3\n...\nfive = 5\n", "one = 1\n...\nfive = 6\n", ()),
    ("a tail that is not there", FIVE, "one = 1\ntwo = 2\n...\nnine = 9\n", "one = 0\ntwo = 2\n...\nnine = 9\n", ()),
    ("a tail above the head", FIVE, "four = 4\nfive = 5\n...\none = 1\ntwo = 2\n",
     "four = 4\nfive = 6\n...\none = 1\ntwo = 2\n", ()),
]  # fmt: skip

BROKEN: list[Refusal] = [
    ("a bracket too many", PY, "total = 0\nfor entry in os.listdir(self.folder):\n",
     "total = (0\nfor entry in os.listdir(self.folder):\n", ()),
    ("a block without a body", PY, "if not os.path.exists(path):\n    return None\n",
     "if not os.path.exists(path):\n", ()),
    ("a bare else", PY, "  total = 0  \n", "  else:\n", ()),
    ("an open string", PY, "total = 0  \n", "total = 'x\n", ()),
]  # fmt: skip
