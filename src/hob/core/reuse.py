"""What a server did not have to compute again, and who is to blame when it did."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from hob.core.gauge import Gauge
from hob.core.messages import AssistantMessage, Message, Reply, ToolMessage, UserMessage
from hob.core.tokens import estimate_message

# Servers keep whole blocks (vLLM 16 tokens, OpenAI 128), and the end of a prompt belongs to the next answer.
SLACK_TOKENS = 160
SLACK_SHARE = 0.03
KEEP_ALIVE_MS = 4 * 60_000  # local servers unload a model that nobody asks after five minutes
CUT_SHARE = 0.6
CUT_TOKENS = 1000


class Reuse(Struct, frozen=True):
    """The prompt of one step, in tokens: sent, served from the cache, computed.

    `cached` is None where the server does not say. `lost` had been computed before and was computed
    again; `cause` says why, also where nothing was lost but little could be reused.
    """

    sent: int = 0
    cached: int | None = None
    lost: int = 0
    cause: str = ""
    aside: bool = False  # another prompt than the context's: an editor's

    @property
    def computed(self) -> int:
        """Return the tokens that the server computed."""
        return self.sent - (self.cached or 0)


class Expected(Struct, frozen=True):
    """What should come of a step: the size of its prompt, and how much of it the server knows.

    `certain` are the tokens that any way of rendering needs. `sent` is the last prompt, `seen_at` (ms),
    `model` and `server` its time and who answered it; `excuse` is why nothing is kept this time.
    """

    tokens: int = 0
    certain: int = 0
    sent: int = 0
    thoughts: int = 0
    seen_at: int = 0
    model: str = ""
    server: str = ""
    excuse: str = ""


def measure(expected: Expected, reply: Reply, messages: Sequence[Message], now_ms: int) -> Reuse:
    """Return what was reused in a step, and the cause if something was lost."""
    sent, cached = reply.usage.prompt_tokens, reply.usage.cached_tokens
    if sent is None:
        return Reuse()
    if cached is None or reply.aside:
        return Reuse(sent, cached, aside=reply.aside)
    if expected.excuse:
        return Reuse(sent, cached, 0, expected.excuse)
    known = min(expected.sent, sent)
    lost = known - cached
    if lost <= max(SLACK_TOKENS, SLACK_SHARE * known):
        return Reuse(sent, cached)
    return Reuse(sent, cached, lost, _cause(expected, reply, messages, now_ms))


def _cause(expected: Expected, reply: Reply, messages: Sequence[Message], now_ms: int) -> str:
    cached = reply.usage.cached_tokens or 0
    if reply.diverged:
        return f"the prompt changed: {reply.diverged}"
    if expected.model and reply.model and reply.model != expected.model:
        return f"another model answered: {reply.model!r} after {expected.model!r}"
    if expected.server and reply.server and reply.server != expected.server:
        return f"the server was changed: {reply.server!r} after {expected.server!r}"
    idle_ms = now_ms - expected.seen_at
    if cached <= SLACK_TOKENS:
        if idle_ms >= KEEP_ALIVE_MS:
            return f"the server had let it go after {idle_ms // 60_000} min without a request"
        return "the server kept nothing: restarted, model swapped, or the slot given to another request"
    return (
        f"the server computed anew from {_place(cached, expected, messages)} on: another request used"
        " the slot, or the chat template renders old messages differently"
    )


def _place(cached: int, expected: Expected, messages: Sequence[Message]) -> str:
    """Name the message that stands at about this token of the prompt."""
    sizes = [estimate_message(message) for message in messages]
    head = max(0, expected.tokens - sum(sizes))
    if cached < head:
        return "the system message or the tools"
    end = head
    for number, (message, size) in enumerate(zip(messages, sizes, strict=True), 1):
        end += size
        if cached < end:
            return f"message {number} ({_kind(message)})"
    return "its end"


def _kind(message: Message) -> str:
    match message:
        case UserMessage():
            return "the person's words"
        case ToolMessage(_, name):
            return f"a result of {name}"
        case AssistantMessage():
            return "the model's words"


def cut_in_silence(expected: Expected, reply: Reply) -> int | None:
    """Return how many tokens of the prompt the server read, if it dropped the rest without a word."""
    read = reply.usage.prompt_tokens
    if read is None or reply.aside:
        return None
    fresh = expected.tokens - expected.sent
    if reply.usage.cached_tokens is None and expected.sent and read <= 1.5 * fresh + CUT_TOKENS / 4:
        return None  # some servers count only what they had to compute
    # A prompt only grows: fewer tokens than last time are proof, thoughts that dropped out apart.
    shrunk = read < 0.9 * (expected.sent - expected.thoughts) - SLACK_TOKENS
    short = read < CUT_SHARE * expected.certain and expected.certain - read > CUT_TOKENS
    return read if shrunk or short else None


def expected_of(gauge: Gauge, last: Expected) -> Expected:
    """Return what to expect of the next step: the last one, as it stands with the gauge now."""
    # How the head is rendered is the template's business; the messages have to be there.
    certain = gauge.tokens if gauge.prompt else gauge.tokens - gauge.head_tokens
    return replace(
        last, tokens=gauge.tokens, certain=certain, sent=gauge.prompt, thoughts=gauge.thoughts
    )
