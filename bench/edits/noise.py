"""The mistakes that models make in SEARCH and carry on into REPLACE; each alters a draft in place.

A mistake returns False where the draft gives no occasion for it. What is meant never changes: the
expected result comes from the change before any mistake was added.
"""

import random
import re
from collections.abc import Callable

from edits.cases import Draft
from edits.changes import KEYWORDS, WORD, Row, alone, indent_of, places

Mistake = Callable[[random.Random, Draft], bool]

_KEEP = frozenset(
    ["not", "never", "no", "none", "only", "must", "without", "cannot", "all", "any", "and", "or"]
)


def newlines(rng: random.Random, draft: Draft) -> bool:
    """Empty lines before or after both sides."""
    head, tail = rng.choice([("\n", ""), ("", "\n"), ("\n", "\n"), ("\n\n", "")])
    draft.wraps.append(lambda text, _: head + text + tail if text else text)
    return bool(draft.change.start)


def dedented(rng: random.Random, draft: Draft) -> bool:
    """The whole block at the left margin, or its first line only."""
    filled = [row.text for row in draft.rows if not row.blank]
    depth = min(len(indent_of(text)) for text in filled)
    if depth == 0:
        return False
    if rng.random() < 0.25 and draft.rows[0].kind == "=":
        draft.rows[0] = Row("=", draft.rows[0].text.lstrip())
        return True
    draft.each(lambda text: text[depth:])
    return True


def shifted(rng: random.Random, draft: Draft) -> bool:
    """The whole block two or four columns off."""
    if any("\t" in indent_of(row.text) for row in draft.rows):
        return False
    depth = min(len(indent_of(row.text)) for row in draft.rows if not row.blank)
    by = rng.choice([-4, -2, 2, 4])
    if depth + by < 0 or depth + by == 0:
        return False
    draft.each(lambda text: text[-by:] if by < 0 else " " * by + text)
    return True


