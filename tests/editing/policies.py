"""The policies of editing as rows: (name, file, SEARCH, REPLACE, result), and refusals with words of the message."""

# ruff: noqa: E501 (a row of a table is one thing to read)

PY = """\
import os


class Store:
    \"\"\"Keeps things in a folder.\"\"\"

    def __init__(self, folder, limit=10):
        self.folder = folder
        self.limit = limit

    def put(self, name, value):
        # Names are trusted here, the caller has checked them.
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(value)
        return path

    def get(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            return None
        with open(path) as file:
            return file.read()

    def count(self):
        total = 0
        for entry in os.listdir(self.folder):
            if entry.startswith("."):
                continue
            total += 1
        return total
"""
JS = """\
function area(shape) {
  if (shape.kind === 'circle') {
    return Math.PI * shape.r ** 2;
  }
  // Squares and rectangles have sides.
  const width = shape.w;
  const height = shape.h || width;
  return width * height;
}

function label(shape) {
  return "a " + shape.kind + " of <b>" + area(shape) + "</b> & more";
}
"""
MAKE = "all: tide\n\ntide: tide.o\n\tcc -o $@ $^\n\t@echo built $@\n\nclean:\n\trm -f tide tide.o\n"
FIVE = "one = 1\ntwo = 2\nthree = 3\nfour = 4\nfive = 5\n"
TWICE = "def a():\n    x = 1\n    return x\n\n\ndef b():\n    x = 1\n    return x\n"
DEEP = "def a():\n    x = 1\n    return x\n\n\nclass B:\n    def b(self):\n        x = 1\n        return x\n"


def _(text: str, *pairs: tuple[str, str]) -> str:
    """Return a text after plain replacements, each of which has to hit exactly once."""
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


_GET = _(PY, ("            return None\n", "            raise KeyError(name)\n"))
_LIMIT = _(PY, ("limit=10", "limit=20"))
_TOTAL = _(PY, ("            total += 1\n", "            total += 2\n"))
_NEW = _(PY, ("        total = 0\n", "        total = 0\n        seen = set()\n"))
_WRITE = _(PY, ("            file.write(value)\n", "            file.write(str(value))\n"))
_JS = _(JS, ("  const width = shape.w;\n", "  const width = shape.width;\n"))
_MAKE = _(MAKE, ("\t@echo built $@\n", "\t@echo made $@\n"))
_THREE = FIVE.replace("three = 3", "three = 33")

Row = tuple[str, str, str, str, str]
Refusal = tuple[str, str, str, str, tuple[str, ...]]

