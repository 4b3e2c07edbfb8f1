"""The process is killed for real, at any moment: nothing acknowledged is lost, nothing runs twice."""

import json
import random
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hob.core.codec import open_entry
from hob.core.session import fold
from hob.models.scripted import ScriptedCall, Turn, serve
from hob.stores.jsonl import import_lines
from journeys.face import Shell
from loop.house import assert_valid

STEPS = 16


def turn(answers: int) -> Turn:
    """Answer n asks for call n: commands that leave a trace, edits, reads side by side."""
    if answers >= STEPS:
        return Turn(text="All done.")
    match answers % 4:
        case 0:
            calls = [ScriptedCall("bash", {"command": f"echo {answers} >> ran.txt; sleep 0.02"})]
        case 1:
            calls = [
                ScriptedCall("read_file", {"path": "numbers.txt"}),
                ScriptedCall("list_dir", {}),
            ]
        case 2:
            edit = {
                "path": "numbers.txt",
                "search": f"line {answers};",
                "replace": f"line {answers}; edited",
            }
            calls = [ScriptedCall("edit_file", edit)]
        case _:
            calls = [
                ScriptedCall("bash", {"command": f"echo {answers}a >> ran.txt"}),
                ScriptedCall("bash", {"command": f"echo {answers}b >> ran.txt"}),
            ]
    return Turn(text=f"Step {answers}.", calls=tuple(calls))


class Victim:
    """One session, killed and resumed until it is done."""

    def __init__(self, folder: Path, base_url: str, dice: random.Random) -> None:
        self.shell, self.dice = Shell(folder), dice
        lines = "".join(f"line {n};\n" for n in range(STEPS))
        (self.shell.workspace / "numbers.txt").write_text(lines, encoding="utf-8")
        self.options = [
            "run",
            "--base-url",
            base_url,
            "--model",
            "scripted",
            "--yolo",
            "--output-format",
            "stream-json",
        ]
        self.session_id = ""
        self.heard: dict[int, Any] = {}
        self.kills = 0

    def live(self, *, kill: bool) -> bool:
        """Run once, killed after a random time or not; tell whether it came to its end."""
        task = ["--resume", self.session_id] if self.session_id else ["Do all steps."]
        process = self.shell.start(*self.options, *task, stderr=subprocess.STDOUT)
        if kill:
            time.sleep(self.dice.uniform(0.05, 0.9))
            process.kill()
        output, _ = process.communicate(timeout=120)
        self.kills += process.returncode == -9
        for line in output.splitlines():
            self._hear(line)
        # Killed between the last event and the exit: there is nothing left to resume.
        return process.returncode == 0 or "There is no task" in output

    def _hear(self, line: str) -> None:
        try:
            item = json.loads(line)
        except ValueError:
            return  # the last line may be cut
        if item.get("type") != "event":
            return
        self.heard[item["seq"]] = item["event"]
        if item["event"]["kind"] == "session_started":
            self.session_id = item["event"]["session_id"]

    def check(self) -> None:
        """Hold what was heard and done against what is stored."""
        stored = self.shell.export(self.session_id)
        assert [line["seq"] for line in stored] == list(range(1, len(stored) + 1))
        by_seq = {line["seq"]: line["event"] for line in stored}
        lost = {seq for seq, event in self.heard.items() if by_seq.get(seq) != event}
        assert not lost, f"acknowledged events lost or changed: {lost}"
        lines = [json.dumps(line).encode() for line in stored]
        session = fold(map(open_entry, import_lines(lines)))
        assert session.outcome == "done"
        assert_valid(session.messages)
        ran = self.shell.workspace / "ran.txt"
        traces = Counter(ran.read_text(encoding="utf-8").split()) if ran.exists() else Counter()
        assert not [name for name, times in traces.items() if times > 1], "a command ran twice"
        text = (self.shell.workspace / "numbers.txt").read_text(encoding="utf-8")
        assert text.count("edited edited") == 0
        assert len(text.splitlines()) == STEPS, "a file was torn"


def rounds(folder: Path, kills: int, seed: int) -> int:
    dice = random.Random(seed)
    done = number = 0
    with serve(turn) as server:
        while done < kills:
            number += 1
            victim = Victim(folder / str(number), server.base_url, dice)
            while victim.kills < min(8, kills - done) and not victim.live(kill=True):
                pass
            assert victim.live(kill=False) or victim.live(kill=False), "it does not come to its end"
            victim.check()
            done += victim.kills
    return done


def test_kill_minus_nine_short(tmp_path):
    assert rounds(tmp_path, 12, seed=1) >= 12


@pytest.mark.slow
def test_kill_minus_nine_two_hundred_times(tmp_path):
    assert rounds(tmp_path, 200, seed=2) >= 200
