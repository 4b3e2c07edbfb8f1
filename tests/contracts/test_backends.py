"""What every backend of the port `Sandbox` keeps, wherever its commands run.

Always: this machine, a double of a SWE-ReX server, a double of the `docker` command line. With
HOB_TEST_SWEREX (a virtual environment that holds `swe-rex`) also the real server, and with
HOB_TEST_DOCKER_IMAGE (an image with bash and python3; HOB_TEST_DOCKER_PROGRAM may say podman) the
real engine.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from contracts import docker_double
from contracts.swerex_double import Double
from hob.cli.workspace import far_workspace
from hob.config import Config, ConfigError, load
from hob.core.errors import CommandRefused
from hob.core.ports import FileError, Sandbox
from hob.core.session import Session
from hob.sandboxes.docker import DockerSandbox
from hob.sandboxes.docker_arguments import DockerSettings, client_environment
from hob.sandboxes.environment import child_environment, far_environment
from hob.sandboxes.identity import is_gone, process_mark
from hob.sandboxes.leftovers import TEMPORARY
from hob.sandboxes.local import LocalSandbox
from hob.sandboxes.remote import RemoteSandbox
from hob.sandboxes.scripts import END, RUN
from hob.wiring import open_sandbox

SWEREX = os.environ.get("HOB_TEST_SWEREX", "")
IMAGE = os.environ.get("HOB_TEST_DOCKER_IMAGE", "")
PROGRAM = os.environ.get("HOB_TEST_DOCKER_PROGRAM", "docker")
ENGINE = DockerSettings(image=IMAGE, program=PROGRAM)
KEY = "sesame"
SECRETS = {"OPENAI_API_KEY": "secret-1", "SSH_AUTH_SOCK": "secret-2", "PYTHONPATH": "secret-3"}
HERE = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **SECRETS}
FAR = far_environment(HERE, "test")
PYTHON = "python3"
Open = Callable[[str], Sandbox]


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


@pytest.fixture
def double() -> Iterator[Double]:
    server = Double(KEY, HERE)
    yield server
    server.close()


@pytest.fixture(scope="module")
def swerex() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(SWEREX) / "bin" / "swerex-remote"
    options = ["--host", "127.0.0.1", "--port", str(port), "--auth-token", KEY]
    server = subprocess.Popen(
        [program, *options], env=HERE | {"PYTHONPATH": ""}, stderr=-3, stdout=-3
    )
    url = f"http://127.0.0.1:{port}"
    asked = urllib.request.Request(f"{url}/is_alive", headers={"X-API-Key": KEY})
    for _ in range(300):
        with suppress(OSError), urllib.request.urlopen(asked, timeout=1) as answer:
            assert json.load(answer) == {"is_alive": True, "message": ""}
            break
        time.sleep(0.1)
    yield url
    server.terminate()
    server.wait()


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """Return a folder with a `docker` in it that works here."""
    return docker_double.install(tmp_path / "engine")


def client_env(engine: Path) -> dict[str, str]:
    return {
        "PATH": f"{engine}:{os.environ['PATH']}",
        "HOME": "/nonexistent",
        "DOCKER_HOST": "unix:///x",
    }


REMOTES = ["swerex double", *(["swerex"] if SWEREX else [])]
BACKENDS = ["local", *REMOTES, "docker double", *(["docker"] if IMAGE else [])]


@pytest.fixture
def opened(request: pytest.FixtureRequest, root: Path) -> Iterator[Open]:
    """Return what opens a sandbox of the kind that the test is for."""
    boxes: list[LocalSandbox | RemoteSandbox | DockerSandbox] = []
    kind = request.param

    def open_box(owner: str = "") -> Sandbox:
        if kind == "local":
            box = LocalSandbox(str(root), child_environment(HERE, "test"), owner=owner)
        elif kind == "swerex":
            box = RemoteSandbox(str(root), request.getfixturevalue("swerex"), KEY, FAR, owner=owner)
        elif kind == "swerex double":
            url = request.getfixturevalue("double").url
            box = RemoteSandbox(str(root), url, KEY, FAR, owner=owner)
        elif kind == "docker":
            box = DockerSandbox(str(root), ENGINE, FAR, client_environment(os.environ), owner=owner)
        else:
            env = client_env(request.getfixturevalue("engine"))
            box = DockerSandbox(str(root), DockerSettings(image="toolbox"), FAR, env, owner=owner)
        boxes.append(box)
        return box

    yield open_box
    for box in boxes:
        asyncio.run(box.close())
        asyncio.run(box.close())


@pytest.fixture
def sandbox(opened: Open) -> Sandbox:
    return opened("")


every_backend = pytest.mark.parametrize("opened", BACKENDS, indirect=True)
# These work on files far away; the others share `Files`, which test_sandboxes.py covers.
remote_ones = pytest.mark.parametrize("opened", REMOTES, indirect=True)
# `LocalSandbox` gets sinks and scratch space with the shell that keeps state.
far_ones = pytest.mark.parametrize("opened", BACKENDS[1:], indirect=True)


def sh(sandbox: Sandbox, script: str, timeout_s: float = 30, **options: object):
    return sandbox.exec(
        ["bash", "--noprofile", "--norc", "-c", script], timeout_s=timeout_s, **options
    )  # type: ignore[arg-type]


def survivors(word: str) -> list[str]:
    found: list[str] = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0].decode()
            if process.name.isdecimal() and word in line and state not in "ZX":
                found.append(line)
    return found


# --- files ---------------------------------------------------------------------------------------


@every_backend
def test_files_round_trip(sandbox: Sandbox, root: Path):
    sandbox.write("new/deep/b.bin", b"\x00\xff\r\n")
    assert sandbox.read("new/deep/b.bin", 100) == b"\x00\xff\r\n"
    assert sandbox.read(f"{root}/new/deep/b.bin", 2) == b"\x00\xff"
    assert [(one.path, one.kind) for one in sandbox.list("new")] == [("new/deep", "dir")]
    found = sandbox.stat("./new/../new/deep//b.bin")
    assert found is not None
    assert (found.path, found.kind, found.size, found.links) == ("new/deep/b.bin", "file", 4, 1)
    assert stat.S_IMODE(found.mode) == 0o644
    sandbox.move("new/deep/b.bin", "moved/c.bin")
    assert sandbox.stat("new/deep/b.bin") is None
    sandbox.delete("moved/c.bin")
    sandbox.delete("moved")
    sandbox.write("empty", b"")
    assert sandbox.read("empty", 10) == b""
    assert [one.path for one in sandbox.list(".")] == ["a.txt", "empty", "new", "src"]
    assert sandbox.list("new/deep") == []
    assert not list(root.rglob(TEMPORARY + "*"))


@every_backend
def test_big_files_come_back_as_they_are(sandbox: Sandbox, root: Path):
    data = os.urandom(9_000_000)
    sandbox.write("big", data)
    assert (root / "big").read_bytes() == data
    assert sandbox.read("big", 10_000_000) == data
    assert sandbox.read("big", 8_400_000) == data[:8_400_000]
    for size in (49151, 49152, 49153):
        sandbox.write("big", data[:size])
        assert (root / "big").read_bytes() == data[:size]


@remote_ones
@pytest.mark.parametrize(
    "name", ["a\nb.txt", "\u202etxt.exe", "\x1b[31mred", " ", "-rf", "a'b\"$(c)", "*", "\n", "é"]
)
def test_odd_names_work_and_are_escaped_in_messages(sandbox: Sandbox, root: Path, name: str):
    sandbox.write(name, b"odd")
    assert (root / name).read_bytes() == b"odd"
    assert sandbox.read(name, 10) == b"odd"
    assert name in [one.path for one in sandbox.list(".")]
    with pytest.raises(FileError) as caught:
        sandbox.read(name + "x", 10)
    assert str(caught.value).isprintable()
    sandbox.move(name, f"{name}d/{name}")
    assert [one.path for one in sandbox.list(name + "d")] == [f"{name}d/{name}"]
    sandbox.delete(f"{name}d/{name}")
    assert sandbox.list(name + "d") == []


@remote_ones
def test_names_that_are_not_utf8_are_listed_and_refused(sandbox: Sandbox, root: Path):
    (root / "caf\udce9").write_text("x")
    assert [one.path for one in sandbox.list(".")] == ["a.txt", "caf\udce9", "src"]
    with pytest.raises(FileError, match="not UTF-8"):
        sandbox.read("caf\udce9", 1)


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


@remote_ones
@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leaves_the_root(sandbox: Sandbox, links: Path, path: str):
    before = sorted(p.name for p in links.parent.rglob("*"))
    path = path.replace("/root-but-not", str(links) + "-but-not")
    for attempt in (
        lambda: sandbox.read(path, 100),
        lambda: sandbox.write(path, b"x"),
        lambda: sandbox.write(path, b"x" * 100_000),
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


@remote_ones
def test_links_inside_are_followed_and_stay_links(sandbox: Sandbox, links: Path):
    assert sandbox.read("here/main.py", 100) == b"x = 1\n"
    assert [one.path for one in sandbox.list("here")] == ["here/main.py"]
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
    kinds = {one.path: one.kind for one in sandbox.list(".")}
    assert (kinds["here"], kinds["src"], kinds["link-out"]) == ("link", "dir", "link")


@remote_ones
def test_only_regular_files_are_read(sandbox: Sandbox, root: Path):
    os.mkfifo(root / "fifo")
    for name, says in (("fifo", "a FIFO"), ("src", "is a directory")):
        with pytest.raises(FileError, match=says):
            sandbox.read(name, 10)
        with pytest.raises(FileError, match=says):
            sandbox.write(name, b"x")
    for attempt in (sandbox.list, sandbox.delete):
        with pytest.raises(FileError, match="not a directory"):
            attempt("a.txt/b" if attempt == sandbox.delete else "a.txt")
    with pytest.raises(FileError, match="not a directory"):
        sandbox.read("a.txt/b", 10)
    assert sandbox.stat("a.txt/b") is None
    for path in ("", "a\0b", "\ud800", "x" * 300, "d/" * 3000 + "f"):
        with pytest.raises(FileError) as caught:
            sandbox.read(path, 1)
        str(caught.value).encode()


@remote_ones
def test_a_missing_file_names_the_nearest(sandbox: Sandbox):
    with pytest.raises(
        FileError, match=r"there is no 'src/mian\.py'; did you mean 'src/main\.py'\?"
    ):
        sandbox.read("src/mian.py", 10)
    with pytest.raises(FileError, match="list_dir 'src' shows"):
        sandbox.read("src/other.txt", 10)
    with pytest.raises(FileError, match="there is no 'scr/x'; did you mean 'src'"):
        sandbox.read("scr/x", 10)
    with pytest.raises(FileError, match=r"there is no 'b\.txt'; did you mean 'a\.txt'"):
        sandbox.move("b.txt", "c.txt")


@remote_ones
def test_git_and_keys_are_left_alone(opened: Open, root: Path, double: Double):
    (root / ".git" / "hooks").mkdir(parents=True)
    (root / ".git" / "config").write_text("[core]\n")
    (root / "sneaky").symlink_to(".git/hooks")
    box = opened("")
    for path in (".git/hooks/pre-commit", ".GIT/config", "sneaky/x", ".git", "sub/.git/config"):
        for attempt in (lambda p: box.write(p, b"x"), lambda p: box.move("a.txt", p)):
            with pytest.raises(FileError, match="git's own"):
                attempt(path)
    with pytest.raises(FileError, match="git's own"):
        box.delete(".git/config")
    assert not (root / "sub").exists()
    assert box.read(".git/config", 10) == b"[core]\n"
    (root / ".ssh").mkdir()
    (root / ".ssh" / "id").write_text("key")
    (root / "way").symlink_to(".ssh")
    double.env = {**double.env, "HOME": str(root)}
    home = RemoteSandbox(str(root), double.url, KEY, FAR)
    for attempt in (
        lambda: home.read(".ssh/id", 9),
        lambda: home.read("way/id", 9),
        lambda: home.write(".netrc", b"x"),
        lambda: home.list(".ssh"),
        lambda: home.move(".ssh", "there"),
        lambda: home.delete(".ssh/id"),
    ):
        with pytest.raises(FileError, match="holds keys or Hob's own data, so file tools leave it"):
            attempt()
    assert (root / ".ssh" / "id").read_text() == "key"
    assert not (root / ".netrc").exists()
    asyncio.run(home.close())


@remote_ones
def test_writes_keep_the_mode_and_moves_never_replace(sandbox: Sandbox, root: Path):
    script = root / "run.sh"
    script.write_text("old")
    script.chmod(0o750)
    os.link(root.parent / "secret.txt", root / "hard")
    sandbox.write("run.sh", b"new")
    sandbox.write("hard", b"new")
    assert stat.S_IMODE(script.stat().st_mode) == 0o750
    assert (root.parent / "secret.txt").read_text() == "outside\n"
    (root / "empty").mkdir()
    (root / "link").symlink_to("nowhere")
    for source, target in (("a.txt", "src/main.py"), ("src", "empty"), ("a.txt", "link")):
        with pytest.raises(FileError, match=f"'{target}' exists already"):
            sandbox.move(source, target)
    with pytest.raises(FileError):
        sandbox.move("src", "src/below")
    sandbox.move("src", "deep/er")
    assert (root / "deep" / "er" / "main.py").read_text() == "x = 1\n"
    for path in (".", "./", str(root)):
        with pytest.raises(FileError, match="workspace itself"):
            sandbox.delete(path)
        with pytest.raises(FileError, match="workspace itself"):
            sandbox.move(path, "there")
    with pytest.raises(FileError, match="not empty"):
        sandbox.delete("deep")
    assert not list(root.rglob(TEMPORARY + "*"))


# --- commands ------------------------------------------------------------------------------------


@every_backend
def test_a_command_gives_its_streams_apart(sandbox: Sandbox, root: Path):
    script = "pwd; cat; echo problem >&2; echo more >/dev/stderr; exit 3"
    result = asyncio.run(sh(sandbox, script))
    assert (result.stdout, result.stderr) == (f"{root}\n", "problem\nmore\n")
    assert (result.exit_code, result.timed_out) == (3, False)
    assert (result.stdout_bytes, result.stderr_bytes) == (len(str(root)) + 1, 13)
    assert sandbox.root == str(root)


@every_backend
def test_ways_to_end(sandbox: Sandbox, root: Path):
    (root / "noexec").write_text("x")

    async def run(*command: str) -> tuple[int | None, str]:
        result = await sandbox.exec(command, timeout_s=20)
        return result.exit_code, result.stderr

    assert asyncio.run(run("no-such-program")) == (127, "no-such-program: command not found\n") or (
        asyncio.run(run("no-such-program")) == (127, "no-such-program: command not found")
    )
    assert asyncio.run(run("./noexec"))[0] == 126
    assert asyncio.run(run("echo", "a\0b"))[0] == 126
    assert asyncio.run(run("echo", "x" * 3_000_000))[0] == 126
    # Where a shell stands between, a signal is told as shells tell it.
    assert asyncio.run(run("bash", "-c", "kill -KILL $$"))[0] in {-signal.SIGKILL, 137}
    assert asyncio.run(run("bash", "-c", "exec 1>&- 2>&-; exit 4"))[0] == 4
    odd = ["printf", "<%s>", "", " ", "-n", "a\nb", "$HOME", "'\"", "é", "*"]
    result = asyncio.run(sandbox.exec(odd, timeout_s=20))
    assert result.stdout == "<>< ><-n><a\nb><$HOME><'\"><é><*>"


@every_backend
def test_the_environment_is_an_allow_list(sandbox: Sandbox):
    result = asyncio.run(sh(sandbox, "env -0", env={"EXTRA": "two\nlines", "PATH_X": "=a=b"}))
    env = dict(one.split("=", 1) for one in result.stdout.split("\0") if one)
    assert env.items() >= {"AGENT": "hob", "AGENT_SESSION_ID": "test", "PAGER": "cat"}.items()
    assert (env["EXTRA"], env["PATH_X"]) == ("two\nlines", "=a=b")
    assert env["PATH"]
    assert "secret-" not in result.stdout
    assert SECRETS.keys().isdisjoint(env)


@every_backend
def test_five_megabytes_are_kept_head_and_tail(sandbox: Sandbox):
    seen: list[str] = []
    script = "head -c 5000000 /dev/zero | tr '\\0' a; head -c 100000 /dev/zero | tr '\\0' b >&2"
    result = asyncio.run(
        sh(sandbox, script, max_bytes=10_000, report=lambda _, text: seen.append(text))
    )
    assert (result.stdout_bytes, result.stderr_bytes) == (5_000_000, 100_000)
    assert result.stdout == "a" * 5000 + "\n[... 4990000 bytes cut ...]\n" + "a" * 5000
    assert seen


@far_ones
def test_a_sink_gets_every_byte(sandbox: Sandbox):
    taken: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    script = "for i in $(seq 200000); do echo $i; done; printf '\\377' >&2"

    def sink(stream: str, data: bytes) -> None:
        taken[stream] += data

    result = asyncio.run(sh(sandbox, script, max_bytes=100, sink=sink))
    assert bytes(taken["stdout"]) == b"".join(b"%d\n" % i for i in range(1, 200001))
    assert bytes(taken["stderr"]) == b"\xff"
    assert result.stdout_bytes == len(taken["stdout"])


@every_backend
def test_output_is_reported_while_it_runs(sandbox: Sandbox):
    async def first_piece() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        await sh(sandbox, "true")
        times: list[float] = []
        start = loop.time()
        result = await sh(
            sandbox, "echo one; sleep 1.5; echo two", report=lambda *_: times.append(loop.time())
        )
        assert result.stdout == "one\ntwo\n"
        return times[0] - start, loop.time() - start

    first, whole = asyncio.run(first_piece())
    assert first < 1.2 < 1.5 <= whole


KINDS = {
    "plain": "{s}",
    "ignores": "trap '' INT TERM HUP; {s} & {s}; while :; do sleep 1; done",
    "daemon": "setsid {s} & {s}",
    "double fork": "( ( setsid bash -c 'trap \"\" TERM; {s}; :' & ) & ); {s}",
    "stopped": "{s} & kill -STOP $!; kill -STOP $$",
    "pipe held": "(trap '' INT TERM; setsid {s} & ) & disown -a; {s}",
    "jobs": "set -m; {s} & {s} & {s}",
    "no marker": "set -m; (env -i PATH=$PATH {s} & env -u HOB_CALL {s} &) & {s}",
    "forks": "for i in $(seq 999); do {s} & sleep 0.01; done",
}


@every_backend
@pytest.mark.parametrize("way", ["timeout", "cancel", "cancel twice"])
def test_a_killed_command_leaves_nobody(sandbox: Sandbox, way: str):
    word = secrets.randbelow(10**9)

    async def end(number: int, script: str) -> str:
        ready = asyncio.Event()
        sleeper = f"sleep 60.{word}{number}"
        command = "echo ready; " + script.format(s=sleeper)
        limit_s = 1.5 if way == "timeout" else 60
        run = asyncio.ensure_future(sh(sandbox, command, limit_s, report=lambda *_: ready.set()))
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
        await sh(sandbox, "true")
        return await asyncio.gather(*(end(n, s) for n, s in enumerate(KINDS.values())))

    assert asyncio.run(all_kinds()) == ["ready\n"] * len(KINDS)
    assert [survivors(f"sleep 60.{word}") for _ in range(5)] == [[]] * 5


@every_backend
def test_killing_one_command_spares_another(sandbox: Sandbox):
    async def both() -> list[int | None]:
        await sh(sandbox, "true")
        results = await asyncio.gather(sh(sandbox, "sleep 60", 0.3), sh(sandbox, "sleep 2; exit 5"))
        return [one.exit_code for one in results]

    assert asyncio.run(both()) == [None, 5]


@every_backend
def test_background_work_lives_until_close(opened: Open, root: Path):
    word = f"sleep 60.8{secrets.randbelow(10**9)}"

    async def session() -> None:
        box = opened("")
        talker = "for i in $(seq 999); do echo talk && echo x >> talked; sleep 0.02; done"
        result = await sh(box, f"setsid {word} & ({talker}) & echo started")
        assert result.exit_code == 0
        assert "started\n" in result.stdout
        assert result.duration_s < 10
        assert survivors(word)
        before = (root / "talked").stat().st_size
        await asyncio.sleep(0.5)
        # Nobody reads what it prints any more, and still it can go on.
        assert (root / "talked").stat().st_size > before
        await box.close()  # type: ignore[attr-defined]

    asyncio.run(session())
    assert survivors(word) == []
    size = (root / "talked").stat().st_size
    time.sleep(0.1)
    assert (root / "talked").stat().st_size == size


@far_ones
def test_scratch_is_private_keeps_state_and_goes(opened: Open, root: Path):
    async def session() -> tuple[str, str]:
        box, other = opened("s"), opened("s")
        assert (await sh(other, "true")).exit_code == 0
        state = f"{box.scratch}/state"
        first = await sh(box, f"cd src; export A='1 2'; {{ pwd; declare -p A; }} > {state}")
        assert (first.exit_code, first.stderr) == (0, "")
        script = f'{{ read -r folder; cd "$folder"; . /dev/stdin; }} < {state}; echo $A; pwd; stat -c %a {box.scratch}'
        result = await sh(box, script)
        assert result.stdout == f"1 2\n{root}/src\n700\n"
        assert box.scratch != other.scratch
        assert not box.scratch.startswith(str(root))
        await box.close()  # type: ignore[attr-defined]
        assert (await sh(other, f"ls {box.scratch}")).exit_code == 2
        return box.scratch, other.scratch

    gone, _ = asyncio.run(session())
    assert not Path(gone).exists()


@pytest.mark.parametrize("opened", BACKENDS[BACKENDS.index("docker double") :], indirect=True)
def test_a_program_in_a_terminal_is_driven_and_left(sandbox: Sandbox):
    word = f"sleep 60.6{secrets.randbelow(10**9)}"

    async def session() -> None:
        python = await sandbox.terminal([PYTHON, "-i"], columns=91, lines=21)
        assert (await python.read(timeout_s=20, until=">>> $")).endswith(">>> ")
        await python.send("import os; print(tuple(os.get_terminal_size()), os.environ['AGENT'])\n")
        assert "(91, 21) hob\r\n" in await python.read(timeout_s=20, until="hob\r\n>>> $")
        await python.send("import time; time.sleep(60)\n")
        await asyncio.sleep(0.3)
        await python.send("\x03")
        assert "KeyboardInterrupt" in await python.read(timeout_s=20, until="Interrupt\r\n>>> $")
        await python.send("exit(7)\n")
        await python.read(timeout_s=20, until="never")
        assert python.exit_code == 7
        with pytest.raises(FileError, match="the program has ended"):
            await python.send("1\n")
        await python.close()
        await python.close()
        shell = await sandbox.terminal(["bash", "--norc"])
        await shell.send(f"{word} & setsid {word} & env -i PATH=$PATH {word}\n")
        await asyncio.sleep(0.5)
        assert len(survivors(word)) == 3
        assert shell.exit_code is None
        await shell.close()
        assert survivors(word) == []
        assert shell.exit_code is not None
        absent = await sandbox.terminal(["no-such-program"])
        assert "not found" in await absent.read(timeout_s=20, until="never")
        assert absent.exit_code == 127
        await absent.close()

    asyncio.run(session())


# --- the remote one ------------------------------------------------------------------------------


def remote(double: Double, root: Path, **options: object) -> RemoteSandbox:
    return RemoteSandbox(str(root), double.url, KEY, FAR, **options)  # type: ignore[arg-type]


def says(box: RemoteSandbox | DockerSandbox) -> str:
    """Return what a command and a file operation say when there is no backend, in one sentence."""
    result = asyncio.run(box.exec(["true"], timeout_s=5))
    asyncio.run(box.close())
    assert (result.exit_code, result.stdout) == (126, "")
    return result.stderr


def test_an_absent_or_wrong_server_is_named_with_the_next_step(double: Double, root: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    box = RemoteSandbox(str(root), nobody, KEY, FAR)
    sentence = (
        f"nobody answers at '{nobody}' ([Errno 111] Connection refused); start `swerex-remote` there, "
        "or correct HOB_REMOTE_URL"
    )
    assert says(box) == sentence
    with pytest.raises(FileError) as caught:
        box.read("a.txt", 1)
    assert str(caught.value) == sentence
    asyncio.run(box.close())
    wrong = RemoteSandbox(str(root), double.url, "wrong", FAR)
    assert says(wrong) == (
        f"'{double.url}' refuses the key; set HOB_REMOTE_KEY to the server's --auth-token"
    )
    nowhere = RemoteSandbox("/no/such", double.url, KEY, FAR)
    assert says(nowhere) == (
        f"there is no folder '/no/such' on '{double.url}'; name one with --cd, as the far side calls it"
    )
    for fault, sentence in {
        "garbage": "answers 200, but not as a SWE-ReX server; correct HOB_REMOTE_URL",
        "404": "answers 404, but not as a SWE-ReX server; correct HOB_REMOTE_URL",
        "422": "does not take the request: [{'loc': ['body'], 'msg': 'Field required'}]",
        "raise": "says Odd: boom",
    }.items():
        double.faults = [fault]
        assert says(remote(double, root)) == f"'{double.url}' {sentence}"
    double.faults = ["hang up"]
    assert "hung up in the middle" in says(remote(double, root))


def test_a_lost_answer_is_asked_for_again_and_nothing_runs_twice(double: Double, root: Path):
    async def run() -> tuple[str, str, int]:
        box = remote(double, root)
        await sh(box, "true")
        double.faults = ["late hang up"]  # on a connection that was used before
        first = await sh(box, "echo x >> log; echo done")
        double.faults = ["", "hang up", "hang up", "hang up"]
        second = await sh(box, "sleep 1; echo late")
        await box.close()
        return first.stdout, second.stderr, (root / "log").stat().st_size

    out, err, size = asyncio.run(run())
    assert (out, size) == ("done\n", 2)
    assert err == ""


def test_a_server_that_is_lost_in_the_middle_is_reported(double: Double, root: Path):
    async def run() -> tuple[int | None, str, str]:
        box = remote(double, root)
        await sh(box, "true")
        seen = asyncio.Event()
        command = asyncio.ensure_future(
            sh(box, "echo first; sleep 30", report=lambda *_: seen.set())
        )
        await seen.wait()
        double.faults = ["garbage"] * 20
        result = await command
        double.faults = []
        await box.close()
        return result.exit_code, result.stdout, result.stderr

    code, out, err = asyncio.run(run())
    assert (code, out) == (126, "first\n")
    assert "not as a SWE-ReX server" in err


def test_what_a_killed_hob_left_over_there_is_ended(double: Double, root: Path):
    word = f"sleep 60.7{secrets.randbelow(10**9)}"
    boxes = [remote(double, root, owner=owner) for owner in ("s-1", "s-1", "s", "xs-1")]
    for box in boxes:  # and never closed, but the last
        asyncio.run(sh(box, f"setsid {word} & true"))
    assert len(survivors(word)) == 4
    heir = remote(double, root, owner="s-1", orphans=True)
    assert asyncio.run(sh(heir, "true")).exit_code == 0
    assert len(survivors(word)) == 2
    assert [Path(box.scratch).exists() for box in boxes] == [False, False, True, True]
    for box in [*boxes, heir]:
        asyncio.run(box.close())
    assert survivors(word) == []
    assert not Path(heir.scratch).exists()


def test_there_are_no_terminals_over_there(double: Double, root: Path):
    with pytest.raises(FileError, match="has no terminals"):
        asyncio.run(remote(double, root).terminal(["python3"]))


# --- the container -------------------------------------------------------------------------------


def argvs(engine: Path) -> list[list[str]]:
    return [json.loads(line) for line in (engine / "calls.jsonl").read_text().splitlines()]


def test_every_command_line_is_as_it_should_be(engine: Path, root: Path):
    (root / ".ssh").mkdir()
    (root / ".netrc").write_text("x")
    protected = [f"{root}/.ssh", f"{root}/.netrc", f"{root}/.aws", "/elsewhere/.ssh"]
    settings = DockerSettings(image="toolbox:1", memory="1g", cpus="1.5", pids=64)
    env = {"AGENT": "hob", "TOKEN": "secret", "TERM": "dumb"}
    box = DockerSandbox(
        str(root), settings, env, client_env(engine), protected=protected, owner="s1"
    )

    async def run() -> None:
        result = await box.exec(
            ["printf", "%s", "$A b"], timeout_s=9, env={"A": "1", "DOCKER_HOST": "x"}
        )
        assert (result.stdout, result.exit_code) == ("$A b", 0)
        await box.exec(["sleep", "60"], timeout_s=0.2)
        await box.close()

    asyncio.run(run())
    scratch, name = box.scratch, "hob-" + box.scratch.rpartition("-")[2]
    sweep, start, prepare, first, second, ended, removed = argvs(engine)
    empty = start[start.index(f"type=bind,source=/dev/null,target={root}/.netrc,readonly") + 2]
    empty = empty.removeprefix("type=bind,source=").partition(",")[0]
    assert Path(empty).name.startswith("hob-empty-")
    assert not Path(empty).exists()
    assert sweep == ["ps", "--all", "--quiet", "--filter", "label=hob.process"]
    assert start == [
        "run", "--detach", "--rm", "--init", "--pull", "never", "--name", name,
        "--label", "hob.session=s1", "--label", f"hob.process={process_mark()}",
        "--network", "none", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--read-only",
        "--pids-limit", "64", "--memory", "1g", "--cpus", "1.5",
        "--user", f"{os.getuid()}:{os.getgid()}",
        "--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777",
        "--mount", f"type=bind,source={root},target={root}",
        "--mount", f"type=bind,source=/dev/null,target={root}/.netrc,readonly",
        "--mount", f"type=bind,source={empty},target={root}/.ssh,readonly",
        "--workdir", str(root),
        "--env", "AGENT", "--env", "HOME=/tmp/home", "--env", "TERM=dumb", "--env", "TOKEN",
        "--entrypoint", "tail", "toolbox:1", "-f", "/dev/null",
    ]  # fmt: skip
    assert prepare[:4] == ["exec", name, "sh", "-c"]
    assert prepare[5:8] == ["hob", scratch, "/tmp/home"]
    token = first[13]
    assert first == [
        "exec", "--workdir", str(root), "--env", "A", "--env", "DOCKER_HOST=x", name,
        "sh", "-c", RUN, "hob", f"{scratch}/calls/1", token, "printf", "%s", "$A b",
    ]  # fmt: skip
    assert token.endswith("-1;")
    token = second[9]
    assert second == [
        "exec", "--workdir", str(root), name, "sh", "-c", RUN, "hob", f"{scratch}/calls/2", token,
        "sleep", "60",
    ]  # fmt: skip
    assert token.endswith("-2;")
    assert ended == ["exec", name, "sh", "-c", END, "hob", token, f"{scratch}/calls/2"]
    assert removed == ["rm", "--force", name]
    assert not any("secret" in word for line in argvs(engine) for word in line)


def docker(engine: Path, root: Path, **settings: str) -> DockerSandbox:
    chosen = DockerSettings(**{"image": "toolbox", **settings})
    return DockerSandbox(str(root), chosen, FAR, client_env(engine), owner="s")


def test_odd_workspaces_are_mounted_and_system_folders_are_not(engine: Path, root: Path):
    odd = root / 'a,b "c":d'
    odd.mkdir()
    box = docker(engine, odd)
    result = asyncio.run(box.exec(["pwd"], timeout_s=9))
    assert result.stdout == f"{odd}\n"
    mount = argvs(engine)[1][argvs(engine)[1].index("--mount") + 1]
    quoted = str(odd).replace('"', '""')
    assert mount == f'type=bind,"source={quoted}","target={quoted}"'
    asyncio.run(box.close())
    assert says(docker(engine, Path("/usr"))) == (
        "'/usr' would hide the image's own files; work in a folder below it"
    )


def test_an_absent_engine_or_image_is_named_with_the_next_step(engine: Path, root: Path):
    assert says(docker(engine, root, program="no-such-docker")) == (
        "There is no program 'no-such-docker' on the PATH; install it, name another with "
        "HOB_DOCKER_PROGRAM, or work with --sandbox local"
    )
    assert says(docker(engine, root, image="")) == (
        "No image is named for the container; set HOB_DOCKER_IMAGE to one that you have"
    )
    for text, sentence in {
        "docker: Error response from daemon: No such image: toolbox:latest\n": (
            "There is no image 'toolbox' on this machine; fetch it with `docker pull toolbox` or name "
            "another with HOB_DOCKER_IMAGE"
        ),
        "docker: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n\nRun": (
            "'docker' reaches no engine (docker: Cannot connect to the Docker daemon at unix:///x. Is "
            "the docker daemon running?); start it, or work with --sandbox local"
        ),
        "docker: Error response from daemon: no space left\n": (
            "'docker' could not start a container from 'toolbox': docker: Error response from daemon: "
            "no space left"
        ),
    }.items():
        (engine / "broken").write_text(text)
        box = docker(engine, root)
        result = asyncio.run(box.exec(["true"], timeout_s=9))
        assert (result.exit_code, result.stderr) == (126, sentence)
        (engine / "broken").unlink()
        assert asyncio.run(box.exec(["true"], timeout_s=9)).exit_code == 0  # it is tried again
        asyncio.run(box.close())


def test_a_container_that_went_away_is_told_and_replaced(engine: Path, root: Path):
    box = docker(engine, root)

    async def run() -> tuple[int | None, str, int | None]:
        await box.exec(["true"], timeout_s=9)
        (engine / "containers.json").unlink()
        told = await box.exec(["true"], timeout_s=9)
        again = await box.exec(["true"], timeout_s=9)
        await box.close()
        return told.exit_code, told.stderr, again.exit_code

    code, text, again = asyncio.run(run())
    assert (code, again) == (126, 0)
    assert (
        "the container ended (removed from outside, or out of memory); the next command starts"
        in text
    )


def test_containers_of_killed_hobs_are_removed_at_the_next_start(engine: Path, root: Path):
    killed = subprocess.Popen(["sleep", "60"])
    marks = {"dead": process_mark(killed.pid), "ours": process_mark(), "odd": "another boot"}
    killed.kill()
    killed.wait()
    state = {name: {"env": {}, "labels": [f"hob.process={mark}"]} for name, mark in marks.items()}
    (engine / "containers.json").write_text(json.dumps(state))
    box = docker(engine, root)
    asyncio.run(box.exec(["true"], timeout_s=9))
    left = json.loads((engine / "containers.json").read_text())
    assert sorted(left) == sorted(["ours", "odd", "hob-" + box.scratch.rpartition("-")[2]])
    asyncio.run(box.close())


def test_a_process_is_known_to_be_gone_only_when_it_is():
    child = subprocess.Popen(["sleep", "60"])
    mark = process_mark(child.pid)
    assert [is_gone(one) for one in (process_mark(), mark, "", "a b c d", mark + "0")] == [
        False, False, False, False, True,
    ]  # fmt: skip
    child.kill()
    child.wait()
    assert is_gone(mark)


def test_a_start_that_is_cancelled_leaves_no_container(engine: Path, root: Path):
    box = docker(engine, root)

    async def run() -> None:
        command = asyncio.ensure_future(box.exec(["true"], timeout_s=9))
        await asyncio.sleep(0.05)
        command.cancel()
        with pytest.raises(asyncio.CancelledError):
            await command
        await box.close()

    asyncio.run(run())
    assert json.loads((engine / "containers.json").read_text()) == {}
    assert argvs(engine)[-1][:2] == ["rm", "--force"]


@pytest.mark.skipif(not IMAGE, reason="no image given")
def test_a_container_shows_neither_home_nor_network(root: Path):
    (root / ".ssh").mkdir()
    (root / ".ssh" / "id").write_text("key")
    env = client_environment(os.environ)
    box = DockerSandbox(str(root), ENGINE, FAR, env, protected=[f"{root}/.ssh"])

    async def run() -> str:
        script = (
            "ls .ssh | wc -l; ls -d /root/.pyenv /work 2>/dev/null; touch /usr/x 2>/dev/null || echo frozen;"
            "ls /sys/class/net; (exec 3<>/dev/tcp/1.1.1.1/80) 2>/dev/null || echo offline;"
            "grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; echo $$ >/tmp/w && echo tmp"
        )
        result = await sh(box, script)
        await box.close()
        return result.stdout

    assert asyncio.run(run()).split() == [
        "0", "frozen", "lo", "offline", "CapEff:", "0000000000000000", "NoNewPrivs:", "1", "tmp",
    ]  # fmt: skip
    listed = subprocess.run([PROGRAM, "ps", "--all", "--quiet"], capture_output=True, check=True)
    assert listed.stdout == b""


# --- settings ------------------------------------------------------------------------------------


def settings(**variables: str) -> Config:
    env = {
        "PATH": "/bin",
        "HOME": "/h",
        "DOCKER_HOST": "unix:///d",
        "HOB_REMOTE_KEY": "k",
        **variables,
    }
    return load({}, env)


def test_settings_choose_the_backend(root: Path):
    chosen = [
        settings(),
        settings(HOB_SANDBOX="docker", HOB_DOCKER_IMAGE="i"),
        settings(HOB_SANDBOX="remote", HOB_REMOTE_URL="https://far.example:8000/rex"),
    ]
    session = Session(session_id="s1", workspace=str(root))
    boxes = [open_sandbox(config, session, ()) for config in chosen]
    assert [type(box) for box in boxes] == [LocalSandbox, DockerSandbox, RemoteSandbox]
    for box in boxes:
        asyncio.run(box.close())
    assert load({"sandbox": "local"}, {"HOB_SANDBOX": "docker"}).sandbox == "local"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"HOB_SANDBOX": "vm"}, "Sandbox 'vm' is not known: give one of local, docker, remote."),
        ({"HOB_SANDBOX": "docker"}, "The docker sandbox needs an image: set HOB_DOCKER_IMAGE."),
        (
            {"HOB_SANDBOX": "remote", "HOB_REMOTE_URL": "far:8000"},
            "HOB_REMOTE_URL is 'far:8000': give a SWE-ReX server, as http://127.0.0.1:8000.",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_named(variables: dict[str, str], sentence: str):
    with pytest.raises(ConfigError) as caught:
        settings(**variables)
    assert str(caught.value) == sentence


def test_a_far_workspace_is_an_absolute_path():
    assert far_workspace("/srv//work/../app/") == "/srv/app"
    for folder in (None, "", "app", "/", "//", "/a/..", "/a\nb"):
        with pytest.raises(CommandRefused, match="-C"):
            far_workspace(folder)
