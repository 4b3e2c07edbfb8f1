"""One line in three forms: the file's, as quoted, as wanted; the change is carried over."""

from difflib import SequenceMatcher

from hob.editing.spelling import LONG_LINE, fold, tokens, without_comment

_MOST_TOKENS = 300
_MARKS = frozenset("'\"")


def merged(own: str, quoted: str, wanted: str) -> str | None:
    """Return the file's line with the change from `quoted` to `wanted`, None if they collide.

    All three come without their indentation. Spelling that only the quotation has is not written.
    """
    if own == quoted:
        return wanted
    if own.rstrip() == quoted.rstrip():
        # Blanks at the end were left out or added by the way; the file's stay.
        return wanted.rstrip() + own[len(own.rstrip()) :]
    if quoted.rstrip() == wanted.rstrip():
        return own
    if max(len(own), len(quoted), len(wanted)) > LONG_LINE:
        return None
    code = without_comment(own)
    if code and code != own.rstrip() and not _commented(quoted):
        # A comment that was left out stays behind the code, unless another one is to come there.
        carried = None if _commented(wanted) else merged(code, quoted.rstrip(), wanted.rstrip())
        return None if carried is None else carried + own[len(code) :]
    return _merged(_words(own), _words(quoted), _words(wanted))


def _commented(line: str) -> bool:
    return without_comment(line) != line.rstrip()


def _words(line: str) -> list[tuple[str, str]]:
    """Return each token with the blanks before it; strings are split into their words too."""
    found: list[tuple[str, str]] = []
    gap = ""
    for token in tokens(line):
        if token.isspace():
            gap = token
            continue
        for part in _parts(token):
            if part.isspace():
                gap = part
            else:
                found.append((gap, part))
                gap = ""
    return [*found, (gap, "")]


def _parts(token: str) -> list[str]:
    inner = token[1:-1]
    if len(token) < 2 or token[0] not in "'\"" or {"'", '"'} & set(inner):
        return [token]
    return [token[0], *tokens(inner), token[-1]]


def _merged(
    own: list[tuple[str, str]], quoted: list[tuple[str, str]], wanted: list[tuple[str, str]]
) -> str | None:
    if max(len(own), len(quoted), len(wanted)) > _MOST_TOKENS:
        return None
    place = _places(own, quoted)
    marks = {token for _, token in own if fold(token) in _MARKS}
    disguised = bool(marks & _MARKS) and bool(marks - _MARKS)
    parts: list[str] = []
    names = [[token for _, token in line] for line in (quoted, wanted)]
    blocks = SequenceMatcher(None, *names, autojunk=False).get_opcodes()
    for tag, i1, i2, j1, j2 in blocks:
        start, end = place[i1], place[i2]
        if start is None or end is None or place[0]:
            return None
        old, new = quoted[i1:i2], wanted[j1:j2]
        if tag == "equal":
            parts += _kept(own[start:end], old, new)
            continue
        if end - start != len(old) or not _same(own[start:end], old):
            # What is replaced has to be known word for word.
            return None
        if len(new) > len(old) and i1 and place[i1 - 1] != start - 1:
            # The file has words just there that were not quoted; they may say the same.
            return None
        if disguised and _MARKS & {token for _, token in old + new}:
            # A quotation mark for a look-alike of the file would pair with another one.
            return None
        parts += _respaced(own[start:end], old, new)
    return "".join(parts)


def _kept(
    own: list[tuple[str, str]], quoted: list[tuple[str, str]], wanted: list[tuple[str, str]]
) -> list[str]:
    """Return the file's words as they are, but for blanks before the first that the change made."""
    parts = [gap + token for gap, token in own]
    if own and quoted[0][0] != wanted[0][0]:
        parts[0] = wanted[0][0] + own[0][1]
    return parts


def _respaced(
    own: list[tuple[str, str]], quoted: list[tuple[str, str]], wanted: list[tuple[str, str]]
) -> list[str]:
    """Return the new words; blanks before the first that the change left alone are the file's."""
    parts = [gap + token for gap, token in wanted]
    if own and wanted and quoted[0][0] == wanted[0][0]:
        parts[0] = own[0][0] + wanted[0][1]
    return parts


def _places(own: list[tuple[str, str]], quoted: list[tuple[str, str]]) -> list[int | None]:
    """Return for each quoted word, and for the end, where it begins in the file's line."""
    names = [[_plain(token) for _, token in line] for line in (own, quoted)]
    place: list[int | None] = [None] * (len(quoted) + 1)
    for tag, i1, _i2, j1, j2 in SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        if tag == "equal":
            for offset in range(j2 - j1):
                place[j1 + offset] = i1 + offset
        elif j1 < j2:
            place[j1] = i1
    place[len(quoted)] = len(own)
    return place


def _same(own: list[tuple[str, str]], quoted: list[tuple[str, str]]) -> bool:
    return all(
        _plain(one) == _plain(other) for (_, one), (_, other) in zip(own, quoted, strict=True)
    )


def _plain(token: str) -> str:
    return '"' if token == "'" else fold(token)
