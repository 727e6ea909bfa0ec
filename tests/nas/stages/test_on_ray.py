"""The stages on Ray workers: the same results as in process, locally and as a job of a cluster."""

import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.nas.stages import tiny
from tests.nas.stages.clusters import CLUSTERS, DEVICE, LoopbackCluster, loopback_cluster

pytestmark = [pytest.mark.ray, pytest.mark.slow]

BOARD = f"""
import json, os, sys

for line in sys.stdin:
    environment = {{"device": os.environ.get("{DEVICE}")}}
    print(json.dumps({{"samples_s": [0.01] * 20, "environment": environment}}), flush=True)
"""
"""A program that measures on the board, and says whether it runs there."""


def on_ray(text: str) -> str:
    """The config with Ray's executors, one worker each."""
    config = yaml.safe_load(text)
    config["train"] |= {"executor": "ray", "workers": 1, "cpus_per_worker": 2}
    config["search"] |= {"executor": "ray", "workers": 1, "cpus_per_worker": 2}
    return yaml.safe_dump(config)


def mixed(text: str) -> str:
    """The config on Ray, with a target that is measured on the board."""
    config = yaml.safe_load(on_ray(text))
    board = {
        "name": "board",
        "device": "raspberry-pi-5",
        "runtime": "command",
        "command": ["python", "board.py"],
        "measure_on": "board",
        "samples": 3,
    }
    host = next(target for target in config["targets"] if target["name"] == "onnx")
    return yaml.safe_dump({**config, "targets": [host, board]})


def assert_same_archive(
    study: Path, expected: Path, *, splits: tuple[str, ...] = ("search", "test")
) -> None:
    """The same networks in the same order, as accurate up to an image that rounding turns."""
    for split in splits:
        one, other = tiny.archive(study, split), tiny.archive(expected, split)
        assert [genotype for genotype, _ in one] == [genotype for genotype, _ in other]
        np.testing.assert_allclose([a for _, a in one], [a for _, a in other], atol=0.005)


def test_ray_workers_search_and_verify_what_one_process_does(copied, finished):
    study = copied(before="search")
    config = study / "config.yaml"
    config.write_text(on_ray(config.read_text()))
    tiny.finish("run", study)
    assert_same_archive(study, finished)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackCluster]:
    with loopback_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what a job needs."""
    place = tmp_path_factory.mktemp("sources")
    (place / "mixed.yaml").write_text(mixed(tiny.CONFIG), encoding="utf-8")
    (place / "board.py").write_text(BOARD, encoding="utf-8")
    return place


def test_the_doctor_finds_nothing_wrong_with_the_cluster(cluster: LoopbackCluster, sources: Path):
    done = subprocess.run(
        tiny.command("doctor", "mixed.yaml", "--json"),
        env=cluster.environment,
        cwd=sources,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)["sections"]["Ray"]}
    assert found["Ray"]["found"] == f"3 nodes at {cluster.environment['RAY_ADDRESS']}"
    for name in ("nodes", "tokens", "dashboard", "train workers", "search workers"):
        assert found[name]["state"] == "ok", found[name]
    assert found["target board"]["found"] == "1 x board, for measuring only"


def test_a_run_uses_the_cluster_of_ray_address(cluster: LoopbackCluster, finished, copied):
    study = copied(before="search")
    config = study / "config.yaml"
    config.write_text(on_ray(config.read_text()))
    done = subprocess.run(
        tiny.command("search", study),
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert_same_archive(study, finished, splits=("search",))


def test_a_job_trains_and_searches_on_workers_and_measures_on_the_board(
    cluster: LoopbackCluster, sources: Path, tmp_path: Path
):
    output = tmp_path / "as_job"
    done = subprocess.run(
        ["bash", str(CLUSTERS / "submit.sh"), "mixed.yaml", str(output)],
        env=cluster.environment,
        cwd=sources,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"report: {output / 'report.html'}" in done.stdout
    assert (output / "report.html").exists()
    assert len(tiny.archive(output)) == 10

    # Measured on the board's node, everything else elsewhere.
    connection = sqlite3.connect(output / "study.db")
    rows = connection.execute("SELECT environment FROM measurements WHERE target = 'board'")
    measured = [json.loads(row[0])["device"]["device"] for row in rows.fetchall()]
    connection.close()
    assert len(measured) >= 3
    assert set(measured) == {"board"}
    actors = cluster.ask("/api/v0/actors?detail=1&limit=1000")["data"]["result"]["result"]
    places = {(actor["class_name"], actor["node_id"]) for actor in actors}
    assert ("Worker", cluster.nodes["worker"]) in places
    assert ("_Bench", cluster.nodes["board"]) in places
    assert ("Worker", cluster.nodes["board"]) not in places

    # The dashboard shows the driver's log: plain lines of progress.
    (job,) = [job for job in cluster.ask("/api/jobs/") if str(output) in job["entrypoint"]]
    log = cluster.ask(f"/api/jobs/{job['submission_id']}/logs")["logs"]
    lines = log.splitlines()
    for stage in ("train", "adapt", "search", "verify", "export"):
        assert f"{stage}: started" in lines
    assert any(re.fullmatch(r"train: \d+/\d+  epoch .*loss .* images/s  ETA .*", x) for x in lines)
    assert any(re.fullmatch(r"search: 10/10 .*hypervolume .*", line) for line in lines)
    assert "\x1b" not in log.replace("\x1b[36m", "").replace("\x1b[0m", "")
