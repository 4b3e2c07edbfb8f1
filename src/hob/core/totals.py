"""Sums over the steps of a turn or a session."""

from msgspec import Struct

from hob.core.messages import AssistantMessage, Usage
from hob.core.reuse import Reuse


class Totals(Struct, frozen=True):
    """Steps taken, and sums of what servers reported for them."""

    steps: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    lost_tokens: int = 0  # computed before, and computed again

    def plus(self, usage: Usage, reuse: Reuse, message: AssistantMessage | None) -> "Totals":
        """Return the sums after one more step, or (without a message) after a summary.

        What a server does not report is estimated for the limits.
        """
        completion = usage.completion_tokens
        if completion is None:
            completion = 0 if message is None else _estimate(message)
        return Totals(
            self.steps + (message is not None),
            self.prompt_tokens + (usage.prompt_tokens or 0),
            self.cached_tokens + (usage.cached_tokens or 0),
            self.completion_tokens + completion,
            self.lost_tokens + reuse.lost,
        )


def _estimate(message: AssistantMessage) -> int:
    written = len(message.text) + len(message.reasoning)
    return max(1, (written + sum(len(call.arguments) for call in message.calls)) // 4)
