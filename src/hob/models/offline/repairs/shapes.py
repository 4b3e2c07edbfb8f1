"""Rules that reshape an expression: off by one, slices, wrapping, unwrapping, one more condition."""

import ast
from collections.abc import Iterator
from itertools import product

from hob.models.offline.repairs.scene import Scene
from hob.models.offline.repairs.source import Patch

WRAPS = (("abs", 0.25), ("len", 0.15), ("sorted", 0.25), ("list", 0.25), ("set", 0.15), ("str", 0.25),
         ("int", 0.25), ("sum", 0.12), ("float", 0.1), ("max", 0.1), ("min", 0.1), ("tuple", 0.12),
         ("reversed", 0.1), ("bool", 0.1), ("round", 0.1))  # fmt: skip


def place_weight(scene: Scene, node: ast.expr) -> float:
    """Return how likely an off-by-one is here: high in bounds and indices, low elsewhere."""
    above = scene.source.parent(node)
    if isinstance(above, ast.Slice) or (isinstance(above, ast.Subscript) and above.slice is node):
        return 0.75
    if isinstance(above, ast.Call) and above.func is not node:
        return 0.85 if isinstance(above.func, ast.Name) and above.func.id == "range" else 0.6
    if isinstance(above, ast.Compare):
        return 0.45
    if isinstance(above, ast.Tuple):
        grand = scene.source.parent(above)
        return 0.6 if isinstance(grand, ast.Subscript) else 0.15
    if isinstance(above, ast.Assign | ast.Return | ast.AugAssign):
        return 0.4
    return 0.25 if isinstance(above, ast.BinOp) else 0.0


def is_target(node: ast.expr) -> bool:
    """Tell whether something is stored or deleted here."""
    return not isinstance(getattr(node, "ctx", ast.Load()), ast.Load)


def by_one(scene: Scene, node: ast.expr) -> Iterator[Patch]:
    """Add or take away one."""
    if is_target(node):
        return
    weight = place_weight(scene, node)
    scope = scene.scope(node)
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load) or node.id not in scope.numeric:
            weight *= 0.3
    elif isinstance(node, ast.Call):
        known = scene.source.words(node.func)
        weight = (weight or 0.2) if known in {"len", "int", "max", "min", "sum"} else weight * 0.5
    else:
        weight *= 0.6
    if weight > 0.02:
        words = scene.source.words(node)
        for text in (f"{words} + 1", f"{words} - 1"):
            yield scene.patch(node, scene.source.fit(node, text), "off by one", weight)


def with_other(scene: Scene, node: ast.Name) -> Iterator[Patch]:
    """Combine a number with another name in scope, or square, double, halve it."""
    scope = scene.scope(node)
    if not isinstance(node.ctx, ast.Load) or node.id not in scope.numeric:
        return
    weight = 0.18 if isinstance(scene.source.parent(node), ast.Call) else 0.12
    for other, sign in product(scope.numeric, "-+"):
        if other != node.id:
            text = scene.source.fit(node, f"{node.id} {sign} {other}")
            yield scene.patch(node, text, "one term more", weight)
    for text in (f"{node.id} ** 2", f"{node.id} * 2", f"{node.id} // 2", f"-{node.id}"):
        yield scene.patch(node, scene.source.fit(node, text), "one factor more", 0.15)


def sliced(scene: Scene, node: ast.Name) -> Iterator[Patch]:
    """Take a part of a sequence instead of the whole."""
    above = scene.source.parent(node)
    scope = scene.scope(node)
    if not isinstance(node.ctx, ast.Load) or node.id in scope.numeric:
        return
    looped = isinstance(above, ast.For | ast.comprehension)
    passed = isinstance(above, ast.Call) and above.func is not node
    if not (looped or passed or isinstance(above, ast.Return | ast.BinOp | ast.Assign)):
        return
    weight = 0.4 if looped else 0.3
    for part, share in (
        ("[1:]", 1.0),
        ("[:-1]", 0.6),
        ("[::-1]", 0.5),
        ("[:]", 0.8 if passed else 0.3),
    ):
        yield scene.patch(node, node.id + part, "part of it", weight * share)
    for other in scope.numeric[:6]:
        for part in (f"[{other}:]", f"[:{other}]"):
            yield scene.patch(node, node.id + part, "part of it", weight * 0.4)


