"""The figures for papers."""

import sys
from xml.etree import ElementTree

import pytest

from nas.errors import UserError
from nas.report.comparison_figures import write_comparison_figures
from nas.report.figures import staircase, write_figures
from tests.nas.report.test_comparison import STUDIES

PNG = b"\x89PNG\r\n\x1a\n"


def names(directory, suffix: str) -> set[str]:
    return {path.stem for path in directory.glob(f"*.{suffix}")}


def test_every_figure_of_the_report_is_written_as_svg_and_png(make_report, tmp_path):
    pytest.importorskip("matplotlib")
    report = make_report(40)
    written = write_figures(tmp_path / "figures", report)
    expected = {"fronts", "hypervolume", "training"}
    for target in report.targets:
        expected |= {f"front-{target.name}", f"roofline-{target.name}"}
        expected |= {f"audit-{target.name}"} if target.measurable else set()
    assert names(tmp_path / "figures", "svg") == names(tmp_path / "figures", "png") == expected
    assert len(written) == 2 * len(expected)
    for path in written:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(PNG)
        else:
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
    svg = (tmp_path / "figures/fronts.svg").read_text("utf-8")
    assert ">host-xla<" in svg
    assert ">pi5, predicted<" in svg


def test_a_comparison_is_drawn_for_every_common_target(tmp_path):
    pytest.importorskip("matplotlib")
    write_comparison_figures(tmp_path, STUDIES)
    assert names(tmp_path, "svg") == names(tmp_path, "png") == {"fronts-pi", "hypervolume-pi"}


def test_without_matplotlib_the_error_says_what_to_install(make_report, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"not installed: pip install 'ridgeline-nas\[figures\]'"):
        write_figures(tmp_path, make_report(10))


def test_a_staircase_keeps_what_is_higher_than_everything_before():
    assert staircase([(3, 5), (1, 2), (2, 1), (4, 5), (5, 6)]) == [(1, 2), (3, 5), (5, 6)]
