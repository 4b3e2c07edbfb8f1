"""Edits of real source files with the mistakes that models make, from a seed; for tuning and guarding."""

import ast
import html
import random
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

STDLIB = Path(sysconfig.get_path("stdlib"))
NAMES = (
    "argparse.py", "ast.py", "bdb.py", "calendar.py", "cmd.py", "codecs.py", "configparser.py", "copy.py",
    "csv.py", "dataclasses.py", "difflib.py", "dis.py", "enum.py", "fractions.py", "ftplib.py",
    "functools.py", "gettext.py", "glob.py", "gzip.py", "heapq.py", "imaplib.py", "inspect.py",
    "mailbox.py", "optparse.py", "pathlib.py", "pdb.py", "pickle.py", "platform.py", "plistlib.py",
    "shutil.py", "smtplib.py", "socket.py", "statistics.py", "subprocess.py", "tarfile.py",
    "textwrap.py", "threading.py", "tokenize.py", "traceback.py", "uuid.py", "warnings.py", "zipfile.py",
)  # fmt: skip


@dataclass
class Case:
    """One edit: what the file has, what the model sends, what is right (None: a refusal)."""

    kind: str
    before: str
    search: str
    replace: str
    after: str | None
    span: tuple[int, int]  # lines of the file that the quotation means


@dataclass
class Draft:
    """An edit before the noise: quoted lines, and the wanted ones with where they come from."""

    lines: list[str]
    start: int
    end: int
    quoted: list[str]
    wanted: list[tuple[int | None, str]]  # (index into quoted, if unchanged; text)
    touched: set[int]
    dice: random.Random
    kind: str = ""
    before: Callable[[str], str] = lambda text: text
    refused: bool = False
    extra: list[str] = field(default_factory=list)

    def each(self, change: Callable[[str], str]) -> None:
        self.quoted = [change(line) for line in self.quoted]
        self.wanted = [(i, change(line)) for i, line in self.wanted]

    def one(self, i: int, change: Callable[[str], str]) -> bool:
        new = change(self.quoted[i])
        if new == self.quoted[i]:
            return False
        self.quoted[i] = new
        self.wanted = [(k, new if k == i else line) for k, line in self.wanted]
        return True

    def some(self, spots: list[int], change: Callable[[str], str]) -> bool:
        return sum(self.one(i, change) for i in spots) > 0

    def drop(self, i: int) -> None:
        del self.quoted[i]
        self.wanted = [
            (k if k is None or k < i else k - 1, line) for k, line in self.wanted if k != i
        ]
        self.touched = {k if k < i else k - 1 for k in self.touched if k != i}

    def untouched(self) -> list[int]:
        return [i for i in range(len(self.quoted)) if i not in self.touched]

    def calm(self) -> list[int]:
        """Return the quoted lines that are neither changed nor next to a change."""
        return [
            i
            for i in range(len(self.quoted))
            if self.quoted[i].strip() and not {i - 1, i, i + 1} & self.touched
        ]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _changed(line: str, dice: random.Random) -> str:
    words = list(re.finditer(r"[A-Za-z_]\w{2,}|\d+", line))
    if not words:
        return line + "  # changed"
    word = dice.choice(words)
    new = str(int(word[0]) + 1) if word[0].isdigit() else word[0] + dice.choice(["_new", "2", "s"])
    return line[: word.start()] + new + line[word.end() :]