EXACT: list[Row] = [
    ("a whole line", FIVE, "three = 3\n", "three = 33\n", _THREE),
    ("a line without its ending", FIVE, "three = 3", "three = 33", _THREE),
    ("a part of a line", FIVE, "ree = 3", "ree = 33", _THREE),
    ("several lines", FIVE, "two = 2\nthree = 3\n", "two = 2\nthree = 33\n", _THREE),
    ("the first line", FIVE, "one = 1\n", "one = 0\n", FIVE.replace("one = 1", "one = 0")),
    ("the last line", FIVE, "five = 5\n", "five = 6\n", FIVE.replace("five = 5", "five = 6")),
    ("the whole file", FIVE, FIVE, "six = 6\n", "six = 6\n"),
    ("a line goes", FIVE, "three = 3\n", "", FIVE.replace("three = 3\n", "")),
    ("lines joined on purpose", "a = (\n1)\n", "(\n1)", "(1)", "a = (1)\n"),
    ("indentation as sent", "x:\n    a\n", "    a\n", "  b\n", "x:\n  b\n"),
    ("trailing blanks as sent", "a\nb\n", "b\n", "b  \n", "a\nb  \n"),
    ("tabs as sent", "a:\n    b\n", "    b\n", "\tb\n", "a:\n\tb\n"),
    ("a regular expression is text", "a.*b\naxxb\n", "a.*b", "a.+b", "a.+b\naxxb\n"),
    ("backslashes are text", "p = r'\\1'\n", "r'\\1'", "r'\\g<1>'", "p = r'\\g<1>'\n"),
    ("the file has entities itself", "<b>&amp;</b>\n<i>&</i>\n", "&amp;", "&lt;", "<b>&lt;</b>\n<i>&</i>\n"),
    ("the file has line numbers itself", "1: a\n2: b\n", "2: b\n", "2: c\n", "1: a\n2: c\n"),
    ("the file has fences itself", "x\n```\na\n```\n", "```\na\n```\n", "```\nb\n```\n", "x\n```\nb\n```\n"),
    ("the file has escapes itself", 's = "a\\"b"\n', 'a\\"b', 'c\\"b', 's = "c\\"b"\n'),
    ("an ellipsis in the file", "def f():\n    ...\n", "def f():\n    ...\n", "def f(a):\n    ...\n",
     "def f(a):\n    ...\n"),
    ("whole lines before parts of lines", "x = 10\nx = 1\n", "x = 1\n", "x = 2\n", "x = 10\nx = 2\n"),
    ("a leading newline that ends the line above", FIVE, "\nthree = 3", "\nthree = 33", _THREE),
    ("that newline is put back", FIVE, "\nthree = 3\n", "three = 33\n", _THREE),
    ("no final newline", "a\nb", "b", "c", "a\nc"),
    ("form feeds end no line", "a\x0cb\nc\n", "c\n", "d\n", "a\x0cb\nd\n"),
    ("line separators end no line", "a\u2028b\nc\n", "c\n", "d\n", "a\u2028b\nd\n"),
    ("other trailing blanks stay", "a  \nb\t\nc\n", "c\n", "d\n", "a  \nb\t\nd\n"),
    ("a byte order mark stays", "\ufeffa\nb\n", "b\n", "c\n", "\ufeffa\nc\n"),
    ("an empty file is made", "", "", "a = 1\n", "a = 1\n"),
]  # fmt: skip

