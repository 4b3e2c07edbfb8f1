"""A tool call for real: whether it comes back as a call, and whether its result is taken."""

import asyncio
import re

from hob.core.agent import ToolSpec
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Message, Reply, ToolCall, ToolMessage, UserMessage
from hob.core.ports import Model
from hob.core.request import Request
from hob.models.doctor.wire import Wire
from hob.models.openai_chat import OpenAIChat

Seen = tuple[str, str]
MAX_TOKENS = 192

TOOL = ToolSpec(
    name="get_temperature",
    description="Return the temperature in a city, in degrees Celsius.",
    parameters='{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
)
_INSTRUCTIONS = "You answer with the help of tools. Call a tool whenever it can tell what is asked."
_ASK = "What is the temperature in Lisbon now? Call get_temperature."
# What families write around a call; with the tool's name beside it, the call was left in the text.
_MARKS = re.compile(
    r"<tool_call|<\|tool_call|\[TOOL_CALLS\]|<function[=_]|<\|python_tag\||\"name\"\s*:|get_temperature\s*\("
)


class Live:
    """What a real exchange showed. `first_token_s` is the wait for its first word."""

    def __init__(self, wire: Wire, api_key: str, limit_s: float) -> None:
        self._wire = wire
        self._model: Model = OpenAIChat(
            base_url=wire.base_url,
            model=wire.model,
            api_key=api_key,
            extra={"temperature": 0},  # the same verdict each time
        )
        self._limit_s = limit_s
        self.seen: list[Seen] = []
        self.called = False
        self.first_token_s: float | None = None

    async def run(self) -> None:
        """Ask for a call and send back its result."""
        try:
            await self._round_trip()
        finally:
            await self._model.aclose()

    async def _round_trip(self) -> None:
        messages: tuple[Message, ...] = (UserMessage(_ASK),)
        try:
            reply = await self._ask(messages)
        except ModelError as error:
            self.seen.append(_failed(error))
            return
        self.first_token_s = reply.timings.first_token_s
        message = reply.message
        call = next((c for c in message.calls if c.name == TOOL.name), None)
        if call is None:
            self.seen.append(_without_call(message))
            return
        self.called = True
        answer = ToolMessage("probe0000", TOOL.name, "19", call.wire_id)
        kept = AssistantMessage(message.text, calls=(_own(call),), stop="calls")
        try:
            await self._ask((*messages, kept, answer))
        except ModelError as error:
            if error.kind != "empty":
                self.seen.append(
                    ("calls-refused", f"The result of a real call was not taken: {error}")
                )

    async def _ask(self, messages: tuple[Message, ...]) -> Reply:
        self._wire.requests += 1
        request = Request("doctor", _INSTRUCTIONS, (TOOL,), messages, MAX_TOKENS, self._limit_s)
        async with asyncio.timeout(self._limit_s * 2):
            return await answer_of(self._model, request)


async def answer_of(model: Model, request: Request) -> Reply:
    """Return the whole answer of a model. Raises `ModelError`."""
    reply: Reply | None = None
    async for part in model.stream(request):
        if isinstance(part, Reply):
            reply = part
    if reply is None:
        raise ModelError("empty", "The answer ended without a word.")
    return reply


def left_in_text(text: str, tool: str) -> bool:
    """Say whether a text holds what looks like a call of this tool."""
    return tool in text and _MARKS.search(text) is not None


def _own(call: ToolCall) -> ToolCall:
    return ToolCall("probe0000", call.name, call.arguments, call.wire_id)


def _without_call(message: AssistantMessage) -> Seen:
    if left_in_text(message.text, TOOL.name):
        return "calls-in-text", f"The call came as text: {message.text[:120]!r}"
    if message.calls:
        return "no-call", f"The model called {message.calls[0].name!r}, which it was not given."
    return "no-call", "The model did not call the tool that it was asked to call."


def _failed(error: ModelError) -> Seen:
    text = str(error)
    if error.kind == "empty":
        return "no-call", "The model did not call the tool: its answer was empty."
    if re.search(r"peg-native|expected .* format|parse tool call", text):
        return "calls-lost", text
    if error.kind == "refused" and "tool" in text.lower():
        return "tools-refused", text
    return "probe-failed", f"The exchange with a real call failed: {text}"