def draft(lines: list[str], dice: random.Random, low: int = 1, high: int = 16) -> Draft | None:
    size = dice.randint(low, high)
    start = dice.randrange(0, max(1, len(lines) - size))
    quoted = lines[start : start + size]
    if not quoted or not quoted[0].strip() or not quoted[-1].strip():
        return None
    if sum(len(line.strip()) for line in quoted) < 12:
        return None
    text = "\n".join(lines)
    if ("\n" + text + "\n").count("\n" + "\n".join(quoted) + "\n") != 1:
        return None
    if text.count("\n".join(quoted).strip()) != 1:
        return None
    wanted: list[tuple[int | None, str]] = list(enumerate(quoted))
    touched: set[int] = set()
    solid = [i for i, line in enumerate(quoted) if line.strip()]
    for _ in range(dice.choice([1, 1, 1, 2])):
        i = dice.choice(solid)
        if touched & {i, i + 1, i - 1}:
            continue
        at = next((n for n, (k, _) in enumerate(wanted) if k == i), None)
        if at is None:
            continue
        what = dice.choice(["change", "change", "insert", "delete", "wrap"])
        indent = _indent(quoted[i])
        if what == "change":
            wanted[at] = (None, _changed(quoted[i], dice))
            touched.add(i)
        elif what == "insert":
            new = [f"{indent}added_{dice.randrange(99)} = {dice.randrange(99)}"]
            if dice.random() < 0.4:
                new += [f"{indent}if added_name:", f"{indent}    added_call('x', \"y\")"]
            wanted[at:at] = [(None, line) for line in new]
            touched |= {i, max(0, i - 1)}
        elif what == "delete" and len(solid) > 2:
            del wanted[at]
            touched.add(i)
        elif what == "wrap":
            wanted[at : at + 1] = [
                (None, f"{indent}if wrapped:"),
                (None, indent + "    " + quoted[i].strip()),
            ]
            touched.add(i)
    if [line for _, line in wanted] == quoted:
        return None
    return Draft(list(lines), start, start + size, list(quoted), wanted, touched, dice)


# --- noise: each returns whether it could be applied ---------------------------------------------


def dedented(d: Draft) -> bool:
    least = min(len(_indent(line)) for line in d.quoted + [w for _, w in d.wanted] if line.strip())
    if not least:
        return False
    d.each(lambda line: line[least:] if line.strip() else line)
    return True


def shifted(d: Draft) -> bool:
    by = " " * d.dice.choice([2, 4])
    d.each(lambda line: by + line if line.strip() else line)
    return True


