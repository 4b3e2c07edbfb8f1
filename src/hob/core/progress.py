"""Is the work getting anywhere? Circles are found by what was called and what came back."""

import re
from collections.abc import Iterable
from hashlib import blake2b

from msgspec import Struct

REPEATS = 3


class Progress(Struct, frozen=True):
    """The trail of a turn: one digest a step (its calls and results), and how many steps brought nothing new."""

    trail: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()
    stale: int = 0
    fresh: int = 0  # steps in a row that did

    def after(self, step: Iterable[tuple[str, str, str]]) -> "Progress":
        """Return the trail after a step of `(tool, argument text, result text)` triples."""
        parts = [_digest(*triple) for triple in step]
        fresh = not self.seen.issuperset(parts)
        trail = (*self.trail, "".join(parts))[-2 * REPEATS :]
        if fresh:
            return Progress(trail, self.seen.union(parts), 0, self.fresh + 1)
        return Progress(trail, self.seen, self.stale + 1)

    def circle(self, stuck_after: int) -> str:
        """Return in words how the work goes in circles, or an empty string."""
        last = self.trail[-REPEATS:]
        if len(last) == REPEATS and len(set(last)) == 1:
            return f"the same call gave the same result {REPEATS} times in a row"
        four = self.trail[-4:]
        if len(four) == 4 and four[0] == four[2] and four[1] == four[3]:
            return "the same two steps alternated twice with the same results"
        if self.stale >= stuck_after:
            return f"nothing new came out of the last {self.stale} steps"
        return ""


def names_cause(text: str, failure: str) -> bool:
    """Tell whether words say something about a failure: they share a word of four letters or more with it.

    `failure` is the command and what came of it. If that has no words, any sentence will do.
    """
    known = _words(failure)
    return bool(text.strip()) and (not known or not _words(text).isdisjoint(known))


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]{4,}", text)} - _EMPTY_WORDS


# Words of every failure report: to repeat them names no cause.
_EMPTY_WORDS = frozenset(
    {
        "error",
        "errors",
        "exit",
        "code",
        "stderr",
        "stdout",
        "lines",
        "with",
        "command",
        "failed",
        "output",
        "true",
        "false",
    }
)


def _digest(*parts: str) -> str:
    digest = blake2b(digest_size=12)
    for part in parts:
        data = part.encode("utf-8", "replace")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()
