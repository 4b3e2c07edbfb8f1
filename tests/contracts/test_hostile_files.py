"""Files in hostile surroundings: no path, link, race or kill leads out of the workspace or tears a file."""

import asyncio
import os
import random
import resource
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hob.core.ports import FileError, Sandbox
from hob.sandboxes.environment import child_environment, sensitive_paths
from hob.sandboxes.files import Files
from hob.sandboxes.leftovers import TEMPORARY
from hob.sandboxes.local import LocalSandbox

ENV = child_environment({"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, "test")
PYTHON = {**ENV, "PYTHONPATH": os.pathsep.join(sys.path)}
NOBODY = 65534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside = tmp_path / "root"
    (inside / "src").mkdir(parents=True)
    (inside / "a.txt").write_text("inside\n")
    (inside / "src" / "main.py").write_text("x = 1\n")
    (tmp_path / "out").mkdir()
    for name in ("file", "victim", "w"):
        (tmp_path / "out" / name).write_text("outside\n")
    return inside


@pytest.fixture
def box(root: Path) -> Iterator[Sandbox]:
    box = LocalSandbox(str(root), ENV)
    yield box
    asyncio.run(box.close())


def snapshot(folder: Path) -> list[tuple[str, int, int, int, bytes]]:
    """Return everything that a change would show in."""
    found: list[tuple[str, int, int, int, bytes]] = []
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
        found.append((str(path), info.st_ino, info.st_mode, info.st_mtime_ns, data))
    return found


def refused(attempt: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(FileError) as caught:
        attempt(*arguments)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1500
    text.encode()
    return text


def as_nobody(act: Callable[[], str]) -> str:
    """Do something as somebody who is not root, and return what it said."""
    if os.geteuid() != 0:
        return act()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(theirs, act().encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def public() -> Iterator[Path]:
    """A workspace that another user can reach, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        inside = Path(name) / "root"
        inside.mkdir()
        if os.geteuid() == 0:
            os.chown(inside, NOBODY, NOBODY)
        yield inside


# --- paths ---------------------------------------------------------------------------------------

LINKS = {
    "up": "..", "up-file": "../out/file", "abs": "/etc/passwd", "slash": "/", "self": "/proc/self/root",
    "fd": "/dev/fd", "stdin": "/dev/stdin", "cwd": "/proc/self/cwd/a.txt", "twice": "up-file",
    "zigzag": "src/../../out/file", "here-up": "here/../../out/file", "dots": ".../../../out/file",
    "doubled": "//etc/passwd",
}  # fmt: skip
OUTSIDE = [
    "..", "../out/file", "src/../../out/file", "./..//out/file", "/etc/passwd", "//etc/passwd", "/",
    "/proc/self/root/etc/passwd", "/proc/self/environ", "/dev/fd/0", "/dev/stdin", "/dev/null",
    "{root}/../out/file", "{root}/src/../../out/file", "{root}-not/x", "{root}/../root-not/x",
    "up", "up/out/file", "up-file", "abs", "slash/etc/passwd", "self/etc/passwd", "fd/0", "stdin",
    "cwd", "twice", "zigzag", "here-up", "doubled", "src/../up/out/file",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out(box: Sandbox, root: Path, path: str):
    (root / "here").symlink_to("src")
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    path = path.replace("{root}", str(root))
    before = snapshot(root.parent)
    for act in (box.read, box.write, box.list, box.stat):
        extra = {box.read: (9,), box.write: (b"x",)}.get(act, ())
        assert "outside the workspace" in refused(act, path, *extra)
        assert "outside the workspace" in refused(act, path + "/x/y", *extra)
    refused(box.delete, path + "/file")
    refused(box.move, "a.txt", path + "/new")
    refused(box.move, path + "/file", "new")
    assert snapshot(root.parent) == before


def test_odd_ways_to_a_place_inside(box: Sandbox, root: Path):
    (root / "link").symlink_to(root / "src")
    (root / "src" / "back").symlink_to("../src/../a.txt")
    (root / "src" / "self").symlink_to(root)
    for path in (
        "a.txt", ".//a.txt", "link/../a.txt", "src/back", "link/back", "src/self/a.txt",
        "src/self/link/self/src/back", f"{root}/a.txt", f"/{root}/./a.txt", f"{root}/../root/a.txt",
        f"{root}/nowhere/../a.txt", "/../.." + str(root) + "/a.txt",
    ):  # fmt: skip
        assert box.read(path, 99) == b"inside\n", path


def test_a_workspace_that_is_everything_still_keeps_off_processes(root: Path):
    files = Files("/", sensitive_paths("", ""))
    (root / "stdin").symlink_to("/dev/stdin")
    for path in (
        "/proc/self/environ", "proc/1/mem", "/PROC/self/mem", "/dev/fd/0", "/dev/stdin",
        f"{root}/stdin", "/proc/self/root/proc/self/environ",
    ):  # fmt: skip
        assert "holds keys" in refused(files.read, path, 9)
    assert files.read(f"{root}/a.txt", 99) == b"inside\n"
    files.close()


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".GIT",
        ".Git",
        ".git.",
        ".git ",
        ".g\u200cit",
        "\ufeff.git",
        ".gi\u202et",
        "GIT~1",
        ".git::$INDEX_ALLOCATION",
    ],
)
def test_gits_own_files_by_any_spelling(box: Sandbox, root: Path, name: str):
    (root / "away").symlink_to(f"{name}/hooks")
    (root / "full").symlink_to(f"{root}/sub/{name}")
    before = snapshot(root)
    for path in (name, f"{name}/hooks/x", f"sub/{name}/config", "away/x", "full/config"):
        assert "git's own" in refused(box.write, path, b"x")
        assert "git's own" in refused(box.move, "a.txt", path)
        assert "git's own" in refused(box.delete, f"{path}/x")
    assert snapshot(root) == before
    for near in (".gitignore", "git", ".gitx", "x.git", "g.it"):
        box.write(f"{near}/file", b"fine")


def test_a_slash_at_the_end_means_a_directory(box: Sandbox, root: Path):
    for path in ("a.txt/", "new/", "new/deep/.", "src/"):
        refused(box.write, path, b"x")
        refused(box.move, "a.txt", path)
    assert sorted(p.name for p in root.iterdir()) == ["a.txt", "src"]
    assert box.read("a.txt/", 99) == b"inside\n"
    box.move("src/", "lib/")
    assert box.read("lib/main.py", 9) == b"x = 1\n"


def test_deep_and_long_paths(box: Sandbox, root: Path):
    fd = os.open(root, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    assert "250 directories deep" in refused(box.list, "d/" * 399 + "d")
    assert [one.path for one in box.list("d/" * 240)] == ["d/" * 240 + "d"]
    assert "250 directories deep" in refused(box.write, "n/" * 300 + "f", b"x")
    assert not (root / "n").exists()
    for path in ("x" * 300, "x/" * 50_000, "x" * 1_000_000, "../" * 100_000, "/" + "y" * 5000):
        refused(box.read, path, 9)
        refused(box.write, path + "z", b"")
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_the_nearest_names_cost_little(box: Sandbox, root: Path):
    for number in range(1500):
        (root / "src" / f"{'ab' * 120}{number:04}{'cd' * 5}").touch()
    start = time.process_time()
    assert "did you mean" in refused(box.read, f"src/{'ab' * 120}0003{'dc' * 5}", 9)
    assert time.process_time() - start < 1


# --- kinds ---------------------------------------------------------------------------------------


def test_what_is_no_file_is_named_and_can_be_deleted(box: Sandbox, root: Path):
    os.mkfifo(root / "fifo")
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(root)  # the path of a socket may be no longer than 107 bytes
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
    kinds = {"fifo": "a FIFO", "socket": "a socket"}
    with suppress(PermissionError):
        os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        kinds["null"] = "a device"
    for name, says in kinds.items():
        assert says in refused(box.read, name, 9)
        assert says in refused(box.write, name, b"x")
        found = box.stat(name)
        assert found is not None
        assert found.kind == "other"
        box.move(name, f"moved/{name}")
        box.delete(f"moved/{name}")
    assert list((root / "moved").iterdir()) == []


CHANGER = """
import os, sys
os.chdir(sys.argv[1])
while True:
    for make in (
        lambda: os.mkfifo("new"), lambda: os.mkdir("new"), lambda: os.symlink("../out/file", "new"),
        lambda: os.symlink("/dev/zero", "new"), lambda: open("new", "w").write("inside"),
        lambda: os.link("kept", "new"),
    ):
        make()
        if os.path.isdir("thing") and not os.path.islink("thing"): os.rmdir("thing")
        if os.path.isdir("new") and os.path.lexists("thing"): os.unlink("thing")
        os.rename("new", "thing")
"""


def test_a_file_that_changes_its_kind_neither_hangs_nor_leads_out(box: Sandbox, root: Path):
    (root / "kept").write_text("inside")
    changer = subprocess.Popen([sys.executable, "-c", CHANGER, str(root)])
    seen: set[str] = set()
    try:
        for _ in range(6000):
            try:
                seen.add(box.read("thing", 99).decode())
            except FileError as error:
                seen.add(type(error).__name__)
            with suppress(FileError):
                box.list("thing")
            with suppress(FileError):
                box.stat("thing")
        assert changer.poll() is None
    finally:
        changer.kill()
        changer.wait()
    assert seen <= {"inside", "", "FileError", "Absent"}
    assert "inside" in seen


ATTEMPTS = (
    ("read", "secret", 9), ("list", "closed"), ("read", "closed/x", 9), ("write", "closed/x", b""),
    ("write", "fixed", b"x"), ("write", "theirs", b"x"), ("delete", "their/file"), ("stat", "fixed"),
    ("write", "free", b"x"),
)  # fmt: skip


def try_all(files: Files) -> str:
    said: list[str] = []
    for act, *arguments in ATTEMPTS:
        try:
            said.append(f"done {act} {bool(getattr(files, str(act))(*arguments))}")
        except FileError as error:
            said.append(str(error))
    return "\n".join(said)


def test_what_a_person_has_closed_stays_closed(public: Path):
    for name in ("secret", "fixed", "theirs", "free"):
        (public / name).write_text("old")
    (public / "closed").mkdir(mode=0o700)
    (public / "their").mkdir()
    (public / "their" / "file").touch()
    if os.geteuid() == 0:
        for name in ("fixed", "free"):
            os.chown(public / name, NOBODY, NOBODY)
    else:
        (public / "closed").chmod(0)
        (public / "their").chmod(0o555)
        (public / "theirs").chmod(0o444)
    (public / "secret").chmod(0o600 if os.geteuid() == 0 else 0)
    (public / "fixed").chmod(0o444)
    said = as_nobody(lambda: try_all(Files(str(public)))).splitlines()
    protected = "; nothing was changed, chmod it first if it is meant to be changed"
    assert said == [
        "'secret': permission denied; the person has to allow it",
        "'closed': permission denied; the person has to allow it",
        "'closed/x': permission denied; the person has to allow it",
        "'closed/x': permission denied; the person has to allow it",
        f"'fixed' is write-protected (mode 0444){protected}",
        f"'theirs' is write-protected (mode {0o644 if os.geteuid() == 0 else 0o444:04o}){protected}",
        "'their/file': permission denied; the person has to allow it",
        "done stat True",
        "done write False",
    ]
    assert (public / "fixed").read_text() == "old"
    (public / "closed").chmod(0o700)
    (public / "their").chmod(0o700)


# --- writes --------------------------------------------------------------------------------------


def acl(user: int, rights: int) -> bytes:
    """Return an access list: owner rw, one named user, group r, mask rw, others nothing (acl(5))."""
    entries = [(1, 6, -1), (2, rights, user), (4, 4, -1), (0x10, 6, -1), (0x20, 0, -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in entries)


def test_a_write_keeps_mode_owner_attributes_and_access_list(box: Sandbox, root: Path):
    script = root / "run.sh"
    script.write_text("old")
    script.chmod(0o751)
    if os.geteuid() == 0:
        os.chown(script, 1234, 5678)
    try:
        os.setxattr(script, "user.origin", b"here")
        os.setxattr(script, "system.posix_acl_access", acl(4321, 6))
    except OSError:
        pytest.skip("the file system keeps no attributes")
    before = script.stat()
    box.write("run.sh", b"new")
    after = script.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip
    assert after.st_ino != before.st_ino
    assert os.getxattr(script, "user.origin") == b"here"
    assert os.getxattr(script, "system.posix_acl_access") == acl(4321, 6)


def test_a_directorys_default_list_opens_no_private_file(box: Sandbox, root: Path):
    (root / "src" / "key").write_text("old")
    (root / "src" / "key").chmod(0o640)
    try:
        os.setxattr(root / "src", "system.posix_acl_default", acl(4321, 6))
    except OSError:
        pytest.skip("the file system keeps no access lists")
    box.write("src/key", b"new")
    assert "system.posix_acl_access" not in os.listxattr(root / "src" / "key")
    assert (root / "src" / "key").stat().st_mode & 0o777 == 0o640


def test_rights_of_a_group_that_cannot_be_kept_are_dropped(public: Path):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    (public / "shared").write_text("old")
    os.chown(public / "shared", NOBODY, 1)
    (public / "shared").chmod(0o2764)
    assert as_nobody(lambda: str(Files(str(public)).write("shared", b"new"))) == "None"
    info = (public / "shared").stat()
    assert (info.st_uid, info.st_gid, info.st_mode & 0o7777) == (NOBODY, NOBODY, 0o744)


def test_nobody_else_can_read_a_private_file_on_the_way(box: Sandbox, root: Path):
    (root / "key").touch(mode=0o600)
    modes: set[int] = set()
    writer = threading.Thread(target=box.write, args=("key", b"k" * 30_000_000))
    writer.start()
    while writer.is_alive():
        for path in root.glob(TEMPORARY + "*"):
            with suppress(FileNotFoundError):
                modes.add(path.stat().st_mode & 0o7777)
    writer.join()
    assert modes == {0o600}


LIMITED = """
import resource, sys
from hob.core.ports import FileError
from hob.sandboxes.files import Files
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for path in ("old", "new/deep/file"):
    try:
        Files(sys.argv[1]).write(path, b"x" * 5000)
    except FileError as error:
        print(error)
"""


def test_a_write_that_cannot_end_changes_nothing(root: Path):
    (root / "old").write_text("old")
    before = snapshot(root)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(root)],
        capture_output=True, text=True, env=PYTHON, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        f"'{path}': the file would be larger than is allowed here; nothing was changed"
        for path in ("old", "new/deep/file")
    ]
    assert [one for one in snapshot(root) if one[0] != str(root)] == before


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_and_a_read_only_disk(disk: Path):
    (disk / "old").write_text("old")
    before = snapshot(disk)
    files = Files(str(disk))
    for path in ("old", "new/deep/file"):
        assert "the disk is full; nothing was changed" in refused(files.write, path, b"x" * 2**21)
    assert snapshot(disk) == before
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for attempt in (
        lambda: files.write("old", b"x"),
        lambda: files.write("new/file", b"x"),
        lambda: files.delete("old"),
        lambda: files.move("old", "new"),
    ):
        assert "read-only file system" in refused(attempt)
    assert snapshot(disk) == before
    files.close()


def test_a_mount_point_and_another_file_system(disk: Path):
    root = disk.parent
    files = Files(str(root))
    (root / "a").write_text("a")
    assert "in use by the system" in refused(files.delete, "disk")
    assert "another file system" in refused(files.move, "a", "disk/a")
    assert (root / "a").read_text() == "a"
    assert list(disk.iterdir()) == []
    files.close()


def test_what_fails_makes_no_directories(box: Sandbox, root: Path):
    before = snapshot(root)
    for attempt in (
        lambda: box.move("none", "new/deep/er"),
        lambda: box.write("src/main.py/new/file", b"x"),
        lambda: box.write("new/deep/" + "x" * 300, b"x"),
        lambda: box.write("new/.git/x", b"x"),
        lambda: box.move("src", "src/new/deep"),
        lambda: box.move("a.txt", "new/a/"),
    ):
        refused(attempt)
        assert [one[0] for one in snapshot(root)] == [one[0] for one in before]


def test_a_closed_workspace_is_closed_for_threads_too(root: Path):
    """A descriptor's number is used again, so a late thread would read somewhere else."""
    (root / "out").mkdir()
    (root / "out" / "a.txt").write_text("elsewhere")
    for _ in range(30):
        files = Files(str(root))
        said: list[object] = []

        def reading(files: Files = files, said: list[object] = said) -> None:
            try:
                while True:
                    said.append(files.read("a.txt", 99))
            except FileError as error:
                said.append(str(error))

        threads = [threading.Thread(target=reading) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.002)
        files.close()
        others = [os.open(root / "out", os.O_RDONLY) for _ in range(5)]
        for thread in threads:
            thread.join()
        for fd in others:
            os.close(fd)
        closed = "the workspace is closed; nothing can be read or changed any more"
        assert set(said) <= {b"inside\n", closed}


# --- races ---------------------------------------------------------------------------------------

SWAPPER = """
import itertools, os, sys
root, out = sys.argv[1:]
os.chdir(root)
junk = itertools.count()

def force(act, *names):
    while True:
        try:
            return act(*names)
        except OSError:
            try:
                os.rename(names[-1], f"junk/{next(junk)}")
            except OSError:
                pass

def hang(target, name):
    force(os.symlink, target, "new")
    force(os.rename, "new", name)

while True:
    force(os.rename, "real", "spare"); force(os.symlink, out, "real")
    os.rename("real", "junk/link"); force(os.rename, "spare", "real")
    hang(out + "/file", "real/file"); hang("../../out/victim", "real/victim")
    force(os.unlink, "real/file"); force(os.link, "kept", "real/file")
    hang(out, "door"); hang("../out", "door"); hang("real", "door"); hang(root + "/real", "door")
    force(os.rename, "deep/a/b", "b"); force(os.rename, "b", "deep/a/b")
    force(os.rename, "deep/a", "a"); force(os.rename, "a", "deep/a")
"""
PLACES = ("real", "door", "real/.", "deep/../door", "deep/a/b/up", "door/../real")
SHARES = (
    ("read", 0.70),
    ("list", 0.78),
    ("stat", 0.86),
    ("write", 0.90),
    ("delete", 0.95),
    ("move", 1.0),
)


class Racer:
    """Does random things to random places and counts."""

    def __init__(self, box: Sandbox, chance: random.Random) -> None:
        self.box = box
        self.chance = chance
        self.done: dict[str, int] = {}
        self.refused = 0

    def attempt(self) -> None:
        roll = self.chance.random()
        act = next(name for name, share in SHARES if roll < share)
        place = self.chance.choice(PLACES)
        try:
            getattr(self, act)(place)
            self.done[act] = self.done.get(act, 0) + 1
        except FileError:
            self.refused += 1

    def read(self, place: str) -> None:
        assert self.box.read(f"{place}/file", 99) in {b"inside", b"made"}

    def list(self, place: str) -> None:
        assert "only-outside" not in {one.path.rpartition("/")[2] for one in self.box.list(place)}

    def stat(self, place: str) -> None:
        info = self.box.stat(f"{place}/file")
        assert info is None or info.size != 8  # that of the one outside

    def write(self, place: str) -> None:
        self.box.write(f"{place}/{self.chance.choice(('w', 'victim', 'new/w'))}", b"made")

    def delete(self, place: str) -> None:
        self.box.delete(f"{place}/{self.chance.choice(('victim', 'w', 'moved'))}")

    def move(self, place: str) -> None:
        other = self.chance.choice(PLACES)
        name = self.chance.choice(("victim", "w", "moved"))
        self.box.move(f"{place}/{name}", f"{other}/{self.chance.choice(('moved', 'w', 'm/w'))}")


def race(root: Path, attempts: int) -> Racer:
    out = root.parent / "out"
    (out / "only-outside").touch()
    for folder in ("real", "junk", "deep/a/b"):
        (root / folder).mkdir(parents=True)
    (root / "kept").write_bytes(b"inside")
    os.link(root / "kept", root / "real" / "file")
    # From where it stands it leads to `real`; from one or two floors above, out of the root.
    (root / "deep/a/b/up").symlink_to("../../../real")
    (root / "door").symlink_to("real")
    before = snapshot(out)
    box = LocalSandbox(str(root), ENV)
    racer = Racer(box, random.Random(attempts))
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, str(root), str(out)])
    try:
        for _ in range(attempts):
            racer.attempt()
        assert swapper.poll() is None
    finally:
        swapper.kill()
        swapper.wait()
        asyncio.run(box.close())
    assert snapshot(out) == before
    assert sorted(one.name for one in root.parent.iterdir()) == ["out", "root"]
    assert not list(root.rglob(TEMPORARY + "*"))
    return racer


def test_no_swap_leads_out(root: Path):
    racer = race(root, 40_000)
    assert {"read", "list", "stat", "write", "delete"} <= set(racer.done)
    assert racer.refused > 0


@pytest.mark.slow
def test_no_swap_leads_out_in_200_000_attempts(root: Path):
    racer = race(root, 200_000)
    assert set(racer.done) == {"read", "list", "stat", "write", "delete", "move"}
    assert racer.refused > 0
    print(racer.done, racer.refused)


# --- kills ---------------------------------------------------------------------------------------

WRITER = """
import sys
from hob.sandboxes.files import Files
files, size = Files(sys.argv[1], records=sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
while True:
    for letter in b"ab":
        files.write("one/big", bytes([letter]) * size)
        files.write(f"two/\\n{letter}", b"small")
"""


def kill_writers(root: Path, records: Path, kills: int, size: int, longest_s: float) -> int:
    """Return how many of the kills left a temporary file, each swept by the next start."""
    (root / "one").mkdir()
    (root / "one" / "big").write_bytes(b"a" * size)
    chance = random.Random(7)
    left = 0
    for _ in range(kills):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(records), str(size)],
            stdout=subprocess.PIPE,
            env=PYTHON,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        assert not list(root.rglob(TEMPORARY + "*"))
        time.sleep(chance.random() * longest_s)
        writer.kill()
        writer.communicate()
        data = (root / "one" / "big").read_bytes()
        assert len(data) == size
        assert data.count(data[:1]) == size
        left += bool(list(root.rglob(TEMPORARY + "*")))
    Files(str(root), records=str(records)).close()
    assert not list(root.rglob(TEMPORARY + "*"))
    assert list(records.iterdir()) == []
    return left


def test_a_killed_write_leaves_old_or_new_and_nothing_else(root: Path, tmp_path: Path):
    assert kill_writers(root, tmp_path / "records", 40, 50_000_000, 0.1) > 0


@pytest.mark.slow
def test_200_killed_writes_of_50_megabytes(root: Path, tmp_path: Path):
    left = kill_writers(root, tmp_path / "records", 200, 50_000_000, 0.3)
    assert left > 0
    print(left)


def abandoned(root: Path, records: Path) -> Path:
    """Leave a temporary file in `src` behind, as a kill does, and return it."""
    before = set(root.rglob(TEMPORARY + "*"))
    program = (
        "import os, sys; from hob.sandboxes.files import Files\n"
        "os.rename = lambda *_, **__: os._exit(9)\n"
        "Files(sys.argv[1], records=sys.argv[2]).write('src/new', b'half')\n"
    )
    command = [sys.executable, "-c", program, str(root), str(records)]
    assert subprocess.run(command, env=PYTHON, check=False).returncode == 9
    (left,) = set(root.rglob(TEMPORARY + "*")) - before
    return left


def test_a_sweep_takes_only_what_the_dead_have_left(root: Path, tmp_path: Path):
    records = tmp_path / "records"
    living = Files(str(root), records=str(records))
    living.write("src/new", b"")
    record = next(records.iterdir())
    token = record.name.rpartition("-")[2]
    alike = [root / f"{TEMPORARY}0badcafe-1", root / "src" / f"{TEMPORARY}{token}-1"]
    for path in alike:
        path.write_text("somebody's")
    left = abandoned(root, records)
    assert len(list(records.iterdir())) == 2
    Files(str(root / "src"), records=str(records)).close()
    assert left.exists()  # that was another workspace
    Files(str(root), records=str(records)).close()
    assert sorted(root.rglob(TEMPORARY + "*")) == sorted(alike)
    assert list(records.iterdir()) == [record]
    living.close()
    living.close()
    assert list(records.iterdir()) == []


def test_a_sweep_follows_no_link(root: Path, tmp_path: Path):
    records = tmp_path / "records"
    left = abandoned(root, records)
    (root / "src").rename(root / "moved")
    (root / "src").symlink_to("moved")
    Files(str(root), records=str(records)).close()
    assert (root / "moved" / left.name).exists()


def test_records_that_cannot_be_kept_stop_nothing(root: Path, tmp_path: Path):
    (tmp_path / "blocked").write_text("a file")
    files = Files(str(root), records=str(tmp_path / "blocked" / "records"))
    files.write("new/file", b"x")
    assert (root / "new" / "file").read_bytes() == b"x"
    files.close()


def test_a_start_costs_little_and_a_write_one_record(root: Path, tmp_path: Path):
    records = tmp_path / "records"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for _ in range(200):
        Files(str(root), records=str(records)).close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 1
    assert not records.exists()
    files = Files(str(root), records=str(records))
    for number in range(20):
        files.write(f"src/{number}", b"")
    assert [one.read_bytes() for one in records.iterdir()] == [b"src\0"]
    files.close()
