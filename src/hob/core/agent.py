"""Who works: a frozen definition, the head of every prompt; so it never changes inside a session."""

from typing import Literal

from msgspec import Struct

from hob.core.permission import Access, Replay


class ToolSpec(Struct, frozen=True):
    """A tool as the model sees it. `parameters` is JSON Schema as text, frozen byte for byte."""

    name: str
    description: str
    parameters: str
    access: Access = "execute"
    replay: Replay = "never"


class Limits(Struct, frozen=True):
    """How far one turn may go before the host ends it. Seconds and tokens; None: no limit."""

    max_steps: int = 40
    max_wall_s: float | None = None
    max_output_tokens: int | None = None
    max_calls_per_step: int | None = None
    max_attempts: int = 4
    stuck_after: int = 8
    acknowledge_failures: bool = False


class Agent(Struct, frozen=True):
    """The head of the prompt: instructions (the whole system message) and tools, sorted by name."""

    name: str = "hob"
    instructions: str = ""
    tools: tuple[ToolSpec, ...] = ()
    model_role: Literal["local", "cloud", "fallback"] = "local"
