"""What the agents are made to do: a small real repository and the scripts that a model server plays."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hob.models.scripted import ScriptedCall, Turn

TASK = "Tidy this repository up."
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"  # how mini-swe-agent's model ends a task
STEPS, LONG_STEPS = 40, 200
LIGHT_STEPS = 6
FAST_PIECES, FAST_GAP_S = 2000, 0.001
SLOW_PIECES, SLOW_GAP_S = 100, 0.02
WAIT_S = 5.0

_MODULES = ("account", "balance", "budget", "currency", "ledger", "report", "tax", "transfer")
_LINES = 24  # that a read step takes


@dataclass(frozen=True)
class Step:
    """One tool call and the same act as a shell command. `arguments` is the exact text on the wire."""

    name: str
    arguments: str
    command: str


@dataclass(frozen=True)
class Workload:
    """A script. `light` steps come first where one long answer is measured against short ones."""

    name: str
    turns: tuple[Turn, ...]
    light: int = 0


def make_repository(folder: Path) -> None:
    """Write a package with tests and commit it."""
    package = folder / "books"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Accounts."""\n', encoding="utf-8")
    for module in _MODULES:
        (package / f"{module}.py").write_text(_module(module), encoding="utf-8")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_books.py").write_text(_tests(), encoding="utf-8")
    (folder / "README.md").write_text("# Books\n\nSums of money.\n", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(folder)}
    environment = {"PATH": os.environ.get("PATH", os.defpath), **nobody}
    name = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for command in (("init", "-q"), ("add", "."), (*name, "commit", "-q", "-m", "Begin")):
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True)


def _module(name: str) -> str:
    functions = "".join(
        f'''

def {name}_{number}(amounts: list[int], limit: int = {number * 10}) -> int:
    """Return the sum of the amounts above a limit, {number} of each counted."""
    total = 0
    for amount in amounts:
        if amount > limit:
            total += amount * {number}
    return total
'''
        for number in range(1, 9)
    )
    return f'"""The {name}."""\n\nREVISION = "0000"\n{functions}'


def _tests() -> str:
    imports = "".join(f"from books.{m} import {m}_1\n" for m in _MODULES)
    tests = "".join(
        f"\n\ndef test_{m}() -> None:\n    assert {m}_1([5, 20, 30]) == 50\n" for m in _MODULES
    )
    return imports + tests


def mixed(count: int) -> list[Step]:
    """Return steps in tens of the same make-up: three shell, four read, two edit, one grep."""
    kinds = "srregsrers"
    edits = [0] * len(_MODULES)
    steps: list[Step] = []
    for number in range(count):
        match kinds[number % len(kinds)]:
            case "s":
                steps.append(shell(f"ls books | head -n 5; wc -l README.md # {number}"))
            case "r":
                steps.append(read(number))
            case "e":
                steps.append(_edit(number, edits))
            case _:
                steps.append(_grep(number))
    return steps


def with_pytest(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with the last one replaced by a run of the tests."""
    return [*steps[:-1], shell(f"{sys.executable} -m pytest -q -p no:cacheprovider tests")]


def shell(command: str) -> Step:
    """Return a shell step. The spaces are as odd as a model's: they have to come back unchanged."""
    return Step("bash", f'{{"command":  {json.dumps(command)} }}', command)


def read(number: int) -> Step:
    """Return the reading of some lines, other ones for each number."""
    path = f"books/{_MODULES[number % len(_MODULES)]}.py"
    first = 1 + number // len(_MODULES)
    last = first + _LINES
    arguments = f'{{"path": "{path}","start_line" : {first},  "end_line":{last}}}'
    return Step("read_file", arguments, f"sed -n '{first},{last}p' {path}")


def _edit(number: int, edits: list[int]) -> Step:
    place = number // 5 % len(_MODULES)
    path = f"books/{_MODULES[place]}.py"
    old, new = f'REVISION = "{edits[place]:04}"', f'REVISION = "{edits[place] + 1:04}"'
    edits[place] += 1
    arguments = f'{{"path":"{path}", "search":{json.dumps(old)},"replace":  {json.dumps(new)}}}'
    return Step("edit_file", arguments, f"sed -i 's/{old}/{new}/' {path}")


def _grep(number: int) -> Step:
    pattern = f"def {_MODULES[number // 10 % len(_MODULES)]}_[{1 + number // 80}]"
    arguments = f'{{"pattern": {json.dumps(pattern)} , "path": "books"}}'
    return Step("grep", arguments, f"grep -rn '{pattern}' books")


def calls(name: str, steps: Sequence[Step], *, by_shell: bool, submits: bool) -> Workload:
    """Return a workload of these steps, as the tools they name or all as shell commands."""
    each = [_turn(shell(s.command) if by_shell else s) for s in steps]
    return Workload(name, (*each, _end(submits)))


def long_answer(name: str, answer: Turn, *, by_shell: bool, submits: bool) -> Workload:
    """Return light steps, one answer that takes long (with a light call at its end), and the end."""
    steps = [shell(f"true # {n}") if by_shell else read(n) for n in range(LIGHT_STEPS + 1)]
    *light, last = (_turn(step) for step in steps)
    slow = Turn(
        text=answer.text,
        calls=last.calls,
        delay_s=answer.delay_s,
        gap_s=answer.gap_s,
        piece_chars=answer.piece_chars,
    )
    return Workload(name, (*light, slow, _end(submits)), light=LIGHT_STEPS)


def pieces(count: int, gap_s: float) -> Turn:
    """Return an answer of so many pieces of five characters, with pauses between them."""
    return Turn(text="word " * count, gap_s=gap_s, piece_chars=5)


def _turn(step: Step) -> Turn:
    # The arguments go in one piece: what streaming costs is measured on its own.
    return Turn(calls=(ScriptedCall(step.name, step.arguments),), piece_chars=4096)


def _end(submits: bool) -> Turn:
    return _turn(shell(SUBMIT)) if submits else Turn(text="Done.")
