"""What a scripted model says: turns, and which turn answers which request."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field


class ScriptedCall(Struct, frozen=True, forbid_unknown_fields=True):
    """One call. `arguments` as text is sent as it stands, valid or not."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict[str, Any])

    @property
    def arguments_text(self) -> str:
        """Return the arguments as they go over the wire."""
        if isinstance(self.arguments, str):
            return self.arguments
        return msgspec.json.encode(self.arguments).decode()


class Turn(Struct, frozen=True, forbid_unknown_fields=True):
    """One answer.

    `finish_reason` and `usage` follow from the rest when left out; an empty `usage` is not sent.
    `delay_s` is the time to the first piece, `gap_s` between pieces. `fault` is a name in
    `faults.FAULTS`, given to the first `fault_times` requests for this turn (0: to all).
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    finish_reason: str = ""
    usage: dict[str, Any] | None = None
    timings: dict[str, Any] | None = None
    delay_s: float = 0.0
    gap_s: float = 0.0
    piece_chars: int = 24
    fault: str = ""
    fault_times: int = 0
    retry_after: str = "0.05"


Script = Sequence[Turn] | Callable[[int], Turn]
"""Turns in order, or a function of the number of assistant messages in the request."""

_OVER = Turn(text="The script is over.")


class Player:
    """Chooses turns. The choice depends on the request alone, so a restarted agent gets the same."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._served: Counter[int] = Counter()

    def turn(self, answers: int) -> Turn:
        """Return the answer to a request that holds this many assistant messages."""
        script = self._script
        turns = script if callable(script) else _in_order(script)
        turn = turns(answers)
        self._served[answers] += 1
        if turn.fault and turn.fault_times and self._served[answers] > turn.fault_times:
            return msgspec.structs.replace(turn, fault="")
        return turn


def _in_order(turns: Sequence[Turn]) -> Callable[[int], Turn]:
    return lambda answers: turns[answers] if answers < len(turns) else _OVER


class _ScriptFile(Struct, frozen=True, forbid_unknown_fields=True):
    turns: tuple[Turn, ...]


def load_script(data: bytes) -> tuple[Turn, ...]:
    """Return the turns of a JSON script: a list, or an object with `turns`.

    Raises `msgspec.ValidationError` that names the place of what does not fit.
    """
    if data.lstrip().startswith(b"["):
        return msgspec.json.decode(data, type=tuple[Turn, ...])
    return msgspec.json.decode(data, type=_ScriptFile).turns


def shared_prefix_bytes(old: bytes, new: bytes) -> int:
    """Return how many bytes two request bodies have in common at their beginning."""
    one, two = memoryview(old), memoryview(new)
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def count_tokens(prompt: bytes, before: bytes, turn: Turn) -> dict[str, Any]:
    """Return a usage object: four bytes a token, reused as far as the body before had the same bytes."""
    said = len(turn.text) + len(turn.reasoning) + sum(len(c.arguments_text) for c in turn.calls)
    completion = max(1, said // 4)
    return {
        "prompt_tokens": len(prompt) // 4,
        "completion_tokens": completion,
        "total_tokens": len(prompt) // 4 + completion,
        "prompt_tokens_details": {"cached_tokens": shared_prefix_bytes(before, prompt) // 4},
    }
