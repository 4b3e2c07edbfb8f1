"""What an agent sent: how much, whether each prompt extends the one before, whether arguments came back whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from hob.models.scripted import Turn

_BYTES_PER_TOKEN = 4


class _Function(msgspec.Struct):
    arguments: str = ""


class _Call(msgspec.Struct):
    function: _Function = msgspec.field(default_factory=_Function)


class _Message(msgspec.Struct):
    role: str
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Body(msgspec.Struct):
    messages: list[_Message]
    tools: msgspec.Raw = msgspec.Raw(b"")


@dataclass(frozen=True)
class Prompts:
    """`extended` of `followed` prompts hold all earlier messages and constant fields byte for byte.

    `literal` of them do so as a whole request body. `echoed` of `called` argument texts stand in the
    last request as they came. `fixed_bytes` are tools and messages of the first request but the task.
    """

    sent_bytes: int
    followed: int
    extended: int
    literal: int
    called: int
    echoed: int
    fixed_bytes: int

    @property
    def fixed_tokens(self) -> int:
        """Return the fixed prompt in tokens of four bytes."""
        return self.fixed_bytes // _BYTES_PER_TOKEN


def inspect(bodies: Sequence[bytes], turns: Sequence[Turn], task: str) -> Prompts:
    """Return the facts about one run's requests."""
    pairs = list(pairwise(bodies))
    return Prompts(
        sent_bytes=sum(map(len, bodies)),
        followed=len(pairs),
        extended=sum(_extends(old, new) for old, new in pairs),
        literal=sum(new.startswith(old.removesuffix(b"]}")) for old, new in pairs),
        called=sum(len(turn.calls) for turn in turns[:-1]),
        echoed=_echoed(bodies[-1], turns[:-1]),
        fixed_bytes=_fixed(bodies[0], task),
    )


def _extends(old: bytes, new: bytes) -> bool:
    before, after = _fields(old), _fields(new)
    said, says = before.pop("messages"), after.pop("messages")
    known = [bytes(raw) for raw in msgspec.json.decode(said, type=list[msgspec.Raw])]
    shown = [bytes(raw) for raw in msgspec.json.decode(says, type=list[msgspec.Raw])]
    return before == after and shown[: len(known)] == known


def _fields(body: bytes) -> dict[str, bytes]:
    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return {name: bytes(value) for name, value in raw.items()}


def _echoed(body: bytes, turns: Sequence[Turn]) -> int:
    messages = msgspec.json.decode(body, type=_Body).messages
    answers = [message for message in messages if message.role == "assistant"]
    came = [[c.function.arguments for c in answer.tool_calls or ()] for answer in answers]
    went = [[call.arguments_text for call in turn.calls] for turn in turns]
    return sum(
        one == two
        for given, echo in zip(went, came, strict=False)
        for one, two in zip(given, echo, strict=False)
    )


def _fixed(body: bytes, task: str) -> int:
    first = msgspec.json.decode(body, type=_Body)
    texts = sum(len((message.content or "").encode()) for message in first.messages)
    return texts - len(task.encode()) + len(bytes(first.tools))
