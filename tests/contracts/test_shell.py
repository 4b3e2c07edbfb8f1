"""`bash` remembers, whatever a command does to its shell; outputs can be paged; programs be driven."""

import asyncio
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hob.core.messages import ToolResult
from hob.core.ports import Sandbox
from hob.sandboxes.environment import child_environment
from hob.sandboxes.local import LocalSandbox
from hob.stores.blobs import FileBlobs
from hob.tools.first_set import TOOLS, belongings
from hob.tools.outputs import Outputs
from hob.tools.settings import Settings
from hob.tools.terminal import clean
from hob.tools.tool import bind

# A suite that runs in the background of a shell starts with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ENV = child_environment({"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, "test")
NAMES = {"bash", "read_output", "shell_session"}


class Desk:
    """The three tools of one session in one event loop."""

    def __init__(self, root: Path, *, keeper: bool = True, **settings: Any) -> None:
        self.root = root / "work"
        self.root.mkdir()
        self.sandbox = LocalSandbox(str(self.root), ENV, keeper=keeper)
        chosen = Settings(**settings)
        shared = belongings(self.sandbox, chosen, FileBlobs(root / "blobs"))
        self.outputs = shared[Outputs]
        supplies = {Sandbox: self.sandbox, Settings: chosen, **shared}
        self.tools = {one.spec.name: bind(one, supplies) for one in TOOLS if one.spec.name in NAMES}
        self.loop = asyncio.new_event_loop()

    def __call__(self, name: str, /, **arguments: Any) -> ToolResult:
        run = self.tools[name].run(arguments, lambda stream, text: None)
        return self.loop.run_until_complete(run)

    def sh(self, command: str, **arguments: Any) -> str:
        """Return what a command said, without the first line of a success."""
        content = self("bash", command=command, **arguments).content
        return content.removeprefix("exit code 0\n").removeprefix("stdout:\n")

    def close(self) -> None:
        if not self.loop.is_closed():
            self.loop.run_until_complete(self.sandbox.close())
            self.outputs.close()
            self.loop.close()


@pytest.fixture(params=["keeper", "direct"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, keeper=request.param == "keeper")
    yield desk
    desk.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def survivors(word: str) -> list[str]:
    found: list[str] = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0].decode()
            if process.name.isdecimal() and word in line and state not in "ZX":
                found.append(line)
    return found


# --- what is remembered --------------------------------------------------------------------------

BEFORE = "the shell was replaced or killed; its state is as before this command"
# A command, then another one and what it says.
REMEMBERED = {
    "exported": ("export A=1", "echo $A; env | grep ^A=", "1\nA=1"),
    "plain": ("B='x  y'", 'echo "$B"; env | grep -c ^B=; true', "x  y\n0"),
    "arrays": (
        "a=(1 'two words'); declare -A m=([k]=v)",
        'echo "${a[1]} ${m[k]} ${#a[@]}"',
        "two words v 2",
    ),
    "attributes": ("declare -i n=3; declare -n r=n; export -n HOME", "n+=4; echo $r", "7"),
    "odd values": ("X=$'a\\nb\\'\"\\\\ \\x01'", 'printf %q "$X"', "$'a\\nb\\'\"\\\\ \\001'"),
    "function": ("f() { echo in f $1; }", "f 1", "in f 1"),
    "exported function": ("f() { echo f; }; export -f f", "bash -c f", "f"),
    "alias": ("shopt -s expand_aliases; alias hi='echo hello'", "hi", "hello"),
    "umask": ("umask 027", "umask", "0027"),
    "options": ("set -o pipefail; shopt -s extglob nullglob", "false | true; echo $? *(y)z", "1"),
    "option off": ("set +o braceexpand", "echo {1,2}", "{1,2}"),
    "not these": ("set -euxv; echo", "echo $-", "hBc"),
    "IFS": ("IFS=,", "v=1,2; echo $v", "1 2"),
    "unset": ("unset HOME; unset -v AGENT", "echo ${HOME-gone} ${AGENT-gone}", "gone gone"),
    "exit": ("A=1; exit 3", "echo $A", "1"),
    "exit in a function": (
        "f() { local IFS=, A=2; B=3; exit 3; }; A=1; f",
        'echo "$B ${A-none}"; printf %q "$IFS"',
        "3 none\n$' \\t\\n'",
    ),
    "set -e": ("set -e; A=1; false; A=2", "echo $A", "1"),
    "set -u": ("set -u; A=1; echo $none", "echo $A", "1"),
    "heredoc": ("A=1; cat <<EOF\nunfinished", "echo $A", "1"),
    "syntax error": ("A=1", "if then; A=2", None),
    "redirected": ("exec >out 2>&1; A=1; echo x", "cat out; echo $A", "x\n1"),
    "closed": ("exec 0<&- 1>&- 2>&-; A=1", "echo $A", "1"),
    "readonly": ("readonly A=1", "echo $A; A=2", None),
    "noclobber": ("set -o noclobber noglob; A=1", "A=2; echo $A *", "2 *"),
    "posix": ("set -o posix; A=1", "echo $A; set +o posix", "1"),
    "nocasematch": ("shopt -s nocasematch; A=1 random=2", "echo $A $random", "1 2"),
    "trap": ("trap 'echo bye' EXIT; A=1", "echo $A", "1"),
    "trap and exit": ("trap 'echo bye' EXIT; A=1; exit 4", "echo $A", "1"),
    "trap and set -e": ("set -e; trap 'rm -f x' EXIT; A=1; false", "echo $A", "1"),
    "other traps": ("trap 'A=3' ERR; trap ':' DEBUG RETURN; A=1", "false; echo $A", "1"),
    "builtin names": (
        "eval() { :; }; printf() { :; }; cd() { :; }; declare() { :; }; set() { :; }; A=1",
        "echo $A; type -t eval",
        "1\nfunction",
    ),
    "pushd": ("mkdir d e; pushd d >/dev/null; pushd ../e >/dev/null", "popd >/dev/null; pwd", None),
    "subshell": ("A=1; (A=2; exit 5); true", "echo $A", "1"),
    "background": ("A=1; (sleep 0.1) & A=2", "echo $A", "2"),
    "two hundred": ("for i in {1..200}; do eval v$i=$i; done", "echo $v200", "200"),
}