def tabbed(d: Draft) -> bool:
    if not any(line.startswith("    ") for line in d.quoted):
        return False

    def change(line: str) -> str:
        width = len(_indent(line))
        return "\t" * (width // 4) + " " * (width % 4) + line.lstrip()

    d.each(change)
    return True


def untabbed(d: Draft) -> bool:
    """The file has tabs, the model sends spaces."""

    def tabs(line: str) -> str:
        width = len(_indent(line))
        return "\t" * (width // 4) + " " * (width % 4) + line.lstrip()

    if any(len(_indent(line)) % 4 for line in d.quoted) or not any(map(_indent, d.quoted)):
        return False
    if any(line.startswith("\t") for line in d.lines):
        return False
    d.extra = ["tabs"]
    d.before = lambda text: "\n".join(map(tabs, text.split("\n")))
    return True


def halved(d: Draft) -> bool:
    if any(len(_indent(line)) % 4 for line in d.quoted + [w for _, w in d.wanted]):
        return False
    if not any(map(_indent, d.quoted)):
        return False
    d.each(lambda line: " " * (len(_indent(line)) // 2) + line.lstrip())
    return True


def stripped(d: Draft) -> bool:
    if not _indent(d.quoted[0]) or d.wanted[0][1].strip() != d.quoted[0].strip():
        return False
    if d.wanted[0][1] != d.quoted[0]:
        return False
    d.quoted[0] = d.quoted[0].lstrip()
    d.wanted[0] = (d.wanted[0][0], d.wanted[0][1].lstrip())
    return True


def trailing(d: Draft) -> bool:
    for i in range(len(d.quoted)):
        if d.dice.random() < 0.5 and i not in d.touched:
            d.one(i, lambda line: line + d.dice.choice([" ", "  ", "\t"]))
    return True


def curly(d: Draft) -> bool:
    def change(line: str) -> str:
        return line.replace("'", "\u2019").replace('"', "\u201d").replace("-", "\u2013")

    return d.some(d.untouched(), change)


def requoted(d: Draft) -> bool:
    def change(line: str) -> str:
        if '"' in line and "'" not in line and '""' not in line:
            return line.replace('"', "'")
        if "'" in line and '"' not in line and "''" not in line:
            return line.replace("'", '"')
        return line

    spots = [
        i for i in range(len(d.quoted)) if i not in d.touched and d.quoted[i].count("'") % 2 == 0
    ]
    return d.some(spots, change)


def respaced(d: Draft) -> bool:
    def change(line: str) -> str:
        if "'" in line or '"' in line or "#" in line:
            return line
        return _indent(line) + line.strip().replace(", ", ",").replace(" = ", "=")

    return d.some(d.untouched(), change)


def no_blanks(d: Draft) -> bool:
    blank = [i for i, line in enumerate(d.quoted) if not line.strip()]
    blank = [i for i in blank if not {i - 1, i, i + 1} & d.touched]
    for i in reversed(blank):
        d.drop(i)
    return bool(blank)


def more_blanks(d: Draft) -> bool:
    calm = [i for i in d.calm() if i]
    if not calm:
        return False
    i = d.dice.choice(calm)
    d.quoted.insert(i, "")
    wanted: list[tuple[int | None, str]] = []
    for k, line in d.wanted:
        if k == i:
            wanted.append((i, ""))
        wanted.append((k if k is None or k < i else k + 1, line))
    d.wanted = wanted
    return True


def typo(d: Draft) -> bool:
    calm = [i for i in d.calm() if len(d.quoted[i].strip()) > 15]
    if len(d.quoted) < 5 or not calm:
        return False

    def change(line: str) -> str:
        spot = d.dice.randrange(len(_indent(line)) + 3, len(line) - 2)
        return line[:spot] + line[spot + 1] + line[spot] + line[spot + 2 :]

    return d.one(d.dice.choice(calm), change)


def comment(d: Draft) -> bool:
    spots = [i for i in d.calm() if "# " in d.quoted[i]]
    if len([line for line in d.quoted if line.strip()]) < 2 or not spots:
        return False

    def change(line: str) -> str:
        head, mark, tail = line.partition("# ")
        words = tail.split(" ")
        if len(words) < 4:
            return line
        words[d.dice.randrange(len(words))] = "some"
        return head + mark + " ".join(words)

    return d.one(d.dice.choice(spots), change)


def dropped(d: Draft) -> bool:
    calm = [i for i in d.calm() if 0 < i < len(d.quoted) - 1]
    if len([line for line in d.quoted if line.strip()]) < 6 or not calm:
        return False
    d.drop(d.dice.choice(calm))
    return True


def numbered(d: Draft) -> bool:
    form = d.dice.choice(
        ["{}\t{}", "{} | {}", "{}: {}", "{:>6}\t{}", "{:>5}\u2192{}", "{}|{}", "L{}: {}"]
    )
    first = d.start + 1
    d.quoted = [form.format(first + i, line) for i, line in enumerate(d.quoted)]
    if d.dice.random() < 0.5:
        d.wanted = [(k, form.format(first + n, line)) for n, (k, line) in enumerate(d.wanted)]
    return True


def fenced(d: Draft) -> bool:
    mark = d.dice.choice(["```python", "```"])
    d.quoted = [mark, *d.quoted, "```"]
    d.wanted = [(None, mark), *d.wanted, (None, "```")]
    return True


def entities(d: Draft) -> bool:
    if not any(set("<>&\"'") & set(line) for line in d.quoted) or "&" in "".join(d.quoted):
        return False
    d.each(lambda line: html.escape(line, quote=d.dice.random() < 2))
    return True


def escaped(d: Draft) -> bool:
    if not any('"' in line or "'" in line for line in d.quoted) or "\\" in "".join(
        d.lines[d.start : d.end]
    ):
        return False
    d.each(lambda line: line.replace('"', '\\"').replace("'", "\\'"))
    return True


def one_line(d: Draft) -> bool:
    if "\\" in "".join(d.lines[d.start : d.end]) or len(d.quoted) < 2:
        return False
    d.quoted = ["\\n".join(d.quoted)]
    d.wanted = [(None, "\\n".join(line for _, line in d.wanted))]
    return True


def elided(d: Draft) -> bool:
    calm = d.calm()
    runs = [i for i in calm if i + 2 in calm and i > 0 and i + 3 < len(d.quoted)]
    runs = [i for i in runs if not {i + 1} & d.touched]
    if not runs:
        return False
    i = d.dice.choice(runs)
    d.quoted[i] = d.dice.choice(
        ["...", _indent(d.quoted[i]) + "...", _indent(d.quoted[i]) + "# ..."]
    )
    d.wanted = [(k, d.quoted[i] if k == i else line) for k, line in d.wanted]
    d.drop(i + 2)
    d.drop(i + 1)
    return True


def crlf(d: Draft) -> bool:
    d.extra = ["crlf"]
    d.before = lambda text: text.replace("\n", "\r\n")
    return True


def no_end(d: Draft) -> bool:
    d.before = lambda text: text.rstrip("\n")
    return True


def leading(d: Draft) -> bool:
    d.quoted.insert(0, "")
    if d.dice.random() < 0.5:
        d.wanted.insert(0, (None, ""))
    return True


def joined(d: Draft) -> bool:
    calm = d.calm()
    pairs = [i for i in calm if i + 1 in calm and len(d.quoted) > 7]
    if not pairs:
        return False
    i = d.dice.choice(pairs)
    d.one(i, lambda line: line + " " + d.quoted[i + 1].strip())
    d.drop(i + 1)
    return True


def doubled(d: Draft) -> bool:
    if not any("\\" in line for line in d.quoted):
        return False
    d.each(lambda line: line.replace("\\", "\\\\"))
    return True


def short_comment(d: Draft) -> bool:
    spots = [i for i, line in enumerate(d.quoted) if "  # " in line and i in d.touched]
    if not spots or d.quoted[spots[0]].split("  # ")[-1] not in "\n".join(w for _, w in d.wanted):
        return False
    old = d.quoted[spots[0]].split("  # ")[-1]
    if len(old) < 10:
        return False
    new = old[:4] + old[5] + old[4] + old[6:]
    if old == new:
        return False
    d.each(lambda line: line.replace(old, new))
    return True


def nbsp(d: Draft) -> bool:
    return d.some(d.untouched(), lambda line: line.replace(" ", "\u00a0"))


def hallucinated(d: Draft) -> bool:
    calm = [i for i in d.calm() if i]
    if len(d.quoted) < 8 or not calm:
        return False
    i = d.dice.choice(calm)
    line = _indent(d.quoted[i]) + d.dice.choice(
        ["# check the result first", "log.debug('here we are')"]
    )
    d.quoted.insert(i, line)
    wanted: list[tuple[int | None, str]] = []
    for k, one in d.wanted:
        if k == i:
            wanted.append((i, line))
        wanted.append((k if k is None or k < i else k + 1, one))
    d.wanted = wanted
    return True


def cut_sign(d: Draft) -> bool:
    spots = [i for i in d.calm() if d.quoted[i].rstrip()[-1:] in ",;:)"]
    if len(d.quoted) < 5 or not spots:
        return False
    return d.one(d.dice.choice(spots), lambda line: line.rstrip()[:-1])


def blank_blanks(d: Draft) -> bool:
    return d.some([i for i, line in enumerate(d.quoted) if not line], lambda line: "    ")


def mark(d: Draft) -> bool:
    d.before = lambda text: "\ufeff" + text
    return True


# --- edits that must be refused ------------------------------------------------------------------


def twice(d: Draft) -> bool:
    block = d.lines[d.start : d.end]
    d.before = lambda text: text.rstrip("\n") + "\n" + "\n".join(block) + "\n"
    d.refused = True
    return True


def twice_dedented(d: Draft) -> bool:
    return dedented(d) and twice(d)


def stale(d: Draft) -> bool:
    spots = [
        i
        for i in sorted(d.touched)
        if re.search(r"[a-z]{4}", d.quoted[i]) and "#" not in d.quoted[i]
    ]
    gone = {k for k, _ in d.wanted if k is not None}
    spots = [i for i in spots if i not in gone]
    if not spots:
        return False
    i = d.dice.choice(spots)
    d.quoted[i] = re.sub(r"([a-z]{4})", r"\1x", d.quoted[i], count=1)
    d.refused = True
    return True


def foreign(d: Draft) -> bool:
    d.quoted = [re.sub(r"\b([a-z]{4,})\b", lambda m: m[1][::-1], line) for line in d.quoted]
    if {*d.quoted} & {*d.lines[d.start : d.end]} - {""}:
        return False
    d.refused = True
    return True


def elided_replace(d: Draft) -> bool:
    if len(d.wanted) < 6:
        return False
    mark = _indent(d.wanted[2][1]) + d.dice.choice(
        ["...", "# ...", "# ... rest of the code ...", "# existing code unchanged"]
    )
    d.wanted[2:5] = [(None, mark)]
    kept = {k for k, _ in d.wanted}
    if not any(i not in kept for i in range(len(d.quoted))):
        return False
    d.refused = True
    return True


def glued(d: Draft) -> bool:
    other = d.dice.randrange(0, len(d.lines) - 4)
    more = d.lines[other : other + 3]
    if abs(other - d.end) < 30 or not all(len(line.strip()) > 12 for line in more):
        return False
    if any(("\n".join(d.lines)).count(line) > 1 for line in more):
        return False
    d.quoted += more
    d.wanted += [(None, line) for line in more]
    d.refused = True
    return True


NOISES: tuple[Callable[[Draft], bool], ...] = (
    dedented, shifted, tabbed, untabbed, halved, stripped, trailing, curly, requoted, respaced, no_blanks,
    more_blanks, typo, comment, dropped, numbered, fenced, entities, escaped, one_line, elided, crlf,
    no_end, leading, joined, doubled, short_comment, nbsp, hallucinated, cut_sign, blank_blanks, mark,
)  # fmt: skip
REFUSALS: tuple[Callable[[Draft], bool], ...] = (
    twice, twice_dedented, stale, foreign, elided_replace, glued,
)  # fmt: skip
PLAIN = ("exact",)


def parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError:
        return False
    return True


def cases(seed: int, count: int, sources: list[Path] | None = None) -> Iterator[Case]:
    """Yield edits, about one in six of them to be refused, some with two mistakes."""
    dice = random.Random(seed)
    paths = sources or [path for name in NAMES if (path := STDLIB / name).is_file()]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    texts = [text for text in texts if len(text) < 35_000]
    made = 0
    while made < count:
        text = dice.choice(texts)
        d = draft(text.split("\n")[:-1], dice)
        if d is None:
            continue
        right = d.lines[: d.start] + [line for _, line in d.wanted] + d.lines[d.end :]
        if sources is None and not parses("\n".join(right) + "\n"):
            continue
        noise = dice.choice(NOISES if dice.random() < 0.83 else REFUSALS)
        d.kind = noise.__name__
        second = dice.choice((dedented, trailing, typo, comment, crlf))
        both = noise in NOISES and dice.random() < 0.15 and second is not noise
        if both and second(d):
            d.kind += "+" + second.__name__
        if (d.extra and noise in {untabbed, crlf, no_end}) or not noise(d):
            continue
        before, after = d.before("\n".join(d.lines) + "\n"), d.before("\n".join(right) + "\n")
        search = "\n".join(d.quoted) + "\n"
        replace = "".join(line + "\n" for _, line in d.wanted)
        if search == replace or (not d.refused and search in before and noise is shifted):
            continue
        made += 1
        yield Case(d.kind, before, search, replace, None if d.refused else after, (d.start, d.end))


def verdict(case: Case, got: str | None) -> str:
    """Return "correct", "refused", "lossy" (the right place, context lost) or "WRONG"."""
    if got == case.after:
        return "correct"
    if got is None:
        return "refused"
    if case.after is None:
        return "WRONG"
    old, new, right = (
        text.replace("\r\n", "\n").split("\n") for text in (case.before, got, case.after)
    )
    start, end = case.span
    tail = len(old) - end
    if new[:start] != old[:start] or (tail > 0 and new[-tail:] != old[end:]):
        return "WRONG"
    added = [line.strip() for line in right if line not in old]
    mine = [line.strip() for line in new if line not in old]
    return "lossy" if all(line in [*mine, *map(str.strip, new)] for line in added) else "WRONG"
