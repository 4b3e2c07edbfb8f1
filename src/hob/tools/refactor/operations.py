"""What rope computes, each action on a view of the snapshot; nothing is written and no code is run."""

# rope has no types of its own.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportAttributeAccessIssue=false

import ast
import os
import re
from typing import Any, NamedTuple

from rope.base import evaluate
from rope.base.change import ChangeContents, ChangeSet, MoveResource
from rope.base.exceptions import RopeError
from rope.refactor.extract import ExtractMethod, ExtractVariable
from rope.refactor.importutils import ImportTools
from rope.refactor.inline import create_inline
from rope.refactor.move import MoveMethod, MoveModule, create_move
from rope.refactor.patchedast import MismatchedTokenError
from rope.refactor.rename import Rename

from hob.tools.refactor.clashes import check_circle, check_shadows, clash
from hob.tools.refactor.extraction import check_expression, check_lines
from hob.tools.refactor.inlining import (
    bracketed_function,
    bracketed_variable,
    uses,
    without_export_list,
)
from hob.tools.refactor.snapshot import Refusal, Snapshot
from hob.tools.refactor.targets import Name, Page, Scope
from hob.tools.refactor.traces import quoted
from hob.tools.refactor.view import View

ROPE_ERRORS = (RopeError, RecursionError)


class Wish(NamedTuple):
    """What the model asks for. `path` is relative to the root; "" for a parameter that was not given."""

    action: str
    path: str
    symbol: str = ""
    to: str = ""
    start_line: int | None = None
    end_line: int | None = None
    expression: str | None = None


class Outcome(NamedTuple):
    """What would change: new texts by path, moves in order, the word to look for afterwards, notes.

    `word` is "" if none; `plain` is its last part.
    """

    texts: dict[str, str]
    moves: list[tuple[str, str]]
    word: str = ""
    plain: str = ""
    notes: tuple[str, ...] = ()


def perform(view: View, snapshot: Snapshot, wish: Wish) -> Outcome:
    """Return what one action would change. Raises `Refusal`, and rope's own errors."""
    view.take_in()
    try:
        return _perform(view, snapshot, wish)
    except MismatchedTokenError:
        word = wish.symbol.rpartition(".")[2] or wish.path.removesuffix(".py").rpartition("/")[2]
        left = view.leave_out(word, wish.path)
        if not left:
            raise
    outcome = _perform(view, snapshot, wish)
    note = f"NOT changed, rope cannot take these apart: {', '.join(left)}; look at them"
    return outcome._replace(notes=(note, *outcome.notes))


def _perform(view: View, snapshot: Snapshot, wish: Wish) -> Outcome:
    if not wish.symbol and wish.action in ("rename", "move"):
        return _module(view, snapshot, wish)
    if wish.path not in snapshot.sources:
        raise Refusal(
            f"{wish.path!r} is not one of the project's Python files (ignored ones are left out);"
            " give the path of a .py file"
        )
    actions = {
        "rename": _rename,
        "move": _move,
        "extract_method": _extract,
        "extract_variable": _extract,
        "inline": _inline,
        "organize_imports": _organize,
    }
    return actions[wish.action](view, snapshot, wish)


def _rename(view: View, snapshot: Snapshot, wish: Wish) -> Outcome:
    page = Page(wish.path, snapshot.text(wish.path))
    name = page.find(wish.symbol, wish.start_line)
    old = wish.symbol.rpartition(".")[2]
    if old == wish.to:
        raise Refusal(f"the name is {old!r} already")
    prefix = name.qualified[: -len(old)]
    taken = [n.line for n in page.names if name.qualified and n.qualified == prefix + wish.to]
    if taken:
        raise Refusal(
            f"{prefix + wish.to!r} exists already, {wish.path!r} line {taken[0]}; choose another name"
        )
    changes = Rename(view, view.get_file(wish.path), name.offset).get_changes(
        wish.to, in_hierarchy=True, resources=view.mentioning(old, wish.path)
    )
    outcome = _collected(changes, word=old, plain=old)
    before = {path: snapshot.text(path) for path in outcome.texts}
    if not isinstance(page.scopes.get(prefix[:-1]), ast.ClassDef):  # a member is read with a dot
        check_shadows(before, outcome.texts, wish.path, old, wish.to)
    return outcome._replace(notes=clash(before, wish.to))


