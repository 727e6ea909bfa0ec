"""The Slurm script on the loopback: Ray's nodes are real, Slurm and the search are stand-ins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[2]
TOOLS = {
    "hostname": "#!/bin/sh\necho 127.0.0.1\n",
    "srun": """#!/usr/bin/env bash
while [[ "$1" == --* ]]; do echo "srun $1" >>"$SRUN_LOG"; shift; done
exec "$@"
""",
    "nas": f"""#!{sys.executable}
import sys, time

print("nas", *sys.argv[1:], flush=True)
if sys.argv[1] == "run":
    from nas.execution.cluster import start_ray, stop_ray

    start_ray()
    import ray

    while ray.cluster_resources().get("CPU", 0) < 6:
        time.sleep(0.1)
    print("nodes", sum(node["Alive"] for node in ray.nodes()))
    stop_ray()
""",
}


def test_the_script_makes_a_cluster_of_the_jobs_nodes_and_ends_it(tmp_path: Path):
    for name, text in TOOLS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {
        **clean,
        "PATH": os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), clean["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "SRUN_LOG": str(tmp_path / "srun.log"),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "3",
        "SLURMD_NODENAME": "node1",
    }
    done = subprocess.run(
        ["bash", str(ROOT / "experiments/clusters/slurm.sh"), "search.yaml", "/shared/mine"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "nas doctor search.yaml --set output=/shared/mine",
        "nas run search.yaml --output /shared/mine",
        "nodes 2",
    ]
    asked = (tmp_path / "srun.log").read_text().splitlines()
    assert asked == ["srun --nodes=1", "srun --ntasks-per-node=1", "srun --exclude=node1"]
    # Nothing of the cluster is left: its address is free again.
    port = 20000 + os.getpid() % 10000
    left = subprocess.run(
        ["pgrep", "-f", f"ray.*127.0.0.1:{port}"], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""
