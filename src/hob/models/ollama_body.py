"""Requests of Ollama's own protocol as bytes; each is the one before it with a longer tail."""

from typing import Any

import msgspec

from hob.core.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.control_tokens import broken
from hob.models.growing import Bodies
from hob.models.json_text import json_object
from hob.models.render import VARIED_TEMPERATURE, echoed_arguments, function_tool


class OllamaRenderer:
    """Renders requests for one model.

    `num_ctx` is the window in tokens, the same for the whole life: another value makes Ollama load the
    model again and forget what it computed. `think` and `temperature` None leave both to the model. With
    `truncate` and `shift` off a prompt that is too long is an error and not cut in silence.
    """

    def __init__(  # noqa: PLR0913 (each is a field of the protocol)
        self,
        model: str,
        *,
        num_ctx: int | None = None,
        keep_alive: str = "60m",
        think: bool | None = None,
        temperature: float | None = None,
        keep_reasoning: bool = False,
        break_control_tokens: bool = False,
    ) -> None:
        self._model = model
        self._temperature = temperature
        self._num_ctx = num_ctx
        self._keep_alive = keep_alive
        self._think = think
        self._keep_reasoning = keep_reasoning
        self._break = break_control_tokens
        self._bodies = Bodies(self._head, self._piece)

    @property
    def diverged(self) -> str:
        """Return what broke the last body's prefix, empty if it only grew."""
        return self._bodies.diverged

    def render(self, request: Request) -> bytes:
        """Return the request body, UTF-8 JSON. What may change from step to step stands behind the messages."""
        options: dict[str, Any] = {
            "num_ctx": self._num_ctx,
            "num_predict": request.max_tokens,
            "temperature": self._temperature,
        }
        if request.variation:
            options |= {"temperature": VARIED_TEMPERATURE, "seed": request.variation}
        given = {name: value for name, value in options.items() if value is not None}
        return b'%b],"options":%b}' % (self._bodies.body(request), msgspec.json.encode(given))

    def _head(self, request: Request) -> bytes:
        fields: dict[str, Any] = {
            "model": self._model,
            "stream": True,
            "keep_alive": self._keep_alive,
            "truncate": False,
            "shift": False,
        }
        if self._think is not None:
            fields["think"] = self._think
        head = msgspec.json.encode(fields)[:-1]
        if request.tools:
            head += b',"tools":[%b]' % b",".join(map(function_tool, request.tools))
        head += b',"messages":['
        if request.instructions:
            head += json_object(role=b'"system"', content=request.instructions) + b","
        return head

    def _piece(self, before: Message | None, message: Message) -> bytes:
        said = self._message(message)
        return said if before is None else b",%b" % said

    def _message(self, message: Message) -> bytes:
        match message:
            case UserMessage():
                return json_object(role=b'"user"', content=self._words(message.text))
            case ToolMessage():
                content = self._words(message.content)
                return json_object(role=b'"tool"', tool_name=message.name, content=content)
            case AssistantMessage():
                fields: dict[str, bytes | str] = {"role": b'"assistant"', "content": message.text}
                if self._keep_reasoning and message.reasoning:
                    fields["thinking"] = message.reasoning
                if message.calls:
                    fields["tool_calls"] = b"[%b]" % b",".join(map(_call, message.calls))
                return json_object(**fields)

    def _words(self, text: str) -> str:
        return broken(text) if self._break else text


def _call(call: ToolCall) -> bytes:
    """Return a call with its arguments as an object, in the bytes in which they were kept."""
    arguments = echoed_arguments(call.arguments).encode("utf-8", "replace")
    return json_object(function=json_object(name=call.name, arguments=arguments))
