"""Texts that a line must contain to match a pattern: what lets a search pass over most files unread."""

import re

_SHORTEST = 3  # shorter texts stand in nearly every file
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
        # A replacement character stands for bytes that were something else.
        return "" if token in ".^$*+?{}()|[]\N{REPLACEMENT CHARACTER}" else token
    if token[0] != "\\":
        return ""
    if token[1].isascii() and token[1].isalnum():
        return "" if token[1] in _CLASSES else None
    return token[1] if token[1].isprintable() and token[1] != "\N{REPLACEMENT CHARACTER}" else None


def _folds_oddly(character: str) -> bool:
    return not character.isascii() or character in _NOT_FOLDED
