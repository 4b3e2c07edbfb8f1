"""Rules about names, attributes, methods and arguments."""

import ast
import builtins
import difflib
from collections.abc import Iterator

from hob.models.offline.repairs.scene import Scene
from hob.models.offline.repairs.source import Patch

FAMILIES = (
    ("append", "extend", "add", "appendleft", "insert", "remove"),
    ("add", "discard", "remove", "update"),
    ("pop", "popleft", "popitem"),
    ("min", "max"),
    ("any", "all"),
    ("sorted", "reversed", "list", "set", "tuple"),
    ("lower", "upper", "title", "capitalize", "casefold", "swapcase"),
    ("startswith", "endswith"),
    ("strip", "lstrip", "rstrip"),
    ("removeprefix", "removesuffix"),
    ("find", "rfind", "index", "rindex", "count"),
    ("split", "rsplit", "partition", "splitlines"),
    ("partition", "rpartition"),
    ("keys", "values", "items"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("issubset", "issuperset", "isdisjoint"),
    ("isdigit", "isalpha", "isalnum", "isspace", "isnumeric", "isidentifier"),
    ("isupper", "islower", "istitle"),
    ("ljust", "rjust", "center", "zfill"),
    ("floor", "ceil", "trunc", "round"),
    ("int", "float", "round", "str", "abs"),
    ("sum", "len", "max", "min"),
    ("heappush", "heappop", "heappushpop", "heapreplace"),
    ("nlargest", "nsmallest"),
    ("bisect_left", "bisect_right", "bisect", "insort"),
    ("enumerate", "range", "zip", "reversed"),
    ("permutations", "combinations", "product", "combinations_with_replacement"),
    ("chr", "ord", "str", "hex", "bin", "oct"),
    ("isinstance", "issubclass"),
    ("ValueError", "KeyError", "IndexError", "TypeError", "AttributeError", "LookupError",
     "ZeroDivisionError", "StopIteration", "RuntimeError", "OSError", "Exception"),
    ("get", "pop", "setdefault"),
    ("encode", "decode"),
    ("days", "seconds", "total_seconds"),
    ("sort", "reverse"),
    ("fromkeys", "copy"),
    ("group", "groups"),
    ("match", "search", "fullmatch"),
    ("rotate", "reverse"),
    ("intersection_update", "difference_update", "update"),
)  # fmt: skip
OPPOSITES = (
    ("left", "right"), ("start", "end"), ("low", "high"), ("lo", "hi"), ("min", "max"), ("first", "last"),
    ("prev", "next"), ("width", "height"), ("row", "col"), ("rows", "cols"), ("x", "y"), ("i", "j"),
    ("old", "new"), ("head", "tail"), ("key", "value"), ("src", "dst"), ("in", "out"), ("incoming", "outgoing"),
    ("parent", "child"), ("a", "b"), ("begin", "end"), ("front", "back"), ("top", "bottom"), ("up", "down"),
    ("predecessor", "successor"), ("source", "target"), ("minimum", "maximum"), ("debit", "credit"),
)  # fmt: skip
KIN: dict[str, tuple[str, ...]] = {}
for _family in FAMILIES:
    for _name in _family:
        KIN[_name] = KIN.get(_name, ()) + tuple(one for one in _family if one != _name)
BUILTINS = frozenset(dir(builtins))
USUAL_NAMES = {"id", "input", "max", "min", "sum", "next", "list", "dict", "set"}


def likeness(old: str, new: str) -> float:
    """Return how plausible it is that somebody wrote one name for the other: 0.6 to 1.6."""
    for one, two in OPPOSITES:
        for here, there in ((one, two), (two, one)):
            if here in old and old.replace(here, there) == new:
                return 1.5
    return 0.6 + difflib.SequenceMatcher(None, old, new).ratio()


def name(scene: Scene, node: ast.Name) -> Iterator[Patch]:
    """Put another name in the place of this one."""
    above = scene.source.parent(node)
    scope = scene.scope(node)
    if isinstance(node.ctx, ast.Store):
        fixed = isinstance(above, ast.For | ast.comprehension | ast.Tuple | ast.arguments)
        for other in () if fixed else scope.stored:
            if other != node.id:
                yield scene.patch(node, other, "name", 0.2 * likeness(node.id, other))
        return
    if isinstance(above, ast.Call) and above.func is node:
        yield from function_name(scene, node)
        return
    for other in KIN.get(node.id, ()):
        yield scene.patch(node, other, "kindred name", 0.5)
    if node.id not in BUILTINS - USUAL_NAMES:
        yield from other_name(scene, node)


def other_name(scene: Scene, node: ast.Name) -> Iterator[Patch]:
    """Read another name in scope."""
    scope = scene.scope(node)
    unknown = node.id in scene.clues.quoted() and scene.saw("NameError", "UnboundLocalError")
    boost = 6.0 if unknown else 1.0
    candidates = list(scope.names)
    if unknown or node.id in scene.outer:
        candidates += [other for other in scene.outer if other not in candidates]
    for other in candidates:
        if other != node.id:
            yield scene.patch(node, other, "name", 0.42 * likeness(node.id, other) * boost)
    if node.id in scene.own and "self" in scope.parameters:
        yield scene.patch(node, f"self.{node.id}", "missing self", 0.4 * boost)


def function_name(scene: Scene, node: ast.Name) -> Iterator[Patch]:
    """Call another function."""
    unknown = node.id in scene.clues.quoted() and scene.saw("NameError")
    for other in KIN.get(node.id, ()):
        if other in BUILTINS or other in scene.outer:
            yield scene.patch(node, other, "kindred function", 0.6)
    pool = [*scene.outer, *scene.scope(node).names]
    if unknown:
        for other in difflib.get_close_matches(node.id, {*pool, *BUILTINS}, 4, 0.6):
            yield scene.patch(node, other, "misspelt name", 5.0)
        if "self" in scene.scope(node).parameters:
            yield scene.patch(node, f"self.{node.id}", "missing self", 4.0)
    for other in pool:
        if other != node.id and other in scene.called:
            yield scene.patch(node, other, "function", 0.2 * likeness(node.id, other))


def attribute(scene: Scene, node: ast.Attribute) -> Iterator[Patch]:
    """Read another attribute, or call a kindred method."""
    end = scene.source.span(node)[1]
    where = (end - len(node.attr), end)
    if scene.source.text[where[0] : end] != node.attr:
        return
    above = scene.source.parent(node)
    is_called = isinstance(above, ast.Call) and above.func is node
    for other in KIN.get(node.attr, ()):
        yield scene.patch(where, other, "kindred method", 0.6)
    unknown = node.attr in scene.clues.quoted() and scene.saw("AttributeError")
    if unknown:
        pool = {*scene.attributes, *scene.clues.quoted(), *scene.outer, *scene.clues.words}
        for other in difflib.get_close_matches(node.attr, pool - {node.attr}, 4, 0.5):
            yield scene.patch(where, other, "misspelt attribute", 5.0)
    for other in scene.attributes:
        if other == node.attr or other in KIN.get(node.attr, ()):
            continue
        same = (other in scene.own) == (node.attr in scene.own)
        weight = (0.35 if same else 0.1) * likeness(node.attr, other)
        yield scene.patch(where, other, "attribute", weight)
    if not is_called and isinstance(node.ctx, ast.Load):
        if node.attr in KIN:
            yield scene.patch(where, f"{node.attr}()", "missing call", 0.5)
        yield scene.patch(node, scene.source.words(node.value), "attribute dropped", 0.1)


def call(scene: Scene, node: ast.Call) -> Iterator[Patch]:
    """Swap, drop or add arguments."""
    source = scene.source
    spans = [source.span(one) for one in node.args]
    known = source.words(node.func)
    if len(spans) > 1 and known not in {"max", "min", "print", "zip", "set"}:
        for i in range(len(spans) - 1):
            for j in range(i + 1, min(len(spans), 5)):
                (a, b), (c, d) = spans[i], spans[j]
                text = source.text[c:d] + source.text[b:c] + source.text[a:b]
                yield scene.patch((a, d), text, "arguments swapped", 0.65)
        (_, a), (_, b) = spans[-2], spans[-1]
        yield scene.patch((a, b), "", "one argument less", 0.25)
        a, b = spans[0][0], spans[1][0]
        yield scene.patch((a, b), "", "one argument less", 0.25)
    if known == "range":
        yield from range_call(scene, node)
    elif known.rsplit(".", maxsplit=1)[-1] in {"sorted", "sort"}:
        yield from sort_call(scene, node, known)
    else:
        yield from known_call(scene, node, known)
    if scene.saw("TypeError") and spans:
        for other in scene.scope(node).names[:8]:
            end = spans[-1][1]
            yield scene.patch((end, end), f", {other}", "one argument more", 0.3)


def known_call(scene: Scene, node: ast.Call, known: str) -> Iterator[Patch]:
    """Change calls whose meaning is known: sorted, pop, range, get, split, round."""
    source = scene.source
    inside = ", ".join(source.words(one) for one in [*node.args])
    method = known.rsplit(".", maxsplit=1)[-1]
    if method == "pop" and not node.keywords:
        wishes = {"": ("0",), "0": ("", "-1"), "-1": ("0", "")}.get(inside, ())
        for text in wishes:
            yield scene.patch(node, f"{known}({text})", "end of the list", 0.75)
    if method == "insert" and len(node.args) == 2 and "." in known:
        second = source.words(node.args[1])
        yield scene.patch(node, f"{known[:-6]}append({second})", "end of the list", 0.4)
    if method == "append" and len(node.args) == 1:
        yield scene.patch(node, f"{known[:-6]}insert(0, {inside})", "end of the list", 0.3)
    if method == "get" and len(node.args) == 1:
        for text in ("0", "[]", "''", "1"):
            yield scene.patch(node, f"{known}({inside}, {text})", "default", 0.25)
    if method == "split" and node.args:
        yield scene.patch(node, f"{known}()", "separator", 0.4)
    if known == "round" and len(node.args) == 1:
        yield scene.patch(node, f"round({inside}, 2)", "digits", 0.3)


def sort_call(scene: Scene, node: ast.Call, known: str) -> Iterator[Patch]:
    """Turn the order round."""
    words = [scene.source.words(one) for one in node.args]
    rest = [f"{one.arg}={scene.source.words(one.value)}" for one in node.keywords if one.arg]
    if any(word.startswith("reverse=") for word in rest):
        kept = [word for word in rest if not word.startswith("reverse=")]
    else:
        kept = [*rest, "reverse=True"]
    yield scene.patch(node, f"{known}({', '.join([*words, *kept])})", "order", 0.6)
    for one in node.keywords:
        if one.arg == "key" and isinstance(one.value, ast.Lambda):
            yield from sort_key(scene, one.value)
        left = ", ".join([*words, *(word for word in rest if not word.startswith(f"{one.arg}="))])
        yield scene.patch(node, f"{known}({left})", "order", 0.3)


def sort_key(scene: Scene, node: ast.Lambda) -> Iterator[Patch]:
    """Turn one part of a sort key round."""
    parts = node.body.elts if isinstance(node.body, ast.Tuple) else [node.body]
    for part in parts:
        if not isinstance(part, ast.UnaryOp):
            words = scene.source.words(part)
            yield scene.patch(part, scene.source.fit(part, f"-{words}"), "order", 0.5)


def range_call(scene: Scene, node: ast.Call) -> Iterator[Patch]:
    """Change the bounds or the direction of a range."""
    words = [scene.source.words(one) for one in node.args]
    if len(words) == 1:
        yield scene.patch(node, f"range(1, {words[0]})", "bounds", 0.5)
        yield scene.patch(node, f"range(1, {words[0]} + 1)", "bounds", 0.45)
        yield scene.patch(node, f"range({words[0]} - 1, -1, -1)", "direction", 0.3)
        for other in scene.scope(node).numeric[:6]:
            yield scene.patch(node, f"range({other}, {words[0]})", "bounds", 0.25)
    elif len(words) == 2:
        yield scene.patch(node, f"range({words[1]})", "bounds", 0.4)
        yield scene.patch(node, f"range({words[0]}, {words[1]}, -1)", "direction", 0.3)
        yield scene.patch(node, f"range({words[1]}, {words[0]})", "bounds", 0.1)
        for other in scene.scope(node).numeric[:6]:
            yield scene.patch(node, f"range({words[0]}, {words[1]}, {other})", "step", 0.15)
    elif len(words) == 3:
        yield scene.patch(node, f"range({words[0]}, {words[1]})", "step", 0.3)
