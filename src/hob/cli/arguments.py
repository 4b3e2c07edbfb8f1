"""What may stand on the command line. Nothing heavy is imported here: `hob --help` has to be instant."""

import argparse
from typing import TypeAlias

from hob import __version__
from hob.cli.doctor_arguments import add_doctor
from hob.cli.models_bench_arguments import add_bench
from hob.cli.numbers import positive
from hob.cli.undo_arguments import UNDO_COMMANDS, add_undo

DESCRIPTION = "A coding agent for your own machine and your own models."
EPILOG = (
    "exit codes: 0 done, 1 error, 2 usage, 10 goal not reached, 11 permission denied, 12 stuck, 41 auth, 42 input,"
    " 52 config, 53 step limit, 55 time or budget, 69 model server not reachable, 130 interrupted"
)


__all__ = ["UNDO_COMMANDS", "conflict", "parser"]

# argparse has no public name for what `add_subparsers` returns.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage]


def parser() -> argparse.ArgumentParser:
    """Return the parser for `hob`."""
    top = argparse.ArgumentParser("hob", description=DESCRIPTION, epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"hob {__version__}")
    top.add_argument(
        "-p", "--print", "--prompt", dest="prompt", metavar="TASK", help="same as: hob run TASK"
    )
    _run_options(top)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_run(commands)
    _add_sessions(commands)
    add_undo(commands)
    tools = commands.add_parser("tools", help="show the tools that the model is given")
    tools.add_argument("action", nargs="?", choices=["list"], default="list")
    _tool_options(tools, argparse.SUPPRESS)
    tools.add_argument("--json", action="store_true", help="the schemas as JSON")
    models = commands.add_parser(
        "models", help="the model servers that are there, and their real windows"
    )
    models.add_argument("--base-url", metavar="URL", help="this server too")
    models.add_argument("--json", action="store_true")
    add_bench(models.add_subparsers(dest="action", metavar="ACTION", required=False))
    context = commands.add_parser(
        "context", help="what fills the window of a session, and what was computed again"
    )
    context.add_argument("session", nargs="?", default="", help="the last one here by default")
    context.add_argument("-C", "--cd", "--cwd", dest="workspace", metavar="DIR")
    context.add_argument("--json", action="store_true")
    demo = commands.add_parser(
        "demo", help="watch Hob repair a small repository made for it in a temporary folder"
    )
    _model_options(demo, top_level=False)
    demo.add_argument(
        "--keep",
        metavar="DIR",
        help="make the repository here instead (a folder that is empty or new)",
    )
    doctor = commands.add_parser(
        "doctor", help="examine the model server: what it gets wrong and how to mend it"
    )
    _model_options(doctor, top_level=False)
    add_doctor(doctor)
    return top


def conflict(options: argparse.Namespace) -> str:
    """Return in a sentence what in a command line cannot go together, or an empty string."""
    mode = getattr(options, "permission_mode", None)
    if getattr(options, "yolo", False) and mode not in (None, "full", "yolo"):
        return f"--yolo means full and --permission-mode says {mode!r}: give one of them"
    if getattr(options, "resume", None) == "":
        return "--resume needs the id of a session; see `hob sessions list`"
    resumes = getattr(options, "resume", None) or getattr(options, "continue_last", False)
    if getattr(options, "fork_session", False) and not resumes:
        return "--fork-session goes with --continue or --resume"
    return ""


