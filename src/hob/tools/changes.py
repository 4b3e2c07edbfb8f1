"""What a change did, as a bounded unified diff."""

from difflib import unified_diff

from hob.tools.bounds import cut_text, printable

_MAX_DIFF = 12_000
_MAX_COMPARED = 1500  # lines on one side that difflib may compare; it is quadratic
_CONTEXT = 3


def diff(before: str, after: str, path: str, max_chars: int = _MAX_DIFF) -> str:
    """Return a unified diff of at most `max_chars` characters (head and tail, with a count)."""
    old, new = _lines(before), _lines(after)
    same = _common(old, new)
    left, right = old[same:], new[same:]
    tail = _common(left[::-1], right[::-1])
    keep = min(tail, _CONTEXT)
    start = max(0, same - _CONTEXT)
    # Only what differs is compared, with its context: large files with small edits stay cheap.
    old, new = old[start : len(old) - tail + keep], new[start : len(new) - tail + keep]
    name = printable(path)
    if max(len(old), len(new)) > _MAX_COMPARED:
        body = [f"@@ -{start + 1},{len(old)} +{start + 1},{len(new)} @@\n"]
        body += ["-" + line for line in old] + ["+" + line for line in new]
    else:
        body = [_shifted(line, start) for line in unified_diff(old, new, n=_CONTEXT)][2:]
    whole = "".join([f"--- a/{name}\n", f"+++ b/{name}\n", *map(_ended, body)])
    shown = cut_text(whole, max_chars)
    return shown.encode("utf-8", "replace").decode()


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def _common(left: list[str], right: list[str]) -> int:
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))


def _shifted(line: str, by: int) -> str:
    """Return a hunk header with the line numbers of the whole file."""
    if not line.startswith("@@ ") or not by:
        return line
    old, new = (_moved(part, by) for part in line.split()[1:3])
    return f"@@ {old} {new} @@\n"


def _moved(span: str, by: int) -> str:
    first, comma, count = span[1:].partition(",")
    return f"{span[0]}{int(first) + by}{comma}{count}"


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
