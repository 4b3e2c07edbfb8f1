"""Sessions from the command line: list, show, export, import, fork, name, remove."""

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from hob.cli.terminal import Palette, harmless, one_line
from hob.cli.text import TextView
from hob.core import events as e
from hob.core.ports import Entry
from hob.core.session import fold
from hob.sessions.service import Sessions
from hob.stores.jsonl import export_lines, import_lines


async def sessions_command(
    options: Namespace, sessions: Sessions, workspace: str, environment: Mapping[str, str]
) -> int:
    """Carry out `hob sessions …` and return the exit code."""
    match options.action:
        case "list":
            await _list(options, sessions, workspace)
        case "show":
            await _show(options.session, sessions, environment)
        case "export":
            _export(options.output, await sessions.entries(options.session))
        case "import":
            print(await sessions.receive(_import(options.file), workspace))
        case "fork":
            print(await sessions.fork(await sessions.find(options.session), options.at))
        case "name":
            await sessions.rename(await sessions.find(options.session), options.name)
        case _:
            for name in options.session:
                session_id = await sessions.find(name)
                await sessions.delete(session_id)
                print(f"Removed {session_id}.")
    return 0


async def _list(options: Namespace, sessions: Sessions, workspace: str) -> None:
    shown = 0
    async for summary in sessions.summaries("" if options.all else workspace):
        if shown == options.limit:
            print(f"… older ones with -n {options.limit * 2}", file=sys.stderr)
            break
        shown += 1
        if options.json:
            print(msgspec.json.encode(summary).decode())
            continue
        where = f"  {harmless(summary.workspace)}" if options.all else ""
        print(
            f"{summary.session_id}  {_when(summary.updated_at)}  {summary.outcome:<11} {summary.steps:>4} steps"
            f"  {one_line(summary.title, 60)}{where}"
        )
    if not shown and not options.json:
        print(
            "No sessions here yet: start one with `hob run`, or see all folders with --all.",
            file=sys.stderr,
        )


async def _show(name: str, sessions: Sessions, environment: Mapping[str, str]) -> None:
    recorded = await sessions.recorded(name)
    view, colour = (
        TextView(sys.stdout, sys.stdout, environment),
        Palette.for_stream(sys.stdout, environment),
    )
    waiting: dict[str, str] = {}
    for item in recorded:
        match item.event:
            case e.InputQueued(input_id, text):
                waiting[input_id] = text
            case e.InputDelivered(input_id):
                text = harmless(waiting.pop(input_id, ""))
                print(f"\n{colour.bold}{_when(item.at)} > {text}{colour.reset}")
            case _:
                view.show(item)
    session = fold(recorded)
    view.close(session, (session.at - session.turn_started_at) / 1000)


def _export(output: str | None, entries: Sequence[Entry]) -> None:
    lines = export_lines(entries)
    if output is None:
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
    else:
        with Path(output).open("wb") as file:
            file.writelines(lines)


def _import(path: str) -> list[Entry]:
    with Path(path).open("rb") as file:
        return import_lines(file)


def _when(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return "????-??-?? ??:??"
