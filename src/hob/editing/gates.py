"""Stage 8: what a tolerated edit must not do: break what parsed, or leave a bracket open."""

import ast
import re
import warnings
from typing import NamedTuple

from hob.editing.outcome import Check, EditRefused
from hob.editing.spelling import indentation

_MOST_CHARS = 150_000
_PYTHON = re.compile(
    r"^(?:(?:async )?def \w+\(|class \w+.*:|from [\w.]+ import |import \w+)", re.MULTILINE
)
_DEFINITION = re.compile(r"\s*(?:async def|def|class|@)\b|\s*@")
_STATEMENT = re.compile(
    r"(?:async def|def|class|import) \w|@\w|from [\w.]+ import|(?:if|with|for|while) .*:\s*$|try:|"
    r"[A-Za-z_][\w.\[\]'\"]* (?:\+|\|)?= "
)
_BRACKETS = "()[]{}"


class Span(NamedTuple):
    """Lines `start` to `end` (from 0, `end` excluded) of a text."""

    start: int
    end: int


class _Block(NamedTuple):
    start: int
    end: int
    indent: str


def check_syntax(
    lines: tuple[list[str], list[str]], spans: tuple[Span, Span], path: str, check: Check | None
) -> None:
    """Raise `EditRefused` if a text parsed before and does not after.

    `lines` and `spans` are those of the text before and after. Without a path, a text is taken for
    Python if it looks like it and parses.
    """
    python = path.endswith((".py", ".pyi"))
    if check is not None and not python:
        before, after = ("\n".join(side) + "\n" for side in lines)
        if check(after) > check(before):
            raise EditRefused("the edit would break the syntax of the file")
    elif python or (not path and _looks_like_python(lines[0], spans[0])):
        _check_python(lines, spans)


def _looks_like_python(lines: list[str], span: Span) -> bool:
    near = lines[:200] + lines[max(0, span.start - 200) : span.end + 200]
    return _PYTHON.search("\n".join(near)) is not None


def _check_python(lines: tuple[list[str], list[str]], spans: tuple[Span, Span]) -> None:
    """Parse the definition around the change, then the top-level one, then all, until one is sure.

    That takes a fraction of the time for the whole file; only what does not parse by itself, or
    not any more, is looked at in more of its surroundings.
    """
    fault, at = None, 0
    for block in _blocks(lines, spans):
        grown = len(lines[1]) - len(lines[0])
        old = _alone(lines[0][block.start : block.end], block)
        new = _alone(lines[1][block.start : block.end + grown], block)
        if max(len(old), len(new)) > _MOST_CHARS or _fault(old) is not None:
            continue
        fault, at = _fault(new), block.start - bool(block.indent)
        if fault is None:
            return
    if fault is not None:
        raise EditRefused(f"the edit would break the syntax: line {at + fault[0]}: {fault[1]}")


def _blocks(lines: tuple[list[str], list[str]], spans: tuple[Span, Span]) -> list[_Block]:
    changed = [
        line
        for side, span in zip(lines, spans, strict=True)
        for line in side[span.start : max(span.end, span.start + 1)]
        if line.strip()
    ]
    least = min((len(indentation(line)) for line in changed), default=0)
    found: list[_Block] = []
    for most in dict.fromkeys((least, 0)):
        block = _block(lines[0], spans[0], most)
        if block not in found:
            found.append(block)
    return [*found, _Block(0, len(lines[0]), "")]


def _block(lines: list[str], span: Span, most: int) -> _Block:
    """Return the lines of the definition around a span that is indented no deeper than `most`."""
    start = max(0, min(span.start, len(lines)) - 1)
    while start > 0 and not (
        len(indentation(lines[start])) <= most and _DEFINITION.match(lines[start])
    ):
        start -= 1
    indent = indentation(lines[start])
    while start > 0 and lines[start - 1].startswith(indent + "@"):
        start -= 1
    end = span.end
    while end < len(lines) and not _follows(lines[end], len(indent)):
        end += 1
    return _Block(start, end, indent)


def _follows(line: str, width: int) -> bool:
    """Return whether a line is the next statement after a block, and no part of it."""
    if not width:
        # At the left margin stands the text of docstrings too.
        return _STATEMENT.match(line) is not None
    stripped = line.lstrip()
    return bool(stripped) and len(line) - len(stripped) <= width and stripped[0] not in ")]}#'\"\\"


def _alone(lines: list[str], block: _Block) -> str:
    """Return an indented block as a text of its own; something has to be able to follow it."""
    head = ["if 1:"] if block.indent else []
    tail = [block.indent + "pass", ""] if block.indent else [""]
    return "\n".join([*head, *lines, *tail])


def check_brackets(change: tuple[list[str], list[str]], asked: tuple[list[str], list[str]]) -> None:
    """Raise `EditRefused` if other brackets open or close than in what was asked for.

    `change` is the lines removed and written, `asked` those of SEARCH and REPLACE.
    """
    texts = [["\n".join(side) for side in sides] for sides in (change, asked)]
    for bracket in _BRACKETS:
        done, wanted = (new.count(bracket) - old.count(bracket) for old, new in texts)
        if done != wanted:
            raise EditRefused(f"the edit would not leave as many {bracket!r} as it was meant to")


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
