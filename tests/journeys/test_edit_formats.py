"""Models that speak only prose and blocks repair a file with the real `hob run`, one journey for each format."""

import json
from itertools import pairwise

import pytest

from hob.models.protocol_text import EDIT_NOW
from hob.models.scripted import ScriptedCall, Turn, serve
from journeys.face import Shell

BROKEN = "def add(a, b):\n    return a - b\n"
MENDED = "def add(a, b):\n    return a + b\n"
CHECK = "python3 -c 'from calc import add; assert add(2, 3) == 5; print(\"five\")'"

BLOCK = "<<<<<<< SEARCH\n    return a - b\n=======\n    return a + b\n>>>>>>> REPLACE\n"
EDITS = {
    "diff": f"calc.py\n```python\n{BLOCK}```\n",
    "diff-fenced": f"```python\ncalc.py\n{BLOCK}```\n",
    "whole": f"calc.py\n```python\n{MENDED}```\n",
    "udiff": "```diff\n--- a/calc.py\n+++ b/calc.py\n@@ ... @@\n def add(a, b):\n"
    "-    return a - b\n+    return a + b\n```\n",
}
READ = '```tool\n{"name": "read_file", "arguments": {"path": "calc.py"}}\n```\n'


@pytest.fixture
def shell(tmp_path):
    shell = Shell(tmp_path)
    (shell.workspace / "calc.py").write_text(BROKEN, encoding="utf-8")
    return shell


def messages(request) -> list[dict[str, str]]:
    return json.loads(request.body)["messages"]


@pytest.mark.parametrize("edit_format", EDITS)
def test_prose_and_blocks_repair_a_file(shell, edit_format):
    edit = EDITS[edit_format]
    script = [
        Turn(text=f"I read it first.\n\n{READ}"),
        Turn(text=f"<think>\nNot so:\n```bash\ntouch thought\n```\n</think>\nMinus has to be plus.\n\n{edit}\n"
             f"Now I check it:\n\n```bash\n{CHECK}\n```\n"),
        Turn(text="`add` subtracted; now it adds, and the check prints five."),
    ]  # fmt: skip
    with serve(script) as server:
        code, result = shell.result(
            server.base_url, "mend add", "--yolo", "--edit-format", edit_format
        )
        more = shell.run(
            server.base_url, "thanks", "--yolo", "--continue", "--edit-format", edit_format
        )
        requests = server.requests
    assert (code, result["outcome"]) == (0, "done"), result
    assert more.returncode == 0, more.stderr
    assert (shell.workspace / "calc.py").read_text(encoding="utf-8") == MENDED
    assert sorted(path.name for path in shell.workspace.iterdir() if path.suffix != "") == [
        "calc.py"
    ]
    assert not (shell.workspace / "thought").exists()
    assert all(b'"tools"' not in request.body for request in requests)
    for earlier, later in pairwise(requests):
        assert later.body.startswith(earlier.body[:-2]), "an earlier byte of the prompt changed"
    last = messages(requests[2])
    assert [one["role"] for one in last] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert last[4]["content"] == script[1].text
    assert last[5]["content"].startswith("[result of apply_edits]\n")
    assert last[5]["content"].endswith("[result of bash]\nexit code 0\nstdout:\nfive")


def test_a_refused_reply_costs_one_turn_and_changes_nothing(shell):
    wrong = EDITS["diff"].replace("    return a - b", "    return a * b * c")
    new = "new.py\n<<<<<<< SEARCH\n=======\nn = 1\n>>>>>>> REPLACE\n"
    seen: list[bool] = []

    def script(answers: int) -> Turn:
        seen.append((shell.workspace / "new.py").exists())
        return (Turn(text=new + wrong), Turn(text=EDITS["diff"]), Turn(text="Done."))[answers]

    with serve(script) as server:
        code, result = shell.result(server.base_url, "mend", "--edit-format", "diff")
        said = messages(server.requests[1])[-1]["content"]
    assert (code, result["outcome"]) == (0, "done")
    assert said.startswith(
        "[result of apply_edits, failed]\nNothing was changed. 1 of 2 edits do not apply"
    )
    assert "'calc.py', line 6 of the reply" in said
    assert seen == [False, False, False]
    assert (shell.workspace / "calc.py").read_text(encoding="utf-8") == MENDED


def test_a_cut_reply_runs_nothing(shell):
    cut = "```bash\ntouch ran\n```\n" + EDITS["diff"][:50]
    script = [Turn(text=cut, finish_reason="length"), Turn(text="I give up.")]
    with serve(script) as server:
        shell.result(server.base_url, "mend", "--yolo", "--edit-format", "diff")
    assert not (shell.workspace / "ran").exists()
    assert (shell.workspace / "calc.py").read_text(encoding="utf-8") == BROKEN


def test_the_architect_plans_and_the_editor_edits(shell):
    read = ScriptedCall("read_file", {"path": "calc.py"})
    check = ScriptedCall("bash", {"command": CHECK})
    plan = "Minus has to be plus.\n\n```plan\nIn calc.py, `add` has to return a + b.\n```\n"
    turns = iter(
        [
            Turn(calls=(read,)), Turn(text=plan), Turn(text=EDITS["diff"]),
            Turn(calls=(check,)), Turn(text="It adds."),
        ]
    )  # fmt: skip
    with serve(lambda _: next(turns)) as server:
        done = shell.hob(
            "run", "mend add", "--base-url", server.base_url, "--model", "big", "--yolo",
            "--edit-format", "architect", "--editor-model", "small",
        )  # fmt: skip
        bodies = [json.loads(request.body) for request in server.requests]
        sent = [request.body for request in server.requests]
    assert done.returncode == 0, done.stderr
    assert (shell.workspace / "calc.py").read_text(encoding="utf-8") == MENDED
    assert "The plan of 'big' goes to the editor 'small'." in done.stderr
    assert [body["model"] for body in bodies] == ["big", "big", "small", "big", "big"]
    planner = [body for index, body in enumerate(sent) if index != 2]
    for earlier, later in pairwise(planner):
        assert later.startswith(earlier[:-2]), "an earlier byte of the planner's prompt changed"
    names = [tool["function"]["name"] for tool in bodies[0]["tools"]]
    assert "edit_file" not in names
    assert "write_file" not in names
    assert "tools" not in bodies[2]
    assert (
        "return a - b" in bodies[2]["messages"][-3]["content"]
    )  # the editor has seen what was read
    assert [one["content"] for one in bodies[2]["messages"][-2:]] == [plan, EDIT_NOW]
    assert bodies[3]["messages"][-2]["content"] == plan
    assert bodies[3]["messages"][-1]["content"].startswith("Edited 'calc.py', line 2.")
    assert bodies[4]["messages"][-1]["content"].endswith("five")
