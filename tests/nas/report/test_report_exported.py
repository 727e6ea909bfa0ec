"""Exported networks in the report: float32 and int8 side by side."""

import pytest

from nas.report import ExportedNetwork, Int8Run, Share

HOSTILE = "<img src=x onerror=alert(1)>"
EXPORTED = (
    ExportedNetwork(
        "net-1",
        ("onnx", "flax"),
        Share(0.9, 0.86, 0.93, 360),
        Share(0.885, 0.85, 0.92, 360),
        (
            Int8Run("onnxruntime", 1, 1, 0.003, 0.0015),
            Int8Run("openvino", 4, 2, 0.002, None),
        ),
    ),
    ExportedNetwork(HOSTILE, ("stablehlo",), None),
)


def cells(page) -> list[list[str]]:
    rows = page.locator("table.exported tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def test_each_network_and_way_of_running_it_is_a_row(make_report, open_report):
    page = open_report(make_report(40, exported=EXPORTED))
    plain = [[text.replace("\u202f", " ") for text in row] for row in cells(page)]
    head, first, second, third = plain
    assert head[0] == "Network"
    assert first[:4] == ["net-1", "onnx, flax", "90.0 % (86.0 % to 93.0 %)", first[3]]
    assert first[3:] == [
        "88.5 % (85.0 % to 92.0 %)",
        "onnxruntime, batch of 1, 1 thread",
        "3.00 ms",
        "1.50 ms",
        "2.00×",
    ]
    assert second[4:] == ["openvino, batch of 4, 2 threads", "2.00 ms", "–", "–"]
    assert third == [HOSTILE, "stablehlo", "–", "–", "–", "–", "–", "–"]
    assert page.locator("img").count() == 0


def test_without_int8_there_are_no_columns_for_it(make_report, open_report):
    page = open_report(make_report(40, exported=EXPORTED[1:]))
    assert cells(page)[0] == ["Network", "Formats", "Test accuracy"]
    assert "nas export --int8" in page.inner_text("#exported")


def test_without_exports_there_is_no_table(make_report, open_report):
    page = open_report(make_report(40))
    assert page.inner_text("#exported") == ""


def test_impossible_figures_are_refused():
    with pytest.raises(ValueError, match=r"exported accuracy: high must be in 0\.\.1, got 1\.2"):
        Share(0.9, 0.8, 1.2, 10)
    with pytest.raises(ValueError, match="exported network: int8_s"):
        Int8Run("onnxruntime", 1, 1, 0.1, float("nan"))
