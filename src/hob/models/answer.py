"""The body of one answer, whatever it turns out to be: an event stream, a document, a web page."""

from collections.abc import Callable
from typing import Protocol

from hob.core.deltas import Delta
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply, Timings, Usage
from hob.models.assemble import Assembler
from hob.models.sse import EventParser

_MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class Events(Protocol):
    """Puts one answer together from the data of its events; one for each protocol, see `Assembler`."""

    model: str
    server: str
    begun: bool
    ended: bool

    @property
    def complete(self) -> bool:
        """Say whether the server has finished its answer, even if the stream then breaks."""
        ...

    def feed(self, data: bytes) -> list[Delta]:
        """Return what one event adds. Raises `ModelError`: malformed, or the error in it."""
        ...

    def feed_document(self, data: bytes) -> list[Delta]:
        """Take a whole answer that came as one JSON document although a stream was asked for."""
        ...

    def message(self) -> AssistantMessage:
        """Return the answer. Raises `ModelError`: cut, empty or refused."""
        ...

    def usage(self) -> tuple[Usage, float | None, float | None]:
        """Return token counts, and the server's seconds for reading the prompt and for writing."""
        ...


class Answer:
    """Turns the pieces of one body into deltas and at last into the reply.

    `assembler` makes what understands the protocol's events, from the server's name and the key.
    """

    def __init__(
        self,
        server: str,
        secret: str = "",
        assembler: Callable[[str, str], Events] = Assembler,
    ) -> None:
        self._server = server
        self._parser = EventParser(server)
        self._assembler = assembler(server, secret)
        self._start = b""
        self._document: bytearray | None = None
        self._sniffed = False
        self.content_type = ""

    @property
    def begun(self) -> bool:
        """Say whether words, thoughts or calls have come."""
        return self._assembler.begun

    @property
    def complete(self) -> bool:
        """Say whether nothing that may still come can change the reply, except token counts."""
        return self._assembler.complete

    @property
    def ended(self) -> bool:
        """Say whether the server has said that nothing more comes."""
        return self._assembler.ended

    def feed(self, piece: bytes) -> list[Delta]:
        """Return what one piece adds. Raises `ModelError`."""
        if not self._sniffed:
            piece = self._sniff(piece)
        if self._document is not None:
            self._document += piece
            if len(self._document) > _MAX_DOCUMENT_BYTES:
                raise self._malformed(f"a document of more than {_MAX_DOCUMENT_BYTES} bytes")
            return []
        return self._events(self._parser.feed(piece))

    def close(self) -> list[Delta]:
        """Return what the end of the body adds. Raises `ModelError`."""
        if self._document is not None:
            return self._assembler.feed_document(bytes(self._document))
        return self._events(self._parser.close())

    def reply(self, first_token_s: float | None, total_s: float) -> Reply:
        """Return the whole reply. Raises `ModelError`: cut or empty."""
        message = self._assembler.message()
        usage, prompt_s, predicted_s = self._assembler.usage()
        timings = Timings(first_token_s, total_s, prompt_s, predicted_s)
        return Reply(message, usage, timings, self._assembler.model, self._assembler.server)

    def _events(self, events: list[bytes]) -> list[Delta]:
        if len(events) == 1:
            return self._assembler.feed(events[0])
        return [delta for event in events for delta in self._assembler.feed(event)]

    def _sniff(self, piece: bytes) -> bytes:
        """Decide what the body is by its first visible byte, because many servers mislabel it."""
        self._start += piece
        visible = self._start.removeprefix(_BOM).lstrip()
        if not visible:
            return b""
        if visible[0] == 0x3C or "html" in self.content_type:
            raise self._malformed("a web page where an answer should be")
        self._sniffed = True
        if visible[0] in b"{[" and "event-stream" not in self.content_type:
            self._document = bytearray()
            return visible
        return self._start

    def _malformed(self, what: str) -> ModelError:
        return ModelError(
            "malformed", f"{self._server} sent {what}; check the base URL (it often ends in /v1)."
        )
