"""The report in a real browser: headless Chromium, opened from disk."""

from dataclasses import replace

import numpy as np
import pytest

from nas.report import Member


def cells(page, column: int) -> list[str]:
    rows = page.locator("table.members tbody tr")
    return [row.locator("th, td").nth(column).inner_text() for row in rows.all()]


def column_of(page, title: str) -> int:
    titles = page.locator("table.members thead th").all_inner_texts()
    return [text.split("\n")[0].strip() for text in titles].index(title)


def selected(page) -> list[str | None]:
    rows = page.locator("table.members tbody tr.selected")
    return [row.get_attribute("data-id") for row in rows.all()]


def test_every_member_is_a_row_and_a_marker(make_report, open_report):
    report = make_report()
    page = open_report(report)
    ids = {str(member.id) for member in report.targets[0].front}
    page.wait_for_selector(".member")
    assert {m.get_attribute("data-id") for m in page.locator(".member").all()} == ids
    assert set(cells(page, 0)) == ids


def test_a_better_and_faster_network_is_drawn_higher_and_further_left(make_report, open_report):
    report = make_report()
    page = open_report(report)
    page.wait_for_selector(".member")
    at = {}
    for marker in page.locator(".member .dot").all():
        box = marker.bounding_box()
        at[int(marker.locator("..").get_attribute("data-id"))] = (box["x"], box["y"])
    front = sorted(report.targets[0].front, key=lambda member: member.predicted_s)
    positions = [at[member.id] for member in front]
    assert positions == sorted(positions)
    assert [y for _, y in positions] == sorted((y for _, y in positions), reverse=True)


def test_clicking_a_point_selects_its_row(make_report, open_report):
    report = make_report()
    page = open_report(report)
    first = min(report.targets[0].front, key=lambda member: member.predicted_s)
    page.click(f".member[data-id='{first.id}']")
    assert selected(page) == [str(first.id)]
    assert page.inner_text(".network h3") == f"Network {first.id}"


def test_clicking_a_row_marks_its_point(make_report, open_report):
    report = make_report()
    page = open_report(report)
    member = report.targets[0].front[1]
    page.wait_for_selector(".member")
    page.click(f"table.members button[aria-label='Show network {member.id}']")
    assert page.get_attribute(".member.selected", "data-id") == str(member.id)


def test_hovering_an_evaluation_shows_it_and_clicking_shows_its_decisions(make_report, open_report):
    report = make_report(60)
    page = open_report(report)
    page.click("text=Show all evaluations")
    layer = page.locator(".plot svg").first.bounding_box()
    members = {member.id for member in report.targets[0].front}
    found = None
    for x in range(int(layer["x"]) + 70, int(layer["x"] + layer["width"]) - 20, 12):
        for y in range(int(layer["y"]) + 40, int(layer["y"] + layer["height"]) - 50, 12):
            page.mouse.move(x, y)
            if page.is_visible(".tooltip"):
                number = int(page.inner_text(".tooltip strong").removeprefix("Network "))
                if number not in members:
                    found = (number, x, y)
                    break
        if found:
            break
    assert found is not None
    page.mouse.click(found[1], found[2])
    assert page.inner_text(".network h3") == f"Network {found[0]}"
    assert selected(page) == []
    evaluation = report.evaluations[found[0] - 1]
    shown = page.locator(".decisions dd").all_inner_texts()
    options = [d.options[i] for d, i in zip(report.decisions, evaluation.genotype, strict=True)]
    assert [float(text) for text in shown] == options


def test_sorting_orders_by_the_column_and_puts_missing_figures_last(make_report, open_report):
    report = make_report()
    target = report.targets[0]
    front = tuple(
        replace(member, measured_s=None, broke_constraint=None) if i == 2 else member
        for i, member in enumerate(target.front)
    )
    page = open_report(replace(report, targets=(replace(target, front=front),)))
    measured = sorted((m.measured_s, m.id) for m in front if m.measured_s is not None)
    ascending = [str(number) for _, number in measured]
    column = column_of(page, "Measured")
    button = page.locator("table.members thead th").nth(column).locator("button")
    button.click()
    assert cells(page, 0) == [*ascending, str(front[2].id)]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    button.click()
    assert cells(page, 0) == [*reversed(ascending), str(front[2].id)]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_targets_switch_by_mouse_and_by_arrow_keys(make_report, open_report):
    report = make_report()
    page = open_report(report)
    page.click("#tab-1")
    assert page.inner_text(".target-head h2").startswith("host-onnx")
    assert len(cells(page, 0)) == len(report.targets[1].front)
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".target-head h2").startswith("pi5")
    assert page.evaluate("document.activeElement.id") == "tab-2"
    assert page.get_attribute("#tab-2", "aria-selected") == "true"
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".target-head h2").startswith("host-xla")
    assert page.get_attribute("#panel", "aria-labelledby") == "tab-0"


