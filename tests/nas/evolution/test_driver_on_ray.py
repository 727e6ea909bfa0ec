"""A search on Ray workers: the same archive as in process, also after kills."""

from pathlib import Path

import pytest

from tests.nas.evolution.killing import finish, kill_and_restart

pytestmark = pytest.mark.ray


def test_a_search_on_ray_killed_at_random_moments_ends_as_one_in_process(tmp_path: Path) -> None:
    whole = finish(tmp_path / "whole", "in_process", 120, 0.0)
    # A whole generation may be in flight, or finished and not yet recorded.
    killed = kill_and_restart(
        tmp_path / "killed", "ray", evaluations=120, kills=3, sleep_s=0.03, spare=8
    )
    assert killed == whole
