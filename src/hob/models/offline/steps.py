"""The next move of a task: a pure function of its state."""

from collections.abc import Callable
from typing import Any

from hob.models.offline import moves
from hob.models.offline.change import in_words
from hob.models.offline.errand import command, plain_command
from hob.models.offline.findings import batch
from hob.models.offline.moves import Act, End, Move, act
from hob.models.offline.state import Task

NEEDED = ("bash", "edit_file", "read_file")
LONG_S = 400
BUDGET_S = 170
SEARCH_S = 240  # all batches together, so that nobody waits much longer than five minutes
# What pytest's plugins would leave in the person's folder goes into one that is removed.
LITTER = ("COVERAGE_FILE", "HYPOTHESIS_STORAGE_DIRECTORY")
HEAD = "No language model is connected, so this is a search for a repair. "


def next_move(task: Task, tools: frozenset[str]) -> Move:
    """Return what to do next; without the tools it needs, the policy says so."""
    if task.phase not in {"rest", "end"} and not tools.issuperset(NEEDED):
        missing = ", ".join(f"`{name}`" for name in NEEDED if name not in tools)
        return End(
            f"{moves.WHAT}, and here it lacks the tools it needs ({missing}); {moves.CONNECT}"
        )
    if task.phase in MAKERS:
        return MAKERS[task.phase](task)
    if task.phase == "read":
        return _read(task, task.queue[0])
    if task.phase == "look":
        return _look(task)
    return End(task.words or moves.REFUSAL, task.reached)


def _custom(task: Task) -> Act:
    text = HEAD + f"First I run `{task.wish.command}`."
    words = plain_command("hob offline: the test command from the request", task.wish.command)
    return act(text, "bash", command=words, timeout_s=180)


def _probe(task: Task) -> Act:
    head = "" if task.wish.command else HEAD
    text = (
        head + "I run every test in a scratch copy and record which lines the failing ones execute."
    )
    job = {"arguments": list(task.wish.paths)}
    title = "hob offline: run all tests in a scratch copy, trace the failing ones"
    return act(text, "bash", command=command(title, "probe", job), timeout_s=LONG_S)


def _read(task: Task, path: str) -> Act:
    known = task.pieces.get(path, {})
    start = 1
    while start in known:
        start += 1
    text = f"I read `{path}`." if start == 1 else f"I read on in `{path}`."
    return act(text, "read_file", path=path, start_line=start, end_line=start + 499)


def _look(task: Task) -> Act:
    path, line = (task.change.path, task.change.line) if task.change else ("", 1)
    text = "I look which text stands in the file."
    return act(text, "read_file", path=path, start_line=max(1, line - 20), end_line=line + 200)


def common_job(task: Task) -> dict[str, Any]:
    """Return what search and check both need to know."""
    return {
        "arguments": list(task.wish.paths),
        "pytest": task.probe.pytest,
        "slowest": task.probe.slowest,
    }


def _search(task: Task) -> Act:
    probe = task.probe
    rows = batch(task.candidates, task.cursor)
    job = common_job(task) | {
        "total": probe.total,
        "bad_ids": probe.bad_ids,
        "files": [suspect.path for suspect in probe.files],
        "sha": [suspect.sha for suspect in probe.files],
        "candidates": rows,
        "budget_s": min(BUDGET_S, SEARCH_S - task.searched_s),
        "enough": 3,
        "after_first": 8,
    }
    title = f"hob offline: try candidate repairs {task.cursor + 1} to {task.cursor + len(rows)} in a scratch copy"
    text = (
        f"{probe.n_bad} of {probe.total} tests fail. I try up to {len(rows)} small changes of the suspicious "
        "lines in a scratch copy, the most likely first; your files stay as they are."
    )
    return act(text, "bash", command=command(title, "search", job, probe.python), timeout_s=LONG_S)


def _edit(task: Task) -> Act:
    change = task.change
    if change is None:  # cannot be: both phases start by setting it
        return act("", "edit_file", path="", search="", replace="")
    if task.phase == "undo":
        text = "That did not hold here; I take the change back."
        return act(
            text, "edit_file", path=change.path, search=change.replace, replace=change.search
        )
    text = f"A repair that passes every test in the scratch copy: {in_words(change)}."
    return act(text, "edit_file", path=change.path, search=change.search, replace=change.replace)


def _verify(task: Task) -> Act:
    text = "I run the whole suite on the real files."
    title = "hob offline: the whole suite on the real files"
    if task.wish.command:
        return act(text, "bash", command=plain_command(title, task.wish.command), timeout_s=180)
    if task.probe.pytest and not task.probe.plain:
        words = f"{task.probe.python or 'python3'} -B -m pytest -q -p no:cacheprovider"
        return act(text, "bash", command=plain_command(title, words, LITTER), timeout_s=180)
    words = command(title, "check", common_job(task), task.probe.python)
    return act(text, "bash", command=words, timeout_s=LONG_S)


MAKERS: dict[str, Callable[[Task], Act]] = {
    "custom": _custom,
    "probe": _probe,
    "search": _search,
    "verify": _verify,
    "edit": _edit,
    "undo": _edit,
}
