"""Logs in one SQLite file: one writer thread with one connection, WAL, two kinds of commit.

SQLite < 3.51.3 can damage a WAL when two connections write or checkpoint at the same moment
(https://sqlite.org/wal.html#walresetbug), and many Pythons carry such a version. So one thread writes in
each process, and a lock file keeps the processes of one person from committing at the same moment.
`synchronous=FULL` for durable commits and NORMAL for the rest (https://sqlite.org/pragma.html#pragma_synchronous):
a FULL commit also makes durable all NORMAL ones before it.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from hob.core.errors import HobError, SessionBusy, SessionNotFound
from hob.core.ports import Claim, Entry, Shelf

SCHEMA_VERSION = 1
WAL_PAGES_BEFORE_CHECKPOINT = 4096  # 16 MiB

_SCHEMA = """
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE events (
    session_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (session_id, seq)
);
"""


class _Job(Struct):
    work: Callable[[sqlite3.Connection], Any]
    durable: bool
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class SqliteStore:
    """A store in `folder/hob.db`. It may be used from one event loop at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._db: sqlite3.Connection | None = None
        self._synchronous = ""
        self._lock_descriptor = -1

    async def append(self, session_id: str, entries: Sequence[Entry], durable: bool) -> None:
        """Keep all entries or none. Raises `SessionBusy` if one is there already."""
        rows = [(session_id, entry.seq, entry.at, entry.body) for entry in entries]

        def work(db: sqlite3.Connection) -> None:
            db.executemany("INSERT INTO events VALUES (?,?,?,?)", rows)
            db.execute(
                "INSERT INTO sessions VALUES (?,?,?,?) ON CONFLICT (session_id)"
                " DO UPDATE SET updated_at=excluded.updated_at, last_seq=excluded.last_seq",
                (session_id, rows[0][2], rows[-1][2], rows[-1][1]),
            )

        try:
            await self._do(work, durable)
        except sqlite3.IntegrityError:
            raise SessionBusy(
                f"Session {session_id!r} was written by another process; open it again."
            ) from None

    async def read(self, session_id: str, after: int = 0) -> Sequence[Entry]:
        """Return the entries with a sequence number above `after`."""
        sql = "SELECT seq, at, body FROM events WHERE session_id=? AND seq>? ORDER BY seq"
        rows = await self._do(lambda db: db.execute(sql, (session_id, after)).fetchall())
        return [Entry(seq, at, body) for seq, at, body in rows]

    async def shelves(self) -> Sequence[Shelf]:
        """Return all sessions, the last changed one first."""
        sql = "SELECT * FROM sessions ORDER BY updated_at DESC, session_id DESC"
        return [Shelf(*row) for row in await self._do(lambda db: db.execute(sql).fetchall())]

    async def delete(self, session_id: str) -> None:
        """Forget a session. Raises `SessionNotFound`."""

        def work(db: sqlite3.Connection) -> int:
            db.execute("DELETE FROM events WHERE session_id=?", (session_id,))
            return db.execute("DELETE FROM sessions WHERE session_id=?", (session_id,)).rowcount

        if not await self._do(work, True):
            raise SessionNotFound(f"There is no session {session_id!r}.")

    def claim(self, session_id: str) -> Claim:
        """Become the one writer; the kernel takes the right back when the process dies. Raises `SessionBusy`."""
        locks = self._folder / "locks"
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _FileClaim(locks / f"{session_id}.lock", session_id)

    async def aclose(self) -> None:
        """Write what is waiting, fold the WAL back into the file, end the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
            self._thread = None

    async def _do(self, work: Callable[[sqlite3.Connection], Any], durable: bool = False) -> Any:
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="store", daemon=True)
            self._thread.start()
        job = _Job(work, durable, loop.create_future(), loop)
        self._jobs.put(job)
        try:
            return await job.future
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise HobError(
                f"The session store {str(self._folder / 'hob.db')!r} cannot be used ({error}):"
                " free some space or mend it, or set HOB_DATA_DIR to another folder."
            ) from error

    def _serve(self) -> None:
        """Writer thread: take all jobs that wait and commit them together."""
        while True:
            jobs = self._take()
            self._work([job for job in jobs if job is not None])
            if None in jobs:
                self._close()
                return

    def _work(self, batch: list[_Job]) -> None:
        try:
            with self._alone():
                self._db = self._db or self._open()
                self._commit(self._db, batch)
        except Exception as error:  # the reason goes to whoever waits; the thread lives on
            for job in batch:
                _settle(job, None, error)

    def _close(self) -> None:
        if self._db is not None:
            with self._alone():  # the last connection to close folds the WAL into the file
                self._db.close()
            self._db = None

    def _take(self) -> list[_Job | None]:
        jobs = [self._jobs.get()]
        while not self._jobs.empty():
            jobs.append(self._jobs.get_nowait())
        return jobs

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Hold the lock that all processes on this database take around everything they do to it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._lock_descriptor < 0:
            path = self._folder / "hob.db.lock"
            self._lock_descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_descriptor, fcntl.LOCK_UN)

    def _commit(self, db: sqlite3.Connection, batch: list[_Job]) -> None:
        level = "FULL" if any(job.durable for job in batch) else "NORMAL"
        if level != self._synchronous:
            db.execute(f"PRAGMA synchronous={level}")
            self._synchronous = level
        db.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [(job, *_attempt(db, job)) for job in batch]
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        for job, result, error in outcomes:
            _settle(job, result, error)

    def _open(self) -> sqlite3.Connection:
        path = self._folder / "hob.db"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA mmap_size=0")
        db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES_BEFORE_CHECKPOINT}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            db.close()
            raise HobError(
                f"{str(path)!r} was written by a newer Hob (schema {version}, this one knows {SCHEMA_VERSION}):"
                " update Hob, or set HOB_DATA_DIR to another folder."
            )
        if version < SCHEMA_VERSION:
            _migrate(db)
        return db


def _attempt(db: sqlite3.Connection, job: _Job) -> tuple[Any, Exception | None]:
    """Do one job inside the transaction; its failure undoes it alone, not its neighbours."""
    db.execute("SAVEPOINT job")
    try:
        result = job.work(db)
    except Exception as error:
        db.execute("ROLLBACK TO job")
        db.execute("RELEASE job")
        return None, error
    db.execute("RELEASE job")
    return result, None


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the schema up to date in one transaction; two processes may try at once."""
    db.execute("BEGIN IMMEDIATE")
    if db.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION:
        for statement in _SCHEMA.split(";"):
            if statement.strip():
                db.execute(statement)
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    db.execute("COMMIT")


def _settle(job: _Job, result: Any, error: Exception | None) -> None:
    def tell() -> None:
        if job.future.cancelled():
            return
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    try:
        job.loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the loop is gone; nobody waits for this any more
        return


class _FileClaim:
    """An exclusive `flock` on a small file that names the holder."""

    def __init__(self, path: Path, session_id: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "?"
            os.close(self._descriptor)
            raise SessionBusy(
                f"Session {session_id!r} is in use by process {holder}: wait for it or end it."
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, b"%d\n" % os.getpid())

    def release(self) -> None:
        """Give the right back; the file stays, since to remove it would race with the next holder."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
