"""Argument vector to front end. The only file with imports inside functions, for a quick start."""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING

from hob.cli.arguments import UNDO_COMMANDS, conflict, parser

if TYPE_CHECKING:
    from hob.config import Config
    from hob.models.discovery import Found, Wishes

ERROR, USAGE, INPUT, CONFIG = 1, 2, 42, 52
DEFAULT_STEPS = 40
OFFLINE_STEPS = 400  # its steps cost no tokens, and the policy has bounds of its own


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line and return the exit code."""
    arguments = parser()
    options = arguments.parse_args(argv)
    if options.command is None and options.prompt is None:
        arguments.print_help()
        return USAGE
    if problem := conflict(options):
        arguments.error(problem)
    try:
        return _carry_out(options)
    except BrokenPipeError:
        # The reader of our output has gone. For a list (`hob sessions list | head`) nothing is wrong.
        if options.command in ("sessions", "tools", "diff", "context", "models"):
            return 0
        print("hob: nobody reads the output any more, so the run was stopped.", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        code = _explain(error)
        if code is None:
            raise
        if getattr(options, "output_format", None) in ("json", "stream-json"):
            from hob.cli.output import failure_line

            print(failure_line(str(error)))
        return code


def _carry_out(options: Namespace) -> int:
    if options.command == "tools":
        from hob.cli.tools import tools_command
        from hob.config import load
        from hob.wiring import agent

        config = load(_settings(options))
        given = agent(config.with_tools, scratchpad=config.scratchpad).tools
        return tools_command(given, as_json=options.json)

    import asyncio

    commands = {
        "sessions": _sessions,
        "demo": _demo,
        "context": _context,
        "doctor": _doctor,
        "models": _models,
        **dict.fromkeys(UNDO_COMMANDS, _undo),
    }
    return asyncio.run(commands.get(options.command, _run)(options))


async def _sessions(options: Namespace) -> int:
    from hob.cli.sessions import sessions_command
    from hob.cli.workspace import real_workspace
    from hob.config import load
    from hob.wiring import open_archive

    config = load({})
    workspace = real_workspace(getattr(options, "workspace", None))
    async with open_archive(config) as sessions:
        return await sessions_command(options, sessions, workspace, config.environment)


async def _doctor(options: Namespace) -> int:
    from hob.cli.doctor import doctor_command
    from hob.config import load
    from hob.models.discovery import discover
    from hob.wiring import SystemClock

    config = load(_settings(options))
    found = await discover(_wishes(config))
    folder = config.data_dir / "profiles"
    return await doctor_command(options, found, folder, SystemClock().now_ms())


async def _models(options: Namespace) -> int:
    from hob.config import load
    from hob.core.tokens import estimate_head
    from hob.wiring import agent

    config = load(_settings(options))
    who = agent(config.with_tools, scratchpad=config.scratchpad)
    head = estimate_head(who.instructions, who.tools)
    if options.action == "bench":
        from hob.cli.models_bench import bench_command
        from hob.models.make import window_tokens
        from hob.models.profile import Profile

        def window(found: "Found") -> int | None:
            return window_tokens(found, config, Profile(), head)

        return await bench_command(options, _wishes(config), window)
    from hob.cli.models import models_command

    folder = config.data_dir / "profiles"
    return await models_command(_wishes(config), folder, head, as_json=options.json)


async def _undo(options: Namespace) -> int:
    from hob.cli.undo import undo_command
    from hob.cli.workspace import real_workspace
    from hob.config import load
    from hob.wiring import open_undo

    config = load({})
    workspace = real_workspace(options.workspace)
    async with open_undo(config) as (sessions, undo):
        return await undo_command(options, sessions, undo, workspace, config.environment)


async def _context(options: Namespace) -> int:
    from hob.cli.context import context_command
    from hob.cli.workspace import real_workspace
    from hob.config import load
    from hob.wiring import open_archive

    workspace = real_workspace(options.workspace)
    async with open_archive(load({})) as sessions:
        return await context_command(options.session, sessions, workspace, as_json=options.json)


async def _demo(options: Namespace) -> int:
    from hob.cli.demo import TASK, make_repository, show_result

    folder = make_repository(options.keep)
    options.prompt, options.workspace, options.yolo = TASK, folder, True
    options.continue_last = options.fork_session = options.no_session = False
    for name in ("output_format", "permission_mode", "max_steps", "max_wall_s", "resume"):
        setattr(options, name, None)
    return show_result(folder, await _run(options))


async def _run(options: Namespace) -> int:
    from hob.cli.run import Task, run_task, with_standard_input
    from hob.cli.workspace import far_workspace, real_workspace
    from hob.config import load
    from hob.core.tokens import estimate_head
    from hob.models.discovery import discover
    from hob.models.make import prepare
    from hob.wiring import agent, open_house

    output_format = options.output_format or "text"
    config = load(_settings(options))
    where = far_workspace if config.sandbox == "remote" else real_workspace
    workspace = where(options.workspace)
    words = [options.prompt or "", *getattr(options, "task", [])]
    text = " ".join(word for word in words if word)
    if options.command != "demo":
        text = with_standard_input(text)
    interactive = output_format == "text" and _somebody_is_there()
    found = await discover(_wishes(config))
    who = agent(config.with_tools, scratchpad=config.scratchpad)
    prepared = prepare(found, config, estimate_head(who.instructions, who.tools))
    if output_format == "text":
        print("\n".join([found.why, *prepared.words]), file=sys.stderr)
    async with open_house(
        prepared.config,
        prepared.make,
        interactive=interactive,
        keep=not options.no_session,
        default_steps=OFFLINE_STEPS if found.kind == "offline" else DEFAULT_STEPS,
        window_tokens=prepared.window_tokens,
    ) as house:
        task = Task(
            text=text,
            workspace=workspace,
            limits=house.limits,
            output_format=output_format,
            resume=options.resume or "",
            latest=options.continue_last,
            fork=options.fork_session,
            interactive=interactive,
            elsewhere=options.workspace is not None,
            kept=not options.no_session,
        )
        return await run_task(task, house.sessions, house.agent, config.environment)


def _somebody_is_there() -> bool:
    """Tell whether a person can be asked: a terminal, and we are not a background job on it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # a terminal without job control stops nobody who reads from it
        return True


