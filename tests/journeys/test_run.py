"""`hob run` as scripts and people use it, against a real model server process on loopback."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from itertools import pairwise

import pytest

from hob.models.scripted import ScriptedCall, Turn, serve
from journeys.face import HOB, Shell


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


def bash(command: str, text: str = "") -> Turn:
    return Turn(text=text, calls=(ScriptedCall("bash", {"command": command}),))


EDIT = ScriptedCall("edit_file", {"path": "a.py", "search": "x = 1", "replace": "x = 2"})


def test_a_task_is_done_and_told(shell):
    (shell.workspace / "a.py").write_text("x = 1\n", encoding="utf-8")
    script = [bash("echo hi", "I look."), Turn(calls=(EDIT,)), Turn(text="Done: x is 2.")]
    with serve(script) as server:
        done = shell.run(server.base_url, "make x two", "--yolo")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "I look.\nDone: x is 2.\n"
    assert "--base-url" in done.stderr.splitlines()[0]
    assert "    -x = 1\n    +x = 2\n" in done.stderr
    assert "done · 3 steps" in done.stderr.splitlines()[-1]
    assert (shell.workspace / "a.py").read_text(encoding="utf-8") == "x = 2\n"


def test_the_prompt_only_grows_at_its_tail_over_turns_and_processes(shell):
    script = [
        bash("echo hi"),
        bash("echo ho"),
        Turn(text="One."),
        bash("echo again"),
        Turn(text="Two."),
    ]
    with serve(script) as server:
        assert shell.run(server.base_url, "first", "--yolo").returncode == 0
        assert shell.run(server.base_url, "second", "--yolo", "--continue").returncode == 0
        bodies = [request.body for request in server.requests]
    assert len(bodies) == 5
    for earlier, later in pairwise(bodies):
        assert later.startswith(earlier[:-2]), "an earlier byte of the prompt changed"
    roles = [m["role"] for m in json.loads(bodies[-1])["messages"]]
    assert roles.count("system") == 1
    assert roles[0] == "system"


def test_json_and_stream_json(shell):
    script = [bash("exit 3"), Turn(text="Failed on purpose.")]
    with serve(script) as server:
        code, result = shell.result(server.base_url, "go", "--yolo")
        assert (code, result["result"], result["outcome"]) == (0, "Failed on purpose.", "done")
        assert result["usage"]["steps"] == 2
        done = shell.run(server.base_url, "go", "--yolo", "--output-format", "stream-json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [line["event"]["kind"] for line in lines if line["type"] == "event"]
    assert kinds[0] == "session_started"
    assert kinds[-1] == "turn_finished"
    finished = next(
        x["event"] for x in lines if x["type"] == "event" and x["event"]["kind"] == "tool_finished"
    )
    assert finished["result"]["details"]["exit_code"] == 3
    assert done.stderr == ""


def test_standard_input_is_added_to_the_task(shell):
    with serve([Turn(text="Seen.")]) as server:
        shell.run(server.base_url, "Review this.", stdin="diff --git a b\n")
        shell.hob("-p", "Review.", "--base-url", server.base_url, "--model", "m", stdin="piped")
        messages = [
            json.loads(request.body)["messages"][-1]["content"] for request in server.requests
        ]
    assert messages == ["Review this.\n\ndiff --git a b", "Review.\n\npiped"]


def test_without_a_terminal_a_question_is_a_denial_with_its_own_exit_code(shell):
    script = [bash("touch x"), bash("touch y"), bash("touch z"), Turn(text="never")]
    with serve(script) as server:
        code, result = shell.result(server.base_url, "go")
    assert (code, result["outcome"]) == (11, "blocked")
    assert [denial["code"] for denial in result["denials"]] == ["approval_required"] * 3
    assert not list(shell.workspace.iterdir())
    with serve([bash("touch x"), Turn(text="I could not.")]) as server:
        code, result = shell.result(server.base_url, "go")
    assert (code, result["outcome"], len(result["denials"])) == (11, "done", 1)


@pytest.mark.parametrize(
    ("mode", "read", "write"),
    [("read-only", True, False), ("locked", False, False), ("workspace-write", True, True)],
)
def test_modes(shell, mode, read, write):
    write_call = ScriptedCall("write_file", {"path": "new", "content": "1"})
    script = [
        Turn(calls=(ScriptedCall("list_dir", {}),)),
        Turn(calls=(write_call,)),
        Turn(text="ok"),
    ]
    with serve(script) as server:
        _, result = shell.result(server.base_url, "go", "--permission-mode", mode)
    denied = [denial["tool"] for denial in result["denials"]]
    assert ("list_dir" in denied, "write_file" in denied) == (not read, not write)
    assert (shell.workspace / "new").exists() == write


def test_locked_is_not_a_success(shell):
    with serve([bash("touch x"), Turn(text="All done.")]) as server:
        code, result = shell.result(server.base_url, "go", "--permission-mode", "locked")
    assert (code, result["outcome"]) == (11, "done")


def test_limits_have_exit_codes(shell):
    with serve(lambda n: bash(f"echo {n}")) as server:
        code, result = shell.result(server.base_url, "go", "--yolo", "--max-steps", "3")
        assert (code, result["outcome"], result["usage"]["steps"]) == (53, "step_limit", 3)
        assert shell.result(server.base_url, "go", "--yolo", "--max-output-tokens", "5")[0] == 55
    with serve(lambda n: bash("echo same")) as server:
        code, result = shell.result(server.base_url, "go", "--yolo")
        assert (code, result["outcome"], result["usage"]["steps"]) == (12, "stuck", 6)
    with serve([bash("sleep 60")]) as server:
        code, result = shell.result(server.base_url, "go", "--yolo", "--max-wall-time", "0.5")
        assert (code, result["outcome"]) == (55, "out_of_time")


def test_one_action_a_step(shell):
    three = Turn(
        calls=tuple(ScriptedCall("bash", {"command": f"echo {n} >> ran"}) for n in range(3))
    )
    with serve([three, Turn(text="ok")]) as server:
        shell.run(server.base_url, "go", "--yolo", "--one-action")
    assert (shell.workspace / "ran").read_text(encoding="utf-8") == "0\n"


def test_a_failed_command_has_to_be_acknowledged(shell):
    again = bash("touch fixed")
    script = [
        bash("cat missing.txt"),
        again,
        bash("touch fixed", "The file missing.txt is not there."),
        Turn(text="ok"),
    ]
    with serve(script) as server:
        assert shell.run(server.base_url, "go", "--yolo", "--acknowledge-failures").returncode == 0
        last = json.loads(server.requests[-1].body)["messages"]
    refused = [m["content"] for m in last if m["role"] == "tool"]
    assert "No such file" in refused[0]
    assert refused[1].startswith("Not run: the last command failed.")
    assert (shell.workspace / "fixed").exists()


def test_a_server_that_is_not_there(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = shell.run(f"http://127.0.0.1:{port}/v1", "go")
    assert done.returncode == 69
    done = shell.run(
        f"http://127.0.0.1:{port}/v1", "go", "--resume", "s-none", "--output-format", "json"
    )
    assert (done.returncode, json.loads(done.stdout)["is_error"]) == (42, True)
    done = shell.run(f"http://127.0.0.1:{port}/v1", "go")
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "--model", "offline"], 42, "There is no task"),
        (["run", "--max-steps", "0", "x"], 2, "not a number above zero"),
        (["run", "--permission-mode", "wild", "x"], 52, "'wild'"),
        (["run", "-C", "/nowhere", "x"], 42, "'/nowhere'"),
        (["run", "-C", "/", "x"], 42, "whole machine"),
        (["run", "--continue", "--model", "offline", "x"], 42, "no session"),
        (["run", "--resume", "", "x"], 2, "--resume needs"),
        (["run", "--fork-session", "x"], 2, "--fork-session goes with"),
        (["run", "--yolo", "--permission-mode", "locked", "x"], 2, "give one of them"),
        (["run", "--max-wall-time", "nan", "x"], 2, "not a number above zero"),
        (["sessions", "rm", ""], 42, "''"),
        (["run", "--resume", "zzz", "--model", "offline", "x"], 42, "'zzz'"),
        (["sessions", "show", "zzz"], 42, "'zzz'"),
        (["sessions", "import", "/nowhere"], 1, "/nowhere"),
        ([], 2, ""),
        (["frob"], 2, "frob"),
    ],
)
def test_bad_input_gets_one_sentence_and_a_code(shell, arguments, code, words):
    done = shell.hob(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_slow_pipe_is_read_when_asked_for_and_never_dropped_in_silence(shell):
    with serve([Turn(text="Seen.")] * 3) as server:
        options = [*HOB, "run", "--base-url", server.base_url, "--model", "m"]
        for last, expected in (("-", "review\n\nTHE DIFF"), ("it", "review it")):
            run = subprocess.Popen(
                [*options, "review", last],
                cwd=shell.workspace,
                env=shell.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            if last == "-":
                time.sleep(3.5)
                run.stdin.write(b"THE DIFF\n")
                run.stdin.close()
            errors = run.stderr.read().decode()
            run.wait(timeout=60)
            run.stdin.close()
            run.stderr.close()
            body = json.loads(server.requests[-1].body)
            assert body["messages"][-1]["content"] == expected
            assert ("to wait for it" in errors) == (last != "-")


def test_a_reader_that_leaves_is_not_a_success(shell):
    with serve(lambda n: bash(f"echo {n}", f"Step {n}.\n" * 2000)) as server:
        options = [*HOB, "run", "--base-url", server.base_url, "--model", "m", "--yolo", "go"]
        run = shell.start(*options[3:])
        run.stdout.readline()
        run.stdout.close()
        errors = run.stderr.read()
        assert run.wait(timeout=60) == 1
        run.stderr.close()
    assert "nobody reads the output" in errors
    assert "Traceback" not in errors


def test_closed_standard_streams_and_a_narrow_encoding(shell):
    with serve([Turn(text="Fine \u2713")] * 3) as server:
        command = f"{' '.join(HOB)} run --base-url {server.base_url} --model m go"
        shell.environment["PYTHONIOENCODING"] = "latin-1"
        for redirect in ("<&-", "2>&-", ">&- 2>&-"):
            done = subprocess.run(
                ["bash", "-c", f"{command} {redirect}"],
                cwd=shell.workspace,
                env=shell.environment,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert b"Traceback" not in done.stderr


def test_a_session_stays_in_its_folder(shell):
    other = shell.workspace.parent / "other"
    other.mkdir()
    with serve([Turn(text="One."), Turn(text="Two.")]) as server:
        _, result = shell.result(server.base_url, "go")
        again = ["--resume", result["session_id"], "-C", str(other)]
        done = shell.run(server.base_url, "more", *again)
        assert done.returncode == 42
        assert str(shell.workspace) in done.stderr
        assert str(other) in done.stderr
    assert shell.hob("run", "--model", "offline", "--continue").returncode == 42
    assert len(shell.hob("sessions", "list").stdout.splitlines()) == 1


def test_a_fork_runs_nothing_that_only_its_parent_was_allowed(shell):
    with serve([bash("echo ran >> ran"), Turn(text="Done.")]) as server:
        _, result = shell.result(server.base_url, "go", "--yolo")
        events = shell.export(result["session_id"])
        decided = next(x["seq"] for x in events if x["event"]["kind"] == "permission_decided")
        child = shell.hob(
            "sessions", "fork", result["session_id"], "--at", str(decided)
        ).stdout.strip()
        resumed = shell.run(server.base_url, "", "--resume", child, "--permission-mode", "locked")
    assert resumed.returncode == 11, resumed.stderr
    assert (shell.workspace / "ran").read_text(encoding="utf-8") == "ran\n"


def test_a_key_goes_only_to_its_own_server(shell):
    with serve([Turn(text="x")]) as server:
        shell.environment.update(HOB_BASE_URL="http://127.0.0.1:9/v1", HOB_API_KEY="sekrit")
        shell.run(server.base_url, "go")
        shell.environment["HOB_BASE_URL"] = server.base_url
        shell.run(server.base_url, "go")
        keys = [request.headers.get("authorization") for request in server.requests]
    assert keys == [None, "Bearer sekrit"]


def test_settings_from_the_environment_and_their_errors(shell):
    shell.environment["HOB_MAX_STEPS"] = "2"
    with serve(lambda n: bash(f"echo {n}")) as server:
        shell.environment.update(
            HOB_BASE_URL=server.base_url, HOB_MODEL="m", HOB_PERMISSION_MODE="full"
        )
        assert shell.hob("run", "go").returncode == 53
        assert shell.hob("run", "--max-steps", "1", "go").returncode == 53
        assert len(server.requests) == 3
    shell.environment["HOB_MAX_STEPS"] = "many"
    done = shell.hob("run", "go")
    assert (done.returncode, done.stderr) == (
        52,
        "hob: HOB_MAX_STEPS is 'many': give a number above zero.\n",
    )


def test_sessions_are_listed_shown_exported_imported_forked_named_and_removed(shell):
    with serve([bash("echo hi", "I look."), Turn(text="Done.")]) as server:
        _, result = shell.result(server.base_url, "look around", "--yolo")
    session_id = result["session_id"]
    assert session_id in shell.hob("sessions", "list").stdout
    shown = shell.hob("sessions", "show", session_id[-5:]).stdout
    assert "> look around" in shown
    assert "✓ bash echo hi" in shown
    exported = shell.workspace / "out.jsonl"
    assert shell.hob("sessions", "export", session_id, "-o", str(exported)).returncode == 0
    copy = shell.hob("sessions", "import", str(exported)).stdout.strip()
    forked = shell.hob("sessions", "fork", session_id, "--at", "4").stdout.strip()
    assert len({session_id, copy, forked}) == 3
    assert len(shell.export(forked)) == 4
    assert shell.hob("sessions", "name", copy, "second").returncode == 0
    listed = [
        json.loads(line) for line in shell.hob("sessions", "list", "--json").stdout.splitlines()
    ]
    assert {line["session_id"]: line["title"] for line in listed}[copy] == "second"
    assert shell.hob("sessions", "rm", "second", forked).returncode == 0
    assert session_id in shell.hob("sessions", "list").stdout
    assert copy not in shell.hob("sessions", "list", "--all").stdout


def test_no_session_leaves_nothing(shell):
    with serve([Turn(text="Done.")]) as server:
        assert shell.run(server.base_url, "go", "--no-session").returncode == 0
    assert not (shell.workspace.parent / "data").exists()


def test_ctrl_c_once_stops_the_turn_and_the_session_goes_on(shell):
    script = [bash("echo begun > mark; sleep 30"), Turn(text="Went on.")]
    with serve(script) as server:
        options = (
            "run",
            "--base-url",
            server.base_url,
            "--model",
            "m",
            "--yolo",
            "--output-format",
            "json",
        )
        running = shell.start(*options, "go")
        wait_for(lambda: (shell.workspace / "mark").exists())
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=30)
        assert running.returncode == 130
        result = json.loads(output)
        assert result["outcome"] == "cancelled"
        resumed, later = shell.result(
            server.base_url, "go on", "--yolo", "--resume", result["session_id"]
        )
    assert (resumed, later["result"]) == (0, "Went on.")


@pytest.mark.parametrize(
    ("sent", "code"), [((signal.SIGINT, signal.SIGINT), 130), ((signal.SIGTERM,), 143)]
)
def test_leaving_at_once_keeps_the_session(shell, sent, code):
    hang = Turn(text="thinking", delay_s=30)
    with serve(lambda n: hang if n == 0 else Turn(text="x")) as server:
        running = shell.start("run", "--base-url", server.base_url, "--model", "m", "go")
        wait_for(lambda: server.requests)
        for one in sent:
            running.send_signal(one)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == code, errors
    assert "Traceback" not in errors
    assert shell.hob("sessions", "list").stdout.count("go") == 1


def test_what_a_killed_hob_left_running_is_stopped_when_its_session_is_opened(shell):
    ticking = bash("for i in $(seq 100); do echo $i > tick; sleep 0.1; done")
    with serve([ticking, Turn(text="Went on.")]) as server:
        running = shell.start("run", "--base-url", server.base_url, "--model", "m", "--yolo", "go")
        wait_for(lambda: (shell.workspace / "tick").exists())
        running.kill()
        running.communicate()
        assert shell.result(server.base_url, "", "--continue", "--yolo")[0] == 0
    (shell.workspace / "tick").unlink()
    time.sleep(0.5)
    assert not (shell.workspace / "tick").exists()


def test_the_file_tools_keep_off_our_own_data_and_a_persons_keys(shell):
    (shell.home / ".ssh").mkdir()
    (shell.home / ".ssh" / "id").write_text("secret", encoding="utf-8")
    shell.environment["HOB_DATA_DIR"] = str(shell.home / "data")
    calls = (
        ScriptedCall("write_file", {"path": "data/hob.db", "content": ""}),
        ScriptedCall("read_file", {"path": ".ssh/id"}),
    )
    with serve([Turn(calls=calls), Turn(text="ok")]) as server:
        assert shell.run(server.base_url, "go", "-C", str(shell.home)).returncode == 0
        told = [m for m in json.loads(server.requests[1].body)["messages"] if m["role"] == "tool"]
    assert len(told) == 2
    assert "secret" not in str(told)
    assert len(shell.hob("sessions", "list", "--all").stdout.splitlines()) == 1


def test_two_processes_on_one_session(shell):
    with serve([bash("echo x > mark; sleep 5"), Turn(text="x")]) as server:
        running = shell.start("run", "--base-url", server.base_url, "--model", "m", "--yolo", "go")
        wait_for(lambda: (shell.workspace / "mark").exists())
        second = shell.run(server.base_url, "me too", "--continue")
        assert second.returncode == 1
        assert f"process {running.pid}" in second.stderr
        forked = shell.run(server.base_url, "me too", "--continue", "--fork-session", "--yolo")
        assert forked.returncode == 0, forked.stderr
        running.kill()
        running.communicate()


def test_a_person_at_a_terminal_is_asked(shell):
    script = [
        bash("echo one >> ran"),
        bash("echo two >> ran"),
        bash("echo three >> ran"),
        Turn(text="Done."),
    ]
    with serve(script) as server:
        options = ["run", "--base-url", server.base_url, "--model", "m", "go"]
        screen = converse([*HOB, *options], shell, ["y\n", "use make\n", "a\n"])
    assert (shell.workspace / "ran").read_text(encoding="utf-8") == "one\nthree\n"
    assert 'command (17 characters): "echo one >> ran"' in screen
    assert re.search(r"done\x1b\[0m\x1b\[2m · 4 steps", screen)


def test_what_was_typed_ahead_approves_nothing(shell):
    script = [bash("echo one >> ran"), bash("echo two >> ran"), Turn(text="Done.")]
    with serve(script) as server:
        options = ["run", "--base-url", server.base_url, "--model", "m", "go"]
        converse([*HOB, *options], shell, ["y\ny\n", "n\n"])
    assert (shell.workspace / "ran").read_text(encoding="utf-8") == "one\n"


def test_ctrl_c_at_a_question_cancels_at_once(shell):
    two = Turn(calls=tuple(ScriptedCall("bash", {"command": f"touch {n}"}) for n in "ab"))
    with serve([two, Turn(text="never")]) as server:
        options = ["run", "--base-url", server.base_url, "--model", "m", "go"]
        screen = converse([*HOB, *options], shell, ["\x03"])
    assert "cancelled" in screen
    assert screen.count("[y] once") == 1
    assert not list(shell.workspace.iterdir())


def test_a_call_is_shown_as_it_will_run(shell):
    twice = Turn(calls=(ScriptedCall("bash", '{"command":"touch a","command":"touch b"}'),))
    hidden = Turn(calls=(ScriptedCall("bash", '{"command":"\\u0074ouch c' + "\\n" * 60 + '"}'),))
    with serve([twice, hidden, Turn(text="ok")]) as server:
        options = ["run", "--base-url", server.base_url, "--model", "m", "go"]
        screen = converse([*HOB, *options], shell, ["n\n"])
        told = json.loads(server.requests[1].body)["messages"][-1]["content"]
    assert "twice" in told
    assert "touch c" in screen
    assert screen.count("\n") < 40


def wait_for(condition, patience_s: float = 20.0) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def converse(command: list[str], shell: Shell, answers: list[str]) -> str:
    """Run a command on a terminal of its own, answer each question, return the screen."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=shell.workspace,
        env={**shell.environment, "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C reaches it
    )
    os.close(follower)
    screen, waiting = "", list(answers)
    asked = 0
    while process.poll() is None:
        if not select.select([leader], [], [], 20)[0]:
            process.kill()
            break
        try:
            screen += os.read(leader, 65536).decode("utf-8", "replace")
        except OSError:
            break
        if waiting and screen.count("> \x1b") + screen.count("tell the model > ") > asked:
            asked += 1
            os.write(leader, waiting.pop(0).encode())
    process.wait(timeout=20)
    os.close(leader)
    return screen


def test_help_is_light():
    code = (
        "import sys\nfrom hob.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'asyncio', 'httpx2', 'msgspec', 'sqlite3', 'dataclasses'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
