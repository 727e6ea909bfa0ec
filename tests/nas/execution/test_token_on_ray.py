"""Who may talk to a cluster that we start: those who have its token, and nobody else."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.ray

VARIABLES = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

# Starts a cluster, then asks for its status from processes with and without its token.
STRANGERS = """
import os, subprocess, sys

from nas.execution.cluster import start_ray, stop_ray

start_ray(cpus=1)
import ray

ask = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address"]
address = ray.get_runtime_context().gcs_address
token = os.environ.get("RAY_AUTH_TOKEN", "")
others = {
    "with it": {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token},
    "without": {"RAY_AUTH_MODE": "disabled"},
    "another": {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64},
}
plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
for who, variables in others.items():
    done = subprocess.run(
        [*ask, address], env={**plain, **variables}, capture_output=True, text=True
    )
    print(who, done.returncode, "1.0 CPU" in done.stdout, sep=",")
print("token", len(token), sep=",")
print(ray.get(ray.remote(lambda: 41 + 1).remote()))
stop_ray()
"""


def told(program: str, **variables: str) -> list[str]:
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**clean, **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_cluster_that_we_start_turns_away_whoever_lacks_its_token():
    found = told(STRANGERS)
    # Who is let in is told of the cluster's one processor. A token is 256 bits, in hexadecimal.
    assert found == ["with it,0,True", "without,1,False", "another,1,False", "token,64", "42"]
