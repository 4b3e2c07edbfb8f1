"""A session as text: one event a line, readable without the program. Blobs stay behind."""

from collections.abc import Iterable, Iterator

from msgspec import DecodeError

from hob.core.codec import from_line, to_line
from hob.core.errors import HobError
from hob.core.ports import Entry

MAX_AT = 253_402_300_799_999  # the last millisecond of the year 9999, the last that Python can show


def export_lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield one JSON line an event, with its newline."""
    for entry in entries:
        yield to_line(entry) + b"\n"


def import_lines(lines: Iterable[bytes]) -> list[Entry]:
    """Return the entries in exported lines. Raises `HobError` naming the line that is wrong."""
    entries: list[Entry] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = from_line(line)
        except (DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HobError(f"Line {number} is not an event ({error}).") from None
        if not 0 <= entry.at <= MAX_AT:
            raise HobError(f"Line {number} has the time {entry.at}, which is none.")
        if entry.seq != len(entries) + 1:
            raise HobError(f"Line {number} has seq {entry.seq}, expected {len(entries) + 1}.")
        entries.append(entry)
    if not entries:
        raise HobError("There is no event in the file.")
    return entries
