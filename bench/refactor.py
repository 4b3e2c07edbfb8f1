"""A rename over 50 files: Hob's tool beside rope's own `project.do`. `python bench/refactor.py [ROUNDS]`."""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hob.core.ports import Sandbox
from hob.sandboxes.local import LocalSandbox
from hob.tools.refactor.plans import Refactorings
from hob.tools.refactor.tool import refactor
from hob.tools.seen import Seen
from hob.tools.tool import bind

WISH = {"action": "rename", "path": "pkg/core.py", "symbol": "compute", "to": "calculate"}
ROPE = """
from rope.base.project import Project
from rope.refactor.rename import Rename
project = Project({root!r}, ropefolder=None, save_history=False, save_objectdb=False, automatic_soa=False,
                  ignore_syntax_errors=True)
core = project.get_resource("pkg/core.py")
project.do(Rename(project, core, core.read().index("compute")).get_changes("calculate"))
"""


def make(root: Path) -> None:
    (root / "pkg").mkdir()
    (root / "pkg/__init__.py").write_text("")
    (root / "pkg/core.py").write_text("def compute(a, b):\n    return a + b\n")
    body = "".join(
        f"def f{n}(v):\n    total = v + {n}\n    for one in range(3):\n"
        f"        total += core.compute(one, {n})\n    return total + compute({n}, v)\n\n\n"
        for n in range(17)
    )
    for n in range(49):
        text = f"from pkg import core\nfrom pkg.core import compute\n\n\n{body}VALUE = f0({n})\n"
        (root / f"pkg/user{n:02}.py").write_text(text)


def cpu_s() -> float:
    own, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def changed(root: Path) -> int:
    return sum(b"calculate" in path.read_bytes() for path in root.rglob("*.py"))


def with_hob(root: Path) -> tuple[float, float, float, float]:
    """Return wall and CPU of the first rename of a session, wall of renaming back, and of a preview."""
    sandbox = LocalSandbox(str(root), {"PATH": os.environ["PATH"]})
    refactorings = Refactorings()
    tool = bind(refactor, {Sandbox: sandbox, Refactorings: refactorings, Seen: Seen()})

    def call(**more: object) -> float:
        began = time.perf_counter()
        result = asyncio.run(tool.run({**WISH, "apply": True, **more}, lambda stream, text: None))
        assert not result.is_error, result.content
        return time.perf_counter() - began

    before = cpu_s()
    first = call()
    refactorings.close()  # or its time is in no figure
    cpu = cpu_s() - before
    assert changed(root) == 50
    call(apply=False, symbol="calculate", to="compute")
    back = call(symbol="calculate", to="compute")
    call(apply=False)
    preview = call(apply=False)
    refactorings.close()
    asyncio.run(sandbox.close())
    return first, cpu, back, preview


def with_rope(root: Path) -> tuple[float, float]:
    began, before = time.perf_counter(), cpu_s()
    subprocess.run([sys.executable, "-c", ROPE.format(root=str(root))], check=True)
    assert changed(root) == 50
    return time.perf_counter() - began, cpu_s() - before


def main(rounds: int) -> None:
    hob: list[tuple[float, ...]] = []
    rope: list[tuple[float, ...]] = []
    for _ in range(rounds):
        for measure, found in ((with_hob, hob), (with_rope, rope)):
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder))
                found.append(measure(Path(folder)))
    first, cpu, back, preview = (statistics.median(column) for column in zip(*hob, strict=True))
    rope_wall, rope_cpu = (statistics.median(column) for column in zip(*rope, strict=True))
    print(f"Hob, first rename, 50 files, worker started: {first:.2f} s (target 2), CPU {cpu:.2f} s")
    print(f"Hob, the next one, files known: {back:.2f} s; only a preview: {preview:.2f} s")
    print(f"rope alone, process started, project.do: {rope_wall:.2f} s, CPU {rope_cpu:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
