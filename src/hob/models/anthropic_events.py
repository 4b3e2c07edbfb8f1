"""An answer of the Anthropic Messages protocol put together from its events.

The shapes are those of Anthropic's API and of the servers that copy it: llama.cpp, vLLM, Ollama, LM Studio.
"""

from hob.core.deltas import Delta
from hob.core.messages import Usage
from hob.models.typed_events import Fields, TypedEvents, count, fields, items

_COUNTS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
)


class MessagesAssembler(TypedEvents):
    """One answer. `complete` turns true with the reason for stopping, `ended` with `message_stop`."""

    _cut = ("max_tokens", "model_context_window_exceeded")
    _refused = ("refusal",)

    def __init__(self, server: str, secret: str = "") -> None:
        super().__init__(server, secret)
        self._whole_inputs: dict[object, Fields] = {}
        self._counts: dict[str, int] = {}
        self._takers = {
            "message_start": lambda event: self._begin(fields(event.get("message"))),
            "content_block_start": self._block,
            "content_block_delta": self._piece,
            "content_block_stop": lambda event: self._whole_input(event.get("index")),
            "message_delta": self._end,
            "message_stop": self._stop,
            "message": self._document,
        }

    def usage(self) -> tuple[Usage, float | None, float | None]:
        """Return token counts; the protocol tells no times.

        `input_tokens` leaves out what the cache read or wrote, so the prompt is the sum of all three.
        """
        read = self._counts.get("cache_read_input_tokens")
        fresh = self._counts.get("input_tokens")
        written = self._counts.get("cache_creation_input_tokens", 0)
        prompt = None if fresh is None else fresh + (read or 0) + written
        return Usage(prompt, read, self._counts.get("output_tokens")), None, None

    def _begin(self, message: Fields) -> list[Delta]:
        self._note_model(message)
        self._count(message.get("usage"))
        return []

    def _block(self, event: Fields) -> list[Delta]:
        index, block = event.get("index"), fields(event.get("content_block"))
        kind = block.get("type")
        if kind == "text":
            return self._words(block.get("text"))
        if kind == "thinking":
            return self._thoughts(block.get("thinking"))
        if kind != "tool_use":
            return []
        if given := fields(block.get("input")):
            self._whole_inputs[index] = given
        return self._call(index, id=block.get("id"), name=block.get("name"))

    def _piece(self, event: Fields) -> list[Delta]:
        index, delta = event.get("index"), fields(event.get("delta"))
        kind = delta.get("type")
        if kind == "text_delta":
            return self._words(delta.get("text"))
        if kind == "thinking_delta":
            return self._thoughts(delta.get("thinking"))
        if kind != "input_json_delta" or not (piece := delta.get("partial_json")):
            return []
        self._whole_inputs.pop(index, None)
        return self._call(index, piece)

    def _whole_input(self, index: object) -> list[Delta]:
        """Give out an input that came whole with the start of its block, if no pieces followed."""
        given = self._whole_inputs.pop(index, None)
        return [] if given is None else self._call(index, given)

    def _end(self, event: Fields) -> list[Delta]:
        self._count(event.get("usage"))
        if isinstance(reason := fields(event.get("delta")).get("stop_reason"), str):
            self._finish = reason
        return []

    def _stop(self, event: Fields) -> list[Delta]:
        self._finish = self._finish or "end_turn"
        self.ended = True
        return [delta for index in list(self._whole_inputs) for delta in self._whole_input(index)]

    def _document(self, message: Fields) -> list[Delta]:
        deltas = self._begin(message)
        for index, block in enumerate(items(message.get("content"))):
            deltas += self._block({"index": index, "content_block": block})
            deltas += self._whole_input(index)
        return deltas + self._end({"delta": message})

    def _count(self, usage: object) -> None:
        # Counts are cumulative; servers repeat them, and some send zeros at one of the two ends.
        for name in _COUNTS:
            value = count(fields(usage), name)
            if value is not None:
                self._counts[name] = max(value, self._counts.get(name, 0))
