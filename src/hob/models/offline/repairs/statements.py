"""Rules about whole statements: remove, exchange, move in or out, return what is computed."""

import ast
from collections.abc import Iterator
from itertools import pairwise

from hob.models.offline.repairs.scene import Scene
from hob.models.offline.repairs.source import Patch

SIMPLE = (
    ast.Expr,
    ast.Assign,
    ast.AugAssign,
    ast.Return,
    ast.Break,
    ast.Continue,
    ast.Raise,
    ast.Delete,
)


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the statement lists of a node."""
    for field in ("body", "orelse", "finalbody"):
        found = getattr(node, field, None)
        if isinstance(found, list) and found and isinstance(found[0], ast.stmt):
            yield found


def removed(scene: Scene, body: list[ast.stmt]) -> Iterator[Patch]:
    """Leave one statement out."""
    for node in body:
        if not scene.source.owns_lines(node) or isinstance(
            node, ast.FunctionDef | ast.ClassDef | ast.Import
        ):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        weight = 0.3 if isinstance(node, SIMPLE) else 0.12
        if len(body) == 1:
            yield scene.patch(node, "pass", "statement removed", weight * 0.5)
        else:
            yield scene.patch(scene.source.whole_lines(node), "", "statement removed", weight)


def exchanged(scene: Scene, body: list[ast.stmt]) -> Iterator[Patch]:
    """Exchange two neighbours."""
    source = scene.source
    for first, second in pairwise(body):
        if not (source.owns_lines(first) and source.owns_lines(second)):
            continue
        if isinstance(first, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
            continue
        (a, b), (c, d) = source.span(first), source.span(second)
        text = source.text[c:d] + source.text[b:c] + source.text[a:b]
        yield scene.patch((a, d), text, "statements exchanged", 0.35)
        if (
            isinstance(first, ast.Assign)
            and isinstance(second, ast.Assign)
            and len(first.targets) == len(second.targets) == 1
        ):
            targets = f"{source.words(first.targets[0])}, {source.words(second.targets[0])}"
            values = f"{source.words(first.value)}, {source.words(second.value)}"
            yield scene.patch((a, d), f"{targets} = {values}", "assigned together", 0.4)


def shift(scene: Scene, node: ast.stmt, old: str, new: str) -> str:
    """Return a statement's lines with another indentation."""
    start, end = scene.source.whole_lines(node)
    lines = scene.source.text[start:end].splitlines(keepends=True)
    return "".join(new + line[len(old) :] if line.startswith(old) else line for line in lines)


def moved(scene: Scene, node: ast.stmt, body: list[ast.stmt]) -> Iterator[Patch]:
    """Move the last statement of a block behind it, or the statement behind a block into it."""
    source = scene.source
    for inner in blocks(node):
        last = inner[-1]
        if len(inner) > 1 and source.owns_lines(last) and inner is list(blocks(node))[-1]:
            text = shift(scene, last, source.indent(last), source.indent(node))
            yield scene.patch(source.whole_lines(last), text, "moved out of the block", 0.45)
    place = body.index(node)
    if place + 1 < len(body) and source.owns_lines(body[place + 1]):
        after = body[place + 1]
        inner = list(blocks(node))[-1]
        if isinstance(after, SIMPLE) and source.owns_lines(inner[-1]):
            text = shift(scene, after, source.indent(after), source.indent(inner[-1]))
            yield scene.patch(source.whole_lines(after), text, "moved into the block", 0.3)


def moved_in(scene: Scene, body: list[ast.stmt]) -> Iterator[Patch]:
    """Do so for every compound statement of a block."""
    for one in body:
        if isinstance(one, ast.For | ast.While | ast.If | ast.With):
            yield from moved(scene, one, body)


def early_return(scene: Scene, node: ast.For | ast.While) -> Iterator[Patch]:
    """Return behind a loop what the loop's `else` branch returns too early."""
    last = node.body[-1]
    source = scene.source
    if (
        not isinstance(last, ast.If)
        or len(last.orelse) != 1
        or not isinstance(last.orelse[0], ast.Return)
    ):
        return
    after = last.orelse[0]
    start = source.whole_lines(last.body[-1])[1]
    end = source.whole_lines(after)[1]
    text = f"{source.indent(node)}{source.words(after)}{source.end_of_line}"
    yield scene.patch((start, end), text, "return moved behind the loop", 0.7)


def jumped(scene: Scene, node: ast.Break | ast.Continue) -> Iterator[Patch]:
    """Exchange `break`, `continue` and doing nothing."""
    other = "continue" if isinstance(node, ast.Break) else "break"
    yield scene.patch(node, other, "jump", 0.5)
    yield scene.patch(node, "pass", "jump", 0.3)


def expression(scene: Scene, node: ast.Expr) -> Iterator[Patch]:
    """Return, keep or hand on the value that a statement throws away."""
    if not isinstance(node.value, ast.Call):
        if isinstance(node.value, ast.Compare | ast.BinOp | ast.Name):
            yield scene.patch(node, f"return {scene.source.words(node)}", "missing return", 1.0)
        return
    function = scene.source.function(node)
    words = scene.source.words(node)
    if function is None:
        return
    called = node.value.func
    own = isinstance(called, ast.Name | ast.Attribute) and words.split("(")[0].endswith(
        function.name
    )
    yield scene.patch(node, f"return {words}", "missing return", 0.9 if own else 0.3)
    if own:
        yield scene.patch(node, f"yield from {words}", "yield from", 0.6)
    for name in scene.scope(node).names[:6]:
        yield scene.patch(node, f"{name} = {words}", "result kept", 0.2 if own else 0.08)
        if own:
            yield scene.patch(node, f"{name} += {words}", "result kept", 0.2)
            yield scene.patch(node, f"{name}.extend({words})", "result kept", 0.15)


def branches(scene: Scene, node: ast.If) -> Iterator[Patch]:
    """Make an `elif` of an `if`, or the other way round."""
    start = scene.source.span(node)[0]
    if scene.source.text.startswith("elif", start):
        yield scene.patch((start, start + 4), "if", "elif", 0.25)
        return
    above = scene.source.parent(node)
    for before, here in (
        pair for body in (blocks(above) if above else ()) for pair in pairwise(body)
    ):
        if here is node and isinstance(before, ast.If) and not before.orelse:
            yield scene.patch((start, start + 2), "elif", "elif", 0.35)


def handler(scene: Scene, node: ast.ExceptHandler) -> Iterator[Patch]:
    """Catch another error."""
    if node.type is None:
        return
    raised = [error for error in scene.clues.errors if error.endswith(("Error", "Exception"))]
    for text in (*raised, "ValueError", "KeyError", "IndexError", "TypeError", "AttributeError"):
        boost = 1.2 if text in raised and text != "AssertionError" else 0.25
        yield scene.patch(node.type, text, "error caught", boost)
    words = scene.source.words(node.type)
    for text in raised[:2]:
        yield scene.patch(node.type, f"({words.strip('()')}, {text})", "error caught", 0.6)
