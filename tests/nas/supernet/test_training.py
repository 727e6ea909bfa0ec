"""Training: the order of events, and that interruptions leave no trace."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas.data import augment, epoch_order, prepare
from nas.supernet import sampling, training
from nas.supernet.checkpoint import Checkpoints, load_weights
from nas.supernet.engine import BlockChain, distillation_loss, smooth_targets
from nas.supernet.progress import Progress, Told
from nas.supernet.recipe import Opening, Phase, Recipe
from nas.supernet.trainer import SupernetTrainer
from nas.supernet.training import train_supernet
from tests.nas.supernet import tiny

SPACE = tiny.small_space(kernel_sizes=[3, 5], depths=[1])
CHAIN = BlockChain()


def flattened(weights: Any) -> dict[str, np.ndarray]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(weights)
    }


def trainer(recipe: Recipe | None = None) -> SupernetTrainer:
    """A trainer with the other tests' compiled blocks."""
    made = SupernetTrainer(SPACE, tiny.dataset(), recipe or tiny.recipe(), seed=5)
    made.chain = CHAIN
    return made


def train(
    made: SupernetTrainer, directory: Path, *, validate: Callable[[Any], dict[str, float]]
) -> list[Progress]:
    """The reports of a run that does not collapse."""
    seen = run(made, directory, validate=validate)
    return [told for told in seen if isinstance(told, Progress)]


def run(
    made: SupernetTrainer, directory: Path, *, validate: Callable[[Any], dict[str, float]]
) -> list[Told]:
    seen: list[Told] = []
    checkpoints = Checkpoints(directory)
    try:
        train_supernet(made, checkpoints, validate=validate, report=seen.append)
    finally:
        checkpoints.close()
    return seen


def nothing(_: Any) -> dict[str, float]:
    return {}


def test_a_step_adds_up_the_gradients_of_its_subnets() -> None:
    rate = 0.5
    made = trainer(
        tiny.recipe(momentum=0.0, weight_decay=0.0, learning_rate=rate, crop_padding=0, cutout=0)
    )
    weights = jax.tree.map(jnp.asarray, tiny.random_weights(SPACE))
    rows = epoch_order(64, seed=5, epoch=0)[:32]
    split, data = made.dataset.train, made.dataset
    key = jax.random.fold_in(jax.random.key(5), 0)
    images = prepare(
        augment(key, split.images[rows], crop_padding=0, flip=True, cutout=0),
        mean=data.mean.astype(np.float32),
        std=data.std.astype(np.float32),
        resolution=8,
    )
    gradients = jax.tree.map(jnp.zeros_like, weights)
    targets = None
    for lesson in made.strategy.lessons(0, {}):
        logits, tape = CHAIN.forward(weights, SPACE.decode(lesson.genotype), images)
        if targets is None:
            targets = smooth_targets(jnp.asarray(split.labels[rows]), logits, 0.1)
        _, d_logits = distillation_loss(logits, targets)
        if lesson.labels:
            targets = jax.nn.softmax(logits)
        gradients = CHAIN.backward(tape, d_logits, gradients)
    expected = jax.tree.map(lambda w, g: w - rate * g, weights, gradients)
    state, _ = made.train_step({**made.initial_state(), "weights": weights})
    found, expected = flattened(state["weights"]), flattened(expected)
    for name, leaf in found.items():
        np.testing.assert_allclose(leaf, expected[name], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def straight(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, np.ndarray], list[Progress]]:
    """Final weights and reports of an uninterrupted run."""
    directory = tmp_path_factory.mktemp("straight")
    seen = train(trainer(), directory, validate=lambda weights: {"leaves": len(weights)})
    return flattened(load_weights(directory)), seen


def test_every_epoch_is_reported_with_its_validation(straight: Any) -> None:
    epochs = [progress for progress in straight[1] if progress.validation]
    assert [(p.step, p.steps, p.epoch) for p in epochs] == [(2, 4, 1.0), (4, 4, 2.0)]
    assert epochs[0].validation == {"leaves": len(SPACE.slots)}
    assert all(p.images_per_s > 0 and np.isfinite(p.loss) for p in epochs)
    assert epochs[-1].eta_s == 0
    assert epochs[0].eta_s == pytest.approx(64 / epochs[0].images_per_s)


def test_the_loss_after_an_epoch_is_its_mean_however_often_it_was_told(
    straight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "REPORT_EVERY_S", 0.0)
    told = train(trainer(), tmp_path, validate=nothing)
    assert [one.step for one in told] == [1, 2, 3, 4]
    expected = [progress.loss for progress in straight[1] if progress.validation]
    assert [told[1].loss, told[3].loss] == expected
    assert told[0].loss != told[1].loss


