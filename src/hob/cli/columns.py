"""Tables for a terminal: columns as wide as they need to be, wrapped inside where the line is too short."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

_GAP = "  "
_NARROWEST = 8  # characters a column keeps, where words must be broken


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the lines of a table that fits `width`, if it can be made to fit at all."""
    columns = list(zip(heads, *rows, strict=True))
    widths = _widths(columns, width - len(_GAP) * (len(heads) - 1))
    blocks = [_block(cells, widths) for cells in (heads, *rows)]
    between = [""] if any(len(block) > 1 for block in blocks[1:]) else []
    lines = [*blocks[0], _GAP.join("─" * one for one in widths)]
    for number, block in enumerate(blocks[1:]):
        lines += [*between, *block] if number else block
    return lines


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return how wide each column is: the widest give way first, down to their longest words, then all."""
    widths = [max(map(len, cells)) for cells in columns]
    words = [max((len(w) for cell in cells for w in cell.split()), default=1) for cells in columns]
    for least in (words, [min(_NARROWEST, one) for one in words]):
        while sum(widths) > room:
            spare = [n for n, one in enumerate(widths) if one > least[n]]
            if not spare:
                break
            widths[max(spare, key=lambda n: widths[n])] -= 1
    return widths


def _block(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    wrapped = [textwrap.wrap(cell, one) for cell, one in zip(cells, widths, strict=True)]
    return [
        _GAP.join(part.ljust(one) for part, one in zip(parts, widths, strict=True)).rstrip()
        for parts in zip_longest(*wrapped, fillvalue="")
    ]