def _module(view: View, snapshot: Snapshot, wish: Wish) -> Outcome:
    is_file = wish.path in snapshot.sources
    if not is_file and (not wish.path or wish.path not in snapshot.folders):
        raise Refusal(
            f"{wish.path!r} is neither a Python file nor a folder of the project; give symbol too if"
            " you mean something in a file"
        )
    resource = view.get_file(wish.path) if is_file else view.get_folder(wish.path)
    dotted = wish.path.removesuffix(".py").replace("/", ".")
    for folder in view.get_source_folders():
        if folder.path and wish.path.startswith(folder.path + "/"):
            dotted = wish.path[len(folder.path) + 1 :].removesuffix(".py").replace("/", ".")
    plain = dotted.rpartition(".")[2]
    concerned = view.mentioning(plain, wish.path)
    if wish.action == "rename":
        changes = Rename(view, resource).get_changes(wish.to, resources=concerned)
    else:
        target = wish.to.rstrip("/")
        if target not in snapshot.folders:
            raise Refusal(f"there is no folder {wish.to!r} to move it to; give an existing one")
        if not is_file:
            _check_package(snapshot, wish.path)
        changes = MoveModule(view, resource).get_changes(view.get_folder(target), concerned)
    outcome = _collected(changes, word=dotted, plain=plain)
    taken = [new for _, new in outcome.moves if os.path.lexists(f"{snapshot.root}/{new}")]
    if taken:
        raise Refusal(f"{taken[0]!r} exists already; choose another name")
    return outcome


def _check_package(snapshot: Snapshot, folder: str) -> None:
    """Refuse a package with relative imports of what does not move along: rope leaves them as they are."""
    for path, source in snapshot.sources.items():
        if (
            not path.startswith(folder + "/")
            or source.text is None
            or not _parses(path, source.text)
        ):
            continue
        depth = path.count("/") - folder.count("/")
        nodes = [n for n in ast.walk(Page(path, source.text).tree) if isinstance(n, ast.ImportFrom)]
        lines = [node.lineno for node in nodes if node.level > depth]
        if lines:
            raise Refusal(
                f"{path!r} line {lines[0]} imports by dots from outside {folder!r}, which would lead"
                " elsewhere; make that import absolute first"
            )


def _move(view: View, snapshot: Snapshot, wish: Wish) -> Outcome:
    name = Page(wish.path, snapshot.text(wish.path)).find(wish.symbol, wish.start_line)
    mover = create_move(view, view.get_file(wish.path), name.offset)
    plain = wish.symbol.rpartition(".")[2]
    if isinstance(mover, MoveMethod):
        outcome = _collected(mover.get_changes(wish.to), word="", plain=plain)
        note = f"{plain!r} stays in its class and calls the moved one; inline it to be rid of it"
        return outcome._replace(notes=(note,))
    if isinstance(mover, MoveModule):
        raise Refusal(f"{wish.symbol!r} is a module; give its own path and no symbol to move it")
    if wish.to not in snapshot.sources:
        raise Refusal(
            f"there is no Python file {wish.to!r} to move {plain!r} to; make it with write_file first"
        )
    bound = {n.qualified: n.line for n in Page(wish.to, snapshot.text(wish.to)).names}
    if plain in bound:
        raise Refusal(
            f"{wish.to!r} has a {plain!r} already, line {bound[plain]}; rename one of them first"
        )
    module = wish.path.removesuffix(".py").rpartition("/")[2]
    concerned = view.mentioning(plain, wish.path, wish.to, mover.source.path)
    changes = mover.get_changes(view.get_file(wish.to), concerned)
    outcome = _needed(snapshot, _collected(changes, word=f"{module}.{plain}", plain=plain))
    check_circle(
        *(Page(path, outcome.texts.get(path, snapshot.text(path))) for path in (wish.path, wish.to))
    )
    return outcome


def _extract(view: View, snapshot: Snapshot, wish: Wish) -> Outcome:
    page = Page(wish.path, snapshot.text(wish.path))
    if wish.start_line is None:
        raise Refusal(f"{wish.action} needs start_line (and end_line for more than one line)")
    if wish.action == "extract_variable" and not wish.expression:
        raise Refusal("extract_variable needs expression: the exact text to give a name to")
    start, end = page.span(wish.start_line, wish.end_line, wish.expression)
    if wish.expression:
        check_expression(page, start, end, variable=wish.action == "extract_variable")
    else:
        check_lines(page, wish.start_line, wish.end_line or wish.start_line)
    kind = ExtractMethod if wish.action == "extract_method" else ExtractVariable
    around = {""} | {
        qualified + "."
        for qualified, node in page.scopes.items()
        if node.lineno <= wish.start_line <= (node.end_lineno or 0)
    }
    taken = [n for n in page.names if any(n.qualified == prefix + wish.to for prefix in around)]
    if taken:
        raise Refusal(
            f"{wish.to!r} exists there already, line {taken[0].line}; choose another name"
        )
    changes = kind(view, view.get_file(wish.path), start, end).get_changes(wish.to)
    notes = clash({wish.path: page.text}, wish.to)
    return _collected(changes, word="", plain="")._replace(notes=notes)


