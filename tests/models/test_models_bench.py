"""A model's tool calling measured: over HTTP with models of known skill, and with the real engine."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hob.cli.columns import table
from hob.core.messages import AssistantMessage, ToolCall
from hob.models.bench.judge import judge_calls, same
from hob.models.bench.measure import Plan, measure
from hob.models.bench.row import Outcome, Row
from hob.models.bench.tasks import TASKS, Wanted
from hob.models.discovery import Found
from hob.models.scripted import ScriptedCall, Turn
from models.bench_players import (
    REFUSED,
    Body,
    Player,
    by_fences,
    hermes,
    one_at_a_time,
    perfect,
    playing,
    results,
    talker,
    task_of,
    with_mistakes,
)
from servers.ollama_double import OllamaDouble, Says
from tiny.engine import engine

ALL = len(TASKS)


def measured(player: Player, **plan: int | float) -> Row:
    with playing(player) as server:
        found = Found(server.base_url, "scripted", "", "", "openai")
        row = asyncio.run(measure(found, Plan(**plan)))
        assert row.requests == len(server.requests)
        bodies = [json.loads(request.body) for request in server.requests]
    assert all(body["temperature"] == 0 for body in bodies)
    return row


def wrong(row: Row) -> dict[str, str]:
    return {one.task: one.why for one in row.outcomes if one.why}


def said(row: Row) -> tuple[str, str, str, int, int]:
    return row.works, row.parallel, row.form, row.by_schema, row.by_value


def test_model_that_does_all_right():
    row = measured(perfect)
    assert wrong(row) == {}
    assert said(row) == ("yes", "yes", "native", ALL, ALL)
    assert (row.error, row.text_outcomes) == ("", ())
    assert row.first_token_s is not None


def test_calls_left_in_the_text_count_and_are_named():
    row = measured(hermes)
    assert wrong(row) == {}
    assert said(row) == ("yes", "yes", "in the text (hermes)", ALL, ALL)
    # It never called natively, so the text protocol was tried as well; it does not write fences.
    assert [one.by_value for one in row.text_outcomes] == [False] * 4


def test_model_that_calls_one_at_a_time():
    row = measured(one_at_a_time)
    assert wrong(row) == {}
    assert said(row) == ("yes", "one at a time", "native", ALL, ALL)


def test_mixed_model_is_counted_exactly():
    weather = ScriptedCall("get_weather", {"city": "Porto"})
    row = measured(
        with_mistakes(
            {
                "string": Turn(calls=(weather,)),
                "two calls": Turn(calls=(ScriptedCall("get_temperature", {"city": "Oslo"}),) * 2),
                "result used": Turn(
                    calls=(ScriptedCall("list_orders", {"customer_id": "K-4711"}),)
                ),
                "no call": Turn(calls=(weather,)),
                "integer": Turn(calls=(ScriptedCall("set_timer", {"minutes": "soon"}),)),
                "number": Turn(
                    calls=(ScriptedCall("set_price", {"product": "A-17", "price": "19.99"}),)
                ),
                "boolean": Turn("The lamp is off."),
                "enum": Turn(calls=(ScriptedCall("set_fan", {"speed": "mid"}),)),
                "optional left out": Turn(
                    calls=(ScriptedCall("search_files", {"query": "budget", "folder": "/"}),)
                ),
                "no parameters": Turn(calls=(ScriptedCall("list_notes", ""),)),
                "exact text": REFUSED,
            }
        )
    )
    found = wrong(row)
    assert "answered 400" in found.pop("exact text")
    assert found == {
        "string": 'get_weather: \'city\' is "Porto", not "Lisbon"',
        "two calls": 'get_temperature: \'city\' is "Oslo", not "Rome"',
        "result used": "called 'list_orders' instead of 'find_customer'",
        "no call": "called 'get_weather' where no call was needed",
        "integer": "set_timer: the parameter 'minutes' must be an integer, not a string ('soon')",
        "boolean": "did not call",
        "enum": 'set_fan: the parameter \'speed\' must be one of "low", "medium", "high", not'
        " a string ('mid')",
        "optional left out": "search_files: 'folder' was to be left out and is \"/\"",
    }
    assert said(row) == ("partly", "yes", "native", ALL - 5, ALL - 9)


def test_model_that_never_calls():
    row = measured(talker)
    assert said(row) == ("no", "no", "none", 0, 0)
    assert set(wrong(row)) == {task.name for task in TASKS}
    assert [one.why for one in row.text_outcomes] == ["did not call"] * 4


def test_model_that_knows_only_the_text_protocol():
    row = measured(by_fences)
    assert said(row) == ("by text", "no", "text protocol", 0, 0)
    assert [one.by_value for one in row.text_outcomes] == [True] * 4


def test_server_that_refuses_tools_is_measured_with_the_text_protocol():
    row = measured(lambda body: REFUSED if "tools" in body else by_fences(body))
    assert (row.works, row.parallel, row.form) == ("by text", "refused (400)", "text protocol")
    assert "answered 400" in wrong(row)["string"]


def test_server_that_refuses_the_results_of_two_calls():
    def player(body: Body) -> Turn:
        return REFUSED if results(body) == 2 else perfect(body)

    row = measured(player)
    assert list(wrong(row)) == ["two calls"]
    assert said(row) == ("yes", "refused (400)", "native", ALL, ALL - 1)


def test_second_call_that_never_comes_is_no_parallel():
    def player(body: Body) -> Turn:
        task = task_of(body)
        again = task is not None and task.wants_several and results(body) == 1
        return Turn("Oslo has 4 degrees.") if again else one_at_a_time(body)

    assert said(measured(player)) == ("yes", "no", "native", ALL - 1, ALL - 1)


def test_native_and_left_in_the_text_at_once():
    def player(body: Body) -> Turn:
        task = task_of(body)
        return (hermes if task and task.name == "enum" else perfect)(body)

    row = measured(player)
    assert said(row) == ("yes", "yes", "native, some in the text (hermes)", ALL, ALL)
    assert row.text_outcomes == ()


def test_arguments_that_only_we_could_repair_are_said():
    broken = Turn(calls=(ScriptedCall("get_weather", '{"city": "Lisbon"'),))
    row = measured(with_mistakes({"string": broken}), tasks=TASKS[:2])
    assert said(row) == ("yes", "yes", "native, some repaired", 2, 2)


def test_call_that_only_half_came_is_said():
    half = Turn('<tool_call>\n{"name": "get_weather", "arguments": {"city": ???}}\n</tool_call>')
    row = measured(with_mistakes({"string": half}), tasks=TASKS[:1])
    assert wrong(row)["string"].startswith("get_weather: wrote a call that cannot be read: its arg")
    assert said(row)[:3] == ("no", "?", "none")


def test_repeats_and_first_tasks():
    row = measured(perfect, tasks=TASKS[:3], repeat=2)
    assert [one.task for one in row.outcomes] == ["string", "two calls", "result used"] * 2


def test_server_that_hangs_is_given_up_after_two_answers():
    def player(body: Body) -> Turn:
        return Turn(fault="hang_before_headers") if "tools" in body else perfect(body)

    row = measured(player, limit_s=0.2)
    assert row.error_kind == "timeout"
    assert row.error.startswith("Given up after two answers: ")


def test_connection_that_closes_once_is_asked_again():
    lost: list[Body] = []

    def player(body: Body) -> Turn:
        task = task_of(body)
        # The first goodbye crosses with a request, and that is sent again below; the second is an error.
        if task and task.name == "enum" and len(lost) < 2:
            lost.append(body)
            return Turn(fault="refuse")
        return perfect(body)

    with playing(player) as server:
        found = Found(server.base_url, "scripted", "", "", "openai")
        row = asyncio.run(measure(found, Plan()))
    assert said(row) == ("yes", "yes", "native", ALL, ALL)
    assert row.requests == len(server.requests) - 1


def test_real_engine_with_random_weights_fails_honestly():
    with engine() as served:
        found = Found(served.base_url, served.model, "", "", "llamacpp")
        row = asyncio.run(measure(found, Plan(max_tokens=24)))
    assert said(row) == ("no", "no", "none", 0, 0)
    assert (row.error, row.kind, row.window_tokens) == ("", "llamacpp", 8192)
    assert row.first_token_s is not None
    assert row.tokens_per_s is not None


@pytest.mark.parametrize(
    ("name", "arguments", "schema", "why"),
    [
        ("get_weather", '{"city": "Lisbon"}', True, ""),
        ("get_weather", '["Lisbon"]', False, "called 'get_weather' with arguments that are no JSON object"),
        ("get_weather", "{", False, "called 'get_weather' with arguments that are no JSON object"),
        ("get_weather", "{}", False, "get_weather: the parameter 'city' is missing: a string is needed"),
        ("weather", "{}", False, "called 'weather', which is not offered"),
        ("get_weather", '{"city": "Lisbon "}', True, "get_weather: 'city' is \"Lisbon \", not \"Lisbon\""),
    ],
)  # fmt: skip
def test_judgement(name, arguments, schema, why):
    message = AssistantMessage(calls=(ToolCall("", name, arguments),), stop="calls")
    judged = judge_calls([Wanted("get_weather", {"city": "Lisbon"})], TASKS[0].tools, message)
    assert (judged.schema, judged.why) == (schema, why)


def test_call_in_the_text_that_nobody_can_read_is_named():
    message = AssistantMessage('<tool_call>{"name": get_weather, ???', stop="length")
    judged = judge_calls([Wanted("get_weather", {})], TASKS[0].tools, message)
    assert judged.why == "left a call in the text that cannot be read"


def test_json_values_are_compared_as_json():
    assert same({"a": [1, 2.0]}, {"a": [1.0, 2]})
    assert not same(True, 1)
    assert not same([0], [False])
    assert not same({"a": 1}, {"a": 1, "b": None})


def test_every_task_fits_its_own_schemas():
    for task in TASKS:
        for step in task.steps:
            calls = tuple(ToolCall("", one.name, json.dumps(one.arguments)) for one in step.calls)
            if calls:
                message = AssistantMessage(calls=calls, stop="calls")
                assert judge_calls(step.calls, task.tools, message).why == "", task.name


def test_best_parallel_of_several_runs_counts():
    runs = [Outcome("two calls", together=one) for one in ("no", "one at a time", "no")]
    assert Row("m", outcomes=tuple(runs)).parallel == "one at a time"
    assert Row("m", outcomes=(Outcome("string"),)).parallel == "?"


def bench(*arguments: str, home: Path, columns: int = 80) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hob.main", "models", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={"HOME": str(home), "PYTHONPATH": ":".join(sys.path), "COLUMNS": str(columns)},
    )


def test_three_models_side_by_side(tmp_path):
    with playing(perfect) as one, playing(one_at_a_time) as two, playing(hermes) as three:
        named = [f"{n}@{s.base_url}" for n, s in (("good", one), ("slow", two), ("text", three))]
        wide = bench("bench", *named, home=tmp_path, columns=130)
        narrow = bench("bench", *named, home=tmp_path)
    assert (wide.returncode, wide.stderr, narrow.returncode) == (0, "", 0)
    cells = [re.split(r" {2,}", line) for line in wide.stdout.splitlines()]
    assert cells[0] == ["model", "works", "parallel", "reliability", "window", "format", "speed"]
    assert [line[1:6] for line in cells[2:5]] == [
        ["yes", "yes", "15 of 15", "?", "native"],
        ["yes", "one at a time", "15 of 15", "?", "native"],
        ["yes", "yes", "15 of 15; by text 0 of 4", "?", "in the text (hermes)"],
    ]
    assert max(map(len, narrow.stdout.splitlines())) <= 80


def test_base_url_json_and_a_server_that_is_not_there(tmp_path):
    with playing(talker) as server:
        done = bench(
            "--base-url", server.base_url, "bench", "a", "b@http://127.0.0.1:9/v1", "offline",
            "--json", "--tasks", "2", home=tmp_path,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (69, "")
    first, second, third = json.loads(done.stdout)["models"]
    assert (first["model"], first["works"], first["format"]) == ("a", "no", "none")
    assert (first["tasks"], first["right_by_schema"], first["right_by_value"]) == (2, 0, 0)
    assert [one["why"] for one in first["outcomes"]] == ["did not call"] * 2
    assert (second["error_kind"], "works" in second) == ("unreachable", False)
    assert "cannot be reached" in second["error"]
    assert "calls no model" in third["error"]


def test_ollama_is_asked_as_sessions_ask_it(tmp_path):
    weather = Says(calls=(("get_weather", {"city": "Lisbon"}),))
    with OllamaDouble(answers=[Says("One, two."), weather]) as double:
        done = bench("bench", f"qwen3:8b@{double.root}", "--tasks", "1", "--json", home=tmp_path)
    (row,) = json.loads(done.stdout)["models"]
    assert (row["kind"], row["works"], row["window_tokens"]) == ("ollama", "yes", 32768)
    assert double.loads == [("qwen3:8b", 32768)]
    assert {body["options"]["temperature"] for body in double.asked} == {0}


def test_refused_key_and_unreachable_in_words(tmp_path):
    with playing(lambda body: Turn(fault="unauthorized")) as server:
        done = bench("bench", "m", "--base-url", server.base_url, home=tmp_path)
    assert (done.returncode, done.stderr) == (41, "")
    assert "not measured" in done.stdout
    assert "check the API key" in done.stdout


def test_table_wraps_the_widest_columns_first():
    assert table(("name", "what it is"), [("a", "some longer words"), ("b", "x")], 16) == [
        "name  what it is",
        "────  ──────────",
        "a     some",
        "      longer",
        "      words",
        "",
        "b     x",
    ]
