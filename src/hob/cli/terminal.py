"""What stands between text from outside and a person's terminal: colours in, control characters out."""

import re
from collections.abc import Mapping
from typing import TextIO

# C0 but tab and newline, DEL, C1, and what turns the reading direction or hides: none of it may act.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff]"
)


def harmless(text: str) -> str:
    """Return text whose control and invisible characters are shown instead of obeyed."""
    if text.isascii() and text.isprintable():
        return text
    return _HARMFUL.sub(_shown, text.replace("\r\n", "\n"))


def one_line(text: str, width: int) -> str:
    """Return text as one harmless line of at most `width` characters."""
    line = harmless(" ".join(text.split()))
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Palette:
    """Colours by meaning; all empty where they are not wanted (https://no-color.org)."""

    def __init__(self, on: bool) -> None:
        self.good, self.bad, self.dim, self.bold, self.note, self.reset = (
            ("\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m")
            if on
            else ("",) * 6
        )

    @classmethod
    def for_stream(cls, stream: TextIO, environment: Mapping[str, str]) -> "Palette":
        """Return the palette that fits a stream: colours only on a terminal that wants them."""
        wanted = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        return cls(wanted and stream.isatty())
