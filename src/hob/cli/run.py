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
from hob.cli.terminal import harmless
from hob.cli.text import TextView
from hob.core.agent import Agent, Limits
from hob.core.commands import Cancel, Compact, Decide, Prompt
from hob.core.errors import CommandRefused, HobError
from hob.core.events import PermissionAsked, Recorded, StepFinished, TurnFinished
from hob.core.permission import APPROVAL_REQUIRED
from hob.core.session import Session
from hob.sessions.actor import Actor
from hob.sessions.service import Sessions

STDIN_PATIENCE_S = 3.0
INTERRUPTED, TERMINATED = 130, 143
NO_TASK = 'There is no task: say what is to be done, as in `hob run "fix the failing test"`.'
COMPACT = "/compact"
NOBODY = "Nobody is there to approve it. Do not try variants."


@dataclass(frozen=True, slots=True)
class Task:
    """What a person asked for. `resume` is a session's id or name; `latest` takes the last one here.

    `elsewhere` if the workspace was named and is not just the current folder; `kept` if the session
    stays on disk.
    """

    text: str
    workspace: str
    limits: Limits
    output_format: str = "text"
    resume: str = ""
    latest: bool = False
    fork: bool = False
    interactive: bool = False
    elsewhere: bool = False
    kept: bool = True


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
        view.prime(actor.session)
        with interrupts:
            await _begin(actor, task)
            await _Watch(actor, view, task, interrupts.cancelled).until_rest(start)
            await actor.rest()  # what is done after a turn, such as a commit
        view.close(actor.session, monotonic() - begun)
        for note in actor.notes:
            print(harmless(note), file=sys.stderr)
        return exit_code(actor.session)
    except asyncio.CancelledError:
        view.close(actor.session, monotonic() - begun)
        if task.kept:
            told = f"Stopped. Go on with: hob run --resume {actor.session.session_id}"
            print(told, file=sys.stderr)
        return interrupts.exit_code
    finally:
        await actor.aclose()


async def _begin(actor: Actor, task: Task) -> None:
    session = actor.session
    command, _, rest = task.text.strip().partition(" ")
    if command == COMPACT:
        await actor.send(Compact(rest.strip()))
    elif task.text.strip():
        input_id = f"{session.session_id}.{session.seq + 1}"
        await actor.send(Prompt(input_id, task.text, limits=task.limits))
    elif _at_rest(session):
        raise CommandRefused(NO_TASK)
    else:
        actor.wake()


def make_view(output_format: str, environment: Mapping[str, str]) -> View:
    """Return the view for `text`, `json` or `stream-json`."""
    if output_format == "text":
        return TextView(sys.stdout, sys.stderr, environment)
    return JsonView(sys.stdout, stream=output_format == "stream-json")


async def _open(task: Task, sessions: Sessions, agent: Agent) -> Actor:
    if not task.resume and not task.latest:
        if not task.text.strip():
            raise CommandRefused(NO_TASK)
        if task.text.split()[0] == COMPACT:
            raise CommandRefused(
                "A new session has nothing to compact: use --continue or --resume."
            )
        return await sessions.create(task.workspace, agent)
    session_id = (
        await sessions.find(task.resume) if task.resume else await sessions.latest(task.workspace)
    )
    home = (await sessions.load(session_id)).workspace
    if home != task.workspace and task.elsewhere:
        raise CommandRefused(
            f"Session {session_id!r} works in {home!r}, not in {task.workspace!r}: leave -C out."
        )
    if home != task.workspace:
        print(f"Working in {home!r}, where the session began.", file=sys.stderr)
    if task.fork:
        session_id = await sessions.fork(session_id)
    return await sessions.open(session_id)