def test_interrupted_training_ends_with_the_same_weights_bit_for_bit(
    straight: Any, tmp_path: Path
) -> None:
    calls: list[int] = []

    def interrupted(_: Any) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train(trainer(), tmp_path, validate=interrupted)
    seen = train(trainer(), tmp_path, validate=nothing)
    assert [progress.step for progress in seen if progress.step % 2 == 0] == [4]
    assert train(trainer(), tmp_path, validate=nothing) == []
    found = flattened(load_weights(tmp_path))
    assert found.keys() == straight[0].keys()
    for name, leaf in found.items():
        np.testing.assert_array_equal(leaf, straight[0][name], err_msg=name)


PHASES = Phase(1, {}, 0.1, 0.0, 1), Phase(2, {"kernel": "all"}, 0.05, 0.0, 2)


def test_the_teacher_is_the_largest_network_as_the_first_phase_left_it(tmp_path: Path) -> None:
    recipe = tiny.recipe(strategy="progressive", phases=PHASES, random_subnets=0)
    made = trainer(recipe)
    assert made.steps == 6
    states: list[dict[str, Any]] = []
    state = made.initial_state()
    for step in range(6):
        if step in (2, 5):
            states.append(jax.tree.map(np.asarray, state))
        state, _ = made.train_step(state)
    after_first, late = states
    kept, weights = flattened(state["teacher"]), flattened(after_first["weights"])
    for name, leaf in flattened(late["teacher"]).items():
        np.testing.assert_array_equal(leaf, weights[name], err_msg=name)
        np.testing.assert_array_equal(leaf, kept[name], err_msg=name)
    assert any((leaf != kept[name]).any() for name, leaf in flattened(state["weights"]).items())
    # Stopped after the first phase, and in the middle of an epoch of the second.
    for stopped in states:
        resumed = jax.tree.map(jnp.asarray, {k: v for k, v in stopped.items() if k != "step"})
        resumed["step"] = int(stopped["step"])
        checkpoints = Checkpoints(tmp_path / str(resumed["step"]))
        checkpoints.save(resumed)
        again = checkpoints.restore(made.initial_state())
        checkpoints.close()
        while again["step"] < 6:
            again, _ = trainer(recipe).train_step(again)
        for name, leaf in flattened(again["weights"]).items():
            np.testing.assert_array_equal(leaf, flattened(state["weights"])[name], err_msg=name)


def test_channels_are_sorted_where_widths_open_and_among_themselves_later() -> None:
    space = tiny.small_space(kernel_sizes=[3], depths=[1], expand_ratios=[1.0, 2.0, 3.0])
    opened: list[dict[str, Opening]] = [{}, {"expand": 2}, {"expand": "all"}]
    phases = [Phase(1, opens, 0.1, 0.0, 1) for opens in opened]
    recipe = tiny.recipe(strategy="progressive", phases=tuple(phases), ema_decay=0.9)
    made = SupernetTrainer(space, tiny.dataset(), recipe, seed=5)
    state = {
        **made.initial_state(),
        "weights": jax.tree.map(jnp.asarray, tiny.random_weights(space)),
        "average": jax.tree.map(jnp.asarray, tiny.random_weights(space, seed=1)),
    }
    # Eight channels go in, so that 8, 16 and 24 are read by the projection.
    first = made.begin_phase(state, 1)
    norms = np.abs(first["weights"]["stage1.block1"]["block"]["project"]["kernel"]).sum((0, 1, 3))
    assert norms.shape == (24,)
    assert (np.diff(norms) <= 0).all()
    np.testing.assert_array_equal(
        first["teacher"]["stem"]["block"]["conv"]["kernel"],
        state["average"]["stem"]["block"]["conv"]["kernel"],
    )
    unsorted = {**state, "step": 4}
    second = made.begin_phase(unsorted, 2)
    norms = np.abs(second["weights"]["stage1.block1"]["block"]["project"]["kernel"]).sum((0, 1, 3))
    for section in (norms[:16], norms[16:]):
        assert (np.diff(section) <= 0).all()
    assert norms[16] > norms[15]
    for name, leaf in flattened(second["average"]).items():
        np.testing.assert_array_equal(leaf, flattened(second["weights"])[name], err_msg=name)


