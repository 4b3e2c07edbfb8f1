"""Messages → state. Live, resumed, tested: the same fold, so a crash at any step changes nothing."""

import hashlib
import re
from typing import Any

from hob.core.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from hob.models.offline import moves
from hob.models.offline.change import in_words, make_change
from hob.models.offline.errand import answer
from hob.models.offline.findings import (
    Suspect,
    as_found,
    as_probe,
    batch,
    choose,
    numbered_lines,
    rank,
)
from hob.models.offline.moves import Act
from hob.models.offline.state import State, Task, finish
from hob.models.offline.steps import BUDGET_S, SEARCH_S, next_move
from hob.models.offline.wish import STOP, Wish, read_wish

REFUSED = re.compile(
    r"\b(?:den(?:y|ied)|not allowed|permission|refused|forbidden|rejected|not permitted)\b",
    re.IGNORECASE,
)
RAN = re.compile(r"\s*(?:exit code|killed by|command timed out)", re.IGNORECASE)
CUT = re.compile(r"\b(?:cancel|interrupt)", re.IGNORECASE)
MAX_READS = 9
MAX_BATCHES = 4
LEAST_S = 15  # a batch that is shorter than this is not worth its start
UNTOUCHED = "No file was changed"


def fold(state: State, message: Message, tools: frozenset[str]) -> None:
    """Take in one message."""
    state.seen += 1
    match message:
        case UserMessage(text=text):
            hear(state, text)
        case AssistantMessage(calls=calls, stop=stop):
            said(state, calls, stop, tools)
        case ToolMessage():
            state.cut = message.is_error and CUT.search(message.content) is not None
            ours = state.calls.pop(message.call_id, None)
            if ours is not None and state.task.phase not in {"rest", "end"}:
                take(state.task, message)


def hear(state: State, text: str) -> None:
    """A person speaks: a new task at rest or after a cancelled one; on the way only a stop is understood."""
    task = state.task
    edited = task.phase in {"verify", "undo", "look"}
    if task.phase in {"rest", "end"} or (state.cut and not edited):
        state.task = start(read_wish(text))
    elif STOP.search(text):
        if edited:
            task.phase = "undo"
        else:
            finish(task, f"Stopped as asked. {UNTOUCHED}.")
    state.cut = False


def start(wish: Wish) -> Task:
    """Begin a task."""
    if wish.kind == "other":
        return Task(wish, "end", moves.REFUSAL)
    return Task(wish, "custom" if wish.command else "probe")


def said(state: State, calls: tuple[ToolCall, ...], stop: str, tools: frozenset[str]) -> None:
    """Note which call in the transcript is the one that this policy asked for; without calls the turn is over."""
    state.cut = state.cut or stop == "cancelled"
    planned = next_move(state.task, tools)
    for call in calls:
        if isinstance(planned, Act) and (call.name, call.arguments) == (
            planned.tool,
            planned.arguments,
        ):
            state.calls[call.call_id] = planned
    if not calls and stop in {"end", "gave_up"}:
        state.task = Task()


def take(task: Task, message: ToolMessage) -> None:
    """Take in the result of the call that was asked for."""
    # A command that ran may say "permission denied" too; that is not a verdict on the call.
    ran = RAN.match(message.content) is not None
    denied = message.is_error and not ran and REFUSED.search(message.content) is not None
    report = answer(message.content)
    match task.phase:
        case "custom":
            after_custom(task, report, denied, message.content)
        case "probe":
            after_probe(task, report, denied, message.content)
        case "read":
            after_read(task, message)
        case "search":
            after_search(task, report, denied)
        case "edit":
            task.applied = ("no" if denied else "perhaps") if message.is_error else "yes"
            task.phase = "look" if message.is_error else "verify"
        case "verify":
            after_verify(task, report)
        case "undo":
            task.applied = task.applied if message.is_error else "no"
            task.undone, task.phase = True, "look"
        case "look":
            after_look(task, message)
        case "rest" | "end":
            pass


def after_custom(task: Task, report: dict[str, Any] | None, denied: bool, content: str) -> None:
    """The person's own test command has run."""
    if denied:
        finish(task, moves.DENIED)
    elif report is None:
        retry(task, f"`{task.wish.command}` could not be run to its end: {first_words(content)}")
    elif report.get("exit") == 0:
        words = f"`{task.wish.command}` passes, so there is nothing to repair. {UNTOUCHED}."
        finish(task, words, reached=True)
    elif task.wish.kind == "run":
        words = f"`{task.wish.command}` ends with exit code {report.get('exit')}. {UNTOUCHED}."
        finish(task, words, reached=True)
    else:
        task.phase = "probe"


