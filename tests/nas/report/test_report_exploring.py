"""Comparing networks, targets and times in the report, in a real browser."""

from dataclasses import replace
from typing import Any

from nas.report import CONFIDENCES, Rollback
from tests.nas.report.made_up import make_architecture


def ticked(page) -> list[str]:
    return page.locator(".toggles label").all_inner_texts()


def test_a_pinned_and_a_selected_network_are_compared_layer_by_layer(make_report, open_report):
    report = make_report()
    first, second = report.targets[0].front[:2]
    page = open_report(report)
    page.click(f"table.members button[aria-label='Show network {first.id}']")
    assert page.is_hidden(".comparison")
    page.click("text=Pin to compare")
    page.click(f"table.members button[aria-label='Show network {second.id}']")
    by_id = {evaluation.id: evaluation.genotype for evaluation in report.evaluations}
    blocks: list[Any] = [make_architecture(by_id[one.id])["blocks"] for one in (first, second)]
    rows = page.locator(".layers tbody tr")
    assert rows.count() == len(blocks[0])
    marked = [row.get_attribute("class") for row in rows.all()]
    assert marked == ["same" if a == b else "differs" for a, b in zip(*blocks, strict=True)]
    page.click(f"table.members button[aria-label='Show network {first.id}']")
    assert page.is_hidden(".comparison")


def test_networks_off_the_front_are_compared_by_their_decisions(make_report, open_report):
    report = make_report(60)
    members = {member.id for member in report.targets[0].front}
    page = open_report(report)
    page.click("text=Show all evaluations")
    page.click("text=Pin to compare")
    pinned = int(page.inner_text(".network h3").removeprefix("Network "))
    box = page.locator(".plot svg").first.bounding_box()
    found = None
    for x in range(int(box["x"]) + 70, int(box["x"] + box["width"]) - 20, 12):
        for y in range(int(box["y"]) + 40, int(box["y"] + box["height"]) - 50, 12):
            page.mouse.move(x, y)
            if page.is_visible(".tooltip"):
                number = int(
                    page.locator(".tooltip strong").first.inner_text().split()[1].strip(",")
                )
                if number not in members:
                    page.mouse.click(x, y)
                    found = number
                    break
        if found is not None:
            break
    assert found is not None
    one, other = (report.evaluations[number - 1].genotype for number in (pinned, found))
    differing = sum(a != b for a, b in zip(one, other, strict=True))
    assert page.locator(".comparison .plain").nth(1).locator("tbody tr").count() == differing


def test_a_surer_limit_ships_what_keeps_it_surely(make_report, open_report):
    report = make_report()
    target = report.targets[0]
    page = open_report(report)
    for level, confidence in enumerate(CONFIDENCES):
        page.select_option("#ship-confidence", index=level)
        page.fill("#ship-limit", "0.8")
        kept = [m for m in target.front if m.latency_bounds_s[level] <= 0.8e-3]
        best = max(kept, key=lambda m: (m.test_accuracy or 0, -(m.measured_s or 0)))
        answer = page.inner_text(".answer")
        assert f"network {best.id}:" in answer
        assert (f"--latency-ms 0.8 --confidence {confidence:g}" in answer) == (level > 0)


def test_targets_of_the_common_chart_can_be_switched_off(make_report, open_report):
    report = make_report()
    page = open_report(report)
    counts = [len(target.front) for target in report.targets]
    assert ticked(page) == [target.name for target in report.targets]
    assert page.locator("#all .spot").count() == sum(counts)
    page.locator(".toggles input").nth(1).uncheck()
    assert page.locator("#all .spot").count() == counts[0] + counts[2]
    page.click("text=Relative to the largest network")
    assert "share of the largest" in (page.text_content("#all .axis-title >> nth=0") or "")
    spot = page.locator("#all .spot").last.bounding_box()
    page.mouse.click(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
    assert page.inner_text(".target-head h2").startswith(report.targets[2].name)
    slowest = max(report.targets[2].front, key=lambda m: m.predicted_s)
    assert page.inner_text(".network h3") == f"Network {slowest.id}"


def test_operators_of_the_selected_network_are_drawn_and_added_up(make_report, open_report):
    report = make_report()
    target = report.targets[0]
    member = min(target.front, key=lambda m: m.predicted_s)
    page = open_report(report)
    page.click(f"table.members button[aria-label='Show network {member.id}']")
    assert target.roofline is not None
    kernels = target.roofline.networks[member.id].kernels
    assert page.locator(".plot .kernel").count() == len(kernels)
    # The made-up blocks take 90 % of the time, a fifth of that bound by launching.
    cells = page.locator(".time .bars").first.locator("tbody tr").all_inner_texts()
    shares = {text.split("\t")[0].strip(): text.split()[-2] for text in cells}
    assert shares == {"compute-bound": "72", "launch-bound": "18", "the call itself": "10"}


def test_how_the_search_went_is_told(make_report, open_report):
    report = make_report()
    page = open_report(report)
    section = page.inner_text("#history")
    assert "Busy 93" in section
    assert "2 evaluations failed for good" in section
    assert "ValueError: NaN in the logits" in section
    assert page.locator("#history figure", has_text="1 network between them").count() == 1
    page.click("text=Over wall time")
    assert "time, seconds" in (page.text_content("#history .axis-title >> nth=0") or "")
    assert "About 2.0 Wh" in page.inner_text("#study")


def test_a_collapse_of_the_training_is_marked_and_told(make_report, open_report):
    page = open_report(make_report(40, rollbacks=(Rollback(3.0, 0.5),)))
    told = "Collapsed and went on from epoch 3.0 with 0.5 times the learning rate."
    assert told in page.inner_text("#history")
    assert page.locator("#history .event").count() == 2


def test_a_report_without_history_or_operators_is_still_drawn(make_report, open_report):
    report = make_report(40)
    bare = tuple(
        replace(target, roofline=None, baselines=(), environment={}) for target in report.targets
    )
    page = open_report(replace(report, targets=bare, history=None, energy=None, training=()))
    page.wait_for_selector(".member")
    assert page.locator(".time").count() == 0
    assert page.locator("#study .card").count() == 2
