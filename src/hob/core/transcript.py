"""The conversation as every chat template accepts it: roles take turns, and it only grows at its end."""

from collections.abc import Iterable

from hob.core.messages import AssistantMessage, Message, ToolMessage, UserMessage, is_conversation

# Some templates refuse two user messages in a row, or one right behind a tool's result; some
# servers drop the first of two in silence.
NOTED = AssistantMessage("Noted.")


def appended(messages: tuple[Message, ...], *new: Message) -> tuple[Message, ...]:
    """Return messages with new ones at the end; between two turns of the person the model says a word."""
    grown = list(messages)
    for message in new:
        if (
            grown
            and isinstance(message, UserMessage)
            and not isinstance(grown[-1], AssistantMessage)
        ):
            grown.append(NOTED)
        grown.append(message)
    return tuple(grown)


def is_strict(messages: Iterable[Message]) -> bool:
    """Tell whether the strictest templates take a transcript.

    The person speaks first; person and model take turns, where a model's calls with their results
    belong to its turn; every call is answered, in order, before anybody else speaks.
    """
    messages = tuple(messages)
    if not is_conversation(messages):
        return False
    before: Message | None = None
    for message in messages:
        if isinstance(message, UserMessage) and not (
            before is None or isinstance(before, AssistantMessage)
        ):
            return False
        if before is None and not isinstance(message, UserMessage):
            return False
        if isinstance(message, AssistantMessage) and isinstance(before, AssistantMessage):
            return False
        if isinstance(message, ToolMessage) and isinstance(before, UserMessage):
            return False
        before = message
    return True
