"""Runs tests that need no framework: unittest classes, bare test functions, assert scripts, doctests."""

from __future__ import annotations

import doctest
import importlib
import inspect
import runpy
import sys
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hob.models.offline.onsite.failure import describe


class Outcome(unittest.TestResult):
    """Keeps the first failure of the one test that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.first: BaseException | None = None

    def keep(self, error: Any) -> None:
        """Remember an error triple."""
        if self.first is None:
            self.first = error[1]

    def addError(self, test: Any, err: Any) -> None:
        """Take note of an error."""
        self.keep(err)

    def addFailure(self, test: Any, err: Any) -> None:
        """Take note of a failure."""
        self.keep(err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        """Take note of a failed part."""
        if err is not None:
            self.keep(err)

    def addUnexpectedSuccess(self, test: Any) -> None:
        """Take note of a success that should not be."""
        self.first = AssertionError("unexpected success")


def module_name(root: str, path: str) -> str:
    """Return the dotted name of a file, and make its top folder importable."""
    full = Path(root, path)
    folder, parts = full.parent, [full.stem]
    while (folder / "__init__.py").is_file() and folder != Path(root):
        parts.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return ".".join(parts)


def flatten(suite: Any) -> Iterator[Any]:
    """Yield the single tests of a suite."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def unittest_work(test: Any) -> Callable[[], None]:
    """Return a function that runs one unittest test and raises its failure."""

    def work() -> None:
        outcome = Outcome()
        unittest.TestSuite([test]).run(outcome)
        if outcome.first is not None:
            raise outcome.first

    return work


def method_work(kind: Any, name: str) -> Callable[[], None]:
    """Return a function that runs one method of a bare test class."""

    def work() -> None:
        subject = kind()
        if hasattr(subject, "setup_method"):
            subject.setup_method()
        getattr(subject, name)()

    return work


def doctest_work(test: Any) -> Callable[[], None]:
    """Return a function that runs one docstring's examples and raises if they differ."""

    def work() -> None:
        said: list[str] = []
        runner = doctest.DocTestRunner(verbose=False)
        runner.run(test, out=said.append, clear_globs=False)
        if runner.failures:
            raise AssertionError("".join(said)[-400:])

    return work


def bare(function: Any) -> bool:
    """Tell whether a function can be called without arguments."""
    parameters = inspect.signature(function).parameters.values()
    return all(
        p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters
    )


def tests_in(module: Any, path: str, docs: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield name and work of each test in an imported file."""
    if docs:
        for example in doctest.DocTestFinder(exclude_empty=True).find(module):
            if example.examples:
                yield f"{path}::{example.name}", doctest_work(example)
        return
    loader: Any = unittest.defaultTestLoader
    tests: list[Any] = list(flatten(loader.loadTestsFromModule(module)))
    for test in tests:
        name = test.id().split(".")
        yield "::".join([path, *name[-2:]]), unittest_work(test)
    members: dict[str, Any] = dict(module.__dict__)
    for name, value in members.items():
        if name.startswith("test") and inspect.isfunction(value) and bare(value):
            yield f"{path}::{name}", value
        elif name.startswith("Test") and isinstance(value, type):
            yield from methods_in(value, path)


def methods_in(kind: Any, path: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield name and work of each test in a bare test class."""
    if not issubclass(kind, unittest.TestCase):
        members: dict[str, Any] = dict(kind.__dict__)
        for method in members:
            if method.startswith("test"):
                yield f"{path}::{kind.__name__}::{method}", method_work(kind, method)


def attempt(work: Callable[[], Any], root: str) -> dict[str, Any] | None:
    """Do it; return the failure, if any."""
    try:
        work()
    except unittest.SkipTest:
        return None
    except SystemExit as error:
        if error.code in (None, 0):
            return None
        return describe(root, error, error.__traceback__)
    except BaseException as error:
        return describe(root, error, error.__traceback__)
    return None


def run_script(root: str, path: str) -> None:
    """Run a file as a program."""
    full = Path(root, path)
    sys.path.insert(0, str(full.parent))
    sys.argv = [str(full)]
    runpy.run_path(str(full), run_name="__main__")


def run_plain(plan: dict[str, Any], ids: list[str] | None, skip: list[str], recorder: Any) -> None:
    """Run these tests (None: all tests of the plan's plain files)."""
    root = plan["root"]
    for path, style in plan["plain"].items():
        if recorder.stopped:
            return
        if ids is not None and not any(one.split("::")[0] == path for one in ids):
            continue
        whole = ids is None or path in ids
        if style == "script":
            if path not in skip:
                one_test(path, lambda path=path: run_script(root, path), root, recorder)
            continue
        found = import_tests(plan, path, style, recorder)
        wanted = [
            (name, work)
            for name, work in found
            if (whole or name in (ids or [])) and name not in skip
        ]
        for name, work in sorted(
            wanted, key=lambda pair: ids.index(pair[0]) if ids and not whole else 0
        ):
            if not recorder.stopped:
                one_test(name, work, root, recorder)


def import_tests(plan: dict[str, Any], path: str, style: str, recorder: Any) -> list[Any]:
    """Import one test file, watched like a test, and return what it holds."""
    root = plan["root"]
    found: list[Any] = []

    def work() -> None:
        module = importlib.import_module(module_name(root, path))
        found.extend(tests_in(module, path, style == "doctest"))

    recorder.begin(path)
    failure = attempt(work, root)
    recorder.end(path, "import" if failure is None else "failed", failure)
    return found


def one_test(name: str, work: Callable[[], Any], root: str, recorder: Any) -> None:
    """Run and record one test."""
    recorder.begin(name)
    failure = attempt(work, root)
    recorder.end(name, "passed" if failure is None else "failed", failure)
