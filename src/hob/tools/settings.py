"""What a person can set about the tools."""

from msgspec import Struct


class Settings(Struct, frozen=True):
    """Caps and defaults. `max_read_chars` should not exceed what the loop lets into the context.

    `ripgrep` is the program that makes searches faster where the sandbox has it, "" for never.
    """

    max_read_lines: int = 500
    max_read_chars: int = 16_000
    write_validation: bool = True
    bash_timeout_s: float = 30
    max_trace_length: int = 2000
    ripgrep: str = "rg"
