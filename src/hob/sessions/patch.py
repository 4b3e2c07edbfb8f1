"""Two images of a path as a unified diff, in the form that `git diff` prints and `git apply` takes."""

from collections.abc import Sequence
from difflib import unified_diff

from msgspec import Struct

from hob.core.checkpoints import Image

MAX_COMPARED = 4_000  # lines on one side that difflib may compare; it is quadratic
_CONTEXT = 3
_GIT_MODES = {"link": "120000", "dir": "040000"}


class Side(Struct, frozen=True):
    """One side of a comparison; `data` is a file's bytes or a link's target."""

    image: Image
    data: bytes = b""


class Patch(Struct, frozen=True):
    """The difference of one path; line counts are 0 for what has no lines.

    Bytes of `text` that are not UTF-8 are surrogate escapes.
    """

    path: str
    text: str
    added: int = 0
    removed: int = 0
    note: str = ""  # new, deleted, binary, mode, link


def patch(path: str, before: Side, after: Side) -> Patch:
    """Return the diff that leads from `before` to `after`."""
    lines = [f"diff --git a/{path} b/{path}\n"]
    old, new = _mode(before.image), _mode(after.image)
    notes: list[str] = []
    if not old:
        lines.append(f"new file mode {new}\n")
        notes.append("new")
    elif not new:
        lines.append(f"deleted file mode {old}\n")
        notes.append("deleted")
    elif old != new:
        lines += [f"old mode {old}\n", f"new mode {new}\n"]
        notes.append("link" if "120000" in (old, new) else "mode")
    left = f"a/{path}" if old else "/dev/null"
    right = f"b/{path}" if new else "/dev/null"
    if _unread(before) or _unread(after) or b"\0" in before.data or b"\0" in after.data:
        if before.data != after.data or _unread(before) or _unread(after):
            lines.append(f"Binary files {left} and {right} differ\n")
            notes.append("binary")
        return Patch(path, "".join(lines), note=", ".join(notes))
    body = _body(_text(before.data), _text(after.data))
    if body:
        lines += [f"--- {left}\n", f"+++ {right}\n", *body]
    added = sum(line.startswith("+") for line in body)
    removed = sum(line.startswith("-") for line in body)
    return Patch(path, "".join(lines), added, removed, ", ".join(notes))


def _unread(side: Side) -> bool:
    return side.image.kind == "other" or (side.image.kind == "file" and not side.image.digest)


def _mode(image: Image) -> str:
    if image.kind == "absent":
        return ""
    if image.kind == "file":
        return "100755" if (image.mode or 0) & 0o111 else "100644"
    return _GIT_MODES.get(image.kind, "000000")


def _text(data: bytes) -> list[str]:
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def _body(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return the hunks. What is alike at both ends is not compared."""
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    start = max(0, head - _CONTEXT)
    keep = min(tail, _CONTEXT)
    left, right = old[start : len(old) - tail + keep], new[start : len(new) - tail + keep]
    if left == right:
        return []
    if max(len(left), len(right)) > MAX_COMPARED:
        header = f"@@ -{_span(start, len(left))} +{_span(start, len(right))} @@\n"
        hunks = [header, *("-" + line for line in left), *("+" + line for line in right)]
    else:
        hunks = [_shifted(line, start) for line in unified_diff(left, right, n=_CONTEXT)][2:]
    return [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in hunks
    ]


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    for place, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return place
    return min(len(old), len(new))


def _span(start: int, count: int) -> str:
    return f"{start + 1 if count else start},{count}"


def _shifted(line: str, by: int) -> str:
    """Return a hunk header with the line numbers of the whole file."""
    if not (by and line.startswith("@@ ")):
        return line
    spans: list[str] = []
    for span in line.split()[1:3]:
        first, comma, count = span[1:].partition(",")
        spans.append(f"{span[0]}{int(first) + by}{comma}{count}")
    return f"@@ {spans[0]} {spans[1]} @@\n"
