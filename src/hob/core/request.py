"""What a model is asked: the frozen head, then messages that only grow at the tail."""

from msgspec import Struct

from hob.core.agent import ToolSpec
from hob.core.messages import Message


class Request(Struct, frozen=True):
    """One model call. Two requests of a session differ only by what the later one appends to `messages`.

    `session_id` lets an adapter keep what it has already rendered (and a slot on the server);
    it is never part of the prompt. `deadline_s` is what is left of the turn's wall time. `variation` counts
    the times that the same prompt failed in the same way: an adapter then samples differently.
    """

    session_id: str
    instructions: str
    tools: tuple[ToolSpec, ...]
    messages: tuple[Message, ...]
    max_tokens: int | None = None
    deadline_s: float | None = None
    variation: int = 0
