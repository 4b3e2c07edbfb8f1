"""Stage 8: what a tolerated edit must not do: break what parsed, or leave a bracket open."""

import ast
import re
import warnings
from typing import NamedTuple

from hob.editing.outcome import Check, EditRefused

_MOST_CHARS = 500_000
_PYTHON = re.compile(
    r"^(?:(?:async )?def \w+\(|class \w+.*:|from [\w.]+ import |import \w+)", re.MULTILINE
)
_BRACKETS = "()[]{}"


class Span(NamedTuple):
    """Lines `start` to `end` (from 0, `end` excluded) of a text."""

    start: int
    end: int


def check_syntax(
    lines: tuple[list[str], list[str]], spans: tuple[Span, Span], path: str, check: Check | None
) -> None:
    """Raise `EditRefused` if a text parsed before and does not after.

    Only the statements around the change are parsed where that is possible. `lines` and `spans`
    are those of the text before and after.
    """
    if check is not None and not path.endswith((".py", ".pyi")):
        before, after = ("\n".join(side) + "\n" for side in lines)
        if check(after) > check(before):
            raise EditRefused("the edit would break the syntax of the file")
        return
    if path and not path.endswith((".py", ".pyi")):
        return
    blocks = [_block(side, span) for side, span in zip(lines, spans, strict=True)]
    if not path and not _PYTHON.search("\n".join(lines[0][:200] + lines[0][slice(*blocks[0])])):
        return
    old, new = (
        "\n".join(side[slice(*block)]) + "\n" for side, block in zip(lines, blocks, strict=True)
    )
    if max(len(old), len(new)) > _MOST_CHARS or _fault(old) is not None:
        old, new = ("\n".join(side) + "\n" for side in lines)
        blocks = [Span(0, 0)] * 2
        if max(len(old), len(new)) > _MOST_CHARS or _fault(old) is not None:
            return
    if (fault := _fault(new)) is not None:
        raise EditRefused(
            f"the edit would break the syntax: line {blocks[1].start + fault[0]}: {fault[1]}"
        )


def check_brackets(change: tuple[str, str], asked: tuple[str, str]) -> None:
    """Raise `EditRefused` if other brackets open or close than in what was asked for.

    `change` is the lines removed and written, `asked` is SEARCH and REPLACE.
    """
    for bracket in _BRACKETS:
        done, wanted = (new.count(bracket) - old.count(bracket) for old, new in (change, asked))
        if done != wanted:
            raise EditRefused(f"the edit would not leave as many {bracket!r} as it was meant to")


def _block(lines: list[str], span: Span) -> Span:
    """Return the lines from one start of a line at the left margin to another, around a span."""
    start, end = min(span.start, len(lines)), min(span.end, len(lines))
    while start > 0 and not (start < len(lines) and _opens(lines[start])):
        start -= 1
    if start and start == span.start:
        start -= 1
        while start > 0 and not _opens(lines[start]):
            start -= 1
    while start > 0 and lines[start - 1].startswith("@"):
        start -= 1
    while end < len(lines) and not _opens(lines[end]):
        end += 1
    return Span(start, end)


def _opens(line: str) -> bool:
    """Return whether a top-level statement of Python may begin with a line."""
    return line[:1].isalpha() and not line.startswith(
        ("else", "elif", "except", "finally", "case ")
    )


def _fault(text: str) -> tuple[int, str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return error.lineno or 0, error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        return 0, str(error) or type(error).__name__
    return None
