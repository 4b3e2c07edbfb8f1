"""Requests of the Anthropic Messages protocol as bytes; each is the one before it with a longer tail.

The kept body ends inside the newest message's last block, and what closes it is not kept. So the
moving cache breakpoint rides in that ending: it marks the newest message, and no byte that later
requests share with this one ever holds it. Moving it costs nothing in the cloud, whose cache is keyed
by content without marks.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.growing import Bodies, id_on_the_wire, name_on_the_wire
from hob.models.json_text import encode_text
from hob.models.render import echoed_arguments

MAX_TOKENS = 8192
"""The limit of an answer where nobody set one; the protocol demands one."""

_MARK = b',"cache_control":{"type":"ephemeral"}'
# Blocks without a visible character are refused, and so are messages without blocks.
_NOTHING = "(no words)"


class MessagesRenderer:
    """Renders requests for one model. `marks` are cache breakpoints: after tools, system and tail.

    `extra` are further constant body fields; a `max_tokens` among them is the limit where the request
    has none. `own_ids` names calls by our ids. Thoughts are never sent back: the protocol takes them
    only with their signatures, which nobody keeps, and demands them only where `thinking` is on.
    """

    def __init__(
        self,
        model: str,
        extra: Mapping[str, Any] | None = None,
        *,
        marks: bool = True,
        own_ids: bool = True,
    ) -> None:
        fields = dict(extra or {})
        self._max_tokens = int(fields.pop("max_tokens", None) or MAX_TOKENS)
        self._fields = {"model": model, "stream": True} | fields
        self._mark = _MARK if marks else b""
        self._own_ids = own_ids
        self._bodies = Bodies(self._head, self._piece)

    @property
    def diverged(self) -> str:
        """Return what broke the last body's prefix, empty if it only grew."""
        return self._bodies.diverged

    def render(self, request: Request) -> bytes:
        """Return the request body, UTF-8 JSON."""
        body = self._bodies.body(request)
        closing = b"%b}]}" % self._mark if request.messages else b""
        return b'%b%b],"max_tokens":%d}' % (body, closing, request.max_tokens or self._max_tokens)

    def _head(self, request: Request) -> bytes:
        constant = {name: value for name, value in self._fields.items() if value is not None}
        head = msgspec.json.encode(constant)[:-1]
        if request.tools:
            tools = b"},".join(map(_tool, request.tools))
            head += b',"tools":[%b%b}]' % (tools, self._mark)
        if request.instructions.strip():
            system = _open(type=b'"text"', text=request.instructions)
            head += b',"system":[%b%b}]' % (system, self._mark)
        return head + b',"messages":['

    def _piece(self, before: Message | None, message: Message) -> bytes:
        """Return a message without the end of its last block; it begins by closing the one before."""
        block = b"},".join(self._blocks(message))
        if isinstance(message, ToolMessage) and isinstance(before, ToolMessage):
            return b"},%b" % block  # all results of one step stand in one message
        closing = b"" if before is None else b"}]},"
        role = b"assistant" if isinstance(message, AssistantMessage) else b"user"
        return b'%b{"role":"%b","content":[%b' % (closing, role, block)

    def _blocks(self, message: Message) -> list[bytes]:
        match message:
            case UserMessage():
                return [_text(message.text)]
            case ToolMessage():
                failed = {"is_error": b"true"} if message.is_error else {}
                name = id_on_the_wire(message.call_id, message.wire_id, self._own_ids)
                result = {"tool_use_id": name, "content": message.content} | failed
                return [_open(type=b'"tool_result"', **result)]
            case AssistantMessage():
                blocks = [_text(message.text)] if message.text.strip() else []
                blocks += map(self._call, message.calls)
                return blocks or [_text("")]

    def _call(self, call: ToolCall) -> bytes:
        return _open(
            type=b'"tool_use"',
            id=id_on_the_wire(call.call_id, call.wire_id, self._own_ids),
            name=name_on_the_wire(call.name),
            input=echoed_arguments(call.arguments).encode(),
        )


def _text(text: str) -> bytes:
    return _open(type=b'"text"', text=text if text.strip() else _NOTHING)


def _tool(tool: ToolSpec) -> bytes:
    schema = tool.parameters.encode()
    return _open(name=tool.name, description=tool.description, input_schema=schema)


def _open(**fields: bytes | str) -> bytes:
    """Return a JSON object without its closing brace; bytes are JSON already."""
    return b"{%b" % b",".join(
        b'"%b":%b' % (name.encode(), value if isinstance(value, bytes) else encode_text(value))
        for name, value in fields.items()
    )
