"""Requests of the OpenAI Responses protocol as bytes; each is the one before it with a longer tail."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.growing import Bodies, id_on_the_wire, name_on_the_wire
from hob.models.json_text import encode_text, json_object
from hob.models.render import echoed_arguments


class ResponsesRenderer:
    """Renders requests for one model. Nothing is stored at the server: the input holds everything.

    `extra` are further constant body fields (`tool_choice`, `reasoning` …); they may replace ours, and
    a value of None removes a field. `own_ids` names calls by our ids. Thoughts are never sent back.
    """

    def __init__(
        self, model: str, extra: Mapping[str, Any] | None = None, *, own_ids: bool = True
    ) -> None:
        self._model = model
        self._extra = dict(extra or {})
        self._own_ids = own_ids
        self._bodies = Bodies(self._head, self._piece)

    @property
    def diverged(self) -> str:
        """Return what broke the last body's prefix, empty if it only grew."""
        return self._bodies.diverged

    def render(self, request: Request) -> bytes:
        """Return the request body, UTF-8 JSON."""
        limit = request.max_tokens
        ending = b"]}" if limit is None else b'],"max_output_tokens":%d}' % limit
        return b"%b%b" % (self._bodies.body(request), ending)

    def _head(self, request: Request) -> bytes:
        fields: dict[str, Any] = {"model": self._model, "stream": True, "store": False}
        # It leads requests of one session to the machine that has its prefix; no model reads it.
        fields["prompt_cache_key"] = request.session_id
        if request.tools:
            fields |= {"tool_choice": "auto", "parallel_tool_calls": True}
        fields |= self._extra
        constant = {name: value for name, value in fields.items() if value is not None}
        head = msgspec.json.encode(constant)[:-1]
        if request.instructions:
            head += b',"instructions":%b' % encode_text(request.instructions)
        if request.tools:
            head += b',"tools":[%b]' % b",".join(map(_tool, request.tools))
        return head + b',"input":['

    def _piece(self, before: Message | None, message: Message) -> bytes:
        items = b",".join(self._items(message))
        return items if before is None else b",%b" % items

    def _items(self, message: Message) -> list[bytes]:
        match message:
            case UserMessage():
                return [_words(b'"user"', b'"input_text"', message.text)]
            case ToolMessage():
                name = id_on_the_wire(message.call_id, message.wire_id, self._own_ids)
                kind = b'"function_call_output"'
                return [json_object(type=kind, call_id=name, output=message.content)]
            case AssistantMessage():
                items = list(map(self._call, message.calls))
                if message.text or not items:
                    items.insert(0, _words(b'"assistant"', b'"output_text"', message.text))
                return items

    def _call(self, call: ToolCall) -> bytes:
        return json_object(
            type=b'"function_call"',
            call_id=id_on_the_wire(call.call_id, call.wire_id, self._own_ids),
            name=name_on_the_wire(call.name),
            arguments=echoed_arguments(call.arguments),
        )


def _words(role: bytes, kind: bytes, text: str) -> bytes:
    part = json_object(type=kind, text=text)
    return json_object(type=b'"message"', role=role, content=b"[%b]" % part)


def _tool(tool: ToolSpec) -> bytes:
    return json_object(
        type=b'"function"',
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters.encode(),
        strict=b"false",  # the strict form demands schemas in which every field is required
    )