def _wishes(config: "Config") -> "Wishes":
    from hob.models.discovery import Wishes

    flag = config.origins.get("base_url") == "--base-url"
    return Wishes(
        base_url=config.base_url if flag else "",
        hob_base_url=config.environment.get("HOB_BASE_URL", ""),
        model=config.model,
        hob_api_key=config.api_key,
        openai_base_url=config.openai_base_url,
        openai_api_key=config.openai_api_key,
        anthropic_base_url=config.anthropic_base_url,
        anthropic_api_key=config.anthropic_api_key,
        protocol=config.protocol,
        ollama_host=config.environment.get("OLLAMA_HOST")
        or config.environment.get("OLLAMA_API_BASE", ""),
    )


def _settings(options: Namespace) -> dict[str, object]:
    names = (
        "base_url",
        "model",
        "protocol",
        "permission_mode",
        "max_steps",
        "max_wall_s",
        "max_output_tokens",
        "one_action",
        "acknowledge_failures",
        "stateless_shell",
        "checkpoints",
        "auto_commit",
        "edit_format",
        "editor_model",
        "sandbox",
        "with_tools",
        "context_tokens",
    )
    flags: dict[str, object] = {name: getattr(options, name, None) for name in names}
    if getattr(options, "yolo", False):
        flags["permission_mode"] = "full"
    return flags


def _explain(error: Exception) -> int | None:
    """Print one clear sentence for what can be expected to go wrong; return None for a bug."""
    from hob.config import ConfigError
    from hob.core.errors import CommandRefused, HobError, ModelError, SessionNotFound

    if not isinstance(error, HobError | ConfigError | OSError):
        return None
    print(f"hob: {error}", file=sys.stderr)
    if isinstance(error, ConfigError):
        return CONFIG
    if isinstance(error, ModelError):
        return {"auth": 41, "unreachable": 69}.get(error.kind, ERROR)
    return INPUT if isinstance(error, CommandRefused | SessionNotFound) else ERROR


def run() -> None:
    """Carry out the command line of this process and leave, at once: everything is stored by then.

    The interpreter's own clean-up would cost a fifth of a short run (25 ms of CPU) and changes nothing.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal that cannot show a sign must not end a run
    code = main()
    with suppress(OSError, ValueError):  # a reader that has gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
