"""One edit of one text: the stages in turn, from the strictest reading to the most tolerant."""

from hob.editing import exact, messages
from hob.editing.elision import check_kept
from hob.editing.encodings import decode
from hob.editing.gates import Span, check_brackets, check_syntax
from hob.editing.outcome import Check, Edited, EditRefused
from hob.editing.spelling import indentation
from hob.editing.stages import Task
from hob.editing.text import Change, Document, Found, quoted_lines, read, written

# Longer ones are only looked for as they are, so that nobody waits.
_MOST_CHARS = 200_000
_MOST_LINES = 8000
_MARK = "\ufeff"  # the byte order mark, where whoever decoded the file left it in


def edit(
    before: str,
    search: str,
    replace: str,
    *,
    path: str = "",
    line: int | None = None,
    check: Check | None = None,
) -> Edited:
    """Carry the change from `search` to `replace` over to the one place in `before` that is meant.

    `path` chooses the syntax check (".py"), `check` counts the syntax errors of other languages.
    `line` (from 1) is where the place is thought to be; it only chooses among exact ones. An empty
    `search` fills an empty file. Raises `EditRefused`, whose message is for the model.
    """
    if before.startswith(_MARK):
        return _marked(edit(before[1:], search, replace, path=path, line=line, check=check))
    search, replace = (part.replace("\r\n", "\n").removeprefix(_MARK) for part in (search, replace))
    if not search.strip():
        return _filled(before, search, replace)
    if search == replace:
        raise EditRefused("search and replace are the same; nothing to do")
    document = read(before)
    if (spliced := _exact(document, search, replace, line)) is not None:
        return spliced
    if max(len(search), len(replace)) > _MOST_CHARS or search.count("\n") > _MOST_LINES:
        why = "it is too long to be found unless it is exact; send smaller edits"
        raise EditRefused(messages.absent(document.lines, search[:_MOST_CHARS], "", why))
    found = Task(document, *_whole_lines(document, search, replace)).found()
    if not found.changes:
        raise EditRefused("the file has what replace says already; nothing to do")
    return _gated(document, found, path, check)


def apply(before: str, search: str, replace: str) -> str:
    """Return `before` with the edit made; raises `EditRefused`."""
    return edit(before, search, replace).text


def apply_bytes(before: bytes, search: str, replace: str) -> bytes:
    """Return the bytes of a file with the edit made, in its own encoding; raises `EditRefused`."""
    encoded = decode(before)
    return encoded.encode(edit(encoded.text, search, replace).text)


def _marked(edited: Edited) -> Edited:
    return edited._replace(text=_MARK + edited.text)


def _filled(before: str, search: str, replace: str) -> Edited:
    if search:
        raise EditRefused(
            "search is blank; send the lines that are to be replaced, with one that is not blank"
        )
    if before.strip():
        raise EditRefused("search is empty and the file is not; send the text to replace in search")
    if not replace:
        raise EditRefused("search and replace are both empty; nothing to do")
    new = replace.replace("\n", "\r\n") if "\r\n" in before else replace
    return Edited(new, 1, max(1, len(quoted_lines(replace))))


def _exact(document: Document, search: str, replace: str, line: int | None) -> Edited | None:
    """Return the edit if the text stands once; None if it is for the later stages to find."""
    hits = exact.hits(document, search)
    if not hits:
        return None
    if len(hits) > 1:
        whole = exact.whole_hits(document, search)
        if not whole and any(hit.indented and hit.ends for hit in hits):
            return None
        hits = whole or hits
    hit = hits[0] if len(hits) == 1 else _hinted(hits, search, line)
    if hit is None:
        height = len(quoted_lines(search))
        raise EditRefused(messages.several(document.lines, [one.line for one in hits], height))
    if hit.indented and not _fits_as_it_is(document, hit, search, replace):
        return None
    check_kept(quoted_lines(search), quoted_lines(replace))
    if hit.whole and search.endswith("\n") and replace and not replace.endswith("\n"):
        # Whole lines were quoted, and whole lines are meant; not to join them to the next one.
        replace += "\n"
    return Edited(*exact.splice(document, hit, search, replace))


def _fits_as_it_is(document: Document, hit: exact.Hit, search: str, replace: str) -> bool:
    """Return whether a text that starts after an indentation can be spliced in without moving it.

    It can if it starts right behind the indentation and its further lines come with theirs: none
    is indented less, and what follows the start of a block is indented more.
    """
    if search[:1].isspace() or replace[:1].isspace() or not replace:
        return False
    if search.endswith("\n") != replace.endswith("\n"):
        return False
    text = document.plain
    lead = text[text.rfind("\n", 0, hit.at) + 1 : hit.at]
    opens, *rest = [line for line in replace.split("\n") if line.strip()]
    if rest and opens.rstrip()[-1] in ":{([" and indentation(rest[0]) == lead:
        return False
    return all(line.startswith(lead) for line in rest)


def _hinted(hits: list[exact.Hit], search: str, line: int | None) -> exact.Hit | None:
    """Return the place that a hint means: it is nearer than all others by far."""
    if line is None or len(hits) > exact.MOST_PLACES:
        return None
    height = len(quoted_lines(search))
    far = sorted(
        (0 if one.line < line <= one.line + height else abs(one.line + 1 - line), number)
        for number, one in enumerate(hits)
    )
    return hits[far[0][1]] if 2 * far[0][0] <= far[1][0] and far[0][0] < far[1][0] else None


def _whole_lines(document: Document, search: str, replace: str) -> tuple[str, str]:
    """Complete both to the end of the line where a place starts in an indentation, but ends early."""
    hits = exact.hits(document, search)
    if len(hits) != 1 or search.endswith("\n"):
        return search, replace
    end = hits[0].at + len(search)
    rest = document.plain[end : (document.plain + "\n").index("\n", end)]
    return search + rest, replace + rest


def _gated(document: Document, found: Found, path: str, check: Check | None) -> Edited:
    changes = sorted(found.changes)
    removed = [line for one in changes for line in document.lines[one.start : one.end]]
    check_brackets((removed, [line for one in changes for line in one.lines]), found.asked)
    text = written(document, changes)
    grown = sum(len(one.lines) - (one.end - one.start) for one in changes)
    before = Span(changes[0].start, changes[-1].end)
    after = Span(before.start, before.end + grown)
    new = _lines_after(document, changes)
    check_syntax((document.lines, new), (before, after), path, check)
    first = min(after.start + 1, max(1, len(new)))
    return Edited(text, first, max(first, after.end), found.notes)


def _lines_after(document: Document, changes: list[Change]) -> list[str]:
    lines: list[str] = []
    at = 0
    for change in changes:
        lines += document.lines[at : change.start] + change.lines
        at = change.end
    return lines + document.lines[at:]
