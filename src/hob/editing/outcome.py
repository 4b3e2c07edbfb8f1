"""What an edit comes to: the new text and where it was written, or a refusal in words."""

from collections.abc import Callable
from typing import NamedTuple

# Counts the syntax errors of a text.
Check = Callable[[str], int]


class EditRefused(ValueError):
    """An edit that is not made; the message is what the model reads."""


class Edited(NamedTuple):
    """A new text, the lines of it that were written (from 1), and what was tolerated on the way.

    Where nothing but a deletion was written, both lines are the one that now stands there.
    """

    text: str
    first_line: int
    last_line: int
    notes: tuple[str, ...] = ()
