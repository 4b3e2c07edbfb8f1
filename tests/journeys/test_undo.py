"""`hob undo`, `redo`, `diff` and `restore` on real workspaces, with people editing in between."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from hob.models.scripted import ScriptedCall, Turn, serve
from journeys.face import Shell


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


def call(name: str, **arguments) -> Turn:
    return Turn(calls=(ScriptedCall(name, arguments),))


def bash(command: str) -> Turn:
    return call("bash", command=command)


def edit(path: str, search: str, replace: str) -> Turn:
    return call("edit_file", path=path, search=search, replace=replace)


def work(shell: Shell, *script: Turn, options=()) -> str:
    """Run a script to its end and return the session's id."""
    with serve([*script, Turn(text="Done.")]) as server:
        code, result = shell.result(server.base_url, "go", "--yolo", *options)
    assert code == 0, result
    return result["session_id"]


def put(shell: Shell, path: str, text: str) -> Path:
    file = shell.workspace / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def tree(shell: Shell) -> dict[str, str]:
    return {
        str(p.relative_to(shell.workspace)): p.read_text(encoding="utf-8")
        for p in sorted(shell.workspace.rglob("*"))
        if p.is_file() and ".git" not in p.parts
    }


def git(shell: Shell, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=shell.workspace, env=shell.environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_undo_twice_and_redo_once_with_a_persons_edit_in_between(shell):
    a, b = put(shell, "a.py", "x = 1\n"), put(shell, "b.py", "y = 1\n")
    work(
        shell,
        edit("a.py", "x = 1", "x = 2"),
        edit("b.py", "y = 1", "y = 2"),
        call("write_file", path="new/deep/c.py", content="z = 1\n"),
    )
    first = shell.hob("undo")
    assert first.returncode == 0, first.stderr
    assert tree(shell) == {"a.py": "x = 2\n", "b.py": "y = 2\n"}
    assert not (shell.workspace / "new").exists(), "folders that the agent made go when empty"
    a.write_text("x = 2\nmine = True\n", encoding="utf-8")
    second = shell.hob("undo")
    assert second.returncode == 0, second.stderr
    assert b.read_text() == "y = 1\n"
    assert a.read_text() == "x = 2\nmine = True\n"
    redone = shell.hob("redo")
    assert redone.returncode == 0, redone.stderr
    assert b.read_text() == "y = 2\n"
    # Back to the first: a person changed it meanwhile, so it is told and left alone.
    shell.hob("undo")
    third = shell.hob("undo")
    assert third.returncode == 10
    assert "Left as it is: a.py" in third.stdout
    assert "+mine = True" in third.stdout
    assert a.read_text() == "x = 2\nmine = True\n"
    assert shell.hob("undo").returncode == 42


def test_what_was_undone_is_told_to_the_model_at_the_tail(shell):
    put(shell, "a.py", "x = 1\n")
    script = [edit("a.py", "x = 1", "x = 2"), Turn(text="Done."), Turn(text="I see.")]
    with serve(script) as server:
        shell.result(server.base_url, "go", "--yolo")
        assert shell.hob("undo").returncode == 0
        shell.result(server.base_url, "and now?", "--yolo", "--continue")
        bodies = [request.body for request in server.requests]
    assert bodies[2].startswith(bodies[1][:-2]), "the context grows at its tail only"
    words = [m["content"] for m in json.loads(bodies[2])["messages"] if m["role"] == "user"]
    assert "took back" in words[1]
    assert "a.py" in words[1]
    assert words[2] == "and now?"


def test_what_commands_change_is_taken_back_in_a_repository_and_the_persons_git_is_not_touched(
    shell,
):
    git(shell, "init", "-q")
    put(shell, ".gitignore", "*.log\n")
    put(shell, "kept.txt", "one\n")
    put(shell, "gone.sh", "#!/bin/sh\n").chmod(0o755)
    git(shell, "add", ".")
    git(shell, "commit", "-q", "-m", "start")
    put(shell, "untracked.txt", "mine\n")
    put(shell, "run.log", "mine\n")
    index = (shell.workspace / ".git/index").read_bytes()
    before = tree(shell)
    work(
        shell,
        bash(
            "echo two >> kept.txt; rm gone.sh; mkdir -p d/e; echo n > d/e/new; echo x > untracked.txt"
        ),
        bash("echo agent > run.log; ln -s kept.txt link"),
    )
    assert (shell.workspace / "link").is_symlink()
    assert shell.hob("undo").returncode == 0
    assert not (shell.workspace / "link").is_symlink()
    undone = shell.hob("undo")
    assert undone.returncode == 0, undone.stdout + undone.stderr
    assert "not covered: files that git ignores" in undone.stdout
    assert tree(shell) == {**before, "run.log": "agent\n"}
    assert os.access(shell.workspace / "gone.sh", os.X_OK)
    assert not (shell.workspace / "d").exists()
    assert (shell.workspace / ".git/index").read_bytes() == index
    assert shell.hob("redo").returncode == 0
    assert tree(shell)["d/e/new"] == "n\n"
    assert "gone.sh" not in tree(shell)


def test_files_that_the_agent_made_and_a_person_changed_stay(shell):
    put(shell, "Makefile", "all:\n")
    work(shell, bash("mkdir out; echo 1 > out/a; echo 1 > out/b"))
    put(shell, "out/b", "mine\n")
    put(shell, "out/c", "mine too\n")
    done = shell.hob("undo", "--dry-run")
    assert done.returncode == 10
    assert tree(shell)["out/a"] == "1\n"
    done = shell.hob("undo")
    assert done.returncode == 10
    assert tree(shell) == {"Makefile": "all:\n", "out/b": "mine\n", "out/c": "mine too\n"}


def test_a_move_and_a_delete_are_taken_back_without_git(shell):
    put(shell, "p/one.txt", "1\n").chmod(0o600)
    put(shell, "p/two.txt", "2\n")
    (shell.workspace / "p/link").symlink_to("one.txt")
    before = tree(shell)
    work(
        shell,
        call("move_file", source="p", target="q/p"),
        call("delete_file", path="q/p/one.txt"),
        call("delete_file", path="q/p/link"),
    )
    assert shell.hob("undo", "--turn").returncode == 0
    assert tree(shell) == before
    assert (shell.workspace / "p/link").readlink() == Path("one.txt")
    assert (shell.workspace / "p/one.txt").stat().st_mode & 0o777 == 0o600
    assert not (shell.workspace / "q").exists()


def test_diff_shows_what_the_session_changed_and_can_be_applied_backwards(shell):
    put(shell, "a.py", "".join(f"line {n}\n" for n in range(100)) + "end")
    put(shell, "old.txt", "bye\n")
    put(shell, "tool.sh", "#!/bin/sh\n")
    put(shell, "Makefile", "all:\n")
    before = tree(shell)
    work(
        shell,
        edit("a.py", "line 50\n", "line fifty\nline and a half\n"),
        call("delete_file", path="old.txt"),
        call("write_file", path="sub/new.txt", content="hello"),
        bash("chmod +x tool.sh; printf '\\0\\1' > data.bin"),
    )
    stat = shell.hob("diff", "--stat").stdout
    assert " a.py  +2 -1\n" in stat
    assert " sub/new.txt  +1 -0  (new)\n" in stat
    assert " old.txt  +0 -1  (deleted)\n" in stat
    assert " tool.sh  +0 -0  (mode)\n" in stat
    assert " data.bin  +0 -0  (new, binary)\n" in stat
    whole = shell.hob("diff").stdout
    binary = whole.index("diff --git a/data.bin")
    textual = whole[:binary] + whole[whole.index("diff --git", binary + 1) :]
    (shell.workspace / "data.bin").unlink()
    applied = subprocess.run(
        ["git", "apply", "-R"], cwd=shell.workspace, input=textual, text=True, capture_output=True
    )
    assert applied.returncode == 0, applied.stderr
    assert tree(shell) == before
    assert "no file" in shell.hob("diff").stdout


def test_killed_between_write_and_result_the_write_can_be_taken_back(shell):
    put(shell, "a.py", "x = 1\n")
    put(shell, "Makefile", "all:\n")
    script = [edit("a.py", "x = 1", "x = 2"), bash("echo 3 > a.py; sleep 60"), Turn(text="Done.")]
    with serve(script) as server:
        options = ("--base-url", server.base_url, "--model", "scripted", "--yolo")
        process = shell.start("run", *options, "go")
        for _ in range(200):
            if (shell.workspace / "a.py").read_text(encoding="utf-8") == "3\n":
                break
            time.sleep(0.05)
        process.kill()
        process.communicate(timeout=60)
    put(shell, "a.py", "x = 2\n")
    # The command was never seen to end: it counts as a checkpoint that covers nothing, and says so.
    first = shell.hob("undo")
    assert "never seen to end" in first.stdout
    assert shell.hob("undo").returncode == 0
    assert (shell.workspace / "a.py").read_text(encoding="utf-8") == "x = 1\n"


def test_the_conversation_goes_on_in_a_copy(shell):
    a = put(shell, "a.py", "x = 1\n")
    session = work(shell, edit("a.py", "x = 1", "x = 2"), edit("a.py", "x = 2", "x = 3"))
    length = len(shell.export(session))
    done = shell.hob("restore", "--to", "2.0", session)
    assert done.returncode == 0, done.stderr
    child = done.stdout.split()[-1]
    assert a.read_text() == "x = 2\n"
    kinds = [line["event"]["kind"] for line in shell.export(child)]
    assert kinds[-1] == "tool_finished"
    assert kinds.count("step_finished") == 1
    assert len(shell.export(session)) == length + 2
    talk = shell.hob("restore", "--conversation", "--turn", session)
    assert talk.returncode == 0, talk.stderr
    assert a.read_text() == "x = 2\n"
    kinds = [line["event"]["kind"] for line in shell.export(talk.stdout.split()[-1])]
    assert kinds == ["session_started", "restore_finished"]


def test_switched_off_and_removed(shell):
    put(shell, "a.py", "x = 1\n")
    work(shell, edit("a.py", "x = 1", "x = 2"), options=("--checkpoints", "off"))
    assert shell.hob("undo").returncode == 42
    session = work(shell, edit("a.py", "x = 2", "x = 3"))
    kept = Path(shell.environment["HOB_DATA_DIR"]) / "checkpoints" / session
    assert kept.is_dir()
    assert shell.hob("sessions", "rm", session).returncode == 0
    assert not kept.exists()


def test_a_session_that_works_is_busy(shell):
    put(shell, "a.py", "x = 1\n")
    with serve([edit("a.py", "x = 1", "x = 2"), bash("sleep 60"), Turn(text="Done.")]) as server:
        options = ("--base-url", server.base_url, "--model", "scripted", "--yolo")
        process = shell.start("run", *options, "go")
        for _ in range(200):
            if (shell.workspace / "a.py").read_text(encoding="utf-8") == "x = 2\n":
                break
            time.sleep(0.05)
        busy = shell.hob("undo")
        process.kill()
        process.communicate(timeout=60)
    assert busy.returncode == 1
    assert "is in use by process" in busy.stderr
    assert (shell.workspace / "a.py").read_text(encoding="utf-8") == "x = 2\n"


def repository(shell: Shell) -> None:
    git(shell, "init", "-q", "-b", "main")
    (shell.home / ".gitconfig").write_text(
        "[user]\nname = Ada\nemail = ada@example.org\n", encoding="utf-8"
    )
    hook = put(shell, ".git/hooks/pre-commit", "#!/bin/sh\ntouch hooked\nexit 1\n")
    hook.chmod(0o755)
    put(shell, ".gitignore", "*.log\n")
    for name in ("clean.py", "dirty.py", "other.py", "staged.py", "gone.py"):
        put(shell, name, "one\n")
    git(shell, "add", ".")
    git(shell, "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "start")


COMMITTING = ("--auto-commit",)


def test_auto_commit_keeps_what_was_dirty_apart_and_everything_else_as_it_was(shell):
    repository(shell)
    put(shell, "dirty.py", "one\nmine\n")
    put(shell, "other.py", "one\nmine too\n")
    put(shell, "staged.py", "one\nstaged\n")
    git(shell, "add", "staged.py")
    put(shell, "untracked.py", "u\n")
    script = [
        edit("clean.py", "one", "two"),
        edit("dirty.py", "one", "two"),
        edit("untracked.py", "u", "v"),
        call("write_file", path="sub/new.py", content="n\n"),
        bash("rm gone.py; echo x > run.log; echo made > made.py; python3 -c 'print(1)'"),
        Turn(text="Done."),
    ]
    with serve(script) as server:
        done = shell.run(server.base_url, "Fix the numbers.", "--yolo", *COMMITTING)
    assert done.returncode == 0, done.stderr
    assert "Committed " in done.stderr
    subjects = git(shell, "log", "--format=%s").splitlines()
    assert subjects == [
        "fix: fix the numbers",
        "Keep what was not committed before Hob's change",
        "start",
    ]
    changed = git(shell, "show", "--name-status", "--format=", "HEAD").split()
    assert changed == [
        "M", "clean.py", "M", "dirty.py", "D", "gone.py", "A", "made.py", "A", "sub/new.py",
        "M", "untracked.py",
    ]  # fmt: skip
    kept = git(shell, "show", "--name-status", "--format=", "HEAD~1").split()
    assert kept == ["M", "dirty.py", "A", "untracked.py"]
    assert git(shell, "show", "HEAD~1:dirty.py") == "one\nmine\n"
    assert git(shell, "status", "--short") == " M other.py\nM  staged.py\n"
    body = git(shell, "log", "-1", "--format=%B")
    assert (
        "- rm gone.py; echo x > run.log; echo made > made.py; python3 -c 'print(1)': exit code 0\n"
        in body
    )
    assert "Session: s-" in body
    assert body.strip().endswith("Co-authored-by: Hob <noreply@hob.invalid>")
    assert git(shell, "log", "-1", "--format=%an <%ae>") == "Ada <ada@example.org>\n"
    assert not (shell.workspace / "hooked").exists()


def test_auto_commit_in_a_folder_of_a_larger_repository_and_without_a_first_commit(tmp_path):
    outer = Shell(tmp_path)
    git(outer, "init", "-q", "-b", "main")
    (outer.home / ".gitconfig").write_text("[user]\nname = A\nemail = a@b.c\n", encoding="utf-8")
    put(outer, "pkg/a.py", "1\n")
    put(outer, "b.py", "1\n")
    outer.environment["HOB_COMMIT_TRAILER"] = "0"
    work(outer, edit("a.py", "1", "2"), options=(*COMMITTING, "-C", "pkg"))
    assert git(outer, "show", "HEAD:pkg/a.py") == "2\n"
    assert git(outer, "show", "HEAD~1:pkg/a.py") == "1\n"
    assert git(outer, "status", "--short") == "?? b.py\n"
    assert "Co-authored-by" not in git(outer, "log", "-1", "--format=%B")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda shell: git(shell, "checkout", "-q", "--detach"), "HEAD is detached"),
        (lambda shell: put(shell, ".git/MERGE_HEAD", git(shell, "rev-parse", "HEAD")), "a merge"),
        (lambda shell: put(shell, ".git/rebase-merge/x", ""), "a rebase"),
        (lambda shell: (shell.home / ".gitconfig").unlink(), "user.name"),
    ],
    ids=["detached", "merging", "rebasing", "nobody"],
)
def test_auto_commit_says_why_it_does_not(shell, prepare, words):
    repository(shell)
    prepare(shell)
    head = git(shell, "rev-parse", "HEAD")
    with serve([edit("clean.py", "one", "two"), Turn(text="Done.")]) as server:
        done = shell.run(server.base_url, "go", "--yolo", *COMMITTING)
    assert done.returncode == 0
    assert "Not committed: " in done.stderr
    assert words in done.stderr
    assert git(shell, "rev-parse", "HEAD") == head
    assert shell.hob("undo").returncode == 0
    assert (shell.workspace / "clean.py").read_text(encoding="utf-8") == "one\n"
