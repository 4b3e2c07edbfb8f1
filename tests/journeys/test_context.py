"""Long sessions in a small window, through the command line: the goal survives, and a person sees what happens."""

import json
import re
from itertools import pairwise
from pathlib import Path

from hob.core.compaction import ASK
from hob.models.scripted import ScriptedCall, Turn, serve
from journeys.face import Shell

GOAL = "Count the planets in every log file and never delete one."
SUMMARY = "The goal is to count planets; logs 1 to n are done."
OUTPUT = "seq -f 'planet %g of the long list in this log file' {0} {1} | head -c 4096"


class Script:
    """A model that runs a command a step and sums up when it is asked to."""

    def __init__(self, steps: int) -> None:
        self.steps, self.n, self.summaries, self.server = steps, 0, 0, None

    def __call__(self, _: int) -> Turn:
        if ASK[:40] in self.server.requests[-1].body.decode():
            self.summaries += 1
            return Turn(SUMMARY)
        self.n += 1
        if self.n > self.steps:
            return Turn("All are counted.")
        command = OUTPUT.format(self.n * 1000, self.n * 1000 + 200)
        return Turn(f"Log {self.n}.", calls=(ScriptedCall("bash", {"command": command}),))


def test_two_hundred_steps_of_four_kilobytes_in_sixteen_thousand_tokens(tmp_path: Path):
    script = Script(200)
    with serve(script) as server:
        script.server = server
        shell = Shell(tmp_path)
        shell.environment["HOB_CHECKPOINTS"] = "off"
        done = shell.run(
            server.base_url,
            GOAL,
            *("--yolo", "--context-tokens", "16384"),
            *("--max-steps", "300", "--output-format", "stream-json"),
        )
        bodies = [request.body for request in server.requests]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    result = lines[-1]
    assert (done.returncode, result["outcome"]) == (0, "done")
    assert result["usage"]["steps"] == 201
    kinds = [x["event"]["kind"] for x in lines if x["type"] == "event"]
    places = [n for n, kind in enumerate(kinds) if kind == "compacted"]
    between = [kinds[a:b].count("step_finished") for a, b in pairwise(places)]
    assert script.summaries == len(places)
    assert all(steps >= 5 for steps in between)
    assert len(places) <= 200 // 5
    # What the model reads at the end: the goal in its own words, the summary, nothing twice.
    messages = json.loads(bodies[-1])["messages"]
    assert [m["role"] for m in messages[:2]] == ["system", "user"]
    assert messages[1]["content"].startswith(GOAL)
    assert messages[1]["content"].count(GOAL) == 1
    assert SUMMARY in messages[1]["content"]
    assert max(len(body) for body in bodies) < 16384 * 4
    # No prompt but the one after a compaction changes what stood before it.
    heads = [json.loads(body)["messages"] for body in bodies]
    rewritten = sum(b[: len(a) - 1] != a[:-1] for a, b in pairwise(heads))
    assert rewritten == len(places)


def test_the_context_of_a_session_and_a_compaction_by_hand(tmp_path: Path):
    script = Script(9)
    with serve(script) as server:
        script.server = server
        shell = Shell(tmp_path)
        hob, at = shell.hob, ("--base-url", server.base_url, "-m", "scripted", "--yolo")
        first = hob("run", GOAL, *at, "--context-tokens", "32768")
        assert first.returncode == 0, first.stderr
        assert re.search(r"tokens in \([\d,]+ reused\), .* window \d+% of 32,768", first.stderr)
        before = hob("context", "--json")
        shown = hob("context")
        compacted = hob("run", "-c", "/compact the planets", *at)
        again = hob("run", "-c", "/compact", *at)
        after = hob("context", "--json")
        fresh = hob("run", "/compact", *at)
    assert "Context compacted from" in compacted.stderr
    assert compacted.returncode == 0
    assert (again.returncode, fresh.returncode) == (42, 42)
    assert "There is nothing to compact" in again.stderr
    assert "A new session has nothing to compact" in fresh.stderr
    filled, emptied = json.loads(before.stdout), json.loads(after.stdout)
    assert emptied["tokens"] < 0.6 * filled["tokens"]
    assert filled["window_tokens"] == 32768
    assert [one["name"] for one in filled["sources"]][:3] == [
        "system message",
        "tools",
        "results of bash",
    ]
    assert [one["kind"] for one in emptied["steps"]] == ["step"] * 10 + ["compaction"]
    assert "results of bash" in shown.stdout
    assert "It will be compacted at 26,214 tokens (80%)." in shown.stdout


def test_marks_that_make_no_sense_are_refused(tmp_path: Path):
    shell = Shell(tmp_path)
    shell.environment["HOB_COMPACT_AT"] = "0.3"
    done = shell.hob("run", "x")
    assert done.returncode == 52
    assert "HOB_COMPACT_AT is 0.3 and HOB_COMPACT_TO is 0.4" in done.stderr
