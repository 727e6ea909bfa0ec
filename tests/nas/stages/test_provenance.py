"""What a study was made with, as the report shows it."""

import pytest

from nas.config import parse_config
from nas.records import Measurement
from nas.stages.provenance import energy_estimate, environment

CONFIG = {
    "name": "tiny",
    "data": {"name": "digits"},
    "space": {"name": "mobilenet", "stages": [{"width": 16, "stride": 1}]},
    "targets": [{"name": "here", "runtime": "xla"}],
    "train": {"workers": 1, "cpus_per_worker": 2},
    "search": {"workers": 3, "cpus_per_worker": 1},
}


def test_energy_is_twelve_watts_for_each_core_of_a_stage():
    config = parse_config(CONFIG, source="test")
    energy = energy_estimate(config, {"train": 3600.0, "search": 1800.0, "verify": 1800.0})
    assert energy is not None
    # 2 cores for an hour, 3 and 1 for half an hour each: 4 core hours.
    assert energy.joules == pytest.approx(4 * 3600 * 12)
    assert "4.00 core hours at 12 W" in energy.basis
    assert "GPU" not in energy.basis
    assert energy_estimate(config, {}) is None


def test_the_environment_is_that_of_the_latest_measurement_that_succeeded():
    versions = {"jax": "0.10.2", "device": "cpu"}
    made = [
        Measurement("here", (0,), "adapt", "ok", 1e-3, environment={"cpus": [0, 1]}),
        Measurement(
            "here",
            (1,),
            "verify",
            "ok",
            1e-3,
            environment={"versions": versions, "cpus": [2], "governor": None, "marks": []},
        ),
        Measurement("here", (2,), "verify", "failed", None, environment={"cpus": [3]}),
    ]
    assert environment(made) == {"versions jax": "0.10.2", "versions device": "cpu", "cpus": "2"}
    assert environment([]) == {}
