"""Rules that add a statement: an import, a base case, a return, an update that was forgotten."""

import ast
import sys
from collections.abc import Iterable, Iterator
from itertools import product

from hob.models.offline.repairs.scene import Scene
from hob.models.offline.repairs.source import Function, Patch, Source

HOMES = {
    "collections": ("deque", "defaultdict", "Counter", "OrderedDict", "namedtuple", "ChainMap"),
    "functools": ("reduce", "lru_cache", "wraps", "partial", "cmp_to_key", "cache", "total_ordering"),
    "itertools": ("chain", "product", "permutations", "combinations", "accumulate", "zip_longest", "groupby",
                  "islice", "count", "repeat", "takewhile", "dropwhile", "pairwise", "starmap"),
    "math": ("sqrt", "ceil", "floor", "gcd", "pi", "log", "factorial", "isqrt", "inf", "hypot", "sin", "cos"),
    "heapq": ("heappush", "heappop", "heapify", "nlargest", "nsmallest"),
    "bisect": ("bisect_left", "bisect_right", "insort"),
    "pathlib": ("Path",),
    "dataclasses": ("dataclass", "field"),
    "datetime": ("datetime", "timedelta", "date", "timezone"),
    "typing": ("Optional", "List", "Dict", "Any", "Iterable", "Union", "Callable", "Tuple", "NamedTuple"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "contextlib": ("contextmanager", "suppress"),
    "abc": ("ABC", "abstractmethod"),
    "enum": ("Enum", "IntEnum", "auto"),
    "copy": ("deepcopy",),
    "string": ("ascii_lowercase", "ascii_uppercase", "ascii_letters", "digits", "punctuation"),
    "operator": ("itemgetter", "attrgetter", "mul"),
    "random": ("randint", "choice", "shuffle"),
    "statistics": ("mean", "median", "stdev"),
}  # fmt: skip
HOME = {name: module for module, names in HOMES.items() for name in names}


def imports(scene: Scene) -> Iterator[Patch]:
    """Import a name that nobody defined."""
    if not scene.saw("NameError", "UnboundLocalError"):
        return
    at = first_place(scene.source)
    for name in scene.clues.quoted():
        end = scene.source.end_of_line
        if name in sys.stdlib_module_names:
            yield scene.patch((at, at), f"import {name}{end}", "missing import", 9.0)
        if name in HOME:
            yield scene.patch(
                (at, at), f"from {HOME[name]} import {name}{end}", "missing import", 9.0
            )


def first_place(source: Source) -> int:
    """Return where an import may stand: behind the docstring and the `__future__` imports."""
    line = 0
    for node in source.tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (docstring or future):
            break
        line = node.end_lineno or node.lineno
    return source.starts[line]


def before(scene: Scene, node: ast.stmt, text: str, rule: str, weight: float) -> Patch:
    """Put a line before a statement."""
    at = scene.source.whole_lines(node)[0]
    return scene.patch(
        (at, at), scene.source.indent(node) + text + scene.source.end_of_line, rule, weight
    )


def after(scene: Scene, node: ast.stmt, text: str, rule: str, weight: float) -> Patch:
    """Put a line behind a statement."""
    at = scene.source.whole_lines(node)[1]
    line = scene.source.indent(node) + text + scene.source.end_of_line
    if at and scene.source.text[at - 1] != "\n":
        line = scene.source.end_of_line + line.rstrip("\r\n")
    patch = scene.patch((at, at), line, rule, weight)
    last = node.end_lineno or node.lineno
    return Patch(patch.start, patch.end, patch.text, rule, weight, node.lineno, last)


def first_real(function: Function) -> ast.stmt:
    """Return the first statement behind the docstring."""
    one = function.body[0]
    if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and len(function.body) > 1:
        return function.body[1]
    return one


def base_cases(scene: Scene, node: Function) -> Iterator[Patch]:
    """Leave early for an empty, a small or a missing argument."""
    first = first_real(node)
    if not scene.source.owns_lines(first):
        return
    recursive = any(
        isinstance(one, ast.Call) and scene.source.words(one.func).endswith(node.name)
        for one in ast.walk(node)
    )
    boost = (
        1.6
        if scene.saw("RecursionError", "IndexError", "ZeroDivisionError", "AttributeError")
        else 1.0
    )
    if recursive and scene.saw("RecursionError"):
        boost = 4.0
    parameters = [name for name in scene.scope(first).parameters if name != "self"][:4]
    numeric = scene.scope(first).numeric
    for name in parameters:
        values = [name, "[]", "0", "None", "False", "True", "''", "1", "[[]]", "", "{}", "-1"]
        for place, value in enumerate(values):
            weight = (0.24 if place < 6 else 0.12) * boost
            yield before(
                scene, first, f"if not {name}: return {value}".rstrip(), "base case", weight
            )
        for test in (
            (f"{name} <= 1", f"{name} < 0")
            if name in numeric
            else (f"len({name}) <= 1", f"{name} is None")
        ):
            for value in (name, "1", "0", "None", "False", "[]"):
                yield before(scene, first, f"if {test}: return {value}", "base case", 0.15 * boost)


def missing_return(scene: Scene, node: Function) -> Iterator[Patch]:
    """Return something at the end of a function that falls off its end."""
    last = node.body[-1]
    if isinstance(last, ast.Return | ast.Raise) or not scene.source.owns_lines(last):
        return
    if any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(node)):
        return
    returns = [
        one for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None
    ]
    strength = 0.35 if returns else 0.9
    names = scene.scope(last).names
    if isinstance(last, ast.Assign):
        yield scene.patch(
            last, f"return {scene.source.words(last.value)}", "missing return", strength
        )
    for place, name in enumerate(reversed(names)):
        weight = strength * max(0.3, 1 - place * 0.15)
        yield after(scene, last, f"return {name}", "missing return", weight)
    for value in ("True", "False", "None", "0", "[]", "-1"):
        yield after(scene, last, f"return {value}", "missing return", strength * 0.5)


