"""A small real repository with one fault in it, made to be repaired by an ordinary run."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp

from hob.core.errors import CommandRefused

TASK = "A test fails. Find the fault, fix it and make the tests pass."
_FILES = ("intervals.py", "test_intervals.py")
_GIT = (
    "git",
    "-c",
    "user.name=Hob demo",
    "-c",
    "user.email=demo@example.invalid",
    "-c",
    "core.hooksPath=/dev/null",
)


def make_repository(wanted: str | None) -> str:
    """Return the folder of a fresh repository with a failing test. Raises `CommandRefused`."""
    folder = Path(wanted).absolute() if wanted else Path(mkdtemp(prefix="hob-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise CommandRefused(f"{str(folder)!r} is not empty: name a new folder with --keep.")
    for name in _FILES:
        text = files("hob.cli").joinpath(f"specimen/{name}.txt").read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8")
    (folder / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    for step in (
        ("init", "-q"),
        ("add", "."),
        ("commit", "-q", "-m", "Intervals, with a fault in them"),
    ):
        subprocess.run([*_GIT, *step], cwd=folder, check=True)
    print(f"A repository with a failing test stands in {folder}.", file=sys.stderr)
    print(f"$ hob run --yolo -C {folder} {TASK!r}\n", file=sys.stderr)
    return str(folder.resolve())


def show_result(folder: str, code: int) -> int:
    """Show what changed and whether the tests pass now; return the run's exit code, or 10 if they do not."""
    print("\n$ git diff", file=sys.stderr, flush=True)
    subprocess.run([*_GIT, "--no-pager", "diff", "--no-ext-diff"], cwd=folder, check=False)
    print("\n$ python -m unittest", file=sys.stderr, flush=True)
    tests = subprocess.run([sys.executable, "-B", "-m", "unittest"], cwd=folder, check=False)
    print(f'\nGo on with it: {sys.argv[0]} run -C {folder} --continue "…"', file=sys.stderr)
    return code or (10 if tests.returncode else 0)
