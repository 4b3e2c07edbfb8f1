"""One task from the command line: send a prompt, show what happens, answer questions, end with a code."""

import asyncio
import signal
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import fstat
from select import select
from time import monotonic

from hob.cli.output import JsonView, View, exit_code
from hob.cli.question import Question
from hob.cli.text import TextView
from hob.core.agent import Agent, Limits
from hob.core.commands import Cancel, Decide, Prompt
from hob.core.errors import CommandRefused, HobError
from hob.core.events import PermissionAsked, Recorded, StepFinished, TurnFinished
from hob.core.session import Session
from hob.sessions.actor import Actor
from hob.sessions.service import Sessions

STDIN_PATIENCE_S = 1.0
INPUT_ERROR = 42
INTERRUPTED, TERMINATED = 130, 143


@dataclass(frozen=True, slots=True)
class Task:
    """What a person asked for. `resume` is a session's id or name; `latest` takes the last one here."""

    text: str
    workspace: str
    limits: Limits
    output_format: str = "text"
    resume: str = ""
    latest: bool = False
    fork: bool = False
    interactive: bool = False


async def run_task(
    task: Task, sessions: Sessions, agent: Agent, environment: Mapping[str, str]
) -> int:
    """Do a task and return the exit code. Raises `HobError` for what cannot be begun."""
    view = make_view(task.output_format, environment)
    actor = await _open(task, sessions, agent)
    interrupts = _Interrupts(actor)
    begun = monotonic()
    try:
        # A new session is shown from its first event, an old one from here on.
        start = actor.session.seq if task.resume or task.latest else 0
        if task.text.strip():
            input_id = f"{actor.session.session_id}.{actor.session.seq + 1}"
            await actor.send(Prompt(input_id, task.text, limits=task.limits))
        elif actor.session.phase == "idle" and not actor.session.queue:
            raise CommandRefused(
                'There is no task: say what is to be done, as in `hob run "fix the failing test"`.'
            )
        else:
            actor.wake()
        with interrupts:
            await _watch(actor, view, start, task.interactive)
        view.close(actor.session, monotonic() - begun)
        return exit_code(actor.session)
    except asyncio.CancelledError:
        view.close(actor.session, monotonic() - begun)
        print(f"Stopped. Go on with: hob run --resume {actor.session.session_id}", file=sys.stderr)
        return interrupts.exit_code
    finally:
        await actor.aclose()


def make_view(output_format: str, environment: Mapping[str, str]) -> View:
    """Return the view for `text`, `json` or `stream-json`."""
    if output_format == "text":
        return TextView(sys.stdout, sys.stderr, environment)
    return JsonView(sys.stdout, stream=output_format == "stream-json")


async def _open(task: Task, sessions: Sessions, agent: Agent) -> Actor:
    if not task.resume and not task.latest:
        return await sessions.create(task.workspace, agent)
    session_id = (
        await sessions.find(task.resume) if task.resume else await sessions.latest(task.workspace)
    )
    if task.fork:
        session_id = await sessions.fork(session_id)
    return await sessions.open(session_id)


async def _watch(actor: Actor, view: View, after: int, interactive: bool) -> None:
    """Show the feed and answer questions until the session rests."""
    question = Question(sys.stdin, sys.stderr)
    await _announce_open(actor, question, after, interactive)
    async for item in actor.follow(after):
        view.show(item)
        if not isinstance(item, Recorded):
            continue
        if isinstance(item.event, StepFinished):
            question.remember(item.event.message.calls)
        elif isinstance(item.event, PermissionAsked):
            await _answer(actor, question, item.event, interactive)
        elif isinstance(item.event, TurnFinished) and _at_rest(actor.session):
            return
    await actor.rest()  # the feed ended early: this raises what broke the loop


def _at_rest(session: Session) -> bool:
    return session.phase == "idle" and not session.queue


async def _announce_open(actor: Actor, question: Question, after: int, interactive: bool) -> None:
    """Ask again what was open when the session was left."""
    waiting = [c for c in actor.session.calls if c.status == "asked"]
    question.remember([c.call for c in waiting])
    for c in waiting:
        rule, reason = (c.decision.rule, c.decision.reason) if c.decision else ("", "")
        await _answer(actor, question, PermissionAsked(c.call.call_id, rule, reason), interactive)


async def _answer(
    actor: Actor, question: Question, asked: PermissionAsked, interactive: bool
) -> None:
    allowed, reason = False, "Nobody is there to approve it. Do not try variants."
    if interactive:
        allowed, reason = await question.ask(asked)
    with suppress(CommandRefused):  # the turn may have been cancelled while the person was thinking
        await actor.send(Decide(asked.call_id, allowed, reason))


class _Interrupts:
    """Ctrl-C once cancels the turn, twice ends the program; SIGTERM ends it. The session stays as it is on disk."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self._cancelling: asyncio.Task[None] | None = None
        self.exit_code = INTERRUPTED

    def __enter__(self) -> None:
        self._loop.add_signal_handler(signal.SIGINT, self._interrupt)
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)

    def __exit__(self, *_: object) -> None:
        self._loop.remove_signal_handler(signal.SIGINT)
        self._loop.remove_signal_handler(signal.SIGTERM)

    def _interrupt(self) -> None:
        if self._cancelling is not None:
            self._leave()
            return
        print("\nStopping the turn. Press Ctrl-C again to leave at once.", file=sys.stderr)
        self._cancelling = self._loop.create_task(self._cancel())

    async def _cancel(self) -> None:
        with suppress(HobError):
            await self._actor.send(Cancel())

    def _terminate(self) -> None:
        self.exit_code = TERMINATED
        self._leave()

    def _leave(self) -> None:
        if self._main is not None:
            self._main.cancel()


def with_standard_input(text: str) -> str:
    """Return the task with what stands on standard input added to it, if it is a pipe or a file.

    With a task on the command line an open pipe that stays silent is left alone after a second:
    a program started by another one often inherits such a pipe, and must not hang on it.
    """
    try:
        mode = fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return text
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        return text
    if text and not stat.S_ISREG(mode) and not select([sys.stdin], [], [], STDIN_PATIENCE_S)[0]:
        return text
    added = sys.stdin.buffer.read().decode("utf-8", "replace")
    return f"{text}\n\n{added}".strip() if added.strip() else text
