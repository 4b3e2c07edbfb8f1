"""The second parser, loaded only for an answer that may need it: most calls are read by their server."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING

from hob.core.deltas import Delta, ReasoningDelta
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply
from hob.core.ports import Model
from hob.core.request import Request
from hob.models.json_text import NOT_JSON, loads

if TYPE_CHECKING:
    from hob.models.tool_syntax import SecondParser

# Every dialect has one of these; code and quotations have them too, and are told apart by the parser.
_SIGNS = ("<", "[", "{", "`", ">>>", "Action", "\uff5c")


class SecondLook:
    """Any model, with the calls found that its server left in the text or handed on broken: see `SecondParser`."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._loaded: SecondParser | None = None

    @property
    def name(self) -> str:
        """Return the model's name for people."""
        return self._model.name

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield deltas as they come and end with one `Reply`; see `Model.stream`. Raises `ModelError`."""
        thoughts: list[str] = []
        try:
            async with aclosing(self._model.stream(request)) as stream:
                async for part in stream:
                    _note_thought(thoughts, part)
                    yield self.seen(part, request) if isinstance(part, Reply) else part
        except ModelError as error:
            if error.kind != "empty" or not any(map(_has_sign, thoughts)):
                raise
            yield self.parser().rescue(error, "".join(thoughts), request)

    async def aclose(self) -> None:
        """Let connections go."""
        await self._model.aclose()

    def seen(self, reply: Reply, request: Request) -> Reply:
        """Return a reply, read a second time if it may need it."""
        if not _may_need(reply.message, request):
            return reply
        return self.parser().read(reply, request)

    def parser(self) -> "SecondParser":
        """Return the parser, loaded at its first use."""
        if self._loaded is None:
            kind: type[SecondParser] = import_module("hob.models.tool_syntax").SecondParser
            self._loaded = kind(self._model)
        return self._loaded


def _note_thought(thoughts: list[str], part: Delta | Reply) -> None:
    """Keep what a model thinks while it streams."""
    if isinstance(part, ReasoningDelta):
        thoughts.append(part.text)


def _may_need(message: AssistantMessage, request: Request) -> bool:
    if message.calls:
        names = {tool.name for tool in request.tools}
        return any(c.name not in names or not _is_object(c.arguments) for c in message.calls)
    return bool(request.tools) and (_has_sign(message.text) or _has_sign(message.reasoning))


def _has_sign(text: str) -> bool:
    return any(sign in text for sign in _SIGNS)


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(loads(arguments.encode()), dict)
    except NOT_JSON:
        return False
