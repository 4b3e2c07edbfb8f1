"""An answer of Ollama's own protocol: one JSON object a line, the last one with counts and times."""

from hob.core.deltas import Delta
from hob.core.errors import ModelError
from hob.core.messages import Reply, Timings, Usage
from hob.models.failures import from_error_object
from hob.models.typed_events import Fields, TypedEvents, count, fields, items

_MAX_LINE_BYTES = 16 * 1024 * 1024
_NS = 1e9
RELOADED_S = 1.0  # to load a model takes longer; what the last one had computed is gone then


class OllamaEvents(TypedEvents):
    """One answer put together from its lines."""

    _cut = ("length",)

    def __init__(self, server: str, secret: str = "") -> None:
        super().__init__(server, secret)
        self._last: Fields = {}

    def _take(self, event: Fields) -> list[Delta]:
        if event.get("error"):
            raise from_error_object(self._server, event["error"], self._secret)
        self._note_model(event)
        message = fields(event.get("message"))
        deltas = [*self._thoughts(message.get("thinking")), *self._words(message.get("content"))]
        for call in items(message.get("tool_calls")):
            deltas += self._calls.feed([{"id": call.get("id"), "function": call.get("function")}])
        if event.get("done"):
            reason = event.get("done_reason")
            self._finish = reason if isinstance(reason, str) and reason else "stop"
            self._last = event
            self.ended = True
        return deltas

    def usage(self) -> tuple[Usage, float | None, float | None]:
        """Return token counts and the server's seconds for reading the prompt and for writing.

        Ollama does not say what it reused; that a model which was loaded first reused nothing is certain.
        """
        reloaded = (self._seconds("load_duration") or 0.0) >= RELOADED_S
        counts = Usage(
            count(self._last, "prompt_eval_count"),
            0 if reloaded else None,
            count(self._last, "eval_count"),
        )
        return counts, self._seconds("prompt_eval_duration"), self._seconds("eval_duration")

    def _seconds(self, name: str) -> float | None:
        value = count(self._last, name)
        return None if value is None else value / _NS


class OllamaAnswer:
    """Turns the pieces of one body into deltas and at last into the reply."""

    def __init__(self, server: str, secret: str = "") -> None:
        self._server = server
        self._events = OllamaEvents(server, secret)
        self._partial = bytearray()
        self.content_type = ""

    @property
    def begun(self) -> bool:
        """Say whether words, thoughts or calls have come."""
        return self._events.begun

    @property
    def complete(self) -> bool:
        """Say whether nothing that may still come can change the reply."""
        return self._events.complete

    @property
    def ended(self) -> bool:
        """Say whether the server has said that nothing more comes."""
        return self._events.ended

    def feed(self, piece: bytes) -> list[Delta]:
        """Return what one piece adds. Raises `ModelError`."""
        if "html" in self.content_type:
            text = f"{self._server} sent a web page where an answer should be; check the base URL."
            raise ModelError("malformed", text)
        *lines, rest = (bytes(self._partial) + piece).split(b"\n")
        self._partial = bytearray(rest)
        if len(rest) > _MAX_LINE_BYTES:
            text = f"{self._server} sent one line of more than {_MAX_LINE_BYTES} bytes; check that it is Ollama."
            raise ModelError("malformed", text)
        return [delta for line in lines for delta in self._events.feed(line)]

    def close(self) -> list[Delta]:
        """Return what the end of the body adds: a last line without its end. Raises `ModelError`."""
        rest, self._partial = bytes(self._partial), bytearray()
        return self._events.feed(rest)

    def reply(self, first_token_s: float | None, total_s: float) -> Reply:
        """Return the whole reply. Raises `ModelError`: cut or empty."""
        message = self._events.message()
        usage, prompt_s, predicted_s = self._events.usage()
        timings = Timings(first_token_s, total_s, prompt_s, predicted_s)
        return Reply(message, usage, timings, self._events.model)
