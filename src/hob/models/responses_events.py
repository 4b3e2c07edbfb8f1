"""An answer of the OpenAI Responses protocol put together from its events.

The shapes are those of OpenAI's API and of the servers that copy it: llama.cpp, vLLM, Ollama, LM Studio.
"""

from typing import Any, cast

import msgspec

from hob.core.deltas import Delta, ReasoningDelta, TextDelta
from hob.core.errors import ErrorKind, ModelError
from hob.core.messages import AssistantMessage, StopReason, Usage
from hob.models.calls import Calls
from hob.models.failures import from_error_object
from hob.models.json_text import NOT_JSON, loads

_WORDS = ("response.output_text.delta", "response.refusal.delta")
_THOUGHTS = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")


class ResponsesAssembler:
    """One answer; see `assemble.Assembler`, whose part it takes.

    Only the last event (`response.completed` or `response.incomplete`) makes it complete. Kinds of
    events and items that are not known are passed over.
    """

    def __init__(self, server: str, secret: str = "") -> None:
        self._server = server
        self._secret = secret
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls = Calls()
        self._places: dict[object, int] = {}
        self._arguments: dict[int, str] = {}
        self._status = ""
        self._reason = ""
        self._usage: dict[str, Any] = {}
        self.model = ""
        self.server = ""
        self.begun = False
        self.ended = False

    @property
    def complete(self) -> bool:
        """Say whether the server has finished its answer, even if the stream then breaks."""
        return bool(self._status)

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
        return self.feed(data)

    def message(self) -> AssistantMessage:
        """Return the answer. Raises `ModelError`: cut, empty or refused."""
        if not self.complete:
            if not self.begun:
                raise self._failure("empty", "ended its answer before the first word; ask again")
            raise self._failure("cut", "broke off in the middle of its answer; ask again")
        if self._reason == "content_filter":
            what = "stopped the answer by its content filter; put the task in other words"
            raise self._failure("refused", what)
        text = "".join(self._text)
        stop: StopReason = "length" if self._status == "incomplete" else "end"
        calls = self._calls.finish(cut=stop == "length")
        if stop != "length":
            if calls:
                stop = "calls"
            elif not text or text.isspace():
                raise self._failure("empty", "gave an answer without words or calls; ask again")
        return AssistantMessage(text, "".join(self._reasoning), calls, stop)

    def usage(self) -> tuple[Usage, float | None, float | None]:
        """Return token counts; the protocol tells no times."""
        taken = _fields(self._usage.get("input_tokens_details"))
        given = _fields(self._usage.get("output_tokens_details"))
        counts = Usage(
            _count(self._usage, "input_tokens"),
            _count(taken, "cached_tokens"),
            _count(self._usage, "output_tokens"),
            _count(given, "reasoning_tokens"),
        )
        return counts, None, None

    def _take(self, event: dict[str, Any]) -> list[Delta]:
        kind = event.get("type")
        if kind in _WORDS:
            return self._words(event.get("delta"))
        if kind in _THOUGHTS:
            return self._thoughts(event.get("delta"))
        if kind == "response.reasoning_summary_part.added" and self._reasoning:
            return self._thoughts("\n\n")
        if kind == "response.function_call_arguments.delta":
            return self._piece(self._place(event), event.get("delta"))
        if kind == "response.function_call_arguments.done":
            return self._rest(self._place(event), event.get("arguments"))
        if kind in ("response.output_item.added", "response.output_item.done"):
            return self._item(event, _fields(event.get("item")), kind.endswith("done"))
        if kind in _ENDS:
            return self._end(_fields(event.get("response")))
        if event.get("object") == "response":
            return self._end(event)
        if kind == "error" or event.get("error"):
            raise from_error_object(self._server, event.get("error") or event, self._secret)
        self._note_model(_fields(event.get("response")))
        return []

    def _item(self, event: dict[str, Any], item: dict[str, Any], done: bool) -> list[Delta]:
        """Open a call, or take what its last event adds to the pieces."""
        if item.get("type") != "function_call":
            return []
        names = (item.get("id"), item.get("call_id"), event.get("output_index"))
        key = next((name for name in names if _is_key(name)), None)
        place = self._places.get(key)
        deltas: list[Delta] = []
        if place is None or not (done or key is None):
            place = len(self._arguments)
            self._arguments[place] = ""
            self._places.update({name: place for name in names if _is_key(name)})
            head = {"id": item.get("call_id"), "function": {"name": item.get("name")}}
            deltas += self._calls.feed([{"index": place, **head}])
        return deltas + self._rest(place, item.get("arguments")) if done else deltas

    def _place(self, event: dict[str, Any]) -> int | None:
        """Return the number of the call that a piece belongs to: the last one if it does not say."""
        names = (event.get("item_id"), event.get("output_index"))
        known = (self._places[name] for name in names if _is_key(name) and name in self._places)
        return next(known, len(self._arguments) - 1 if self._arguments else None)

    def _piece(self, place: int | None, text: object) -> list[Delta]:
        if place is None or not isinstance(text, str) or not text:
            return []
        self._arguments[place] += text
        return [*self._calls.feed([{"index": place, "function": {"arguments": text}}])]

    def _rest(self, place: int | None, whole: object) -> list[Delta]:
        """Take what the whole arguments add to the pieces; some servers send no pieces."""
        if place is None:
            return []
        if isinstance(whole, dict) and not self._arguments[place]:
            return self._piece(place, msgspec.json.encode(whole).decode())
        had = self._arguments[place]
        if not isinstance(whole, str) or not whole.startswith(had):
            return []
        return self._piece(place, whole[len(had) :])

    def _end(self, response: dict[str, Any]) -> list[Delta]:
        """Take the last event, which holds the whole answer once more."""
        self._note_model(response)
        self._usage = _fields(response.get("usage"))
        status = response.get("status")
        if status == "failed" or response.get("error"):
            raise from_error_object(self._server, response.get("error"), self._secret)
        if status not in ("completed", "incomplete"):
            raise self._failure("cut", "gave its answer up; ask again")
        self._status = status
        self._reason = str(_fields(response.get("incomplete_details")).get("reason") or "")
        self.ended = True
        return [] if self.begun else self._output(response.get("output"))

    def _output(self, output: object) -> list[Delta]:
        deltas: list[Delta] = []
        for number, value in enumerate(_list(output)):
            item = _fields(value)
            if item.get("type") == "reasoning":
                for part in (*_list(item.get("summary")), *_list(item.get("content"))):
                    deltas += self._thoughts(_fields(part).get("text"))
            for part in map(_fields, _list(item.get("content"))):
                if item.get("type") == "message":
                    deltas += self._words(part.get("text") or part.get("refusal"))
            deltas += self._item({"output_index": number}, item, done=True)
        return deltas

    def _note_model(self, response: dict[str, Any]) -> None:
        if isinstance(model := response.get("model"), str):
            self.model = self.model or model

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

    def _failure(self, kind: ErrorKind, what: str) -> ModelError:
        return ModelError(kind, f"{self._server} {what}.")


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _is_key(value: object) -> bool:
    return isinstance(value, str | int) and value != ""


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _count(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and value >= 0 else None
