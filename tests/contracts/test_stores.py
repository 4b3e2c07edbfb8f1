"""Every store keeps the same promises."""

import asyncio
import hashlib
import sqlite3
import subprocess
import sys

import pytest

from hob.core.errors import HobError, SessionBusy, SessionNotFound
from hob.core.ports import Entry
from hob.stores.blobs import FileBlobs
from hob.stores.jsonl import export_lines, import_lines
from hob.stores.memory import MemoryBlobs, MemoryStore
from hob.stores.spool import PlacedSpool
from hob.stores.sqlite import SqliteStore

BODY = b'{"kind":"session_named","name":"n"}'


def entries(*numbers: int, at: int = 5) -> list[Entry]:
    return [Entry(n, at + n, BODY) for n in numbers]


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request, tmp_path):
    """Return what opens the store; on disk, twice is the same store."""
    if request.param == "memory":
        store = MemoryStore()
        return lambda: store
    return lambda: SqliteStore(tmp_path / "data")


def with_store(make_store, work):
    async def main():
        store = make_store()
        try:
            return await work(store)
        finally:
            await store.aclose()

    return asyncio.run(main())


def test_what_was_appended_is_read_in_order(make_store):
    async def write(store):
        await store.append("a", entries(1, 2), True)
        await store.append("b", entries(1), False)
        await store.append("a", entries(3), False)

    async def read(store):
        assert list(await store.read("a")) == entries(1, 2, 3)
        assert list(await store.read("a", 2)) == entries(3)
        assert list(await store.read("nobody")) == []

    with_store(make_store, write)
    with_store(make_store, read)


def test_a_place_is_written_once_and_a_batch_is_whole_or_not_at_all(make_store):
    async def work(store):
        await store.append("a", entries(1, 2), True)
        with pytest.raises(SessionBusy):
            await store.append("a", entries(2, 3), True)
        assert list(await store.read("a")) == entries(1, 2)

    with_store(make_store, work)


def test_concurrent_appends_all_arrive_and_one_failure_is_its_own(make_store):
    async def work(store):
        await store.append("x", entries(1), True)
        jobs = [store.append(f"s{n}", entries(1, 2), n % 2 == 0) for n in range(40)]
        results = await asyncio.gather(
            *jobs, store.append("x", entries(1), True), return_exceptions=True
        )
        assert [r for r in results if r is not None and not isinstance(r, SessionBusy)] == []
        assert isinstance(results[-1], SessionBusy)
        assert len(await store.shelves()) == 41

    with_store(make_store, work)


def test_the_last_changed_session_stands_first(make_store):
    async def work(store):
        await store.append("a", entries(1, at=10), True)
        await store.append("b", entries(1, at=20), True)
        await store.append("a", entries(2, at=30), True)
        shelves = await store.shelves()
        assert [(s.session_id, s.created_at, s.updated_at, s.last_seq) for s in shelves] == [
            ("a", 11, 32, 2),
            ("b", 21, 21, 1),
        ]

    with_store(make_store, work)


def test_a_deleted_session_is_gone(make_store):
    async def work(store):
        await store.append("a", entries(1), True)
        await store.delete("a")
        assert list(await store.read("a")) == []
        assert list(await store.shelves()) == []
        with pytest.raises(SessionNotFound):
            await store.delete("a")

    with_store(make_store, work)


def test_one_writer_a_session(make_store):
    async def work(store):
        claim = store.claim("a")
        with pytest.raises(SessionBusy):
            store.claim("a")
        store.claim("b").release()
        claim.release()
        store.claim("a").release()

    with_store(make_store, work)


