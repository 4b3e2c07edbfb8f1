"""How many lines a change added and removed, where both sides are text of a moderate size."""

from difflib import SequenceMatcher

from msgspec.structs import replace

from hob.core.checkpoints import Change, Image, Images, Journal

MAX_BYTES = 200_000
MAX_LINES = 3_000


def counted(change: Change, journal: Journal, images: Images) -> Change:
    """Return a change with its numbers of lines."""
    before = _lines(change.before, change.path, journal, images)
    after = _lines(change.after, change.path, journal, images)
    if before is None or after is None or max(len(before), len(after)) > MAX_LINES:
        return change
    codes = SequenceMatcher(None, before, after).get_opcodes()
    edits = [code for code in codes if code[0] != "equal"]
    return replace(
        change,
        added=sum(end - start for _, _, _, start, end in edits),
        removed=sum(end - start for _, start, end, _, _ in edits),
    )


def _lines(image: Image, path: str, journal: Journal, images: Images) -> list[bytes] | None:
    if image.kind == "absent":
        return []
    if image.kind != "file" or not image.digest or image.size > MAX_BYTES:
        return None
    try:
        data = journal.image(image.digest)
    except KeyError:
        seen, data = images.look(path)
        if not seen.same(image):
            return None
    return None if b"\0" in data else data.splitlines()
