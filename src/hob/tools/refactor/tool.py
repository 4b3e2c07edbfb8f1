"""The tool `refactor`: rename, move, extract, inline and organise imports over a whole Python project."""

import keyword
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from hob.core.messages import Details, ToolResult
from hob.core.ports import FileError, Sandbox
from hob.tools.bounds import printable
from hob.tools.refactor.plans import Plan, Refactorings
from hob.tools.refactor.plans import apply as carry_out
from hob.tools.seen import Seen
from hob.tools.tool import failed, tool

Kind = Literal["rename", "move", "extract_method", "extract_variable", "inline", "organize_imports"]

_MAX_DIFF = 6_000
_MAX_DIFF_FOR_PEOPLE = 12_000
_MAX_FILES = 20
_MAX_TRACES = 12


@tool(access="write", replay="never")
async def refactor(  # noqa: PLR0913  (one tool for six actions is shorter in every prompt)
    action: Kind,
    path: str,
    sandbox: Sandbox,
    refactorings: Refactorings,
    seen: Seen,
    symbol: Annotated[str | None, "dotted, as Class.method; none: the module itself"] = None,
    to: Annotated[str | None, "new name; for move a file, folder or attribute"] = None,
    start_line: Annotated[int | None, "of the range, or a line where symbol stands"] = None,
    end_line: int | None = None,
    expression: Annotated[str | None, "exact text to extract"] = None,
    apply: Annotated[bool, "false: preview"] = False,
    plan: Annotated[str | None, "id of a preview to apply"] = None,
) -> ToolResult:
    """Rename, move, extract or inline Python code over the whole project, or organize imports."""
    if plan is not None:
        if not apply:
            return failed(f"send apply=true to apply the preview {plan!r}")
        return _carried_out(refactorings.kept(plan), sandbox, seen)
    where = _relative(sandbox, path)
    target = to or ""
    if problem := _problem(action, symbol, target):
        return failed(problem)
    if action == "move" and ("/" in target or target == "." or target.endswith(".py")):
        target = _relative(sandbox, target)
    wish = {
        "action": action, "path": where, "symbol": symbol or "", "to": target,
        "start_line": start_line, "end_line": end_line, "expression": expression,
    }  # fmt: skip
    computed = await refactorings.compute(sandbox, _title(wish), wish)
    if not computed.files and not computed.moves:
        return failed("\n".join([f"{computed.title}: nothing would change", *_seen(computed)]))
    if apply:
        return _carried_out(computed, sandbox, seen)
    return _previewed(computed, refactorings.keep(computed))


def _relative(sandbox: Sandbox, path: str) -> str:
    """Return a path relative to the root. Raises `FileError` if it is outside."""
    whole = os.path.normpath(Path(sandbox.root, path))
    if not path or os.path.commonpath([sandbox.root, whole]) != sandbox.root:
        raise FileError(f"{path!r} is outside the workspace {sandbox.root!r}; use a path inside it")
    relative = os.path.relpath(whole, sandbox.root)
    return "" if relative == "." else relative


def _problem(action: str, symbol: str | None, to: str) -> str:
    """Return what is missing for an action, "" if nothing."""
    if action == "inline" and not symbol:
        return "inline needs symbol: the function or variable to put in place of its name"
    if action in ("inline", "organize_imports"):
        return ""
    if not to:
        return f"{action} needs to: {'where it goes' if action == 'move' else 'the new name'}"
    if action != "move" and (not to.isidentifier() or keyword.iskeyword(to)):
        return f"{to!r} is no Python name; give one word, without dots"
    return ""


def _title(wish: dict[str, Any]) -> str:
    what = f" {wish['symbol']!r}" if wish["symbol"] else ""
    to = f" to {wish['to']!r}" if wish["to"] else ""
    return f"{wish['action']}{what} of {printable(wish['path'])!r}{to}"


def _previewed(plan: Plan, plan_id: str) -> ToolResult:
    head = (
        f"Preview of {plan.title}: {_counts(plan)}. Nothing is written yet; send it again with"
        f" apply=true and plan={plan_id!r} to apply exactly this."
    )
    lines = [head, *_files(plan), *_seen(plan), "", *_head(plan.diff, _MAX_DIFF)]
    return _result(plan, lines, plan_id=plan_id, applied=False)