def subscript(scene: Scene, node: ast.Subscript) -> Iterator[Patch]:
    """Read another place: swapped, whole, with a default."""
    source = scene.source
    value, index = source.words(node.value), source.words(node.slice)
    if isinstance(node.slice, ast.Slice):
        yield from cut(scene, node, node.slice)
        return
    if isinstance(node.slice, ast.Tuple) or not isinstance(node.ctx, ast.Load):
        return
    if not isinstance(node.slice, ast.Constant):
        boost = 3.0 if scene.saw("KeyError") else 1.0
        for text in ("0", "[]", "None", "''"):
            yield scene.patch(node, f"{value}.get({index}, {text})", "default", 0.12 * boost)
    if index in {"0", "-1"}:
        yield scene.patch(node, f"{value}[{'-1' if index == '0' else '0'}]", "other end", 0.5)


def cut(scene: Scene, node: ast.Subscript, part: ast.Slice) -> Iterator[Patch]:
    """Cut a sequence elsewhere."""
    source = scene.source
    value = source.words(node.value)
    lower = source.words(part.lower) if part.lower else ""
    upper = source.words(part.upper) if part.upper else ""
    yield scene.patch(node, value, "the whole of it", 0.35)
    if part.step is not None:
        return
    yield scene.patch(node, f"{value}[{upper}:{lower}]", "bounds", 0.4)
    if lower and upper:
        yield scene.patch(node, f"{value}[{lower}:]", "bounds", 0.3)
        yield scene.patch(node, f"{value}[:{upper}]", "bounds", 0.3)
    if not (lower and upper):
        for text in (lower or "1", lower or "-1"):
            yield scene.patch(node, f"{value}[{text}:{upper or '-1'}]", "bounds", 0.2)
        for text in () if lower else ("1", "-1"):
            yield scene.patch(node, f"{value}[{text}:{upper}]", "bounds", 0.25)
    numeric = scene.scope(node).numeric
    for other in numeric[: 5 if lower and upper else 10]:
        for text in (f"{other}:{upper}", f"{lower}:{other}"):
            yield scene.patch(node, f"{value}[{text}]", "bounds", 0.12 if lower and upper else 0.2)


def wrapped(scene: Scene, node: ast.expr) -> Iterator[Patch]:
    """Put a call around a returned, assigned or passed value."""
    above = scene.source.parent(node)
    if (
        isinstance(node, ast.Constant)
        or is_target(node)
        or not isinstance(
            above, ast.Return | ast.Assign | ast.Call | ast.Compare | ast.AugAssign | ast.BinOp
        )
    ):
        return
    if isinstance(above, ast.Call) and above.func is node:
        return
    words = scene.source.words(node)
    strength = 1.0 if isinstance(above, ast.Return) else 0.6
    strength *= 1.6 if scene.saw("TypeError") else 1.0
    for function, weight in WRAPS:
        if not words.startswith(f"{function}("):
            yield scene.patch(node, f"{function}({words})", "call around it", weight * strength)
    if isinstance(node, ast.BinOp):
        for text in (f"max(0, {words})", f"min(1, {words})", f"max(1, {words})"):
            yield scene.patch(node, text, "limit", 0.3)
    if isinstance(above, ast.Return | ast.Assign) and isinstance(
        node, ast.Name | ast.Call | ast.BoolOp | ast.Compare
    ):
        text = f"not {words}" if isinstance(node, ast.Name | ast.Call) else f"not ({words})"
        yield scene.patch(node, text, "negation", 0.35)


