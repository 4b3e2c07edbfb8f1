"""New names and places that would break a program which rope takes no notice of."""

import ast
from collections.abc import Mapping

from hob.tools.refactor.snapshot import Refusal
from hob.tools.refactor.targets import Page
from hob.tools.refactor.traces import places

_SHOWN = 5


def check_shadows(
    before: Mapping[str, str], after: Mapping[str, str], home: str, old: str, new: str
) -> None:
    """Refuse a new name that is bound where the old one is read: the two would become one.

    Texts by path; `home` is where the old name is defined, and was looked at already.
    """
    for path, text in before.items():
        if new not in text:
            continue
        page = Page(path, text)
        owned = {n.qualified: n.line for n in page.names if n.qualified.rpartition(".")[2] == new}
        if new in owned and path != home:
            came = Page(path, after[path]).imports().keys() - page.imports().keys()
            if new in came:
                _refuse(path, owned[new], new)
        for qualified, line in owned.items():
            scope = page.scopes.get(qualified.rpartition(".")[0])
            if scope is not None and not isinstance(scope, ast.ClassDef) and _reads(scope, old):
                _refuse(path, line, new)


def check_circle(home: Page, target: Page) -> None:
    """Refuse two modules that would import each other: whichever comes first finds the other half made."""
    there = target.module_imports(_module(home.path))
    back = home.module_imports(_module(target.path))
    if there and back:
        raise Refusal(
            f"{target.path!r} would import {', '.join(there)} from {home.path!r}, which imports"
            f" {', '.join(back)} from it: a circle; move what it needs first, or to a third module"
        )


def clash(before: Mapping[str, str], new: str) -> tuple[str, ...]:
    """Return a note if a new name stood in these texts (by path) already."""
    found = places(before, new)
    if not found:
        return ()
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    shown = ", ".join(found[:_SHOWN])
    return (f"{new!r} stood there before: {shown}{more}; look whether they clash",)


def _refuse(path: str, line: int, new: str) -> None:
    raise Refusal(f"{path!r} has a {new!r} of its own, line {line}; choose another name")


def _reads(scope: ast.AST, word: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == word for n in ast.walk(scope))


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]
