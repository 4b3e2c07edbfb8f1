"""Bytes of a file as text and back, without losing one."""

import codecs

from msgspec import Struct

from hob.core.ports import FileError

MAX_FILE_BYTES = 10_000_000

_SNIFFED = 8192
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Text(Struct, frozen=True):
    """A decoded file. Bytes that are not UTF-8 are surrogate escapes; then it is `lossy`."""

    text: str
    encoding: str = "utf-8"
    bom: bytes = b""

    @property
    def lossy(self) -> bool:
        """Return whether some bytes are not of the encoding."""
        return not encodes(self.text)

    def shown(self) -> str:
        """Return the text with U+FFFD for every byte that could not be decoded."""
        if self.lossy:
            return self.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return self.text

    def endings_of(self, text: str) -> str:
        """Return another text with CRLF endings if all of ours are, and it has none of its own."""
        ours = self.text.count("\n")
        if not ours or self.text.count("\r\n") != ours or "\r" in text:
            return text
        return text.replace("\n", "\r\n")

    def encode(self, text: str) -> bytes:
        """Return other text as bytes of the same encoding with the same byte order mark.

        Raises `FileError` for half a surrogate pair that was not in the file.
        """
        # Escapes stand for bytes that UTF-8 could not read; in UTF-16 there are none.
        errors = "surrogateescape" if self.encoding == "utf-8" else "strict"
        try:
            return self.bom + text.encode(self.encoding, errors)
        except UnicodeEncodeError as error:
            raise FileError(
                f"the text holds half a character (U+{ord(text[error.start]):04X}); send it whole"
            ) from None


def decode(data: bytes) -> Text | None:
    """Return the text of a file: UTF-16 by its mark, else UTF-8. None: it is binary (has a NUL)."""
    bom, encoding = next((pair for pair in _BOMS if data.startswith(pair[0])), (b"", "utf-8"))
    if encoding != "utf-8":
        try:
            text = data[len(bom) :].decode(encoding)
        except UnicodeDecodeError:
            return None
        return None if "\0" in text[:_SNIFFED] else Text(text, encoding, bom)
    if b"\0" in data[:_SNIFFED]:
        return None
    return Text(data[len(bom) :].decode("utf-8", "surrogateescape"), encoding, bom)


def check_whole(text: str) -> None:
    """Raise `FileError` if a text that a model sent holds half a surrogate pair."""
    if not encodes(text):
        raise FileError("the text holds half a character (a lone surrogate); send it whole")


def encodes(text: str) -> bool:
    """Return whether a text has no half of a surrogate pair, so that it can be stored and sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
