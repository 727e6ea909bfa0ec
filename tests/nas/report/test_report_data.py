from dataclasses import replace

import pytest


def test_latencies_must_match_the_evaluations(make_report):
    report = make_report(20)
    short = replace(report.targets[0], latency_s=report.targets[0].latency_s[:-1], violation=())
    with pytest.raises(ValueError, match=r"'host-xla': latency_s .* expected 20, got 19"):
        replace(report, targets=(short,))


def test_violations_must_match_the_latencies(make_report):
    target = make_report(20).targets[0]
    with pytest.raises(ValueError, match=r"violation .* expected 20, got 1"):
        replace(target, violation=(0.0,))


def test_a_member_must_have_been_evaluated(make_report):
    report = make_report(20)
    target = report.targets[0]
    stranger = replace(target.front[0], id=999)
    with pytest.raises(ValueError, match=r"members \[999\] were never evaluated"):
        replace(report, targets=(replace(target, front=(stranger,)),))


def test_an_empty_front_needs_the_closest_network(make_report):
    target = make_report(20).targets[0]
    with pytest.raises(ValueError, match="closest must be given where the front is empty"):
        replace(target, front=())
    alone = replace(target, front=(), closest=target.front[0])
    assert not alone.feasible
    assert target.feasible


def test_a_front_has_no_closest_network(make_report):
    target = make_report(20).targets[0]
    with pytest.raises(ValueError, match="closest is for an empty front"):
        replace(target, closest=target.front[0])


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_accuracy_outside_its_range_is_refused(make_report, value):
    member = make_report(20).targets[0].front[0]
    with pytest.raises(ValueError, match=r"test_accuracy must be in 0\.\.1"):
        replace(member, test_accuracy=value)


@pytest.mark.parametrize("value", [0.0, -1e-3, float("nan"), float("inf")])
def test_a_latency_is_a_positive_number_of_seconds(make_report, value):
    member = make_report(20).targets[0].front[0]
    with pytest.raises(ValueError, match="measured_s must be a positive number of seconds"):
        replace(member, measured_s=value)


def test_hypervolume_cannot_exceed_its_reference_box(make_report):
    target = make_report(20).targets[0]
    with pytest.raises(ValueError, match=r"hypervolume must be in 0\.\.0.5, got 0.6"):
        replace(target, reference=(1.0, 0.5), hypervolume=((16, 0.6),))


def test_target_names_are_unique(make_report):
    report = make_report(20)
    with pytest.raises(ValueError, match="names must be unique, got host-xla, host-xla"):
        replace(report, targets=(report.targets[0], report.targets[0]))


def test_a_report_needs_a_target(make_report):
    with pytest.raises(ValueError, match="at least one target"):
        make_report(20, targets=())


def test_a_genotype_outside_the_decisions_is_refused(make_report):
    report = make_report(20)
    first = report.evaluations[0]
    wrong = replace(first, genotype=(3, *first.genotype[1:]))
    with pytest.raises(ValueError, match=r"evaluation 1: genotype .* has an index outside"):
        replace(report, evaluations=(wrong, *report.evaluations[1:]))


def test_latency_bounds_ascend_one_a_confidence(make_report):
    member = make_report(20).targets[0].front[0]
    for bounds in ((1e-3,), (2e-3, 1e-3, 3e-3, 4e-3, 5e-3)):
        with pytest.raises(ValueError, match="latency_bounds_s must ascend, one a confidence"):
            replace(member, latency_bounds_s=bounds)


def test_the_history_has_a_time_for_every_evaluation(make_report):
    report = make_report(20)
    short = replace(report.history, elapsed_s=(1.0,))
    with pytest.raises(ValueError, match=r"elapsed_s .* expected 20, got 1"):
        replace(report, history=short)


def test_a_kernel_is_bound_by_something_known(make_report):
    kernel = next(iter(make_report(20).targets[0].roofline.networks.values())).kernels[0]
    with pytest.raises(
        ValueError, match="bound must be one of compute, memory, launch, got 'luck'"
    ):
        replace(kernel, bound="luck")
