"""A running command, seen from outside: its end, asking it to stop, killing it with all its offspring."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from hob.sandboxes.link import End, ParentLink
from hob.sandboxes.tree import kill_tree, living

Watch = Callable[[asyncio.AbstractEventLoop, "subprocess.Popen[bytes]"], "asyncio.Future[None]"]

_REAP_S = 0.2


class Child(Protocol):
    """One running command."""

    @property
    def ended(self) -> "asyncio.Future[End]":
        """Return what is done when the command itself, not its offspring, has ended."""
        ...

    def ask(self, number: int) -> None:
        """Send a signal to its process group."""
        ...

    async def kill(self) -> None:
        """Kill it with everything that it started."""
        ...

    async def left(self, held: bool) -> tuple[int, ...]:
        """Return who still runs after its end; `held` tells that somebody holds its pipes."""
        ...


class KeptChild:
    """A child of a keeper: nobody can hide from it."""

    __slots__ = ("_call", "_link", "_token", "ended")

    def __init__(
        self, link: ParentLink, call: int, token: str, ended: "asyncio.Future[End]"
    ) -> None:
        self._link = link
        self._call = call
        self._token = token
        self.ended = ended

    def ask(self, number: int) -> None:
        """Send a signal to its process group."""
        self._link.signal(self._call, number)

    async def kill(self) -> None:
        """Kill it with everything that descends from it; by its mark if the keeper is gone."""
        if not self.ended.done() or self.ended.result().left:
            await self._link.kill(self._call)
        if self._link.lost:
            kill_tree(self._token)

    async def left(self, held: bool) -> tuple[int, ...]:
        """Return its orphans, after a moment for those who are just leaving."""
        end = self.ended.result()
        if end.step == "lost":
            await self.kill()
        if not end.left:
            return ()
        gone = self._link.gone(self._call)
        await asyncio.wait((gone,), timeout=_REAP_S / 4)
        return () if gone.done() else end.left


class DirectChild:
    """A child of our own, where there is no keeper: its offspring is found by session and mark."""

    __slots__ = ("_process", "_token", "ended")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        process: "subprocess.Popen[bytes]",
        watch: Watch,
        token: str,
    ) -> None:
        self._process = process
        self._token = token
        self.ended: asyncio.Future[End] = loop.create_future()
        watch(loop, process).add_done_callback(self._finish)

    def ask(self, number: int) -> None:
        """Send a signal to its process group."""
        with suppress(OSError):
            os.killpg(self._process.pid, number)

    async def kill(self) -> None:
        """Kill its session, what carries its mark, and what descends from those."""
        kill_tree(self._token, self._process.pid)

    async def left(self, held: bool) -> tuple[int, ...]:
        """Return who carries its mark. A search of all processes, so only with a reason."""
        return tuple(sorted(living(self._token))) if held else ()

    def _finish(self, _: object) -> None:
        if not self.ended.done():
            self.ended.set_result(End(self._process.returncode))


def watch_exit(
    loop: asyncio.AbstractEventLoop, process: "subprocess.Popen[bytes]"
) -> "asyncio.Future[None]":
    """Return a future that is done when the child has ended; no thread where pidfds exist."""
    try:
        fd = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return watch_by_thread(loop, process)
    ended: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        process.wait()
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(fd, finish)
    return ended


def watch_by_thread(
    loop: asyncio.AbstractEventLoop, process: "subprocess.Popen[bytes]"
) -> "asyncio.Future[None]":
    """Do the same with a thread that waits."""
    ended: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        if not ended.done():
            ended.set_result(None)

    def wait() -> None:
        process.wait()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish)

    threading.Thread(target=wait, daemon=True).start()
    return ended