def _carried_out(plan: Plan, sandbox: Sandbox, seen: Seen) -> ToolResult:
    before = carry_out(plan, sandbox)
    lines = [f"Done: {plan.title}: {_counts(plan)}.", *_files(plan), *_seen(plan)]
    return _result(plan, lines, applied=True, seen=_known(plan, before, seen))


def _known(plan: Plan, before: Mapping[str, bytes], seen: Seen) -> dict[str, str]:
    """Tell what the model has seen that this change is its own; return what belongs into the log."""
    noted: dict[str, str] = {}
    for change in plan.files:
        # Only where the model knew the old contents: the others it has not read, or not as they were.
        knew = not seen.stale(change.path, before[change.path])
        if knew and seen.stale(change.path, change.data):
            noted |= seen.note(change.path, change.data).get("seen", {})
    for source, _ in plan.moves:
        for path in plan.digests:
            if path == source or path.startswith(source + "/"):
                noted |= seen.forget(path).get("seen", {})
    return noted


def _result(plan: Plan, lines: list[str], **metadata: object) -> ToolResult:
    shown = "\n".join(_head(plan.diff, _MAX_DIFF_FOR_PEOPLE))
    known = {"files": [change.path for change in plan.files], "moves": plan.moves, "diff": shown}
    # What is too long for the log goes from here to the blobs, whole.
    return ToolResult("\n".join(lines), details=Details(plan.diff, metadata={**known, **metadata}))


def _counts(plan: Plan) -> str:
    added = sum(change.added for change in plan.files)
    removed = sum(change.removed for change in plan.files)
    moved = f", {len(plan.moves)} moved" if plan.moves else ""
    files = f"{len(plan.files)} file{'s' if len(plan.files) != 1 else ''}"
    return f"{files}, +{added} -{removed}{moved}"


def _files(plan: Plan) -> list[str]:
    lines = [f"  {printable(old)} -> {printable(new)}" for old, new in plan.moves]
    lines += [f"  {printable(one.path)} +{one.added} -{one.removed}" for one in plan.files]
    rest = len(lines) - _MAX_FILES
    return [*lines[:_MAX_FILES], f"  and {rest} more"] if rest > 0 else lines


def _seen(plan: Plan) -> list[str]:
    """Return notes, and what rope did not change or could not see."""
    lines = [f"Note: {note}." for note in plan.notes]
    trace = plan.trace
    for key, title in (
        (
            "code",
            f"NOT changed, {plan.word!r} is still in code here (rope could not tell, or another)",
        ),
        ("names", f"NOT changed, strings that are just {plan.word!r} (__all__, getattr, patches)"),
        ("skipped", "NOT looked at, could not be read"),
        ("others", f"Other files that name {plan.word!r}"),
    ):
        count = trace.get(f"{key}_count", 0)
        if count:
            shown = trace[key][:_MAX_TRACES]
            more = f" ({count}, the first {len(shown)})" if count > len(shown) else ""
            lines += [f"{title}{more}:", *(f"  {printable(one)}" for one in shown)]
    comments, strings = trace.get("comments_count", 0), trace.get("strings_count", 0)
    if comments or strings:
        lines.append(f"It also stands in {comments} comments and {strings} strings.")
    if trace.get("unlooked_count"):
        lines.append(
            f"{trace['unlooked_count']} more Python files hold the name and were not looked at; grep"
            " finds them."
        )
    if trace.get("unread_count"):
        lines.append(f"{trace['unread_count']} other files were too large or too many to look at.")
    return lines


def _head(diff: str, max_chars: int) -> list[str]:
    if len(diff) <= max_chars:
        return [diff.rstrip("\n")]
    head = diff[: diff.rfind("\n", 0, max_chars) + 1 or max_chars]
    return [head.rstrip("\n"), f"[... {len(diff) - len(head)} characters of the diff cut ...]"]
