"""The figures as a table in plain text that is also Markdown."""

from collections.abc import Sequence

from figures import Figure

_HEADS = (
    "figure", "best of today's agents", "floor", "mini-swe-agent", "Hob", "Hob / floor", "target",
    "met?",
)  # fmt: skip


def rendered(rows: Sequence[Figure], notes: Sequence[str]) -> str:
    """Return the table, a line that counts, and the notes."""
    cells = [list(_HEADS), *map(_cells, rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(_HEADS))]
    lines = [_line(row, widths) for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    judged = [row for row in rows if row.met is not None]
    missed = [row.name.strip() for row in judged if not row.met]
    told = f"{len(judged) - len(missed)} of {len(judged)} targets met."
    if missed:
        told += f" Missed: {'; '.join(missed)}."
    return "\n".join([*lines, "", told, *notes])


def _cells(row: Figure) -> list[str]:
    agents = [row.texts.get(agent, "") for agent in ("floor", "mini", "hob")]
    return [row.name, row.best, *agents, row.ratio, row.target, row.verdict]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
