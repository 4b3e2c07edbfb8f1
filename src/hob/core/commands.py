"""What a front end may ask. Imperative; `admit` turns each into events or refuses it."""

from msgspec import Struct

from hob.core.agent import Limits
from hob.core.events import Delivery


class Prompt(Struct, frozen=True, tag_field="kind", tag="prompt"):
    """Say something. The same `input_id` twice counts once."""

    input_id: str
    text: str
    delivery: Delivery = "steer"
    limits: Limits | None = None


class Withdraw(Struct, frozen=True, tag_field="kind", tag="withdraw"):
    """Take back an input that has not been delivered yet."""

    input_id: str


class Decide(Struct, frozen=True, tag_field="kind", tag="decide"):
    """Answer an open question. `reason` is told to the model when it is a no, `code` as in `Decision`."""

    call_id: str
    allowed: bool
    reason: str = ""
    code: str = ""


class Cancel(Struct, frozen=True, tag_field="kind", tag="cancel"):
    """Stop the turn."""


class Rename(Struct, frozen=True, tag_field="kind", tag="rename"):
    """Give the session a name."""

    name: str


class Compact(Struct, frozen=True, tag_field="kind", tag="compact"):
    """Replace the older part of the context by a summary. `focus`: what it must not leave out."""

    focus: str = ""


Command = Prompt | Withdraw | Decide | Cancel | Rename | Compact
