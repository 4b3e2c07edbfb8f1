"""A text as lines and their endings, so that nothing is lost on the way through an edit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Change(NamedTuple):
    """New lines for the lines `start` to `end` (from 0, `end` excluded) of a document."""

    start: int
    end: int
    lines: list[str]


class Found(NamedTuple):
    """What is to be written, for which lines of SEARCH and REPLACE, and what was tolerated."""

    changes: list[Change]
    asked: tuple[list[str], list[str]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """The lines of a text without their endings; `plain` is `raw` with every ending as LF."""

    lines: list[str]
    endings: list[str]
    raw: str
    plain: str

    @property
    def uniform(self) -> bool:
        """Return whether all lines end alike, a missing last ending aside."""
        return len({*self.endings} - {""}) <= 1

    def ending(self, index: int) -> str:
        """Return the ending for a new line at an index: that of the line there, or of one near."""
        near = self.endings[index : index + 1] + self.endings[max(0, index - 2) : index][::-1]
        return next((one for one in near if one), "\n")


def read(text: str) -> Document:
    """Split a text at LF and CRLF; at CR only where there is no LF. Nothing else ends a line."""
    if "\r" not in text:
        return _document(text, text, "\n")
    if "\n" not in text:
        return _document(text, text.replace("\r", "\n"), "\r")
    plain = text.replace("\r\n", "\n")
    if len(text) - len(plain) == text.count("\n"):
        return _document(text, plain, "\r\n")
    lines = text.split("\n")
    endings = ["\r\n" if line.endswith("\r") else "\n" for line in lines]
    endings[-1] = ""
    if not lines[-1]:
        del lines[-1], endings[-1]
    lines = [
        line[:-1] if ending == "\r\n" else line for line, ending in zip(lines, endings, strict=True)
    ]
    return Document(lines, endings, text, plain)


def _document(raw: str, plain: str, ending: str) -> Document:
    lines = plain.split("\n")
    if lines[-1]:
        return Document(lines, [ending] * (len(lines) - 1) + [""], raw, plain)
    lines.pop()
    return Document(lines, [ending] * len(lines), raw, plain)


def quoted_lines(text: str) -> list[str]:
    """Return the lines of what a model sent, all endings alike; a last line break adds no line."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def written(document: Document, changes: Sequence[Change]) -> str:
    """Return the text with the changes made; each new line ends as the one that it replaces.

    A last line without an ending stays the only one without, whatever is added after it.
    """
    lines, endings = document.lines, document.endings
    open_end = bool(endings) and not endings[-1]
    if open_end:
        endings = [*endings[:-1], document.ending(len(lines) - 1)]
    parts: list[str] = []
    at = 0
    for change in sorted(changes, key=lambda one: (one.start, one.end)):
        parts += _joined(lines[at : change.start], endings[at : change.start])
        for offset, line in enumerate(change.lines):
            index = min(change.start + offset, max(change.start, change.end - 1))
            parts += (line, document.ending(index))
        at = change.end
    text = "".join(parts + _joined(lines[at:], endings[at:]))
    return text.removesuffix(endings[-1]) if open_end else text


def _joined(lines: list[str], endings: list[str]) -> list[str]:
    if lines and endings.count(endings[0]) == len(endings):
        return [endings[0].join(lines), endings[0]]
    parts = [""] * (2 * len(lines))
    parts[::2], parts[1::2] = lines, endings
    return parts
