"""Extract without changing what a program does: rope cuts text, so here is checked what may be cut out."""

import ast
from collections.abc import Iterator
from itertools import pairwise

from hob.tools.refactor.snapshot import Refusal
from hob.tools.refactor.targets import Page

_BY_HAND = "change it with edit_file"
_OWN_NAMES = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def check_expression(page: Page, start: int, end: int, *, variable: bool) -> None:
    """Raise `Refusal` if a text is no whole expression, or means something else outside its place."""
    shown = page.text[start:end]
    path = _path(page, page.tree, start, end)
    if not path:
        raise Refusal(f"{shown!r} is no whole expression there; give one with all its operands")
    node = path[-1]
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        raise Refusal(f"{shown!r} is assigned there, not read; {_BY_HAND}")
    if any(isinstance(one, ast.NamedExpr | ast.Yield | ast.YieldFrom) for one in ast.walk(node)):
        raise Refusal(f"{shown!r} assigns or yields; {_BY_HAND}")
    for parent, child in pairwise(path):
        if isinstance(parent, _OWN_NAMES):
            raise Refusal(f"{shown!r} is in a lambda or comprehension; {_BY_HAND}")
        if variable and _sometimes(parent, child):
            raise Refusal(
                f"{shown!r} is not evaluated always or only once there, as a variable it would be;"
                f" {_BY_HAND}"
            )


def check_lines(page: Page, first: int, last: int) -> None:
    """Raise `Refusal` if lines bind names that others than their own function can see."""
    owner = page.tree
    inside = [s for s in _statements(page.tree) if first <= s.lineno <= last]
    for node in ast.walk(page.tree):
        if isinstance(node, _FUNCTIONS | ast.ClassDef) and node.lineno < first:
            owner = node if last <= (node.end_lineno or 0) else owner
    declared = {
        name
        for node in ast.walk(owner)
        if isinstance(node, ast.Global | ast.Nonlocal)
        for name in node.names
    }
    bound = {name for statement in inside for name in _bound(statement)}
    shared = declared | _closed_over(owner, first, last)
    visible = sorted(bound & shared if isinstance(owner, _FUNCTIONS) else bound)
    if visible:
        raise Refusal(
            f"lines {first}-{last} of {page.path!r} bind {', '.join(visible[:5])}, which code outside"
            f" their own function can see; {_BY_HAND}"
        )


def _closed_over(owner: ast.AST, first: int, last: int) -> set[str]:
    """Return the names that functions within a function read, but for those in the lines."""
    inner = [
        node
        for node in ast.walk(owner)
        if isinstance(node, _FUNCTIONS | ast.Lambda | ast.ClassDef) and node is not owner
    ]
    outside = [node for node in inner if not first <= node.lineno <= last]
    return {n.id for node in outside for n in ast.walk(node) if isinstance(n, ast.Name)}


def _path(page: Page, node: ast.AST, start: int, end: int) -> list[ast.AST]:
    """Return the nodes from here to the expression with exactly this region, none if there is none."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and page.region(child) == (start, end):
            return [node, child]
        found = _path(page, child, start, end)
        if found:
            return [node, *found]
    return []


def _sometimes(parent: ast.AST, child: ast.AST) -> bool:
    match parent:
        case ast.BoolOp():
            return child is not parent.values[0]
        case ast.IfExp():
            return child is not parent.test
        case ast.While():
            return child is parent.test
        case ast.Compare():
            return child in parent.comparators[1:]
        case ast.Assert():
            return child is parent.msg
        case _:
            return False


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.walk(node):
        if isinstance(child, ast.stmt):
            yield child


def _bound(node: ast.stmt) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load):
            yield child.id
        elif isinstance(child, _FUNCTIONS | ast.ClassDef):
            yield child.name
        elif isinstance(child, ast.alias):
            yield child.asname or child.name.partition(".")[0]
