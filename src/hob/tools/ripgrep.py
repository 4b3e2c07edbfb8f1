"""ripgrep as a sieve: which files hold a text that every match of a pattern must contain.

It never decides what a match is. It is asked for plain text only, which means the same to it as to
us, so leaving it out changes nothing but the time that a search takes.
"""

from collections.abc import Sequence

from hob.core.ports import FileInfo, Sandbox

_FEWEST = 100  # for fewer files a process costs more than it saves
_MAX_ARGUMENTS = 100_000  # bytes; one argument of a shell may have 131,072
_OPTIONS = (
    "--no-config", "--files-with-matches", "--null", "--fixed-strings", "--text", "--no-mmap",
    "--no-messages",
)  # fmt: skip


async def sieved(
    sandbox: Sandbox,
    program: str,
    entries: Sequence[FileInfo],
    texts: Sequence[str],
    ignore_case: bool,
    time_s: float,
) -> Sequence[FileInfo]:
    """Return the entries without those that hold none of the texts, as far as ripgrep can tell.

    All of them if there is no such `program`, or if anything at all went wrong.
    """
    if not program or not texts or len(entries) < _FEWEST:
        return entries
    case = "--ignore-case" if ignore_case else "--case-sensitive"
    options = [program, *_OPTIONS, case, *(f"--regexp={text}" for text in texts), "--"]
    # What is printed comes back as text, so names that are not plain cannot be recognised.
    plain = [entry.path for entry in entries if entry.path.isascii() and entry.path.isprintable()]
    kept: set[str] = set()
    for batch in _batches(plain):
        size = sum(len(path) + 1 for path in batch)
        result = await sandbox.exec([*options, *batch], timeout_s=time_s, max_bytes=2 * size + 1024)
        if result.exit_code not in {0, 1} or result.stdout_bytes > 2 * size:
            return entries
        kept.update(result.stdout.split("\0"))
    dropped = set(plain) - kept
    return [entry for entry in entries if entry.path not in dropped]


def _batches(paths: Sequence[str]) -> list[list[str]]:
    batches: list[list[str]] = []
    room = 0
    for path in paths:
        room -= len(path) + 1
        if room < 0:
            batches.append([])
            room = _MAX_ARGUMENTS - len(path) - 1
        batches[-1].append(path)
    return batches
