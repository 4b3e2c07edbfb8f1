"""The shape of the house: sizes, names, docstrings, start-up, and what no file may say."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import typing
from pathlib import Path

import pytest

from house import rooms

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "hob"

# Written in two halves, because this file is searched as well.
REGISTRY_HOSTS = [
    first + last
    for first, last in [
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("pypi.", "python.org"),
        ("registry.", "npmjs"),
        ("registry.", "yarnpkg"),
        ("crates", ".io"),
        ("proxy.", "golang.org"),
        ("conda.", "anaconda.org"),
    ]
]

# Each of these costs more than `hob --help` may cost altogether, or leads to one that does.
NOT_FOR_HELP = ["acp", "asyncio", "dspy", "fastapi", "httpx2", "mcp", "msgspec", "sqlite3"]


@pytest.mark.parametrize(
    "check",
    [rooms.oversized, rooms.undocumented, rooms.misnamed, rooms.printing, rooms.lazy_imports],
)
def test_the_house_keeps_its_shape(check: typing.Callable[[Path], list[str]]) -> None:
    assert check(PACKAGE) == []


def test_every_waiver_names_something_that_exists() -> None:
    paths = {key.partition(":")[0] for key in rooms.WAIVERS}
    assert {path for path in paths if not (PACKAGE / path).exists()} == set()


LONG_FUNCTION = "def endless() -> None:\n" + "    pass\n" * rooms.FUNCTION_LINES
LONG_CLASS = "class Endless:\n" + "    x = 1\n" * rooms.CLASS_LINES
WIDE_CLASS = "class Wide:\n" + "".join(
    f"    def m{i}(self) -> None: ...\n" for i in range(rooms.CLASS_METHODS + 1)
)


@pytest.mark.parametrize(
    ("check", "path", "source"),
    [
        (rooms.oversized, "core/planted.py", "x = 1\n" * 500),
        (rooms.oversized, "core/planted.py", LONG_FUNCTION),
        (rooms.oversized, "core/planted.py", LONG_CLASS),
        (rooms.oversized, "core/planted.py", WIDE_CLASS),
        (rooms.undocumented, "core/planted.py", "x = 1\n"),
        (rooms.undocumented, "core/planted.py", '"""A room."""\n\ndef f(): ...\n'),
        (rooms.undocumented, "core/planted.py", '"""A room."""\n\nclass C: ...\n'),
        (rooms.misnamed, "core/utils.py", '"""A drawer for everything."""\n'),
        (rooms.printing, "core/planted.py", 'print("got here")\n'),
        (rooms.lazy_imports, "core/planted.py", "def f():\n    import json\n"),
    ],
)
def test_a_planted_fault_is_found(
    check: typing.Callable[[Path], list[str]], path: str, source: str, tmp_path: Path
) -> None:
    copy = tmp_path / "hob"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    target = copy / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source, encoding="utf-8")
    assert [finding for finding in check(copy) if finding.startswith(path)]


def test_the_loop_stays_under_a_hundred_lines() -> None:
    assert (PACKAGE / "loop" / "loop.py").read_text(encoding="utf-8").count("\n") < 100


def test_events_are_a_closed_union_of_at_most_24_kinds() -> None:
    from hob.core.events import Event  # noqa: PLC0415  (the rest of this file runs without it)

    assert 0 < len(typing.get_args(Event)) <= 24


def test_importing_hob_does_no_work() -> None:
    assert rooms.imported_names(PACKAGE / "__init__.py") == set()


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    init = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{project["version"]}"' in init
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from hob.main import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print('LOADED', sorted(set({NOT_FOR_HELP!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.splitlines()[-1:], done.stderr) == (0, ["LOADED []"], "")


def test_no_file_names_a_package_registry() -> None:
    found = [
        (path.relative_to(ROOT).as_posix(), host)
        for path in _project_files()
        for host in REGISTRY_HOSTS
        if host.encode() in path.read_bytes()
    ]
    assert found == []


def test_no_test_replaces_code_behind_its_back() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): bad
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (bad := {name for name in rooms.imported_names(path) if "unittest.mock" in name})
    }
    assert found == {}


@pytest.mark.parametrize("name", ["core", "dev", "bench", "bench-edits"])
def test_every_locked_package_has_hashes(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = [block for block in text.replace("\\\n", " ").splitlines() if "==" in block]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_core_lock_covers_the_core_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = (ROOT / "requirements" / "core.txt").read_text(encoding="utf-8")
    names = [_distribution(requirement) for requirement in project["dependencies"]]
    assert [name for name in names if f"\n{name}==" not in locked] == []


def test_agents_md_fits_on_two_pages() -> None:
    assert len((ROOT / "AGENTS.md").read_text(encoding="utf-8").splitlines()) <= 100


def _distribution(requirement: str) -> str:
    return requirement.translate({ord(sign): " " for sign in "<>=~![;"}).split()[0]


def _project_files() -> list[Path]:
    """List what git would keep; without a checkout, everything outside the environments."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(part.startswith(".venv") or part == ".git" for part in path.parts)
    ]