@pytest.mark.parametrize("name", REMEMBERED)
def test_what_a_command_did_to_its_shell_is_there_for_the_next(kept: Desk, name: str):
    desk = kept
    first, second, expected = REMEMBERED[name]
    said = desk("bash", command=first).content
    assert BEFORE not in said
    said = desk.sh(second)
    if expected is not None:
        assert said == expected or said == expected + "\n"
    elif name == "syntax error":
        assert "syntax error near unexpected token" in said
        assert desk.sh("echo $A") == "1"
    elif name == "readonly":
        assert said.startswith("exit code 1\nstdout:\n1\nstderr:\nbash: line 1: A: readonly")
    else:
        assert said.startswith(f"{desk.root}/d\n")
    assert desk.sh("echo still here").startswith("still here")


FORGOTTEN = {
    "killed": ("A=2; kill -9 $$", "killed by SIGKILL"),
    "replaced": ("A=2; exec true", "exit code 0"),
    "noexec": ("A=2; set -n; A=3", "exit code 0"),
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_a_lost_shell_leaves_the_state_as_it_was_and_says_so(desk: Desk, name: str):
    command, said = FORGOTTEN[name]
    desk.sh("A=1; mkdir d; cd d")
    content = desk("bash", command=f"cd ..; {command}").content
    assert content == f"{said}\n[no output]\n[{BEFORE}]\n[cwd: {desk.root}/d]"
    assert desk.sh("echo $A; pwd") == f"1\n{desk.root}/d\n[cwd: {desk.root}/d]"


def test_a_timed_out_command_leaves_the_state_as_it_was(desk: Desk):
    desk.sh("A=1")
    content = desk("bash", command="A=2; sleep 60", timeout_s=0.3).content
    assert content.endswith("\n[the shell's state is as before this command]")
    assert desk.sh("echo $A") == "1"


def test_the_result_names_the_folder_if_it_is_not_the_workspace(desk: Desk):
    assert desk.sh("mkdir d; cd d").endswith(f"[no output]\n[cwd: {desk.root}/d]")
    assert desk.sh("pwd") == f"{desk.root}/d\n[cwd: {desk.root}/d]"
    assert desk.sh("cd ..").endswith(f"\n[cwd: {desk.root}]")
    assert desk.sh("pwd") == str(desk.root)
    odd = "$'new\\nline \\xe9'"
    desk.sh(f"mkdir {odd}; cd {odd}")
    assert desk.sh("pwd | wc -l").startswith("2\n")


def test_a_deleted_folder_falls_back_to_the_workspace(desk: Desk):
    desk.sh("mkdir gone; cd gone; rmdir ../gone; A=1")
    said = desk.sh("pwd; echo $A")
    gone = repr(f"{desk.root}/gone")
    assert said == (
        f"{desk.root}\n1\n[{gone} is gone; the shell started in the workspace]\n[cwd: {desk.root}]"
    )
    assert desk.sh("pwd") == str(desk.root)


def test_a_stolen_state_is_noticed(desk: Desk):
    desk.sh("A=1")
    shutil.rmtree(desk.sandbox.scratch)
    Path(desk.sandbox.scratch).mkdir()
    said = desk("bash", command="touch ran")
    assert said.is_error
    assert said.content.endswith("[the shell's private folder was emptied; its state is lost]")
    assert not (desk.root / "ran").exists()
    assert desk.sh("echo <$A>".replace("<", "'<'").replace(">", "'>'")) == "<>"


def test_five_hundred_functions_and_a_lot_of_text(desk: Desk):
    script = 'for i in {1..500}; do eval "fn$i() { local x=\\"$i\\"; case \\$1 in a) echo \\$x;; esac; }"; done'
    desk.sh(f"{script}; BIG=$(head -c 300000 /dev/zero | tr '\\0' x)")
    assert desk.sh("fn500 a; echo ${#BIG}; declare -F | wc -l") == "500\n300000\n500"


def test_a_virtual_environment_stays_active(desk: Desk):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", desk.root / "env"], check=True)
    before = desk.sh("command -v python3")
    desk.sh(". env/bin/activate")
    prefix = desk.sh("python3 -c 'import sys; print(sys.prefix)'; echo $VIRTUAL_ENV")
    assert prefix == f"{desk.root}/env\n{desk.root}/env"
    desk.sh("deactivate")
    assert desk.sh("command -v python3; echo ${VIRTUAL_ENV-none}") == f"{before}\nnone"


def test_messages_and_parameters_are_those_of_bash(desk: Desk):
    assert desk.sh("echo $# $0 $LINENO\nnope\n\necho $LINENO") == (
        "0 bash 1\n4\nstderr:\nbash: line 2: nope: command not found"
    )
    assert desk.sh("set -x; echo x") == "x\nstderr:\n++ echo x"
    assert desk.sh("trap 'echo bye $?' EXIT; exit 4") == "exit code 4\nstdout:\nbye 4"
    assert desk.sh("echo $RANDOM") != desk.sh("echo $RANDOM")
    assert desk.sh("false | true; echo ${PIPESTATUS[@]}") == "1 0"


def test_commands_may_overlap(desk: Desk):
    async def both() -> None:
        tool = desk.tools["bash"]
        slow = tool.run({"command": "A=slow; sleep 0.5"}, lambda *_: None)
        quick = tool.run({"command": "A=quick"}, lambda *_: None)
        await asyncio.gather(slow, quick)

    desk.sh("A=0")
    desk.loop.run_until_complete(both())
    assert desk.sh("echo $A") == "slow"


def test_the_state_stays_out_of_the_output_and_private(desk: Desk):
    assert desk.sh("A=1") == "[no output]"
    assert Path(desk.sandbox.scratch).stat().st_mode & 0o777 == 0o700
    assert not Path(desk.sandbox.scratch).is_relative_to(desk.root)
    scratch = desk.sandbox.scratch
    for number in range(10):
        desk.sh(f"B{number}=1")
    assert len(list(Path(scratch).iterdir())) <= 7
    desk.close()
    assert not Path(scratch).exists()


def test_a_stateless_shell_forgets(tmp_path: Path):
    desk = Desk(tmp_path, stateless_shell=True)
    desk.sh("A=1; mkdir d; cd d")
    assert desk.sh('echo "<$A>"; pwd') == f"<>\n{desk.root}"
    assert "[exit code 3]" in desk.sh("echo x; exit 3", background=True)
    desk.close()


# --- outputs and jobs ----------------------------------------------------------------------------


def test_fifty_megabytes_are_kept_whole_and_paged(tmp_path: Path):
    desk = Desk(tmp_path)
    started = time.process_time()
    result = desk("bash", command="seq -f 'line %.0f of much output' 1900000", timeout_s=120)
    used = time.process_time() - started
    assert not result.is_error
    assert len(result.content) < 16_384
    assert used < 5
    name = re.search(r"bytes cut; read_output\('(\w{12})'\) shows the rest", result.content)
    assert name is not None
    page = desk("read_output", output=name[1], start_line=1_000_000, end_line=1_000_001).content
    assert page == (
        "1000000\tline 1000000 of much output\n1000001\tline 1000001 of much output\n"
        "[lines 1000000-1000001 of 1900000; read on with start_line=1000002]"
    )
    end = desk("read_output", output=name[1][:8], start_line=1_900_000)
    assert end.content == (
        "1900000\tline 1900000 of much output\n[lines 1900000-1900000 of 1900000]"
    )
    assert len(desk("read_output", output=name[1]).content) <= 16_384
    assert f"{name[1]}, " in desk("read_output").content
    beyond = desk("read_output", output=name[1], start_line=1_900_001)
    assert (beyond.is_error, "1900000 lines" in beyond.content) == (True, True)
    desk.close()


@pytest.mark.slow
def test_a_gigabyte_in_little_memory(tmp_path: Path):
    desk = Desk(tmp_path)
    desk.sh("true")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = desk("bash", command="head -c 1000000000 /dev/zero | tr '\\0' '\\n'", timeout_s=300)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result.details.metadata["stdout_bytes"] == 1_000_000_000
    assert len(result.content) <= 65_536
    assert grown < 32_768
    name = re.search(r"read_output\('(\w{12})'\)", result.content)
    assert name is not None
    page = desk("read_output", output=name[1], start_line=268_435_456).content
    assert "[only the first 268435456 of 1000000000 bytes were kept]" in page
    desk.close()


def test_unknown_outputs_and_wrong_lines(desk: Desk):
    assert desk("read_output").content == "[no background jobs, no kept outputs]"
    for name in ("nothing", "j1", "0" * 12, "../../etc"):
        result = desk("read_output", output=name)
        assert (result.is_error, "read_output() without a name lists" in result.content) == (
            True,
            True,
        )


def test_a_failures_stderr_can_be_read_whole(desk: Desk):
    content = desk.sh("for i in $(seq 60); do echo e$i >&2; done; exit 7")
    name = re.search(r"37 lines cut; read_output\('(\w{12})'\)", content)
    assert name is not None
    assert desk("read_output", output=name[1], start_line=30, end_line=30).content == (
        "30\te30\n[lines 30-30 of 60; read on with start_line=31]"
    )


def test_background_jobs_are_told_listed_read_and_stopped(desk: Desk):
    word = f"60.4{os.getpid()}"
    said = desk.sh(f"(echo begin; echo oops >&2; exec sleep {word}) &")
    found = re.search(rf"\[still running: j1, pid (\d+): sleep {word}\]$", said)
    assert found is not None
    assert said.startswith("begin\nstderr:\noops\n")
    assert f"j1, pid {found[1]}: sleep {word}" in desk("read_output").content
    read = desk("read_output", output="j1").content
    assert read == f"[running: j1, pid {found[1]}: sleep {word}]\nstdout:\nbegin\nstderr:\noops"
    desk.sh(f"kill {found[1]}")
    for _ in range(50):
        read = desk("read_output", output="j1").content
        if "has ended" in read:
            break
        time.sleep(0.02)
    assert read == "[j1 has ended]\nstdout:\nbegin\nstderr:\noops"
    assert "j1, ended: " in desk("read_output").content


def test_a_job_can_be_started_and_followed(desk: Desk):
    desk.sh("A=5; work() { for i in $(seq 400); do echo $A-$i; sleep 0.05; done; }")
    said = desk("bash", command="work", background=True).content
    assert re.search(r"stdout:\n5-1.*\n\[still running: j1, pid \d+: ", said, re.DOTALL)
    time.sleep(0.2)
    desk.sh("true")
    assert "5-3" in desk("read_output", output="j1").content
    page = desk("read_output", output="j1", start_line=2, end_line=2).content
    assert page.startswith("2\t5-2\n[lines 2-2 of ")
    said = desk("bash", command="exit 3", background=True).content
    assert "[exit code 3]" in said
    assert "still running" not in said


def test_a_long_job_shows_its_end(desk: Desk):
    desk("bash", command="seq 100000; sleep 60", background=True)
    for _ in range(100):
        read = desk("read_output", output="j1").content
        if read.endswith("100000"):
            break
        desk.sh("true")
    assert "[stdout: the end of 588895 bytes; start_line shows other lines]" in read
    assert len(read) < 16_384
    page = desk("read_output", output="j1", start_line=77_777, end_line=77_777).content
    assert page.startswith("77777\t77777\n")


def test_nobody_outlives_the_session(desk: Desk):
    word = f"60.5{os.getpid()}"
    desk.sh(f"sleep {word} & setsid -f sleep {word}; (trap '' TERM HUP; sleep {word}) &")
    desk("bash", command=f"sleep {word}", background=True)
    desk("shell_session", action="start", text=f"trap '' HUP TERM; sleep {word}", timeout_s=0.2)
    assert len(survivors(f"sleep {word}")) >= 5
    desk.close()
    assert survivors(f"sleep {word}") == []


# --- interactive programs ------------------------------------------------------------------------


def test_python_is_driven_and_left(desk: Desk):
    desk.sh("export GREETING=hello; mkdir d; cd d")
    start = desk("shell_session", action="start", text="python3 -i", until=">>> $").content
    assert start.endswith(">>> \n[t1, running: python3 -i]")
    said = desk(
        "shell_session", action="send", text="import os; os.environ['GREETING'], os.getcwd()"
    ).content
    assert f"('hello', '{desk.root}/d')\n>>>" in said
    desk("shell_session", action="send", text="while True: pass\n", timeout_s=0.3)
    said = desk("shell_session", action="send", text="ctrl-c", until=">>> $").content
    assert "KeyboardInterrupt" in said
    assert desk("shell_session", action="list").content == "t1: python3 -i [running]"
    desk("shell_session", action="send", text="raise SystemExit(7)", until="never")
    said = desk("shell_session", action="read").content
    assert said == "no session is open; start one with text='python3 -i'"


def test_a_program_that_ends_tells_its_exit_code(desk: Desk):
    start = desk("shell_session", action="start", text="read -p 'name? ' x; echo got $x; exit 5")
    assert start.content.startswith("name?")
    said = desk("shell_session", action="send", text="me", until="never").content
    assert said == "me\ngot me\n[t1, exit code 5: read -p 'name? ' x; echo got $x; exit 5]"


def test_the_terminal_is_a_controlling_one_with_a_size(desk: Desk):
    text = "tty; stty size; ps -o tty= -p $$; echo $TERM; test -t 0 && echo yes </dev/tty"
    said = desk("shell_session", action="start", text=text, until="never").content
    assert re.match(r"/dev/(pts/\d+)\n30 100\n\1\s*\ndumb\nyes\n", said)


def test_four_sessions_at_most_and_names(desk: Desk):
    for _ in range(4):
        desk("shell_session", action="start", text="cat", timeout_s=0.1)
    fifth = desk("shell_session", action="start", text="cat")
    assert fifth.content == "4 sessions are open already; close one of t1, t2, t3, t4 first"
    said = desk("shell_session", action="send", session="t2", text="two", until="two\r?\ntwo")
    assert said.content == "two\ntwo\n[t2, running: cat]"
    assert desk("shell_session", action="close", session="t2").content.endswith(": cat]")
    unknown = desk("shell_session", action="read", session="t2").content
    assert unknown == "there is no session 't2'; open are t1, t3, t4"
    assert desk("shell_session", action="send", session="t3", text="ctrl-d").content == (
        "[no output]\n[t3, exit code 0: cat]"
    )
    for wrong in ("(a+)+$", "("):
        assert desk("shell_session", action="read", until=wrong).is_error


def test_a_program_that_ignores_everything_is_killed(desk: Desk):
    word = f"60.6{os.getpid()}"
    text = f"trap '' HUP INT TERM; setsid -f sleep {word}; echo up; while :; do sleep {word}; done"
    desk("shell_session", action="start", text=text, until="up")
    assert len(survivors(f"sleep {word}")) >= 2
    desk("shell_session", action="close")
    assert survivors(f"sleep {word}") == []


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
def test_gdb_is_driven(desk: Desk):
    start = desk(
        "shell_session", action="start", text="gdb -q -nx", until=r"\(gdb\) $", timeout_s=60
    )
    assert start.content.startswith("(gdb)")
    said = desk("shell_session", action="send", text="print 6*7", until=r"\(gdb\) $").content
    assert "$1 = 42" in said
    assert "exit code 0" in desk("shell_session", action="send", text="quit", until="never").content


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\r\nb\r\n", "a\nb\n"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07x\x1b(B", "red x"),
        ("10%\r 50%\r100%\r\n", "100%\n"),
        ("long text\rshort\r\n", "shorttext\n"),
        ("abd\bc\n", "abc\n"),
        ("\x1b[?2004h>>> \x1b[?2004l\r", ">>> "),
    ],
)
def test_what_a_terminal_would_show(raw: str, shown: str):
    assert clean(raw) == shown


def test_signals_have_names(desk: Desk):
    text = "echo $$; exec sleep 60.7"
    start = desk("shell_session", action="start", text=text, until=r"\d+\r\n").content
    os.kill(int(start.split("\n")[0]), signal.SIGKILL)
    said = desk("shell_session", action="read", until="never").content
    assert f"[t1, killed by signal 9: {text}]" in said
