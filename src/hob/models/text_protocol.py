"""Tools for models without tool calling: asked for in prose, answered in prose.

A wrapper around any `Model`. The server sees plain text only: the protocol at the end of the system message,
answers as the model wrote them, results as words of the user. The calls that an answer asks for are read from
its text, which stays as it is beside them.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from hob.core.deltas import Delta
from hob.core.messages import AssistantMessage, Message, Reply
from hob.core.ports import Model
from hob.core.request import Request
from hob.models.prose_calls import calls_in
from hob.models.protocol_text import protocol
from hob.models.transcript import Transcripts, as_fence


class TextProtocol:
    """A model that acts by blocks in its answers. `edit_format` is diff, diff-fenced, whole or udiff."""

    def __init__(self, model: Model, edit_format: str) -> None:
        self._model = model
        self._edit_format = edit_format
        self._transcripts = Transcripts(self._plain)

    @property
    def name(self) -> str:
        """Return the model's name for people."""
        return self._model.name

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield deltas as they come and end with one `Reply`; see `Model.stream`. Raises `ModelError`."""
        async with aclosing(self._model.stream(self._in_words(request))) as stream:
            async for part in stream:
                yield self._with_calls(part) if isinstance(part, Reply) else part

    async def aclose(self) -> None:
        """Let connections go."""
        await self._model.aclose()

    def _in_words(self, request: Request) -> Request:
        instructions = f"{request.instructions}\n{protocol(request.tools, self._edit_format)}"
        messages = self._transcripts.of(request.session_id, request.messages)
        return replace(request, instructions=instructions.strip(), tools=(), messages=messages)

    def _with_calls(self, reply: Reply) -> Reply:
        message = reply.message
        calls = message.calls + calls_in(message.text, self._edit_format, message.stop)
        if not calls:
            return reply
        stop = message.stop if message.stop == "length" else "calls"
        return replace(reply, message=replace(message, calls=calls, stop=stop))

    def _plain(self, message: AssistantMessage) -> list[Message]:
        """Return an answer as its text; calls that are not in the text (another protocol's) are put into words."""
        if not message.calls:
            return [message]
        written = {
            (call.name, call.arguments)
            for call in calls_in(message.text, self._edit_format, message.stop)
        }
        others = [as_fence(c) for c in message.calls if (c.name, c.arguments) not in written]
        text = "\n\n".join([part for part in (message.text, *others) if part])
        return [replace(message, text=text, calls=())]
