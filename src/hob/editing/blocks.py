"""SEARCH/REPLACE blocks and whole files in a reply: what is asked of which file.

A block begins with a line of 5 to 9 `<` and the word SEARCH or ORIGINAL, is divided by a line of `=` and ends
with a line of `>` and the word REPLACE or UPDATED. It stands in a fence or bare.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from hob.editing.asked import Edit, Place, Write, lines_of
from hob.editing.fences import Fence, closes, open_fence, path_above, path_in, path_in_info
from hob.editing.outcome import EditRefused

_OPENING = re.compile(
    r"(?P<indent> {0,3})(?P<marks><{5,9}) ?(?:SEARCH|ORIGINAL)\b(?P<more>.*)$", re.I
)
_CLOSING = re.compile(
    r" {0,3}(?P<marks>>{5,9}) ?(?P<word>REPLACE|UPDATED)?:?[ \t\r]*(?P<fence>`{3,})?[ \t\r]*$", re.I
)
_DIVIDER = re.compile(r" {0,3}(?P<marks>={5,9})[ \t\r]*$")
_NO_FILES = ("bash", "tool", "plan")  # fences that are never an edit, whatever stands in them


class _Block(NamedTuple):
    search: list[str]
    replace: list[str]
    last: int  # the line after it
    fenced: bool = False  # its last line closed the fence too


def parse_blocks(reply: str) -> list[Edit]:
    """Return the SEARCH/REPLACE blocks of a reply, in order; the path may stand above or inside the fence.

    Raises `EditRefused` for a block that is cut off, has no path or could be read in two ways.
    """
    return _Reader(lines_of(reply)).read()


def parse_whole(reply: str) -> list[Write]:
    """Return the whole files of a reply: a path, alone on its line or in the info string, and a fence.

    Raises `EditRefused` for a file that is cut off, or whose end cannot be told.
    """
    lines = lines_of(reply)
    found: list[Write] = []
    at = floor = 0
    while at < len(lines):
        fence = open_fence(lines, at)
        if fence is None:
            at += 1
            continue
        path, first = path_in_info(fence.info), at
        if not path:
            path, first = path_above(lines, at, floor, prose=False)
        if path:
            found.append(_whole_file(lines, fence, path, first))
        elif found and not fence.info:
            raise EditRefused(
                f"line {at + 1} of the reply opens a fence without a path, so the end of"
                f" {found[-1].path!r} before it cannot be told; put a longer fence (````) around a file"
                " that holds fences"
            )
        at = floor = fence.last + 1
    return found


def _whole_file(lines: Sequence[str], fence: Fence, path: str, first: int) -> Write:
    if not fence.closed:
        raise EditRefused(
            f"the reply is cut off inside {path!r}: its fence is never closed; send it again"
        )
    if fence.holds_opening(lines):
        raise EditRefused(
            f"{path!r} holds a fence that is as long as the one around it, so its end cannot be told;"
            " put a longer fence (````) around it"
        )
    body = fence.body(lines)
    content = "\n".join(body) + "\n" if body else ""
    return Write(path, content, Place(first, fence.last + 1))


class _Reader:
    """One pass over the lines of a reply."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._found: list[Edit] = []
        self._floor = 0  # lines above it belong to something else
        self._path = ""
        self._ended = False  # the last block closed its fence too

    def read(self) -> list[Edit]:
        """Return all blocks. Raises `EditRefused`."""
        at = 0
        while at < len(self._lines):
            fence = open_fence(self._lines, at)
            if fence is not None:
                at = self._fence(fence)
            elif _OPENING.match(self._lines[at]):
                path, first = path_above(self._lines, at, self._floor, prose=not self._path)
                at = self._block(at, path, first)
            else:
                at += 1
        return self._found

    def _fence(self, fence: Fence) -> int:
        """Read a fence, which holds blocks or something else; return the line to go on with."""
        at, inside = self._start(fence)
        if at is None:
            self._floor = fence.last + 1
            return self._skip(fence)
        path, first = inside or path_in_info(fence.info), fence.first
        if not path:
            path, first = path_above(self._lines, fence.first, self._floor, prose=not self._path)
        at = self._block(at, path, first)
        while at < len(self._lines) and not self._ended:
            line = self._lines[at]
            if closes(line, fence.marks):
                at += 1
                break
            if _OPENING.match(line):
                path, first = path_above(self._lines, at, self._floor, prose=False)
                at = self._block(at, path, first)
            else:
                at += 1
        # The fence itself is part of what is asked: also its last line.
        self._found[-1] = self._found[-1]._replace(place=Place(self._found[-1].place.first, at))
        self._floor = at
        return at

    def _start(self, fence: Fence) -> tuple[int | None, str]:
        """Return the line of the first block in a fence (None: it holds none) and the path above it there."""
        path = ""
        for number in range(fence.first + 1, fence.last):
            line = self._lines[number]
            if _OPENING.match(line):
                return number, path
            if line.strip():
                if path or not path_in(line):
                    break
                path = path_in(line)
        return None, ""

    def _skip(self, fence: Fence) -> int:
        """Return the line after a fence without blocks at its beginning. A longer fence quotes what it holds."""
        language = fence.info.partition(" ")[0].lower()
        if len(fence.marks) == 3 and language not in _NO_FILES:
            for number in range(fence.first + 1, fence.last):
                if _OPENING.match(self._lines[number]):
                    raise EditRefused(
                        f"the block in line {number + 1} of the reply begins in the middle of a fence;"
                        " begin its fence right before it"
                    )
        return fence.last + 1

    def _block(self, at: int, path: str, first: int) -> int:
        self._path = path = path or self._path
        if not path:
            raise EditRefused(
                f"the block in line {at + 1} of the reply has no path; write the path of its file, alone on the"
                " line above it"
            )
        block = _read_block(self._lines, at, path)
        search, replace = ("".join(f"{line}\n" for line in part) for part in block[:2])
        self._found.append(Edit(path, search, replace, Place(min(first, at), block.last)))
        self._floor, self._ended = block.last, block.fenced
        return block.last


