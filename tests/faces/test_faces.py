"""A golden log in; what a person or a program sees, out."""

import io
import json

import pytest

from golden.make import FOLDER
from hob.cli.output import JsonView, exit_code
from hob.cli.terminal import harmless, one_line
from hob.cli.text import TextView, main_argument
from hob.core.codec import open_entry
from hob.core.deltas import Notice, ReasoningDelta, TextDelta
from hob.core.messages import ToolCall
from hob.core.session import Session, fold
from hob.stores.jsonl import import_lines

RECORDED = [open_entry(x) for x in import_lines((FOLDER / "0.1.0.jsonl").read_bytes().splitlines())]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(*, tty: bool = False, environment: dict[str, str] | None = None) -> tuple[str, str]:
    out, err = io.StringIO(), Terminal() if tty else io.StringIO()
    view = TextView(out, err, environment or {})
    for item in RECORDED:
        view.show(item)
    view.close(fold(RECORDED), 12.34)
    return out.getvalue(), err.getvalue()


PROSE = """I look first.
The assert wants 2.
Done: the documentation says 2 now.
"""
PROGRESS = r"""The model is still loading. Trying again in 1.5 s.
✓ read_file a.py
✗ bash pytest -q exit 1
✗ edit_file a.py Denied. Nobody is there.
Do something different.
✓ edit_file a.py line 1
    @@ -1 +1 @@
    -x = 1
    +x = 2
undo: a.py
redo: nothing; left as somebody else changed them: a.py
Context compacted from 2,112 to 140 tokens.
done · 1 step · 4,350 tokens in (4,150 reused), 42 out · 12.3 s · session s-golden
"""


def test_text_into_a_pipe_has_prose_on_one_stream_and_progress_on_the_other():
    assert shown() == (PROSE, PROGRESS)


def test_colours_on_a_terminal_only_and_only_if_wanted():
    assert "\x1b[32m+x = 2\x1b[0m" in shown(tty=True)[1]
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert shown(tty=True, environment=environment) == (PROSE, PROGRESS)


def test_what_is_under_way_is_shown_on_a_terminal_and_taken_back():
    err = shown(tty=True)[1]
    assert "\x1b[2m… bash pytest -q\x1b[0m\r\x1b[K" in err
    assert "… " not in PROGRESS


def test_streamed_words_are_not_shown_twice():
    out, err = io.StringIO(), io.StringIO()
    view = TextView(out, err, {})
    for item in RECORDED[:8]:
        view.show(item)
    for delta in (
        ReasoningDelta("secret"),
        Notice("Waiting."),
        TextDelta("I look"),
        TextDelta(" first."),
    ):
        view.show(delta)
    view.show(RECORDED[8])
    assert out.getvalue() == "I look first.\n"
    assert "secret" not in err.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain äöü 漢字 🙂\ttab\nline", "plain äöü 漢字 🙂\ttab\nline"),
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("a\rb", "a\\x0db"),
        ("a\r\nb", "a\nb"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("user\u202egnp.exe\u2066\u200b\ufeff", "user\\u202egnp.exe\\u2066\\u200b\\ufeff"),
    ],
)
def test_what_comes_from_outside_cannot_act_on_the_terminal(text, expected):
    assert harmless(text) == expected


def test_one_line_is_one_line():
    assert one_line("a\n  b\tc", 80) == "a b c"
    assert one_line("x" * 90, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("bash", '{"timeout_s":3,"command":"ls"}', "ls"),
        ("move_file", '{"source":"a","target":"b"}', "a → b"),
        ("git_status", "{}", ""),
        ("bash", '{"command":', '{"command":'),
        ("bash", "[1]", "[1]"),
    ],
)
def test_a_call_is_named_by_its_most_telling_argument(name, arguments, expected):
    assert main_argument(ToolCall("1.0", name, arguments)) == expected


def test_stream_json_is_one_object_a_line_and_a_result_at_the_end():
    out = io.StringIO()
    view = JsonView(out, stream=True)
    view.show(TextDelta("hm"))
    for item in RECORDED:
        view.show(item)
    view.close(fold(RECORDED), 1.5)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[0] == {"type": "delta", "kind": "text", "text": "hm"}
    assert [line["seq"] for line in lines[1:-1]] == [item.seq for item in RECORDED]
    assert lines[1]["event"]["kind"] == "session_started"
    assert lines[-1] == {
        "type": "result",
        "result": "Done: the documentation says 2 now.",
        "session_id": "s-golden",
        "outcome": "done",
        "reason": "",
        "is_error": False,
        "usage": {
            "steps": 1,
            "prompt_tokens": 4350,
            "cached_tokens": 4150,
            "completion_tokens": 42,
            "computed_again_tokens": 0,
        },
        "context": {
            "tokens": 2112,
            "window_tokens": None,
            "computed_again_because": [],
        },
        "denials": [
            {
                "call_id": "2.0",
                "tool": "edit_file",
                "rule": "mode read-only: write",
                "reason": "Nobody is there.",
                "code": "approval_required",
            }
        ],
        "approval_required": True,
        "duration_ms": 1500,
    }


def test_json_is_one_object():
    out = io.StringIO()
    view = JsonView(out, stream=False)
    for item in RECORDED:
        view.show(item)
    view.close(fold(RECORDED), 1.5)
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    ("session", "code"),
    [
        (Session(outcome="done"), 0),
        (Session(outcome="done", denied=1), 11),
        (Session(outcome="blocked", blocked=3), 11),
        (Session(outcome="unreached"), 10),
        (Session(outcome="stuck"), 12),
        (Session(outcome="step_limit"), 53),
        (Session(outcome="out_of_time"), 55),
        (Session(outcome="out_of_tokens"), 55),
        (Session(outcome="cancelled"), 130),
        (Session(outcome="failed", error_kind="auth"), 41),
        (Session(outcome="failed", error_kind="unreachable"), 69),
        (Session(outcome="failed", error_kind="server"), 1),
        (Session(), 1),
    ],
)
def test_exit_codes(session, code):
    assert exit_code(session) == code
