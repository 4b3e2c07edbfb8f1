"""What a refactoring may have missed: where a word still stands, and which files could not be read."""

import io
import os
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate

from hob.tools.refactor.snapshot import Refusal, Snapshot
from hob.tools.refactor.targets import parsed

_SHOWN = 20
_MAX_LINE = 120
_MAX_SOURCES = 500  # a name that stands in more files is no name to look for
_MAX_OTHER_BYTES = 1_000_000
_MAX_OTHERS = 5_000
_MAX_READ = 50_000_000
_QUOTED = re.compile(r"""^[A-Za-z]*(?:'{3}|"{3}|'|")(.*?)['"]+$""", re.DOTALL)
_KINDS = {
    tokenize.COMMENT: "comments",
    tokenize.STRING: "strings",
    getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING): "strings",
}

Trace = dict[str, object]


def remaining(snapshot: Snapshot, after: Mapping[str, str], word: str, plain: str) -> Trace:
    """Return where a word still stands after the change (`after`: new texts by path).

    Keys: `code`, `names` (strings that are just the word, as in `__all__` and `getattr`) and `skipped`
    (files that hold `plain` and could not be read) are lists of at most 20 lines for people;
    `*_count` are whole counts, also of `comments` and `strings`, and of files that were too many (`unlooked`).
    """
    found: dict[str, list[str]] = {kind: [] for kind in ("code", "names", "comments", "strings")}
    skipped: list[str] = []
    whole, part = _word(word), _word(plain)
    looked = 0
    for path, source in snapshot.sources.items():
        text = after.get(path, source.text)
        if text is None:
            if plain.encode() in source.data:
                skipped.append(f"{path}: {source.trouble}")
            continue
        if not part.search(text):
            continue
        looked += 1
        if looked > _MAX_SOURCES:
            continue
        try:
            parsed(path, text)
        except Refusal as refusal:
            skipped.append(str(refusal))
            continue
        for kind, line, shown in _occurrences(text, whole, word):
            found[kind].append(f"{path}:{line}: {shown}")
    skipped += [f"{path}: over the size limit" for path in snapshot.too_large]
    trace: Trace = {"unlooked_count": max(0, looked - _MAX_SOURCES)}
    trace |= {f"{kind}_count": len(lines) for kind, lines in found.items()}
    trace |= {kind: found[kind][:_SHOWN] for kind in ("code", "names")}
    trace |= {"skipped": skipped[:_SHOWN], "skipped_count": len(skipped)}
    return trace | _elsewhere(snapshot, whole)


def places(texts: Mapping[str, str], word: str) -> list[str]:
    """Return where a word stands in code, as `path:line`."""
    whole = _word(word)
    return [
        f"{path}:{line}"
        for path, text in texts.items()
        for kind, line, _ in _occurrences(text, whole, word)
        if kind == "code"
    ]


def quoted(text: str, word: str) -> bool:
    """Return whether a word stands in a string or a comment."""
    return any(kind != "code" for kind, _, _ in _occurrences(text, _word(word), word))


def _word(word: str) -> "re.Pattern[str]":
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")


def _occurrences(text: str, whole: "re.Pattern[str]", word: str) -> Iterator[tuple[str, int, str]]:
    """Yield kind, line number and line for every place of a word, in order."""
    if not whole.search(text):
        return
    rows = text.split("\n")
    starts = [0, *accumulate(len(row) + 1 for row in rows)]
    marked = _marked(text, starts)
    at = 0
    for match in whole.finditer(text):
        while at < len(marked) and marked[at][1] <= match.start():
            at += 1
        inside = at < len(marked) and marked[at][0] <= match.start()
        kind = marked[at][2] if inside else "code"
        if kind == "strings":
            content = _QUOTED.match(text[marked[at][0] : marked[at][1]])
            kind = "names" if content and content[1] == word else kind
        line = bisect_right(starts, match.start())
        yield kind, line, rows[line - 1].strip()[:_MAX_LINE]


def _marked(text: str, starts: list[int]) -> list[tuple[int, int, str]]:
    """Return start, end and kind of every comment and string, in order."""
    found: list[tuple[int, int, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = _KINDS.get(token.type)
            if kind:
                (row, column), (last, end) = token.start, token.end
                found.append((starts[row - 1] + column, starts[last - 1] + end, kind))
    except (tokenize.TokenError, SyntaxError):  # it parsed, so this is a limit of the tokenizer
        pass
    return found


def _elsewhere(snapshot: Snapshot, whole: "re.Pattern[str]") -> Trace:
    """Return files that are no Python and hold the word, as `path:line`, with a count of files not read."""
    found: list[str] = []
    unread = total = read = 0
    for path, size in snapshot.others.items():
        if size > _MAX_OTHER_BYTES or total > _MAX_READ or read >= _MAX_OTHERS:
            unread += 1
            continue
        total += size
        read += 1
        line = _first_line(f"{snapshot.root}/{path}", whole)
        if line:
            found.append(f"{path}:{line}")
    return {"others": found[:_SHOWN], "others_count": len(found), "unread_count": unread}


def _first_line(path: str, whole: "re.Pattern[str]") -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    with os.fdopen(fd, "rb") as file:
        data = file.read(_MAX_OTHER_BYTES)
    if b"\0" in data[:8192]:
        return 0
    text = data.decode("utf-8", "replace")
    match = whole.search(text)
    return text.count("\n", 0, match.start()) + 1 if match else 0
