"""An answer of the Anthropic Messages protocol put together from its events.

The shapes are those of Anthropic's API and of the servers that copy it: llama.cpp, vLLM, Ollama, LM Studio.
"""

from typing import Any, cast

from hob.core.deltas import Delta, ReasoningDelta, TextDelta
from hob.core.errors import ErrorKind, ModelError
from hob.core.messages import AssistantMessage, StopReason, Usage
from hob.models.calls import Calls
from hob.models.failures import from_error_object
from hob.models.json_text import NOT_JSON, loads

_CUT = ("max_tokens", "model_context_window_exceeded")
_COUNTS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
)


class MessagesAssembler:
    """One answer; see `assemble.Assembler`, whose part it takes.

    `complete` turns true with the reason for stopping, `ended` with `message_stop`. Kinds of events and
    blocks that are not known are passed over, as the protocol asks.
    """

    def __init__(self, server: str, secret: str = "") -> None:
        self._server = server
        self._secret = secret
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls = Calls()
        self._whole_inputs: dict[object, dict[str, Any]] = {}
        self._stop = ""
        self._counts: dict[str, int] = {}
        self.model = ""
        self.server = ""
        self.begun = False
        self.ended = False

    @property
    def complete(self) -> bool:
        """Say whether the server has finished its answer, even if the stream then breaks."""
        return self.ended or bool(self._stop)

    def feed(self, data: bytes) -> list[Delta]:
        """Return what one event adds. Raises `ModelError`: malformed, or the error in it."""
        if not data or data.isspace() or data.strip() == b"[DONE]":
            return []
        try:
            event = loads(data)
        except NOT_JSON:
            event = None
        if not isinstance(event, dict):
            raise self._failure("malformed", "sent an event that is no JSON object; ask again")
        deltas = self._take(cast("dict[str, Any]", event))
        self.begun = self.begun or bool(deltas)
        return deltas

    def feed_document(self, data: bytes) -> list[Delta]:
        """Take a whole answer that came as one JSON document although a stream was asked for."""
        deltas = self.feed(data)
        self.ended = self.complete
        return deltas

    def message(self) -> AssistantMessage:
        """Return the answer. Raises `ModelError`: cut, empty or refused."""
        if not self.complete:
            if not self.begun:
                raise self._failure("empty", "ended its answer before the first word; ask again")
            raise self._failure("cut", "broke off in the middle of its answer; ask again")
        if self._stop == "refusal":
            raise self._failure("refused", "declined to answer; put the task in other words")
        text = "".join(self._text)
        stop: StopReason = "length" if self._stop in _CUT else "end"
        calls = self._calls.finish(cut=stop == "length")
        if stop != "length":
            if calls:
                stop = "calls"
            elif not text or text.isspace():
                raise self._failure("empty", "gave an answer without words or calls; ask again")
        return AssistantMessage(text, "".join(self._reasoning), calls, stop)

    def usage(self) -> tuple[Usage, float | None, float | None]:
        """Return token counts; the protocol tells no times.

        `input_tokens` leaves out what the cache read or wrote, so the prompt is the sum of all three.
        """
        read = self._counts.get("cache_read_input_tokens")
        fresh = self._counts.get("input_tokens")
        written = self._counts.get("cache_creation_input_tokens", 0)
        prompt = None if fresh is None else fresh + (read or 0) + written
        return Usage(prompt, read, self._counts.get("output_tokens")), None, None

    def _take(self, event: dict[str, Any]) -> list[Delta]:
        match event.get("type"):
            case "message_start":
                return self._begin(_fields(event.get("message")))
            case "content_block_start":
                return self._block(event.get("index"), _fields(event.get("content_block")))
            case "content_block_delta":
                return self._piece(event.get("index"), _fields(event.get("delta")))
            case "content_block_stop":
                return self._whole_input(event.get("index"))
            case "message_delta":
                self._end(_fields(event.get("delta")), event.get("usage"))
            case "message_stop":
                self.ended = True
                return [
                    delta
                    for index in list(self._whole_inputs)
                    for delta in self._whole_input(index)
                ]
            case "message":
                return self._document(event)
            case _:
                if event.get("type") == "error" or event.get("error"):
                    raise from_error_object(self._server, event.get("error"), self._secret)
        return []

    def _begin(self, message: dict[str, Any]) -> list[Delta]:
        if isinstance(model := message.get("model"), str):
            self.model = self.model or model
        self._count(message.get("usage"))
        return []

    def _block(self, index: object, block: dict[str, Any]) -> list[Delta]:
        match block.get("type"):
            case "text":
                return self._words(block.get("text"))
            case "thinking":
                return self._thoughts(block.get("thinking"))
            case "tool_use":
                if given := _fields(block.get("input")):
                    self._whole_inputs[index] = given
                function = {"name": block.get("name")}
                return self._call({"index": index, "id": block.get("id"), "function": function})
        return []

    def _piece(self, index: object, delta: dict[str, Any]) -> list[Delta]:
        match delta.get("type"):
            case "text_delta":
                return self._words(delta.get("text"))
            case "thinking_delta":
                return self._thoughts(delta.get("thinking"))
            case "input_json_delta" if piece := delta.get("partial_json"):
                self._whole_inputs.pop(index, None)
                return self._call({"index": index, "function": {"arguments": piece}})
        return []

    def _whole_input(self, index: object) -> list[Delta]:
        """Give out an input that came whole with the start of its block, if no pieces followed."""
        given = self._whole_inputs.pop(index, None)
        if given is None:
            return []
        return self._call({"index": index, "function": {"arguments": given}})

    def _document(self, message: dict[str, Any]) -> list[Delta]:
        deltas = self._begin(message)
        content = message.get("content")
        for index, block in enumerate(
            cast("list[object]", content) if isinstance(content, list) else []
        ):
            deltas += self._block(index, _fields(block))
            deltas += self._whole_input(index)
        self._end(message, None)
        return deltas

    def _end(self, said: dict[str, Any], usage: object) -> None:
        if isinstance(stop := said.get("stop_reason"), str):
            self._stop = stop
        self._count(usage)

    def _count(self, usage: object) -> None:
        # Counts are cumulative; servers repeat them, and some send zeros at one of the two ends.
        for name in _COUNTS:
            value = _fields(usage).get(name)
            if isinstance(value, int) and value >= self._counts.get(name, 0):
                self._counts[name] = value

    def _words(self, text: object) -> list[Delta]:
        if not isinstance(text, str) or not text:
            return []
        self._text.append(text)
        return [TextDelta(text)]

    def _thoughts(self, text: object) -> list[Delta]:
        if not isinstance(text, str) or not text:
            return []
        self._reasoning.append(text)
        return [ReasoningDelta(text)]

    def _call(self, piece: dict[str, Any]) -> list[Delta]:
        return [*self._calls.feed([piece])]

    def _failure(self, kind: ErrorKind, what: str) -> ModelError:
        return ModelError(kind, f"{self._server} {what}.")


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
