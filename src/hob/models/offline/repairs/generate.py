"""All candidates of a file, the most promising first."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from hob.models.offline.repairs import missing, names, nearby, operators, shapes, statements
from hob.models.offline.repairs.scene import Clues, Scene
from hob.models.offline.repairs.source import Patch, Source

Rule = Callable[[Scene, Any], Iterator[Patch]]
RULES: tuple[tuple[tuple[type[ast.AST], ...], tuple[Rule, ...]], ...] = (
    ((ast.Compare,), (operators.compare, shapes.wrapped)),
    ((ast.BinOp,), (operators.binary, shapes.by_one, shapes.wrapped, shapes.repeated, shapes.transplant)),
    ((ast.AugAssign,), (operators.augmented,)),
    ((ast.BoolOp,), (operators.boolean, shapes.wrapped)),
    ((ast.UnaryOp,), (operators.unary,)),
    ((ast.Constant,), (operators.constant,)),
    ((ast.List, ast.Tuple), (operators.container,)),
    ((ast.Name,), (names.name, shapes.by_one, shapes.with_other, shapes.sliced, shapes.wrapped)),
    ((ast.Attribute,), (names.attribute, shapes.by_one, shapes.wrapped, shapes.transplant)),
    ((ast.Call,), (names.call, shapes.by_one, shapes.unwrapped, shapes.wrapped)),
    ((ast.Subscript,), (shapes.subscript, shapes.by_one, shapes.wrapped, shapes.transplant)),
    ((ast.Assign,), (shapes.assigned,)),
    ((ast.Return,), (shapes.returned,)),
    ((ast.If, ast.While, ast.IfExp), (shapes.condition,)),
    ((ast.IfExp,), (shapes.either,)),
    ((ast.Yield, ast.YieldFrom), (shapes.yielded,)),
    ((ast.For, ast.While), (statements.early_return, missing.loop_updates)),
    ((ast.Break, ast.Continue), (statements.jumped,)),
    ((ast.Expr,), (statements.expression,)),
    ((ast.If,), (statements.branches,)),
    ((ast.ExceptHandler,), (statements.handler,)),
    ((ast.FunctionDef, ast.AsyncFunctionDef), (
        missing.base_cases, missing.missing_return, missing.forgotten, missing.declarations, missing.defaults,
    )),
    ((ast.ClassDef,), (missing.super_call,)),
    ((ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp), (nearby.around,)),
    ((ast.Call,), (nearby.arguments,)),
    ((ast.FunctionDef, ast.AsyncFunctionDef), (nearby.statements,)),
)  # fmt: skip
BOOSTS = {
    "IndexError": {"off by one": 1.8, "bounds": 1.8, "comparison": 1.4, "guard": 1.5, "constant": 1.2},
    "KeyError": {"default": 1.5, "string": 2.0, "name": 1.2, "guard": 1.3},
    "RecursionError": {"base case": 1.2, "off by one": 1.3, "comparison": 1.3, "comparison and limit": 2.0},
    "Hang": {"off by one": 1.4, "comparison": 1.4, "arithmetic": 1.3, "forgotten update": 1.3,
             "loop condition": 1.6, "name": 1.1},
    "NameError": {"name": 1.5, "misspelt name": 1.5, "missing import": 1.5},
    "AttributeError": {"attribute": 1.5, "kindred method": 1.6, "guard": 1.5},
    "TypeError": {"missing return": 1.8, "call around it": 1.3, "arguments swapped": 1.3},
    "ZeroDivisionError": {"base case": 1.5, "guard": 1.3},
    "UnboundLocalError": {"declaration": 1.5, "moved out of the block": 1.5},
}  # fmt: skip


class Candidate(Struct, frozen=True):
    """A patch with its place in the order."""

    file: int
    patch: Patch
    worth: float


def hot_lines(spans: Mapping[str, str]) -> dict[int, float]:
    """Read the probe's scores: score in percent → line ranges."""
    scores: dict[int, float] = {}
    for score, text in spans.items():
        for part in text.split(","):
            first, _, last = part.partition("-")
            for line in range(int(first), int(last or first) + 1):
                scores[line] = int(score) / 100
    return scores


def patches(scene: Scene) -> Iterator[Patch]:
    """Yield what every rule makes of every node, in no useful order."""
    quiet = _skipped(scene.source)
    yield from missing.imports(scene)
    for node in ast.walk(scene.source.tree):
        if node in quiet:
            continue
        for rule in (rule for kinds, rules in RULES if isinstance(node, kinds) for rule in rules):
            yield from rule(scene, node)
        for body in statements.blocks(node) if not isinstance(node, ast.Module) else ():
            yield from statements.removed(scene, body)
            yield from statements.exchanged(scene, body)
            yield from statements.moved_in(scene, body)


def _skipped(source: Source) -> set[ast.AST]:
    """Return nodes whose place in the text is not to be trusted or not worth a try."""
    found: set[ast.AST] = set()
    for node in ast.walk(source.tree):
        roots: list[ast.expr | None] = []
        if isinstance(node, ast.JoinedStr):
            roots = list(node.values)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            roots = [*(arg.annotation for arg in arguments), node.returns]
        elif isinstance(node, ast.AnnAssign):
            roots = [node.annotation]
        for root in roots:
            found.update(ast.walk(root) if root else ())
    return found


def generate(
    text: str, path: str, spans: Mapping[str, str], clues: Clues, file: int = 0
) -> list[Candidate]:
    """Return the candidates for one file, best first; none where the file is no Python."""
    try:
        source = Source(path, text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    scene = Scene(source, clues)
    scores = hot_lines(spans)
    blamed = {line for name, line in clues.frames if name == path}
    best: dict[tuple[int, int, str], Candidate] = {}
    for patch in patches(scene):
        if source.text[patch.start : patch.end] == patch.text:
            continue
        heat = max(
            (scores.get(line, 0.0) for line in range(patch.line, patch.last_line + 1)), default=0.0
        )
        if patch.rule == "missing import":
            heat = max(heat, 0.5)
        if heat <= 0:
            continue
        worth = patch.weight * heat * _boost(patch, clues, blamed)
        key = (patch.start, patch.end, patch.text)
        if key not in best or best[key].worth < worth:
            best[key] = Candidate(file, patch, worth)
    return sorted(best.values(), key=_order)


def _order(candidate: Candidate) -> tuple[float, int, int, str]:
    patch = candidate.patch
    return (-candidate.worth, len(patch.text), patch.start, patch.text)


def _boost(patch: Patch, clues: Clues, blamed: Iterable[int]) -> float:
    factor = 1.0
    for error in dict.fromkeys(clues.errors):
        factor = max(factor, BOOSTS.get(error, {}).get(patch.rule, 1.0))
    if any(patch.line <= line <= patch.last_line for line in blamed):
        factor *= 1.5
    return factor


def values_in(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the numbers and the short strings that failure messages show."""
    joined = "\n".join(texts)
    numbers = re.findall(r"(?<![\w.])-?\d{1,6}(?:\.\d{1,6})?(?![\w.])", joined)
    strings = re.findall(r"'([^'\n]{1,20})'", joined)
    return tuple(dict.fromkeys(numbers)), tuple(dict.fromkeys(strings))
