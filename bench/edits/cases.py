"""One case: a file, what the model sent, and what may come of it; made from a draft."""

from collections.abc import Callable
from dataclasses import dataclass, field

from edits.changes import Change, Row
from edits.corpus import Source

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Case:
    """An edit to judge. Without `expected` it has to be refused.

    `others` are further results that the policies allow; `may_refuse` says that a refusal is one. Where
    `strict`, nothing of SEARCH's own wording may reach the file, so a lossy result counts as wrong.
    """

    name: str
    file: str
    before: bytes
    search: str
    replace: str
    expected: bytes | None = None
    others: tuple[bytes, ...] = ()
    may_refuse: bool = False
    strict: bool = False
    change: Change | None = None


@dataclass
class Draft:
    """What a model would send for a change, while mistakes are being added to it."""

    change: Change
    rows: list[Row]
    ending: str = "\n"
    bom: bool = False
    newline: bool = True
    may_refuse: bool = False
    strict: bool = False
    wraps: list[Callable[[str, int], str]] = field(default_factory=list)

    @classmethod
    def of(cls, change: Change, newline: bool = True) -> "Draft":
        """Begin without a mistake."""
        return cls(change, list(change.rows), newline=newline)

    def each(self, altered: Callable[[str], str]) -> None:
        """Alter every line that is not blank."""
        self.rows = [r if r.blank else Row(r.kind, altered(r.text)) for r in self.rows]

    def quiet(self, index: int) -> bool:
        """Say whether a row is context with context on both sides."""
        inside = 0 < index < len(self.rows) - 1
        return inside and all(row.kind == "=" for row in self.rows[index - 1 : index + 2])

    def beside_insertion(self, index: int) -> bool:
        """Say whether new lines stand next to a row and no removed line says where they belong."""
        for step in (-1, 1):
            at = index + step
            while 0 <= at < len(self.rows) and self.rows[at].kind == "+":
                at += step
            moved = at != index + step
            if moved and not (0 <= at < len(self.rows) and self.rows[at].kind == "-"):
                return True
        return False

    @property
    def filled(self) -> int:
        """Return how many lines of SEARCH are not blank."""
        return sum(row.kind != "+" and not row.blank for row in self.rows)

    def case(self, name: str) -> Case | None:
        """Return the finished case, or None where the mistakes left SEARCH as it was."""
        source = self.change.source
        sides = self.change.sides(self.rows)
        if not all(_firm(side) for side in sides):
            return None
        search, replace = ("\n".join(side) for side in sides)
        if self.newline or not sides[1]:
            search, replace = search + "\n", replace + "\n" if sides[1] else ""
        for wrap in self.wraps:
            search, replace = wrap(search, 0), wrap(replace, 1)
        before = encoded(source.lines, source.final, self.ending, self.bom)
        after = encoded(self.change.after, source.final, self.ending, self.bom)
        return Case(
            name, source.name, before, search, replace, after, may_refuse=self.may_refuse,
            strict=self.strict, change=self.change,
        )  # fmt: skip


def _firm(side: list[str]) -> bool:
    """Say whether a side begins and ends with text; how many blank lines are meant there nobody can tell."""
    return not side or bool(side[0].strip() and side[-1].strip())


def encoded(
    lines: list[str] | tuple[str, ...], final: bool = True, ending: str = "\n", bom: bool = False
) -> bytes:
    """Return the bytes of a file."""
    text = ending.join(lines) + (ending if final and lines else "")
    return (BOM if bom else b"") + text.encode()


def refused(
    name: str, source: Source, search: str, replace: str, change: Change | None = None
) -> Case:
    """Return a case that has to be refused."""
    return Case(
        name, source.name, encoded(source.lines, source.final), search, replace, change=change
    )
