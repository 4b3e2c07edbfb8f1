"""Rules about operators and constants."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from hob.models.offline.repairs.scene import Scene
from hob.models.offline.repairs.source import Patch, Span

COMPARE = {
    "<": (("<=", 1.0), (">", 0.7), (">=", 0.5), ("!=", 0.2), ("==", 0.15)),
    "<=": (("<", 1.0), (">=", 0.7), (">", 0.5), ("==", 0.2), ("!=", 0.15)),
    ">": ((">=", 1.0), ("<", 0.7), ("<=", 0.5), ("!=", 0.2), ("==", 0.15)),
    ">=": ((">", 1.0), ("<=", 0.7), ("<", 0.5), ("==", 0.2), ("!=", 0.15)),
    "==": (("!=", 0.8), ("<=", 0.4), (">=", 0.4), ("<", 0.25), (">", 0.25), ("in", 0.1)),
    "!=": (("==", 0.8), ("<", 0.35), (">", 0.35), ("<=", 0.15), (">=", 0.15)),
    "in": (("not in", 0.8), ("==", 0.15)),
    "not in": (("in", 0.8),),
    "is": (("is not", 0.8), ("==", 0.5)),
    "is not": (("is", 0.8), ("!=", 0.5)),
}
BINARY = {
    "+": (("-", 0.9), ("*", 0.45), ("//", 0.1), ("|", 0.1)),
    "-": (("+", 0.9), ("*", 0.2), ("//", 0.15), ("/", 0.1), ("%", 0.15)),
    "*": (("+", 0.5), ("**", 0.5), ("//", 0.4), ("/", 0.4), ("-", 0.2), ("%", 0.1)),
    "/": (("//", 0.9), ("*", 0.6), ("%", 0.3), ("-", 0.1)),
    "//": (("/", 0.8), ("%", 0.7), ("*", 0.4), ("-", 0.1)),
    "%": (("//", 0.8), ("/", 0.4), ("*", 0.15), ("-", 0.1)),
    "**": (("*", 0.9), ("+", 0.1)),
    "&": (("|", 0.8), ("^", 0.7), ("-", 0.2)),
    "|": (("&", 0.8), ("^", 0.7)),
    "^": (("&", 0.9), ("|", 0.8), ("**", 0.6)),
    "<<": ((">>", 0.9), ("<", 0.1)),
    ">>": (("<<", 0.9),),
    "@": (),
}
GAP = re.compile(r"not\s+in|is\s+not|in|is|<=|>=|==|!=|<<|>>|\*\*|//|[<>+\-*/%&|^@]")
BRACKETED = re.compile(r"#[^\n]*")


def operator_in(scene: Scene, start: int, end: int) -> tuple[Span, str] | None:
    """Find the operator between two operands (their own closing and opening parentheses may be there too)."""
    gap = BRACKETED.sub(lambda found: " " * len(found[0]), scene.source.text[start:end])
    found = GAP.search(gap)
    if found is None:
        return None
    return (start + found.start(), start + found.end()), " ".join(found[0].split())


def compare(scene: Scene, node: ast.Compare) -> Iterator[Patch]:
    """Change a comparison."""
    left: ast.expr = node.left
    for right in node.comparators:
        place = operator_in(scene, scene.source.span(left)[1], scene.source.span(right)[0])
        if place is None:
            return
        where, sign = place
        for other, weight in COMPARE.get(sign, ()):
            yield scene.patch(where, other, "comparison", weight)
        if isinstance(right, ast.Constant) and type(right.value) is int:
            span = (where[0], scene.source.span(right)[1])
            for text in (f"<= {right.value + 1}", f">= {right.value - 1}", f"> {right.value + 1}"):
                yield scene.patch(span, text, "comparison and limit", 0.3 if sign in "==" else 0.12)
        left = right


def binary(scene: Scene, node: ast.BinOp) -> Iterator[Patch]:
    """Change an arithmetic operator, drop one side, swap the sides, or move the parentheses."""
    source = scene.source
    start, end = source.span(node)
    place = operator_in(scene, source.span(node.left)[1], source.span(node.right)[0])
    if place is None:
        return
    (at, after), sign = place
    if (
        isinstance(node.left, ast.Constant | ast.JoinedStr)
        and sign == "%"
        and isinstance(getattr(node.left, "value", ""), str)
    ):
        return
    for other, weight in BINARY.get(sign, ()):
        yield scene.patch((at, after), other, "arithmetic", weight)
    left, right = source.text[start:at].strip(), source.text[after:end].strip()
    one = isinstance(node.right, ast.Constant) and node.right.value == 1
    yield scene.patch(node, left, "left side only", 0.7 if one else 0.35)
    yield scene.patch(node, right, "right side only", 0.3)
    if sign not in {"*", "&", "|", "^"}:
        yield scene.patch(node, f"{right} {sign} {left}", "operands swapped", 0.5)
    inner = node.left
    if isinstance(inner, ast.BinOp):
        middle = operator_in(scene, source.span(inner.left)[1], source.span(inner.right)[0])
        if middle is not None:
            words = [source.words(inner.left), middle[1], source.words(inner.right), sign, right]
            bracketed = left.startswith("(") and left.endswith(")")
            form = "{} {} {} {} {}" if bracketed else "{} {} ({} {} {})"
            yield scene.patch(node, form.format(*words), "parentheses", 0.35)
    if isinstance(node.right, ast.BinOp) and not right.startswith("("):
        middle = operator_in(
            scene, source.span(node.right.left)[1], source.span(node.right.right)[0]
        )
        if middle is not None:
            first, last = source.words(node.right.left), source.words(node.right.right)
            text = f"({left} {sign} {first}) {middle[1]} {last}"
            yield scene.patch(node, source.fit(node, text), "parentheses", 0.45)


def augmented(scene: Scene, node: ast.AugAssign) -> Iterator[Patch]:
    """Change `+=` and the like."""
    source = scene.source
    start, end = source.span(node.target)[1], source.span(node.value)[0]
    found = re.search(r"(\*\*|//|<<|>>|[-+*/%&|^@])=", source.text[start:end])
    if found is None:
        return
    where = (start + found.start(), start + found.end())
    for other, weight in BINARY.get(found[1], ()):
        yield scene.patch(where, f"{other}=", "arithmetic", weight)
    yield scene.patch(where, "=", "plain assignment", 0.3)


def boolean(scene: Scene, node: ast.BoolOp) -> Iterator[Patch]:
    """Exchange `and` and `or`, or drop one condition."""
    source = scene.source
    word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in pairwise(node.values):
        start, end = source.span(left)[1], source.span(right)[0]
        found = re.search(rf"\b{word}\b", source.text[start:end])
        if found is not None:
            where = (start + found.start(), start + found.end())
            yield scene.patch(where, other, "and/or", 0.8)
    for value in node.values:
        rest = [source.words(one) for one in node.values if one is not value]
        yield scene.patch(node, f" {word} ".join(rest), "one condition less", 0.35)
        if not isinstance(value, ast.UnaryOp):
            yield scene.patch(value, f"not ({source.words(value)})", "negation", 0.35)


def unary(scene: Scene, node: ast.UnaryOp) -> Iterator[Patch]:
    """Drop a `not` or a sign."""
    yield scene.patch(node, scene.source.words(node.operand), "negation", 0.7)


def constant(scene: Scene, node: ast.Constant) -> Iterator[Patch]:
    """Change a number, a truth value, a None or a short string."""
    value = node.value
    above = scene.source.parent(node)
    if isinstance(above, ast.Expr | ast.JoinedStr | ast.FormattedValue):
        return
    if isinstance(value, bool):
        yield scene.patch(node, str(not value), "truth value", 0.8)
    elif value is None:
        for text in ("0", "[]", "False", "True", "1", "''", "{}"):
            yield scene.patch(node, text, "constant", 0.15)
    elif isinstance(value, int):
        yield from number(scene, node, value)
    elif isinstance(value, float):
        near = [value + 1, value - 1, value * 10, value / 10, 1 - value]
        for text in (*map(repr, near), *scene.clues.numbers[:6]):
            yield scene.patch(node, text, "constant", 0.25)
    elif isinstance(value, str):
        yield from string(scene, node, value)


def number(scene: Scene, node: ast.Constant, value: int) -> Iterator[Patch]:
    """Change a whole number: by one first."""
    near = {value + 1: 0.85, value - 1: 0.85}
    for other, weight in (
        (0, 0.45),
        (1, 0.45),
        (2, 0.3),
        (-1, 0.35),
        (-value, 0.3),
        (3, 0.1),
        (10, 0.1),
    ):
        near.setdefault(other, weight)
    for other in (value * 10, value // 10, value * 2, value // 2):
        if abs(value) > 2:
            near.setdefault(other, 0.15)
    for text in scene.clues.numbers[:8]:
        if text.lstrip("-").isdigit():
            near.setdefault(int(text), 0.25)
    for other, weight in near.items():
        if other != value:
            yield scene.patch(node, str(other), "constant", weight)
    above = scene.source.parent(node)
    if value in {0, 1, -1} and isinstance(above, ast.Assign | ast.Call):
        for text in ('float("-inf")', 'float("inf")'):
            yield scene.patch(node, text, "start value", 0.3)


def string(scene: Scene, node: ast.Constant, value: str) -> Iterator[Patch]:
    """Change a short string: its case, its spaces, or another one that is seen nearby."""
    if len(value) > 60 or "\n" in scene.source.words(node):
        return
    near: dict[str, float] = {}
    for other in (
        value.lower(),
        value.upper(),
        value.strip(),
        value + " ",
        " " + value,
        value[:-1],
    ):
        near.setdefault(other, 0.25)
    flips = {
        "": (" ", ","),
        " ": ("", ", ", "\n", "_"),
        ",": (", ", ";"),
        ", ": (",",),
        "-": ("_", ""),
    }
    flips |= {
        "_": ("-", " "),
        "0": ("1", " "),
        "1": ("0",),
        "\n": ("", " "),
        "r": ("w",),
        "w": ("r", "a"),
    }
    for other in flips.get(value, ()):
        near.setdefault(other, 0.45)
    for other in (*scene.texts[:12], *scene.clues.strings[:10]):
        near.setdefault(other, 0.25 if abs(len(other) - len(value)) < 3 else 0.1)
    for other, weight in near.items():
        if other != value:
            yield scene.patch(node, repr(other), "string", weight)


def container(scene: Scene, node: ast.List | ast.Dict | ast.Tuple) -> Iterator[Patch]:
    """Fill an empty container, or swap two neighbours in a short one."""
    if isinstance(node, ast.Dict):
        return
    if isinstance(node, ast.List) and not node.elts:
        for text, weight in (
            ("[[]]", 0.4),
            ("[0]", 0.25),
            ("None", 0.1),
            ("set()", 0.1),
            ("{}", 0.1),
        ):
            yield scene.patch(node, text, "start value", weight)
        for name in scene.scope(node).names[:6]:
            yield scene.patch(node, f"[{name}]", "start value", 0.3)
        return
    elements = node.elts
    if len(elements) > 4 or any(isinstance(one, ast.Starred) for one in elements):
        return
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    for first, second in pairwise(elements):
        start, middle = scene.source.span(first)
        after, end = scene.source.span(second)
        gap = scene.source.text[middle:after]
        text = scene.source.words(second) + gap + scene.source.words(first)
        yield scene.patch((start, end), text, "elements swapped", 0.45)
