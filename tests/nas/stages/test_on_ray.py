"""The stages on Ray workers: the same results as in process, locally and as a job of a cluster."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.nas.stages import tiny

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def on_ray(text: str) -> str:
    """The config with Ray's executors, one worker each."""
    config = yaml.safe_load(text)
    config["train"] |= {"executor": "ray", "workers": 1, "cpus_per_worker": 2}
    config["search"] |= {"executor": "ray", "workers": 1, "cpus_per_worker": 2}
    return yaml.safe_dump(config)


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


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A cluster of one node on the loopback: the environment that reaches it."""
    ports: list[int] = []
    for _ in range(3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    temporary = Path("/tmp") / f"ridgeline-ray-{os.getpid()}"
    # A token of the cluster's own: without one Ray takes what it finds in the home directory, or
    # lets everybody in, and a client with an explicit address is never told which.
    environment = {
        **tiny.environment(),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    head = subprocess.Popen(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *("--node-ip-address=127.0.0.1", f"--port={ports[0]}", "--num-cpus=2"),
            *("--include-dashboard=true", "--dashboard-host=127.0.0.1"),
            *(f"--dashboard-port={ports[1]}", f"--dashboard-agent-listen-port={ports[2]}"),
            f"--temp-dir={temporary}",
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        for port in ports[:2]:
            tiny.await_moment(head, lambda port=port: _listens(port))
        yield {
            **environment,
            "RAY_ADDRESS": f"127.0.0.1:{ports[0]}",
            "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{ports[1]}",
        }
    finally:
        head.terminate()
        try:
            head.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()
        shutil.rmtree(temporary, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_run_uses_the_cluster_of_ray_address_and_works_as_its_job(
    cluster, finished, copied, tmp_path
):
    study = copied(before="search")
    config = study / "config.yaml"
    config.write_text(on_ray(config.read_text()))
    done = subprocess.run(
        tiny.command("search", study), env=cluster, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert_same_archive(study, finished, splits=("search",))

    sources, output = tmp_path / "sources", tmp_path / "as_job"
    sources.mkdir()
    (sources / "tiny.yaml").write_text(on_ray(tiny.CONFIG), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "job", "submit"),
            *(f"--address={cluster['RAY_API_SERVER_ADDRESS']}", "--working-dir", ".", "--"),
            *tiny.command("run", "tiny.yaml", "--output", output),
        ],
        env=cluster,
        cwd=sources,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"report: {output / 'report.html'}" in done.stdout
    assert len(tiny.archive(output)) == 10
    assert (output / "report.html").exists()
