"""What one ignore file says of a path: the patterns of gitignore(5), matched exactly as git does it.

Bytes throughout, as in git (`?` is one byte). No pattern can make a match take long: within a name
every `*` is tried once, and over directories all places in the pattern are kept at the same time.
"""

import re
from collections.abc import Sequence
from re import Pattern

from msgspec import Struct

_CLASSES = {
    b"alnum": b"0-9A-Za-z", b"alpha": b"A-Za-z", b"blank": b" \t", b"cntrl": b"\\x00-\\x1f\\x7f",
    b"digit": b"0-9", b"graph": b"!-~", b"lower": b"a-z", b"print": b" -~",
    b"punct": b"!-/:-@\\[-`{-~", b"space": b"\\s", b"upper": b"A-Z", b"xdigit": b"0-9A-Fa-f",
}  # fmt: skip
_WILD = re.compile(rb"[*?\[\\]")
_MAX_LINES = 5000  # a longer file is not one that people wrote; what comes after counts for nothing
_ANY = 0  # `**/`: any number of directories
_SOME = 1  # `**` at the end: at least one name
_ORDINARY = {ord("*"), ord("?"), ord("["), ord("\\"), ord("/")}

Part = Pattern[bytes] | int


class _Broken(Exception):
    """A pattern that git takes and that never matches anything."""


class Rule(Struct, frozen=True):
    """One line: what it matches, and whether it takes back what an earlier line said."""

    negative: bool
    only_folders: bool
    name: bytes | None = None  # exactly this name, at any depth
    names: Pattern[bytes] | None = None  # names like this, at any depth
    stem: bytes = b""  # else a path that begins so, and whose rest is …
    parts: tuple[Part, ...] | None = None  # … like this, None: empty

    def matches(self, path: bytes, name: bytes) -> bool:
        """Return whether a path (from the folder of the file) with this last name fits."""
        if self.name is not None:
            return name == self.name
        if self.names is not None:
            return self.names.fullmatch(name) is not None
        if self.parts is None:
            return path == self.stem
        return path.startswith(self.stem) and _fits(self.parts, path[len(self.stem) :].split(b"/"))


class Rules:
    """All lines of one file. The last one that matches decides."""

    def __init__(self, text: bytes) -> None:
        self._rules = [rule for line in _lines(text) if (rule := parse(line)) is not None][::-1]
        # Most paths match nothing, so that is what has to be quick.
        self._exact = {rule.name for rule in self._rules if rule.name is not None}
        self._paths = {
            rule.stem for rule in self._rules if rule.parts is None and rule.stem
        }  # fmt: skip
        self._deep = [rule for rule in self._rules if rule.parts is not None]
        like = [b"(?:%b)" % rule.names.pattern for rule in self._rules if rule.names is not None]
        self._like = re.compile(b"|".join(like), re.DOTALL) if like else None

    def __bool__(self) -> bool:
        return bool(self._rules)

    def verdict(self, path: bytes, is_folder: bool) -> bool | None:
        """Return True for ignored, False for expressly not, None if no line says anything.

        Only of the path itself; whoever asks has asked for the folders above it before.
        """
        name = path[path.rfind(b"/") + 1 :]
        if not (
            name in self._exact
            or path in self._paths
            or (self._like is not None and self._like.fullmatch(name))
            or any(rule.matches(path, name) for rule in self._deep)
        ):
            return None
        for rule in self._rules:
            if (is_folder or not rule.only_folders) and rule.matches(path, name):
                return not rule.negative
        return None


def parse(line: bytes) -> Rule | None:
    """Return the rule of one line without its end; None if it can never match."""
    negative = line.startswith(b"!")
    pattern = line[negative:]
    only_folders = pattern.endswith(b"/")
    if only_folders:
        pattern = pattern[:-1]
    if not pattern:
        return None
    try:
        if b"/" not in pattern:
            if _WILD.search(pattern) is None:
                return Rule(negative, only_folders, name=pattern)
            (names,) = _parts(pattern, False)
            assert isinstance(names, Pattern)
            return Rule(negative, only_folders, names=names)
        pattern = pattern.removeprefix(b"/")
        wild = _WILD.search(pattern)
        if wild is None:
            return Rule(negative, only_folders, stem=pattern)
        # What stands before the first wildcard is compared and cut off, even within a name; so
        # `a**/b` means what `**/b` means behind an `a`.
        stem, rest = pattern[: wild.start()], pattern[wild.start() :]
        return Rule(negative, only_folders, stem=stem, parts=_parts(rest, True))
    except _Broken:
        return None


def _lines(text: bytes) -> list[bytes]:
    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n", _MAX_LINES)
    return [
        _trimmed(line.removesuffix(b"\r").partition(b"\0")[0])
        for line in lines[:_MAX_LINES]
        if line and not line.startswith(b"#")
    ]


def _trimmed(line: bytes) -> bytes:
    """Return a line without the spaces at its end that no backslash protects."""
    kept = line.rstrip(b" ")
    if kept == line:
        return line
    escapes = len(kept) - len(kept.rstrip(b"\\"))
    return kept + b" " if escapes % 2 else kept


