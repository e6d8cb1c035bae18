"""README.md: each of its blocks runs, and what it says of files is so."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import databroker
import pandas
import pytest
import yaml
from intake.catalog.default import load_combo_catalog

import databroker_writable
from databroker_writable import errors
from support import documentation, shown_output
from support.documentation import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")

STORE = (
    'python3 -m venv .venv && .venv/bin/pip install ".[databroker]" && .venv/bin/databroker-writable store '
    "examples/cu_foil_xanes.csv --to results --metadata sample=Cu"
)
TEST = 'python3 -m venv .venv && .venv/bin/pip install ".[test]" && .venv/bin/python -m pytest'


BLOCKS = documentation.blocks_of(ROOT / "README.md")


def blocks_of(language: str) -> list[documentation.Block]:
    return [block for block in BLOCKS if block.language == language]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory like a copy of the repository, in which the README is followed."""
    documentation.follow_pages_in(tmp_path, monkeypatch)
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


def test_every_block_is_of_a_language_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == {"bash", "python", "yaml"}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("python", r"catalog\.restore\("),
        ("python", r"catalog\.table\(since=.*tags="),
        ("bash", r"databroker-writable store .*--units"),
        ("bash", r"databroker-writable copy"),
        ("bash", r"databroker-writable check"),
        ("bash", r"databroker-writable delete"),
    ],
)
def test_what_newcomers_looked_for_has_an_example(language: str, said: str) -> None:
    assert any(re.search(said, block.text) for block in blocks_of(language))


def test_the_picture_is_the_one_that_its_script_draws(copy: Path, request: pytest.FixtureRequest) -> None:
    draw = runpy.run_path(str(ROOT / "docs" / "draw_overview.py"))["draw"]
    drawn = copy / "overview.png"
    draw(drawn)
    shown_output.compare_drawing(
        ROOT / "docs" / "images" / "overview.png", drawn, request.config.getoption(shown_output.OPTION)
    )


def test_the_blocks_run_in_the_order_of_the_page(
    copy: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    write = request.config.getoption(shown_output.OPTION)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        if block.language == "bash":
            if TEST not in block.text:
                # what the CI runs whole, in a new environment, is run here in the present one
                prefix = 'python3 -m venv .venv && .venv/bin/pip install ".[databroker]" && .venv/bin/'
                printed = documentation.run_bash(block, prefix)
                assert all(printed)
                shown_output.compare_output(block, "".join(printed), write)
        elif block.language == "python":
            # what a new session finds on the search path
            monkeypatch.setattr(databroker, "catalog", load_combo_catalog())
            shown_output.compare_output(block, documentation.run_python(block, names), write)
            shown_output.compare_picture(block, copy, write)
        else:
            documentation.run_yaml(block, copy)
    results = databroker_writable.open_directory(copy / "results")
    spectrum = pandas.read_csv(copy / "examples" / "cu_foil_xanes.csv")
    (of_edge,) = results.search({"edge": "K"})
    pandas.testing.assert_frame_equal(databroker_writable.to_dataset(results[of_edge]).to_dataframe(), spectrum)
    first = min((results[uid] for uid in results), key=lambda run: run.metadata["start"]["time"])
    pandas.testing.assert_frame_equal(
        first.primary.read().to_dataframe()[list(spectrum)].reset_index(drop=True), spectrum
    )
    assert names["second"].metadata["start"]["supersedes"] == [names["first"].metadata["start"]["uid"]]
    assert names["stored"].primary.read().x.values.tolist() == [1, 2, 3]


def test_the_set_up_commands_are_the_ones_that_the_ci_runs() -> None:
    lines = [line for block in blocks_of("bash") for line in block.text.splitlines()]
    assert [line for line in lines if "venv" in line] == [STORE, TEST]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for number, command in enumerate((STORE, TEST), start=1):
        printed = subprocess.run(
            [str(ROOT / ".ci" / "readme-command"), str(number)], capture_output=True, text=True, check=True
        )
        assert printed.stdout.rstrip("\n") == command
        assert f".ci/readme-command {number}" in script


def test_the_yaml_blocks_are_those_of_the_files() -> None:
    files = [yaml.safe_load((ROOT / "catalogs" / name).read_text()) for name in ("local-directory.yml", "facility.yml")]
    assert [yaml.safe_load(block.text) for block in blocks_of("yaml")] == files


def test_each_ready_file_is_named() -> None:
    assert all(f"`{path.name}`" in README for path in (ROOT / "catalogs").iterdir())


def test_each_error_is_named_with_the_builtins_that_it_is() -> None:
    rows = [line.split("|")[1:4] for line in README.splitlines() if line.startswith("| `Invalid") or "Error` |" in line]
    named = {name: re.findall(r"`(\w+)`", also) for names, also, _ in rows for name in re.findall(r"`(\w+)`", names)}
    expected = {
        name: [base.__name__ for base in error.__bases__ if base is not errors.StoreError]
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, errors.StoreError) and error is not errors.StoreError
    }
    assert named == expected


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert all((ROOT / link).exists() for link in links)