class _Watch:
    """Shows the feed and asks questions."""

    def __init__(self, actor: Actor, view: View, task: Task, cancelled: asyncio.Event) -> None:
        self._actor, self._view, self._task, self._cancelled = actor, view, task, cancelled
        self._question = Question(sys.stdin, sys.stderr)
        self._question.remember([c.call for c in actor.session.calls])
        limit_s = task.limits.max_wall_s
        self._ends_at = None if limit_s is None else monotonic() + limit_s

    async def until_rest(self, after: int) -> None:
        """Follow from an event on until the session rests."""
        async for item in self._actor.follow(after):
            self._view.show(item)
            if not isinstance(item, Recorded):
                continue
            if isinstance(item.event, StepFinished):
                self._question.remember(item.event.message.calls)
            elif isinstance(item.event, PermissionAsked):
                await self._answer(item.event)
            elif isinstance(item.event, TurnFinished) and _at_rest(self._actor.session):
                return
        await self._actor.rest()  # the feed ended early: this raises what broke the loop

    async def _answer(self, asked: PermissionAsked) -> None:
        if not self._is_open(asked.call_id):
            return
        answer = Decide(asked.call_id, False, NOBODY, APPROVAL_REQUIRED)
        if self._task.interactive:
            allowed, reason = await self._ask(asked)
            answer = Decide(asked.call_id, allowed, reason)
        with suppress(CommandRefused):  # cancelled while the person was thinking
            await self._actor.send(answer)

    async def _ask(self, asked: PermissionAsked) -> tuple[bool, str]:
        """Wait for the person, but not beyond a cancel or the time of the turn."""
        asking = asyncio.ensure_future(self._question.ask(asked))
        stopping = asyncio.ensure_future(self._cancelled.wait())
        left_s = None if self._ends_at is None else max(0.0, self._ends_at - monotonic())
        try:
            await asyncio.wait(
                (asking, stopping), timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
            return asking.result() if asking.done() else (False, "There was no answer in time.")
        finally:
            asking.cancel()
            stopping.cancel()

    def _is_open(self, call_id: str) -> bool:
        session = self._actor.session
        asked = any(c.call.call_id == call_id and c.status == "asked" for c in session.calls)
        return asked and not session.cancelling


def _at_rest(session: Session) -> bool:
    return session.phase == "idle" and not session.queue


class _Interrupts:
    """Ctrl-C once cancels the turn, twice ends the program; SIGTERM and SIGHUP end it.

    The session stays as it is on disk.
    """

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self._cancelling: asyncio.Task[None] | None = None
        self.cancelled = asyncio.Event()
        self.exit_code = INTERRUPTED

    def __enter__(self) -> None:
        self._loop.add_signal_handler(signal.SIGINT, self._interrupt)
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means it
            self._loop.add_signal_handler(signal.SIGHUP, self._terminate)

    def __exit__(self, *_: object) -> None:
        self._loop.remove_signal_handler(signal.SIGINT)
        self._loop.remove_signal_handler(signal.SIGTERM)
        self._loop.remove_signal_handler(signal.SIGHUP)

    def _interrupt(self) -> None:
        if self._cancelling is not None:
            self._leave()
            return
        print("\nStopping the turn. Press Ctrl-C again to leave at once.", file=sys.stderr)
        self.cancelled.set()
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

    A program started by another one often inherits an open pipe that stays silent for ever, and must
    not hang on it: with a task on the command line such a pipe is left alone, with a word, after
    three seconds. A task that ends in `-` waits as long as it takes.
    """
    task, patient = text.removesuffix("-").rstrip(), text == "-" or text.endswith(" -")
    text = task if patient else text
    try:
        mode = fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return text
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        return text
    waits = text and not patient and not stat.S_ISREG(mode)
    if waits and not select([sys.stdin], [], [], STDIN_PATIENCE_S)[0]:
        told = f"Nothing came on standard input for {STDIN_PATIENCE_S:g} s, so it is not read;"
        told += " to wait for it, end the task with: -"
        print(told, file=sys.stderr)
        return text
    added = sys.stdin.buffer.read().decode("utf-8", "replace")
    return f"{text}\n\n{added}".strip() if added.strip() else text
