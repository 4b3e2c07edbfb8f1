"""Before-images: kept before the change, through crashes, and put back exactly."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from hob.core.checkpoints import ABSENT, Image, Touched, checkpoints
from hob.core.ports import FileError
from hob.sandboxes.images import WorkspaceImages
from hob.sandboxes.local import LocalSandbox
from hob.sandboxes.recorder import Recorder
from hob.sandboxes.recording import RecordingSandbox
from hob.sandboxes.shadow import Shadow
from hob.sandboxes.shadow_git import ShadowError
from hob.sandboxes.watch import CommandWatch
from hob.stores.checkpoints import CheckpointFolder, FileJournal


class Desk:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "work"
        self.root.mkdir()
        self.data = folder / "data"
        self.journal = FileJournal(self.data / "checkpoints" / "s")
        self.images = WorkspaceImages(str(self.root))
        self.shadow = Shadow(self.data / "shadows", str(self.root), path=os.environ["PATH"])
        self.recorder = Recorder(self.images, self.journal, CommandWatch(self.shadow, self.journal))
        local = LocalSandbox(str(self.root), {"PATH": os.environ["PATH"]})
        self.sandbox = RecordingSandbox(local, self.recorder)

    def put(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def call(self, work, access="write", call_id="1.0"):
        async def main():
            await self.recorder.before(call_id, access)
            try:
                work(self.sandbox)
            finally:
                self.changes = await self.recorder.after(call_id)

        asyncio.run(main())
        return self.changes

    def command(self, line: str, call_id="1.0"):
        async def main():
            await self.recorder.before(call_id, "execute")
            await self.sandbox.exec(["sh", "-c", line], timeout_s=30)
            return await self.recorder.after(call_id)

        return asyncio.run(main())


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_the_before_image_is_on_disk_before_the_file_changes(desk):
    file = desk.put("a", "old\n")
    seen = []

    class Spy:
        def write(self, path, data):
            (mark,) = FileJournal(desk.data / "checkpoints" / "s").marks()
            seen.append((mark.path, desk.journal.image(mark.before.digest), file.read_text()))
            raise FileError("disk full")

    sandbox = RecordingSandbox(Spy(), desk.recorder)
    with pytest.raises(FileError):
        desk.call(lambda _: sandbox.write("a", b"new\n"))
    assert seen == [("a", b"old\n", "old\n")]
    assert desk.changes.changes == (), "a write that failed is no change"
    assert [one.effective for one in checkpoints(desk.journal.marks())] == [False]


def test_without_a_before_image_nothing_is_changed(desk):
    file = desk.put("a", "old\n")
    (desk.data / "checkpoints").mkdir(parents=True)
    (desk.data / "checkpoints" / "s").write_text("in the way")
    with pytest.raises(FileError, match="cannot be kept for an undo"):
        desk.call(lambda sandbox: sandbox.write("a", b"new\n"))
    assert file.read_text() == "old\n"


def test_changes_carry_digests_and_lines_and_a_link_is_followed_to_its_target(desk):
    desk.put("real/a", "1\n2\n3\n")
    (desk.root / "link").symlink_to("real/a")
    found = desk.call(lambda sandbox: sandbox.write("link", b"1\n3\n4\n5\n")).changes
    assert [(c.path, c.added, c.removed) for c in found] == [("real/a", 2, 1)]


def test_a_torn_line_of_the_journal_hides_no_other(desk):
    first = Touched("1.0", "a", ABSENT, Image("dir"))
    desk.journal.add([first])
    with (desk.data / "checkpoints" / "s" / "journal.jsonl").open("ab") as file:
        file.write(b'{"kind":"touched","call_id":"2.0","pa')
    desk.journal.add([Touched("3.0", "b", ABSENT, Image("dir"))])
    assert [mark.call_id for mark in desk.journal.marks()] == ["1.0", "3.0"]


def test_an_image_never_goes_through_a_link_that_leads_elsewhere(desk, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("theirs")
    (desk.root / "d").symlink_to(outside)
    assert desk.images.look("d/a")[0].kind == "other"
    with pytest.raises(FileError):
        desk.images.put("d/a", Image("file", "x"), b"ours")
    assert (outside / "a").read_text() == "theirs"


def test_a_large_file_is_named_as_not_covered(desk):
    with (desk.root / "big").open("wb") as file:
        file.truncate((20 << 20) + 1)
    desk.call(lambda sandbox: sandbox.write("big", b"small"))
    (one,) = checkpoints(desk.journal.marks())
    assert one.uncovered == ["big (larger than 20 MB)"]


def test_filters_hooks_and_attributes_of_a_workspace_run_nothing_in_the_shadow(desk):
    subprocess.run(["git", "init", "-q", str(desk.root)], check=True)
    desk.put(".gitattributes", "* filter=evil text eol=crlf\n")
    subprocess.run(
        ["git", "-C", str(desk.root), "config", "filter.evil.clean", "touch owned; cat"], check=True
    )
    desk.put(".git/hooks/post-index-change", "#!/bin/sh\ntouch owned\n").chmod(0o755)
    before = {p: p.read_bytes() for p in (desk.root / ".git").rglob("*") if p.is_file()}
    found = desk.command("printf 'a\\r\\nb\\n' > f")
    assert [c.path for c in found.changes] == ["f"]
    assert not (desk.root / "owned").exists()
    assert {p: p.read_bytes() for p in (desk.root / ".git").rglob("*") if p.is_file()} == before
    desk.command("rm f", "2.0")
    last = checkpoints(desk.journal.marks())[-1].changes["f"]
    assert desk.journal.image(last.before.digest) == b"a\r\nb\n", "byte for byte"


def test_nested_repositories_large_and_odd_files_are_left_out_and_said_once(desk):
    desk.put("Makefile", "")
    subprocess.run(["git", "init", "-q", str(desk.root / "nested")], check=True)
    desk.put("nested/inside", "1")
    os.mkfifo(desk.root / "pipe")
    with (desk.root / "big").open("wb") as file:
        file.truncate((10 << 20) + 1)
    found = desk.command("echo 2 > nested/inside; echo 1 > seen")
    assert [c.path for c in found.changes] == ["seen"]
    assert found.notes == (
        "Undo does not cover big (larger than 10 MB).",
        "Undo does not cover nested/ (a repository of its own).",
    )
    assert desk.command("echo 2 > seen", "2.0").notes == ()


def test_a_home_and_a_folder_without_any_mark_get_no_snapshots(desk, tmp_path):
    assert "no repository" in desk.shadow.refusal()
    found = desk.command("echo 1 > a")
    assert found.changes == ()
    assert "no repository" in found.notes[0]
    home = Shadow(tmp_path / "x", str(tmp_path), home=str(desk.root), confirmed=True)
    with pytest.raises(ShadowError, match="home folder"):
        home.snapshot()


def test_a_write_tool_that_starts_programs_is_covered_too(desk):
    desk.put("Makefile", "")

    async def main():
        await desk.recorder.before("1.0", "write")
        desk.sandbox.write("a", b"1\n")
        await desk.sandbox.exec(["sh", "-c", "echo 2 > a; echo 1 > b"], timeout_s=30)
        return await desk.recorder.after("1.0")

    found = {c.path: c for c in asyncio.run(main()).changes}
    assert sorted(found) == ["a", "b"]
    assert found["a"].before == ABSENT


def test_old_checkpoints_go(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    for name in ("old", "new"):
        folder.journal(name).add([Touched("1.0", "a", ABSENT, Image("dir"))])
    for path in (tmp_path / "checkpoints" / "old", tmp_path / "checkpoints" / "old/journal.jsonl"):
        os.utime(path, (1e9, 1e9))
    folder.prune(1e9 + 40 * 86_400)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir() if p.is_dir()] == ["new"]
