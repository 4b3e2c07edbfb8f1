"""How long to wait before a model call is made again, and when to give up."""

from hob.core.errors import RETRYABLE, ModelError

FIRST_S = 0.5
CEILING_S = 30.0
RETRY_AFTER_CEILING_S = 120.0


def verdict(error: ModelError, attempt: int, max_attempts: int) -> tuple[bool, float]:
    """Return whether this failure is final, and else the pause in seconds before attempt + 1.

    The server's own wish (`Retry-After`, RFC 9110 section 10.2.3) goes before our doubling pause; both
    are capped. There is no dice in it: one local client cannot stampede a server.
    """
    if error.kind not in RETRYABLE or attempt >= max_attempts:
        return True, 0.0
    if error.retry_after_s is not None:
        return False, min(max(error.retry_after_s, 0.0), RETRY_AFTER_CEILING_S)
    return False, min(FIRST_S * 2 ** (attempt - 1), CEILING_S)