def after_probe(task: Task, report: dict[str, Any] | None, denied: bool, content: str) -> None:
    """The suite has run once in the scratch copy."""
    probe = as_probe(report) if report is not None else None
    if denied:
        finish(task, moves.DENIED)
        return
    if probe is None:
        retry(task, f"The tests could not be run: {first_words(content)}")
        return
    task.probe = probe
    problems = {
        "no tests": "I found no Python tests to go by (files named `test_*.py` or `*_test.py`)",
        "no pytest": "The tests need pytest, and no Python here has it; install it (`python3 -m pip install pytest`)",
    }
    if probe.problem:
        finish(
            task, f"{problems.get(probe.problem, probe.problem.capitalize())}. {UNTOUCHED}. {WHO}"
        )
    elif not probe.total:
        finish(task, f"The test files hold no test that can be run. {UNTOUCHED}. {WHO}")
    elif not probe.n_bad:
        green = f"All {probe.total} tests pass already, so there is nothing to repair. {UNTOUCHED}."
        red = f" Yet `{task.wish.command}` fails, for a reason that the tests themselves do not show. {WHO}"
        finish(task, green + (red if task.wish.command else ""), reached=not task.wish.command)
    elif task.wish.kind == "run":
        words = f"{tally(task)}: {', '.join(f.id for f in probe.bad)}. {UNTOUCHED}."
        finish(task, words, reached=True)
    else:
        to_read(task)


