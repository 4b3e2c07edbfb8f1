"""A patch as an exact, unique replacement for `edit_file`, and in words for a person."""

from msgspec import Struct

from hob.models.offline.repairs.source import Patch


class Change(Struct, frozen=True):
    """One edit of one file: `search` stands exactly once in the old text, `replace` exactly once in the new one."""

    path: str
    search: str
    replace: str
    line: int
    rule: str


def make_change(path: str, text: str, patch: Patch) -> Change:
    """Widen a patch to whole lines until both its old and its new text are unique."""
    new_text = text[: patch.start] + patch.text + text[patch.end :]
    first = text.rfind("\n", 0, patch.start) + 1
    last = text.find("\n", patch.end)
    last = len(text) if last < 0 else last
    grown = len(new_text) - len(text)
    while True:
        search, replace = text[first:last], new_text[first : last + grown]
        unique = (
            search.strip() and replace.strip() and once(text, search) and once(new_text, replace)
        )
        if unique or (first == 0 and last == len(text)):
            return Change(path, search, replace, patch.line, patch.rule)
        first = text.rfind("\n", 0, max(0, first - 1)) + 1 if first else 0
        after = text.find("\n", last + 1)
        last = len(text) if after < 0 else after


def once(text: str, part: str) -> bool:
    """Tell whether a part stands exactly once in a text, overlaps counted."""
    return text.find(part) == text.rfind(part) >= 0


def in_words(change: Change) -> str:
    """Tell what was changed, line by line where it is short."""
    old, new = change.search.splitlines(), change.replace.splitlines()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    before = " ⏎ ".join(line.strip() for line in old) or "(nothing)"
    after = " ⏎ ".join(line.strip() for line in new) or "(nothing)"
    return (
        f"in `{change.path}`, line {change.line}: `{before}` became `{after}` (rule: {change.rule})"
    )
