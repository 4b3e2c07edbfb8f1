"""Realistic changes to a real region of a source: what is meant, before any mistake is added."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from edits.corpus import Source, parses

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")
KEYWORDS = frozenset(
    (  # noqa: SIM905 (sixty quotation marks are harder to read)
        "and as assert async await bool break case catch char class const continue def default del "
        "elif else except extends false finally for from func function global if import in int "
        "interface is lambda let new None nonlocal not null or package pass private raise range "
        "return self static string struct super switch this throw True False true try type "
        "undefined unsigned var void while with yield name run uses div span"
    ).split()
)
_BLOCK_ENDS = (":", "{", "(", "[", ",", "\\", "=")


@dataclass(frozen=True)
class Row:
    """One line of a change: `=` stays, `-` goes, `+` is new."""

    kind: str
    text: str

    @property
    def blank(self) -> bool:
        """Say whether nothing but white space is in the line."""
        return not self.text.strip()


@dataclass(frozen=True)
class Change:
    """A change of `source.lines[start:start + shown]`, its context lines included."""

    source: Source
    start: int
    rows: tuple[Row, ...]
    kind: str

    @property
    def shown(self) -> int:
        """Return how many lines of the file the change shows."""
        return sum(row.kind != "+" for row in self.rows)

    @cached_property
    def after(self) -> list[str]:
        """Return all lines of the changed file."""
        lines = self.source.lines
        new = [row.text for row in self.rows if row.kind != "-"]
        return [*lines[: self.start], *new, *lines[self.start + self.shown :]]

    def sides(self, rows: Sequence[Row] | None = None) -> tuple[list[str], list[str]]:
        """Return the lines of SEARCH and of REPLACE."""
        rows = self.rows if rows is None else rows
        return ([r.text for r in rows if r.kind != "+"], [r.text for r in rows if r.kind != "-"])

    def quiet(self, index: int) -> bool:
        """Say whether a row is context with context (or nothing) right above and below it."""
        near = self.rows[max(index - 1, 0) : index + 2]
        return all(row.kind == "=" for row in near)


def change(rng: random.Random, source: Source, context: int | None = None) -> Change | None:
    """Return a random change, or None where the place does not suit; SEARCH stands there only."""
    lines = source.lines
    at = rng.randrange(len(lines))
    if not lines[at].strip():
        return None
    middle = _ACTS[rng.choices(_NAMES, _WEIGHTS)[0]](rng, source, at)
    if middle is None:
        return None
    kind, used, rows = middle
    above = rng.randint(1, 4) if context is None else context
    below = rng.randint(1, 4) if context is None else context
    if context is None and rng.random() < 0.15:
        above, below = rng.choice([(0, 2), (2, 0), (1, 0)])
    start, end = max(at - above, 0), min(at + used + below, len(lines))
    whole = [
        *(Row("=", text) for text in lines[start:at]),
        *rows,
        *(Row("=", text) for text in lines[at + used : end]),
    ]
    while whole and whole[0].kind == "=" and whole[0].blank:
        whole.pop(0)
        start += 1
    while whole and whole[-1].kind == "=" and whole[-1].blank:
        whole.pop()
    made = Change(source, start, tuple(whole), kind)
    search, replace = made.sides()
    if not "".join(search).strip() or search == replace:
        return None
    if source.suffix == ".py" and not parses("\n".join(made.after) + "\n"):
        return None
    return made


def indent_of(text: str) -> str:
    """Return the white space that a line begins with."""
    return text[: len(text) - len(text.lstrip())]


def places(source: Source, keys: Sequence[str], share: float = 1.0) -> list[int]:
    """Return the lines where at least `share` of the non-blank keys stand in this order in a row."""
    wanted = [key for key in keys if key]
    filled = [(n, key) for n, key in enumerate(source.keys) if key]
    need = max(1, min(len(wanted), int(share * len(wanted) + 0.999)))
    may_miss = len(wanted) - need
    return [
        filled[first][0]
        for first in range(len(filled) - len(wanted) + 1)
        if _like(filled, first, wanted, may_miss)
    ]


def _like(
    filled: Sequence[tuple[int, str]], first: int, wanted: Sequence[str], may_miss: int
) -> bool:
    for offset, key in enumerate(wanted):
        if filled[first + offset][1] != key:
            may_miss -= 1
            if may_miss < 0:
                return False
    return True


def alone(made: Change, share: float = 1.0) -> bool:
    """Say whether nothing else in the file looks like the region, even where `share` is enough."""
    start, end = made.start, made.start + made.shown
    found = places(made.source, made.source.keys[start:end], share)
    return all(start <= n < end for n in found) and (share < 1 or len(found) == 1)


def _statement(rng: random.Random, source: Source, indent: str, near: str) -> str:
    """Return a plausible new line at an indentation."""
    words = [w for w in WORD.findall(near) if w not in KEYWORDS] or ["value"]
    word, number = rng.choice(words), rng.randint(2, 99)
    forms = {
        ".py": [f"{word}_seen = {number}", f"print({word!r}, {number})", f"note_{word}(limit={number})"],
        ".js": [f"const {word}Seen = {number};", f"console.log('{word}', {number});"],
        ".ts": [f"const {word}Seen: number = {number};", f'console.log("{word}", {number});'],
        ".go": [f"{word}Seen := {number}", f'fmt.Println("{word}", {number})'],
        ".c": [f"int {word}_seen = {number};", f'printf("%d\\n", {number});'],
        ".yml": [f"{word}_extra: {number}"],
        ".toml": [f"{word}_extra = {number}"],
        ".md": [f"A new sentence about {word}, number {number}."],
        ".html": [f'<p class="{word}">{number}</p>'],
        "": [f"@echo {word} {number}", f"touch {word}.{number}"],
    }  # fmt: skip
    return indent + rng.choice(forms.get(source.suffix, [f"{word} {number}"]))


def _mutated(rng: random.Random, source: Source, text: str) -> str | None:
    """Return a line with one small change that a person could want."""
    ways: list[str] = []
    number = re.search(r"(?<![\w.])\d+(?![\w.])", text)
    if number:
        ways.append(text[: number.start()] + str(rng.randint(100, 999)) + text[number.end() :])
    words = [m for m in WORD.finditer(text) if m.group() not in KEYWORDS]
    if words:
        word = rng.choice(words)
        ways.append(text[: word.end()] + rng.choice(["2", "_new", "s"]) + text[word.end() :])
    call = re.search(r"\(([^()]+)\)", text)
    if call:
        ways.append(text[: call.end(1)] + ", extra=None" + text[call.end(1) :])
    if text.lstrip().startswith(("if ", "elif ", "while ")) and text.rstrip().endswith(":"):
        ways.append(text.rstrip()[:-1] + " and enabled:")
    if source.comment and not text.rstrip().endswith("\\") and '"""' not in text:
        ways.append(f"{text}  {source.comment} see the notes of {rng.randint(2001, 2024)}")
    return rng.choice(ways) if ways else None


