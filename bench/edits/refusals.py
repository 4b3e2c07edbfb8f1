"""Edits that the policies forbid, and a few whose outcome depends on the whole file."""

import random
import re
from collections.abc import Callable, Sequence

from edits import noise
from edits.cases import Case, Draft, encoded, refused
from edits.changes import Change, Row, alone, change, indent_of, places
from edits.corpus import Source, parses, source

Maker = Callable[[random.Random, Source, Sequence[Source]], Case | None]


def ambiguous(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """SEARCH stands twice in the file, letter for letter."""
    counts: dict[tuple[str, ...], int] = {}
    length = rng.choice([1, 1, 2, 3])
    windows = [file.lines[n : n + length] for n in range(len(file.lines) - length + 1)]
    for window in windows:
        counts[window] = counts.get(window, 0) + 1
    often = sorted(w for w, count in counts.items() if count > 1 and w[0].strip() and w[-1].strip())
    often = [w for w in often if len("".join(w).strip()) > 5]
    if not often:
        return None
    window = list(rng.choice(often))
    new = (
        [*window[:-1], window[-1] + "  # changed"] if rng.random() < 0.5 else [*window, window[-1]]
    )
    return refused("ambiguous", file, "\n".join(window) + "\n", "\n".join(new) + "\n")


def ambiguous_loosely(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """SEARCH fits two places equally well once its mistakes are forgiven, and neither exactly."""
    made = change(rng, file)
    if made is None or not alone(made):
        return None
    deeper = rng.choice([0, 4])
    twin = _with_copy(made, deeper)
    if twin is None:
        return None
    draft = Draft.of(twin)
    mistake = (
        rng.choice([noise.shifted, noise.dedented, noise.tabs]) if _deep(twin) else noise.fence
    )
    if not mistake(rng, draft) or (draft.rows[1:] == list(twin.rows)[1:] and not draft.wraps):
        return None
    case = draft.case("")
    if case is None or case.search in twin.source.text:
        return None
    shown = [r.text for r in draft.rows if r.kind != "+"]
    if deeper and (draft.wraps or _fits_by_indent(twin.source, shown)):
        return None
    return refused("ambiguous, loosely", twin.source, case.search, case.replace)


def tie(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """The same lines stand twice, at two indentations, and SEARCH has one of them: that one is meant."""
    made = change(rng, file)
    twin = _with_copy(made, 4) if made and alone(made) else None
    if twin is None:
        return None
    draft = Draft.of(twin)
    noise.trailing(rng, draft)
    return draft.case("tie by indentation")


def state(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """The file holds REPLACE already."""
    made = change(rng, file)
    if made is None or not alone(made, 0.6):
        return None
    search, replace = made.sides()
    after = Source(file.name, tuple(made.after), file.final)
    keys = ["".join(text.split()) for text in search]
    if places(after, keys) or not replace or len("".join(replace)) < 8:
        return None
    return refused("done already", after, "\n".join(search) + "\n", "\n".join(replace) + "\n")


def foreign(rng: random.Random, file: Source, every: Sequence[Source]) -> Case | None:
    """SEARCH comes from another file."""
    made = change(rng, rng.choice(every))
    if made is None or made.source.name == file.name:
        return None
    search, replace = made.sides()
    keys = [key for text in search if (key := "".join(text.split()))]
    if len("".join(keys)) < 12 or sum(key in file.keys for key in keys) > 0.4 * len(keys):
        return None
    if keys and any(len(keys) == 1 and keys[0] in key for key in file.keys):
        return None
    return refused("another file", file, "\n".join(search) + "\n", "\n".join(replace) + "\n")


def whitespace(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """SEARCH is white space."""
    made = change(rng, file)
    if made is None:
        return None
    search = rng.choice([" ", "\n", "\n\n", "    \n", "\t", " \n \n"])
    return refused("white space", file, search, "\n".join(made.sides()[1]) + "\n")


def empty(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """SEARCH is empty: nothing that is there may be lost."""
    made = change(rng, file)
    if made is None or not made.sides()[1]:
        return None
    new = "\n".join(made.sides()[1]) + "\n"
    if rng.random() < 0.3:
        return Case("empty SEARCH", "new" + file.suffix, b"", "", new, new.encode())
    before = encoded(file.lines, file.final)
    joint = b"" if file.final else b"\n"
    appended = before + joint + new.encode()
    return Case("empty SEARCH", file.name, before, "", new, appended, may_refuse=True)


def elision_in_replace(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """Lines of SEARCH became `...` or "rest unchanged" in REPLACE, where they would be deleted."""
    made = change(rng, file, context=5)
    if made is None or not alone(made) or made.kind == "delete":
        return None
    search, replace = made.sides()
    sign = file.comment
    forms = [f"{sign} ... rest unchanged ...", f"{sign} ... existing code ...", f"{sign} ..."]
    marker = rng.choice([*forms, "..."]) if sign else "..."
    kept = rng.randint(2, 4)
    tail = [text for text in search[-kept:] if text.strip()]
    if [r.kind for r in made.rows[-kept:]] != ["="] * kept or len(tail) < 2:
        return None
    new = [*replace[:-kept], indent_of(tail[0]) + marker]
    if any("..." in text for text in search):
        return None
    return refused("elision in REPLACE only", file, "\n".join(search) + "\n", "\n".join(new) + "\n")


def elision_in_search(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """SEARCH leaves lines out and REPLACE shows other lines there."""
    made = change(rng, file, context=6)
    if made is None or not alone(made):
        return None
    search, replace = made.sides()
    if len(search) < 9 or any("..." in text for text in [*search, *replace]):
        return None
    marker = indent_of(search[3]) + rng.choice(["...", f"{file.comment or ''} ...".strip()])
    short = [*search[:3], marker, *search[-3:]]
    return refused(
        "elision in SEARCH only", file, "\n".join(short) + "\n", "\n".join(replace) + "\n"
    )


def other_figure(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """The number that is to be changed is not the one in the file."""
    spots = [
        n for n, text in enumerate(file.lines) if re.search(r"(?<![\w.'\"])\d+(?![\w.'\"])", text)
    ]
    if not spots:
        return None
    at = rng.choice(spots)
    old = file.lines[at]
    found = re.search(r"(?<![\w.'\"])\d+(?![\w.'\"])", old)
    assert found is not None
    wrong, wanted = (str(int(found.group()) + by) for by in (rng.randint(1, 5), rng.randint(6, 90)))
    quoted, new = (old[: found.start()] + text + old[found.end() :] for text in (wrong, wanted))
    above, below = rng.randint(0, 3), rng.randint(0, 3)
    head, tail = file.lines[max(at - above, 0) : at], file.lines[at + 1 : at + 1 + below]
    search, replace = ("\n".join([*head, text, *tail]) + "\n" for text in (quoted, new))
    if "".join(quoted.split()) in file.keys or not old.strip():
        return None
    return refused("another figure is changed", file, search, replace)


def breaking(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """A quoted block with a mistake whose REPLACE does not parse."""
    made = change(rng, file)
    if made is None or file.suffix != ".py" or not alone(made):
        return None
    fresh = [n for n, row in enumerate(made.rows) if row.kind == "+" and row.text.strip()]
    if not fresh:
        return None
    rows = list(made.rows)
    at = rng.choice(fresh)
    rows[at] = Row("+", rows[at].text + rng.choice([" (", " )", " ["]))
    bad = Change(file, made.start, tuple(rows), made.kind)
    if parses("\n".join(bad.after) + "\n"):
        return None
    draft = Draft.of(bad)
    noise.trailing(rng, draft)
    case = draft.case("")
    return case and refused("breaks the syntax", file, case.search, case.replace, bad)


def two_places(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """SEARCH glues lines together that stand far apart."""
    first, second = change(rng, file), change(rng, file)
    if first is None or second is None or abs(first.start - second.start) < 40:
        return None
    head, tail = list(first.source.lines[first.start :][:3]), second.sides()[0]
    if not all(text.strip() for text in head) or not alone(second) or len(tail) > 6:
        return None
    if any(file.keys.count("".join(text.split())) > 2 for text in head):
        return None
    search, replace = [*head, *tail], [*head, *second.sides()[1]]
    return refused("two places in one", file, "\n".join(search) + "\n", "\n".join(replace) + "\n")


def _deep(made: Change) -> bool:
    return any(indent_of(row.text) for row in made.rows)


def _fits_by_indent(file: Source, shown: list[str]) -> bool:
    """Say whether the quoted lines stand somewhere with their very indentation."""
    lines, wanted = (
        [t.rstrip() for t in file.lines if t.strip()],
        [t.rstrip() for t in shown if t.strip()],
    )
    size = len(wanted)
    return any(lines[n : n + size] == wanted for n in range(len(lines) - size + 1))


def _with_copy(made: Change, deeper: int) -> Change | None:
    """Return the change in a file that ends with a second copy of the region."""
    file = made.source
    region = file.lines[made.start : made.start + made.shown]
    if file.suffix != ".py" or not file.final:
        return None
    outer = min(len(indent_of(text)) for text in region if text.strip())
    if outer + deeper == 0 and deeper:
        return None
    heads = [" " * 4 * level + "if True:" for level in range((outer + deeper) // 4)]
    copy = [" " * deeper + text if text.strip() else "" for text in region]
    lines = [*file.lines, "", "", *heads, *copy]
    both = source(file.name, "\n".join(lines) + "\n")
    twin = Change(both, made.start, made.rows, made.kind)
    return twin if parses(both.text) and parses("\n".join(twin.after) + "\n") else None
