"""The whole set of cases for a seed: how many of each class, and where they are found."""

import random
from collections.abc import Sequence

from edits import noise, refusals
from edits.cases import Case, Draft, encoded
from edits.changes import alone, change
from edits.corpus import Source, corpus, snippets

# Shares of the whole, about a thousand in all.
_MISTAKES: dict[str, tuple[int, tuple[noise.Mistake, ...]]] = {
    "exact": (180, ()),
    "newlines": (25, (noise.newlines,)),
    "crlf or mark": (30, (noise.crlf,)),
    "dedented": (60, (noise.dedented,)),
    "shifted": (50, (noise.shifted,)),
    "tabs": (25, (noise.tabs,)),
    "indent unit": (20, (noise.unit,)),
    "trailing blanks": (40, (noise.trailing,)),
    "blank line lost": (30, (noise.lost_blank,)),
    "blank line added": (15, (noise.added_blank,)),
    "line numbers": (40, (noise.numbers,)),
    "fence": (25, (noise.fence,)),
    "entities": (20, (noise.entities,)),
    "escapes": (20, (noise.escapes,)),
    "misquoted words": (45, (noise.comment,)),
    "quotes": (20, (noise.quotes,)),
    "look-alikes": (30, (noise.unicode,)),
    "line dropped": (20, (noise.dropped,)),
    "line doubled": (5, (noise.doubled,)),
    "elision": (30, (noise.elided,)),
    "lines glued": (8, (noise.glued,)),
    "line wrapped": (8, (noise.wrapped,)),
    "another name": (20, (noise.identifier,)),
    "another figure": (18, (noise.figure,)),
    "dedented, trailing": (5, (noise.dedented, noise.trailing)),
    "dedented, fence": (4, (noise.dedented, noise.fence)),
    "dedented, words": (5, (noise.comment, noise.dedented)),
    "shifted, blank line": (4, (noise.lost_blank, noise.shifted)),
    "numbers, fence": (4, (noise.numbers, noise.fence)),
    "look-alikes, dedented": (4, (noise.unicode, noise.dedented)),
    "crlf, dedented": (4, (noise.crlf, noise.dedented)),
    "crlf, words": (4, (noise.crlf, noise.comment)),
}
_WHOLE: dict[str, tuple[int, refusals.Maker]] = {
    "tie by indentation": (10, refusals.tie),
    "ambiguous": (40, refusals.ambiguous),
    "ambiguous, loosely": (20, refusals.ambiguous_loosely),
    "done already": (25, refusals.state),
    "another file": (35, refusals.foreign),
    "white space": (5, refusals.whitespace),
    "empty SEARCH": (5, refusals.empty),
    "elision in REPLACE only": (12, refusals.elision_in_replace),
    "elision in SEARCH only": (8, refusals.elision_in_search),
    "another figure is changed": (20, refusals.other_figure),
    "breaks the syntax": (10, refusals.breaking),
    "two places in one": (10, refusals.two_places),
}
_INLINE, _LAST = 25, 12
_TRIES = 6_000


def cases(seed: int, count: int) -> list[Case]:
    """Return about `count` cases; the same ones for the same seed, interpreter and repository."""
    rng = random.Random(seed)
    every = corpus(rng) + snippets() * 4
    made: list[Case] = []
    for name, (share, mistakes) in _MISTAKES.items():
        sources = every
        if name == "elision":
            sources = [file for file in every if len(file.lines) > 40]
        made += _some(rng, sources, _share(share, count), _Noisy(name, mistakes))
    for share, maker in _WHOLE.values():
        made += _some(rng, every, _share(share, count), maker)
    made += _some(rng, every, _share(_INLINE, count), _inline)
    made += _some(rng, every, _share(_LAST, count), _at_the_end)
    rng.shuffle(made)
    return made


def _share(share: int, count: int) -> int:
    every = sum(part for part, _ in (*_MISTAKES.values(), *_WHOLE.values())) + _INLINE + _LAST
    return max(1, round(share * count / every))


def _some(
    rng: random.Random, every: Sequence[Source], wanted: int, maker: refusals.Maker
) -> list[Case]:
    found: list[Case] = []
    for _ in range(_TRIES):
        if len(found) == wanted:
            break
        case = maker(rng, rng.choice(every), every)
        if case is not None:
            found.append(case)
    return found


class _Noisy:
    """Makes changes of any kind with given mistakes."""

    def __init__(self, name: str, mistakes: tuple[noise.Mistake, ...]) -> None:
        self.name = name
        self.mistakes = mistakes

    def __call__(self, rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
        made = change(rng, file, context=rng.randint(6, 10) if self.name == "elision" else None)
        if made is None or not alone(made):
            return None
        draft = Draft.of(made, newline=rng.random() < 0.6)
        if not all(mistake(rng, draft) for mistake in self.mistakes):
            return None
        case = draft.case(self.name)
        if case is None or (made.source.text.count(case.search) != 1 and not self.mistakes):
            return None
        loose = self.name in {"newlines", "crlf or mark", "exact"}
        return case if loose or case.search not in made.source.text or _indented(case) else None


def _indented(case: Case) -> bool:
    """Say whether SEARCH stands in the file only because its first line lacks its indentation."""
    at = case.before.decode().find(case.search)
    return at > 0 and case.before.decode()[at - 1] in " \t"


def _inline(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """SEARCH is a part of one line."""
    text = rng.choice(file.lines)
    start = len(text) - len(text.lstrip()) + rng.randint(1, 12)
    piece = text[start : start + rng.randint(8, 30)]
    if len(piece.strip()) < 8 or piece != piece.strip() or file.text.count(piece) != 1:
        return None
    new = piece[:4] + rng.choice(["_x", "2", "ed"]) + piece[4:]
    before = encoded(file.lines, file.final)
    return Case(
        "part of a line",
        file.name,
        before,
        piece,
        new,
        before.replace(piece.encode(), new.encode()),
    )


def _at_the_end(rng: random.Random, file: Source, _: Sequence[Source]) -> Case | None:
    """The last lines of a file that has no ending on its last line."""
    lines = file.lines
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    bare = Source(file.name, lines, final=False)
    made = change(rng, bare, context=2)
    if made is None or made.start + made.shown < len(lines) or not alone(made):
        return None
    kept = [row for row in made.rows if row.kind != "-"]
    if not kept or kept[-1].blank:
        return None
    return Draft.of(made, newline=rng.random() < 0.6).case("no final newline")
