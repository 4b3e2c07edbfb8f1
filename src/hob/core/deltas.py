"""What streams by: live only, never stored, never folded.

Delta
├── TextDelta        words of the answer
├── ReasoningDelta   thoughts
├── CallDelta        a piece of a tool call's argument text
├── OutputDelta      output of a running tool
└── Notice           what the person should know while waiting (loading, retrying)
"""

from typing import Literal

from msgspec import Struct


class TextDelta(Struct, frozen=True, tag_field="kind", tag="text"):
    """Words of the answer."""

    text: str


class ReasoningDelta(Struct, frozen=True, tag_field="kind", tag="reasoning"):
    """Thoughts of the model."""

    text: str


class CallDelta(Struct, frozen=True, tag_field="kind", tag="call"):
    """A piece of the call with this index in the answer; `name` comes with the first piece."""

    index: int
    name: str
    arguments: str


class OutputDelta(Struct, frozen=True, tag_field="kind", tag="output"):
    """Output of a running tool."""

    call_id: str
    stream: Literal["stdout", "stderr"]
    text: str


class Notice(Struct, frozen=True, tag_field="kind", tag="notice"):
    """One sentence for the person who waits."""

    text: str


Delta = TextDelta | ReasoningDelta | CallDelta | OutputDelta | Notice
