"""The results as tables in plain text that are also Markdown, and the failures in full."""

import difflib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from edits.cases import Case
from edits.judge import VERDICTS, Verdict

Outcomes = Sequence[tuple[Case, Verdict, bytes | None, float]]


def main_table(results: Mapping[str, Outcomes]) -> str:
    """Return one row for each engine."""
    rows = [("engine", *VERDICTS, "elsewhere", "CPU a call, median / worst")]
    for name, outcomes in results.items():
        words = Counter(verdict.word for _, verdict, _, _ in outcomes)
        spent = sorted(seconds * 1e3 for _, _, _, seconds in outcomes)
        rows.append(
            (
                name,
                *(
                    f"{100 * words[word] / len(outcomes):.2f} % ({words[word]})"
                    for word in VERDICTS
                ),
                str(sum(verdict.elsewhere for _, verdict, _, _ in outcomes)),
                f"{spent[len(spent) // 2]:.2f} / {spent[-1]:,.0f} ms",
            )
        )
    return "\n" + table(rows)


def classes_table(outcomes: Outcomes) -> str:
    """Return one row for each class of cases, for one engine."""
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for case, verdict, _, _ in outcomes:
        classes[case.name][verdict.word] += 1
    rows = [("Hob by class of mistake", "cases", *VERDICTS)]
    for name, words in sorted(classes.items()):
        rows.append((name, str(words.total()), *(str(words[word] or "") for word in VERDICTS)))
    return "\n" + table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a table; the first has the heads."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def shown(engine: str, outcomes: Outcomes, wanted: str) -> str:
    """Return the failures of a class (`all` for every class): what was sent and what was expected."""
    parts: list[str] = []
    for case, verdict, result, _ in outcomes:
        if verdict.word == "correct" or wanted not in {"all", case.name, verdict.word}:
            continue
        parts += [f"=== {engine}: {verdict.word} · {case.name} · {case.file}", "<<<<<<< SEARCH"]
        parts += [_visible(case.search), "=======", _visible(case.replace), ">>>>>>> REPLACE"]
        if case.change is not None:
            start, end = case.change.start, case.change.start + case.change.shown
            parts += [f"--- the file at line {start + 1}"]
            parts += [_visible(text) for text in case.change.source.lines[start:end]]
        if result is not None:
            base = case.before if case.expected is None else case.expected
            title = "before" if case.expected is None else "expected"
            ours, theirs = (text.decode(errors="replace").split("\n") for text in (base, result))
            parts += map(
                _visible, difflib.unified_diff(ours, theirs, title, "result", lineterm="", n=2)
            )
    return "\n".join(parts)


def _visible(text: str) -> str:
    return text.replace("\t", "\u2192").replace("\r", "\u240d").replace("\u00a0", "\u237d")
