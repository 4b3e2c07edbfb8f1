"""An answer of the OpenAI Responses protocol put together from its events.

The shapes are those of OpenAI's API and of the servers that copy it: llama.cpp, vLLM, Ollama, LM Studio.
"""

from functools import partial

import msgspec

from hob.core.deltas import Delta
from hob.core.messages import Usage
from hob.models.failures import from_error_object
from hob.models.typed_events import Fields, TypedEvents, count, fields, items


class ResponsesAssembler(TypedEvents):
    """One answer. Only `response.completed` or `response.incomplete` makes it complete."""

    _cut = ("max_output_tokens",)
    _refused = ("content_filter",)

    def __init__(self, server: str, secret: str = "") -> None:
        super().__init__(server, secret)
        self._places: dict[object, int] = {}
        self._arguments: dict[int, str] = {}
        self._usage: Fields = {}
        self._takers = {
            "response.created": self._created,
            "response.in_progress": self._created,
            "response.output_text.delta": lambda event: self._words(event.get("delta")),
            "response.refusal.delta": lambda event: self._words(event.get("delta")),
            "response.reasoning_summary_text.delta": self._thought,
            "response.reasoning_text.delta": self._thought,
            "response.reasoning_summary_part.added": self._part,
            "response.output_item.added": partial(self._item, done=False),
            "response.output_item.done": partial(self._item, done=True),
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.completed": self._last,
            "response.incomplete": self._last,
            "response.failed": self._last,
            "response.cancelled": self._last,
        }

    def usage(self) -> tuple[Usage, float | None, float | None]:
        """Return token counts; the protocol tells no times."""
        counts = Usage(
            count(self._usage, "input_tokens"),
            count(fields(self._usage.get("input_tokens_details")), "cached_tokens"),
            count(self._usage, "output_tokens"),
            count(fields(self._usage.get("output_tokens_details")), "reasoning_tokens"),
        )
        return counts, None, None

    def _take(self, event: Fields) -> list[Delta]:
        # A whole answer has no `type`, and its `error` is null as a rule.
        return self._end(event) if event.get("object") == "response" else super()._take(event)

    def _created(self, event: Fields) -> list[Delta]:
        self._note_model(fields(event.get("response")))
        return []

    def _thought(self, event: Fields) -> list[Delta]:
        return self._thoughts(event.get("delta"))

    def _part(self, event: Fields) -> list[Delta]:
        return self._thoughts("\n\n") if self._reasoning else []

    def _arguments_delta(self, event: Fields) -> list[Delta]:
        return self._piece(self._place(event), event.get("delta"))

    def _arguments_done(self, event: Fields) -> list[Delta]:
        return self._rest(self._place(event), event.get("arguments"))

    def _last(self, event: Fields) -> list[Delta]:
        return self._end(fields(event.get("response")))

    def _item(self, event: Fields, done: bool) -> list[Delta]:
        """Open a call, or take what its last event adds to the pieces."""
        item = fields(event.get("item"))
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
            deltas += self._call(place, id=item.get("call_id"), name=item.get("name"))
        return deltas + self._rest(place, item.get("arguments")) if done else deltas

    def _place(self, event: Fields) -> int | None:
        """Return the number of the call that a piece belongs to: the last one if it does not say."""
        names = (event.get("item_id"), event.get("output_index"))
        known = (self._places[name] for name in names if _is_key(name) and name in self._places)
        return next(known, len(self._arguments) - 1 if self._arguments else None)

    def _piece(self, place: int | None, text: object) -> list[Delta]:
        if place is None or not isinstance(text, str) or not text:
            return []
        self._arguments[place] += text
        return self._call(place, text)

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

    def _end(self, response: Fields) -> list[Delta]:
        """Take the last event, which holds the whole answer once more."""
        self._note_model(response)
        self._usage = fields(response.get("usage"))
        status = response.get("status")
        if status == "failed" or response.get("error"):
            raise from_error_object(self._server, response.get("error"), self._secret)
        if status not in ("completed", "incomplete"):
            raise self._failure("cut", "gave its answer up; ask again")
        reason = fields(response.get("incomplete_details")).get("reason")
        if status == "incomplete":
            self._finish = "content_filter" if reason == "content_filter" else "max_output_tokens"
        else:
            self._finish = status
        self.ended = True
        return [] if self.begun else self._output(response)

    def _output(self, response: Fields) -> list[Delta]:
        deltas: list[Delta] = []
        for number, item in enumerate(items(response.get("output"))):
            parts = items(item.get("content"))
            if item.get("type") == "reasoning":
                for part in (*items(item.get("summary")), *parts):
                    deltas += self._thoughts(part.get("text"))
            elif item.get("type") == "message":
                for part in parts:
                    deltas += self._words(part.get("text") or part.get("refusal"))
            deltas += self._item({"output_index": number, "item": item}, done=True)
        return deltas


def _is_key(value: object) -> bool:
    return isinstance(value, str | int) and value != ""
