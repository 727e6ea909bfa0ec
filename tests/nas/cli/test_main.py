"""Help comes at once; a mistake is one line and exit code 2, with a traceback only on demand."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

QUICKSTART = Path(__file__).parents[3] / "experiments" / "quickstart.yaml"

Run = Callable[..., tuple[int, str, str]]


def refusal(nas: Run, *arguments: object) -> str:
    code, out, err = nas(*arguments)
    assert code == 2
    assert out == ""
    assert re.fullmatch(r"nas: error: [^\n]+\n", err)
    return err


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], capture_output=True, text=True, check=False
    )


def test_help_names_every_command(nas: Run):
    code, out, _ = nas("--help")
    assert code == 0
    commands = "run train adapt search verify export report devices measure predict schema"
    assert all(re.search(rf"│ {command} ", out) for command in commands.split())


def test_every_command_has_help(nas: Run):
    for command in ("run", "train", "export", "devices", "measure", "predict"):
        code, out, _ = nas(command, "--help")
        assert code == 0
        assert f"nas {command}" in out


def test_without_a_command_help_is_shown(nas: Run):
    code, out, err = nas()
    assert code == 2
    assert "Usage: nas" in out + err


def test_help_loads_none_of_the_slow_libraries():
    program = (
        "import sys; sys.argv = ['nas', '--help']\n"
        "from nas.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'jax', 'ray', 'pandas', 'numpy', 'scipy', 'flax', 'pydantic'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = python("-c", program)
    assert done.returncode == 0, done.stderr


def test_the_version_is_printed(nas: Run):
    code, out, _ = nas("--version")
    assert code == 0
    assert re.fullmatch(r"nas \d+\.\d+\.\d+\n", out)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("walk",), "No such command 'walk'"),
        (("run",), "Missing argument 'CONFIG|STUDY'"),
        (("run", QUICKSTART, "--fast"), "No such option: --fast"),
        (("run", "none.yaml"), "none.yaml: no such config file"),
        (("run", QUICKSTART, "--set", "search.evals=3"), "did you mean evaluations?"),
        (("run", QUICKSTART, "--set", "search"), "expected section.key=value"),
        (("run", QUICKSTART, "--set", "seed=x"), 'seed must be an integer, got "x"'),
        (("run", QUICKSTART, "--set", "targets.0.device=toaster"), "targets.0.device must be one"),
        (("adapt", QUICKSTART), "expected a study directory"),
        (("report", "none"), "none: expected a study directory"),
        (("export", "none", "--latency-ms", "3"), "--latency-ms needs --target"),
        (("devices", "toaster"), "unknown device 'toaster'"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_one_line_and_exit_code_2(nas: Run, arguments, expected: str):
    assert expected in refusal(nas, *arguments)


def test_a_directory_without_a_study_is_refused(nas: Run, tmp_path: Path):
    assert f"{tmp_path}: expected a study directory" in refusal(nas, "run", tmp_path)


def test_a_foreign_database_is_refused(nas: Run, tmp_path: Path):
    (tmp_path / "study.db").write_bytes(b"no database at all" * 100)
    assert "study.db" in refusal(nas, "search", tmp_path)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_debug_shows_the_traceback_wherever_it_stands(position: int):
    arguments = ["run", "none.yaml"]
    arguments.insert(position, "--debug")
    done = python("-m", "nas.cli", *arguments)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "none.yaml: no such config file" in done.stderr


@pytest.mark.parametrize("command", ["devices", "schema", "--help"])
def test_a_reader_that_goes_away_is_no_reason_to_complain(command: str):
    piped = f"{sys.executable} -m nas.cli {command} | true"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_devices_lists_the_catalogue_and_this_machine(nas: Run):
    code, out, _ = nas("devices")
    assert code == 0
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert names[0] == "host"
    assert "raspberry-pi-5" in names


def test_devices_as_json_carry_their_sources(nas: Run):
    _, out, _ = nas("devices", "--json")
    devices = {device["name"]: device for device in json.loads(out)}
    assert devices["a100"]["peak_flops_per_s"]["float32"] == 19.5e12
    assert all(device["sources"] for device in devices.values())


def test_one_device_is_shown_in_full(nas: Run):
    _, out, _ = nas("devices", "raspberry-pi-5")
    assert re.search(r"^memory_bandwidth_bytes_per_s: \S+ +\(.+\)$", out, re.MULTILINE)
