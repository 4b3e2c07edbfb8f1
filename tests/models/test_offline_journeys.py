"""The offline policy at work: real files, real test runs, and what must hold however a turn ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, Message, Reply, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models.offline.model import OfflineModel, next_step
from hob.models.offline.moves import Act

TOOLS = tuple(ToolSpec(name, "", "{}") for name in ("bash", "edit_file", "grep", "read_file"))
NAMES = frozenset(tool.name for tool in TOOLS)
Answer = tuple[str, bool]
Spoil = Callable[[str, dict[str, Any]], Answer | None]


class Workspace:
    """Runs the tool calls of a turn for real. `spoil` may answer in a tool's place."""

    def __init__(self, root: Path, spoil: Spoil | None = None) -> None:
        self.root = root
        self.spoil = spoil
        self.edited: list[str] = []

    def bash(self, command: str, timeout_s: float) -> Answer:
        """Run a command with this interpreter first on the path."""
        env = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        with subprocess.Popen(
            ["bash", "-c", command], cwd=self.root, env=env, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as child:  # fmt: skip
            try:
                out, err = child.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                out, err = child.communicate()
        return (
            f"exit code: {child.returncode}\nstdout:\n{out}\nstderr:\n{err}",
            child.returncode != 0,
        )

    def read_file(self, path: str, start_line: int, end_line: int) -> Answer:
        """Show numbered lines, at most 500."""
        lines = (self.root / path).read_text(encoding="utf-8").splitlines()
        end = min(end_line, start_line + 499, len(lines))
        shown = [f"{number}\t{lines[number - 1]}" for number in range(start_line, end + 1)]
        return "\n".join([*shown, "[end of what is shown]"]), False

    def edit_file(self, path: str, search: str, replace: str) -> Answer:
        """Replace a text that stands exactly once."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        if text.count(search) != 1:
            return f"the text stands {text.count(search)} times in {path!r}", True
        file.write_text(text.replace(search, replace), encoding="utf-8")
        self.edited.append(path)
        return "done", False

    def answer(self, name: str, arguments: dict[str, Any]) -> Answer:
        """Run one call."""
        spoiled = self.spoil(name, arguments) if self.spoil else None
        return spoiled or getattr(self, name)(**arguments)


def drive(work: Workspace, prompt: str = "make the tests pass") -> tuple[Message, ...]:
    """Play a turn to its end."""
    messages: tuple[Message, ...] = (UserMessage(prompt),)
    model = OfflineModel()

    async def step() -> AssistantMessage:
        pieces = [piece async for piece in model.stream(Request("s", "", TOOLS, messages))]
        reply = pieces[-1]
        assert isinstance(reply, Reply)
        return reply.message

    for _ in range(35):
        message = asyncio.run(step())
        messages += (message,)
        if not message.calls:
            return messages
        (call,) = message.calls
        content, is_error = work.answer(call.name, json.loads(call.arguments))
        messages += (ToolMessage(call.call_id, call.name, content, is_error=is_error),)
    pytest.fail("the turn did not end by itself")


def last_words(messages: tuple[Message, ...]) -> str:
    """Return the closing text."""
    last = messages[-1]
    assert isinstance(last, AssistantMessage)
    return last.text


def lay_out(root: Path, files: dict[str, str]) -> dict[str, bytes]:
    """Write files; return what stands there."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return state_of(root)


def state_of(root: Path) -> dict[str, bytes]:
    """Return every file below the root but the interpreter's own cache."""
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


RANGES = {
    "span.py": "def span(first, last):\n    return list(range(first, last))\n",
    "test_span.py": (
        "import unittest\nfrom span import span\n\n\nclass SpanTest(unittest.TestCase):\n"
        "    def test_some(self):\n        self.assertEqual(span(2, 4), [2, 3, 4])\n\n"
        "    def test_none(self):\n        self.assertEqual(span(3, 2), [])\n"
    ),
}
DATED = {
    "dates.py": "def is_leap(year):\n    return year % 4 == 0 and (year % 100 != 0 and year % 400 == 0)\n",
    "test_dates.py": (
        "import pytest\nfrom dates import is_leap\n\n\n"
        "@pytest.mark.parametrize(('year', 'leap'), [(2000, True), (1900, False), (2024, True), (2023, False)])\n"
        "def test_leap(year, leap):\n    assert is_leap(year) is leap\n"
    ),
}
HALVES = {
    "pkg/__init__.py": "",
    "pkg/halves.py": "def halve(number):\n    while number > 1:\n        number = number\n    return number\n",
    "tests/test_halves.py": (
        "import unittest\nfrom pkg.halves import halve\n\n\nclass HalveTest(unittest.TestCase):\n"
        "    def test_small(self):\n        self.assertEqual(halve(1), 1)\n\n"
        "    def test_large(self):\n        self.assertEqual(halve(8), 1)\n"
    ),
}
SCRIPT = {
    "join.py": "def join(words):\n    return ', '.join(wrods)\n",
    "test_join.py": "from join import join\n\nassert join(['a', 'b']) == 'a, b'\n",
}
HOPELESS = {
    "parse.py": "def parse(text):\n    return text\n",
    "test_parse.py": "from parse import parse\n\nassert parse('k=1') == {'k': [1], 's': {2}}\n",
}


@pytest.mark.parametrize(
    ("files", "path", "line"),
    [
        (RANGES, "span.py", "    return list(range(first, last + 1))"),
        (DATED, "dates.py", "    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)"),
        (SCRIPT, "join.py", "    return ', '.join(words)"),
    ],
)
def test_a_fault_is_found_repaired_and_verified(
    tmp_path: Path, files: dict[str, str], path: str, line: str
) -> None:
    before = lay_out(tmp_path, files)
    work = Workspace(tmp_path)
    messages = drive(work)
    after = state_of(tmp_path)
    assert line in after[path].decode().splitlines()
    assert {name: text for name, text in after.items() if name != path} == {
        name: text for name, text in before.items() if name != path
    }
    assert work.edited == [path]
    assert last_words(messages).startswith("Repaired in")
    assert "search" in last_words(messages)


def test_an_endless_loop_counts_as_a_failure(tmp_path: Path) -> None:
    lay_out(tmp_path, HALVES)
    messages = drive(Workspace(tmp_path))
    assert last_words(messages).startswith("Repaired in `pkg/halves.py`")


def test_a_green_suite_is_left_alone(tmp_path: Path) -> None:
    before = lay_out(
        tmp_path, RANGES | {"span.py": RANGES["span.py"].replace("last))", "last + 1))")}
    )
    messages = drive(Workspace(tmp_path))
    assert "nothing to repair" in last_words(messages)
    assert state_of(tmp_path) == before


def test_what_cannot_be_repaired_is_left_as_found(tmp_path: Path) -> None:
    before = lay_out(tmp_path, HOPELESS)
    messages = drive(Workspace(tmp_path))
    assert state_of(tmp_path) == before
    assert "No file was changed" in last_words(messages)
    assert "--base-url" in last_words(messages)


def test_all_searches_together_have_one_time_limit(tmp_path: Path) -> None:
    many = "".join(f"    a{i} = number + {i}\n" for i in range(60))
    lay_out(tmp_path, {
        "sums.py": f"def total(number):\n{many}    return a1\n",
        "test_sums.py": "from sums import total\n\n\ndef test_total():\n    assert total(1) == 'no'\n",
    })  # fmt: skip
    budgets: list[float] = []

    def slow(name: str, arguments: dict[str, Any]) -> Answer | None:
        if name == "bash" and "try candidate" in arguments["command"]:
            (job,) = [row for row in arguments["command"].split("\n") if row.startswith("{")]
            budgets.append(json.loads(job)["budget_s"])
            report = {"tried": 9, "last": 9, "green": [], "seconds": budgets[-1]}
            return f"HOB-OFFLINE 1/1 {json.dumps(report)}", False
        return None

    messages = drive(Workspace(tmp_path, slow))
    assert len(budgets) == 2
    assert sum(budgets) <= 240
    assert "I tried 18 small changes" in last_words(messages)


def test_the_last_run_leaves_no_data_of_plugins_behind(tmp_path: Path) -> None:
    plugin = (
        "import os\nimport subprocess\nimport sys\nfrom pathlib import Path\n\n\ndef pytest_sessionfinish():\n"
        "    for name in ('COVERAGE_FILE', 'HYPOTHESIS_STORAGE_DIRECTORY'):\n"
        "        Path(os.environ.get(name, name)).write_text('data')\n"
        "    code = 'import sys; sys.path.insert(0, str()); import dates'\n"
        "    subprocess.run([sys.executable, '-I', '-c', code], check=True)\n"
    )
    files = DATED | {"conftest.py": plugin}
    before = lay_out(tmp_path, files)
    messages = drive(Workspace(tmp_path))
    assert last_words(messages).startswith("Repaired")
    assert state_of(tmp_path).keys() == before.keys()
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize(("lines", "says"), [(2600, "Repaired in `span.py`"), (9000, "too long")])
def test_a_long_file_is_read_to_its_end_or_said_to_be_too_long(
    tmp_path: Path, lines: int, says: str
) -> None:
    lay_out(tmp_path, RANGES | {"span.py": RANGES["span.py"] + "# more\n" * lines})
    assert says in last_words(drive(Workspace(tmp_path)))


def test_a_search_that_is_told_to_stop_removes_its_scratch_copy(tmp_path: Path) -> None:
    lay_out(tmp_path / "work", HOPELESS)
    temp = tmp_path / "temp"
    temp.mkdir()

    def stop(name: str, arguments: dict[str, Any]) -> Answer | None:
        if name != "bash" or "try candidate" not in arguments["command"]:
            return None
        with subprocess.Popen(
            ["bash", "-c", arguments["command"]], cwd=tmp_path / "work", stdout=subprocess.PIPE,
            env=dict(os.environ, TMPDIR=str(temp)), start_new_session=True,
        ) as child:  # fmt: skip
            limit = time.monotonic() + 10
            while not list(temp.glob("*/work/*")) and time.monotonic() < limit:
                time.sleep(0.02)
            assert list(temp.glob("*/work/*"))
            os.killpg(child.pid, signal.SIGTERM)
        return "cancelled by the person", True

    drive(Workspace(tmp_path / "work", stop))
    limit = time.monotonic() + 5
    while list(temp.iterdir()) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not list(temp.iterdir())


def test_no_tests_at_all(tmp_path: Path) -> None:
    lay_out(tmp_path, {"a.py": "x = 1\n"})
    assert "no Python tests" in last_words(drive(Workspace(tmp_path)))


def test_the_test_command_from_the_request_is_run_first_and_last(tmp_path: Path) -> None:
    lay_out(tmp_path, RANGES)
    commands: list[str] = []

    def note(name: str, arguments: dict[str, Any]) -> Answer | None:
        if name == "bash":
            commands.append(arguments["command"])
        return None

    messages = drive(Workspace(tmp_path, note), "make `python -m unittest -q test_span` pass")
    assert last_words(messages).startswith("Repaired")
    assert "python -m unittest -q test_span" in commands[0]
    assert "python -m unittest -q test_span" in commands[-1]


def test_a_repair_that_does_not_hold_on_the_real_files_is_taken_back(tmp_path: Path) -> None:
    before = lay_out(tmp_path, RANGES)

    def spoil(name: str, arguments: dict[str, Any]) -> Answer | None:
        if name == "bash" and "real files" in arguments["command"]:
            return 'HOB-OFFLINE 1/1 {"exit":1}', True
        return None

    work = Workspace(tmp_path, spoil)
    messages = drive(work)
    assert state_of(tmp_path) == before
    assert len(work.edited) >= 2
    assert "No file was changed" in last_words(messages)


@pytest.mark.parametrize("spoiled", ["edit_file", "verify"])
def test_a_refusal_late_in_the_turn_leaves_the_files_as_found(tmp_path: Path, spoiled: str) -> None:
    before = lay_out(tmp_path, RANGES)

    def refuse(name: str, arguments: dict[str, Any]) -> Answer | None:
        late = name == "bash" and "real files" in arguments["command"]
        if name == spoiled or (spoiled == "verify" and late):
            return "denied by the person", True
        return None

    messages = drive(Workspace(tmp_path, refuse))
    assert state_of(tmp_path) == before
    assert "No file was changed" in last_words(messages)


def test_the_next_step_depends_on_the_messages_alone(tmp_path: Path) -> None:
    lay_out(tmp_path, RANGES)
    messages = drive(Workspace(tmp_path))
    wire = msgspec.json.encode(messages)
    resumed = msgspec.json.decode(wire, type=tuple[Message, ...])
    for place, message in enumerate(resumed):
        if isinstance(message, AssistantMessage):
            move = next_step(resumed[:place], NAMES)
            assert move.text == message.text
            calls = [(call.name, call.arguments) for call in message.calls]
            assert calls == ([(move.tool, move.arguments)] if isinstance(move, Act) else [])