def to_read(task: Task) -> None:
    """Choose what to read: one failing test, then the suspicious files that are not too long."""
    probe = task.probe
    test = [probe.bad[0].id.split("::")[0]] if probe.bad and ".py" in probe.bad[0].id else []
    wanted: list[str] = []
    left = MAX_READS - len(test)
    for suspect in probe.files[:4]:
        needed = -(-suspect.lines // 500)
        if suspect.lines and needed <= left:
            left -= needed
            wanted.append(suspect.path)
    if not wanted:
        longer = [suspect.path for suspect in probe.files[:4] if suspect.lines]
        long = f"the code they run is too long for this search (`{'`, `'.join(longer)}`)"
        why = long if longer else "I found no source file to repair"
        finish(task, f"{tally(task)}, but {why}. {UNTOUCHED}. {WHO}")
        return
    task.queue = (*[path for path in test if path not in wanted], *wanted)
    task.phase = "read"


def after_read(task: Task, message: ToolMessage) -> None:
    """One piece of a file was shown; read on where it matters, then rank the candidates."""
    path = task.queue[0]
    known = task.pieces.setdefault(path, {})
    fresh = {} if message.is_error else numbered_lines(message.content)
    grown = bool(fresh.keys() - known.keys())
    known.update(fresh)
    task.reads += 1
    suspect = next((one for one in task.probe.files if one.path == path), None)
    if suspect is not None:
        text = whole_text(known, suspect)
        if text is not None:
            task.texts[path] = text
        elif grown and len(known) < suspect.lines and task.reads < MAX_READS + 3:
            return
    task.queue = task.queue[1:]
    if not task.queue:
        after_reads(task)


def whole_text(lines: dict[int, str], suspect: Suspect) -> str | None:
    """Put a file together again; None while lines are missing or the text is not exactly the file's."""
    shown = [lines[number] for number in sorted(lines)]
    for end in ("\n", "\r\n"):
        for tail in (end, ""):
            text = end.join(line.rstrip("\r") if end == "\r\n" else line for line in shown) + tail
            if hashlib.sha256(text.encode()).hexdigest()[:16] == suspect.sha:
                return text
    return None


def after_reads(task: Task) -> None:
    """Everything is read: make and rank the candidates."""
    test = task.probe.bad[0].id.split("::")[0] if task.probe.bad else ""
    test_text = "\n".join(task.pieces.get(test, {}).values())
    task.candidates = rank(task.probe, task.texts, test_text)
    if task.candidates:
        task.phase = "search"
    else:
        finish(
            task,
            f"{tally(task)}, but I found no place where a small change could help. {UNTOUCHED}. {WHO}",
        )


def after_search(task: Task, report: dict[str, Any] | None, denied: bool) -> None:
    """One batch of candidates was tried."""
    if denied:
        finish(task, moves.DENIED)
        return
    found = as_found(report) if report is not None else None
    sent = len(batch(task.candidates, task.cursor))
    task.batches += 1
    if found is None:
        # The batch was lost (time limit, interruption): go on behind it rather than lose the same again.
        task.cursor += sent
        task.retries += 1
        task.searched_s += BUDGET_S
    elif found.problem:
        finish(task, f"{tally(task)}, but {found.problem}. {UNTOUCHED} by me. {WHO}")
        return
    else:
        task.tried += found.tried
        task.searched_s += found.seconds
        task.chosen = tuple(choose(task.candidates, task.cursor, found.green))
        task.cursor += max(1, found.last + 1)
    if task.chosen:
        take_next(task)
    elif search_is_over(task):
        finish(task, give_up(task))


def search_is_over(task: Task) -> bool:
    """Tell whether the tries, the time or the candidates are used up."""
    used_up = task.batches >= MAX_BATCHES or task.searched_s > SEARCH_S - LEAST_S
    return used_up or task.cursor >= len(task.candidates) or task.retries > 1


def take_next(task: Task) -> None:
    """Turn the best repair that is left into an edit."""
    best, task.chosen = task.chosen[0], task.chosen[1:]
    path = task.probe.files[best.file].path
    task.old_text = task.texts[path]
    task.change = make_change(path, task.old_text, best.patch)
    task.undone, task.applied = False, "no"
    task.phase = "edit"


def after_verify(task: Task, report: dict[str, Any] | None) -> None:
    """The whole suite ran on the real files: keep the repair only if it is green."""
    good = report is not None and (report.get("exit") == 0 or report.get("n_bad") == 0)
    if not good or task.change is None:
        task.phase = "undo"
        return
    count = f"All {task.probe.total} tests pass now; {task.probe.n_bad} failed before."
    if task.chosen:
        count += " Another small change passes them too, so the tests alone do not say which one is meant."
    finish(
        task,
        f"Repaired {in_words(task.change)}. {count} This was found by search, not by understanding: "
        f"{task.tried} small changes were tried in a scratch copy and this one passes the whole suite, "
        "so please read it before you keep it.",
        reached=True,
    )


def after_look(task: Task, message: ToolMessage) -> None:
    """After a refused edit or an undo: say which text stands in the file."""
    change = task.change
    if change is None:
        finish(task, give_up(task))
        return
    lines = {} if message.is_error else numbered_lines(message.content)
    old_lines = task.old_text.split("\n")
    if lines:
        same = all(old_lines[number - 1 : number] == [text] for number, text in lines.items())
        task.applied = "no" if same else "yes"
    if task.applied != "no" and not task.undone:
        # The edit was cut off and stands all the same, or nobody can tell: verify decides, undo cleans up.
        task.phase = "verify"
    elif task.applied != "no":
        words = f"`{change.path}` may still hold a change that I tried ({in_words(change)}); please take it back."
        finish(task, f"{tally(task)}. {words} {WHO}")
    elif task.undone and task.chosen:
        take_next(task)
    elif task.undone:
        finish(task, give_up(task))
    else:
        words = f"A repair was found ({in_words(change)}), but the edit was refused"
        finish(task, f"{tally(task)}. {words}. {UNTOUCHED}.")


def retry(task: Task, words: str) -> None:
    """Try the same step once more, then stop."""
    task.retries += 1
    if task.retries > 1:
        finish(task, f"{words}. {UNTOUCHED}. {WHO}")


def first_words(content: str) -> str:
    """Return the start of an answer on one line."""
    return " ".join(content.split())[:200] or "no answer"


def tally(task: Task) -> str:
    """Say how many tests fail."""
    return f"{task.probe.n_bad} of {task.probe.total} tests fail"


def give_up(task: Task) -> str:
    """Say that nothing helped."""
    names = ", ".join(f"`{path}`" for path in task.texts)
    return (
        f"{tally(task)}. I tried {task.tried} small changes in {names} in a scratch copy and none made the whole "
        f"suite pass. {UNTOUCHED}. {WHO}"
    )


WHO = f"This was Hob's search-based repair without a language model; {moves.CONNECT}"
