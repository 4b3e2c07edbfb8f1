"""From the words of a model (a symbol, a line, an expression) to offsets in a text."""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import accumulate
from typing import NamedTuple

from hob.tools.refactor.snapshot import Refusal

_HEAD = re.compile(r"(?:async\s+)?(?:def|class)\s+")
_SHOWN = 8

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Name(NamedTuple):
    """A place where a name is bound. `qualified` is dotted from the module: `Class.method`, `f.local`."""

    qualified: str
    line: int
    offset: int


class Page:
    """One Python text with its tree. Raises `Refusal` if it does not parse."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
        self.tree = parsed(path, text)
        self.scopes: dict[str, Scope] = {}
        self.names = list(self._bound(self.tree, ""))

    def find(self, symbol: str, line: int | None) -> Name:
        """Return what a symbol stands for; its offset may be that of a use on the line."""
        found = [n for n in self.names if n.qualified == symbol]
        if not found:
            found = [n for n in self.names if n.qualified.endswith("." + symbol)]
        if line is not None:
            self._check_line(line)
            here = [name for name in found if name.line == line]
            return here[0] if here else self._used(symbol, line)
        different = list(dict.fromkeys(name.qualified for name in found))
        if not found:
            near = get_close_matches(symbol, [n.qualified for n in self.names], n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else "give start_line, a line where it stands"
            )
            raise Refusal(f"{self.path!r} binds no {symbol!r}; {hint}")
        if len(different) > 1:
            places = {name.qualified: name.line for name in reversed(found)}
            shown = ", ".join(f"{one} (line {places[one]})" for one in different[:_SHOWN])
            raise Refusal(
                f"{symbol!r} stands for {len(different)} things in {self.path!r}: {shown};"
                " give one of these names as symbol"
            )
        return found[0]

    def node(self, name: Name) -> ast.AST | None:
        """Return the definition or the assignment that binds the name at this place."""
        for node in ast.walk(self.tree):
            if isinstance(node, Scope) and self._head(node) == name.offset:
                return node
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(self.at(t.lineno, t.col_offset) == name.offset for t in targets):
                    return node
        return None

    def imports(self) -> dict[str, int]:
        """Return what import statements bind, with the first line of the statement."""
        return {
            alias.asname or alias.name.partition(".")[0]: node.lineno
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }

    def module_imports(self, module: str) -> list[str]:
        """Return what import statements at the top take from a module, or of it, by its last name."""
        found: list[str] = []
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom):
                whole = (node.module or "").rpartition(".")[2] == module
                found += [a.name for a in node.names if whole or a.name == module]
            elif isinstance(node, ast.Import):
                found += [a.name for a in node.names if a.name.rpartition(".")[2] == module]
        return found

    def span(
        self, start_line: int, end_line: int | None, expression: str | None
    ) -> tuple[int, int]:
        """Return the offsets of lines, or of the one place of an expression in them."""
        last = start_line if end_line is None else end_line
        self._check_line(start_line)
        self._check_line(last)
        if last < start_line:
            raise Refusal(f"end_line {last} is before start_line {start_line}")
        start, end = self._starts[start_line - 1], self._starts[last] - 1
        if expression is None:
            return start, end
        wanted = re.sub("\r\n|\r", "\n", expression).strip()
        part = self.text[start:end]
        count = part.count(wanted) if wanted else 0
        if count != 1:
            where = f"lines {start_line}-{last} of {self.path!r}"
            raise Refusal(f"{expression!r} stands {count} times in {where}; it has to be once")
        at = start + part.index(wanted)
        return at, at + len(wanted)

    def at(self, line: int, column_bytes: int) -> int:
        """Return the offset of a place as `ast` gives it: columns count UTF-8 bytes."""
        start = self._starts[line - 1]
        row = self.text[start : self._starts[line] - 1]
        if row.isascii():
            return start + column_bytes
        return start + len(row.encode()[:column_bytes].decode())

    def region(self, node: ast.expr) -> tuple[int, int]:
        """Return the offsets of an expression, without brackets around it."""
        end = self.at(node.end_lineno or node.lineno, node.end_col_offset or 0)
        return self.at(node.lineno, node.col_offset), end

    def _check_line(self, line: int) -> None:
        count = self.text.removesuffix("\n").count("\n") + 1
        if not 0 < line <= count:
            raise Refusal(f"{self.path!r} has {count} lines; there is no line {line}")

    def _used(self, symbol: str, line: int) -> Name:
        word = symbol.rpartition(".")[2]
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.NAME and token.string == word and token.start[0] == line:
                return Name("", line, self._starts[line - 1] + token.start[1])
        raise Refusal(f"{word!r} is not on line {line} of {self.path!r}; read the file again")

    def _head(self, node: Scope) -> int:
        start = self.at(node.lineno, node.col_offset)
        match = _HEAD.match(self.text, start)
        return match.end() if match else start

    def _bound(self, node: ast.AST, prefix: str) -> Iterator[Name]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Scope):
                qualified = prefix + child.name
                self.scopes[qualified] = child
                yield Name(qualified, child.lineno, self._head(child))
                yield from self._bound(child, qualified + ".")
                continue
            for word, line, offset in self._simple(child):
                yield Name(prefix + word, line, offset)
            if isinstance(child, ast.Attribute) and isinstance(child.ctx, ast.Store):
                yield from self._own(child, prefix)
            yield from self._bound(child, prefix)

    def _simple(self, node: ast.AST) -> Iterator[tuple[str, int, int]]:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno, self.at(node.lineno, node.col_offset)
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno, self.at(node.lineno, node.col_offset)
        elif isinstance(node, ast.alias):
            word = node.asname or node.name.partition(".")[0]
            start = self.at(node.lineno, node.col_offset)
            end = self.at(node.end_lineno or node.lineno, node.end_col_offset or 0)
            inside = [
                m.start() for m in re.finditer(rf"\b{re.escape(word)}\b", self.text[start:end])
            ]
            if inside:
                yield word, node.lineno, start + (inside[-1] if node.asname else inside[0])

    def _own(self, node: ast.Attribute, prefix: str) -> Iterator[Name]:
        """Yield `Class.attribute` for an assignment to `self.attribute` in a method."""
        if isinstance(node.value, ast.Name) and node.value.id == "self" and prefix.count(".") > 1:
            owner = prefix[:-1].rpartition(".")[0]
            end = self.at(node.end_lineno or node.lineno, node.end_col_offset or 0)
            yield Name(f"{owner}.{node.attr}", node.lineno, end - len(node.attr))


def compiles(path: str, text: str) -> str:
    """Return why a text cannot be compiled, "" if it can; nothing is run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{path!r} line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{path!r}: {error or type(error).__name__}"
    return ""


def parsed(path: str, text: str) -> ast.Module:
    """Return the tree. Raises `Refusal` naming the first error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise Refusal(f"{path!r} does not parse, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Refusal(f"{path!r} does not parse: {error or type(error).__name__}") from None
