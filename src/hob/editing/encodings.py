"""Bytes of a file as text and back, without losing one."""

import codecs
from typing import NamedTuple

from hob.editing.outcome import EditRefused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Encoded(NamedTuple):
    """A text with the encoding and the byte order mark of its file."""

    text: str
    encoding: str
    mark: bytes

    def encode(self, text: str) -> bytes:
        """Return another text as bytes of the same file; raises `EditRefused` if it has none."""
        # Escapes stand for bytes that UTF-8 could not read; in UTF-16 there are none.
        errors = "surrogateescape" if self.encoding == "utf-8" else "strict"
        try:
            return self.mark + text.encode(self.encoding, errors)
        except UnicodeEncodeError as error:
            raise EditRefused(
                f"the text holds half a character (U+{ord(text[error.start]):04X}); send it whole"
            ) from None


def decode(data: bytes) -> Encoded:
    """Return the text of a file: UTF-16 by its mark, else UTF-8 with escapes for other bytes.

    Raises `EditRefused` for what is no text.
    """
    mark, encoding = next((pair for pair in _MARKS if data.startswith(pair[0])), (b"", "utf-8"))
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    try:
        text = data[len(mark) :].decode(encoding, errors)
    except UnicodeDecodeError:
        raise EditRefused("the file is not the UTF-16 text that its first bytes say") from None
    if "\0" in text:
        raise EditRefused("the file is binary (it has a NUL); only text can be edited")
    return Encoded(text, encoding, mark)
