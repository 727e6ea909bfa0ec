"""The SQLite database of a study, and the lock of its one writer.

Reference: SQLite, "Write-Ahead Logging", https://www.sqlite.org/wal.html.
"""

import fcntl
import os
import sqlite3
import stat
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from nas.errors import StudyError

APPLICATION_ID = 0x52444745
"""Marks an SQLite file as a study's: "RDGE" in ASCII."""

SCHEMA_VERSION = 1

WANDB = "wandb"
"""The directory that Weights & Biases keeps in a study."""

SCHEMA = """
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY,
    genotype TEXT NOT NULL,
    split TEXT NOT NULL CHECK (split IN ('search', 'test')),
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
    accuracy REAL,
    loss REAL,
    metrics TEXT NOT NULL,
    seed INTEGER NOT NULL,
    duration_s REAL NOT NULL,
    worker TEXT NOT NULL,
    created_at TEXT NOT NULL,
    error TEXT,
    attempts INTEGER NOT NULL,
    UNIQUE (genotype, split),
    CHECK ((status = 'ok') = (accuracy IS NOT NULL))
);
CREATE TABLE measurements (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    genotype TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('adapt', 'verify')),
    status TEXT NOT NULL CHECK (status IN ('ok', 'noisy', 'failed')),
    latency_s REAL,
    samples TEXT NOT NULL,
    environment TEXT NOT NULL,
    error TEXT,
    created_at TEXT NOT NULL,
    UNIQUE (target, genotype, purpose),
    CHECK ((status = 'failed') = (latency_s IS NULL))
);
CREATE TABLE stages (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('running', 'done')),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    summary TEXT NOT NULL DEFAULT '{}',
    starts INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE training (
    step INTEGER PRIMARY KEY,
    epoch REAL NOT NULL,
    metrics TEXT NOT NULL
);
CREATE TABLE metadata (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
"""


@contextmanager
def told(path: Path) -> Generator[None]:
    """Turns the objections of database and file system into one line that names the study."""
    try:
        yield
    except StudyError:
        raise
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StudyError(f"{path}/study.db: {error}") from error
    except OSError as error:
        raise StudyError(f"{error.filename or path}: {error.strerror or error}") from error


def check_files(path: Path) -> None:
    """Looks for what makes opening a study directory read, write or wait somewhere else.

    Raises:
        StudyError: If a link in it leads out of it, or something is no file and no directory.
    """
    root = os.path.realpath(path)
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            found = os.path.join(directory, name)
            try:
                mode = os.lstat(found).st_mode
            except FileNotFoundError:
                # Another process works here.
                continue
            if stat.S_ISLNK(mode):
                if not os.path.realpath(found).startswith(root + os.sep):
                    raise StudyError(
                        f"{found}: expected a study without links to other places, this one leads "
                        f"to {os.path.realpath(found)}"
                    )
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise StudyError(f"{found}: expected a file or a directory")
        if directory == root and WANDB in names:
            # Full of links to its own logs; nothing of ours is read or written there.
            names.remove(WANDB)


def acquire(path: Path) -> int:
    """The descriptor whose lock makes this process the study's only writer."""
    descriptor = os.open(path / "study.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StudyError(
            f"{path}: in use by process {holder}; wait for it or end it first"
        ) from None
    except OSError:
        os.close(descriptor)
        raise
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def create_database(path: Path) -> None:
    """Builds the database aside and renames it, so that it is complete wherever it exists."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    connection = sqlite3.connect(partial)
    try:
        connection.executescript(
            f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    finally:
        connection.close()
    partial.rename(path)


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """Opens a study's database, for writing in write-ahead mode, and checks whose it is."""
    # SQLite opens a write-ahead log by writing beside it, which no read-only medium allows.
    settled = not os.access(path.parent, os.W_OK) and not path.with_name("study.db-wal").exists()
    mode = "mode=rw" if writable else "mode=ro&immutable=1" if settled else "mode=ro"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StudyError(f"{path}: expected a study's database, got another SQLite database")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise StudyError(f"{path}: expected schema version {SCHEMA_VERSION}, got {version}")
        _check_content(connection, path)
        if writable:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_content(connection: sqlite3.Connection, path: Path) -> None:
    """Refuses a database of other tables than ours, or with triggers, views or damaged pages.

    Reference: SQLite, "Defense Against The Dark Arts", https://www.sqlite.org/security.html.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    listing = "SELECT type, name, tbl_name, sql FROM sqlite_master"
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(SCHEMA)
        expected = set(ours.execute(listing))
    found = {tuple(row) for row in connection.execute(listing)}
    if found != expected:
        names = sorted({f"{kind} {name}" for kind, name, *_ in found ^ expected})
        raise StudyError(f"{path}: expected a study's tables, other ones are {', '.join(names)}")
    (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        raise StudyError(f"{path}: is damaged: {' '.join(str(state).split())}")
