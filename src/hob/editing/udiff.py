"""Unified diffs: as git prints them, and as models write them (no numbers, wrong counts, bare blank lines).

The format is that of `git diff` (git-diff-format(5), "Generating patch text with -p") and of POSIX `diff -u`.
"""

import re
from collections.abc import Sequence

from hob.editing.asked import Hunk, Patch, Place, lines_of
from hob.editing.engine import edit
from hob.editing.fences import open_fence
from hob.editing.outcome import Check, Edited, EditRefused

_NUMBERS = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_GIT = "diff --git "
_NOTHING = "/dev/null"
_ESCAPED = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13}
_OTHER_MODES = {"120000": "a symbolic link", "160000": "a submodule"}


def parse_udiff(reply: str) -> list[Patch]:
    """Return the file patches of a reply, bare or in fences.

    Raises `EditRefused` for what is cut off, binary, or not a patch of text.
    """
    lines = lines_of(reply)
    found: list[Patch] = []
    at = 0
    while at < len(lines):
        fence = open_fence(lines, at)
        if fence is None:
            if _begins(lines, at):
                one, at = _Reader(lines, at).read()
                found.append(one)
            else:
                at += 1
            continue
        at, inside = _fenced(lines, fence.first, fence.marks, fence.info)
        found += inside
    return found


def _fenced(lines: Sequence[str], first: int, marks: str, info: str) -> tuple[int, list[Patch]]:
    """Return the line after a fence and the patches in it; a fence in another language quotes its patches."""
    found: list[Patch] = []
    at = first + 1
    is_diff = info.partition(" ")[0].lower() in ("", "diff", "udiff", "patch")
    while at < len(lines) and not _closes(lines[at], marks):
        if is_diff and _begins(lines, at):
            one, at = _Reader(lines, at, marks).read()
            found.append(one)
        else:
            if is_diff and lines[at].startswith("@@"):
                raise EditRefused(
                    f"the hunk in line {at + 1} of the reply has no file; write --- and +++ lines above it"
                )
            at += 1
    if at >= len(lines) and is_diff and found:
        raise EditRefused(
            f"the reply is cut off: the diff in line {first + 1} of it is not finished; send it again, whole"
        )
    if found:
        found[0] = found[0]._replace(place=Place(first, found[0].place.last))
        found[-1] = found[-1]._replace(place=Place(found[-1].place.first, at + 1))
    return at + 1, found


def _closes(line: str, marks: str) -> bool:
    """Tell whether a line ends the fence of a diff. An indented one does not: it is a line of context."""
    plain = line.rstrip()
    return plain.startswith(marks) and not plain.strip(marks[0])


def _begins(lines: Sequence[str], at: int) -> bool:
    """Tell whether a file patch begins in a line."""
    if lines[at].startswith(_GIT):
        return True
    return lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")


