"""A search so small that a test can run it: twenty networks of one stage on the digits."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas.stages import STAGES

ROOT = Path(__file__).parents[3]
DEADLINE_S = 300.0

CONFIG = """
name: tiny
output: runs/tiny
data: {name: digits, search_fraction: 0.3}
space:
  name: mobilenet
  stem_width: 8
  stages: [{width: 8, stride: 2, activation: relu, squeeze_excite: true}]
  head_width: 16
  feature_width: 16
  kernel_sizes: [3, 5]
  expand_ratios: [1, 2]
  depths: [1, 2]
  width_multipliers: [1.0]
  resolutions: [8]
train:
  epochs: 4
  batch_size: 64
  learning_rate: 0.5
  random_subnets: 0
  checkpoint_every: 2
  validation_images: 200
  executor: in_process
targets:
  - {name: xla, device: host, runtime: xla, samples: 3}
  - {name: onnx, device: host, runtime: onnxruntime, samples: 3, constraints: [params <= 1e6]}
  - {name: pi, device: raspberry-pi-5, threads: 4}
search:
  evaluations: 10
  initial: 4
  mode: synchronous
  generation_size: 3
  calibration_images: 200
  batch_size: 200
  executor: in_process
tracking: {tensorboard: true}
"""

Rows = dict[tuple[Any, ...], tuple[Any, ...]]
"""Rows of a table by what makes them unique."""


def copy_study(source: Path, target: Path, *, before: str = "") -> Path:
    """A copy of a study as it was before it began a stage; of all of it by default."""
    shutil.copytree(source, target)
    if not before:
        return target
    names = list(STAGES)
    undone = names[names.index(before) :]
    deletions = {
        "train": ["DELETE FROM training"],
        "adapt": ["DELETE FROM measurements WHERE purpose = 'adapt'", "DELETE FROM metadata"],
        "search": ["DELETE FROM evaluations WHERE split = 'search'"],
        "verify": [
            "DELETE FROM evaluations WHERE split = 'test'",
            "DELETE FROM measurements WHERE purpose = 'verify'",
        ],
    }
    files = {
        "train": "checkpoints/*",
        "adapt": "predictors/*",
        "verify": "fronts/*",
        "export": "export/*",
        "report": "report.html",
    }
    connection = sqlite3.connect(target / "study.db")
    with connection:
        for stage in undone:
            connection.execute("DELETE FROM stages WHERE name = ?", (stage,))
            for statement in deletions.get(stage, ()):
                connection.execute(statement)
    connection.close()
    for stage in undone:
        for path in target.glob(files[stage]) if stage in files else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return target


def command(*arguments: object) -> list[str]:
    """The command line that runs `nas`."""
    return [sys.executable, "-m", "nas.cli", *(str(argument) for argument in arguments)]


def environment() -> dict[str, str]:
    """This process's, without a cluster, and with this tree's packages in any directory."""
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "RAY_USAGE_STATS_ENABLED": "0"}


def start(*arguments: object) -> subprocess.Popen[str]:
    """`nas` in a process and a process group of its own, as a shell starts it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # Tests that run in the background ignore control-C, and what they start would do so too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )


def finish(*arguments: object) -> str:
    """Runs `nas` to its end, which must be a good one; what it printed."""
    with start(*arguments) as process:
        out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    return out


def await_moment(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Returns when the moment is there; fails if the process ends before it."""
    deadline = time.monotonic() + DEADLINE_S
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def count(study: Path, query: str, *values: object) -> int:
    """The query's one number; 0 while there is no database."""
    try:
        connection = sqlite3.connect(f"file:{study / 'study.db'}?mode=ro", uri=True)
        try:
            return int(connection.execute(query, values).fetchone()[0] or 0)
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return 0


def rows(study: Path, table: str, key: Sequence[str]) -> Rows:
    """A table's rows, after an integrity check of the database."""
    connection = sqlite3.connect(study / "study.db")
    connection.row_factory = sqlite3.Row
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        found = connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
    finally:
        connection.close()
    keyed = {tuple(row[name] for name in key): tuple(row) for row in found}
    assert len(keyed) == len(found)
    return keyed


def evaluations(study: Path) -> Rows:
    """Every evaluation."""
    return rows(study, "evaluations", ("split", "genotype"))


def measurements(study: Path) -> Rows:
    """Every measurement."""
    return rows(study, "measurements", ("target", "genotype", "purpose"))


def archive(study: Path, split: str = "search") -> list[tuple[str, float]]:
    """Genotypes and accuracies of a split, in the order of their evaluation."""
    connection = sqlite3.connect(study / "study.db")
    try:
        query = "SELECT genotype, accuracy FROM evaluations WHERE split = ? ORDER BY id"
        return connection.execute(query, (split,)).fetchall()
    finally:
        connection.close()


def leaves(tree: Any) -> list[np.ndarray]:
    """The arrays of a nested dict, in the order of their keys."""
    if not isinstance(tree, dict):
        return [np.asarray(tree)]
    return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
