import base64
import hashlib
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.report import render_report, write_report
from nas.report.drawing import draw_architecture
from nas.report.html import embed_json
from nas.report.payload import changes, report_payload

HOSTILE = "</script><img src=x onerror=alert(1)>&<!--\u2028\"'"


class Page(HTMLParser):
    """Collects the elements and the text of each script, as a browser's parser would cut them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data


def test_the_page_refers_to_nothing_outside_itself(make_report):
    page = Page(render_report(make_report(30)))
    addresses = [
        str(value)
        for _, attrs in page.elements
        for key, value in attrs.items()
        if key in ("src", "href")
    ]
    assert sorted(addresses) == ["#main", "data:,"]
    assert "@import" not in render_report(make_report(30))


def test_the_policy_names_the_digest_of_the_only_script_that_runs(make_report):
    page = Page(render_report(make_report(30)))
    policy = next(a["content"] for _, a in page.elements if "http-equiv" in a)
    assert len(page.scripts) == 2
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_hostile_names_stay_text(make_report):
    report = make_report(30, study_name=HOSTILE, config=HOSTILE)
    target = replace(report.targets[0], name=HOSTILE, constraints=(HOSTILE,))
    page = Page(render_report(replace(report, targets=(target,))))
    assert "img" not in {tag for tag, _ in page.elements}
    data = json.loads(page.scripts[0])
    assert data["study"]["name"] == data["study"]["config"] == HOSTILE
    assert data["targets"][0]["name"] == HOSTILE


@given(st.text())
def test_embedded_json_holds_no_markup_and_reads_back(text):
    embedded = embed_json({"name": text})
    assert not re.search("[<>&]", embedded)
    assert json.loads(embedded) == {"name": text}


def test_a_name_that_utf8_cannot_hold_is_still_written(make_report, tmp_path):
    write_report(tmp_path / "report.html", make_report(10, study_name="lone \udc80"))
    assert "lone ?" in (tmp_path / "report.html").read_text("utf-8")


def test_a_report_replaces_the_old_one_and_leaves_nothing_beside_it(make_report, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(path, make_report(10))
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_a_missing_directory_is_an_os_error(make_report, tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        write_report(tmp_path / "nowhere" / "report.html", make_report(10))


def test_the_payload_keeps_evaluations_in_order_and_missing_figures_null(make_report):
    report = make_report(10)
    payload = report_payload(report)
    assert payload["evaluations"]["id"] == list(range(1, 11))
    assert payload["evaluations"]["genotype"][3] == list(report.evaluations[3].genotype)
    predicted_only = payload["targets"][2]
    assert predicted_only["measurable"] is False
    assert {member["measured_s"] for member in predicted_only["front"]} == {None}


def test_operators_that_networks_share_are_sent_once(make_report):
    report = make_report()
    roofline = report.targets[0].roofline
    sent = report_payload(report)["targets"][0]["roofline"]
    for identity, network in roofline.networks.items():
        positions = sent["networks"][str(identity)]["kernels"]
        assert [sent["kernels"]["slot"][k] for k in positions] == [k.slot for k in network.kernels]
        seconds = [sent["kernels"]["seconds"][k] for k in positions]
        assert seconds == pytest.approx([k.seconds for k in network.kernels], rel=1e-3)
    rows = list(zip(*sent["kernels"].values(), strict=True))
    assert len(rows) == len(set(rows))


def test_a_staircase_keeps_its_ends_and_its_steps():
    stairs = [(1, 0.1), (2, 0.1), (3, 0.2), (4, 0.2), (5, 0.2)]
    assert changes(stairs) == [(1, 0.1), (3, 0.2), (5, 0.2)]
    assert changes([]) == []


def test_ten_thousand_evaluations_render_within_seconds_and_a_few_megabytes(make_report):
    report = make_report(10_000)
    begin = time.perf_counter()
    text = render_report(report)
    assert time.perf_counter() - begin < 5
    assert len(text) < 4_000_000


def test_blocks_are_grouped_by_the_slot_they_share():
    drawing = draw_architecture(
        {
            "format": "ridgeline-architecture",
            "version": 1,
            "space": "mobilenet",
            "input_shape": [32, 32, 3],
            "blocks": [
                {"slot": "stem", "kind": "stem"},
                {"slot": "stage1.block1", "kernel": 3},
                {"slot": "stage1.block2", "kernel": 5},
                {"slot": "stage2.block1", "kernel": 7},
            ],
        }
    )
    assert drawing["facts"] == {"space": "mobilenet", "input_shape": "32 × 32 × 3"}
    assert [(group["name"], len(group["blocks"])) for group in drawing["groups"]] == [
        ("stem", 1),
        ("stage1", 2),
        ("stage2", 1),
    ]


@pytest.mark.parametrize("blocks", [None, "stem", [1]])
def test_an_architecture_without_blocks_is_refused(blocks):
    with pytest.raises(ValueError, match="blocks must be a list of mappings"):
        draw_architecture({"blocks": blocks})
