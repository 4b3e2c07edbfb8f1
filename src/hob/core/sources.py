"""What fills the window, by source: an estimate in the server's tokens."""

from collections import Counter

from msgspec import Struct

from hob.core.compaction import is_compacted
from hob.core.messages import AssistantMessage, Message, ToolMessage, UserMessage
from hob.core.session import Session
from hob.core.tokens import MESSAGE_TOKENS, estimate_message, estimate_tokens


class Source(Struct, frozen=True):
    """One kind of content: its tokens in the next prompt and how many pieces it is."""

    name: str
    tokens: int
    pieces: int


def by_source(s: Session) -> tuple[Source, ...]:
    """Return what the next prompt consists of: the head first, then the largest."""
    system = estimate_tokens(s.agent.instructions)
    sizes: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    for message in s.messages:
        for name, tokens in _parts(message):
            sizes[name] += tokens
            pieces[name] += 1
    ratio = s.gauge.ratio
    head = (
        Source("system message", ratio.of(system), 1),
        Source("tools", ratio.of(max(0, s.gauge.head - system)), len(s.agent.tools)),
    )
    return head + tuple(Source(n, ratio.of(t), pieces[n]) for n, t in sizes.most_common())


def _parts(message: Message) -> list[tuple[str, int]]:
    match message:
        case UserMessage(text):
            name = "goal and summary" if is_compacted(text) else "the person's words"
            return [(name, estimate_message(message))]
        case ToolMessage(_, name):
            return [(f"results of {name}", estimate_message(message))]
        case AssistantMessage(text, _, calls):
            said = MESSAGE_TOKENS + estimate_tokens(text)
            called = estimate_message(message) - said
            return [("the model's words", said)] + (
                [("the model's calls", called)] if calls else []
            )
