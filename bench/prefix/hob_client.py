"""Hob's own loop and adapter with a head and a tool like the others', so that only the way of sending differs."""

import asyncio
import json
from pathlib import Path
from typing import Any

from hob.core import events as e
from hob.core.admit import admit
from hob.core.agent import Agent, Limits, ToolSpec
from hob.core.commands import Prompt
from hob.core.messages import ToolResult
from hob.core.permission import Decision
from hob.loop.log import Log
from hob.loop.loop import run as run_loop
from hob.loop.perform import Performer
from hob.loop.toolbox import Toolbox
from hob.models.openai_chat import OpenAIChat
from hob.stores.memory import MemoryBlobs, MemoryStore
from hob.wiring import SystemClock
from prefix.clients import run


class _Bash:
    def __init__(self, spec: ToolSpec, folder: Path) -> None:
        self.spec, self._folder = spec, folder

    async def run(self, arguments: dict[str, Any], report: Any) -> ToolResult:
        return ToolResult(run(arguments["command"], self._folder))


class _Free:
    async def judge(self, action: Any) -> Decision:
        return Decision("allow", "bench")


def converse_as_hob(
    base_url: str, system: str, tool: dict[str, Any], task: str, folder: Path
) -> None:
    """Hold the conversation through Hob's loop."""
    asyncio.run(_converse(base_url, system, tool["function"], task, folder))


async def _converse(
    base_url: str, system: str, tool: dict[str, Any], task: str, folder: Path
) -> None:
    spec = ToolSpec(tool["name"], tool["description"], json.dumps(tool["parameters"]))
    clock = SystemClock()
    log = await Log.open(MemoryStore(), clock, "s", lambda _: None)
    agent = Agent("bench", system, (spec,))
    await log.commit("s", lambda _: (e.SessionStarted("s", str(folder), agent),))
    ask = Prompt("p", task, limits=Limits(max_steps=1000))
    await log.commit("s", lambda s: admit(s, ask))
    model = OpenAIChat(base_url=base_url, model="tiny")
    toolbox = Toolbox([_Bash(spec, folder)], MemoryBlobs())
    performer = Performer(model, toolbox, _Free(), clock)
    await run_loop(log, performer)
    await performer.aclose()
