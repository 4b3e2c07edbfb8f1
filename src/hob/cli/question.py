"""Questions to the person at the terminal: may this call run."""

import asyncio
import json
import os
import termios
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO, cast

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
        self._typed = b""

    def remember(self, calls: Iterable[ToolCall]) -> None:
        """Know the calls that may be asked about."""
        self._calls = {call.call_id: call for call in calls}

    async def ask(self, asked: PermissionAsked) -> tuple[bool, str]:
        """Return the person's answer and, with a no, words for the model.

        The call is shown whole, a parameter a line, escaped. What was typed before the question was
        shown answers nothing.
        """
        call = self._calls.get(asked.call_id) or ToolCall(asked.call_id, "?", "{}")
        if call.name in self._allowed:
            return True, ""
        self._forget_what_was_typed()
        self._err.write(f"\n{harmless(asked.reason)}:\n{shown(call)}\n{HELP} > ")
        self._err.flush()
        answer = (await self._read_line()).strip()
        if answer.lower() in ("a", "all"):
            self._allowed.add(call.name)
            return True, ""
        if answer.lower() in ("y", "yes"):
            return True, ""
        return False, "" if answer.lower() in ("", "n", "no") else f"The person said no: {answer}"

    def _forget_what_was_typed(self) -> None:
        self._typed = b""
        with suppress(termios.error):
            termios.tcflush(self._source.fileno(), termios.TCIFLUSH)

    async def _read_line(self) -> str:
        """Wait for a line, or the end of the input, without blocking the loop."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def take() -> None:
            piece = os.read(self._source.fileno(), 4096)
            self._typed += piece
            if not done.done() and (not piece or b"\n" in self._typed):
                done.set_result(None)

        loop.add_reader(self._source.fileno(), take)
        try:
            await done
        finally:
            loop.remove_reader(self._source.fileno())
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode("utf-8", "replace")


def shown(call: ToolCall) -> str:
    """Return a call as a person should read it before saying yes: nothing cut, nothing hidden."""
    try:
        value: Any = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        value = call.arguments
    if not isinstance(value, dict):
        value = {"arguments": value}
    arguments = cast("dict[str, Any]", value)
    lines = [f"  {harmless(call.name)}"]
    for name, one in arguments.items():
        text = json.dumps(one, ensure_ascii=False)
        lines.append(f"    {harmless(name)} ({len(text)} characters): {harmless(text)}")
    return "\n".join(lines)