def unwrapped(scene: Scene, node: ast.Call) -> Iterator[Patch]:
    """Take the argument instead of the call."""
    if isinstance(scene.source.parent(node), ast.Expr):
        return
    for one in node.args[:3]:
        if not isinstance(one, ast.Starred):
            text = scene.source.fit(node, scene.source.words(one))
            yield scene.patch(node, text, "call dropped", 0.35)
    if isinstance(node.func, ast.Attribute):
        yield scene.patch(node, scene.source.words(node.func.value), "call dropped", 0.25)


def assigned(scene: Scene, node: ast.Assign) -> Iterator[Patch]:
    """Keep the larger, the smaller or the sum of the old and the new value."""
    if len(node.targets) != 1 or isinstance(node.targets[0], ast.Tuple):
        return
    source = scene.source
    target, value = source.words(node.targets[0]), source.words(node.value)
    scope = scene.scope(node)
    stored_twice = isinstance(node.targets[0], ast.Name) and node.targets[0].id in scope.names
    if stored_twice or isinstance(node.targets[0], ast.Subscript | ast.Attribute):
        for function in ("max", "min"):
            yield scene.patch(node.value, f"{function}({target}, {value})", "extreme", 0.3)
        start, end = source.span(node.targets[0])[1], source.span(node.value)[0]
        for sign, weight in (("+", 0.4), ("-", 0.2), ("*", 0.12), ("|", 0.05)):
            yield scene.patch((start, end), f" {sign}= ", "accumulation", weight)
    if isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript):
        for text in (f"{value}[:]", f"{value}.copy()"):
            yield scene.patch(node.value, text, "copy", 0.2)
    if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        func = node.value.func
        if func.attr in {"sort", "reverse"}:
            kind = "sorted" if func.attr == "sort" else "reversed"
            text = f"list({kind}({source.words(func.value)}))"
            yield scene.patch(node.value, text, "result of a method", 0.8)


def returned(scene: Scene, node: ast.Return) -> Iterator[Patch]:
    """Return something else."""
    source = scene.source
    if node.value is None:
        for name in scene.scope(node).names[-5:]:
            yield scene.patch(node, f"return {name}", "returned value", 0.3)
        return
    words = source.words(node.value)
    if isinstance(node.value, ast.Constant):
        yield from constant_returned(scene, node, node.value)
    else:
        loose = isinstance(node.value, ast.Compare | ast.BoolOp | ast.IfExp)
        joined = f"({words})" if loose else words
        for name in scene.scope(node).names[-8:]:
            if name != words:
                yield scene.patch(node.value, f"{joined} + {name}", "one term more", 0.2)
                yield scene.patch(node.value, f"{name} + {joined}", "one term more", 0.2)
    for text in ("[]", "0", "None", "True", "False", "''"):
        if text != words:
            yield scene.patch(node.value, text, "returned value", 0.08)


def constant_returned(scene: Scene, node: ast.Return, value: ast.Constant) -> Iterator[Patch]:
    """Return something computed instead of a constant."""
    scope = scene.scope(node)
    for name in scope.names[-8:]:
        near = {name: 0.35}
        if isinstance(value.value, bool):
            near = {f"{name} == 0": 0.4, f"not {name}": 0.4, f"bool({name})": 0.15, name: 0.1}
        elif name in scope.numeric:
            near |= {f"{name} - 1": 0.08, f"{name} + 1": 0.08}
        for text, weight in near.items():
            yield scene.patch(value, text, "returned value", weight)


