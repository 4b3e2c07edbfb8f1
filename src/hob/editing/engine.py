"""One edit of one text, from SEARCH and REPLACE to the new text or a refusal."""

from hob.editing.outcome import Check, Edited, EditRefused


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
    `line` (from 1) is where the place is thought to be; it only chooses among exact ones.
    Raises `EditRefused`, whose message is for the model.
    """
    if not search.strip():
        raise EditRefused("search is blank; send the lines that are to be replaced")
    at = before.find(search)
    if at < 0:
        raise EditRefused("search was not found; read the file again")
    if before.find(search, at + 1) >= 0:
        raise EditRefused("search stands several times; add lines around it until it is unique")
    first = before.count("\n", 0, at) + 1
    height = replace.count("\n") - (1 if replace.endswith("\n") else 0)
    return Edited(before[:at] + replace + before[at + len(search) :], first, first + max(0, height))


def apply(before: str, search: str, replace: str) -> str:
    """Return `before` with the edit made; raises `EditRefused`."""
    return edit(before, search, replace).text


def apply_bytes(before: bytes, search: str, replace: str) -> bytes:
    """Return the bytes of a file with the edit made, in its own encoding; raises `EditRefused`."""
    text = before.decode("utf-8", "surrogateescape")
    return apply(text, search, replace).encode("utf-8", "surrogateescape")
