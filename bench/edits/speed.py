"""CPU time of one edit by the size of the file, plain sources and files that repeat themselves.

Process CPU time, the least of a few runs: what another busy program adds is never less than nothing.
"""

import random
import time
from collections.abc import Mapping

from edits.corpus import corpus
from edits.peers import Engine
from edits.report import table

_SIZES = (10_000, 100_000, 1_000_000)
_LIMIT_S = 2.0  # a peer that takes longer than this for one edit is not asked again


def speeds(found: Mapping[str, Engine]) -> dict:
    """Return the lines of a table and the numbers in it, in milliseconds."""
    rng = random.Random(7)
    lines = [line for file in corpus(rng) if file.suffix == ".py" for line in file.lines]
    rows = [("CPU of one edit, ms", *found)]
    numbers: dict[str, dict[str, float]] = {}
    slow: set[str] = set()
    for name, work in _works(lines).items():
        numbers[name] = {e: _least(run, *work) * 1e3 for e, run in found.items() if e not in slow}
        slow |= {engine for engine, spent in numbers[name].items() if spent > _LIMIT_S * 1e3}
        cells = (f"{numbers[name][e]:,.2f}" if e in numbers[name] else "-" for e in found)
        rows.append((name, *cells))
    return {"lines": [table(rows)], "numbers": numbers}


_Work = tuple[bytes, str, str]


def _works(lines: list[str]) -> dict[str, _Work]:
    """Return the edits of every size: (file, SEARCH, REPLACE) by what they show."""
    return {
        f"{size // 1000:,} KB, {kind}": work
        for size in _SIZES
        for kind, work in _works_of(lines, size).items()
    }


def _works_of(lines: list[str], size: int) -> dict[str, _Work]:
    kept, used = [], 0
    for n in range(10**9):
        line = lines[n % len(lines)]
        kept.append(line)
        used += len(line) + 1
        if used >= size:
            break
    middle = len(kept) // 2
    mark = [f"    unique_mark_{n} = compute(value_{n}, {n})" for n in range(8)]
    kept[middle:middle] = mark
    plain = "\n".join(kept) + "\n"
    new = [*mark[:4], "    changed = True", *mark[5:]]
    shallow, other = [text[4:] for text in mark], [text[4:] for text in new]
    words = [mark[0], "    unique_mark_1 = calculate(value_1, 1)  # why", *mark[2:]]
    wordy = [words[0], words[1], *new[2:]]
    repeated = ["    for item in items:", "        total += item.price", "    return total", ""]
    count = size // sum(len(text) + 1 for text in repeated)
    same = "\n".join([*repeated * (count // 2), *mark, *repeated * (count // 2)]) + "\n"
    beside = [*repeated[:3], *mark[:3]]
    lost = [text.replace("item", "itme") for text in [*repeated[:3], *repeated[:2]]]
    return {
        "exact": (plain.encode(), _text(mark), _text(new)),
        "indentation off": (plain.encode(), _text(shallow), _text(other)),
        "a line misquoted": (plain.encode(), _text(words), _text(wordy)),
        "not there": (plain.encode(), _text([t[:-2] + "x)" for t in mark]), _text(new)),
        "repetitive, indentation off": (same.encode(), _text([t[4:] for t in beside]), _text(shallow)),
        "repetitive, line misquoted": (same.encode(), _text([*repeated[:3], *words]), _text(wordy)),
        "repetitive, not there": (same.encode(), _text(lost), _text(new)),
        "all lines equal": (("x = 1\n" * (size // 6)).encode(), "x = 1\ny = 2\nx = 1\n", "y = 3\n"),
        "one long line": (
            ("a = [" + "1, " * (size // 3) + "]\nb = 2\n").encode(), " b = 3\n", " b = 4\n"
        ),
    }  # fmt: skip


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _least(run: Engine, before: bytes, search: str, replace: str) -> float:
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        run(before, search, replace)
        spent = time.process_time() - begin
        best = min(best, spent)
        if spent > 1.0:
            break
    return best
