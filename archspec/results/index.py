"""An index of all runs below a folder: an SQLite file that can be deleted, because it is rebuilt from the folders."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from archspec.files import MiB, read_regular
from archspec.results.compare import MEASURES, OTHER_METRICS
from archspec.results.find import run_folders
from archspec.results.record import RunRecord, read_record

NAME: Final = "archspec.db"
VERSION: Final = 2  # of the table; a table of another version is rebuilt
TAGS: Final = "tags.json"
_WATCHED: Final = (
    "environment.json", "metrics.jsonl", "findings.json", "summary.json", "weights.safetensors", "spec.yaml", TAGS,
)
_BUSY_MS: Final = 10_000  # how long to wait for another process that writes


class Index:
    """The index `root/archspec.db` of the runs below `root`: a row per run, as JSON, with a signature of its files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / NAME

    def rows(self) -> list[dict[str, Any]]:
        """All runs on disk; only those whose files have changed are read again."""
        with self._open() as database:
            known = dict(database.execute("SELECT path, signature FROM runs"))
            folders = {str(folder.relative_to(self.root)): folder for folder in run_folders(self.root)}
            for name in known.keys() - folders.keys():
                database.execute("DELETE FROM runs WHERE path = ?", (name,))
            for name, folder in folders.items():
                now = signature(folder)
                if known.get(name) != now:
                    self._read(database, name, folder, now)
            database.commit()
            found = database.execute("SELECT data FROM runs ORDER BY started, path")
            return [json.loads(data) for (data,) in found]

    def rebuild(self) -> list[dict[str, Any]]:
        """Delete the index, and read every run again."""
        self._forget()
        return self.rows()

    def _forget(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(NAME + suffix).unlink(missing_ok=True)

    def _read(self, database: sqlite3.Connection, name: str, folder: Path, signature: str) -> None:
        record = read_record(folder)
        if record is None:
            database.execute("DELETE FROM runs WHERE path = ?", (name,))
            return
        data = row_of(record, name)
        database.execute(
            "INSERT OR REPLACE INTO runs (path, signature, started, data) VALUES (?, ?, ?, ?)",
            (name, signature, record.started, json.dumps(data)),
        )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The database; rebuilt if it is damaged or of another version."""
        try:
            connection = self._connect()
        except sqlite3.OperationalError:
            raise  # the database is not damaged: another process holds it for long, or the disk is full
        except sqlite3.DatabaseError:
            self._forget()
            connection = self._connect()
        with closing(connection):
            yield connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_MS / 1000)
        try:
            _write_ahead(connection)
            connection.execute("BEGIN IMMEDIATE")  # if several processes find no table, one creates it
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                connection.execute("DROP TABLE IF EXISTS runs")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS runs (path TEXT PRIMARY KEY, signature TEXT, started TEXT, data TEXT)"
            )
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.commit()
            connection.execute("SELECT path, signature, started, data FROM runs LIMIT 1").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn WAL on, with retries, because SQLite does not wait here for other processes that do the same."""
    until = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def row_of(record: RunRecord, name: str) -> dict[str, Any]:
    """The row of a run, as plain data."""
    figures: dict[str, Any] = {
        key: value for key, measure in MEASURES.items()
        if (value := measure.latest(record)) is not None or not key.endswith(OTHER_METRICS)
    }
    return {
        "path": name, "network": record.network, "status": record.status, "started": record.started,
        "seed": record.seed, "digest": record.digest, **figures, "epochs_done": len(record.epochs),
        "params": record.params, "macs": record.macs, "device": record.device, "diagnosis": record.diagnosis,
        "tags": read_tags(record.path), "settings": dict(record.settings),
    }


def read_tags(folder: Path) -> list[str]:
    """The tags of a run."""
    try:
        tags = json.loads(read_regular(folder / TAGS, MiB))
    except (OSError, ValueError, RecursionError):
        return []
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def write_tags(folder: Path, tags: list[str]) -> None:
    """Replace the tags of a run. They are stored in its folder, so that the index can be rebuilt."""
    from archspec.atomic_files import write_text

    write_text(folder / TAGS, json.dumps(sorted(set(tags)), ensure_ascii=False) + "\n")


def signature(folder: Path) -> str:
    """The sizes and times of a run's files, which show whether it has changed."""
    parts = []
    for name in _WATCHED:
        try:
            found_file = (folder / name).lstat()
        except OSError:
            continue
        parts.append(f"{name}:{found_file.st_size}:{found_file.st_mtime_ns}")
    return "|".join(parts)
