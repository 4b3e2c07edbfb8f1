"""`hob models bench`: how well models call tools, measured, as a table."""

import re
import shutil
import sys
import textwrap
from argparse import Namespace
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from hob.cli.columns import table
from hob.cli.terminal import harmless, one_line
from hob.core.errors import ModelError
from hob.models.address import server_name
from hob.models.bench.measure import Plan, adapter, measure
from hob.models.bench.row import Outcome, Row
from hob.models.bench.tasks import TASKS
from hob.models.discovery import Found, Wishes, discover

WindowOf = Callable[[Found], int | None]

ERROR, AUTH, UNREACHABLE = 1, 41, 69
_LINE = "\x1b[2K\r"
_ELSEWHERE = re.compile(r"(.+?)@(https?://.*)")
_HEADS = ("model", "works", "parallel", "reliability", "window", "format", "speed")
_LEGEND = (
    "Works: yes, if at least half of the tasks that need calls are right. Reliability: tasks that are right; by schema,"
    " those whose calls have the right form. Speed: wait for the first token, tokens a second."
)


async def bench_command(options: Namespace, wishes: Wishes, window_of: WindowOf) -> int:
    """Measure each model, print the table and return the exit code.

    `window_of` tells the window in tokens that sessions ask a server for.
    """
    plan = Plan(TASKS[: options.tasks], options.repeat, options.timeout)
    rows: list[Row] = []
    for named in options.models:
        told = _progress(named, options.json)
        rows.append(await _measured(_named(named, wishes), plan, window_of, told))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(_document(rows)), indent=2).decode())
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        print("\n".join(_as_text(rows, width)))
    kinds = {row.error_kind for row in rows if row.error}
    if "unreachable" in kinds:
        return UNREACHABLE
    return (AUTH if kinds == {"auth"} else ERROR) if kinds else 0


def _named(text: str, wishes: Wishes) -> Wishes:
    elsewhere = _ELSEWHERE.fullmatch(text)
    model, url = (elsewhere[1], elsewhere[2]) if elsewhere else (text, wishes.base_url)
    return replace(wishes, model=model, base_url=url)


async def _measured(
    wishes: Wishes, plan: Plan, window_of: WindowOf, told: Callable[[str], None]
) -> Row:
    model = wishes.model
    try:
        found = await discover(wishes)
    except ModelError as error:
        return Row(model, wishes.base_url, error=str(error), error_kind=error.kind)
    if found.kind == "offline":
        text = f"{model!r} is Hob's own repair by search, which calls no model; name a model."
        return Row(model, error=text, error_kind="refused")
    row = await measure(found, plan, told, lambda one: adapter(one, window_of(one)))
    told("")
    return row


def _progress(named: str, quiet: bool) -> Callable[[str], None]:
    """Return what shows a person how far it is; an empty text wipes it."""
    show = not quiet and sys.stderr.isatty()

    def told(what: str) -> None:
        if show:
            shown = one_line(f"{named}, {what}", 76) if what else ""
            print(f"{_LINE}  {shown}" if shown else _LINE, end="", file=sys.stderr, flush=True)

    return told


def _as_text(rows: Sequence[Row], width: int) -> list[str]:
    several = len({row.base_url for row in rows}) > 1
    cells = [_cells(row, several) for row in rows]
    lines = table(_HEADS, cells, width)
    if any(not row.error for row in rows):
        lines += ["", *textwrap.wrap(_LEGEND, width)]
    return lines + [line for row in rows for line in _wrong(row, width)]


def _cells(row: Row, several: bool) -> tuple[str, ...]:
    where = f" at {server_name(row.base_url)}" if several and row.base_url else ""
    name = harmless(row.model) + where
    if row.error:
        return (name, "not measured", *[""] * 5)
    total = len(row.outcomes)
    right = f"{row.by_value} of {total}"
    if row.by_schema != row.by_value:
        right += f" ({row.by_schema} by schema)"
    if row.text_outcomes:
        in_text = sum(one.by_value for one in row.text_outcomes)
        right += f"; by text {in_text} of {len(row.text_outcomes)}"
    window = f"{row.window_tokens:,}" if row.window_tokens else "?"
    return (name, row.works, row.parallel, right, window, row.form, _speed(row))


def _speed(row: Row) -> str:
    first = "?" if row.first_token_s is None else f"{row.first_token_s:.2f} s"
    rate = "?" if row.tokens_per_s is None else f"{row.tokens_per_s:,.0f}/s"
    return f"{first}, {rate}"


def _wrong(row: Row, width: int) -> list[str]:
    """Return in words what went wrong with a model; tasks that failed alike share a line."""
    if row.error:
        return ["", harmless(row.model), *_entry(row.error, width)]
    told = _alike(row.outcomes, "") + _alike(row.text_outcomes, "by text, ")
    if not told:
        return []
    return ["", harmless(row.model), *(line for text in told for line in _entry(text, width))]


def _alike(outcomes: Sequence[Outcome], how: str) -> list[str]:
    tasks: dict[str, list[str]] = {}
    for one in outcomes:
        if one.why:
            tasks.setdefault(one.why, []).append(one.task)
    return [f"{how}{', '.join(dict.fromkeys(names))}: {why}" for why, names in tasks.items()]


def _entry(text: str, width: int) -> list[str]:
    return textwrap.wrap(harmless(text), width, initial_indent="  ✗ ", subsequent_indent="    ")


def _document(rows: Sequence[Row]) -> dict[str, object]:
    return {"models": [_row(row) for row in rows]}


def _row(row: Row) -> dict[str, object]:
    measured = (
        {}
        if row.error
        else {
            "works": row.works,
            "parallel": row.parallel,
            "format": row.form,
            "tasks": len(row.outcomes),
            "right_by_schema": row.by_schema,
            "right_by_value": row.by_value,
        }
    )
    return {**measured, **msgspec.to_builtins(row)}
