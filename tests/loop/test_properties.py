"""What holds whatever happens: crash, cancel, steer, fail, at any moment."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core import events as e
from hob.core.commands import Cancel, Prompt
from hob.core.deltas import Delta
from hob.core.messages import UserMessage
from hob.core.session import fold
from hob.loop.loop import run
from loop.house import Crash, House, script

steps = st.lists(
    st.lists(st.sampled_from(["read", "write", "run", "bad", "unknown"]), min_size=1, max_size=3),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(steps, st.integers(0, 70), st.booleans(), st.integers(0, 2), st.booleans())
def test_crash_after_any_event_and_resume(steps, crash_at, ask, fail, cancel):
    async def main():
        house = House(script(steps), crash_at=crash_at, fail=fail, ask=("write",) if ask else ())
        try:
            log = await house.open()
            await house.send(log, Prompt("p1", "do it"))
            await house.drive(log)
            if cancel:
                await house.send(log, Cancel())
                await house.drive(log)
            await house.send(log, Prompt("p2", "again", "queue"))
            await house.drive(log)
        except* Crash:
            pass
        house.store.crash_at = None
        before = await house.store.recorded()
        log = await house.open()
        assert log.session == fold(await house.store.recorded())
        assert (await house.store.recorded())[: len(before)] == before
        await house.drive(log)
        for name in ("p1", "p2"):
            if not any(
                isinstance(r.event, e.InputQueued) and r.event.input_id == name for r in before
            ):
                await house.send(log, Prompt(name, "x", "queue"))
        await house.drive(log)
        await house.check(log)
        said = [m.text for m in log.session.messages if isinstance(m, UserMessage)]
        assert len([t for t in said if t in ("do it", "again", "x")]) == 2, (
            "an input was lost or doubled"
        )

    asyncio.run(main())


@settings(max_examples=200, deadline=None)
@given(steps, st.lists(st.integers(5, 60), min_size=2, max_size=4, unique=True))
def test_crash_again_and_again(steps, crashes):
    async def main():
        house = House(script(steps))
        log = await house.open()
        await house.send(log, Prompt("p1", "do it"))
        for crash_at in sorted(crashes):
            house.store.crash_at = crash_at
            try:
                await house.drive(await house.open())
            except* Crash:
                pass
        house.store.crash_at = None
        log = await house.open()
        await house.drive(log)
        await house.check(log)

    asyncio.run(main())


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(1, 30))
def test_cancel_at_any_event_ends_the_turn(steps, at):
    async def main():
        house = House(script(steps))
        log = await house.open()
        jobs = []

        def tell(item: e.Recorded | Delta) -> None:
            if isinstance(item, e.Recorded) and item.seq == at:
                jobs.append(asyncio.ensure_future(house.send(log, Cancel())))

        log.tell = tell
        await house.send(log, Prompt("p1", "go"))
        await asyncio.wait_for(run(log, house.performer()), 10)
        await asyncio.gather(*jobs)
        await asyncio.wait_for(run(log, house.performer()), 10)
        await house.check(log)
        recorded = await house.store.recorded()
        place = next((r.seq for r in recorded if isinstance(r.event, e.CancelRequested)), None)
        if place is not None:
            after = [r.event for r in recorded[place:]]
            assert not any(isinstance(x, e.StepStarted | e.ToolStarted) for x in after), (
                "work went on after a cancel"
            )
            assert [x.outcome for x in after if isinstance(x, e.TurnFinished)] == ["cancelled"]

    asyncio.run(main())


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(1, 40), st.sampled_from(["steer", "queue"]))
def test_words_during_a_turn_land_where_they_should(steps, at, delivery):
    async def main():
        house = House(script(steps))
        log = await house.open()
        jobs = []

        def tell(item: e.Recorded | Delta) -> None:
            if isinstance(item, e.Recorded) and item.seq == at:
                jobs.append(
                    asyncio.ensure_future(house.send(log, Prompt("p2", "and this", delivery)))
                )

        log.tell = tell
        await house.send(log, Prompt("p1", "go"))
        await run(log, house.performer())
        await asyncio.gather(*jobs)
        await run(log, house.performer())
        await house.check(log)
        events = [r.event for r in await house.store.recorded()]
        queued = next(
            (
                i
                for i, x in enumerate(events)
                if isinstance(x, e.InputQueued) and x.input_id == "p2"
            ),
            None,
        )
        if queued is None:
            return
        delivered = next(
            i
            for i, x in enumerate(events)
            if isinstance(x, e.InputDelivered) and x.input_id == "p2"
        )
        between = events[queued:delivered]
        if delivery == "queue":
            turns = [x for x in events[:delivered] if isinstance(x, e.TurnStarted | e.TurnFinished)]
            assert isinstance(turns[-1], e.TurnStarted), "delivered outside a turn"
            assert len(turns) != 1 or isinstance(events[delivered - 1], e.TurnStarted)
            assert not turns[1:] or isinstance(turns[-2], e.TurnFinished), (
                "a queued input did not wait for rest"
            )
        else:
            assert sum(isinstance(x, e.StepStarted) for x in between) <= 1, (
                "a steer waited for more than one step"
            )

    asyncio.run(main())
