"""The bare floor of the bench stays what it claims to be: short, and able to do the work."""

import json
import subprocess
import sys
from pathlib import Path

from hob.models.scripted import ScriptedCall, Turn, serve

FLOOR = Path(__file__).parents[2] / "bench" / "floor.py"


def test_the_floor_has_sixty_lines_at_most():
    assert len(FLOOR.read_text(encoding="utf-8").splitlines()) <= 60


def test_the_floor_does_what_the_model_says(tmp_path: Path):
    (tmp_path / "a.py").write_text("one = 1\ntwo = 2\n", encoding="utf-8")
    steps = [
        ("bash", {"command": "echo hello; exit 3"}, "exit code 3\nhello\n"),
        ("read_file", {"path": "a.py", "start_line": 2, "end_line": 2}, "2\ttwo = 2"),
        ("edit_file", {"path": "a.py", "search": "one = 1", "replace": "one = 7"}, "Edited a.py."),
        ("grep", {"pattern": "= [0-9]", "path": "."}, "a.py:1:one = 7\na.py:2:two = 2\n"),
    ]
    turns = [Turn(calls=(ScriptedCall(name, given),)) for name, given, _ in steps]
    with serve([*turns, Turn(text="All done.")]) as server:
        command = [sys.executable, str(FLOOR), server.base_url, "the task"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
        )
    assert done.stdout == "All done."
    messages = json.loads(server.requests[-1].body)["messages"]
    results = [message["content"] for message in messages if message["role"] == "tool"]
    assert results == [result for _, _, result in steps]
