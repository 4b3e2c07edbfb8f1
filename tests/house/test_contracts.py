"""The import contracts hold for the house as it is, and fail for every kind of planted import."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FLOORS = "Floors: imports only point down"
LOOP = "The loop knows core and nothing else"
PURE = "Core is pure: no I/O, no clock, no randomness"
NEVER = "Never imported anywhere: too slow, too broad or the wrong licence"


def lint(tmp_path: Path, planted: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run lint-imports on a copy of the package with the `planted` files written into it."""
    copy = tmp_path / "src" / "hob"
    shutil.copytree(ROOT / "src" / "hob", copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, source in planted.items():
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in path.relative_to(copy).parents:
            (copy / folder / "__init__.py").touch()
        path.write_text(source, encoding="utf-8")
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=tmp_path,
        # In front of the installed package, so that the copy is what is looked at.
        env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def test_the_house_keeps_its_contracts(tmp_path: Path) -> None:
    done = lint(tmp_path, {})
    assert done.returncode == 0, done.stdout


def test_each_heavy_library_is_welcome_in_its_home(tmp_path: Path) -> None:
    homes = {
        "acp/planted.py": "import acp\n",
        "backlog/planted.py": "import dbos\n",
        "engine/planted.py": "import llama_cpp\n",
        "learn/planted.py": "import dspy\nimport gepa\n",
        "mcp_server/planted.py": "from mcp import server\n",
        "models/planted.py": "import httpx2\n",
        "recall/planted.py": "import qdrant_client\n",
        "stores/planted.py": "import sqlite3\n",
        "tools/mcp/planted.py": "import mcp\n",
        "web/planted.py": "import fastapi\nimport starlette\nimport uvicorn\n",
    }
    done = lint(tmp_path, homes)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("contract", "planted"),
    [
        pytest.param(
            FLOORS,
            {"core/planted.py": "from hob.loop import target\n", "loop/target.py": ""},
            id="core-looks-up-to-loop",
        ),
        pytest.param(
            FLOORS,
            {
                "core/planted.py": (
                    "from typing import TYPE_CHECKING\n"
                    "if TYPE_CHECKING:\n    from hob.sessions import target\n"
                ),
                "sessions/target.py": "",
            },
            id="a-type-checking-import-is-an-import",
        ),
        pytest.param(
            FLOORS,
            {"tools/planted.py": "import hob.guard.target\n", "guard/target.py": ""},
            id="siblings-on-a-middle-floor",
        ),
        pytest.param(
            FLOORS,
            {"editing/planted.py": "import hob.core.target\n", "core/target.py": ""},
            id="siblings-on-the-ground-floor",
        ),
        pytest.param(
            FLOORS,
            {"cli/planted.py": "import hob.web.target\n", "web/target.py": ""},
            id="a-face-knows-another-face",
        ),
        pytest.param(FLOORS, {"attic/planted.py": ""}, id="a-folder-on-no-floor"),
        pytest.param(FLOORS, {"attic.py": ""}, id="a-file-on-no-floor"),
        pytest.param(
            LOOP,
            {"loop/planted.py": "import hob.editing.target\n", "editing/target.py": ""},
            id="the-loop-knows-more-than-core",
        ),
        pytest.param(PURE, {"core/planted.py": "import time\n"}, id="core-reads-a-clock"),
        pytest.param(PURE, {"core/planted.py": "import asyncio\n"}, id="core-does-io"),
        pytest.param(
            "httpx2 and h11 live in models",
            {"tools/planted.py": "import httpx2\n"},
            id="httpx2-elsewhere",
        ),
        pytest.param(
            "sqlite3 lives in stores",
            {"sessions/planted.py": "import sqlite3\n"},
            id="sqlite3-elsewhere",
        ),
        pytest.param(
            "The MCP library lives in tools.mcp and mcp_server",
            {"tools/planted.py": "import mcp\n"},
            id="mcp-elsewhere-in-tools",
        ),
        pytest.param(
            "The optimisers live in learn",
            {"backlog/planted.py": "import dspy\n"},
            id="dspy-elsewhere",
        ),
        pytest.param(NEVER, {"learn/planted.py": "import litellm\n"}, id="litellm-anywhere"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    contract: str, planted: dict[str, str], tmp_path: Path
) -> None:
    done = lint(tmp_path, planted)
    assert done.returncode == 1, done.stdout
    assert f"{contract} BROKEN" in done.stdout
