"""How full the window is: the server's last count, and an estimate of what came after it."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, Message, Usage
from hob.core.tokens import Ratio, estimate_head, estimate_message


class Gauge(Struct, frozen=True):
    """Tokens of a session's next prompt.

    `prompt` is what the server counted for the last prompt, `answer` what the answer to it adds,
    `appended` an estimate of everything later. Before the first count `prompt` is 0 and `appended`
    covers the messages; `head` is an estimate of instructions and tools.
    """

    head: int = 0
    prompt: int = 0
    answer: int = 0
    appended: int = 0
    ratio: Ratio = Ratio()
    thoughts: int = 0  # reasoning tokens since the last compaction: they may drop out of the prompt
    unsure: bool = (
        False  # whether the thoughts of the last answer are in the next prompt is not known
    )

    @classmethod
    def of(cls, instructions: str, tools: Sequence[ToolSpec]) -> "Gauge":
        """Return the gauge of a session that has only its head."""
        return cls(head=estimate_head(instructions, tools))

    @property
    def tokens(self) -> int:
        """Return the tokens of the next prompt."""
        if self.prompt:
            return self.prompt + self.answer + self.ratio.of(self.appended)
        return self.ratio.of(self.head + self.appended)

    @property
    def head_tokens(self) -> int:
        """Return the tokens of instructions and tools."""
        return self.ratio.of(self.head)

    def size(self, messages: Iterable[Message]) -> int:
        """Return the tokens of messages."""
        return self.ratio.of(sum(map(estimate_message, messages)))

    def plus(self, messages: Iterable[Message]) -> "Gauge":
        """Return the gauge after messages that no server has counted yet."""
        return replace(self, appended=self.appended + sum(map(estimate_message, messages)))

    def counted(self, usage: Usage, message: AssistantMessage) -> "Gauge":
        """Return the gauge after a step: its prompt is counted, its answer is in the context now."""
        written = estimate_message(message)
        completion = usage.completion_tokens
        thoughts = usage.reasoning_tokens or (completion or 0 if message.reasoning else 0)
        if completion is None or message.reasoning:
            # What was thought is not said again, so only the words and the calls count.
            completion = min(completion or written, self.ratio.of(written))
        counts_all = usage.cached_tokens is not None or not self.prompt
        if usage.prompt_tokens is None or (
            not counts_all and usage.prompt_tokens < self.prompt / 2
        ):  # nothing is counted, or only what had to be computed
            return replace(self, appended=self.appended + written)
        ratio = self.ratio
        if self.unsure:
            pass  # the difference is not only what was appended
        elif self.prompt:
            ratio = ratio.after(self.appended, usage.prompt_tokens - self.prompt - self.answer)
        else:
            ratio = ratio.after(self.head + self.appended, usage.prompt_tokens)
        return Gauge(
            head=self.head,
            prompt=usage.prompt_tokens,
            answer=completion,
            ratio=ratio,
            thoughts=self.thoughts + thoughts,
            unsure=bool(message.reasoning),
        )

    def anew(self, messages: Iterable[Message]) -> "Gauge":
        """Return the gauge of a prompt that nobody has counted: after a compaction."""
        return Gauge(self.head, ratio=self.ratio).plus(messages)
