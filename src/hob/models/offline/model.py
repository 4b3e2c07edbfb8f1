"""The `Model` port over the policy: the same messages give the same answer, with or without a cache."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from hob.core.deltas import Delta, TextDelta
from hob.core.messages import AssistantMessage, Message, Reply, ToolCall
from hob.core.request import Request
from hob.models.offline.fold import fold
from hob.models.offline.moves import Act, Move
from hob.models.offline.state import State
from hob.models.offline.steps import next_move

KEPT_SESSIONS = 8


class Kept(NamedTuple):
    """A state and the last message it has taken in."""

    state: State
    last: Message
    tools: frozenset[str]


def next_step(messages: tuple[Message, ...], tools: frozenset[str]) -> Move:
    """Return the next move for a transcript, from scratch."""
    state = State()
    for message in messages:
        fold(state, message, tools)
    return next_move(state.task, tools)


class OfflineModel:
    """Automated repair of failing Python tests by search; needs no server and no language model."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    @property
    def name(self) -> str:
        """Return the model's name for people."""
        return "offline"

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield the words, then the reply with at most one tool call."""
        move = self._move(request)
        yield TextDelta(move.text)
        if isinstance(move, Act):
            call = ToolCall(f"offline-{len(request.messages)}", move.tool, move.arguments)
            message = AssistantMessage(move.text, calls=(call,), stop="calls")
        else:
            message = AssistantMessage(move.text, stop="end" if move.reached else "gave_up")
        yield Reply(message, model=self.name)

    async def aclose(self) -> None:
        """Forget the sessions."""
        self._kept.clear()

    def _move(self, request: Request) -> Move:
        """Fold only what is new since the last step of the session."""
        tools = frozenset(tool.name for tool in request.tools)
        messages = request.messages
        kept = self._kept.pop(request.session_id, None)
        state = State()
        # Messages are immutable and only grow at the tail: the same last object is the same prefix.
        if (
            kept is not None
            and kept.tools == tools
            and 0 < kept.state.seen <= len(messages)
            and messages[kept.state.seen - 1] is kept.last
        ):
            state = kept.state
        for message in messages[state.seen :]:
            fold(state, message, tools)
        if messages:
            while len(self._kept) >= KEPT_SESSIONS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[request.session_id] = Kept(state, messages[-1], tools)
        return next_move(state.task, tools)
