"""Look at files: `read_file`, `list_dir`."""

from msgspec import Struct

from hob.core.messages import ToolResult
from hob.core.ports import Sandbox
from hob.tools.bounds import cut_line, printable
from hob.tools.seen import Seen
from hob.tools.settings import Settings
from hob.tools.text import MAX_FILE_BYTES, Text, decode
from hob.tools.tool import done, failed, tool

_MAX_LINE = 2000
_MAX_ENTRIES = 500
_KINDS = (
    (b"\x89PNG", "PNG image"), (b"\xff\xd8\xff", "JPEG image"), (b"GIF8", "GIF image"),
    (b"BM", "BMP image"), (b"II*\0", "TIFF image"), (b"MM\0*", "TIFF image"), (b"%PDF", "PDF document"),
    (b"PK\x03\x04", "ZIP archive"), (b"\x1f\x8b", "gzip archive"), (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ", "xz archive"), (b"(\xb5/\xfd", "zstd archive"), (b"7z\xbc\xaf", "7z archive"),
    (b"!<arch>", "library archive"), (b"\x7fELF", "ELF program"), (b"MZ", "Windows program"),
    (b"\xcf\xfa\xed\xfe", "macOS program"), (b"\xca\xfe\xba\xbe", "Java class or macOS program"),
    (b"\0asm", "WebAssembly module"), (b"SQLite format 3", "SQLite database"),
    (b"\x93NUMPY", "NumPy array"), (b"PAR1", "Parquet table"), (b"GGUF", "GGUF model"),
    (b"OggS", "Ogg audio"), (b"ID3", "MP3 audio"), (b"fLaC", "FLAC audio"), (b"wOF", "web font"),
    (b"RIFF", "RIFF media"), (b"\xff\xfe\0\0", "UTF-32 text"),
)  # fmt: skip


@tool(access="read", replay="safe")
async def read_file(
    path: str,
    sandbox: Sandbox,
    settings: Settings,
    seen: Seen,
    start_line: int = 1,
    end_line: int | None = None,
) -> ToolResult:
    """Read a text file or a range of its lines; each line comes as number, tab, text."""
    data = sandbox.read(path, MAX_FILE_BYTES + 1)
    text = decode(data[:MAX_FILE_BYTES])
    info = sandbox.stat(path)
    noted = {} if info is None else seen.note(info.path, data)
    if text is None:
        return failed(
            f"{path!r} is a binary file ({_kind(data)}{_size(data)}); bash can inspect it",
            binary=True,
            **noted,
        )
    lines = _lines(text)
    if not lines:
        return done("[the file is empty]", path=printable(path), total_lines=0, **noted)
    first = max(1, start_line)
    last = len(lines) if end_line is None or end_line < 0 else min(end_line, len(lines))
    if first > len(lines):
        return failed(f"{path!r} has {len(lines)} lines; start_line {start_line} is beyond them")
    if last < first:
        return failed(f"end_line {end_line} is before start_line {first}; swap them")
    page = _page(lines, first, last, settings)
    notes = _notes(text, page, len(lines), len(data) > MAX_FILE_BYTES)
    whole = page.last == len(lines) and page.first == 1
    return done(
        "\n".join([*page.lines, *notes]),
        path=printable(path),
        lines=[page.first, page.last],
        total_lines=len(lines),
        whole=whole,
        **noted,
    )


@tool(access="read", replay="safe")
async def list_dir(sandbox: Sandbox, path: str = ".") -> ToolResult:
    """List a directory: names, `/` after directories, sizes in bytes."""
    entries = sandbox.list(path)
    shown: list[str] = []
    for entry in entries[:_MAX_ENTRIES]:
        name = printable(entry.path.rpartition("/")[2])
        match entry.kind:
            case "dir":
                shown.append(f"{name}/")
            case "file":
                shown.append(f"{name}\t{entry.size}")
            case kind:
                shown.append(f"{name}\t[{kind}]")
    if len(entries) > _MAX_ENTRIES:
        shown.append(f"[{len(entries) - _MAX_ENTRIES} more entries; use glob to narrow down]")
    return done("\n".join(shown) or "[empty]", path=printable(path), entries=len(entries))


class _Page(Struct, frozen=True):
    """The numbered lines that are shown, first and last number, and whether a cap cut them."""

    lines: list[str]
    first: int
    last: int
    capped: bool


def _lines(text: Text) -> list[str]:
    lines = text.shown().split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _page(lines: list[str], first: int, last: int, settings: Settings) -> _Page:
    capped = last - first >= settings.max_read_lines
    if capped:
        last = first + settings.max_read_lines - 1
    shown: list[str] = []
    room = settings.max_read_chars
    for number in range(first, last + 1):
        line = f"{number}\t{cut_line(lines[number - 1].removesuffix(chr(13)), _MAX_LINE)}"
        room -= len(line) + 1
        if room < 0 and shown:
            return _Page(shown, first, number - 1, True)
        shown.append(line)
    return _Page(shown, first, last, capped)


def _notes(text: Text, page: _Page, total: int, too_big: bool) -> list[str]:
    notes: list[str] = []
    if page.capped:
        where = f"lines {page.first}-{page.last} of {total}"
        notes.append(f"[{where}; read on with start_line={page.last + 1}]")
    if text.encoding != "utf-8":
        notes.append(f"[the file is {text.encoding.upper()}]")
    if text.lossy:
        notes.append("[some bytes are not UTF-8 and show as \N{REPLACEMENT CHARACTER}]")
    if too_big:
        notes.append(f"[the file is longer; only its first {MAX_FILE_BYTES} bytes can be read]")
    return notes


def _kind(data: bytes) -> str:
    return next((f"{name}, " for magic, name in _KINDS if data.startswith(magic)), "")


def _size(data: bytes) -> str:
    return f"over {MAX_FILE_BYTES} bytes" if len(data) > MAX_FILE_BYTES else f"{len(data)} bytes"