def _add_run(commands: "Commands") -> None:
    about = "Do one task in a workspace and end."
    for run in (
        commands.add_parser("run", help="do one task and end", description=about, epilog=EPILOG),
        commands.add_parser("exec", description=about, epilog=EPILOG),
    ):
        run.add_argument(
            "-p",
            "--print",
            "--prompt",
            dest="prompt",
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
        run.add_argument(
            "task", nargs="*", help="what is to be done; text on standard input is added to it"
        )
        _run_options(run, top_level=False)


def _model_options(to: argparse.ArgumentParser, *, top_level: bool) -> None:
    unset = None if top_level else argparse.SUPPRESS
    to.add_argument(
        "-m",
        "--model",
        default=unset,
        help="model name; `offline` for the built-in repair by search",
    )
    to.add_argument(
        "--base-url",
        default=unset,
        metavar="URL",
        help="OpenAI-compatible server, as http://127.0.0.1:8080/v1",
    )
    to.add_argument(
        "--protocol",
        default=unset,
        metavar="NAME",
        help="chat (default), responses (OpenAI Responses) or messages (Anthropic)",
    )
    to.add_argument(
        "--edit-format",
        default=unset,
        metavar="FORMAT",
        help="tools (default); for models without tool calling diff, diff-fenced, whole or udiff; architect",
    )
    to.add_argument(
        "--editor-model",
        default=unset,
        metavar="NAME",
        help="with --edit-format architect: the model that writes the edits",
    )


def _run_options(to: argparse.ArgumentParser, *, top_level: bool = True) -> None:
    # A flag that was given before the command must not be undone by the command's own default.
    unset = None if top_level else argparse.SUPPRESS
    off = False if top_level else argparse.SUPPRESS
    _model_options(to, top_level=top_level)
    to.add_argument(
        "-C",
        "--cd",
        "--cwd",
        dest="workspace",
        default=unset,
        metavar="DIR",
        help="work in this folder",
    )
    to.add_argument("--output-format", choices=["text", "json", "stream-json"], default=unset)
    to.add_argument(
        "--permission-mode",
        "--approval-mode",
        default=unset,
        metavar="MODE",
        help="read-only, workspace-write (default), full or locked",
    )
    to.add_argument(
        "--yolo", action="store_true", default=off, help="same as --permission-mode full"
    )
    to.add_argument(
        "--sandbox",
        default=unset,
        metavar="KIND",
        help="where commands run: local (default), docker (image in HOB_DOCKER_IMAGE) or remote (SWE-ReX"
        " server in HOB_REMOTE_URL, key in HOB_REMOTE_KEY; -C then names a folder on that machine)",
    )
    _tool_options(to, unset)
    _limit_options(to, unset)
    _session_options(to, unset, off)


def _tool_options(to: argparse.ArgumentParser, unset: str | None) -> None:
    to.add_argument(
        "--with-tools",
        default=unset,
        metavar="NAMES",
        help="optional tools too, by comma: refactor",
    )


def _limit_options(to: argparse.ArgumentParser, unset: str | None) -> None:
    to.add_argument(
        "--max-steps",
        "--max-turns",
        type=positive(int),
        default=unset,
        metavar="N",
        help="model calls a turn (40)",
    )
    to.add_argument(
        "--max-wall-time", dest="max_wall_s", type=positive(float), default=unset, metavar="SECONDS"
    )
    to.add_argument("--max-output-tokens", type=positive(int), default=unset, metavar="N")
    to.add_argument(
        "--context-tokens",
        type=positive(int),
        default=unset,
        metavar="N",
        help="the model's window, where the server's own figure is not to be used",
    )
    to.add_argument(
        "--one-action", action="store_true", default=unset, help="accept one tool call a step"
    )
    to.add_argument(
        "--stateless-shell",
        action="store_true",
        default=unset,
        help="bash forgets directory and variables after each command",
    )
    to.add_argument(
        "--acknowledge-failures",
        action="store_true",
        default=unset,
        help="after a failed command the model must name the cause before its next call",
    )


def _session_options(to: argparse.ArgumentParser, unset: str | None, off: bool | str) -> None:
    to.add_argument(
        "-c",
        "--continue",
        dest="continue_last",
        action="store_true",
        default=off,
        help="go on with the last session here",
    )
    to.add_argument("-r", "--resume", default=unset, metavar="ID", help="go on with this session")
    to.add_argument(
        "--fork-session",
        action="store_true",
        default=off,
        help="with --continue or --resume: in a copy",
    )
    to.add_argument(
        "--checkpoints",
        choices=["on", "files", "off"],
        default=unset,
        help="what `hob undo` can take back: on (default), files (not what commands change), off",
    )
    to.add_argument(
        "--auto-commit",
        action="store_true",
        default=unset,
        help="commit what a turn changed, and before that what was dirty already",
    )
    to.add_argument("--no-session", action="store_true", default=off, help="keep nothing on disk")


def _add_sessions(commands: "Commands") -> None:
    sessions = commands.add_parser(
        "sessions", help="list, show, export, fork, name and remove sessions"
    )
    actions = sessions.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the last sessions")
    listing.add_argument("--all", action="store_true", help="of all folders, not only this one")
    listing.add_argument("-n", "--limit", type=positive(int), default=20)
    listing.add_argument("-C", "--cd", "--cwd", dest="workspace", metavar="DIR")
    listing.add_argument("--json", action="store_true")
    show = actions.add_parser("show", help="what happened in a session")
    show.add_argument("session")
    export = actions.add_parser("export", help="a session as JSON lines")
    export.add_argument("session")
    export.add_argument(
        "-o", "--output", metavar="FILE", help="write here instead of standard output"
    )
    importing = actions.add_parser("import", help="store an exported session")
    importing.add_argument("file")
    importing.add_argument("-C", "--cd", "--cwd", dest="workspace", metavar="DIR")
    fork = actions.add_parser("fork", help="copy a session, whole or up to an event")
    fork.add_argument("session")
    fork.add_argument("--at", type=positive(int), metavar="SEQ")
    rename = actions.add_parser("name", help="give a session a name")
    rename.add_argument("session")
    rename.add_argument("name")
    remove = actions.add_parser("rm", help="remove sessions")
    remove.add_argument("session", nargs="+")
