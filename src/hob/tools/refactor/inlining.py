"""Inline without changing what a program does: rope pastes text, so here is checked what may be pasted.

rope 1.15 turns `a = 1 + 2; b = a * 3` into `b = 1 + 2 * 3`, loses an argument that the function assigns
anew, and spills a function's variables. Brackets are put around what it pastes; the rest is refused.
"""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from hob.tools.refactor.snapshot import Refusal
from hob.tools.refactor.targets import Name, Page

_PLAIN = (
    ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Tuple, ast.JoinedStr, ast.FormattedValue, ast.Slice,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip
_CLOSED = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.List, ast.Dict, ast.Set, ast.ListComp,
    ast.DictComp, ast.SetComp,
)  # fmt: skip
_BY_HAND = "change it with edit_file"


def bracketed_variable(page: Page, name: Name, uses: int) -> dict[str, str]:
    """Return the new text by path with brackets around a variable's value. Raises `Refusal`."""
    node = page.node(name)
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        raise Refusal(f"inline does functions and variables assigned as `name = value`; {_BY_HAND}")
    if uses > 1 and not _is_plain(node.value):
        raise Refusal(
            f"the value of {name.qualified!r} calls or makes something and stands in {uses} places;"
            f" inlined it would be done {uses} times; {_BY_HAND}"
        )
    prefix = name.qualified.rpartition(".")[0]
    bound = Counter(n.qualified for n in page.names)
    for used in sorted(_loaded(node.value)):
        own = f"{prefix}.{used}" if prefix else used
        if bound[own] > 1:
            raise Refusal(f"{used!r}, which the value reads, is assigned again; {_BY_HAND}")
    region = _open_region(page, node.value)
    return {page.path: _bracketed(page.text, [region] if region else [])}


def uses(home: Page, name: Name, pages: Mapping[str, Page]) -> int:
    """Return in how many places a variable may be read, rather too many."""
    prefix, _, word = name.qualified.rpartition(".")
    count = len(_reads(home.scopes.get(prefix, home.tree), [word])) - 1
    if prefix in home.scopes and not isinstance(home.scopes[prefix], ast.ClassDef):
        return count
    for page in pages.values():
        if page.path != home.path and word in page.imports():
            count += len(_reads(page.tree, [word]))
        dotted = [n for n in ast.walk(page.tree) if isinstance(n, ast.Attribute) and n.attr == word]
        count += len(dotted)
    return count


def bracketed_function(page: Page, name: Name, callers: Mapping[str, Page]) -> dict[str, str]:
    """Return the new text by path with brackets around results and parameters. Raises `Refusal`."""
    node = page.node(name)
    if not isinstance(node, ast.FunctionDef):
        raise Refusal(f"inline does plain functions and variables; {_BY_HAND}")
    _check_body(node)
    word = node.name
    pages = {**callers, page.path: page}
    arguments: list[tuple[Page, ast.expr]] = []
    for one in pages.values():
        calls = [n for n in ast.walk(one.tree) if isinstance(n, ast.Call) and _called(n) == word]
        _check_calls(node, calls, one)
        arguments += [(one, argument) for call in calls for argument in _arguments(call)]
    regions = [
        region
        for n in ast.walk(node)
        if isinstance(n, ast.Return) and n.value and (region := _open_region(page, n.value))
    ]
    arguments += [(page, d) for d in [*node.args.defaults, *node.args.kw_defaults] if d]
    if any(_is_open(one, argument) for one, argument in arguments):
        # rope takes brackets off an argument, so they go around what the argument replaces.
        regions += [page.region(n) for s in _statements(node) for n in _reads(s, _parameters(node))]
    return {page.path: _bracketed(page.text, regions)}


def without_export_list(before: Page, after: Page) -> str:
    """Return the text after without the names that came along with another module's `__all__`."""
    known = before.imports().keys()
    used = {n.id for n in ast.walk(after.tree) if isinstance(n, ast.Name)}
    rows = after.text.split("\n")
    for node in reversed(after.tree.body):
        if not isinstance(node, ast.ImportFrom) or all(a.name != "__all__" for a in node.names):
            continue
        if "__all__" in known:
            continue
        node.names = [
            a for a in node.names if (a.asname or a.name) in known | used and a.name != "__all__"
        ]
        rows[node.lineno - 1 : node.end_lineno] = [ast.unparse(node)] if node.names else []
    return "\n".join(rows)


