"""Rules that take what the same file already holds: calls, arguments and statements from nearby."""

import ast
import builtins
from collections.abc import Iterator
from itertools import product

from hob.models.offline.repairs.missing import after, before
from hob.models.offline.repairs.scene import Scene
from hob.models.offline.repairs.source import Function, Patch

MOST = 12
WIDEST = 70


def around(scene: Scene, node: ast.expr) -> Iterator[Patch]:
    """Put a call around a value that the file puts around other values."""
    above = scene.source.parent(node)
    is_value = isinstance(above, ast.Call) and above.func is not node
    if not (is_value or isinstance(above, ast.Return | ast.Assign | ast.BinOp | ast.Compare)):
        return
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return
    words = scene.source.words(node)
    if len(words) > WIDEST:
        return
    for name in scene.wrappers[:MOST]:
        if not words.startswith(f"{name}("):
            yield scene.patch(node, f"{name}({words})", "call from nearby", 0.14)
    if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
        for method in scene.methods[:MOST]:
            text = f"{words}.{method}()"
            yield scene.patch(node, text, "method from nearby", 0.14)


def _keyword(scene: Scene, one: ast.keyword) -> str:
    """Return a named argument as it is written."""
    return (f"{one.arg}=" if one.arg else "**") + scene.source.words(one.value)


def arguments(scene: Scene, node: ast.Call) -> Iterator[Patch]:
    """Hand over an argument that another call of the same function has."""
    source = scene.source
    known = source.words(node.func).rsplit(".", maxsplit=1)[-1]
    have = [*map(source.words, node.args), *(_keyword(scene, one) for one in node.keywords)]
    named = {one.arg for one in node.keywords}
    boost = 2.0 if scene.saw("TypeError") else 1.0
    more: dict[str, None] = {}
    for other in scene.calls.get(known, ()):
        extra = other.args[len(node.args) :] if len(other.args) == len(node.args) + 1 else []
        more.update(dict.fromkeys(map(source.words, extra)))
        keywords = [one for one in other.keywords if one.arg and one.arg not in named]
        more.update(dict.fromkeys(_keyword(scene, one) for one in keywords))
    for name in scene.scope(node).parameters:
        more.setdefault(f"{name}={name}")
    for text in list(more)[:MOST]:
        if text not in have and len(text) < WIDEST:
            own = text.partition("=")[0] == text.partition("=")[2]
            weight = (0.06 if own else 0.3) * boost
            inside = ", ".join([*have, text])
            patch = scene.patch(
                node, f"{source.words(node.func)}({inside})", "argument from nearby", weight
            )
            yield patch


def statements(scene: Scene, node: Function) -> Iterator[Patch]:
    """Say again what the class or the file says elsewhere: the usual trace of a line that got lost."""
    source = scene.source
    outer = {*scene.outer, *dir(builtins)}
    simple = ast.Assign | ast.AugAssign | ast.Return | ast.Raise | ast.Expr
    texts: dict[str, None] = {}
    stored = set(scene.scope(node.body[0]).names) | {"self"}
    for one in scene.statements:
        if isinstance(one, simple) and len(source.words(one)) < WIDEST:
            names = {n.id for n in ast.walk(one) if isinstance(n, ast.Name)}
            if names and names - outer <= stored and "\n" not in source.words(one):
                texts.setdefault(source.words(one))
    places = [
        one
        for one in ast.walk(node)
        if isinstance(one, ast.stmt) and one is not node and source.owns_lines(one)
    ]
    for place, text in product(places, list(texts)[:MOST]):
        yield before(scene, place, text, "statement from nearby", 0.07)
        if not isinstance(place, ast.Return | ast.Raise):
            yield after(scene, place, text, "statement from nearby", 0.07)
