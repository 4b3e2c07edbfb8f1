"""What the protocols with typed events share: an answer grows by words, thoughts and pieces of calls."""

from collections.abc import Callable
from typing import Any, cast

from hob.core.deltas import Delta, ReasoningDelta, TextDelta
from hob.core.errors import ErrorKind, ModelError
from hob.core.messages import AssistantMessage, StopReason
from hob.models.calls import Calls
from hob.models.failures import from_error_object
from hob.models.json_text import NOT_JSON, loads

Fields = dict[str, Any]


class TypedEvents:
    """One answer; it takes the part of `assemble.Assembler`.

    A protocol fills `_takers`: what to do with an event, by its `type`. Other types are passed over, as
    the protocols ask, unless they hold an error. `_finish` is the reason for stopping.
    """

    _cut: tuple[str, ...] = ()
    _refused: tuple[str, ...] = ()

    def __init__(self, server: str, secret: str = "") -> None:
        self._server = server
        self._secret = secret
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls = Calls()
        self._finish = ""
        self._takers: dict[str, Callable[[Fields], list[Delta]]] = {}
        self.model = ""
        self.server = ""
        self.begun = False
        self.ended = False

    @property
    def complete(self) -> bool:
        """Say whether the server has finished its answer, even if the stream then breaks."""
        return bool(self._finish)

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
        deltas = self._take(cast("Fields", event))
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
        if self._finish in self._refused:
            raise self._failure("refused", "declined to answer; put the task in other words")
        text = "".join(self._text)
        stop: StopReason = "length" if self._finish in self._cut else "end"
        calls = self._calls.finish(cut=stop == "length")
        if stop != "length":
            if calls:
                stop = "calls"
            elif not text or text.isspace():
                raise self._failure("empty", "gave an answer without words or calls; ask again")
        return AssistantMessage(text, "".join(self._reasoning), calls, stop)

    def _take(self, event: Fields) -> list[Delta]:
        kind = event.get("type")
        taker = self._takers.get(kind) if isinstance(kind, str) else None
        if taker is not None:
            return taker(event)
        if kind == "error" or event.get("error"):
            raise from_error_object(self._server, event.get("error") or event, self._secret)
        return []

    def _note_model(self, answer: Fields) -> None:
        if isinstance(model := answer.get("model"), str):
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

    def _call(self, place: object, arguments: object = None, **head: object) -> list[Delta]:
        """Take a piece of a call; the first one has its `id` and `name`."""
        function = {"name": head.get("name"), "arguments": arguments}
        return [*self._calls.feed([{"index": place, "id": head.get("id"), "function": function}])]

    def _failure(self, kind: ErrorKind, what: str) -> ModelError:
        return ModelError(kind, f"{self._server} {what}.")


def fields(value: object) -> Fields:
    """Return an object's fields, none if it is no object."""
    return cast("Fields", value) if isinstance(value, dict) else {}


def items(value: object) -> list[Fields]:
    """Return the objects of a list, none if it is no list."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Fields", item) for item in listed if isinstance(item, dict)]


def count(counted: Fields, name: str) -> int | None:
    """Return a number of tokens, None if there is no usable one."""
    value = counted.get(name)
    return value if isinstance(value, int) and value >= 0 else None