def test_arrow_keys_walk_along_the_front(make_report, open_report):
    report = make_report()
    page = open_report(report)
    front = sorted(report.targets[0].front, key=lambda member: member.predicted_s)
    page.wait_for_selector(".member")
    page.focus(f".member[data-id='{front[0].id}']")
    for member in front[1:4]:
        page.keyboard.press("ArrowRight")
        assert selected(page) == [str(member.id)]
    page.keyboard.press("Home")
    assert selected(page) == [str(front[0].id)]


def test_what_to_ship_is_the_most_accurate_network_within_the_limit(make_report, open_report):
    report = make_report()
    front = report.targets[0].front
    page = open_report(report)

    def latency_s(member: Member) -> float:
        assert member.measured_s is not None
        return member.measured_s

    for limit_ms in np.linspace(0.3, 1.3, 7).round(3).tolist():
        page.fill("#ship-limit", str(limit_ms))
        fast = [member for member in front if latency_s(member) <= limit_ms * 1e-3]
        answer = page.inner_text(".answer")
        if not fast:
            assert "No network on this front is that fast" in answer
            continue
        best = max(fast, key=lambda m: (m.test_accuracy or 0, -latency_s(m)))
        assert f"network {best.id}:" in answer
        assert f"nas export runs/quickstart --target host-xla --latency-ms {limit_ms:g}" in answer


def test_a_target_that_cannot_be_measured_is_said_to_be_predicted_only(make_report, open_report):
    page = open_report(make_report())
    page.click("#tab-2")
    assert "Predicted only." in page.inner_text(".notice")
    assert "predicted only" in page.inner_text("#tab-2")
    assert "Measured" not in page.inner_text("table.members thead")


def test_where_nothing_is_feasible_the_closest_is_shown(make_report, make_target, open_report):
    report = make_report()
    closest = report.targets[0].front[0]
    rng = np.random.default_rng(0)
    target = make_target("tight", report.evaluations, rng, limit_ms=0.01, closest=closest)
    page = open_report(replace(report, targets=(target,)))
    page.wait_for_selector(".member")
    assert "No evaluated network met the constraints" in page.inner_text(".notice.bad")
    assert cells(page, 0) == [str(closest.id)]
    assert page.locator(".ship").count() == 0


def test_a_front_of_one_member_is_drawn(make_report, open_report):
    report = make_report()
    target = replace(
        report.targets[0], front=report.targets[0].front[:1], hypervolume=((16, 1e-4),)
    )
    page = open_report(replace(report, targets=(target,)))
    page.wait_for_selector(".member")
    assert "One network makes up the front" in page.inner_text(".summary")
    assert f"network {target.front[0].id}:" in page.inner_text(".answer")


def test_a_study_without_evaluations_says_so(make_report, open_report):
    page = open_report(make_report(0))
    assert "Nothing has been evaluated yet." in page.inner_text("#panel")


def test_hostile_and_long_names_neither_run_nor_widen_the_page(make_report, open_report):
    name = "<img src=x onerror=alert(1)></script>" + "long" * 80
    report = make_report(40, study_name=name, study_path=name)
    target = replace(report.targets[0], name=name, device=name, constraints=(name,))
    page = open_report(replace(report, targets=(target,)))
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.inner_text("h1") == name
    assert page.evaluate("document.documentElement.scrollWidth") == 420
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_the_button_overrides_it(make_report, open_report, scheme):
    page = open_report(make_report(40), color_scheme=scheme)

    def lightness() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(colour.removeprefix("rgb(").split(",")[0])

    assert (lightness() > 128) == (scheme == "light")
    page.click("#theme")
    assert lightness() > 128
    page.click("#theme")
    assert lightness() < 128
    page.reload()
    assert page.inner_text("#theme") == "Theme: dark"


def test_ten_thousand_evaluations_stay_quick(make_report, open_report):
    page = open_report(make_report(10_000))
    page.wait_for_selector(".member")
    spent_ms = page.evaluate(
        """async () => {
            const begin = performance.now();
            document.getElementById("tab-1").click();
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            return performance.now() - begin;
        }"""
    )
    assert spent_ms < 2000
