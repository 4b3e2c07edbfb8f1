"""Requests as bytes: each body of a session is the one before it with something appended.

A server's prompt cache works on a prefix, so the order here is a contract: everything constant
first, `"messages":[…` after it, and behind them only what shrinks from step to step (the tokens that
are left of a limit; no part of the prompt). What was rendered is kept per session, and only new messages are encoded.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from operator import is_
from typing import Any

import msgspec

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.control_tokens import broken
from hob.models.json_text import NOT_JSON, encode_text, json_object

ENDING = b"]}"
CAPPED = b'],"max_tokens":%d}'
VARIED_TEMPERATURE = 0.8  # for a prompt that failed twice in the same way
_KEPT_SESSIONS = 8


class Renderer:
    """Renders requests for one model, remembering each session's last body.

    `extra` are further constant body fields; they may replace `stream_options`, and a value of
    None removes a field. `keep_reasoning` echoes thoughts as `reasoning_content`; the default drops
    them, as most chat templates do for past turns anyway. With `break_control_tokens` what looks like
    a control token in words of the person or of a tool is made harmless.
    """

    def __init__(
        self,
        model: str,
        extra: Mapping[str, Any] | None = None,
        keep_reasoning: bool = False,
        break_control_tokens: bool = False,
    ) -> None:
        self._model = model
        self._extra = dict(extra or {})
        self._keep_reasoning = keep_reasoning
        self._break = break_control_tokens
        self._rendered: OrderedDict[str, _Rendered] = OrderedDict()
        self.diverged = ""

    def render(self, request: Request) -> bytes:
        """Return the request body, UTF-8 JSON; `diverged` then says what broke the session's prefix."""
        head = (request.instructions, request.tools)
        rendered = self._rendered.get(request.session_id)
        self.diverged = ""
        if rendered is None or rendered.head != head:
            if rendered is not None:
                self.diverged = _changed(rendered.head, head)
            rendered = _Rendered(head, self._head(request))
            self._rendered[request.session_id] = rendered
            if len(self._rendered) > _KEPT_SESSIONS:
                self._rendered.popitem(last=False)
        self._rendered.move_to_end(request.session_id)
        replaced = rendered.extend(request.messages, self._message)
        if replaced is not None:
            self.diverged = f"message {replaced + 1} of the conversation"
        return b"%b%b" % (rendered.body, _ending(request))

    def _head(self, request: Request) -> bytes:
        fields: dict[str, Any] = {
            "model": self._model,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        fields.update(self._extra)
        constant = msgspec.json.encode({k: v for k, v in fields.items() if v is not None})
        tools = b",".join(map(function_tool, request.tools))
        # An empty list of tools is refused by some servers, and so is an empty system message.
        tools_field = b',"tools":[%b]' % tools if tools else b""
        system = request.instructions and json_object(
            role=b'"system"', content=request.instructions
        )
        return b'%b%b,"messages":[%b' % (constant[:-1], tools_field, system or b"")

    def _message(self, message: Message) -> bytes:
        match message:
            case UserMessage():
                return json_object(role=b'"user"', content=self._words(message.text))
            case ToolMessage():
                name = message.wire_id or message.call_id
                content = self._words(message.content)
                return json_object(role=b'"tool"', tool_call_id=name, content=content)
            case AssistantMessage():
                return _assistant(message, self._keep_reasoning)

    def _words(self, text: str) -> str:
        return broken(text) if self._break else text


class _Rendered:
    """One session's body so far, without its ending, and where each message ends in it."""

    def __init__(self, head: tuple[Any, ...], start: bytes) -> None:
        self.head = head
        self.body = bytearray(start)
        self._messages: tuple[Message, ...] = ()
        self._ends: list[int] = []
        self._start = len(start)
        self._bare = start.endswith(b"[")

    def extend(
        self, messages: tuple[Message, ...], encode: Callable[[Message], bytes]
    ) -> int | None:
        """Make the body say exactly these messages, encoding only what was not there before.

        Returns the index of the first message that replaces another or is left out, None if there is none.
        """
        same = self._same(messages)
        replaced = same if same < len(self._messages) else None
        del self._ends[same:]
        del self.body[self._ends[-1] if self._ends else self._start :]
        for message in messages[same:]:
            if self._ends or not self._bare:
                self.body += b","
            self.body += encode(message)
            self._ends.append(len(self.body))
        self._messages = messages
        return replaced

    def _same(self, messages: Sequence[Message]) -> int:
        known = self._messages
        if len(known) <= len(messages) and all(map(is_, known, messages)):
            return len(known)
        pairs = zip(known, messages, strict=False)
        return next(
            (n for n, (old, new) in enumerate(pairs) if old is not new and old != new),
            min(len(known), len(messages)),
        )


def _ending(request: Request) -> bytes:
    """Return what stands behind the messages: no part of the prompt."""
    if request.variation:
        varied = {"temperature": VARIED_TEMPERATURE, "seed": request.variation}
        if request.max_tokens is not None:
            varied["max_tokens"] = request.max_tokens
        return b"]," + msgspec.json.encode(varied)[1:]
    return ENDING if request.max_tokens is None else CAPPED % request.max_tokens


def _changed(before: tuple[Any, ...], now: tuple[Any, ...]) -> str:
    return "the system message" if before[0] != now[0] else "the tools"


def _assistant(message: AssistantMessage, keep_reasoning: bool) -> bytes:
    # Empty text beside calls is "" and not null: the OpenAI API takes both, but chat templates that
    # trim or concatenate `content` (llama.cpp, vLLM) fail on null or print "None".
    fields: dict[str, bytes | str] = {"role": b'"assistant"', "content": message.text}
    if keep_reasoning and message.reasoning:
        fields["reasoning_content"] = message.reasoning
    if message.calls:
        fields["tool_calls"] = b"[%b]" % b",".join(map(_call, message.calls))
    return json_object(**fields)


def _call(call: ToolCall) -> bytes:
    function = json_object(name=call.name, arguments=echoed_arguments(call.arguments))
    return json_object(id=call.wire_id or call.call_id, type=b'"function"', function=function)


def echoed_arguments(arguments: str) -> str:
    """Return argument text for the history: as the model wrote it if that is a JSON object.

    Servers parse arguments in the history (llama.cpp answers 500 and vLLM 400 to broken ones), so
    anything else is replaced, always the same way for the same text: nothing by an empty object, an
    encoded object inside a string by that object, the rest by an object that holds the text.
    """
    if not arguments.strip():
        return "{}"
    value = _decoded(arguments)
    if isinstance(value, dict):
        return arguments
    if isinstance(value, str) and isinstance(_decoded(value), dict):
        return value
    return encode_text(arguments).join((b'{"_invalid_json":', b"}")).decode()


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except NOT_JSON:
        return None


def function_tool(tool: ToolSpec) -> bytes:
    """Return a tool as chat completions and Ollama describe it."""
    function = json_object(
        name=tool.name, description=tool.description, parameters=tool.parameters.encode()
    )
    return json_object(type=b'"function"', function=function)
