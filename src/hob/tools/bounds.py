"""Cut long output to its head and tail, with an honest count of what is missing."""

from collections.abc import Sequence


def cut_text(text: str, max_chars: int, total_bytes: int | None = None, whole: str = "") -> str:
    """Return at most about `max_chars` characters: head, a note, tail; whole lines where possible.

    `total_bytes` is the real size if `text` is itself an excerpt; the note then counts bytes of it. The
    note says that `read_output` shows the rest if the `whole` is kept under that name.
    """
    if len(text) <= max_chars:
        return text
    head_end = _line_end(text, max_chars // 2)
    tail_start = _line_start(text, len(text) - (max_chars - max_chars // 2))
    head, tail = text[:head_end], text[tail_start:]
    if total_bytes is None:
        missing = text[head_end:tail_start]
        count = f"{len(missing)} characters, {missing.count(chr(10))} lines"
    else:
        count = f"{total_bytes - len((head + tail).encode('utf-8', 'replace'))} bytes"
    return f"{head.rstrip(chr(10))}\n[... {count} cut{rest(whole)} ...]\n{tail}"


def rest(whole: str) -> str:
    """Return what a note says of a text that is kept whole under a name."""
    return f"; read_output({whole!r}) shows the rest" if whole else ""


def cut_lines(lines: Sequence[str], head: int, tail: int, whole: str = "") -> list[str]:
    """Return the first `head` and last `tail` lines with a note between, or all of a few."""
    missing = len(lines) - head - tail
    if missing <= 1:
        return list(lines)
    return [
        *lines[:head],
        f"[... {missing} lines cut{rest(whole)} ...]",
        *lines[len(lines) - tail :],
    ]


def cut_line(line: str, max_chars: int) -> str:
    """Return one line, shortened with a count of what was cut."""
    if len(line) <= max_chars:
        return line
    return f"{line[:max_chars]} [+{len(line) - max_chars} characters]"


def printable(name: str) -> str:
    """Return a file name as one harmless line: control, bidi and half characters as escapes."""
    return name if name.isprintable() else repr(name)[1:-1]


def _line_end(text: str, at: int) -> int:
    found = text.rfind("\n", at // 2, at)
    return at if found < 0 else found + 1


def _line_start(text: str, at: int) -> int:
    found = text.find("\n", at, at + (len(text) - at) // 2)
    return at if found < 0 else found + 1
