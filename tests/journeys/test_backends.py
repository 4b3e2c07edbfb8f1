"""`hob run` with its commands elsewhere: a SWE-ReX server's double, a double of docker."""

import json
from pathlib import Path

import pytest

from contracts import docker_double
from contracts.swerex_double import Double
from hob.models.scripted import ScriptedCall, Turn, serve
from journeys.face import Shell

EDIT = ScriptedCall("edit_file", {"path": "a.py", "search": "x = 1", "replace": "x = 2"})
WORK = [
    Turn(calls=(ScriptedCall("bash", {"command": "pwd; echo $AGENT_SESSION_ID > mark"}),)),
    Turn(calls=(EDIT,)),
    Turn(calls=(ScriptedCall("bash", {"command": "grep -c 'x = 2' a.py"}),)),
    Turn(text="Done."),
]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.environment["OPENAI_API_KEY"] = "secret"
    return shell


def outputs(shell: Shell, base_url: str, *flags: str) -> list[str]:
    done = shell.run(base_url, "go", "--yolo", "--output-format", "stream-json", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line).get("event", {}) for line in done.stdout.splitlines()]
    results = [one["result"] for one in events if one.get("kind") == "tool_finished"]
    assert not any(one["is_error"] for one in results), results
    return [one["details"]["stdout"] for one in results if one["details"]["exit_code"] is not None]


def test_a_task_is_done_on_another_machine(shell: Shell, tmp_path: Path):
    far = tmp_path / "far"
    far.mkdir()
    (far / "a.py").write_text("x = 1\n")
    double = Double("sesame", dict(shell.environment))
    shell.environment |= {"HOB_REMOTE_URL": double.url, "HOB_REMOTE_KEY": "sesame"}
    try:
        with serve(WORK) as server:
            said = outputs(shell, server.base_url, "--sandbox", "remote", "-C", str(far))
    finally:
        double.close()
    assert said == [f"{far}\n", "1\n"]
    assert (far / "a.py").read_text() == "x = 2\n"
    assert (far / "mark").exists()
    assert list(shell.workspace.iterdir()) == []
    assert not any("secret" in json.dumps(body) for _, body in double.requests)
    done = shell.hob("run", "--sandbox", "remote", "--base-url", "http://127.0.0.1:9/v1", "go")
    assert "A remote sandbox needs its folder's absolute path over there: give -C." in done.stderr


def test_a_task_is_done_in_a_container_that_is_gone_afterwards(shell: Shell, tmp_path: Path):
    (shell.workspace / "a.py").write_text("x = 1\n")
    engine = docker_double.install(tmp_path / "engine")
    shell.environment["PATH"] = f"{engine}:{shell.environment['PATH']}"
    shell.environment |= {"HOB_SANDBOX": "docker", "HOB_DOCKER_IMAGE": "toolbox"}
    with serve(WORK) as server:
        assert outputs(shell, server.base_url) == [f"{shell.workspace}\n", "1\n"]
    assert (shell.workspace / "a.py").read_text() == "x = 2\n"
    assert json.loads((engine / "containers.json").read_text()) == {}
    calls = [json.loads(line)[0] for line in (engine / "calls.jsonl").read_text().splitlines()]
    assert calls == ["ps", "run", "exec", "exec", "exec", "rm"]