class _Reader:
    """Reads the patch of one file."""

    def __init__(self, lines: Sequence[str], at: int, marks: str = "") -> None:
        self._lines = lines
        self._first = self._at = at
        self._marks = marks
        self._head: dict[str, str] = {}
        self._names: tuple[str, str] = ("", "")

    def read(self) -> tuple[Patch, int]:
        """Return the patch and the line after it."""
        if self._line().startswith(_GIT):
            self._extended_header()
        if self._line().startswith("--- ") and self._next().startswith("+++ "):
            old, new = _name(self._line()[4:]), _name(self._next()[4:])
            self._names = self._agreed(old, new)
            self._at += 2
        hunks: list[Hunk] = []
        while self._line().startswith("@@"):
            hunks.append(self._hunk())
        source, target = self._sides()
        place = Place(self._first, self._at)
        return Patch(source, target, tuple(hunks), place, "copy from" in self._head), self._at

    def _agreed(self, old: str, new: str) -> tuple[str, str]:
        """Return the names without prefixes; where one side is nothing, git's own line tells if there are any."""
        known = self._names[1]
        if known and _NOTHING in (old, new):
            return (old, known) if old == _NOTHING else (known, new)
        return _plain(old, new)

    def _line(self) -> str:
        return self._lines[self._at] if self._at < len(self._lines) else ""

    def _next(self) -> str:
        return self._lines[self._at + 1] if self._at + 1 < len(self._lines) else ""

    def _extended_header(self) -> None:
        words = self._line()[len(_GIT) :].rstrip("\r")
        self._names = _both(words)
        self._at += 1
        while self._at < len(self._lines):
            line = self._line().rstrip("\r")
            found = re.match(
                r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from"
                r"|rename to|similarity index|dissimilarity index|index) (.*)$",
                line,
            )
            if found is None:
                break
            self._head[found[1]] = found[2]
            self._at += 1
        self._check_text()

    def _check_text(self) -> None:
        if self._line().startswith(("Binary files ", "GIT binary patch")):
            raise EditRefused(
                f"the patch of {self._names[1]!r} is binary; only text can be changed by a diff"
            )
        modes = " ".join(value for name, value in self._head.items() if "mode" in name)
        modes += " " + self._head.get("index", "")[-6:]
        for mode, what in _OTHER_MODES.items():
            if mode in modes:
                raise EditRefused(
                    f"{self._names[1]!r} is {what}; only text can be changed by a diff"
                )

    def _sides(self) -> tuple[str | None, str | None]:
        head = self._head
        for kind in ("rename", "copy"):
            if f"{kind} from" in head and f"{kind} to" in head:
                return _name(head[f"{kind} from"]), _name(head[f"{kind} to"])
        old, new = self._names
        if not old or not new:
            raise EditRefused(
                f"the patch in line {self._first + 1} of the reply names no file; write --- and +++ lines"
            )
        source = None if "new file mode" in head or old == _NOTHING else old
        target = None if "deleted file mode" in head or new == _NOTHING else new
        if source is None and target is None:
            raise EditRefused(f"the patch in line {self._first + 1} of the reply names no file")
        return source, target

    def _hunk(self) -> Hunk:
        start = self._at
        numbers = _NUMBERS.match(self._line())
        if numbers is not None:
            counts = tuple(int(numbers[n] or "1") for n in (2, 4))
            hunk = self._counted(int(numbers[1]), counts)
            if hunk is not None:
                return hunk
            self._at = start
        return self._uncounted(None if numbers is None else int(numbers[1]), numbers)

    def _counted(self, start: int, counts: Sequence[int]) -> Hunk | None:
        """Return the hunk if its lines are as many as its header says; None if they are not."""
        old: list[str] = []
        new: list[str] = []
        at = self._at + 1
        while len(old) < counts[0] or len(new) < counts[1]:
            if self._is_over(at) or self._fence_ends(at):
                return None
            if not _take(self._lines[at], old, new, self._lines[at - 1][:1]):
                return None
            at += 1
        at = self._no_newline(at, old, new)
        if (len(old), len(new)) != tuple(counts) or not self._may_end(at):
            return None
        self._at = at
        return Hunk(start, tuple(old), tuple(new), exact=True)

    def _no_newline(self, at: int, old: list[str], new: list[str]) -> int:
        if at < len(self._lines) and self._lines[at].startswith("\\"):
            _take(self._lines[at], old, new, self._lines[at - 1][:1])
            at += 1
        return at

    def _may_end(self, at: int) -> bool:
        """Tell whether what follows is no further line of a hunk."""
        if at >= len(self._lines) or self._fence_ends(at) or _begins(self._lines, at):
            return True
        return self._lines[at][:1] not in ("+", "-", " ")

    def _is_over(self, at: int) -> bool:
        """Tell whether the reply ends here; the end of its last line is no empty line."""
        return at >= len(self._lines) or (at == len(self._lines) - 1 and not self._lines[at])

    def _fence_ends(self, at: int) -> bool:
        return bool(self._marks) and _closes(self._lines[at], self._marks)

    def _uncounted(self, start: int | None, numbers: "re.Match[str] | None") -> Hunk:
        """Read a hunk up to where something else begins."""
        old: list[str] = []
        new: list[str] = []
        first, before = self._at, ""
        self._at += 1
        while self._at < len(self._lines) and not self._stops():
            if not _take(self._line(), old, new, before):
                break
            before, self._at = self._line()[:1], self._at + 1
        while old and new and old[-1] == new[-1] == "\n" and not self._lines[self._at - 1]:
            old.pop()
            new.pop()
            self._at -= 1
        self._check_whole(first, numbers, len(old), len(new))
        return Hunk(start, tuple(old), tuple(new), exact=False)

    def _stops(self) -> bool:
        line = self._line()
        return line.startswith("@@") or self._fence_ends(self._at) or _begins(self._lines, self._at)

    def _check_whole(self, first: int, numbers: "re.Match[str] | None", old: int, new: int) -> None:
        """Raise `EditRefused` if the reply ends in the middle of the hunk."""
        ends = self._at >= len(self._lines)  # not even a last line break
        short = (
            numbers is not None and old < int(numbers[2] or "1") and new < int(numbers[4] or "1")
        )
        if ends and short:
            raise EditRefused(
                f"the reply is cut off: the hunk in line {first + 1} of it has fewer lines than its header"
                " says; send it again, whole"
            )


def _take(line: str, old: list[str], new: list[str], before: str = "") -> bool:
    """Put one line of a hunk where it belongs; False if it is none."""
    sign, text = line[:1], line[1:] + "\n"
    if sign == "\\":
        for side, others in ((old, "+"), (new, "-")):
            if side and before != others:
                side[-1] = side[-1].removesuffix("\n")
    elif sign in ("", " ") or line == "\r":
        text = text if sign == " " else line + "\n"
        old.append(text)
        new.append(text)
    elif sign == "-":
        old.append(text)
    elif sign == "+":
        new.append(text)
    else:
        return False
    return True