def forgotten(scene: Scene, node: Function) -> Iterator[Patch]:
    """Fill a collection that is read but never filled, update a name that a loop reads but never sets."""
    filled, read = set[str](), set[str]()
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
            good = {"append", "add", "extend", "push", "insert", "update", "appendleft"}
            (filled if one.attr in good else read).add(one.value.id)
        elif isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
            read.add(one.id)
    scope = scene.scope(node.body[0])
    holders = collections_in(node)
    fillers = [name for name in scope.names if name not in holders]
    for holder, method in holders.items():
        strength = 0.25 if holder not in filled else 0.07
        for place, name in product(places(scene, node), fillers):
            text = f"{holder}.{method}({name})"
            yield before(scene, place, text, "forgotten update", strength)
            if not isinstance(place, ast.Return):
                yield after(scene, place, text, "forgotten update", strength)


def collections_in(node: Function) -> dict[str, str]:
    """Return the names that hold a list or a set made in a function, with the method that fills it."""
    holders: dict[str, str] = {}
    for one in ast.walk(node):
        if not isinstance(one, ast.Assign) or not isinstance(one.targets[0], ast.Name):
            continue
        name, value = one.targets[0].id, one.value
        if isinstance(value, ast.List | ast.ListComp):
            holders[name] = "append"
        elif isinstance(value, ast.Set):
            holders[name] = "add"
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            method = {"set": "add", "list": "append", "deque": "append"}.get(value.func.id)
            if method is not None:
                holders[name] = method
    return holders


def places(scene: Scene, node: Function) -> Iterator[ast.stmt]:
    """Yield statements next to which a line may be put: the ends of blocks and the returns."""
    for one in ast.walk(node):
        if not isinstance(one, ast.stmt) or one is node or not scene.source.owns_lines(one):
            continue
        above = scene.source.parent(one)
        for field in ("body", "orelse"):
            block = getattr(above, field, [])
            if isinstance(block, list) and one in block and (one is block[-1] or one is block[0]):
                yield one