def _inline(view: View, snapshot: Snapshot, wish: Wish) -> Outcome:
    page = Page(wish.path, snapshot.text(wish.path))
    name = page.find(wish.symbol, wish.start_line)
    word = wish.symbol.rpartition(".")[2]
    home, definition = _definition(view, snapshot, page, name, word)
    mentioned = re.compile(rf"\b{re.escape(word)}\b")
    pages = {
        path: Page(path, source.text)
        for path, source in snapshot.sources.items()
        if source.text is not None and mentioned.search(source.text) and _parses(path, source.text)
    }
    if isinstance(home.node(definition), Scope):
        overlay = bracketed_function(home, definition, pages)
    else:
        overlay = bracketed_variable(home, definition, uses(home, definition, pages))
    snapshot.overlay.update(overlay)
    view.forget(overlay)
    moved = Page(home.path, overlay[home.path])
    at = next(n for n in moved.names if n.qualified == definition.qualified)
    inliner: Any = create_inline(view, view.get_file(home.path), at.offset)
    changes = inliner.get_changes(resources=view.mentioning(word, home.path))
    note = "check that the names it reads mean the same where it stands now"
    outcome = _needed(snapshot, _collected(changes, word=word, plain=word))
    return outcome._replace(notes=(note,))


def _needed(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """Return it without imports that nobody needs: rope takes along a module's `__all__` and all in it."""
    texts = {
        path: without_export_list(Page(path, snapshot.text(path)), Page(path, text))
        for path, text in outcome.texts.items()
    }
    return outcome._replace(texts=texts)


def _parses(path: str, text: str) -> bool:
    try:
        Page(path, text)
    except Refusal:
        return False
    return True


def _definition(
    view: View, snapshot: Snapshot, page: Page, name: Name, word: str
) -> tuple[Page, Name]:
    """Return the page and the place where a name is defined, wherever it is used."""
    pyname: Any = evaluate.eval_location(view.get_pymodule(view.get_file(page.path)), name.offset)
    module, line = pyname.get_definition_location() if pyname is not None else (None, None)
    resource = module.get_resource() if module is not None else None
    if resource is None or resource.project is not view or resource.path not in snapshot.sources:
        raise Refusal(f"{word!r} is not defined in the workspace, or rope cannot tell where")
    home = page if resource.path == page.path else Page(resource.path, snapshot.text(resource.path))
    found = [n for n in home.names if n.line == line and n.qualified.rpartition(".")[2] == word]
    if not found:
        raise Refusal(f"inline does functions and variables; {word!r} is neither")
    return home, found[0]


def _organize(view: View, snapshot: Snapshot, wish: Wish) -> Outcome:
    before = Page(wish.path, snapshot.text(wish.path))
    pymodule = view.get_pymodule(view.get_file(wish.path))
    package = wish.path.endswith("__init__.py")  # what it imports is there for others
    tools = ImportTools(view)
    text = tools.organize_imports(pymodule, unused=not package) or before.text
    old = before.imports()
    gone = old.keys() - Page(wish.path, text).imports().keys()
    kept = {word for word in gone if _wanted(snapshot, before, word, old[word])}
    if kept:
        lines = {old[word] for word in kept}

        def may_change(statement: Any) -> bool:
            return not any(statement.start_line <= line < statement.end_line for line in lines)

        text = tools.organize_imports(pymodule, import_filter=may_change) or before.text
        gone = old.keys() - Page(wish.path, text).imports().keys()
    notes: list[str] = []
    rows = before.text.split("\n")[min(old.values(), default=0) : max(old.values(), default=0)]
    if text != before.text and any(row.startswith("#") for row in rows):
        notes.append("comments between imports stay behind when imports move; look at them")
    if gone:
        notes.append(
            f"removed as not used: {', '.join(sorted(gone))}; put one back if importing it does something"
        )
    if kept:
        notes.append(
            f"kept, as a string, noqa or another module names them: {', '.join(sorted(kept))}"
        )
    texts = {wish.path: text} if text != before.text else {}
    return Outcome(texts, [], notes=tuple(notes))


def _wanted(snapshot: Snapshot, page: Page, word: str, line: int) -> bool:
    """Return whether an import that looks unused is named in a string, by `noqa`, or by another module."""
    if "noqa" in page.text.split("\n")[line - 1] or quoted(page.text, word):
        return True
    module = re.escape(page.path.removesuffix(".py").rpartition("/")[2])
    form = re.compile(
        rf"\b{module}\.{re.escape(word)}\b"
        rf"|from\s+[\w.]*\b{module}\s+import\s+(?:\([^)]*|[^\n]*)\b{re.escape(word)}\b"
    )
    return any(s.text is not None and form.search(s.text) for s in snapshot.sources.values())


def _collected(changes: ChangeSet | None, word: str, plain: str) -> Outcome:
    texts: dict[str, str] = {}
    moves: list[tuple[str, str]] = []
    for change in changes.changes if changes is not None else ():
        if isinstance(change, ChangeContents):
            if change.new_contents is not None:
                texts[change.resource.path] = change.new_contents
        elif isinstance(change, MoveResource):
            moves.append((change.resource.path, change.new_resource.path))
        else:
            raise Refusal(f"rope wants to do more than change and move files: {change}")
    return Outcome(texts, moves, word, plain)
