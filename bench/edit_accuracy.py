"""How often edits land: Hob's engine, exact matching, diff-match-patch and aider on the same seeded cases.

`make bench-edits`, or `python bench/edit_accuracy.py [--seed N] [--count N] [--json FILE] [--show CLASS]
[--only NAME] [--no-speed]`. What the words of the table mean stands in `edits/judge.py`.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from edits.cases import Case
from edits.generate import cases
from edits.judge import VERDICTS, Verdict, judged
from edits.peers import Engine, engines
from edits.report import classes_table, main_table, shown
from edits.speed import speeds


def main() -> int:
    options = _options()
    found, notes = engines()
    if options.only:
        found = {
            name: engine for name, engine in found.items() if name.lower().startswith(options.only)
        }
    every = cases(options.seed, options.count)
    demanded = sum(case.expected is None for case in every)
    print(
        f"{len(every)} edits, seed {options.seed}: {demanded} have to be refused "
        f"({demanded / len(every):.0%}), {sum(case.may_refuse for case in every)} more may be."
    )
    results = {name: _run(name, engine, every) for name, engine in found.items()}
    print(main_table(results))
    if "Hob" in results:
        print(classes_table(results["Hob"]))
    if options.show:
        for name, outcomes in results.items():
            print(shown(name, outcomes, options.show))
    measured = {} if options.no_speed else speeds(found)
    for line in [*measured.get("lines", []), *notes]:
        print(line)
    if options.json:
        Path(options.json).write_text(
            json.dumps(_numbers(results, measured, options), indent=1), "utf-8"
        )
    return 0


def _run(
    name: str, engine: Engine, every: list[Case]
) -> list[tuple[Case, Verdict, bytes | None, float]]:
    """Return each case with its verdict, its result, and the CPU seconds."""
    outcomes: list[tuple[Case, Verdict, bytes | None, float]] = []
    broken: Counter[str] = Counter()
    for case in every:
        begin = time.process_time()
        try:
            result = engine(case.before, case.search, case.replace)
        except Exception as error:  # an engine that breaks has refused, and the reader should know
            broken[type(error).__name__] += 1
            result = None
        spent = time.process_time() - begin
        outcomes.append((case, judged(case, result), result, spent))
    if broken:
        print(f"{name} raised {dict(broken)} and was counted as refusing.")
    return outcomes


def _numbers(results: dict, measured: dict, options: argparse.Namespace) -> dict:
    rows = {}
    for name, outcomes in results.items():
        classes: dict[str, Counter] = defaultdict(Counter)
        for case, verdict, _, _ in outcomes:
            classes[case.name][verdict.word] += 1
        words = Counter(verdict.word for _, verdict, _, _ in outcomes)
        rows[name] = {
            **{word: words[word] for word in VERDICTS},
            "elsewhere": sum(verdict.elsewhere for _, verdict, _, _ in outcomes),
            "classes": {key: dict(value) for key, value in sorted(classes.items())},
        }
    return {"seed": options.seed, "engines": rows, "cpu_ms": measured.get("numbers", {})}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument(
        "--show", metavar="CLASS", help="print what failed in a class ('all' for every one)"
    )
    parser.add_argument("--only", metavar="NAME", help="one engine, by the beginning of its name")
    parser.add_argument("--no-speed", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