LINES: list[Row] = [
    ("blanks at line ends of SEARCH", PY, "        self.limit = limit  \n\n    def put(self, name, value):\n",
     "        self.limit = limit\n\n    def put(self, name, value, mode=None):\n",
     _(PY, ("def put(self, name, value)", "def put(self, name, value, mode=None)"))),
    ("blanks at line ends of the file stay", "a = 1  \nb = 2\nc = 3\n", "a = 1\nb = 2\n", "a = 1\nb = 4\n",
     "a = 1  \nb = 4\nc = 3\n"),
    ("at the left margin", PY, "if not os.path.exists(path):\n    return None\n",
     "if not os.path.exists(path):\n    raise KeyError(name)\n", _GET),
    ("two columns off", PY, "      if not os.path.exists(path):\n          return None\n",
     "      if not os.path.exists(path):\n          raise KeyError(name)\n", _GET),
    ("four columns too deep", PY, "            total = 0\n            for entry in os.listdir(self.folder):\n",
     "            total = 0\n            seen = set()\n            for entry in os.listdir(self.folder):\n", _NEW),
    ("only the first line at the margin", PY, "total = 0\n        for entry in os.listdir(self.folder):\n",
     "total = 0\n        seen = set()\n        for entry in os.listdir(self.folder):\n", _NEW),
    ("a part of a line is no place for lines", PY, "total = 0\n", "total = 0\nseen = set()\n", _NEW),
    ("tabs for spaces", PY, "\t\tif not os.path.exists(path):\n\t\t\treturn None\n",
     "\t\tif not os.path.exists(path):\n\t\t\traise KeyError(name)\n", _GET),
    ("spaces for tabs", MAKE, "tide: tide.o\n    cc -o $@ $^\n    @echo built $@\n",
     "tide: tide.o\n    cc -o $@ $^\n    @echo made $@\n", _MAKE),
    ("a new line gets tabs", MAKE, "clean:\n    rm -f tide tide.o\n",
     "clean:\n    rm -f tide tide.o\n    rm -f core\n", MAKE + "\trm -f core\n"),
    ("two columns a level", PY, "    if not os.path.exists(path):\n      return None\n    with open(path) as file:\n",
     "    if not os.path.exists(path):\n      raise KeyError(name)\n    with open(path) as file:\n", _GET),
    ("four columns a level in a file of two", JS, "    const width = shape.w;\n    const height = shape.h || width;\n",
     "    const width = shape.width;\n    const height = shape.h || width;\n", _JS),
    ("a deeper new line", PY, "total = 0\nfor entry in os.listdir(self.folder):\n",
     "if True:\n    total = 0\nfor entry in os.listdir(self.folder):\n",
     _(PY, ("        total = 0\n", "        if True:\n            total = 0\n"))),
    ("a blank line of the file stays", PY, "        self.limit = limit\n    def put(self, name, value):\n",
     "        self.limit = limit\n    def put(self, name, value, mode=None):\n",
     _(PY, ("def put(self, name, value)", "def put(self, name, value, mode=None)"))),
    ("a blank line that the file lacks", PY, "        self.folder = folder\n\n        self.limit = limit\n",
     "        self.folder = folder\n\n        self.limit = int(limit)\n",
     _(PY, ("self.limit = limit\n", "self.limit = int(limit)\n"))),
    ("empty lines around", FIVE, "\n\ntwo = 2\nthree = 3\n\n\n", "\n\ntwo = 2\nthree = 33\n\n\n", _THREE),
    ("an ending that the last line lacks", "a = 1\nb = 2", "a = 1\nb = 2\n", "a = 1\nb = 3\n", "a = 1\nb = 3"),
    ("the better indentation wins", DEEP, "        x = 1 \n        return x\n", "        x = 2\n        return x\n",
     DEEP.replace("        x = 1\n", "        x = 2\n")),
    ("the shallower one, too", DEEP, "    x = 1 \n    return x\n", "    x = 2\n    return x\n",
     DEEP.replace("    x = 1\n    return x\n\n", "    x = 2\n    return x\n\n")),
    ("smart quotes", PY, "        with open(path, \u201cw\u201d) as file:\n            file.write(value)\n",
     "        with open(path, \u201cw\u201d) as file:\n            file.write(str(value))\n", _WRITE),
    ("no-break spaces", FIVE, "two\u00a0= 2\nthree = 3\n", "two\u00a0= 2\nthree = 33\n", _THREE),
    ("an en dash", "a - b\nc = 1\n", "a \u2013 b\nc = 1\n", "a \u2013 b\nc = 2\n", "a - b\nc = 2\n"),
    ("plain signs for the file's own", "It\u2019s \u201cso\u201d \u2014 yes\nend\n", "It's \"so\" - yes\nend\n",
     "It's \"so\" - yes\nstop\n", "It\u2019s \u201cso\u201d \u2014 yes\nstop\n"),
    ("spacing outside strings, in context", FIVE, "two=2\nthree = 3\n", "two=2\nthree = 33\n", _THREE),
    ("the lines in between go with their neighbours", FIVE, "two = 2 \nthree = 3\nfour = 4\n", "two = 2\nfour = 4\n",
     FIVE.replace("three = 3\n", "")),
]  # fmt: skip

