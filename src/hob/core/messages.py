"""What a model reads and writes. Text that a model wrote is kept byte for byte."""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct, field

# `gave_up`: the model itself says that it did not reach the goal.
StopReason = Literal["end", "calls", "length", "cancelled", "gave_up"]


class ToolCall(Struct, frozen=True):
    """One call that a model asked for.

    `arguments` is the JSON text exactly as the model wrote it, valid or not: the prompt prefix stays
    byte-identical only if it is echoed unchanged. `call_id` is unique in the session and ours;
    `wire_id` is what the server called it (empty if it gave none or repeated one).
    """

    call_id: str
    name: str
    arguments: str
    wire_id: str = ""


class Details(Struct, frozen=True):
    """The typed part of a tool result: for people and programs, never sent to the model."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


class ToolResult(Struct, frozen=True):
    """What a tool hands back: `content` for the model, `details` for people."""

    content: str
    is_error: bool = False
    details: Details = Details()


class UserMessage(Struct, frozen=True, tag_field="role", tag="user"):
    """Words from the person (or from the host on the person's behalf)."""

    text: str


class AssistantMessage(Struct, frozen=True, tag_field="role", tag="assistant"):
    """Words, thoughts and calls from the model. `stop` says why it fell silent."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    stop: StopReason = "end"


class ToolMessage(Struct, frozen=True, tag_field="role", tag="tool"):
    """The answer to one call, as the model reads it."""

    call_id: str
    name: str
    content: str
    wire_id: str = ""
    is_error: bool = False


Message = UserMessage | AssistantMessage | ToolMessage


def is_conversation(messages: Iterable[Message]) -> bool:
    """Tell whether every call is answered, in order, before anybody else speaks: what strict servers demand.

    Calls of the last message may still be open.
    """
    waiting: list[str] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            if not waiting or waiting.pop(0) != message.call_id:
                return False
        elif waiting:
            return False
        elif isinstance(message, AssistantMessage):
            waiting = [call.call_id for call in message.calls]
    return True


class Usage(Struct, frozen=True):
    """Token counts of one step as the server reported them. None: the server did not say."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None


class Timings(Struct, frozen=True):
    """Seconds of one step. `prompt_s` and `predicted_s` are the server's own figures, where it gives any."""

    first_token_s: float | None = None
    total_s: float = 0.0
    prompt_s: float | None = None
    predicted_s: float | None = None


class Reply(Struct, frozen=True):
    """The complete answer of one model call; the last thing that `Model.stream` yields.

    `server` is what the server says of its build (version, fingerprint). `diverged` names what made
    the adapter send something else than the last prompt with a tail; empty if it only grew. `aside`
    tells that the counts are those of another prompt than the request's (an editor's).
    """

    message: AssistantMessage
    usage: Usage = Usage()
    timings: Timings = Timings()
    model: str = ""
    server: str = ""
    diverged: str = ""
    aside: bool = False
