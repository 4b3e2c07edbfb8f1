"""Questions to the person at the terminal: may this call run."""

import asyncio
from collections.abc import Iterable
from typing import TextIO

from hob.cli.terminal import harmless
from hob.core.events import PermissionAsked
from hob.core.messages import ToolCall

HELP = "[y] once  [a] all calls of this tool, this session  [n] no  [text] no, and tell the model"


class Question:
    """Asks one question at a time; remembers what was allowed for the rest of this run."""

    def __init__(self, source: TextIO, err: TextIO) -> None:
        self._source, self._err = source, err
        self._calls: dict[str, ToolCall] = {}
        self._allowed: set[str] = set()

    def remember(self, calls: Iterable[ToolCall]) -> None:
        """Know the calls that may be asked about."""
        self._calls = {call.call_id: call for call in calls}

    async def ask(self, asked: PermissionAsked) -> tuple[bool, str]:
        """Return the person's answer and, with a no, words for the model. The call is shown whole, escaped."""
        call = self._calls.get(asked.call_id)
        name, arguments = (call.name, call.arguments) if call else ("?", "")
        if name in self._allowed:
            return True, ""
        shown = harmless(arguments)
        self._err.write(
            f"\n{harmless(asked.reason)} ({len(arguments)} characters):\n  {name} {shown}\n{HELP} > "
        )
        self._err.flush()
        answer = (await self._read_line()).strip()
        if answer.lower() in ("a", "all"):
            self._allowed.add(name)
            return True, ""
        if answer.lower() in ("y", "yes"):
            return True, ""
        return False, "" if answer.lower() in ("", "n", "no") else f"The person said no: {answer}"

    async def _read_line(self) -> str:
        """Wait for a line without blocking the loop, so that Ctrl-C still works."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._source.fileno(), ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._source.fileno())
        return self._source.readline()