def condition(scene: Scene, node: ast.If | ast.While | ast.IfExp) -> Iterator[Patch]:
    """Negate a condition, or add one more."""
    source, test = scene.source, node.test
    words = source.words(test)
    bare = isinstance(test, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
    if not isinstance(test, ast.UnaryOp | ast.Constant):
        yield scene.patch(test, f"not {words}" if bare else f"not ({words})", "negation", 0.5)
    names = scene.scope(node).names[:10]
    if isinstance(test, ast.Constant):
        for name in names:
            yield scene.patch(test, name, "loop condition", 0.5)
        return
    loose = f"({words})" if isinstance(test, ast.BoolOp | ast.IfExp) else words
    for name in names:
        for text in (
            f"{loose} or not {name}",
            f"{name} and {loose}",
            f"{loose} and not {name}",
            f"{loose} or {name}",
        ):
            yield scene.patch(test, text, "one condition more", 0.16)
    boost = 4.0 if scene.saw("AttributeError", "TypeError") else 1.0
    for chain in dict.fromkeys(
        source.words(one.value) for one in ast.walk(test) if isinstance(one, ast.Attribute)
    ):
        for text in (f"{chain} is None or {loose}", f"{chain} is not None and {loose}"):
            yield scene.patch(test, text, "guard", 0.25 * boost)
    yield from indexed_guard(scene, node, loose)


def indexed_guard(
    scene: Scene, node: ast.If | ast.While | ast.IfExp, loose: str
) -> Iterator[Patch]:
    """Keep an index inside its sequence."""
    boost = 3.0 if scene.saw("IndexError") else 1.0
    for one in ast.walk(node.test):
        if isinstance(one, ast.Subscript) and not isinstance(one.slice, ast.Slice | ast.Constant):
            index, value = scene.source.words(one.slice), scene.source.words(one.value)
            yield scene.patch(
                node.test, f"{index} < len({value}) and {loose}", "guard", 0.2 * boost
            )
            yield scene.patch(node.test, f"{index} >= 0 and {loose}", "guard", 0.15 * boost)
            yield scene.patch(node.test, f"{index} in {value} and {loose}", "guard", 0.1 * boost)


def either(scene: Scene, node: ast.IfExp) -> Iterator[Patch]:
    """Exchange the two values of a conditional expression."""
    body, test, other = (scene.source.words(one) for one in (node.body, node.test, node.orelse))
    yield scene.patch(node, f"{other} if {test} else {body}", "branches swapped", 0.5)


def yielded(scene: Scene, node: ast.Yield | ast.YieldFrom) -> Iterator[Patch]:
    """Exchange `yield` and `yield from`."""
    if node.value is None:
        return
    words = scene.source.words(node.value)
    text = f"yield from {words}" if isinstance(node, ast.Yield) else f"yield {words}"
    recursive = isinstance(node.value, ast.Call)
    yield scene.patch(node, text, "yield from", 0.8 if recursive else 0.4)


def repeated(scene: Scene, node: ast.BinOp) -> Iterator[Patch]:
    """Make rows that are not all the same list."""
    if (
        isinstance(node.op, ast.Mult)
        and isinstance(node.left, ast.List)
        and len(node.left.elts) == 1
    ):
        inner = scene.source.words(node.left.elts[0])
        count = scene.source.words(node.right)
        if not isinstance(node.left.elts[0], ast.Constant):
            text = f"[{inner} for _ in range({count})]"
            yield scene.patch(node, text, "shared rows", 0.7)


def transplant(scene: Scene, node: ast.expr) -> Iterator[Patch]:
    """Use another subscript, attribute or call that the same function already holds."""
    function = scene.source.function(node)
    if function is None or isinstance(scene.source.parent(node), ast.Expr):
        return
    words = scene.source.words(node)
    seen: dict[str, None] = {}
    for other in ast.walk(function):
        if isinstance(other, ast.Subscript | ast.Attribute | ast.BinOp) and type(other) is type(
            node
        ):
            text = scene.source.words(other)
            if text != words and len(text) < 60 and "\n" not in text:
                seen.setdefault(text)
    for text in list(seen)[:10]:
        fitted = scene.source.fit(node, text) if isinstance(node, ast.BinOp) else text
        yield scene.patch(node, fitted, "expression from nearby", 0.16)