def test_everything_that_training_keeps_survives_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "ENOUGH", 0.1)
    recipe = tiny.recipe(
        sampling="best_up",
        ema_decay=0.9,
        drop_connect=0.3,
        optimizer="adamw",
        learning_rate=0.01,
        clip_norm=1.0,
        epochs=3,
    )
    state = trainer(recipe).initial_state()
    checkpoints = Checkpoints(tmp_path)
    for step in range(6):
        if step == 3:
            assert trainer(recipe).sampler.ready(state["sampler"])  # pyright: ignore
            checkpoints.save(state)
        state, _ = trainer(recipe).train_step(state)
    again = checkpoints.restore(trainer(recipe).initial_state())
    checkpoints.close()
    assert again["step"] == 3
    while again["step"] < 6:
        again, _ = trainer(recipe).train_step(again)
    assert jax.tree.structure(again) == jax.tree.structure(state)
    for found, expected in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(
        jax.tree.leaves(state["weights"]), jax.tree.leaves(state["average"]), strict=True
    ):
        assert (np.asarray(found) != np.asarray(expected)).any()


def test_the_average_is_what_is_loaded(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"weights": {"a": jnp.ones(3)}, "average": {"a": jnp.zeros(3)}, "step": 1})
    checkpoints.close()
    np.testing.assert_array_equal(load_weights(tmp_path)["a"], np.zeros(3))


def test_every_weight_is_trained() -> None:
    made = trainer()
    weights = jax.tree.map(jnp.asarray, tiny.random_weights(SPACE))
    before = flattened(weights)
    state = {**made.initial_state(), "weights": weights}
    after = flattened(made.train_step(state)[0]["weights"])
    unchanged = [name for name in after if np.array_equal(after[name], before[name])]
    # A shift of what the next block's first convolution reads is lost in the norm after it.
    assert [name for name in unchanged if not name.endswith("project/shift")] == []


def test_a_checkpoint_of_another_space_is_refused(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"weights": {"a": jnp.ones(3)}, "optimizer": jnp.ones(2), "step": 7})
    assert checkpoints.latest_step == 7
    with pytest.raises(ValueError, match=r"/7: not a checkpoint of this config's supernet"):
        checkpoints.restore({"weights": {"b": jnp.ones(2)}, "optimizer": jnp.ones(2), "step": 0})
    checkpoints.close()


def shapes(**sizes: int) -> dict[str, Any]:
    return {name: jax.ShapeDtypeStruct((size,), jnp.float32) for name, size in sizes.items()}


def test_weights_are_read_where_they_are_those_expected(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"weights": {"a": jnp.ones(3)}, "optimizer": jnp.ones(20_000_000), "step": 7})
    checkpoints.close()
    assert load_weights(tmp_path)["a"].tolist() == [1, 1, 1]
    for expected, told in (
        (shapes(a=4), r"/7: not a checkpoint.*\['a'\] of shape \(4,\), got \(3,\)"),
        (shapes(a=3, b=1), r"\['b'\] of shape \(1,\), got None"),
        (shapes(a=3), "expected about 3 weights and the like of them, got 20,000,004"),
    ):
        with pytest.raises(ValueError, match=told):
            load_weights(tmp_path, expected)


def test_a_spoilt_checkpoint_is_named_or_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "good")
    checkpoints.save({"weights": {"a": jnp.ones(3)}, "step": 7})
    checkpoints.close()
    files = sorted(path for path in (tmp_path / "good").rglob("*") if path.is_file())
    for number, file in enumerate(files):
        copy = tmp_path / str(number)
        shutil.copytree(tmp_path / "good", copy)
        (copy / file.relative_to(tmp_path / "good")).write_bytes(b"\xff{[" * 5)
        told = f"{copy}/7: not a checkpoint of this config's supernet"
        try:
            found = load_weights(copy, shapes(a=3))
        except ValueError as error:
            assert str(error).startswith(told)  # noqa: PT017
        else:
            assert found["a"].shape == (3,)


def test_a_directory_without_checkpoints_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}: expected a checkpoint, found none"):
        load_weights(tmp_path)


def test_diverged_training_ends_with_the_learning_rate_to_lower(tmp_path: Path) -> None:
    made = trainer(tiny.recipe(learning_rate=1e30, epochs=2))
    with pytest.raises(FloatingPointError, match=r"diverged at step \d.*learning_rate \(1e\+30\)"):
        train(made, tmp_path, validate=nothing)


def test_a_batch_larger_than_the_training_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"train\.batch_size must be at most the 64 .* got 65"):
        trainer(tiny.recipe(batch_size=65))
