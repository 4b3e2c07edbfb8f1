"""What became of an edit, in five words.

- `correct`: the bytes are those of the change that was meant (or another result that the policies allow),
  or a refusal where the policies demand or allow one.
- `refused`: a refusal of an edit that could be applied.
- `lossy`: the right place, and the wish fulfilled, but context was overwritten or lost. Precisely: every
  byte before and after the shown region is as it was; within it every new line stands byte for byte and in
  order, and every removed line is gone; only lines that were to stay differ. Not where the case is
  `strict` (a name, a number or an operator of the model's would have been written): that is wrong.
- `WRONG`: anything else that was written, an edit included that had to be refused.
- `elsewhere` counts those wrong ones that changed a byte outside the shown region.
"""

from dataclasses import dataclass

from edits.cases import BOM, Case

VERDICTS = ("correct", "lossy", "refused", "WRONG")


@dataclass(frozen=True)
class Verdict:
    """One of `VERDICTS`, and whether bytes outside the region changed."""

    word: str
    elsewhere: bool = False


def judged(case: Case, result: bytes | None) -> Verdict:
    """Judge a result; None is a refusal."""
    if result is None:
        return Verdict("correct" if case.expected is None or case.may_refuse else "refused")
    if case.expected is not None and (result == case.expected or result in case.others):
        return Verdict("correct")
    inner = _inner(case, result)
    if inner is None:
        return Verdict("WRONG", elsewhere=case.change is not None)
    if case.expected is not None and not case.strict and _fulfilled(case, inner):
        return Verdict("lossy")
    return Verdict("WRONG")


def _inner(case: Case, result: bytes) -> list[bytes] | None:
    """Return what became of the shown region, or None if something around it changed."""
    change = case.change
    if change is None:
        return None
    lines = case.before.splitlines(keepends=True)
    head = b"".join(lines[: change.start])
    tail = b"".join(lines[change.start + change.shown :])
    whole = len(result) >= len(head) + len(tail)
    if not (whole and result.startswith(head) and result.endswith(tail)):
        return None
    if case.before.startswith(BOM) and not result.startswith(BOM):
        return None
    return result[len(head) : len(result) - len(tail)].splitlines(keepends=True)


def _fulfilled(case: Case, inner: list[bytes]) -> bool:
    """Say whether the new lines are there, in order, and the removed ones are not."""
    assert case.change is not None
    ending = b"\r\n" if b"\r\n" in case.before else b"\n"
    rows = case.change.rows
    left = list(inner)
    at = 0
    for row in rows:
        if row.kind != "+":
            continue
        wanted = row.text.encode()
        places = [n for n in range(at, len(left)) if left[n].removesuffix(ending) == wanted]
        if not places:
            return False
        at = places[0]
        del left[at]
    stay = {"".join(row.text.split()) for row in rows if row.kind != "-"}
    gone = {"".join(row.text.split()) for row in rows if row.kind == "-"} - stay - {""}
    return not any("".join(line.decode(errors="replace").split()) in gone for line in left)