def names_in(nodes: Iterable[ast.AST], context: type[ast.expr_context]) -> set[str]:
    """Return the names that are read or set somewhere in these nodes."""
    found = (one for node in nodes for one in ast.walk(node))
    return {one.id for one in found if isinstance(one, ast.Name) and isinstance(one.ctx, context)}


def loop_updates(scene: Scene, node: ast.While | ast.For) -> Iterator[Patch]:
    """Add the step that a loop forgot."""
    last = node.body[-1]
    if not scene.source.owns_lines(last):
        return
    set_inside = names_in(node.body, ast.Store)
    scope = scene.scope(node)
    tested = names_in([node.test], ast.Load) if isinstance(node, ast.While) else set[str]()
    boost = 3.0 if scene.saw("Hang") else 1.0
    for name in scope.numeric:
        if name in tested or name in scope.stored:
            strength = 0.4 * boost if name in tested and name not in set_inside else 0.12
            for text in (f"{name} += 1", f"{name} -= 1"):
                yield after(scene, last, text, "forgotten update", strength)
    stale = (names_in([node], ast.Load) & set(scope.stored)) - set_inside
    for name, other in product(sorted(stale), scope.names):
        if other != name:
            yield before(scene, last, f"{name} = {other}", "forgotten update", 0.3)
            yield after(scene, last, f"{name} = {other}", "forgotten update", 0.3)
    branches = [
        one
        for one in node.body
        if isinstance(one, ast.If) and scene.source.owns_lines(one.body[-1])
    ]
    for branch, text in product(branches, ("break", "continue")):
        yield after(scene, branch.body[-1], text, "forgotten jump", 0.2)


def declarations(scene: Scene, node: Function) -> Iterator[Patch]:
    """Say that a name belongs to the function around or to the module."""
    if not scene.saw("UnboundLocalError"):
        return
    first = first_real(node)
    if scene.source.owns_lines(first):
        for name in scene.clues.quoted():
            for word in ("nonlocal", "global"):
                yield before(scene, first, f"{word} {name}", "declaration", 4.0)


def defaults(scene: Scene, node: Function) -> Iterator[Patch]:
    """Make a fresh default for each call."""
    source, first = scene.source, first_real(node)
    names = [*node.args.posonlyargs, *node.args.args]
    for name, default in zip(reversed(names), reversed(node.args.defaults), strict=False):
        empty = isinstance(default, ast.List | ast.Dict | ast.Set) or (
            isinstance(default, ast.Call) and source.words(default) in {"set()", "list()", "dict()"}
        )
        if empty and source.owns_lines(first):
            start, at = source.span(default)[0], source.whole_lines(first)[0]
            rest = source.text[source.span(default)[1] : at]
            indent, end = source.indent(first), source.end_of_line
            guard = f"{indent}if {name.arg} is None:{end}{indent}    {name.arg} = {source.words(default)}{end}"
            patch = scene.patch((start, at), f"None{rest}{guard}", "shared default", 0.9)
            last = node.end_lineno or patch.last_line
            yield Patch(patch.start, patch.end, patch.text, patch.rule, 0.9, patch.line, last)


def super_call(scene: Scene, node: ast.ClassDef) -> Iterator[Patch]:
    """Call the constructor of the class above."""
    if not node.bases:
        return
    for part in node.body:
        if (
            isinstance(part, ast.FunctionDef)
            and part.name == "__init__"
            and "super()" not in scene.source.words(part)
        ):
            names = ", ".join(arg.arg for arg in part.args.args[1:])
            for text in dict.fromkeys((f"super().__init__({names})", "super().__init__()")):
                yield before(scene, first_real(part), text, "constructor above", 0.6)
