"""Versions against what the distribution asks for, with metadata that say what a test needs."""

import platform
from email.message import Message
from importlib.metadata import PackageNotFoundError, version

import pytest

from nas.doctor import packages
from nas.doctor.packages import check_packages, installed_versions


def asks_for(patch: pytest.MonkeyPatch, *requirements: str, python: str = ">=3.11") -> None:
    """Lets the distribution ask for this."""
    document = Message()
    document["Requires-Python"] = python
    document["Provides-Extra"] = "dev"
    document["Provides-Extra"] = "plots"
    here = {"ridgeline-nas": "0.1.0"}
    patch.setattr(packages, "metadata", lambda name: document)
    patch.setattr(packages, "requires", lambda name: list(requirements))
    patch.setattr(packages, "version", lambda name: here.get(name) or version(name))


def problems() -> dict[str, tuple[str, str, str]]:
    return {
        check.name: (check.state, check.found, check.advice)
        for check in check_packages()
        if check.state != "ok"
    }


def test_this_environment_has_what_the_distribution_asks_for():
    states = {check.name: check.state for check in check_packages()}
    assert states == {"package": "ok", "Python": "ok", "packages": "ok"}
    assert installed_versions()["numpy"] == version("numpy")


def test_a_package_that_is_missing_is_named_with_the_command_that_brings_it(monkeypatch):
    asks_for(monkeypatch, "numpy>=1", "no-such-package-anywhere<3,>=2")
    expected = ("fail", "not installed, expected <3,>=2")
    state, found, advice = problems()["no-such-package-anywhere"]
    assert (state, found) == expected
    assert advice == "pip install 'no-such-package-anywhere<3,>=2'"


def test_a_version_out_of_its_range_is_named(monkeypatch):
    asks_for(monkeypatch, "numpy<1")
    assert problems()["numpy"][:2] == ("fail", f"{version('numpy')}, expected <1")


def test_extras_are_no_concern_until_they_are_installed(monkeypatch):
    asks_for(monkeypatch, "no-such-package-anywhere; extra == 'plots'", "numpy>=1")
    assert problems() == {}
    asks_for(monkeypatch, "numpy<1; extra == 'plots'")
    assert problems()["numpy"][0] == "warn"
    asks_for(monkeypatch, "numpy<1; extra == 'dev'")
    assert problems() == {}


def test_markers_decide_what_is_asked_for_here(monkeypatch):
    asks_for(monkeypatch, "no-such-package-anywhere; python_version < '3'")
    assert problems() == {}


def test_another_python_is_refused(monkeypatch):
    asks_for(monkeypatch, python=">=3.99")
    here = platform.python_version()
    assert problems()["Python"][:2] == ("fail", f"{here}, expected >=3.99")


def test_a_tree_that_is_not_installed_is_told(monkeypatch):
    def nothing(name: str) -> Message:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "metadata", nothing)
    assert problems()["package"][:2] == ("fail", "ridgeline-nas is not installed")