def _plain(old: str, new: str) -> tuple[str, str]:
    """Return both names without the prefixes of git (a/ b/, or i/ w/ c/ o/), if these are such."""
    real = [name for name in (old, new) if name != _NOTHING]
    if not all(re.match(r"[abciow]/.", name) for name in real):
        return old, new
    if old != _NOTHING and new != _NOTHING and old[0] == new[0]:
        return old, new
    if (old[0], new[0]) == ("b", "a"):
        return old, new
    return (
        old if old == _NOTHING else old[2:],
        new if new == _NOTHING else new[2:],
    )


def _both(words: str) -> tuple[str, str]:
    """Return the two names of a `diff --git` line; they are the same, or other lines give them."""
    if words.startswith('"') and (end := re.match(r'"(?:[^"\\]|\\.)*"', words)) is not None:
        return _plain(_name(end[0]), _name(words[end.end() :].strip()))
    if words.endswith('"') and (start := words.find(' "')) > 0:
        return _plain(words[:start], _name(words[start + 1 :]))
    middle = len(words) // 2
    if len(words) % 2 and words[middle] == " ":
        old, new = _plain(words[:middle], words[middle + 1 :])
        if old == new:
            return old, new
    return "", ""


def _name(text: str) -> str:
    """Return a file name as it stands in a header: without its time, unquoted (C style, octal)."""
    text = text.rstrip("\r").partition("\t")[0]
    if not (len(text) > 1 and text.startswith('"') and text.endswith('"')):
        return text.rstrip(" ") if text.startswith(_NOTHING) else text

    def byte(match: "re.Match[bytes]") -> bytes:
        code = match[1]
        if code.isdigit():
            return bytes([int(code, 8) & 255])
        return bytes([_LETTERS[code]]) if code in _LETTERS else code

    raw = text[1:-1].encode("utf-8", "surrogateescape")
    return _ESCAPED.sub(byte, raw).decode("utf-8", "surrogateescape")


def apply_hunks(
    before: str, hunks: Sequence[Hunk], *, path: str = "", check: Check | None = None
) -> Edited:
    """Return a text with hunks applied: by their numbers where all of them fit exactly, else one by one.

    Raises `EditRefused`.
    """
    if not hunks:
        return Edited(before, 1, 1)
    exact = _by_numbers(before, hunks) or _by_numbers_crlf(before, hunks)
    if exact is not None:
        return exact
    notes: list[str] = []
    text, first, last, shift = before, 0, 0, 0
    for number, hunk in enumerate(hunks, 1):
        line = None if hunk.start is None else max(1, hunk.start + shift)
        try:
            edited = _by_search(text, hunk, line, path, check)
        except EditRefused as refusal:
            which = f"hunk {number} of {len(hunks)}: " if len(hunks) > 1 else ""
            raise EditRefused(f"{which}{refusal}") from None
        shift += len(hunk.new) - len(hunk.old)
        text = edited.text
        notes += edited.notes
        first = min(first or edited.first_line, edited.first_line)
        last = max(last, edited.last_line)
    return Edited(text, first, last, tuple(notes))


def _by_search(text: str, hunk: Hunk, line: int | None, path: str, check: Check | None) -> Edited:
    search, replace = "".join(hunk.old), "".join(hunk.new)
    if search == replace:
        return Edited(text, line or 1, line or 1, ("a hunk changes nothing",))
    if not search and text:
        raise EditRefused(
            "it adds lines without a line around them, so their place is not known; give the lines above and below"
        )
    return edit(text, search, replace, path=path, line=line, check=check)


def _by_numbers(before: str, hunks: Sequence[Hunk]) -> Edited | None:
    lines = before.split("\n")
    last = lines.pop()
    lines = [f"{line}\n" for line in lines] + ([last] if last else [])
    parts: list[str] = []
    at = 0
    for hunk in hunks:
        if not hunk.exact or hunk.start is None:
            return None
        start = hunk.start - 1 if hunk.old else hunk.start
        end = start + len(hunk.old)
        if start < at or end > len(lines) or tuple(lines[start:end]) != hunk.old:
            return None
        parts += [*lines[at:start], *hunk.new]
        at = end
    parts += lines[at:]
    if any(not part.endswith("\n") for part in parts[:-1]):
        return None
    first = next((h.start or 1) for h in hunks)
    grown = sum(len(h.new) - len(h.old) for h in hunks[:-1])
    final = (hunks[-1].start or 1) + grown + max(0, len(hunks[-1].new) - 1)
    return Edited("".join(parts), max(1, first), max(1, final))


def _by_numbers_crlf(before: str, hunks: Sequence[Hunk]) -> Edited | None:
    """Do the same for a text whose lines all end in CRLF, with a diff that has lost them."""
    ends = before.count("\n")
    if not ends or before.count("\r\n") != ends or "\r" in "".join(hunks[0].old + hunks[0].new):
        return None
    edited = _by_numbers(before.replace("\r\n", "\n"), hunks)
    return edited and edited._replace(text=edited.text.replace("\n", "\r\n"))
