"""One source file: its text, its syntax tree, and the exact characters of every node."""

import ast
from collections.abc import Iterator

from msgspec import Struct

Span = tuple[int, int]
Function = ast.FunctionDef | ast.AsyncFunctionDef
TIGHT = (ast.BinOp, ast.UnaryOp, ast.Attribute, ast.Starred, ast.Await)


class Patch(Struct, frozen=True):
    """One candidate: replace the characters from `start` to `end` by `text`. `weight` is the rule's prior."""

    start: int
    end: int
    text: str
    rule: str
    weight: float
    line: int
    last_line: int


class Source:
    """A parsed file. Raises `SyntaxError` or `ValueError` where the text is not Python."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.tree = ast.parse(text)
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }
        self.end_of_line = "\r\n" if "\r\n" in text else "\n"

    def offset(self, line: int, column: int) -> int:
        """Return the character at a 1-based line and a column in UTF-8 bytes."""
        text = self.lines[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode("utf-8", "ignore"))
        return self.starts[line - 1] + column

    def span(self, node: ast.expr | ast.stmt | ast.arg) -> Span:
        """Return the characters of a node."""
        end_line = node.end_lineno or node.lineno
        end_column = node.end_col_offset or node.col_offset
        return self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column)

    def words(self, node: ast.expr | ast.stmt | ast.arg) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return the node around a node."""
        return self.parents.get(node)

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around a node, innermost first."""
        above = self.parents.get(node)
        while above is not None:
            yield above
            above = self.parents.get(above)

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """Return the statement that a node belongs to."""
        for one in (node, *self.around(node)):
            if isinstance(one, ast.stmt):
                return one
        return None

    def function(self, node: ast.AST) -> Function | None:
        """Return the innermost function around a node."""
        for one in self.around(node):
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                return one
        return None

    def fit(self, node: ast.expr, text: str) -> str:
        """Put parentheses around a looser expression where the place of `node` needs them."""
        above = self.parents.get(node)
        called = isinstance(above, ast.Call) and above.func is node
        indexed = isinstance(above, ast.Subscript) and above.value is node
        if isinstance(above, TIGHT) or called or indexed:
            return f"({text})"
        return text

    def indent(self, node: ast.stmt) -> str:
        """Return the white space before a statement."""
        return self.lines[node.lineno - 1][: node.col_offset]

    def owns_lines(self, node: ast.stmt) -> bool:
        """Tell whether a statement shares its lines with nothing but a comment."""
        before = self.lines[node.lineno - 1][: node.col_offset]
        end = self.lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :].strip()
        return not before.strip() and (not end or end.startswith("#"))

    def whole_lines(self, node: ast.stmt) -> Span:
        """Return the span of a statement's lines, their line ends included."""
        first = node.lineno
        decorators = getattr(node, "decorator_list", [])
        if decorators:
            first = decorators[0].lineno
        return self.starts[first - 1], min(self.starts[node.end_lineno or first], len(self.text))
