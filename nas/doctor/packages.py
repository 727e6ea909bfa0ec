"""Python and the packages, against what the installed distribution asks for."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nas.doctor.check import Check

DISTRIBUTION = "ridgeline-nas"


def check_packages() -> Iterator[Check]:
    """Python's version, the packages that every installation has, and extras that are there."""
    try:
        asked = metadata(DISTRIBUTION)["Requires-Python"] or ""
    except PackageNotFoundError:
        yield Check(
            "package",
            "fail",
            f"{DISTRIBUTION} is not installed",
            "pip install . in its source tree; workers import it by name",
        )
        return
    yield Check("package", "ok", f"{DISTRIBUTION} {version(DISTRIBUTION)}")
    yield _check_python(asked)
    needed, extras = _requirements()
    problems = [found for one in needed if (found := _check(one, extra="")) is not None]
    problems += [found for one, extra in extras if (found := _check(one, extra=extra)) is not None]
    yield from problems
    if not problems:
        yield Check("packages", "ok", f"{len(needed)} of {len(needed)} there, versions as asked")


def installed_versions() -> dict[str, str]:
    """Versions of the packages that every installation has, as far as they are there."""
    found: dict[str, str] = {}
    try:
        needed, _ = _requirements()
    except PackageNotFoundError:
        return found
    for requirement in needed:
        try:
            found[requirement.name] = version(requirement.name)
        except PackageNotFoundError:
            continue
    return found


def _requirements() -> tuple[list[Requirement], list[tuple[Requirement, str]]]:
    """What is needed here, and what extras but the developers' bring, with the extra's name."""
    needed: list[Requirement] = []
    extras: list[tuple[Requirement, str]] = []
    for line in requires(DISTRIBUTION) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needed.append(requirement)
            continue
        for extra in metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
            if extra != "dev" and requirement.marker.evaluate({"extra": extra}):
                extras.append((requirement, extra))
    return needed, extras


def _check_python(asked: str) -> Check:
    here = platform.python_version()
    if SpecifierSet(asked).contains(here, prereleases=True):
        return Check("Python", "ok", here)
    return Check(
        "Python", "fail", f"{here}, expected {asked}", f"make an environment of Python {asked}"
    )


def _check(requirement: Requirement, *, extra: str) -> Check | None:
    """What is wrong with a package; nothing is wrong with an extra that is not installed."""
    name, asked = requirement.name, requirement.specifier
    advice = f"pip install '{name}{asked}'"
    try:
        here = version(name)
    except PackageNotFoundError:
        return None if extra else Check(name, "fail", f"not installed, expected {asked}", advice)
    if asked.contains(here, prereleases=True):
        return None
    state = "warn" if extra else "fail"
    return Check(name, state, f"{here}, expected {asked}", advice)
