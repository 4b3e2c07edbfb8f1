"""Sessions as a service: create, follow, resume, fork, list, name, delete."""

import asyncio

import pytest

from hob.core import events as e
from hob.core.commands import Cancel, Prompt
from hob.core.deltas import TextDelta
from hob.core.errors import CommandRefused, HobError, SessionBusy, SessionNotFound
from hob.core.messages import UserMessage
from hob.core.ports import Entry
from hob.sessions import feed as feed_module
from hob.sessions.feed import Feed
from hob.sessions.service import Sessions
from loop.house import AGENT, House, script


class Counter:
    def __init__(self) -> None:
        self.n = 0

    def new_id(self, prefix: str) -> str:
        self.n += 1
        return f"{prefix}-{self.n}"


def service(house: House) -> Sessions:
    return Sessions(house.store, house.clock, Counter(), lambda session: house.performer())


async def collect(actor, after=0):
    items = []
    async for item in actor.follow(after):
        items.append(item)
        if isinstance(item, e.Recorded) and isinstance(item.event, e.TurnFinished):
            return items
    return items


async def worked(sessions, text="go", workspace="/w"):
    actor = await sessions.create(workspace, AGENT)
    following = asyncio.ensure_future(collect(actor))
    await actor.send(Prompt("p1", text))
    items = await following
    await actor.rest()
    return actor, items


