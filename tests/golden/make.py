"""Write the golden log of this version: one session with every kind of event in it."""

import asyncio
import sys
from pathlib import Path

from hob import __version__
from hob.core import events as e
from hob.core.admit import admit
from hob.core.agent import Agent, Limits, ToolSpec
from hob.core.commands import Cancel, Command, Prompt, Rename, Withdraw
from hob.core.messages import (
    AssistantMessage,
    Details,
    Timings,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from hob.core.permission import APPROVAL_REQUIRED, Decision
from hob.core.reuse import Reuse
from hob.loop.log import Log
from hob.stores.jsonl import export_lines
from hob.stores.memory import MemoryStore

FOLDER = Path(__file__).parent
SCHEMA = '{"type":"object","properties":{"path":{"type":"string"}}}'
AGENT = Agent(
    "hob",
    "You are Hob.",
    (ToolSpec("bash", "Run.", SCHEMA), ToolSpec("read_file", "Read.", SCHEMA, "read", "safe")),
)
DIFF = "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"


class Ticks:
    """A clock that moves a second at every look."""

    def __init__(self) -> None:
        self.at = 1_790_000_000_000

    def now_ms(self) -> int:
        self.at += 1000
        return self.at

    def monotonic_s(self) -> float:
        return self.at / 1000

    async def sleep(self, seconds: float) -> None:
        self.at += int(seconds * 1000)


def call(step: int, n: int, name: str, arguments: str) -> ToolCall:
    return ToolCall(f"{step}.{n}", name, arguments, f"call_{step}_{n}")


STORY: list[e.Event | Command] = [
    Prompt(
        "i1",
        "Mend the \x1b[31mtests\x1b[0m.\n",
        limits=Limits(max_steps=7, acknowledge_failures=True),
    ),
    Rename("mending"),
    e.TurnStarted(Limits(max_steps=7, acknowledge_failures=True)),
    e.InputDelivered("i1"),
    e.StepStarted(1),
    e.StepFailed("overloaded", "The model is still loading.", False, 1.5),
    e.StepStarted(2),
    e.StepFinished(
        AssistantMessage(
            "I look first.",
            "hm\n",
            (
                call(1, 0, "read_file", '{ "path" : "a.py" }'),
                call(1, 1, "bash", '{"command":"pytest -q"}'),
            ),
            "calls",
        ),
        Usage(1200, 1000, 40, 5),
        Timings(0.5, 2.0, 0.4, 1.5),
        "qwen",
    ),
    e.PermissionDecided("1.0", Decision("allow", "mode workspace-write: read")),
    e.PermissionAsked("1.1", "mode workspace-write: execute", "bash runs a command"),
    e.ToolStarted("1.0", "safe"),
    e.ToolFinished("1.0", ToolResult("1\tx = 1\n")),
    e.PermissionDecided("1.1", Decision("allow", "person"), "person"),
    e.ToolStarted("1.1", "never"),
    e.ToolFinished(
        "1.1",
        ToolResult(
            "exit code 1\nassert x == 2",
            True,
            Details("assert x == 2", "warn\x07", 1, {"blobs": {}}),
        ),
    ),
    Prompt("i2", "Be quick."),
    Prompt("i3", "Later, the docs.", "queue"),
    Prompt("i4", "Never mind."),
    Withdraw("i4"),
    e.InputDelivered("i2"),
    e.StepStarted(1),
    e.StepFinished(
        AssistantMessage(
            "The assert wants 2.", calls=(call(2, 0, "edit_file", '{"path":"a.py"}'),), stop="calls"
        )
    ),
    e.PermissionDecided(
        "2.0", Decision("deny", "mode read-only: write", "Nobody is there.", APPROVAL_REQUIRED)
    ),
    e.ToolFinished("2.0", ToolResult("Denied. Nobody is there.", True)),
    e.Nudged("stuck", "Do something different."),
    e.StepStarted(1),
    e.StepFinished(
        AssistantMessage(calls=(call(3, 0, "edit_file", '{"path":"a.py"}'),), stop="calls"),
        Usage(2000, 1990, 9),
    ),
    e.PermissionDecided("3.0", Decision("allow", "hook"), "hook"),
    e.ToolStarted("3.0", "never"),
    e.ToolFinished(
        "3.0",
        ToolResult("Edited a.py.", details=Details(metadata={"diff": DIFF, "lines": [1, 1]})),
    ),
    e.StepStarted(1),
    Cancel(),
    e.StepFailed(
        "cancelled", "Stopped while the model was answering.", False, 0.0, "I was about to"
    ),
    e.TurnFinished("cancelled"),
    e.RestoreStarted("r-1", "undo", ("3.0",)),
    e.RestoreFinished("r-1", "undo", ("3.0",), ("a.py",), (), "The person took back 3.0: a.py."),
    e.RestoreStarted("r-2", "redo", ("3.0",)),
    e.RestoreFinished("r-2", "redo", ("3.0",), (), ("a.py",), "The person did 3.0 again."),
    e.TurnStarted(),
    e.InputDelivered("i3"),
    e.SessionReopened(),
    e.CompactionAsked("the docs"),
    e.StepStarted(1, "summary"),
    e.Compacted(
        (
            UserMessage("Mend the tests.\n\n[Summary]\nThe assert wants 2; x is 2 now."),
            AssistantMessage("I was about to", stop="cancelled"),
            UserMessage("Later, the docs."),
        ),
        "model",
        "asked for",
        2112,
        140,
        Usage(2250, 2100, 30),
        Timings(0.2, 1.0),
        Reuse(2250, 2100),
    ),
    e.StepStarted(1),
    e.StepFinished(
        AssistantMessage("Done: the documentation says 2 now."),
        Usage(2100, 2050, 12),
        server="b11549",
        reuse=Reuse(2100, 2050),
    ),
    e.TurnFinished("done"),
]


async def golden() -> list[bytes]:
    """Return the lines of the log."""
    store = MemoryStore()
    log = await Log.open(store, Ticks(), "s-golden", lambda _: None)
    await log.commit(
        "s-golden",
        lambda _: (e.SessionStarted("s-golden", "/home/ada/proj", AGENT, "s-parent", 9),),
    )
    for part in STORY:
        if isinstance(part, e.Event):
            await log.commit("s-golden", lambda _, part=part: (part,))
        else:
            await log.commit("s-golden", lambda s, part=part: admit(s, part))
    return list(export_lines(await store.read("s-golden")))


if __name__ == "__main__":
    target = FOLDER / f"{__version__}.jsonl"
    if target.exists() and "--again" not in sys.argv:
        sys.exit(f"{target} is there already; golden logs are not edited.")
    target.write_bytes(b"".join(asyncio.run(golden())))
    print(target)
