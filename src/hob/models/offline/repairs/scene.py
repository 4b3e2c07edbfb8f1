"""What a rule may know besides the node: the names in scope, the failure, and how to write a patch."""

import ast
import re

from msgspec import Struct

from hob.models.offline.repairs.source import Function, Patch, Source, Span


class Clues(Struct, frozen=True):
    """What the failing tests said: error names, messages, frames (path, line), and values seen in them."""

    errors: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    frames: tuple[tuple[str, int], ...] = ()
    numbers: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def quoted(self) -> tuple[str, ...]:
        """Return the names that stand in quotes in the messages."""
        return tuple(name for text in self.messages for name in re.findall(r"'(\w+)'", text))


class Scope(Struct, frozen=True):
    """Names of one function, in order of appearance."""

    parameters: tuple[str, ...]
    names: tuple[str, ...]
    numeric: tuple[str, ...]
    stored: tuple[str, ...]


class Scene:
    """One file with everything that rules ask about it."""

    def __init__(self, source: Source, clues: Clues) -> None:
        self.source = source
        self.clues = clues
        self._scopes: dict[ast.AST | None, Scope] = {}
        nodes = list(ast.walk(source.tree))
        self.attributes = tuple(
            dict.fromkeys(n.attr for n in nodes if isinstance(n, ast.Attribute))
        )
        self.called = frozenset(
            n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        )
        self.own = frozenset(
            n.attr
            for n in nodes
            if isinstance(n, ast.Attribute)
            and isinstance(n.value, ast.Name)
            and n.value.id == "self"
        )
        self.texts = tuple(
            dict.fromkeys(
                n.value
                for n in nodes
                if isinstance(n, ast.Constant)
                and isinstance(n.value, str)
                and 0 < len(n.value) < 40
            )
        )
        self.statements = tuple(n for n in nodes if isinstance(n, ast.stmt))
        self.calls: dict[str, list[ast.Call]] = {}
        for call in (n for n in nodes if isinstance(n, ast.Call)):
            self.calls.setdefault(source.words(call.func).rsplit(".", maxsplit=1)[-1], []).append(
                call
            )
        self.wrappers = _wrappers(self.calls)
        self.methods = tuple(name for name, calls in self.calls.items() if _bare_method(calls))
        self.outer = tuple(dict.fromkeys(_module_names(source.tree)))

    def scope(self, node: ast.AST) -> Scope:
        """Return the names of the function around a node."""
        function = self.source.function(node)
        if function not in self._scopes:
            self._scopes[function] = _scope(self.source, function)
        return self._scopes[function]

    def patch(
        self, where: ast.expr | ast.stmt | Span, text: str, rule: str, weight: float
    ) -> Patch:
        """Make a patch; lines are counted from the span."""
        start, end = where if isinstance(where, tuple) else self.source.span(where)
        line = self.source.text.count("\n", 0, start) + 1
        last = line + self.source.text.count("\n", start, max(start, end - 1))
        return Patch(start, end, text, rule, weight, line, last)

    def saw(self, *errors: str) -> bool:
        """Tell whether a failing test ended with one of these errors."""
        return any(error in self.clues.errors for error in errors)


def _wrappers(calls: dict[str, list[ast.Call]]) -> tuple[str, ...]:
    """Return the functions that the file calls by their name with one argument, the usual ones first."""
    found = {
        name: sum(
            isinstance(one.func, ast.Name) and len(one.args) == 1 and not one.keywords
            for one in group
        )
        for name, group in calls.items()
    }
    return tuple(sorted((name for name in found if found[name]), key=lambda name: -found[name]))


def _bare_method(calls: list[ast.Call]) -> bool:
    """Tell whether the file calls a method without any argument."""
    return any(isinstance(one.func, ast.Attribute) and not one.args + one.keywords for one in calls)


def _module_names(tree: ast.Module) -> list[str]:
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.extend((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.extend(one.id for one in node.targets if isinstance(one, ast.Name))
    return names


def _is_number(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {
        "len", "sum", "abs", "int", "max", "min", "range",
    }  # fmt: skip


def _scope(source: Source, function: Function | None) -> Scope:
    arguments: list[str] = []
    stored: list[str] = []
    numeric: list[str] = []
    # A nested function sees the names of those around it.
    chain: list[Function] = []
    here: Function | None = function
    while here is not None:
        chain.append(here)
        here = source.function(here)
    for one in chain:
        a = one.args
        arguments += [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
        arguments += [arg.arg for arg in (a.vararg, a.kwarg) if arg]
        stored += [
            node.id
            for node in ast.walk(one)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        numeric += _numeric(one)
    names = tuple(dict.fromkeys(name for name in (*arguments, *stored) if name != "self"))
    known = tuple(name for name in names if name in set(numeric))
    return Scope(tuple(dict.fromkeys(arguments)), names, known, tuple(dict.fromkeys(stored)))


def _numeric(function: Function) -> list[str]:
    """Return names that take part in arithmetic or comparison of size, or are counted."""
    found: list[str] = []
    for node in ast.walk(function):
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Compare):
            if any(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in node.ops):
                parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Assign) and _is_number(node.value):
            parts = list(node.targets)
        elif isinstance(node, ast.AugAssign) or (
            isinstance(node, ast.For) and _is_number(node.iter)
        ):
            parts = [node.target]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.Slice):
            parts = [part for part in (node.lower, node.upper) if part]
        found += [part.id for part in parts if isinstance(part, ast.Name)]
    return found
