"""What the policy can do next: one tool call, or one closing sentence."""

import json
from typing import Any

from msgspec import Struct


class Act(Struct, frozen=True):
    """A tool call with a few honest words before it. `arguments` is JSON text."""

    text: str
    tool: str
    arguments: str


class End(Struct, frozen=True):
    """The last words of a turn; `reached` if what was asked for is so now."""

    text: str
    reached: bool = False


Move = Act | End
CONNECT = (
    "to connect a real model, use `--base-url http://127.0.0.1:11434/v1 --model NAME`, "
    "or start Ollama, llama.cpp, LM Studio or vLLM and run again."
)
WHAT = (
    "No language model is connected: this is Hob's offline repair, which searches for small repairs that make "
    "failing Python tests pass"
)
REFUSAL = f"{WHAT} and cannot do anything else; {CONNECT}"
DENIED = (
    "Hob's offline repair needs to run the tests, and running commands was not allowed, so it stops here with "
    "nothing changed; run again with `--permission-mode full`, or on a terminal to be asked."
)


def act(text: str, tool: str, **arguments: Any) -> Act:
    """Make a tool call."""
    return Act(text, tool, json.dumps(arguments))
