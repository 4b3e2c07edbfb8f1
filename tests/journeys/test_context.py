"""Long sessions in a small window, through the command line: the goal survives, and a person sees what happens."""

import json
import re
from itertools import pairwise
from pathlib import Path

from hob.core.compaction import ASK
from hob.models.scripted import ScriptedCall, Turn, serve
from journeys.face import Shell
from servers.ollama_double import OllamaDouble, Says
from tiny.engine import engine

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


def test_a_server_that_cuts_in_silence_is_found_out_and_worked_with(tmp_path: Path):
    shell = Shell(tmp_path)
    (shell.workspace / "a.py").write_text("x = 1\n" * 900, encoding="utf-8")
    reads = [Says("I look.", calls=(("read_file", {"path": "a.py"}),)) for _ in range(9)]
    for n, says in enumerate(reads):
        says.calls[0][1]["start_line"] = n + 1
    with OllamaDouble(
        largest_window=8192, always_cuts=True, answers=[*reads, Says("Read.")]
    ) as double:
        done = shell.hob("run", GOAL, "--base-url", double.root, "-m", "qwen3:8b")
        first = shell.hob(
            *("run", GOAL, "--base-url", double.root, "-m", "qwen3:8b"), stdin="many words " * 9000
        )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    cut = next(n for n, line in enumerate(lines) if "cut the prompt without a word" in line)
    assert re.fullmatch(
        r"The server cut the prompt without a word: it read 4,098 of about [\d,]+ tokens, so its answer was thrown"
        r" away\. Raise its context window \(Ollama: num_ctx or OLLAMA_CONTEXT_LENGTH, llama\.cpp: -c, LM Studio:"
        r" the model's context length\)\.",
        lines[cut],
    )
    assert re.fullmatch(
        r"Context compacted from [\d,]+ to [\d,]+ tokens, by rule: the model gave no summary\.",
        lines[cut + 1],
    )
    assert {body["options"]["num_ctx"] for body in double.asked} == {32768}
    assert double.loads == [("qwen3:8b", 8192)]
    assert first.returncode == 1
    assert first.stderr.count("cut the prompt without a word") == 1


def test_a_call_in_the_text_is_carried_out_and_an_unreadable_one_ends_unreached(tmp_path: Path):
    shell = Shell(tmp_path)
    (shell.workspace / "a.py").write_text("x = 1\n", encoding="utf-8")
    call = '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.py"}}\n</tool_call>'
    broken = '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.py", "end_line": }}\n'
    with serve([Turn(text=f"I read it.\n{call}"), Turn(text="It is one line.")]) as server:
        read = shell.run(server.base_url, "What is in a.py?")
        messages = json.loads(server.requests[-1].body)["messages"]
    assert read.returncode == 0
    assert "✓ read_file a.py line 1" in read.stderr
    assert messages[2]["content"].strip() == "I read it."
    assert messages[2]["tool_calls"][0]["function"]["name"] == "read_file"
    with serve([Turn(text=f"I read it.\n{broken}")]) as server:
        unread = shell.run(server.base_url, "What is in a.py?")
        bodies = [json.loads(request.body) for request in server.requests]
    assert unread.returncode == 10
    assert "'scripted' wrote a call that cannot be read." in unread.stderr
    assert "Note from the host" in unread.stderr
    assert [body.get("temperature") for body in bodies] == [None, 0.8, 0.8]
    assert [len(body["messages"]) for body in bodies] == [2, 2, 4]


def test_a_window_too_small_to_work_in_ends_the_run_before_it_begins(tmp_path: Path):
    with engine(n_ctx=4096) as running:
        done = Shell(tmp_path).hob("run", GOAL, "--base-url", running.base_url, "-m", "tiny")
    assert done.returncode == 1
    assert re.fullmatch(
        r"hob: The window of 'tiny' is 4,096 tokens, and the instructions and tools take about 1,\d+ of them: too"
        r" little to work in; start llama-server with `-c 32768`; `-c` is divided among the slots of `--parallel`\.",
        done.stderr.strip(),
    )