def test_a_follower_hears_every_event_once_and_deltas_between():
    async def main():
        house = House(script([["read"], ["write"]]))
        actor, items = await worked(service(house))
        numbers = [item.seq for item in items if isinstance(item, e.Recorded)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert TextDelta("…") in items
        late = await collect(actor, numbers[-1] - 2)
        assert [item.seq for item in late] == numbers[-2:]
        await actor.aclose()

    asyncio.run(main())


def test_a_slow_follower_loses_deltas_but_no_event():
    async def main():
        house = House(script([]))
        feed = Feed(house.store, "s")
        follower = feed.follow()
        log = await house.open()
        log.tell = feed.tell
        heard = [await anext(follower)]
        for n in range(feed_module.MAX_WAITING + 50):
            feed.tell(TextDelta(str(n)))
        for n in range(30):
            await log.commit("s", lambda _, n=n: (e.SessionNamed(str(n)),))
        feed.close()
        heard += [item async for item in follower]
        assert [x.seq for x in heard if isinstance(x, e.Recorded)] == list(range(1, 32))
        assert sum(isinstance(x, TextDelta) for x in heard) == feed_module.MAX_WAITING

    asyncio.run(main())


def test_a_closed_session_is_opened_again_as_it_was():
    async def main():
        house = House(script([["read"]]))
        sessions = service(house)
        actor, _ = await worked(sessions)
        with pytest.raises(SessionBusy):
            await sessions.open("s-1")
        await actor.aclose()
        again = await sessions.open("s-1")
        assert again.session == actor.session
        await again.send(Prompt("p2", "more"))
        assert (await again.rest()).outcome == "done"
        assert [m.text for m in again.session.messages if isinstance(m, UserMessage)] == [
            "go",
            "more",
        ]
        await again.aclose()

    asyncio.run(main())


def test_the_same_prompt_twice_counts_once():
    async def main():
        house = House(script([]))
        actor = await service(house).create("/w", AGENT)
        await asyncio.gather(*(actor.send(Prompt("p", "go")) for _ in range(3)))
        await actor.rest()
        assert (
            sum(isinstance(r.event, e.InputQueued) for r in await house.store.recorded() or []) <= 1
        )
        await actor.send(Cancel())
        await actor.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("at", [None, 3, 9])
def test_a_fork_is_the_same_up_to_its_event_and_goes_its_own_way(at):
    async def main():
        house = House(script([["read"], ["write"]]))
        sessions = service(house)
        actor, _ = await worked(sessions)
        await actor.aclose()
        last = actor.session.seq
        child = await sessions.fork("s-1", at)
        copied = await sessions.recorded(child)
        assert len(copied) == (at or last)
        assert copied[1:] == list(await sessions.recorded("s-1"))[1 : len(copied)]
        head = copied[0].event
        assert (head.session_id, head.parent_id, head.forked_at) == (child, "s-1", at or last)
        forked = await sessions.open(child)
        await forked.send(Prompt("p9", "another way", "queue"))
        await forked.rest()
        assert forked.session.outcome == "done"
        await forked.aclose()
        assert (await sessions.load("s-1")) == actor.session
        writes = [r for r in house.ran if r[0] == "write"]
        assert len(writes) <= 2

    asyncio.run(main())


def test_a_fork_at_no_event_is_refused():
    async def main():
        sessions = service(House(script([])))
        actor, _ = await worked(sessions)
        await actor.aclose()
        with pytest.raises(CommandRefused, match="99 is none"):
            await sessions.fork("s-1", 99)

    asyncio.run(main())


def test_names_ids_and_the_list():
    async def main():
        sessions = service(House(script([])))
        for text, workspace in (("first\nline", "/a"), ("second", "/b")):
            actor, _ = await worked(sessions, text, workspace)
            await actor.aclose()
        await sessions.rename("s-1", "parser")
        assert [(s.session_id, s.title, s.outcome) async for s in sessions.summaries()] == [
            ("s-1", "parser", "done"),
            ("s-2", "second", "done"),
        ]
        assert [s.session_id async for s in sessions.summaries("/b")] == ["s-2"]
        assert await sessions.latest("/b") == "s-2"
        assert await sessions.find("parser") == "s-1"
        for name in ("s-", "", "-2", "nobody"):
            with pytest.raises(SessionNotFound):
                await sessions.find(name)
        with pytest.raises(SessionNotFound):
            await sessions.latest("/c")
        await sessions.delete("s-2")
        with pytest.raises(SessionNotFound):
            await sessions.entries("s-2")

    asyncio.run(main())


def test_an_import_never_overwrites_and_never_brings_its_own_path():
    async def main():
        sessions = service(House(script([["read"]])))
        actor, _ = await worked(sessions)
        await actor.aclose()
        entries = await sessions.entries("s-1")
        copy = await sessions.receive(entries, "/here")
        assert copy != "s-1"
        assert (await sessions.load(copy)).messages == actor.session.messages
        assert (await sessions.load(copy)).workspace == "/here"
        evil = Entry(1, 1, entries[0].body.replace(b'"s-1"', b'"../../evil"'))
        assert (await sessions.receive([evil, *entries[1:]], "/here")).startswith("s-")
        with pytest.raises(HobError, match="session_started"):
            await sessions.receive([Entry(1, 1, b'{"kind":"cancel_requested"}')], "/here")

    asyncio.run(main())


def test_a_damaged_session_is_named_and_can_be_forked_before_the_damage():
    async def main():
        house = House(script([]))
        sessions = service(house)
        actor, _ = await worked(sessions)
        await actor.aclose()
        log = house.store._logs["s-1"]
        log[4] = Entry(5, log[4].at, b'{"kind":"nonsense"}')
        assert [s.outcome async for s in sessions.summaries()] == ["damaged"]
        with pytest.raises(HobError, match=r"Event 5 .* --at 4"):
            await sessions.open("s-1")
        child = await sessions.open(await sessions.fork("s-1", 4))
        child.wake()
        assert (await child.rest()).outcome == "done"
        await child.aclose()

    asyncio.run(main())


def test_what_breaks_the_loop_reaches_who_waits():
    async def main():
        house = House(script([]))
        sessions = service(house)
        actor = await sessions.create("/w", AGENT)
        append = house.store.append

        async def full(session_id, entries, durable):
            if actor.session.queue:
                raise OSError(28, "No space left on device")
            await append(session_id, entries, durable)

        house.store.append = full
        await actor.send(Prompt("p", "go"))
        with pytest.raises(OSError, match="No space"):
            await actor.rest()
        items = [item async for item in actor.follow()]
        assert [type(item.event) for item in items] == [e.SessionStarted, e.InputQueued]
        await actor.aclose()

    asyncio.run(main())
