"""What may stand behind `hob undo`, `redo`, `diff` and `restore`."""

import argparse
from typing import TypeAlias

from hob.cli.numbers import positive

UNDO_COMMANDS = ("undo", "redo", "diff", "restore")

# argparse has no public name for what `add_subparsers` returns.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage]

_CODES = "exit codes: 0 done, 1 error, 10 some paths were left as they are, 42 nothing to do"


def add_undo(commands: "Commands") -> None:
    """Add the commands that look at or take back what a session changed."""
    undo = commands.add_parser(
        "undo", help="take back what the last call of a session changed in files", epilog=_CODES
    )
    _how_far(undo)
    _session(undo)
    _dry_run(undo)
    redo = commands.add_parser("redo", help="do again what was undone last", epilog=_CODES)
    _session(redo)
    _dry_run(redo)
    diff = commands.add_parser(
        "diff", help="show what a session changed, against what is there now"
    )
    _session(diff)
    diff.add_argument("--stat", action="store_true", help="only the numbers of lines")
    restore = commands.add_parser(
        "restore", help="go back: files and the conversation (in a copy)", epilog=_CODES
    )
    # No positional for it: argparse before Python 3.13 would then not find SESSION behind an option.
    parts = restore.add_mutually_exclusive_group()
    parts.add_argument("--files", action="store_true", help="only the files, as undo does")
    parts.add_argument("--conversation", action="store_true", help="only the conversation")
    _how_far(restore)
    _session(restore)
    _dry_run(restore)


def _how_far(to: argparse.ArgumentParser) -> None:
    far = to.add_mutually_exclusive_group()
    far.add_argument("--steps", type=positive(int), default=1, metavar="N", help="the last N calls")
    far.add_argument("--turn", action="store_true", help="all calls of the last turn")
    far.add_argument(
        "--to", dest="call", default="", metavar="CALL", help="this call and all after it"
    )


def _session(to: argparse.ArgumentParser) -> None:
    to.add_argument("session", nargs="?", default="", help="default: the last one of this folder")
    to.add_argument("-C", "--cd", "--cwd", dest="workspace", metavar="DIR")


def _dry_run(to: argparse.ArgumentParser) -> None:
    to.add_argument("--dry-run", action="store_true", help="only show what would be done")
