"""An answer put together from the chunks of a chat completion.

The shapes are those of the OpenAI API, llama.cpp, vLLM, Ollama, LM Studio and Mistral.
"""

from typing import Any, cast

import msgspec
from msgspec import Struct

from hob.core.deltas import Delta, Notice, ReasoningDelta, TextDelta
from hob.core.errors import ErrorKind, ModelError
from hob.core.messages import AssistantMessage, StopReason, Usage
from hob.models.calls import Calls
from hob.models.failures import from_error_object
from hob.models.json_text import NOT_JSON, loads
from hob.models.usage import read_usage

_LONG_PROMPT = 4096  # tokens to compute; a shorter one is read before anybody wonders
_CUT = ("length", "max_tokens", "model_length")


class _Words(Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None


class _Choice(Struct):
    delta: _Words | None = None
    message: _Words | None = None
    finish_reason: Any = None
    usage: Any = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    timings: Any = None
    model: Any = None
    system_fingerprint: Any = None
    prompt_progress: Any = None
    error: Any = None
    object: Any = None
    message: Any = None
    code: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class Assembler:
    """One answer. Feed it the data of each event, then ask for the message.

    `begun` turns true with the first words, thoughts or calls, `ended` with `[DONE]`, `complete` as
    soon as the server has given a reason for stopping.
    """

    def __init__(self, server: str, secret: str = "") -> None:
        self._server = server
        self._secret = secret
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls = Calls()
        self._finish = ""
        self._usage: object = None
        self._timings: object = None
        self.model = ""
        self.server = ""
        self._told = 0  # fifths of the prompt
        self.begun = False
        self.ended = False

    @property
    def complete(self) -> bool:
        """Say whether the server has finished its answer, even if the stream then breaks."""
        return self.ended or bool(self._finish)

    def feed(self, data: bytes) -> list[Delta]:
        """Return what one event adds. Raises `ModelError`: malformed, or the error in it."""
        if not data or data.isspace():
            return []
        if data.strip() == b"[DONE]":
            self.ended = True
            return []
        try:
            chunk = _decode(data)
        except NOT_JSON:
            if b"\n" in data:  # a server that forgot the blank lines between its events
                return [delta for line in data.split(b"\n") for delta in self.feed(line)]
            chunk = self._unusual(data)
        return self._take(chunk)

    def feed_document(self, data: bytes) -> list[Delta]:
        """Take a whole answer that came as one JSON document although a stream was asked for."""
        deltas = self.feed(data.replace(b"\n", b" ").replace(b"\r", b" "))
        self.ended = True
        return deltas

    def message(self) -> AssistantMessage:
        """Return the answer. Raises `ModelError`: cut or empty."""
        if not self.complete:
            if not self.begun:
                raise self._failure("empty", "ended its answer before the first word; ask again")
            raise self._failure("cut", "broke off in the middle of its answer; ask again")
        text = "".join(self._text)
        stop: StopReason = "length" if self._finish in _CUT else "end"
        calls = self._calls.finish(cut=stop == "length")
        if stop != "length":
            if calls:
                stop = "calls"
            elif not text or text.isspace():
                raise self._failure("empty", f"gave an answer without words or calls{self._why()}")
        return AssistantMessage(text, "".join(self._reasoning), calls, stop)

    def usage(self) -> tuple[Usage, float | None, float | None]:
        """Return token counts, and the server's seconds for reading the prompt and for writing."""
        return read_usage(self._usage, self._timings)

    def _take(self, chunk: _Chunk) -> list[Delta]:
        if chunk.error or chunk.object == "error":
            error = chunk.error or {"message": chunk.message, "code": chunk.code}
            raise from_error_object(self._server, error, self._secret)
        if chunk.usage:
            self._usage = chunk.usage
        if chunk.timings:
            self._timings = chunk.timings
        if not self.model and isinstance(chunk.model, str):
            self.model = chunk.model
        if not self.server and isinstance(chunk.system_fingerprint, str):
            self.server = chunk.system_fingerprint
        read = self._read_so_far(chunk.prompt_progress) if chunk.prompt_progress else []
        if not chunk.choices:
            return read
        choice = chunk.choices[0]
        if choice.finish_reason and isinstance(choice.finish_reason, str):
            self._finish = choice.finish_reason
        if choice.usage:
            self._usage = choice.usage
        words = choice.delta or choice.message
        return read + self._words(words) if words else read

    def _read_so_far(self, said: object) -> list[Delta]:
        """Return a word on how far llama.cpp has read a long prompt, at each fifth of it (`return_progress`)."""
        progress = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
        total, done, cached = (progress.get(name) for name in ("total", "processed", "cache"))
        if not (isinstance(total, int) and isinstance(done, int)):
            return []
        known = cached if isinstance(cached, int) else 0
        fresh = total - known
        fifth = 5 * (done - known) // fresh if fresh > 0 else 0
        if fresh < _LONG_PROMPT or fifth <= self._told or done >= total:
            return []
        self._told = fifth
        share = f"{done:,} of {total:,} tokens ({100 * done // total} %)"
        return [Notice(f"{self._server} is reading the prompt: {share}.")]

    def _words(self, words: _Words) -> list[Delta]:
        deltas: list[Delta] = []
        if thought := _text(words.reasoning_content) or _text(words.reasoning):
            self._reasoning.append(thought)
            deltas.append(ReasoningDelta(thought))
        if text := _text(words.content):
            self._text.append(text)
            deltas.append(TextDelta(text))
        if words.tool_calls:
            deltas.extend(self._calls.feed(words.tool_calls))
        if deltas:
            self.begun = True
        return deltas

    def _unusual(self, data: bytes) -> _Chunk:
        """Read a chunk whose text or types the strict reader refuses."""
        try:
            value = loads(data)
            chunk = _lenient(cast("dict[str, Any]", value)) if isinstance(value, dict) else None
        except NOT_JSON:
            chunk = None
        if chunk is None:
            raise self._failure("malformed", "sent a chunk that is no JSON object; ask again")
        return chunk

    def _why(self) -> str:
        if self._finish == "content_filter":
            return " because of its content filter; put the task in other words"
        if self._reasoning:
            return ", only thoughts; raise its limit for output tokens or ask again"
        return "; ask again, or check its chat template if it happens each time"

    def _failure(self, kind: ErrorKind, what: str) -> ModelError:
        return ModelError(kind, f"{self._server} {what}.")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # content parts, as Mistral's API sends them
        parts = [
            cast("dict[str, Any]", part).get("text")
            for part in cast("list[object]", value)
            if isinstance(part, dict)
        ]
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _lenient(value: dict[str, Any]) -> _Chunk:
    """Return a chunk with whatever is usable in it."""
    choices = value.get("choices")
    listed = cast("list[object]", choices) if isinstance(choices, list) else []
    usable = [_choice(cast("dict[str, Any]", c)) for c in listed if isinstance(c, dict)]
    names = (
        "usage",
        "timings",
        "model",
        "system_fingerprint",
        "prompt_progress",
        "error",
        "object",
        "message",
        "code",
    )
    return _Chunk(usable, *(value.get(name) for name in names))


def _choice(value: dict[str, Any]) -> _Choice:
    delta, message = _words_of(value.get("delta")), _words_of(value.get("message"))
    return _Choice(delta, message, value.get("finish_reason"), value.get("usage"))


def _words_of(value: object) -> _Words | None:
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, Any]", value)
    names = ("content", "reasoning_content", "reasoning", "tool_calls")
    return _Words(*(fields.get(name) for name in names))
