"""The demo as a newcomer sees it, also on a machine without any network."""

import shutil
import subprocess

import pytest

from journeys.face import HOB, Shell


def test_the_demo_ends_with_green_tests_and_a_session_to_resume(tmp_path):
    shell = Shell(tmp_path)
    target = tmp_path / "demo"
    done = shell.hob("demo", "--model", "offline", "--keep", str(target))
    assert done.returncode == 0, done.stderr
    assert "start <= merged" in (target / "intervals.py").read_text(encoding="utf-8")
    tests = subprocess.run(
        [HOB[0], "-B", "-m", "unittest"], cwd=target, capture_output=True, check=False
    )
    assert tests.returncode == 0
    status = subprocess.run(
        ["git", "status", "--short"], cwd=target, capture_output=True, text=True, check=True
    )
    assert status.stdout == " M intervals.py\n", "nothing but the fault was touched"
    resumed = shell.hob(
        "run",
        "-C",
        str(target),
        "--continue",
        "--yolo",
        "--model",
        "offline",
        "fix the failing tests",
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "pass" in resumed.stdout
    again = shell.hob("demo", "--keep", str(target))
    assert again.returncode == 42
    assert "not empty" in again.stderr


def test_a_whole_task_in_a_network_namespace_without_routes(tmp_path):
    alone = ["unshare", "--net", "--map-root-user"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no right to make a network namespace here (docs/limits.md)")
    shell = Shell(tmp_path)
    done = subprocess.run(
        [*alone, *HOB, "demo", "--keep", str(tmp_path / "demo")],
        cwd=shell.workspace,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Using the built-in offline repairer" in done.stderr