_Made = tuple[str, int, list[Row]] | None


def _line(rng: random.Random, source: Source, at: int) -> _Made:
    old = source.lines[at]
    new = _mutated(rng, source, old)
    return None if new in (None, old) else ("line", 1, [Row("-", old), Row("+", str(new))])


def _insert(rng: random.Random, source: Source, at: int) -> _Made:
    old = source.lines[at]
    if old.rstrip().endswith(_BLOCK_ENDS):
        return None
    count = rng.choice([1, 1, 1, 2, 3])
    new = [_statement(rng, source, indent_of(old), old) for _ in range(count)]
    rows = [Row("+", text) for text in new]
    return "insert", 1, [Row("=", old), *rows] if rng.random() < 0.6 else [*rows, Row("=", old)]


def _delete(rng: random.Random, source: Source, at: int) -> _Made:
    count = rng.choice([1, 1, 2, 3])
    gone = list(source.lines[at : at + count])
    while not gone[-1].strip():
        gone.pop()
    return "delete", len(gone), [Row("-", text) for text in gone]


def _rewrite(rng: random.Random, source: Source, at: int) -> _Made:
    old = source.lines[at : at + rng.randint(2, 5)]
    new = [_mutated(rng, source, text) or text if text.strip() else text for text in old]
    if rng.random() < 0.5:
        new.insert(
            rng.randrange(1, len(new) + 1), _statement(rng, source, indent_of(old[-1]), old[0])
        )
    return "rewrite", len(old), [*(Row("-", t) for t in old), *(Row("+", t) for t in new)]


