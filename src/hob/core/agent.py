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


class ContextPolicy(Struct, frozen=True):
    """How the window is kept. Tokens and shares of the window; without a known window nothing is cut.

    At `high_water` the older part becomes a summary, down to `low_water` at most; the last
    `retain_tool_results` results stay as they are, unless they alone are more than that.
    """

    window_tokens: int | None = None
    high_water: float = 0.8
    low_water: float = 0.4
    retain_tool_results: int = 5
    compress_diffs: bool = True
    externalize_reasoning: bool = True


class Limits(Struct, frozen=True):
    """How far one turn may go before the host ends it. Seconds and tokens; None: no limit."""

    max_steps: int = 40
    max_wall_s: float | None = None
    max_output_tokens: int | None = None
    max_calls_per_step: int | None = None
    max_attempts: int = 4
    stuck_after: int = 8
    acknowledge_failures: bool = False
    context: ContextPolicy = ContextPolicy()


class Agent(Struct, frozen=True):
    """The head of the prompt: instructions (the whole system message) and tools, sorted by name."""

    name: str = "hob"
    instructions: str = ""
    tools: tuple[ToolSpec, ...] = ()
    model_role: Literal["local", "cloud", "fallback"] = "local"
