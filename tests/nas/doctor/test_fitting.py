"""Room for workers, counted by hand on made-up nodes."""

import pytest

from nas.doctor.check import Check
from nas.doctor.fitting import check_fit
from tests.nas.doctor.configs import config

TWO_BIG = [{"CPU": 8.0}, {"CPU": 8.0}]


def checks(nodes: list[dict[str, float]], **sections: object) -> dict[str, Check]:
    return {check.name: check for check in check_fit(config(**sections), nodes)}


def workers(count: int, cpus: int, gpus: float = 0.0) -> dict[str, object]:
    return {
        "executor": "ray",
        "workers": count,
        "cpus_per_worker": cpus,
        "gpus_per_worker": gpus,
    }


@pytest.mark.parametrize(
    ("asked", "nodes", "fit", "state"),
    [
        (workers(4, 4), TWO_BIG, 4, "ok"),
        (workers(8, 3), TWO_BIG, 4, "fail"),  # two a node, though 16 CPUs could hold five
        (workers(1, 9), TWO_BIG, 0, "fail"),
        (workers(2, 1, 1.0), [{"CPU": 8.0, "GPU": 2.0}], 2, "ok"),
        (workers(4, 1, 1.0), [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0}], 2, "fail"),
        (workers(4, 1, 0.5), [{"CPU": 8.0, "GPU": 2.0}], 4, "ok"),
    ],
)
def test_training_needs_room_for_all_its_workers(asked, nodes, fit, state):
    (found,) = checks(nodes, train={**asked, "batch_size": 64}).values()
    assert (found.name, found.state) == ("train workers", state)
    assert found.found.endswith(f", {fit} fit")


@pytest.mark.parametrize(
    ("asked", "nodes", "state"),
    [
        (workers(16, 1), TWO_BIG, "ok"),
        (workers(17, 1), TWO_BIG, "warn"),
        (workers(1, 9), TWO_BIG, "fail"),
        (workers(1, 1), [{"pi": 1.0}], "fail"),
    ],
)
def test_a_search_needs_room_for_one_worker(asked, nodes, state):
    (found,) = checks(nodes, search=asked).values()
    assert (found.name, found.state) == ("search workers", state)


def test_who_uses_no_ray_needs_no_room():
    assert checks([]) == {}


@pytest.mark.parametrize(
    ("nodes", "state", "expected"),
    [
        ([{"CPU": 8.0}], "fail", "no node has the resource pi"),
        ([{"CPU": 4.0, "pi": 1.0}], "warn", "1 x pi, which may also train and evaluate"),
        ([{"pi": 1.0}, {"pi": 1.0}], "ok", "2 x pi, for measuring only"),
    ],
)
def test_the_device_of_a_target_has_to_be_there_and_should_only_measure(nodes, state, expected):
    target = {
        "name": "board",
        "device": "raspberry-pi-5",
        "runtime": "onnxruntime",
        "measure_on": "pi",
    }
    found = checks(nodes, targets=[target])["target board"]
    assert (found.state, found.found) == (state, expected)
    assert ("--num-cpus=0" in found.advice) == (state != "ok")
