"""Failures as values, and the few exceptions that cross a port.

HobError                 anything that ends a command with one clear sentence
├── ModelError           the model could not answer; `kind` decides whether to try again
├── CommandRefused       a command does not fit the session as it is
├── SessionBusy          another process writes this session
└── SessionNotFound      no such session
InvariantBroken          a bug of ours: the session stops loudly
"""

from typing import Literal, get_args

ErrorKind = Literal[
    "unreachable",  # nothing listens, name unknown, connection reset before an answer
    "timeout",  # no first token, or silence between two tokens, beyond the limit
    "cut",  # the stream ended before the answer was complete
    "malformed",  # bytes that are not the protocol
    "empty",  # an answer without words and without calls
    "overloaded",  # 429, 503, model still loading
    "server",  # any other 5xx, or an error object inside a 200 stream
    "auth",  # 401, 403
    "refused",  # any other 4xx: sending the same again cannot help
    "context_overflow",  # the prompt does not fit the server's window
    "interrupted",  # our own process died while the model was answering
    "cancelled",  # a person stopped it
]
ERROR_KINDS: tuple[str, ...] = get_args(ErrorKind)
RETRYABLE: frozenset[str] = frozenset(
    {"unreachable", "timeout", "cut", "malformed", "empty", "overloaded", "server"}
)


class HobError(Exception):
    """A failure whose text is one sentence that names the thing and the next step."""


class ModelError(HobError):
    """A model call that gave no usable answer. `retry_after_s` is the server's wish, in seconds.

    `window_tokens` is the window that a server turned out to have, where the failure shows it.
    """

    def __init__(
        self,
        kind: ErrorKind,
        text: str,
        retry_after_s: float | None = None,
        status: int | None = None,
        window_tokens: int | None = None,
    ) -> None:
        super().__init__(text)
        self.kind: ErrorKind = kind
        self.retry_after_s = retry_after_s
        self.status = status
        self.window_tokens = window_tokens


class CommandRefused(HobError):
    """The command does not fit the session as it is now."""


class SessionBusy(HobError):
    """Another process holds the session."""


class SessionNotFound(HobError):
    """There is no session under this name."""


class InvariantBroken(AssertionError):
    """A bug in Hob. Nothing may go on after it."""
