"""What the doctor found out about one model on one server, kept on disk, and how the loop then speaks to it."""

from typing import Literal

from msgspec import Struct

from hob.models.facts import ServerKind

ToolFormat = Literal[
    "native",  # function calling of the server
    "text",  # the text protocol: calls and results in prose
]
Severity = Literal["broken", "costly", "note"]


class Finding(Struct, frozen=True):
    """One thing that is wrong: what was seen, what it breaks, and how to mend it (a sentence each)."""

    probe: str
    severity: Severity
    seen: str
    breaks: str
    mend: str


class Profile(Struct, frozen=True):
    """How to speak to a model. The defaults are for a server that nobody has examined."""

    kind: ServerKind = "openai"
    base_url: str = ""
    model: str = ""
    version: str = ""
    checked_at: int = 0  # ms since the epoch; 0: never
    window_tokens: int | None = None
    slots: int | None = None
    tool_format: ToolFormat = "native"
    parallel_calls: bool = True
    keep_reasoning: bool = False  # past thoughts are sent back
    break_control_tokens: bool = False  # text like <|im_end|> inside results is made harmless
    edit_format: str = ""  # empty: as configured
    findings: tuple[Finding, ...] = ()