def _rename(rng: random.Random, source: Source, at: int) -> _Made:
    old = source.lines[at : at + rng.randint(3, 10)]
    words = [w for text in old for w in set(WORD.findall(text)) if w not in KEYWORDS]
    often = sorted({w for w in words if words.count(w) >= 2})
    if not often:
        return None
    word = rng.choice(often)
    rows: list[Row] = []
    for text in old:
        new = re.sub(rf"\b{word}\b", f"{word}_v2", text)
        rows += [Row("=", text)] if new == text else [Row("-", text), Row("+", new)]
    return "rename", len(old), rows


def _signature(rng: random.Random, source: Source, at: int) -> _Made:
    for n in range(at, min(at + 6, len(source.lines))):
        old = source.lines[n]
        match = re.match(
            r"^\s*(?:async def|def|func|export function|function) ?\w+\(([^()]*)\)", old
        )
        if match is None:
            continue
        given = match.group(1)
        extra = "extra int" if source.suffix == ".go" else "extra=None"
        if "*" in given or given.endswith(","):
            return None
        joined = f"{given}, {extra}" if given else extra
        new = old[: match.start(1)] + joined + old[match.end(1) :]
        between = [Row("=", text) for text in source.lines[at:n]]
        return "signature", n - at + 1, [*between, Row("-", old), Row("+", new)]
    return None


def _branch(rng: random.Random, source: Source, at: int) -> _Made:
    old = source.lines[at]
    indent = indent_of(old)
    step = (
        "\t"
        if source.suffix in {".go", ""}
        else "  "
        if source.suffix in {".js", ".ts"}
        else "    "
    )
    inner = _statement(rng, source, indent + step, old)
    if source.suffix == ".py":
        rows = [Row("+", f"{indent}if flag_{rng.randint(1, 9)}:"), Row("+", inner), Row("=", old)]
    elif source.suffix in {".js", ".ts", ".c"}:
        rows = [
            Row("+", f"{indent}if (flag) {{"),
            Row("+", inner),
            Row("+", indent + "}"),
            Row("=", old),
        ]
    elif source.suffix == ".go":
        rows = [
            Row("+", f"{indent}if flag {{"),
            Row("+", inner),
            Row("+", indent + "}"),
            Row("=", old),
        ]
    else:
        return None
    return "branch", 1, rows


def _wrap(rng: random.Random, source: Source, at: int) -> _Made:
    """Put one to three statements of a block under a new condition, one step deeper."""
    indent = indent_of(source.lines[at])
    count = rng.randint(1, 3)
    old = source.lines[at : at + count]
    if source.suffix != ".py" or any(indent_of(t) != indent or not t.strip() for t in old):
        return None
    head = Row("+", f"{indent}if flag_{rng.randint(1, 9)}:")
    return (
        "wrap",
        len(old),
        [*(Row("-", t) for t in old), head, *(Row("+", "    " + t) for t in old)],
    )


def _double(rng: random.Random, source: Source, at: int) -> _Made:
    """Change two lines that have one to four unchanged lines between them."""
    gap = rng.randint(1, 4)
    old = source.lines[at : at + gap + 2]
    if len(old) < gap + 2:
        return None
    first, last = (
        _mutated(rng, source, old[0]),
        _mutated(rng, source, old[-1]) if old[-1].strip() else None,
    )
    if not first or not last:
        return None
    between = [Row("=", text) for text in old[1:-1]]
    rows = [Row("-", old[0]), Row("+", first), *between, Row("-", old[-1]), Row("+", last)]
    return "double", len(old), rows


_ACTS = {
    "line": _line, "insert": _insert, "delete": _delete, "rewrite": _rewrite, "rename": _rename,
    "signature": _signature, "branch": _branch, "wrap": _wrap, "double": _double,
}  # fmt: skip
_NAMES = tuple(_ACTS)
_WEIGHTS = (26, 18, 8, 14, 8, 14, 8, 14, 7)
