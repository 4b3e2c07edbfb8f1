"""ripgrep as a sieve: which files hold a text that every match of a pattern must contain.

It never decides what a match is. It is asked for plain text only, which means the same to it as to
us, so leaving it out changes nothing but the time that a search takes.
"""

import re
from collections.abc import Sequence

from hob.core.ports import FileInfo, Sandbox

_SHORTEST = 3  # shorter texts stand in nearly every file
_FEWEST = 100  # for fewer files a process costs more than it saves
_MAX_ARGUMENTS = 100_000  # bytes; one argument of a shell may have 131,072
_OPTIONS = (
    "--no-config", "--files-with-matches", "--null", "--fixed-strings", "--text", "--no-mmap",
    "--no-messages",
)  # fmt: skip
_TOKEN = re.compile(r"\\.|\(\?:|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_CLASSES = frozenset("dDwWsSbBAZ")
# With case ignored, Python and Unicode disagree about these.
_NOT_FOLDED = frozenset("iIkKsS")


def needles(pattern: str, ignore_case: bool) -> list[str]:
    """Return texts of which every line that matches contains at least one; [] if that is not sure.

    Only what stands outside groups counts, and nothing that is optional.
    """
    found: list[str] = []
    best = run = ""
    depth = 0
    tokens = _TOKEN.findall(pattern)
    while tokens:
        token = tokens.pop(0)
        if token in {"(", "(?:"}:
            if tokens and tokens[0] == "?":
                return []  # flags, names, looks around: rare, and not worth the risk
            depth += 1
        depth -= token == ")"
        plain = _plain(token)
        if plain is None:
            return []
        if token == "|" and depth == 0:
            found.append(max(best, run, key=len))
            best = run = ""
            continue
        if token in {"*", "?", "{"}:
            run = run[:-1]
            if token == "{" and not _counted(tokens):
                return []
        if depth == 0 and plain and not (ignore_case and _folds_oddly(plain)):
            run += plain
        else:
            best, run = max(best, run, key=len), ""
    found.append(max(best, run, key=len))
    return found if all(len(one) >= _SHORTEST for one in found) else []


def _counted(tokens: list[str]) -> bool:
    """Take the rest of `{2,3}` away; return False if the brace opens no count."""
    while tokens and tokens[0] != "}":
        if not (tokens[0].isdecimal() or tokens[0] == ","):
            return False
        tokens.pop(0)
    return bool(tokens)


def _plain(token: str) -> str | None:
    """Return the character that a token stands for, "" if it is no single one, None to give up."""
    if len(token) == 1:
        if token == "\\" or (not token.isprintable() and token != " "):
            return None
        return "" if token in ".^$*+?{}()|[]" else token
    if token[0] != "\\":
        return ""
    if token[1].isascii() and token[1].isalnum():
        return "" if token[1] in _CLASSES else None
    return token[1] if token[1].isprintable() else None


def _folds_oddly(character: str) -> bool:
    return not character.isascii() or character in _NOT_FOLDED


async def sieved(
    sandbox: Sandbox,
    entries: Sequence[FileInfo],
    texts: Sequence[str],
    ignore_case: bool,
    time_s: float,
) -> Sequence[FileInfo]:
    """Return the entries without those that hold none of the texts, as far as `rg` can tell.

    All of them if there is no `rg`, or if anything at all went wrong.
    """
    if not texts or len(entries) < _FEWEST:
        return entries
    case = "--ignore-case" if ignore_case else "--case-sensitive"
    options = ["rg", *_OPTIONS, case, *(f"--regexp={text}" for text in texts), "--"]
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
