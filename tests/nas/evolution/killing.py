"""Kills a search process again and again and compares what it ends with."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def start(
    study: Path, kind: str, evaluations: int, sleep_s: float, mode: str
) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    module = "tests.nas.evolution.search_process"
    return subprocess.Popen(
        [sys.executable, "-m", module, str(study), kind, mode, str(evaluations), str(sleep_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=environment,
    )


def finish(
    study: Path, kind: str, evaluations: int, sleep_s: float, mode: str = "synchronous"
) -> dict[str, Any]:
    with start(study, kind, evaluations, sleep_s, mode) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(study.with_suffix(".json").read_text())


def rows(study: Path) -> dict[str, tuple[Any, ...]]:
    """Every evaluation by its genotype, after an integrity check."""
    if not (study / "study.db").exists():
        return {}
    connection = sqlite3.connect(study / "study.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        found = connection.execute("SELECT * FROM evaluations").fetchall()
    finally:
        connection.close()
    assert len({row[1] for row in found}) == len(found)
    return {row[1]: row for row in found}


def made(study: Path) -> Counter[str]:
    """How often the evaluator was called for each genotype."""
    log = study.with_suffix(".log")
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(f"[{line}]" for line in lines)


def kill_and_restart(
    study: Path,
    kind: str,
    *,
    evaluations: int,
    kills: int,
    sleep_s: float,
    spare: int,
    mode: str = "synchronous",
) -> dict[str, Any]:
    """Kills at random moments, then lets it finish; nothing recorded may change or be made again.

    Args:
        study: Where; the search starts there from nothing.
        kind: Executor of the search process.
        evaluations: Of the whole search.
        kills: How often; once from the process's start on, else once it made an evaluation.
        sleep_s: Time of one evaluation.
        spare: Evaluations that may be in flight, finished but not recorded, at a kill.
        mode: Of the search.
    """
    chance = random.Random(kind)
    interrupted = 0
    after = rows(study)
    for number in range(kills):
        before, calls = rows(study), made(study)
        with start(study, kind, evaluations, sleep_s, mode) as process:
            assert process.stdout is not None
            if number != kills // 2:
                while int(process.stdout.readline() or evaluations) <= len(before):
                    pass
            time.sleep(chance.uniform(0, evaluations * sleep_s / (2 * kills)))
            process.send_signal(signal.SIGKILL)
        after = rows(study)
        interrupted += 0 < len(after) < evaluations
        assert {key: after[key] for key in before} == before
        repeated = made(study) - calls
        assert repeated.keys().isdisjoint(before)
    assert interrupted >= kills - 1
    result = finish(study, kind, evaluations, sleep_s, mode)
    assert {key: row for key, row in rows(study).items() if key in after} == after
    assert len(rows(study)) == evaluations
    attempts = sum(row[-1] for row in rows(study).values())
    assert attempts <= made(study).total() <= attempts + kills * spare
    return result