def _read_block(lines: Sequence[str], at: int, path: str) -> _Block:
    opening = _OPENING.match(lines[at])
    assert opening is not None
    end = _end(lines, at, len(opening["marks"]))
    dividers = [number for number in range(at + 1, end or at) if _DIVIDER.match(lines[number])]
    if end is None or not dividers:
        raise _cut(path, at)
    middle = _middle(lines, dividers, opening["marks"], path, at)
    width = len(opening["indent"])
    search = _shifted(lines[at + 1 : middle], width)
    replace = _shifted(lines[middle + 1 : end], width)
    return _Block(search, replace, end + 1, lines[end].rstrip().endswith("`"))


def _end(lines: Sequence[str], at: int, length: int) -> int | None:
    """Return the line that ends a block: the first with as many signs as its opening, else with any number."""
    other = None
    divided = False
    for number in range(at + 1, len(lines)):
        line = lines[number]
        if closing := _CLOSING.match(line):
            if divided and len(closing["marks"]) == length:
                return number
            if divided and closing["word"] and other is None:
                other = number
        elif (opening := _OPENING.match(line)) and len(opening["marks"]) == length:
            return other
        divided = divided or _DIVIDER.match(line) is not None
    return other


def _middle(lines: Sequence[str], dividers: list[int], marks: str, path: str, at: int) -> int:
    same = [number for number in dividers if len(lines[number].strip()) == len(marks)]
    chosen = same or dividers
    if len(chosen) > 1:
        raise EditRefused(
            f"the block for {path!r} in line {at + 1} of the reply has {len(chosen)} lines of"
            f" {lines[chosen[0]].strip()!r}, so its middle cannot be told; write its three markers with nine signs"
            " (<<<<<<<<< SEARCH, =========, >>>>>>>>> REPLACE)"
        )
    return chosen[0]


def _shifted(lines: Sequence[str], width: int) -> list[str]:
    """Return lines without the indentation of their markers, if all of them have it."""
    indent = " " * width
    if width and all(line.startswith(indent) for line in lines if line.strip()):
        return [line[width:] for line in lines]
    return list(lines)


def _cut(path: str, at: int) -> EditRefused:
    return EditRefused(
        f"the reply is cut off: the block for {path!r} in line {at + 1} of it is not finished; send it again, whole"
    )
