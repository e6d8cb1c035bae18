"""What is released: the metadata, the oldest dependencies, and the jobs of the CI that try them."""

from __future__ import annotations

import re
from email.message import Message
from importlib.metadata import metadata, requires

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from support.documentation import ROOT

JOBS = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
GATE = (ROOT / ".ci/run").read_text(encoding="utf-8")
REQUIREMENTS = [Requirement(text) for text in requires("databroker-writable") or []]


def supported_pythons() -> list[str]:
    classifiers = metadata("databroker-writable").get_all("Classifier") or []
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)


def is_in_extra(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def commands(job: str) -> str:
    return "\n".join(step["run"] for step in JOBS[job]["steps"] if "run" in step)


def oldest() -> dict[str, str]:
    lines = (ROOT / "tests/oldest-constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def test_every_supported_python_is_tried() -> None:
    assert supported_pythons() == ["3.10", "3.11", "3.12", "3.13"]
    assert JOBS["tests"]["strategy"]["matrix"]["python"] == supported_pythons()
    assert f"for version in {' '.join(supported_pythons())}; do" in GATE


def test_the_oldest_python_is_tried_with_the_oldest_dependencies() -> None:
    assert {"python": "3.10", "dependencies": "oldest"} in JOBS["tests"]["strategy"]["matrix"]["include"]
    assert "--constraint tests/oldest-constraints.txt" in commands("tests")
    assert "tests/oldest-constraints.txt" in GATE
    assert metadata("databroker-writable")["Requires-Python"] == ">=3.10"


def test_pandas_2_is_tried() -> None:
    assert {"python": "3.11", "dependencies": "pandas 2"} in JOBS["tests"]["strategy"]["matrix"]["include"]
    assert '"pandas<3"' in commands("tests")
    assert '"pandas<3"' in GATE


def test_the_lower_bounds_are_the_versions_that_are_tried() -> None:
    bounds = {
        requirement.name: Version(bound.version)
        for requirement in REQUIREMENTS
        for bound in requirement.specifier
        if bound.operator == ">="
    }
    extras = {extra: Requirement(f'x; extra == "{extra}"').marker for extra in ("databroker", "lineage", "files")}
    needed = {r.name for r in REQUIREMENTS if r.marker is None or r.marker in extras.values()}
    needed.discard("databroker-writable")
    assert set(bounds) == needed
    tried = oldest()
    assert {name: Version(tried[name]) for name in bounds} == bounds


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("tests", ["python -m pytest"]),
        ("interop", [".[interop]", "pytest tests/interop"]),
        ("package", [".ci/build-package", ".ci/try-wheel"]),
        ("style-and-docs", ["ruff check", "ruff format --check", "mypy", "--doctest-modules", "sphinx-build -W"]),
    ],
)
def test_the_ci_of_the_forge_checks_what_the_gate_checks(job: str, words: list[str]) -> None:
    for word in words:
        assert word in commands(job)
        assert word.removeprefix(".[").rstrip("]") in GATE or word == "python -m pytest"


def test_what_the_ci_runs_is_there() -> None:
    for path in re.findall(r"(?:\.ci|tests)/[\w/.-]+", "\n".join(map(commands, JOBS))):
        assert (ROOT / path).exists(), path


def test_a_developer_has_what_builds_and_checks_the_package() -> None:
    names = {requirement.name for requirement in REQUIREMENTS if is_in_extra(requirement, "dev")}
    assert {"build", "twine", "ruff", "mypy"} <= names


def test_the_package_says_what_it_is() -> None:
    said: Message = metadata("databroker-writable")  # type: ignore[assignment]
    assert said["License-Expression"] == "BSD-3-Clause"
    assert said["License-File"] == "LICENSE"
    assert said["Author"] == "The databroker-writable developers"
    assert "databroker" in said["Keywords"]
    assert said["Description-Content-Type"] == "text/markdown"
