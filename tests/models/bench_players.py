"""Models that play the tasks of `hob models bench` over HTTP: right, wrong, in other words."""

import json
from collections.abc import Callable
from typing import Any

from hob.models.bench.tasks import TASKS, Task, Wanted
from hob.models.scripted import ScriptedCall, ScriptedServer, Turn, serve

Body = dict[str, Any]
Player = Callable[[Body], Turn]
BY_TEXT = {task.text: task for task in TASKS}
REFUSED = Turn(fault="bad_request")


def playing(player: Player, model: str = "scripted") -> ScriptedServer:
    """Return a server whose answers a player gives, who sees the request."""

    def turn(_: int) -> Turn:
        return player(json.loads(server.requests[-1].body))

    server = serve(turn, model=model)
    return server


def task_of(body: Body) -> Task | None:
    """Return the task that a request is part of, None for the first answer of all."""
    users = [message for message in body["messages"] if message["role"] == "user"]
    return BY_TEXT.get(users[0]["content"])


def steps_done(body: Body) -> int:
    return sum(message["role"] == "assistant" for message in body["messages"])


def results(body: Body) -> int:
    return sum(message["role"] == "tool" for message in body["messages"])


def wanted_now(body: Body) -> tuple[tuple[Wanted, ...], str]:
    """Return the calls that are right now, and the words where none is."""
    task = task_of(body)
    if task is None:
        return (), "One, two, three."
    step = task.steps[min(steps_done(body), len(task.steps) - 1)]
    return step.calls, f"It is {step.words[0]}." if step.words else ""


def perfect(body: Body) -> Turn:
    calls, words = wanted_now(body)
    return Turn(words, calls=tuple(ScriptedCall(one.name, one.arguments) for one in calls))


def one_at_a_time(body: Body) -> Turn:
    task = task_of(body)
    if task is None:
        return Turn("One.")
    calls = [one for step in task.steps for one in step.calls]
    if (done := results(body)) < len(calls):
        return Turn(calls=(ScriptedCall(calls[done].name, calls[done].arguments),))
    return Turn(f"It is {task.steps[-1].words[0]}.")


def hermes(body: Body) -> Turn:
    """Write calls right, but in the text."""
    calls, words = wanted_now(body)
    frames = [
        f"<tool_call>\n{json.dumps({'name': c.name, 'arguments': c.arguments})}\n</tool_call>"
        for c in calls
    ]
    return Turn("\n".join(frames) or words)


def talker(body: Body) -> Turn:
    """Never call."""
    return Turn("I would like to help you with that.")


def by_fences(body: Body) -> Turn:
    """Know no function calling, but write what the text protocol asks for."""
    if "tools" in body or task_of(body) is None:
        return Turn("I cannot call functions.")
    fences = [
        f"```tool\n{json.dumps({'name': c.name, 'arguments': c.arguments})}\n```"
        for c in wanted_now(body)[0]
    ]
    return Turn("\n".join(fences))


def with_mistakes(mistakes: dict[str, Turn]) -> Player:
    """Return a player that is right but in the tasks of these names."""

    def player(body: Body) -> Turn:
        task = task_of(body)
        wrong = mistakes.get(task.name) if task else None
        return wrong or perfect(body)

    return player