def _check_body(node: ast.FunctionDef) -> None:
    body = _statements(node)
    inside = [n for statement in body for n in ast.walk(statement)]
    reason = ""
    if node.decorator_list:
        reason = "it is decorated"
    elif node.args.vararg or node.args.kwarg:
        reason = "it takes any number of arguments"
    elif any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Await) for n in inside):
        reason = "it is a generator"
    elif any(isinstance(n, ast.Return) and n is not body[-1] for n in inside):
        reason = "it returns from more than one place"
    elif any(_binds(n) for n in inside):
        reason = "it has variables of its own, which would spill into its callers"
    elif any(isinstance(n, ast.Call) and _called(n) == node.name for n in inside):
        reason = "it calls itself"
    if reason:
        raise Refusal(f"{node.name!r} cannot be inlined safely: {reason}; {_BY_HAND}")


def _check_calls(node: ast.FunctionDef, calls: list[ast.Call], page: Page) -> None:
    body = _statements(node)
    single = len(body) == 1 and isinstance(body[0], ast.Return)
    parameters = _parameters(node)
    loads = Counter(n.id for s in body for n in _reads(s, parameters))
    once = all(loads[one] == 1 for one in parameters)
    whole = {
        id(n.value)
        for n in ast.walk(page.tree)
        if isinstance(n, ast.Expr | ast.Assign | ast.Return)
    }
    lines = Counter(_statement_lines(page.tree, {id(call) for call in calls}))
    for line, count in lines.items():
        if count > 1:  # rope would take the statement twice
            raise Refusal(f"{page.path!r}, line {line}, calls it {count} times; {_BY_HAND}")
    for call in calls:
        where = f"{page.path!r}, line {call.lineno}"
        if not single and id(call) not in whole:
            raise Refusal(f"the call in {where} is part of an expression; {_BY_HAND}")
        for argument in _arguments(call):
            if isinstance(argument, ast.Starred):
                raise Refusal(f"the call in {where} passes *arguments; {_BY_HAND}")
            if not once and not _is_plain(argument):
                raise Refusal(
                    f"an argument in {where} calls something, and its parameter is not read exactly"
                    f" once; {_BY_HAND}"
                )
        _check_capture(call, parameters, where)


def _statement_lines(node: ast.AST, calls: set[int], line: int = 0) -> Iterator[int]:
    """Yield for each of these calls the first line of the statement that it is in."""
    for child in ast.iter_child_nodes(node):
        first = child.lineno if isinstance(child, ast.stmt) else line
        if id(child) in calls:
            yield first
        yield from _statement_lines(child, calls, first)


def _check_capture(call: ast.Call, parameters: list[str], where: str) -> None:
    """Refuse an argument that reads a name like another parameter's: rope replaces one after the other."""
    method = isinstance(call.func, ast.Attribute) and parameters[:1] == ["self"]
    given = dict(zip(parameters[1:] if method else parameters, call.args, strict=False))
    given |= {k.arg: k.value for k in call.keywords if k.arg}
    for parameter, argument in given.items():
        if (_loaded(argument) & set(parameters)) - {parameter}:
            raise Refusal(f"the call in {where} passes a name that is also a parameter; {_BY_HAND}")


def _statements(node: ast.FunctionDef) -> list[ast.stmt]:
    body = node.body
    if ast.get_docstring(node, clean=False) is not None and len(body) > 1:
        return body[1:]
    return body


def _parameters(node: ast.FunctionDef) -> list[str]:
    return [a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]


def _reads(node: ast.AST, words: Collection[str]) -> list[ast.Name]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in words]


def _binds(node: ast.AST) -> bool:
    scopes = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    other = ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal | ast.ExceptHandler
    return (isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)) or isinstance(
        node, scopes | other
    )


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _arguments(call: ast.Call) -> list[ast.expr]:
    owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
    return [*owner, *call.args, *(k.value for k in call.keywords)]


def _is_plain(node: ast.AST) -> bool:
    return all(isinstance(one, _PLAIN) for one in ast.walk(node))


def _loaded(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _open_region(page: Page, node: ast.expr) -> tuple[int, int] | None:
    """Return the offsets of an expression that needs brackets and has none."""
    start, end = page.region(node)
    has = page.text[:start].rstrip().endswith("(") and page.text[end:].lstrip().startswith(")")
    return (start, end) if _is_open(page, node) and not has else None


def _bracketed(text: str, regions: Iterable[tuple[int, int]]) -> str:
    marks = [mark for start, end in regions for mark in ((start, 1, "("), (end, 0, ")"))]
    for at, _, sign in sorted(marks, reverse=True):
        text = text[:at] + sign + text[at:]
    return text


def _is_open(page: Page, node: ast.expr) -> bool:
    if isinstance(node, _CLOSED):
        return False
    if isinstance(node, ast.Constant | ast.JoinedStr):
        start, end = page.region(node)
        return _is_joined(page.text[start:end])
    return True


def _is_joined(text: str) -> bool:
    """Return whether a literal is several strings beside each other."""
    tokens = tokenize.generate_tokens(io.StringIO(f"({text})").readline)
    return sum(token.type not in (tokenize.NL, tokenize.COMMENT) for token in tokens) > 5
