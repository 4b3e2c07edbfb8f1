"""Every sandbox: paths never leave the root, writes are whole, commands leave nobody behind."""

import asyncio
import os
import signal
import socket
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core.ports import FileError, Sandbox
from hob.sandboxes.environment import child_environment, sensitive_paths
from hob.sandboxes.leftovers import TEMPORARY
from hob.sandboxes.local import LocalSandbox, kill_leftovers
from hob.sandboxes.process import Processes, watch_by_thread, watch_exit
from hob.sandboxes.streams import Capture

ENV = child_environment({"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, "test")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside = tmp_path / "root"
    inside.mkdir()
    (inside / "a.txt").write_text("inside\n")
    (inside / "src").mkdir()
    (inside / "src" / "main.py").write_text("x = 1\n")
    (tmp_path / "secret.txt").write_text("outside\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("outside\n")
    return inside


@pytest.fixture(params=["local"])
def sandbox(request: pytest.FixtureRequest, root: Path) -> Iterator[Sandbox]:
    box = LocalSandbox(str(root), ENV)
    yield box
    asyncio.run(box.close())


# --- files ---------------------------------------------------------------------------------------


def test_round_trip(sandbox: Sandbox, root: Path):
    sandbox.write("new/deep/b.bin", b"\x00\xff\r\n")
    assert sandbox.read("new/deep/b.bin", 100) == b"\x00\xff\r\n"
    assert sandbox.read(f"{sandbox.root}/new/deep/b.bin", 2) == b"\x00\xff"
    assert [(f.path, f.kind) for f in sandbox.list("new")] == [("new/deep", "dir")]
    found = sandbox.stat("./new/../new/deep//b.bin")
    assert found is not None
    assert (found.path, found.kind, found.size) == ("new/deep/b.bin", "file", 4)
    sandbox.move("new/deep/b.bin", "moved/c.bin")
    assert sandbox.stat("new/deep/b.bin") is None
    sandbox.delete("moved/c.bin")
    sandbox.delete("moved")
    assert [f.path for f in sandbox.list(".")] == ["a.txt", "new", "src"]
    assert [f.path for f in sandbox.list("src")] == ["src/main.py"]
    assert not list(root.rglob(TEMPORARY + "*"))


ESCAPES = [
    "..", "../secret.txt", "src/../../secret.txt", "/etc/passwd", "/", "/proc/self/environ",
    "link-out", "link-out/a.txt", "link-file", "link-up/secret.txt", "link-root", "link-proc",
    "chain", "/root-but-not/a.txt",
]  # fmt: skip


@pytest.fixture
def links(root: Path) -> Path:
    (root / "link-out").symlink_to(root.parent / "out")
    (root / "link-file").symlink_to("../secret.txt")
    (root / "link-up").symlink_to("src/../..")
    (root / "link-root").symlink_to("/")
    (root / "link-proc").symlink_to("/proc/self/root/etc/passwd")
    (root / "chain").symlink_to("link-file")
    (root / "loop").symlink_to("loop")
    (root / "here").symlink_to("src")
    (root / "absolute").symlink_to(root / "src" / "main.py")
    (root / "dangling").symlink_to("src/none.py")
    return root


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leaves_the_root(sandbox: Sandbox, links: Path, path: str):
    before = sorted(p.name for p in links.parent.rglob("*"))
    path = path.replace("/root-but-not", str(links) + "-but-not")
    for attempt in (
        lambda: sandbox.read(path, 100),
        lambda: sandbox.write(path, b"x"),
        lambda: sandbox.list(path),
        lambda: sandbox.stat(path),
        lambda: sandbox.write(path + "/new/file", b"x"),
    ):
        with pytest.raises(FileError, match="outside the workspace"):
            attempt()
    with pytest.raises(FileError):
        sandbox.move("a.txt", path + "/x")
    assert (links.parent / "secret.txt").read_text() == "outside\n"
    assert before == sorted(p.name for p in links.parent.rglob("*"))


def test_links_inside_are_followed_and_stay_links(sandbox: Sandbox, links: Path):
    assert sandbox.read("here/main.py", 100) == b"x = 1\n"
    assert sandbox.read("absolute", 100) == b"x = 1\n"
    sandbox.write("absolute", b"y = 2\n")
    assert (links / "absolute").is_symlink()
    assert (links / "src" / "main.py").read_text() == "y = 2\n"
    sandbox.write("dangling", b"z\n")
    assert (links / "src" / "none.py").read_text() == "z\n"
    with pytest.raises(FileError, match="40 symbolic links"):
        sandbox.read("loop", 1)
    sandbox.move("absolute", "moved")
    assert (links / "moved").is_symlink()
    sandbox.delete("moved")
    sandbox.delete("link-file")
    assert (links / "src" / "main.py").exists()
    assert (links.parent / "secret.txt").exists()
    kinds = {f.path: f.kind for f in sandbox.list(".")}
    assert kinds["here"] == "link"
    assert kinds["src"] == "dir"


def test_only_regular_files_are_read(sandbox: Sandbox, root: Path):
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        # The path of a socket may be no longer than 107 bytes, and tmp_path can be.
        here = Path.cwd()
        os.chdir(root)
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
    for name, says in (("fifo", "a FIFO"), ("socket", "a socket"), ("src", "is a directory")):
        with pytest.raises(FileError, match=says):
            sandbox.read(name, 10)
        with pytest.raises(FileError, match=says):
            sandbox.write(name, b"x")
    with pytest.raises(FileError, match="not a directory"):
        sandbox.list("a.txt")
    with pytest.raises(FileError, match="not a directory"):
        sandbox.read("a.txt/b", 10)
    assert sandbox.stat("a.txt/b") is None


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", "x" * 300, "d/" * 3000 + "f"])
def test_impossible_names_are_file_errors(sandbox: Sandbox, path: str):
    for attempt in (sandbox.list, sandbox.delete, lambda p: sandbox.read(p, 1)):
        with pytest.raises(FileError) as caught:
            attempt(path)
        str(caught.value).encode()


@pytest.mark.parametrize("name", ["a\nb.txt", "\u202etxt.exe", "\x1b[31mred", "caf\udce9.txt", " "])
def test_odd_names_work_and_are_escaped_in_messages(sandbox: Sandbox, name: str):
    sandbox.write(name, b"odd")
    assert sandbox.read(name, 10) == b"odd"
    assert name in [f.path for f in sandbox.list(".")]
    with pytest.raises(FileError) as caught:
        sandbox.read(name + "x", 10)
    text = str(caught.value)
    assert text.isprintable()
    text.encode()


def test_a_missing_file_names_the_nearest(sandbox: Sandbox):
    with pytest.raises(FileError, match=r"did you mean 'src/main\.py'\?"):
        sandbox.read("src/mian.py", 10)
    with pytest.raises(FileError, match="list_dir 'src' shows"):
        sandbox.read("src/other.txt", 10)
    with pytest.raises(FileError, match="did you mean 'src'"):
        sandbox.list("scr")


def test_git_is_protected(sandbox: Sandbox, root: Path):
    (root / ".git" / "hooks").mkdir(parents=True)
    (root / ".git" / "config").write_text("[core]\n")
    (root / "sneaky").symlink_to(".git/hooks")
    for path in (".git/hooks/pre-commit", ".GIT/config", "sneaky/x", ".git", "sub/.git/config"):
        with pytest.raises(FileError, match="git's own"):
            sandbox.write(path, b"x")
        with pytest.raises(FileError, match="git's own"):
            sandbox.move("a.txt", path)
    with pytest.raises(FileError, match="git's own"):
        sandbox.delete(".git/config")
    assert not (root / "sub").exists()
    assert sandbox.read(".git/config", 10) == b"[core]\n"


@pytest.fixture
def home(root: Path) -> Iterator[Sandbox]:
    for name in (".local/share/hob", ".ssh", ".config/gh", "dot/aws", ".sshd", "sub/.ssh"):
        (root / name).mkdir(parents=True)
    (root / ".aws").symlink_to("dot/aws")
    (root / "sneaky").symlink_to(".local/share")
    for name in (".local/share/hob/hob.db", ".ssh/id", ".netrc", "dot/aws/key", ".sshd/x"):
        (root / name).write_text("kept\n")
    protected = sensitive_paths(str(root), str(root / ".local/share/hob"))
    box = LocalSandbox(str(root), ENV, protected)
    yield box
    asyncio.run(box.close())


KEPT = [
    ".local/share/hob", ".local/share/hob/hob.db", ".local/share/hob/new/file", "sneaky/hob/hob.db",
    "sub/../.ssh/id", ".SSH/id", ".ssh", ".netrc", ".aws", ".aws/key", "dot/aws/key", ".gnupg/new",
    ".config/gh/hosts.yml", "/.ssh/id",
]  # fmt: skip


@pytest.mark.parametrize("path", KEPT)
def test_protected_paths_are_left_alone(home: Sandbox, root: Path, path: str):
    before = sorted(root.rglob("*"))
    path = f"{root}{path}" if path.startswith("/") else path
    for attempt in (
        lambda: home.read(path, 9),
        lambda: home.write(path, b"x"),
        lambda: home.list(path),
        lambda: home.stat(path),
        lambda: home.delete(path),
        lambda: home.move(path, "there"),
        lambda: home.move("a.txt", path),
        lambda: home.move("src", path),
    ):
        with pytest.raises(FileError, match="holds keys or Hob's own data, so file tools leave it"):
            attempt()
    assert sorted(root.rglob("*")) == before
    assert (root / ".local/share/hob/hob.db").read_text() == "kept\n"


def test_what_is_above_or_beside_something_protected(home: Sandbox, root: Path):
    (root / "stolen" / "gh").mkdir(parents=True)
    for source, target in ((".local", "x"), (".config", "x"), ("sneaky/../.local", "x")):
        with pytest.raises(FileError, match="holds keys"):
            home.move(source, target)
    (root / ".config" / "gh").rmdir()
    (root / ".config").rmdir()
    with pytest.raises(FileError, match="holds keys"):
        home.move("stolen", ".config")
    assert [one.path for one in home.list(".local/share")] == [".local/share/hob"]
    assert home.read(".sshd/x", 9) == b"kept\n"
    home.write("sub/.ssh/config", b"a project's own")
    home.write(".config/other", b"fine")
    home.move("sub", ".local/sub")


def test_a_workspace_below_a_protected_path_is_what_the_person_chose(root: Path):
    box = LocalSandbox(str(root / "src"), ENV, [str(root)])
    assert box.read("main.py", 9) == b"x = 1\n"
    asyncio.run(box.close())
    box = LocalSandbox(str(root), ENV, [str(root)])
    for path in (".", "a.txt"):
        with pytest.raises(FileError, match="holds keys"):
            box.stat(path)
    asyncio.run(box.close())


def test_sensitive_paths():
    assert sensitive_paths("/home/me/", "/data/hob") == (
        "/data/hob", "/home/me/.ssh", "/home/me/.aws", "/home/me/.gnupg", "/home/me/.kube",
        "/home/me/.netrc", "/home/me/.docker", "/home/me/.config/gh", "/proc",
    )  # fmt: skip
    assert sensitive_paths("", "") == ("/proc",)


def test_a_file_says_how_many_names_it_has(sandbox: Sandbox, root: Path):
    os.link(root / "a.txt", root / "b.txt")
    assert [one.links for one in sandbox.list(".")] == [2, 2, 1]
    found = sandbox.stat("a.txt")
    assert found is not None
    assert found.links == 2


def test_a_write_keeps_the_mode_and_breaks_hard_links(sandbox: Sandbox, root: Path):
    script = root / "run.sh"
    script.write_text("old")
    script.chmod(0o750)
    os.link(root.parent / "secret.txt", root / "hard")
    sandbox.write("run.sh", b"new")
    sandbox.write("hard", b"new")
    assert script.stat().st_mode & 0o7777 == 0o750
    assert (root.parent / "secret.txt").read_text() == "outside\n"
    assert not list(root.rglob(TEMPORARY + "*"))


def test_a_move_never_replaces(sandbox: Sandbox, root: Path):
    (root / "empty").mkdir()
    (root / "link").symlink_to("nowhere")
    for source, target in (("a.txt", "src/main.py"), ("src", "empty"), ("a.txt", "link")):
        with pytest.raises(FileError, match="exists already"):
            sandbox.move(source, target)
    with pytest.raises(FileError):
        sandbox.move("src", "src/below")
    sandbox.move("src", "deep/er")
    assert (root / "deep" / "er" / "main.py").read_text() == "x = 1\n"
    for path in (".", "./", sandbox.root):
        with pytest.raises(FileError, match="workspace itself"):
            sandbox.delete(path)
    with pytest.raises(FileError, match="not empty"):
        sandbox.delete("deep")


# --- commands ------------------------------------------------------------------------------------


def sh(sandbox: Sandbox, script: str, timeout_s: float = 30, **options: object):
    argv = ["bash", "--noprofile", "--norc", "-c", script]
    return sandbox.exec(argv, timeout_s=timeout_s, **options)  # type: ignore[arg-type]


def test_a_command_gives_its_streams_apart(sandbox: Sandbox):
    result = asyncio.run(sh(sandbox, "pwd; echo problem >&2; exit 3", env={"X": "1"}))
    assert (result.stdout, result.stderr) == (f"{sandbox.root}\n", "problem\n")
    assert (result.exit_code, result.timed_out) == (3, False)
    assert (result.stdout_bytes, result.stderr_bytes) == (len(sandbox.root) + 1, 8)


@pytest.mark.parametrize("watch", [watch_exit, watch_by_thread])
def test_ways_to_end(root: Path, watch: Callable[..., "asyncio.Future[None]"]):
    async def all_of_them() -> list[tuple[int | None, str]]:
        processes = Processes(str(root), ENV, watch)
        scripts = ("cat; read x; echo $?", "kill -KILL $$", "exec 1>&- 2>&-; exit 4", "sleep 60")
        found = [await processes.run(["bash", "-c", s], timeout_s=2) for s in scripts]
        processes.kill_all()
        return [(one.exit_code, one.stdout) for one in found]

    assert asyncio.run(all_of_them()) == [(0, "1\n"), (-signal.SIGKILL, ""), (4, ""), (None, "")]


def test_a_command_that_cannot_start_says_why(sandbox: Sandbox, root: Path):
    (root / "noexec").write_text("x")

    async def run(*command: str) -> tuple[int | None, str]:
        result = await sandbox.exec(command, timeout_s=5)
        return result.exit_code, result.stderr

    assert asyncio.run(run("no-such-program")) == (127, "no-such-program: command not found")
    assert asyncio.run(run("./noexec"))[0] == 126
    assert asyncio.run(run("echo", "a\0b"))[0] == 126
    assert "too long" in asyncio.run(run("echo", "x" * 3_000_000))[1]
    before = open_files()
    asyncio.run(run("no-such-program"))
    assert open_files() == before


def test_the_environment_is_an_allow_list():
    parent = {
        "PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "GITHUB_TOKEN": "t", "SSH_AUTH_SOCK": "s",
        "AWS_SECRET_ACCESS_KEY": "k", "OPENAI_API_KEY": "o", "HOB_API_KEY": "h", "MY_FLAG": "1",
        "TERM": "xterm", "LD_PRELOAD": "x", "PYTHONPATH": "p", "BASH_ENV": "b",
    }  # fmt: skip
    env = child_environment(parent, "s1", ["MY_*", "PYTHONPATH", "ABSENT"])
    assert set(env) - {"PATH", "HOME", "LC_ALL", "MY_FLAG", "PYTHONPATH", "TERM"} == {
        "AGENT", "AGENT_SESSION_ID", "NO_COLOR", "PAGER", "GIT_PAGER", "EDITOR", "GIT_EDITOR",
        "GIT_TERMINAL_PROMPT", "PYTHONUNBUFFERED",
    }  # fmt: skip
    assert (env["AGENT"], env["AGENT_SESSION_ID"], env["TERM"]) == ("hob", "s1", "dumb")
    assert child_environment({})["PATH"]


def test_the_child_sees_the_environment_and_no_open_files(sandbox: Sandbox, root: Path):
    with (root / "a.txt").open() as held:
        os.set_inheritable(held.fileno(), True)
        result = asyncio.run(sh(sandbox, "env; ls /proc/self/fd", env={"EXTRA": "yes"}))
    lines = result.stdout.splitlines()
    assert {"AGENT=hob", "AGENT_SESSION_ID=test", "EXTRA=yes"} <= set(lines)
    assert [line for line in lines if line.isdecimal()] == ["0", "1", "2", "3"]


def test_fifty_megabytes_in_little_memory(sandbox: Sandbox):
    script = "head -c 50000000 /dev/zero | tr '\\0' a; head -c 1000000 /dev/zero | tr '\\0' b >&2"
    seen: list[int] = []
    tracemalloc.start()
    try:
        result = asyncio.run(
            sh(
                sandbox,
                script,
                300,
                max_bytes=10_000,
                report=lambda _, text: seen.append(len(text)),
            )
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
    assert (result.stdout_bytes, result.stderr_bytes) == (50_000_000, 1_000_000)
    assert result.stdout == "a" * 5000 + "\n[... 49990000 bytes cut ...]\n" + "a" * 5000
    assert len(seen) <= result.duration_s / 0.05 * 2 + 6


def test_reports_are_whole_characters_and_calm(sandbox: Sandbox):
    pieces: list[tuple[str, str]] = []
    script = (
        "for i in 1 2 3 4 5; do printf '\\xc3'; sleep 0.02; printf '\\xa9'; done; printf '\\xc3'"
    )
    result = asyncio.run(sh(sandbox, script, report=lambda *piece: pieces.append(piece)))
    assert "".join(text for _, text in pieces) == "ééééé\N{REPLACEMENT CHARACTER}"
    assert {stream for stream, _ in pieces} == {"stdout"}
    assert len(pieces) <= result.duration_s / 0.05 + 3


KINDS = {
    "plain": "{s}",
    "ignores": "trap '' INT TERM HUP; {s} & {s}; while :; do sleep 1; done",
    "daemon": "setsid -f {s}; {s}",
    "double fork": "( ( setsid bash -c 'trap \"\" TERM; {s}; :' & ) & ); {s}",
    "stopped": "{s} & kill -STOP $!; kill -STOP $$",
    "pipe held": "(trap '' INT TERM; setsid -f {s}) & disown -a; {s}",
    "jobs": "set -m; {s} & {s} & {s}",
    "no marker": "set -m; (env -i {s} & env -u HOB_CALL {s} &) & {s}",
    "forks": "for i in $(seq 999); do {s} & sleep 0.01; done",
    "moves on": "setsid -f bash -c 'f() {{ [ $1 = 9999 ] || f $(($1 + 1)) & }}; f 0; : {s}'; {s}",
}


def running() -> list[Path]:
    return [one for one in Path("/proc").iterdir() if one.name.isdecimal()]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def survivors(word: str) -> list[str]:
    found: list[str] = []
    for process in running():
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0].decode()
            if word in line and state not in "ZX":
                found.append(line)
    return found


@pytest.mark.parametrize("way", ["timeout", "cancel", "cancel twice"])
def test_a_killed_command_leaves_nobody(sandbox: Sandbox, way: str):
    word = f"{os.getpid()}{way.count('c')}{len(way)}"

    async def end(number: int, script: str) -> str:
        ready = asyncio.Event()
        sleeper = f"sleep 60.{word}{number}"
        command = "echo ready; " + script.format(s=sleeper)
        limit_s = 1.5 if way == "timeout" else 60
        run = asyncio.ensure_future(
            sh(sandbox, command, limit_s, report=lambda *_: ready.set())  # type: ignore[arg-type]
        )
        if way == "timeout":
            result = await run
            assert (result.exit_code, result.timed_out) == (None, True)
            return result.stdout
        await ready.wait()
        await asyncio.sleep(0.3)
        run.cancel()
        if way == "cancel twice":
            await asyncio.sleep(0.1)
            run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        return "ready\n"

    async def all_kinds() -> list[str]:
        return await asyncio.gather(*(end(n, s) for n, s in enumerate(KINDS.values())))

    assert asyncio.run(all_kinds()) == ["ready\n"] * len(KINDS)
    # One that forks and leaves all the time is easily missed by one look.
    assert [survivors(f"sleep 60.{word}") for _ in range(10)] == [[]] * 10


def test_killing_one_command_spares_another(sandbox: Sandbox):
    async def both() -> list[int | None]:
        results = await asyncio.gather(sh(sandbox, "sleep 60", 0.3), sh(sandbox, "sleep 2; exit 5"))
        return [one.exit_code for one in results]

    assert asyncio.run(both()) == [None, 5]


def test_background_work_lives_until_close(root: Path):
    word = f"sleep 60.8{os.getpid()}"

    async def session() -> LocalSandbox:
        box = LocalSandbox(str(root), ENV)
        talker = "for i in $(seq 999); do echo talk && echo x >> talked; sleep 0.02; done"
        result = await sh(box, f"setsid -f {word}; ({talker}) & echo started")
        assert result.exit_code == 0
        assert "started\n" in result.stdout
        size = len(result.stdout)
        assert survivors(word)
        before = (root / "talked").stat().st_size if (root / "talked").exists() else 0
        await asyncio.sleep(0.5)
        # What it prints is still taken (and thrown away), so it can go on.
        assert (root / "talked").stat().st_size > before
        assert len(result.stdout) == size
        return box

    async def end(box: LocalSandbox) -> None:
        await box.close()
        await box.close()

    asyncio.run(end(asyncio.run(session())))  # the second loop is not the one of the pipes
    assert survivors(word) == []
    size = (root / "talked").stat().st_size
    time.sleep(0.1)
    assert (root / "talked").stat().st_size == size


def test_a_hob_inside_a_hob_is_found_too(sandbox: Sandbox, root: Path):
    word = f"sleep 60.9{os.getpid()}"

    async def both() -> None:
        env = child_environment({"PATH": os.environ["PATH"], "HOB_CALL": "outer-1;"})
        inner = LocalSandbox(str(root), env)
        await sh(inner, f"setsid -f env AGENT=x {word}")
        assert any(_has(process, b"HOB_CALL=outer-1;") for process in running())
        await inner.close()

    asyncio.run(both())
    assert survivors(word) == []


def test_leftovers_of_a_killed_hob_are_found_by_their_owner(root: Path):
    word = f"sleep 60.7{os.getpid()}"
    owners = ["s-1", "s", "xs-1", "s-1-1", "s-1/1;s", "a b;\0\ud800", "s-1;"]

    async def begin() -> None:
        for number, owner in enumerate(owners):
            box = LocalSandbox(str(root), {**ENV, "HOB_CALL": "unclosed"}, owner=owner)
            await sh(box, f"setsid -f {word}{number}; setsid -f env -u AGENT {word}{number}")

    asyncio.run(begin())  # and never closed
    for number, owner in enumerate(owners):
        others = [survivors(f"{word}{other}") for other in range(number + 1, len(owners))]
        assert all(len(lines) == 2 for lines in others)
        assert kill_leftovers(owner) == 2
        assert survivors(f"{word}{number}") == []
        assert kill_leftovers(owner) == 0
    assert kill_leftovers("") == 0
    assert survivors(word) == []


def test_a_hob_among_the_leftovers_does_not_kill_itself(sandbox: Sandbox, root: Path):
    script = "from hob.sandboxes.local import kill_leftovers; print(kill_leftovers('outer'))"
    outer = LocalSandbox(str(root), ENV, owner="outer")

    async def run() -> str:
        return (await outer.exec([sys.executable, "-c", script], timeout_s=60)).stdout

    assert asyncio.run(run()) == "0\n"


def _has(process: Path, mark: bytes) -> bool:
    with suppress(OSError):
        return mark in (process / "environ").read_bytes()
    return False


def test_many_commands_leak_nothing(sandbox: Sandbox):
    async def many() -> tuple[int, int]:
        await sh(sandbox, "true")
        before = open_files()
        for _ in range(30):
            await sh(sandbox, "echo x")
        await sh(sandbox, "sleep 60", 0.05)
        return before, open_files()

    before, after = asyncio.run(many())
    assert after == before


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(2, 60))
def test_a_capture_is_honest(chunks: list[bytes], most: int):
    capture = Capture(most)
    for chunk in chunks:
        capture.add(chunk)
    whole = b"".join(chunks)
    assert capture.seen == len(whole)
    if len(whole) <= most:
        assert capture.text() == whole.decode("utf-8", "replace")
    else:
        assert "bytes cut ...]" in capture.text()


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), max_size=30), st.integers(8, 60))
def test_a_capture_cuts_between_characters_and_counts_right(texts: list[str], most: int):
    capture = Capture(most)
    whole = "".join(texts)
    for chunk in texts:
        capture.add(chunk.encode())
    head, note, tail = capture.text().partition("\n[... ")
    if len(whole.encode()) <= most:
        assert head + note + tail == whole or "\n[... " in whole
        return
    if "\n[... " in whole:
        return
    count, _, tail = tail.partition(" bytes cut ...]\n")
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head.encode()) + int(count) + len(tail.encode()) == len(whole.encode())