def tabs(rng: random.Random, draft: Draft) -> bool:
    """Tabs where the file has spaces, or the other way round."""
    indents = [indent_of(row.text) for row in draft.rows if not row.blank]
    if any("\t" in indent for indent in indents):
        width = rng.choice([2, 4, 8])
        if any(" " in indent for indent in indents):
            return False
        draft.each(lambda text: indent_of(text).replace("\t", " " * width) + text.lstrip())
        return True
    if not any(indents) or any(len(indent) % 4 for indent in indents):
        return False
    draft.each(lambda text: "\t" * (len(indent_of(text)) // 4) + text.lstrip())
    return True


def unit(rng: random.Random, draft: Draft) -> bool:
    """Two columns a level where the file has four, or four where it has two."""
    known = {indent_of(row.text) for row in draft.rows if not row.blank and row.kind != "+"}
    every = {indent_of(row.text) for row in draft.rows if not row.blank}
    if any("\t" in indent for indent in every) or len(known - {""}) < 2:
        return False
    if all(len(indent) % 4 == 0 for indent in every):
        draft.each(lambda text: indent_of(text)[::2] + text.lstrip())
        return True
    if draft.change.source.suffix in {".js", ".ts", ".yml", ".html"}:
        draft.each(lambda text: indent_of(text) * 2 + text.lstrip())
        return True
    return False


def trailing(rng: random.Random, draft: Draft) -> bool:
    """Blanks at the ends of some quoted lines."""
    chosen = [n for n, row in enumerate(draft.rows) if row.kind != "+" and not row.blank]
    for n in rng.sample(chosen, min(len(chosen), rng.randint(1, 3))):
        row = draft.rows[n]
        draft.rows[n] = Row(row.kind, row.text + rng.choice([" ", "  ", "\t"]))
    return True


def lost_blank(rng: random.Random, draft: Draft) -> bool:
    """Blank lines of the file that SEARCH lacks."""
    rows = draft.rows
    gone: set[int] = set()
    for n, row in enumerate(rows):
        if row.blank and rows[n - 1].kind == "=" and not rows[n - 1].blank:
            end = next((k for k in range(n, len(rows)) if not rows[k].blank), len(rows) - 1)
            if all(part.kind == "=" for part in rows[n : end + 1]):
                gone |= set(range(n + rng.randint(0, end - n - 1), end))
    kept = [row for n, row in enumerate(rows) if n not in gone]
    lost = len(draft.rows) - len(kept)
    draft.rows = kept
    return lost > 0 and draft.filled >= 2


def added_blank(rng: random.Random, draft: Draft) -> bool:
    """A blank line that the file lacks, between two lines that stay."""
    spots = [
        n
        for n in range(1, len(draft.rows) - 1)
        if draft.rows[n].kind == draft.rows[n - 1].kind == "="
        and not draft.rows[n].blank
        and not draft.rows[n - 1].blank
    ]
    if not spots:
        return False
    draft.rows.insert(rng.choice(spots), Row("=", ""))
    return True


def numbers(rng: random.Random, draft: Draft) -> bool:
    """Line numbers as a tool that reads files prints them."""
    form = rng.choice(["{}\t", "{}\t", "{} | ", "{}: ", "{:>6}\t", "{:>5}| "])
    first = draft.change.start + 1
    both = rng.random() < 0.6

    def numbered(text: str, side: int) -> str:
        if (side == 1 and not both) or not text:
            return text
        ended = text.endswith("\n")
        lines = text.removesuffix("\n").split("\n")
        made = "\n".join(form.format(n) + line for n, line in enumerate(lines, first))
        return made + ("\n" if ended else "")

    draft.wraps.append(numbered)
    return True


def fence(rng: random.Random, draft: Draft) -> bool:
    """Code fences around both sides."""
    tag = rng.choice(["", "python", draft.change.source.suffix[1:]])

    def fenced(text: str, side: int) -> str:
        return f"```{tag}\n{text}" + ("" if text.endswith("\n") or not text else "\n") + "```\n"

    draft.wraps.append(fenced)
    return "```" not in "\n".join(row.text for row in draft.rows)


def entities(rng: random.Random, draft: Draft) -> bool:
    """Signs as HTML writes them."""
    whole = "\n".join(row.text for row in draft.rows)
    if not any(sign in whole for sign in "<>&") or re.search(r"&#?\w+;", draft.change.source.text):
        return False
    quotes = rng.random() < 0.4

    def escaped(text: str) -> str:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return text.replace('"', "&quot;").replace("'", "&#39;") if quotes else text

    draft.each(escaped)
    search = "".join(row.text for row in draft.rows if row.kind != "+")
    return bool(re.search(r"&#?\w+;", search))


def escapes(rng: random.Random, draft: Draft) -> bool:
    """One layer of backslashes too many."""
    whole = "\n".join(row.text for row in draft.rows)
    search = "\n".join(row.text for row in draft.rows if row.kind != "+")
    if rng.random() < 0.3 and "\\" not in whole and draft.filled > 1:
        draft.wraps.append(lambda text, _: text.replace('"', '\\"').replace("\n", "\\n"))
        return True
    if '"' not in search or "\\" in whole:
        return False
    draft.each(lambda text: text.replace('"', '\\"'))
    return True


def comment(rng: random.Random, draft: Draft) -> bool:
    """Other words in a comment, a docstring or a sentence that is only context."""
    sign = draft.change.source.comment
    spots: list[tuple[int, int]] = []
    for n, row in enumerate(draft.rows):
        if row.kind != "=":
            continue
        begin = row.text.find(sign + " ") if sign else -1
        prose = re.fullmatch(r"\s*[A-Z(]?[a-z'-]+(?: [A-Za-z'-]+,?){4,}[.,:]?", row.text)
        if begin >= 0 and len(row.text[begin:].split()) >= 4 and not _quoted(row.text[:begin]):
            spots.append((n, begin))
        elif prose:
            spots.append((n, 0))
    if not spots or draft.filled < 4 or not alone(draft.change, 0.5):
        return False
    at, begin = rng.choice(spots)
    text = draft.rows[at].text
    head, tail = text[:begin], text[begin:]
    words = [m for m in re.finditer(r"\b[a-z]{3,}\b", tail) if m.group() not in _KEEP]
    if not words:
        return False
    word = rng.choice(words)
    new = rng.choice([word.group()[:-1], word.group()[::-1][:3], "some", word.group() + "s"])
    if rng.random() < 0.3:
        tail = tail[: word.start()].rstrip() + tail[word.end() :]
    else:
        tail = tail[: word.start()] + new + tail[word.end() :]
    draft.may_refuse |= draft.beside_insertion(at)
    draft.rows[at] = Row("=", head + tail)
    return draft.rows[at].text != text


def quotes(rng: random.Random, draft: Draft) -> bool:
    """The other quotation marks in a line that is only context."""
    spots = [
        n
        for n, row in enumerate(draft.rows)
        if row.kind == "=" and len(set(row.text) & set("'\"`")) == 1 and '"""' not in row.text
        and len(re.findall("['\"]", row.text)) in {2, 4}
    ]  # fmt: skip
    if not spots or draft.filled < 3 or not alone(draft.change, 0.5):
        return False
    at = rng.choice(spots)
    draft.may_refuse |= draft.beside_insertion(at)
    swapped = draft.rows[at].text.translate({34: 39, 39: 34})
    draft.rows[at] = Row("=", swapped)
    return True


_ALIKE = {"'": "\u2019", '"': "\u201d", "-": "\u2013", " ": "\u00a0"}
_PLAIN = {0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: "-"}


def unicode(rng: random.Random, draft: Draft) -> bool:
    """Signs that look like others: smart quotes, no-break spaces, dashes."""
    kept = [row for row in draft.rows if row.kind != "="]
    plain = [Row(r.kind, r.text.translate(_PLAIN)) for r in draft.rows]
    if plain != draft.rows:
        draft.rows = plain
        return all(row.text.isascii() for row in kept)
    chosen = [n for n, row in enumerate(draft.rows) if row.kind != "+" and not row.blank]
    sign = rng.choice(list(_ALIKE))
    done = False
    for n in chosen:
        row = draft.rows[n]
        body = row.text.lstrip()
        if sign in body and (row.kind == "=" or sign != " "):
            new = body.replace(sign, _ALIKE[sign], 1 if sign == " " else -1)
            draft.rows[n] = Row(row.kind, indent_of(row.text) + new)
            done = True
    return done


def dropped(rng: random.Random, draft: Draft) -> bool:
    """A line of context left out."""
    spots = [n for n, row in enumerate(draft.rows) if draft.quiet(n) and not row.blank]
    if not spots or draft.filled < 6 or not alone(draft.change, 0.5):
        return False
    del draft.rows[rng.choice(spots)]
    return True


def doubled(rng: random.Random, draft: Draft) -> bool:
    """A line of context written twice."""
    spots = [n for n, row in enumerate(draft.rows) if draft.quiet(n) and not row.blank]
    if not spots or draft.filled < 5 or not alone(draft.change, 0.5):
        return False
    at = rng.choice(spots)
    draft.rows.insert(at, draft.rows[at])
    return True


def elided(rng: random.Random, draft: Draft) -> bool:
    """Unchanged lines left out on both sides, with a line that says so."""
    run = _longest_context(draft)
    if run is None:
        return False
    first, last = run
    marker = elision(rng, draft, draft.rows[first].text)
    head, tail = draft.rows[:first], draft.rows[last:]
    source = draft.change.source
    for part in (head, tail):
        keys = ["".join(row.text.split()) for row in part if row.kind != "+"]
        if sum(bool(key) for key in keys) < 2 or len(places(source, keys)) != 1:
            return False
    draft.rows = [*head, Row("=", marker), *tail]
    return True


def elision(rng: random.Random, draft: Draft, like: str) -> str:
    """Return a line that stands for lines left out."""
    sign = draft.change.source.comment
    forms = ["...", f"{sign} ...", f"{sign} ... existing code ..."] if sign else ["..."]
    return indent_of(like) + rng.choice(forms)


def glued(rng: random.Random, draft: Draft) -> bool:
    """Two lines of context on one."""
    spots = [
        n
        for n in range(1, len(draft.rows) - 2)
        if draft.quiet(n) and draft.quiet(n + 1) and draft.rows[n].text.rstrip().endswith(("(", ",", "["))
        and not draft.rows[n + 1].blank
    ]  # fmt: skip
    if not spots or draft.filled < 6 or not alone(draft.change, 0.5):
        return False
    at = rng.choice(spots)
    first, second = draft.rows[at].text.rstrip(), draft.rows[at + 1].text.lstrip()
    draft.rows[at : at + 2] = [Row("=", first + (" " if first.endswith(",") else "") + second)]
    return True


def wrapped(rng: random.Random, draft: Draft) -> bool:
    """One line of context on two."""
    spots = [
        n
        for n, row in enumerate(draft.rows)
        if draft.quiet(n) and re.search(r"\(.+, .+\)", row.text)
    ]
    if not spots or draft.filled < 6 or not alone(draft.change, 0.5):
        return False
    at = rng.choice(spots)
    text = draft.rows[at].text
    cut = text.index(", ", text.index("(")) + 1
    draft.rows[at : at + 1] = [
        Row("=", text[:cut]),
        Row("=", indent_of(text) + "    " + text[cut:].strip()),
    ]
    return True


def identifier(rng: random.Random, draft: Draft) -> bool:
    """Another name in a line of context: no typo, and never to be written."""
    spots = [
        (n, word)
        for n, row in enumerate(draft.rows)
        if row.kind == "=" and not _says(row.text)
        for word in WORD.finditer(row.text)
        if word.group() not in KEYWORDS
    ]
    if not spots or draft.filled < 4 or not alone(draft.change, 0.5):
        return False
    at, word = rng.choice(spots)
    name = word.group()
    new = rng.choice([name[:-1], name + "s", name + "_", name[0] + name[2] + name[1] + name[3:]])
    return new != name and _misquoted(draft, at, word, new)


_FIGURES = re.compile(
    r"(?<![\w.])\d+(?![\w.])| == | != | < | > | \+ | - | <= | not | and | or |True|False"
)
_OTHER = {
    " == ": " != ", " != ": " == ", " < ": " <= ", " > ": " >= ", " + ": " - ", " - ": " + ", " <= ": " < ",
    " not ": " ", " and ": " or ", " or ": " and ", "True": "False", "False": "True",
}  # fmt: skip


def figure(rng: random.Random, draft: Draft) -> bool:
    """Another number, operator or negation in a line of context: never to be written."""
    spots = [
        (n, found)
        for n, row in enumerate(draft.rows)
        if row.kind == "=" and not _says(row.text)
        for found in _FIGURES.finditer(row.text)
    ]
    if not spots or draft.filled < 4 or not alone(draft.change, 0.5):
        return False
    at, found = rng.choice(spots)
    new = _OTHER.get(found.group()) or str(int(found.group()) + rng.randint(1, 9))
    return _misquoted(draft, at, found, new)


def crlf(rng: random.Random, draft: Draft) -> bool:
    """A file with CRLF endings, or with a byte order mark, where the model writes LF."""
    draft.ending = rng.choice(["\r\n", "\r\n", "\n"])
    draft.bom = draft.ending == "\n" or rng.random() < 0.2
    return draft.filled > 1


def _misquoted(draft: Draft, at: int, found: "re.Match[str]", new: str) -> bool:
    text = draft.rows[at].text
    draft.rows[at] = Row("=", text[: found.start()] + new + text[found.end() :])
    draft.may_refuse = draft.strict = True
    return True


def _longest_context(draft: Draft) -> tuple[int, int] | None:
    """Return the middle of the longest run of context, with two lines left on each side."""
    best: tuple[int, int] | None = None
    begin = 0
    for n in range(len(draft.rows) + 1):
        if n == len(draft.rows) or draft.rows[n].kind != "=":
            if n - begin >= 7 and (best is None or n - begin > best[1] - best[0]):
                best = (begin, n)
            begin = n + 1
    return (best[0] + 2, best[1] - 2) if best else None


def _says(text: str) -> bool:
    """Say whether a line is a comment or may be a sentence of one."""
    body = text.lstrip()
    return body.startswith(("#", "//", "/*", "*", "<!--", '"""')) or bool(
        re.match(r"[A-Za-z]+ [a-z]+ [a-z]+", body)
    )


def _quoted(text: str) -> bool:
    return text.count("'") % 2 == 1 or text.count('"') % 2 == 1
