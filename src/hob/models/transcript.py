"""A conversation in plain words, for models that know no calls: the same messages, always the same bytes."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from operator import is_

from hob.core.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from hob.models.render import echoed_arguments

_KEPT_SESSIONS = 8
Converted = Callable[[AssistantMessage], Sequence[Message]]


class Transcripts:
    """Turns calls and results into words. What was turned once is the same object the next time.

    `convert` says how an answer of the model stands in the history.
    """

    def __init__(self, convert: Converted) -> None:
        self._convert = convert
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def of(self, session_id: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return the conversation in words."""
        kept = self._kept.setdefault(session_id, _Kept())
        self._kept.move_to_end(session_id)
        if len(self._kept) > _KEPT_SESSIONS:
            self._kept.popitem(last=False)
        same = len(kept.messages)
        if not _goes_on(kept.messages, messages):
            kept.messages, kept.words, same = (), (), 0
        kept.words += tuple(self._in_words(messages[same:]))
        kept.messages = messages
        return kept.words

    def _in_words(self, messages: Sequence[Message]) -> list[Message]:
        words: list[Message] = []
        results: list[ToolMessage] = []
        for message in messages:
            if isinstance(message, ToolMessage):
                results.append(message)
                continue
            if results:
                words.append(_told(results))
                results = []
            words += self._convert(message) if isinstance(message, AssistantMessage) else [message]
        if results:
            words.append(_told(results))
        return words


class _Kept:
    """One session's messages and what they are in words."""

    def __init__(self) -> None:
        self.messages: tuple[Message, ...] = ()
        self.words: tuple[Message, ...] = ()


def _goes_on(known: tuple[Message, ...], messages: tuple[Message, ...]) -> bool:
    """Tell whether messages begin with the known ones, and no row of results runs over their end."""
    if len(known) > len(messages) or not all(map(is_, known, messages)):
        return False
    border = messages[max(0, len(known) - 1) : len(known) + 1] if known else ()
    return not (len(border) == 2 and all(isinstance(one, ToolMessage) for one in border))


def as_fence(call: ToolCall) -> str:
    """Return a call that came by function calling as the model would write it here."""
    return (
        f'```tool\n{{"name": "{call.name}", "arguments": {echoed_arguments(call.arguments)}}}\n```'
    )


def _told(results: Sequence[ToolMessage]) -> UserMessage:
    parts = [
        f"[result of {one.name}{', failed' if one.is_error else ''}]\n{one.content}"
        for one in results
    ]
    return UserMessage("\n\n".join(parts))