def test_another_process_is_kept_out_and_named(tmp_path):
    code = (
        "import sys,time,pathlib; from hob.stores.sqlite import SqliteStore;"
        "c = SqliteStore(pathlib.Path(sys.argv[1])).claim('a'); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SessionBusy, match=f"process {holder.pid}"):
            SqliteStore(tmp_path).claim("a")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    SqliteStore(tmp_path).claim("a").release()


def test_two_processes_write_two_sessions_at_once(tmp_path):
    code = (
        "import asyncio,sys,pathlib\n"
        "from hob.core.ports import Entry\n"
        "from hob.stores.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = SqliteStore(pathlib.Path(sys.argv[1]))\n"
        "    for n in range(1, 101): await store.append(sys.argv[2], [Entry(n, n, b'{}')], n % 3 == 0)\n"
        "    await store.aclose()\n"
        "asyncio.run(main())\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "abc"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with_store(lambda: SqliteStore(tmp_path), lambda store: _three_hundred(store))
    with sqlite3.connect(tmp_path / "hob.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_file_that_is_no_database_is_named_with_the_next_step(tmp_path):
    (tmp_path / "hob.db").write_bytes(b"not a database" * 100)

    async def work(store):
        with pytest.raises(HobError, match=r"hob.db' cannot be used .*HOB_DATA_DIR"):
            await store.append("a", entries(1), True)

    with_store(lambda: SqliteStore(tmp_path), work)


async def _three_hundred(store):
    assert [shelf.last_seq for shelf in await store.shelves()] == [100, 100, 100]


def test_a_file_of_a_newer_version_is_refused_with_the_next_step(tmp_path):
    with sqlite3.connect(tmp_path / "hob.db") as db:
        db.execute("PRAGMA user_version=99")
    db.close()

    async def work(store):
        with pytest.raises(HobError, match=r"newer Hob .* HOB_DATA_DIR"):
            await store.read("a")

    with_store(lambda: SqliteStore(tmp_path), work)


def test_the_files_are_for_their_owner_only(tmp_path):
    folder = tmp_path / "data"

    async def work(store):
        await store.append("a", entries(1), True)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {p.name: p.stat().st_mode & 0o077 for p in folder.glob("hob.db*")} == {
            "hob.db": 0,
            "hob.db-wal": 0,
            "hob.db-shm": 0,
            "hob.db.lock": 0,
        }

    with_store(lambda: SqliteStore(folder), work)


@pytest.fixture(params=["memory", "file"])
def blobs(request, tmp_path):
    return MemoryBlobs() if request.param == "memory" else FileBlobs(tmp_path / "blobs")


def test_blobs(blobs):
    digest = blobs.put(b"large")
    assert blobs.put(b"large") == digest
    assert blobs.get(digest) == b"large"
    for wrong in ("0" * 64, "../../etc/passwd"):
        for attempt in (blobs.get, blobs.find, blobs.size, lambda name: blobs.read(name, 0, 1)):
            with pytest.raises(KeyError):
                attempt(wrong)


@pytest.mark.parametrize("pieces", [[], [b"a", b"bc"], [b"x" * 70_000, b"y" * 9, b"z" * 300_000]])
def test_a_spool_becomes_a_blob_that_can_be_paged(blobs, pieces, tmp_path):
    whole = b"".join(pieces)
    spool = blobs.spool()
    for number, piece in enumerate(pieces, 1):
        spool.write(piece)
        assert spool.seen == spool.kept == sum(map(len, pieces[:number]))
        assert spool.read(1, 10_000_000) == b"".join(pieces[:number])[1:]
    digest = spool.finish()
    spool.drop()
    assert digest == hashlib.sha256(whole).hexdigest() == blobs.put(whole)
    assert blobs.find(digest[:8]) == blobs.find(digest) == digest
    assert blobs.get(digest) == whole
    assert blobs.size(digest) == len(whole)
    assert blobs.read(digest, 2, 100_000) == whole[2:100_002]
    assert blobs.read(digest, len(whole), 5) == b""
    again = blobs.spool()
    again.write(whole)
    assert again.finish() == digest
    assert not list(tmp_path.rglob(".spool*"))


def test_a_spool_keeps_the_first_bytes_and_counts_the_rest(tmp_path):
    blobs = FileBlobs(tmp_path)
    spool = PlacedSpool(blobs.place, blobs.put, cap=100_000)
    for _ in range(5):
        spool.write(b"x" * 30_000)
    assert (spool.seen, spool.kept) == (150_000, 100_000)
    assert blobs.get(spool.finish()) == b"x" * 100_000


def test_a_spool_that_is_dropped_leaves_nothing(blobs, tmp_path):
    for size in (10, 100_000):
        spool = blobs.spool()
        spool.write(b"x" * size)
        spool.drop()
        spool.drop()
        spool.write(b"more")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_spool_on_a_broken_disk_only_counts(tmp_path):
    (tmp_path / "blobs").write_text("a file where the folder should be")
    spool = FileBlobs(tmp_path / "blobs").spool()
    spool.write(b"x" * 1000)
    spool.write(b"x" * 100_000)
    assert (spool.seen, spool.kept) == (101_000, 1000)


def test_a_short_or_ambiguous_prefix_finds_nothing(blobs):
    digest = blobs.put(b"one")
    for wrong in (digest[:7], "", "*", digest[:8] + "zz", digest[:12].upper()):
        with pytest.raises(KeyError):
            blobs.find(wrong)


def test_a_damaged_blob_is_no_blob(tmp_path):
    blobs = FileBlobs(tmp_path)
    digest = blobs.put(b"large")
    next(tmp_path.glob("*/*")).write_bytes(b"larger")
    with pytest.raises(KeyError):
        blobs.get(digest)


def test_export_and_import():
    lines = list(export_lines(entries(1, 2)))
    assert lines[0] == b'{"seq":1,"at":6,"event":' + BODY + b"}\n"
    assert import_lines(lines) == entries(1, 2)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "no event"),
        ([b"nonsense\n"], "Line 1 is not an event"),
        ([b'{"seq":2,"at":0,"event":' + BODY + b"}"], "seq 2, expected 1"),
        ([b'{"seq":1,"at":0,"event":{"kind":"boo"}}'], "Line 1"),
    ],
)
def test_what_is_no_export_is_refused_by_line(lines, words):
    with pytest.raises(HobError, match=words):
        import_lines(lines)