CLEANED: list[Row] = [
    (f"line numbers {form!r}", FIVE, form.format(2) + "two = 2\n" + form.format(3) + "three = 3\n",
     form.format(2) + "two = 2\n" + form.format(3) + "three = 33\n", _THREE)
    for form in ("{}\t", "{} | ", "{}: ", "{:>6}\t", "{:>4}| ")
] + [
    ("line numbers in SEARCH only", FIVE, "2\ttwo = 2\n3\tthree = 3\n", "two = 2\nthree = 33\n", _THREE),
    ("line numbers, then indentation", PY, "20\t        if not os.path.exists(path):\n21\t            return None\n",
     "20\t        if not os.path.exists(path):\n21\t            raise KeyError(name)\n", _GET),
    ("line numbers say which of two places", TWICE, "7\t    x = 1\n8\t    return x\n",
     "7\t    x = 2\n8\t    return x\n", "x = 2".join(TWICE.rsplit("x = 1", 1))),
    ("fences", FIVE, "```python\ntwo = 2\nthree = 3\n```\n", "```python\ntwo = 2\nthree = 33\n```\n", _THREE),
    ("fences round SEARCH only", FIVE, "```\ntwo = 2\nthree = 3\n```", "two = 2\nthree = 33", _THREE),
    ("fences and the left margin", PY, "```python\nif not os.path.exists(path):\n    return None\n```\n",
     "```python\nif not os.path.exists(path):\n    raise KeyError(name)\n```\n", _GET),
    ("fences and line numbers", FIVE, "```\n2\ttwo = 2\n3\tthree = 3\n```\n", "```\n2\ttwo = 2\n3\tthree = 33\n```\n",
     _THREE),
    ("entities", JS, "  return &quot;a &quot; + shape.kind + &quot; of &lt;b&gt;&quot; + area(shape) + "
     "&quot;&lt;/b&gt; &amp; more&quot;;\n",
     "  return &quot;the &quot; + shape.kind + &quot; of &lt;b&gt;&quot; + area(shape) + "
     "&quot;&lt;/b&gt; &amp; more&quot;;\n", _(JS, ('return "a "', 'return "the "'))),
    ("escaped quotes", PY, '        with open(path, \\"w\\") as file:\n            file.write(value)\n',
     '        with open(path, \\"w\\") as file:\n            file.write(str(value))\n', _WRITE),
    ("escaped newlines", FIVE, "two = 2\\nthree = 3", "two = 2\\nthree = 33", _THREE),
]  # fmt: skip

ELIDED: list[Row] = [
    ("dots on both sides", PY, "    def count(self):\n        total = 0\n        ...\n            total += 1\n        return total\n",
     "    def count(self):\n        total = 0\n        ...\n            total += 2\n        return total\n", _TOTAL),
    ("a comment that says so", PY, "    def count(self):\n        total = 0\n        # ... existing code ...\n"
     "            total += 1\n        return total\n",
     "    def count(self):\n        total = 0\n        # ... existing code ...\n            total += 2\n        return total\n",
     _TOTAL),
    ("a change above and below", PY,
     "    def count(self):\n        total = 0\n...\n            total += 1\n        return total\n",
     "    def count(self):\n        total = 1\n...\n            total += 2\n        return total\n",
     _(_TOTAL, ("        total = 0\n", "        total = 1\n"))),
    ("in another language", JS, "function area(shape) {\n  // ...\n  const width = shape.w;\n",
     "function area(shape) {\n  // ...\n  const width = shape.width;\n", _JS),
    ("two gaps", FIVE + "six = 6\nseven = 7\n", "one = 1\n...\nthree = 3\nfour = 4\n...\nseven = 7\n",
     "one = 1\n...\nthree = 33\nfour = 4\n...\nseven = 8\n", _THREE + "six = 6\nseven = 8\n"),
]  # fmt: skip

