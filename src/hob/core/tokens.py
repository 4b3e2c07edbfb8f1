"""How many tokens a text will be: an estimate from its words, corrected by what servers count."""

import re
from collections.abc import Sequence

from msgspec import Struct

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, Message, ToolMessage, UserMessage

MESSAGE_TOKENS = 5  # what a chat template puts around a message
_PIECE = re.compile(r"[A-Za-z]+|[0-9]+|\s+|[^\sA-Za-z0-9]")


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text is."""
    return sum(1 + (len(p) - 1) // 6 for p in _PIECE.findall(text) if not p.isspace() or len(p) > 1)


def estimate_message(message: Message) -> int:
    """Return about how many tokens a message is in a prompt."""
    match message:
        case UserMessage(text):
            return MESSAGE_TOKENS + estimate_tokens(text)
        case ToolMessage():
            return MESSAGE_TOKENS + estimate_tokens(message.content)
        case AssistantMessage(text, _, calls):
            said = sum(8 + estimate_tokens(c.arguments) + estimate_tokens(c.name) for c in calls)
            return MESSAGE_TOKENS + estimate_tokens(text) + said


def estimate_head(instructions: str, tools: Sequence[ToolSpec]) -> int:
    """Return about how many tokens the system message and the tools are."""
    return estimate_tokens(instructions) + sum(
        12 + estimate_tokens(t.name + t.description + t.parameters) for t in tools
    )


class Ratio(Struct, frozen=True):
    """Tokens as the server counts them for each estimated one, learned from what it reported."""

    estimated: int = 0
    counted: int = 0

    def after(self, estimated: int, counted: int) -> "Ratio":
        """Return the ratio after one more pair."""
        if estimated <= 0 or counted <= 0:
            return self
        return Ratio(self.estimated + estimated, self.counted + counted)

    def of(self, estimated: int) -> int:
        """Return an estimate in the server's tokens."""
        if not self.estimated:
            return estimated
        return round(estimated * min(2.0, max(0.5, self.counted / self.estimated)))
