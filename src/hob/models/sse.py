"""Server-sent events: bytes in any pieces to the data of whole events (WHATWG HTML, 9.2.6).

Lines are split as bytes, because no byte of a multi-byte UTF-8 character looks like a line end: a
character that two pieces share needs no care here.
"""

from hob.core.errors import ModelError

MAX_EVENT_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_SILENT_FIELDS = (b"event", b"id", b"retry")


class EventParser:
    """Turns pieces of one stream into event data.

    Two departures from the standard, both so that no words are lost in silence: a last event
    without its blank line counts, and a line that is no known field is an error and not skipped.
    Bare JSON lines and llama.cpp's old `error:` field are read as data.
    """

    def __init__(self, server: str, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._server = server
        self._max_event_bytes = max_event_bytes
        self._partial = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that this piece completes. Raises `ModelError`."""
        if self._after_cr and piece:
            self._after_cr = False
            if piece[0] == 0x0A:
                piece = piece[1:]
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = piece.split(b"\n")
        rest = lines.pop()
        events = self._lines(lines) if lines else []
        if rest:
            self._partial += rest
            if len(self._partial) + self._data_bytes > self._max_event_bytes:
                raise self._too_long()
        return events

    def close(self) -> list[bytes]:
        """Return what the end of the stream completes: an event whose blank line never came."""
        events = self._lines([b""]) if self._partial else []
        if self._data:
            events.append(self._take())
        return events

    def _lines(self, lines: list[bytes]) -> list[bytes]:
        if self._partial:
            lines[0] = bytes(self._partial) + lines[0]
            self._partial.clear()
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[bytes] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._take())
            elif line.startswith(b"data:"):
                self._keep(line[6:] if line[5:6] == b" " else line[5:])
            elif line[0] != 0x3A:  # a comment starts with a colon: servers send them as heartbeats
                self._other(line)
        return events

    def _other(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"error":
            self._keep(b'{"error":' + value + b"}")
        elif line[0] == 0x7B:
            self._keep(line)
        elif name == b"data":
            self._keep(b"")
        elif name not in _SILENT_FIELDS:
            raise ModelError(
                "malformed",
                f"{self._server} sent a line that is no server-sent event; "
                "if it happens again, look at what stands between Hob and the server.",
            )

    def _keep(self, value: bytes) -> None:
        self._data.append(value)
        self._data_bytes += len(value)
        if self._data_bytes > self._max_event_bytes:
            raise self._too_long()

    def _take(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._data_bytes = 0
        return data

    def _too_long(self) -> ModelError:
        return ModelError(
            "malformed",
            f"{self._server} sent one event of more than {self._max_event_bytes} bytes; "
            "check that it is a model server.",
        )
