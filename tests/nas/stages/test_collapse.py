"""A collapse of training is rolled back, and the study says so."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from nas.study import Study
from nas.supernet.trainer import SupernetTrainer
from tests.nas.tracking.events import read_events


def test_a_rolled_back_collapse_is_in_the_curve_the_summary_and_the_progress(
    nas, copied, monkeypatch: pytest.MonkeyPatch
):
    study = copied(before="train")
    train_step = SupernetTrainer.train_step
    spoilt: list[int] = []

    def spoil_once(self: SupernetTrainer, state: Any) -> Any:
        new, loss = train_step(self, state)
        if new["step"] == self.steps - 1 and not spoilt:
            spoilt.append(new["step"])
            new["weights"] = jax.tree.map(lambda leaf: leaf * jnp.nan, new["weights"])
        return new, loss

    monkeypatch.setattr(SupernetTrainer, "train_step", spoil_once)
    code, _, told = nas("train", study)
    assert code == 0
    # Checkpoints are after the second and the fourth epoch.
    last = spoilt[0] + 1
    line = f"collapsed at step {last} (the loss is nan); back to step {last // 2} with 0.5 times"
    assert line in told
    with Study.open(study, read_only=True) as opened:
        (summary,) = (stage.summary for stage in opened.stages() if stage.name == "train")
        curve = [point for point in opened.training() if "largest" in point.metrics]
    assert (summary["rollbacks"], summary["rate_factor"]) == (1, 0.5)
    assert [point.epoch for point in curve] == [1, 2, 3, 4]
    assert [point.metrics.get("rollbacks", 0) for point in curve] == [0, 0, 1, 1]
    names = {"train/rolled_back_to", "train/rate_factor"}
    sent = [event for event in read_events(study / "tensorboard/train") if event.scalars]
    told_first = [(event.step, event.scalars) for event in sent if names & event.scalars.keys()]
    assert told_first[:2] == [
        (last, {"train/rolled_back_to": last // 2}),
        (last, {"train/rate_factor": 0.5}),
    ]
