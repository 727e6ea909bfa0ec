"""A study: one directory with all a search reads and writes, so that what is killed can go on.

    config.yaml   the resolved configuration            checkpoints/  of the supernet
    study.db      evaluations, measurements, progress   predictors/   bound to their targets
    report.html                                         fronts/       one CSV and Parquet a target
                                                        export/       networks

Every row is committed as it happens, in SQLite's write-ahead log with `synchronous = NORMAL`: a
killed process loses nothing that was recorded; a power cut may lose the last moments but never
damages the database. One process writes at a time and holds a lock that the operating system drops
with the process.
"""

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from nas.database import acquire, check_files, connect, create_database, told
from nas.decoding import Kind, check, read_json, read_row
from nas.errors import StudyError
from nas.execution.base import Outcome
from nas.records import Evaluation, Measurement, Stage, TrainingStep
from nas.yaml_text import YamlError, read_yaml_file, write_yaml

DIRECTORIES = ("checkpoints", "predictors", "fronts", "export")


class Study:
    """The open study directory; made by `create` or `open`, closed by `close` or a `with` block."""

    def __init__(self, path: Path, *, lock: int | None) -> None:
        self.path = path
        self._lock = lock
        self._connection = connect(path / "study.db", writable=lock is not None)

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether a study was created at the path."""
        return (path / "study.db").exists()

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> "Study":
        """Makes the directory, its database and `config.yaml`, and opens it for writing.

        Args:
            path: Where; missing parents are made.
            config: The resolved configuration, of YAML's own types.

        Raises:
            StudyError: If a study is there or being created, or the directory cannot be written.
        """
        with told(path):
            path.mkdir(parents=True, exist_ok=True)
            check_files(path)
            lock = acquire(path)
            try:
                if cls.exists(path):
                    raise StudyError(f"{path}: already holds a study")
                for name in DIRECTORIES:
                    (path / name).mkdir(exist_ok=True)
                _write_config(path, config)
                create_database(path / "study.db")
                return cls(path, lock=lock)
            except BaseException:
                os.close(lock)
                raise

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> "Study":
        """Opens a study that exists.

        Args:
            path: The study directory.
            read_only: Look without the lock, also while another process writes.

        Raises:
            StudyError: If there is none, it is in use, its database is damaged, foreign or of
                another version, or a link leads out of it.
        """
        if not cls.exists(path):
            raise StudyError(f"{path}: expected a study directory, found no study.db in it")
        with told(path):
            check_files(path)
            if read_only:
                return cls(path, lock=None)
            lock = acquire(path)
            try:
                return cls(path, lock=lock)
            except BaseException:
                os.close(lock)
                raise

    def close(self) -> None:
        """Closes the database and lets go of the lock. May be called twice."""
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> "Study":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, read from `config.yaml`."""
        with told(self.path):
            try:
                config = read_yaml_file(self.path / "config.yaml")
            except YamlError as error:
                raise StudyError(f"{self.path}/config.yaml: {error}") from None
        if not isinstance(config, dict):
            raise StudyError(f"{self.path}/config.yaml: expected a mapping, got {config!r:.60}")
        return config

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replaces `config.yaml`, for instance to go on with one more target."""
        with told(self.path):
            if self._lock is None:
                raise StudyError(f"{self.path}: opened for reading only")
            _write_config(self.path, config)

    def record_evaluation(self, outcome: Outcome) -> None:
        """Writes down how an evaluation ended.

        A failed one may be recorded again: attempts add up and the newer result stands.

        Raises:
            StudyError: If the genotype was completed on that split before, or writing fails.
        """
        task = outcome.task
        extra = {k: v for k, v in outcome.metrics.items() if k not in ("accuracy", "loss")}
        row = {
            "genotype": _key(task.genotype),
            "split": task.split,
            "status": outcome.status,
            "accuracy": outcome.metrics.get("accuracy"),
            "loss": outcome.metrics.get("loss"),
            "metrics": _json(extra),
            "seed": task.seed,
            "duration_s": outcome.duration_s,
            "worker": outcome.worker,
            "created_at": _now(),
            "error": outcome.error,
            "attempts": outcome.attempts,
        }
        columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        fixed = ("genotype", "split", "attempts")
        renewed = ", ".join(f"{name} = excluded.{name}" for name in row if name not in fixed)
        written = self._write(
            f"INSERT INTO evaluations ({columns}) VALUES ({values}) ON CONFLICT (genotype, split) "
            f"DO UPDATE SET {renewed}, attempts = attempts + excluded.attempts "
            "WHERE status = 'failed'",
            row,
        )
        if not written:
            raise StudyError(
                f"{self.path}: {row['genotype']} was already evaluated on the {task.split} split"
            )

    def evaluations(self, split: Literal["search", "test"]) -> list[Evaluation]:
        """Every evaluation on a split, completed or failed, in the order of recording."""
        rows = self._read("SELECT * FROM evaluations WHERE split = ? ORDER BY id", (split,))
        return [read_row(Evaluation, row, self._where("evaluations")) for row in rows]

    def record_measurement(self, measurement: Measurement) -> None:
        """Writes down a latency; a newer one of the same network, target and purpose stands."""
        row = {
            "target": measurement.target,
            "genotype": _key(measurement.genotype),
            "purpose": measurement.purpose,
            "status": measurement.status,
            "latency_s": measurement.latency_s,
            "samples": _json(list(measurement.samples_s)),
            "environment": _json(dict(measurement.environment)),
            "error": measurement.error,
            "created_at": _now(),
        }
        columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        self._write(f"INSERT OR REPLACE INTO measurements ({columns}) VALUES ({values})", row)

    def measurements(
        self, target: str, purpose: Literal["adapt", "verify"] | None = None
    ) -> list[Measurement]:
        """What was measured on a target, oldest first; of one purpose where given."""
        rows = self._read(
            "SELECT * FROM measurements WHERE target = ? AND purpose = coalesce(?, purpose) "
            "ORDER BY id",
            (target, purpose),
        )
        return [read_row(Measurement, row, self._where("measurements")) for row in rows]

    def begin_stage(self, name: str) -> None:
        """Marks a stage as running from now, also one that was killed or is done over."""
        self._write(
            "INSERT INTO stages (name, status, started_at) VALUES (?, 'running', ?) "
            "ON CONFLICT (name) DO UPDATE SET status = 'running', "
            "started_at = excluded.started_at, finished_at = NULL, starts = starts + 1",
            (name, _now()),
        )

    def finish_stage(self, name: str, summary: Mapping[str, Any]) -> None:
        """Marks a running stage as done.

        Raises:
            StudyError: If the stage is not running, or writing fails.
        """
        changed = self._write(
            "UPDATE stages SET status = 'done', finished_at = ?, summary = ? "
            "WHERE name = ? AND status = 'running'",
            (_now(), _json(dict(summary)), name),
        )
        if not changed:
            raise StudyError(f"{self.path}: stage {name} is not running")

    def reopen_stage(self, name: str) -> None:
        """Marks a complete stage as one that is to run again; what it recorded stays."""
        self._write(
            "UPDATE stages SET status = 'running', finished_at = NULL WHERE name = ?", (name,)
        )

    def stage_done(self, name: str) -> bool:
        """Whether the stage is complete and need not run again."""
        return any(stage.name == name and stage.status == "done" for stage in self.stages())

    def stages(self) -> list[Stage]:
        """Every stage begun so far, in the order of their first beginning."""
        rows = self._read("SELECT * FROM stages ORDER BY id")
        return [read_row(Stage, row, self._where("stages")) for row in rows]

    def record_training(self, step: int, epoch: int | float, metrics: Mapping[str, float]) -> None:
        """Writes down a point of the training curve; a step trained again replaces its row."""
        self._write(
            "INSERT OR REPLACE INTO training (step, epoch, metrics) VALUES (?, ?, ?)",
            (step, epoch, _json(dict(metrics))),
        )

    def discard_training(self, *, after: int) -> None:
        """Removes what was recorded after a step, to which training was rolled back."""
        self._write("DELETE FROM training WHERE step > ?", (after,))

    def training(self) -> list[TrainingStep]:
        """The training curve, by step."""
        rows = self._read("SELECT * FROM training ORDER BY step")
        return [read_row(TrainingStep, row, self._where("training")) for row in rows]

    def set_metadata(self, key: str, value: Any) -> None:
        """Keeps a JSON value under a key."""
        query = "INSERT OR REPLACE INTO metadata (key, value) VALUES (?, ?)"
        self._write(query, (key, _json(value)))

    def metadata(self) -> dict[str, Any]:
        """Everything kept by `set_metadata`."""
        rows = self._read("SELECT key, value FROM metadata ORDER BY key")
        return {
            row["key"]: read_json(row["value"], self._where(f"metadata {row['key']}"))
            for row in rows
        }

    def kept(self, key: str, kind: type[Kind]) -> Kind | None:
        """What `set_metadata` kept under the key; None where there is nothing.

        Raises:
            StudyError: If it is of another kind than expected.
        """
        rows = self._read("SELECT value FROM metadata WHERE key = ?", (key,))
        if not rows:
            return None
        where = self._where(f"metadata {key}")
        return check(kind, read_json(rows[0]["value"], where), where)

    def _where(self, what: str) -> str:
        return f"{self.path}/study.db: {what}"

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with told(self.path):
            return self._connection.execute(query, values).fetchall()

    def _write(self, query: str, values: Mapping[str, Any] | Sequence[Any]) -> int:
        with told(self.path), self._connection:
            return self._connection.execute(query, values).rowcount


def _write_config(path: Path, config: Mapping[str, Any]) -> None:
    partial = path / "config.yaml.partial"
    partial.write_text(write_yaml(config), encoding="utf-8")
    partial.rename(path / "config.yaml")


def _key(genotype: Sequence[int]) -> str:
    return json.dumps([int(option) for option in genotype], separators=(",", ":"))


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
