"""Who may talk to a cluster that we start: those who have its token, and nobody else."""

import os
import subprocess
import sys

import pytest

from nas.execution import cluster
from nas.execution.cluster import TOKEN_VARIABLES

pytestmark = pytest.mark.ray

VARIABLES = ("RAY_ADDRESS", "RAY_AUTH_MODE", *TOKEN_VARIABLES)

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
for who in sys.argv[1:]:
    variables = others[who]
    done = subprocess.run([*ask, address], env={**plain, **variables}, capture_output=True)
    print(who, done.returncode, sep=",")
print("token", len(token), sep=",")
print(ray.get(ray.remote(lambda: 41 + 1).remote()))
stop_ray()
"""


def told(*who: str, **variables: str) -> list[str]:
    """What the program prints for these processes, started with these variables."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", STRANGERS, *who],
        env={**clean, **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_cluster_that_we_start_turns_away_whoever_lacks_its_token():
    found = told("with it", "without", "another")
    # A token is 256 bits, in hexadecimal.
    assert found == ["with it,0", "without,1", "another,1", "token,64", "42"]


def test_a_user_who_wants_no_tokens_has_none():
    assert told("without", RAY_AUTH_MODE="disabled")[0] == "without,0"


@pytest.mark.parametrize("name", TOKEN_VARIABLES)
def test_a_token_of_the_users_own_stands(name: str, monkeypatch: pytest.MonkeyPatch):
    for variable in TOKEN_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, "mine")
    cluster._draw_token()
    assert {one: os.environ.get(one) for one in TOKEN_VARIABLES if one in os.environ} == {
        name: "mine"
    }
