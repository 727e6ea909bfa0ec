"""Which member an export chooses, and what `nas export` does with the choice."""

import json
from dataclasses import replace

import pytest

from nas.config.models import TargetConfig
from nas.errors import UserError
from nas.export.writing import read_network
from nas.stages.export import choose
from nas.stages.fronts import Front, Member
from nas.study import Study

TARGET = TargetConfig.model_validate({"name": "laptop"})


def member(
    network: str,
    predicted_ms: float,
    search: float,
    *,
    measured_ms: float | None = None,
    test: float | None = None,
) -> Member:
    return Member(
        network=network,
        evaluation=1,
        genotype=(0,),
        predicted_s=predicted_ms * 1e-3,
        interval_low_s=predicted_ms * 0.5e-3,
        interval_high_s=predicted_ms * 2e-3,
        measured_s=None if measured_ms is None else measured_ms * 1e-3,
        measured_status=None if measured_ms is None else "ok",
        search_accuracy=search,
        test_accuracy=test,
        params=1,
        macs=1,
        peak_activation_bytes=1,
        broke_constraint=None,
    )


def chosen(latency_ms: float | None, *members: Member) -> str:
    return choose(Front(TARGET, feasible=True, members=members), latency_ms).network


SLOW = member("slow", 4, 0.9)
FAST = member("fast", 2, 0.8)


def test_without_a_limit_the_most_accurate_member_is_chosen():
    assert chosen(None, FAST, SLOW) == "slow"


def test_the_most_accurate_member_within_the_limit_is_chosen():
    assert chosen(3, FAST, SLOW) == "fast"
    assert chosen(4, FAST, SLOW) == "slow"


def test_a_prediction_keeps_a_latency_as_surely_as_its_interval_says():
    # The 90 % interval of SLOW is 2 to 8 ms: its latency stays within 8 ms in 95 % of cases.
    assert SLOW.latency_within_s(0.95) == pytest.approx(8e-3)
    assert SLOW.latency_within_s(0.5) == pytest.approx(4e-3)
    front = Front(TARGET, feasible=True, members=(FAST, SLOW))
    assert choose(front, 8.1, 0.95).network == "slow"
    assert choose(front, 7.9, 0.95).network == "fast"
    with pytest.raises(
        UserError, match=r"within 3 ms with a confidence of 95%; the fastest .* 4 ms"
    ):
        choose(front, 3, 0.95)


def test_a_measured_network_keeps_a_latency_in_a_share_of_its_timed_runs():
    # Eleven runs of 1.0 to 2.0 ms: nine in ten took at most 1.9 ms.
    runs = tuple(1e-3 + 1e-4 * i for i in range(11))
    timed = replace(member("timed", 4, 0.9, measured_ms=1.5), samples_s=runs)
    assert timed.latency_within_s(0.9) == pytest.approx(1.9e-3)
    assert timed.latency_within_s(0.5) == 1.5e-3
    with pytest.raises(ValueError, match=r"confidence must be at least 0.5 and below 1, got 0.4"):
        timed.latency_within_s(0.4)


def test_a_measured_latency_counts_before_the_predicted_one():
    assert chosen(3, FAST, member("slow", 4, 0.9, measured_ms=2.9)) == "slow"
    assert chosen(3, FAST, member("slow", 2.5, 0.9, measured_ms=3.1)) == "fast"


def test_test_accuracy_counts_where_all_members_have_one():
    fast, slow = member("fast", 2, 0.8, test=0.85), member("slow", 4, 0.9, test=0.84)
    assert chosen(None, fast, slow) == "fast"


def test_search_accuracy_counts_where_a_member_was_not_tested():
    assert chosen(None, member("fast", 2, 0.8, test=0.99), SLOW) == "slow"


def test_of_equally_accurate_members_the_fastest_is_chosen():
    assert chosen(None, member("a", 3, 0.9), member("b", 2, 0.9), member("c", 4, 0.9)) == "b"


def test_a_limit_that_no_member_keeps_is_told_with_the_fastest():
    with pytest.raises(UserError, match=r"^laptop: no member within 1 ms; the fastest takes 2 ms$"):
        chosen(1, FAST, SLOW)


@pytest.mark.parametrize("latency_ms", [None, 3.0])
def test_an_empty_front_is_told(latency_ms):
    with pytest.raises(UserError, match=r"^laptop: its front has no members$"):
        chosen(latency_ms)


def test_export_of_one_member_writes_it_alone(nas, copied):
    study = copied(before="export")
    code, _, err = nas("export", study, "--target", "onnx", "--format", "onnx")
    assert code == 0
    (directory,) = (study / "export").iterdir()
    assert f"{directory.name}: largest logit difference onnx" in err
    files = {path.name for path in directory.iterdir()}
    cards = {"card.json", "MODEL_CARD.md"}
    assert files == {"architecture.json", "model.onnx", "weights.safetensors", *cards}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--target", "nowhere"), "target must be one of xla, onnx, pi, got 'nowhere'"),
        (("--target", "pi", "--latency-ms", "1e-6"), "pi: no member within 1e-06 ms; the fastest"),
        (("--latency-ms", "1"), "--latency-ms needs --target"),
    ],
)
def test_a_choice_that_cannot_be_met_is_one_line_and_changes_nothing(nas, copied, options, told):
    study = copied()
    code, _, err = nas("export", study, *options)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
    with Study.open(study, read_only=True) as kept:
        assert kept.stage_done("export")


def test_fine_tuning_trains_the_exported_network_further(nas, copied, finished):
    study = copied()
    options = ("--target", "xla", "--format", "onnx", "--finetune-epochs", "1")
    code, _, err = nas("export", study, *options)
    assert code == 0
    assert "test accuracy after fine-tuning" in err
    cards = [json.loads(path.read_text()) for path in study.glob("export/*/card.json")]
    (card,) = [card for card in cards if "finetune_epochs" in card]
    assert card["finetune_epochs"] == 1
    assert card["test_accuracy_finetuned"] > card["test_accuracy"] - 0.1
    assert card["formats"]["onnx"]["max_logit_difference"] < 1e-3
    before = read_network(finished / "export" / card["network"])
    after = read_network(study / "export" / card["network"])
    head = next(reversed(before.params))
    assert before.architecture == after.architecture
    assert str(before.params[head]) != str(after.params[head])
