"""Run a session until it rests or waits for a person."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from hob.core.effects import CallModel, Compact, Effect, Judge, Record, Rest, RunTools, Wait
from hob.core.events import Event
from hob.core.plan import next_effect
from hob.loop.log import Log
from hob.loop.perform import Performer

T = TypeVar("T")


async def run(log: Log, performer: Performer) -> None:
    """Take steps until there is nothing to do or a person has to decide."""
    facts: Sequence[Event] = ()
    while True:
        effect = await log.advance(facts, next_effect)
        match effect:
            case Rest() | Wait():
                return
            case Record():
                facts = ()
            case _:
                facts = await _perform(log, performer, effect)


async def _perform(log: Log, performer: Performer, effect: Effect) -> Sequence[Event]:
    match effect:
        case CallModel():
            deadline_s = effect.request.deadline_s
            return (await _stoppable(log, performer.answer(effect, log.tell), deadline_s),)
        case Compact():
            deadline_s = None if effect.request is None else effect.request.deadline_s
            return (await _stoppable(log, performer.compact(effect, log.tell), deadline_s),)
        case Judge(calls):
            return await _stoppable(log, performer.judge(calls), None)
        case RunTools():
            return await _run_tools(log, performer, effect)
        case _:
            return ()


async def _run_tools(log: Log, performer: Performer, effect: RunTools) -> Sequence[Event]:
    """Run calls side by side; each result is written as it comes, the last one with the next intent."""
    calls = [
        asyncio.ensure_future(_stoppable(log, performer.use(call, log.tell), effect.deadline_s))
        for call in effect.calls
    ]
    running = set(calls)
    try:
        while True:
            finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            facts = [call.result() for call in calls if call in finished]
            if not running:
                return facts
            await log.commit(log.session.session_id, lambda _, facts=facts: facts)
    finally:
        for call in running:
            call.cancel()


async def _stoppable(log: Log, work: Coroutine[Any, Any, T], deadline_s: float | None) -> T:
    """Await work; stop it when the turn is cancelled or its time is up. The work itself says how it ended."""
    task = asyncio.ensure_future(work)
    stop = asyncio.ensure_future(log.cancelled.wait())
    try:
        await asyncio.wait((task, stop), timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        return task.result()
    finally:
        stop.cancel()
        task.cancel()