def _parts(pattern: bytes, path: bool) -> tuple[Part, ...]:
    """Return a pattern name by name. Raises `_Broken`."""
    parts: list[Part] = []
    pieces: list[bytes | None] = []  # of one name; None is a star
    at = 0
    while at < len(pattern):
        code = pattern[at]
        after = at + 1
        if code == ord("*"):
            after = len(pattern) - len(pattern[at:].lstrip(b"*"))
            crossing = (
                path and after - at > 1 and not pieces and pattern[at - 1 : at] in {b"", b"/"}
            )
            if crossing and after == len(pattern):
                return (*parts, _SOME)
            if crossing and pattern.startswith(b"/", after):
                parts.append(_ANY)
                at = after + 1
                continue
            if crossing and pattern.startswith(b"\\/", after):
                parts += [_ANY, _compiled([None])]
                at = after + 2
                continue
            pieces.append(None)
        elif code == ord("/") or pattern.startswith(b"\\/", at):
            after = at + (1 if code == ord("/") else 2)
            parts.append(_compiled(pieces))
            pieces = []
        elif code == ord("["):
            piece, after = _class(pattern, at)
            pieces.append(piece)
        else:
            piece, after = _one(pattern, at)
            pieces.append(piece)
        at = after
    return (*parts, _compiled(pieces))


def _one(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Return the expression for `?`, an escape or a run of plain bytes, and where it ends."""
    if pattern[at] == ord("?"):
        return b".", at + 1
    if pattern[at] == ord("\\"):
        if at + 1 == len(pattern):
            raise _Broken
        return re.escape(pattern[at + 1 : at + 2]), at + 2
    end = at
    while end < len(pattern) and pattern[end] not in _ORDINARY:
        end += 1
    return re.escape(pattern[at:end]), end


def _compiled(pieces: Sequence[bytes | None]) -> Pattern[bytes]:
    """Return the pattern of one name. All stars but the last take the first fit, for good."""
    runs: list[bytes] = [b""]
    for piece in pieces:
        if piece is None:
            runs.append(b"")
        else:
            runs[-1] += piece
    first, *between = runs
    last = b".*" + between.pop() if between else b""
    inner = b"".join(b"(?>.*?%b)" % run for run in between if run)
    return re.compile(first + inner + last, re.DOTALL)


def _class(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Return the expression for a bracket that opens at `at`, and where it ends. Raises `_Broken`."""
    at += 1
    negated = pattern[at : at + 1] in {b"!", b"^"}
    at += negated
    inside: list[bytes] = []
    before = -1  # the byte that a range would begin with
    first = True
    while first or pattern[at : at + 1] != b"]":
        first = False
        if pattern.startswith(b"[:", at) and (named := _named(pattern, at)) is not None:
            inside.append(named[0])
            before, at = -1, named[1]
        elif (
            before >= 0
            and pattern[at : at + 1] == b"-"
            and pattern[at + 1 : at + 2] not in {b"", b"]"}
        ):
            last, at = _literal(pattern, at + 1)
            if last >= before:
                inside.append(b"\\x%02x-\\x%02x" % (before, last))
            before = -1
        else:
            before, at = _literal(pattern, at)
            inside.append(b"\\x%02x" % before)
    members = b"".join(inside)
    # No bracket ever matches a slash; in a name there is none.
    if not members:
        return (b"." if negated else b"(?!)"), at + 1
    return b"[%b%b]" % (b"^" if negated else b"", members), at + 1


def _literal(pattern: bytes, at: int) -> tuple[int, int]:
    at += pattern[at : at + 1] == b"\\"
    if at >= len(pattern):
        raise _Broken
    return pattern[at], at + 1


def _named(pattern: bytes, at: int) -> tuple[bytes, int] | None:
    """Return the members of `[:name:]` and where it ends; None if it is only a bracket."""
    end = pattern.find(b"]", at + 2)
    if end < 0:
        raise _Broken
    if end == at + 2 or pattern[end - 1 : end] != b":":
        return None
    members = _CLASSES.get(pattern[at + 2 : end - 1])
    if members is None:
        raise _Broken
    return members, end + 1


def _fits(parts: tuple[Part, ...], names: list[bytes]) -> bool:
    """Return whether the names fit, keeping all places in the pattern where a name may be."""
    here = _open(parts, {0})
    for name in names:
        after: set[int] = set()
        for place in here:
            part = parts[place] if place < len(parts) else None
            if part == _ANY:
                after.add(place)
            elif part == _SOME:
                return True
            elif isinstance(part, Pattern) and part.fullmatch(name):
                after.add(place + 1)
        here = _open(parts, after)
    return len(parts) in here


def _open(parts: tuple[Part, ...], places: set[int]) -> set[int]:
    """Return the places with those added that `**/` reaches by standing for no directory."""
    for start in tuple(places):
        place = start
        while place < len(parts) and parts[place] == _ANY:
            place += 1
            places.add(place)
    return places