_PUT = '        path = os.path.join(self.folder, name)\n        with open(path, "w") as file:\n'
ALIGNED: list[Row] = [
    ("other words in a comment", PY, "    def put(self, name, value):\n        # Names are trusted, the caller checked them.\n"
     + _PUT + "            file.write(value)\n", "    def put(self, name, value):\n"
     "        # Names are trusted, the caller checked them.\n" + _PUT + "            file.write(str(value))\n", _WRITE),
    ("other words in a docstring", PY, "class Store:\n    \"\"\"Keeps some things in a folder.\"\"\"\n\n"
     "    def __init__(self, folder, limit=10):\n        self.folder = folder\n        self.limit = limit\n",
     "class Store:\n    \"\"\"Keeps some things in a folder.\"\"\"\n\n"
     "    def __init__(self, folder, limit=20):\n        self.folder = folder\n        self.limit = limit\n", _LIMIT),
    ("other quotation marks", PY, "        for entry in os.listdir(self.folder):\n            if entry.startswith('.'):\n"
     "                continue\n            total += 1\n        return total\n",
     "        for entry in os.listdir(self.folder):\n            if entry.startswith('.'):\n"
     "                continue\n            total += 2\n        return total\n", _TOTAL),
    ("a comment, at the left margin", PY, "def put(self, name, value):\n    # Names are trusted, the caller checked them.\n"
     "    path = os.path.join(self.folder, name)\n    with open(path, \"w\") as file:\n        file.write(value)\n",
     "def put(self, name, value):\n    # Names are trusted, the caller checked them.\n"
     "    path = os.path.join(self.folder, name)\n    with open(path, \"w\") as file:\n        file.write(str(value))\n",
     _WRITE),
    ("a line of context left out", PY, "        total = 0\n        for entry in os.listdir(self.folder):\n"
     "            if entry.startswith(\".\"):\n            total += 1\n        return total\n",
     "        total = 5\n        for entry in os.listdir(self.folder):\n"
     "            if entry.startswith(\".\"):\n            total += 1\n        return total\n",
     _(PY, ("        total = 0\n", "        total = 5\n"))),
]  # fmt: skip

# A refusal would be as good here, but the model's own token must never reach the file.
KEPT: list[Row] = [
    ("another name in context", PY, "    def get(self, name):\n        path = os.path.join(self.root, name)\n"
     "        if not os.path.exists(path):\n            return None\n        with open(path) as file:\n",
     "    def get(self, name):\n        path = os.path.join(self.root, name)\n"
     "        if not os.path.exists(path):\n            raise KeyError(name)\n        with open(path) as file:\n", _GET),
    ("another number in context", "a = 1\nb = 20\nc = 3\nd = 4\ne = 5\n", "a = 1\nb = 30\nc = 3\nd = 4\ne = 5\n",
     "a = 1\nb = 30\nc = 3\nd = 4\ne = 6\n", "a = 1\nb = 20\nc = 3\nd = 4\ne = 6\n"),
    ("a lost negation in context", PY, "        path = os.path.join(self.folder, name)\n"
     "        if os.path.exists(path):\n            return None\n        with open(path) as file:\n",
     "        path = os.path.join(self.folder, name)\n        if os.path.exists(path):\n"
     "            raise KeyError(name)\n        with open(path) as file:\n", _GET),
    ("another operator in context", "if a < b:\n    x = f(a)\n    y = g(b)\n    z = h(a, b)\n    print(x, y, z)\n",
     "if a <= b:\n    x = f(a)\n    y = g(b)\n    z = h(a, b)\n    print(x, y, z)\n",
     "if a <= b:\n    x = f(a)\n    y = g(b)\n    z = h(a, b)\n    print(x, y)\n",
     "if a < b:\n    x = f(a)\n    y = g(b)\n    z = h(a, b)\n    print(x, y)\n"),
    ("a figure of the changed line", "a = 1\nb = f(x, limit=20)\nc = 3\nd = 4\ne = 5\n",
     "a = 1\nb = f(x, limit=30)\nc = 3\nd = 4\ne = 5\n", "a = 1\nb = g(x, limit=30)\nc = 3\nd = 4\ne = 5\n",
     "a = 1\nb = g(x, limit=20)\nc = 3\nd = 4\ne = 5\n"),
    ("upper case in context", "import Foo\na = 1\nb = 2\nc = 3\nd = 4\n", "import foo\na = 1\nb = 2\nc = 3\nd = 4\n",
     "import foo\na = 1\nb = 2\nc = 3\nd = 5\n", "import Foo\na = 1\nb = 2\nc = 3\nd = 5\n"),
    ("a string's inner spacing in context", "s = 'a  b'\nt = 1\nu = 2\nv = 3\nw = 4\n",
     "s = 'a b'\nt = 1\nu = 2\nv = 3\nw = 4\n", "s = 'a b'\nt = 1\nu = 2\nv = 3\nw = 5\n",
     "s = 'a  b'\nt = 1\nu = 2\nv = 3\nw = 5\n"),
]  # fmt: skip
