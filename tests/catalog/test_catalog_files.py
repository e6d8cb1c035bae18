"""The ready YAML files of ``catalogs/``: each opens, stores, reads, and says what it needs."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import intake
import pytest

import databroker_writable
from support import servers

FILES = Path(__file__).parents[2] / "catalogs"

STORING = [
    ("local-directory.yml", "my-results"),
    ("jsonl.yml", "my-results-jsonl"),
    ("mongo-normalized.yml", "results-mongo"),
    ("mongo-embedded.yml", "results-mongo-embedded"),
    ("facility.yml", "beamline-results"),
]

NEEDING = [
    ("mongo-normalized.yml", "results-mongo"),
    ("mongo-embedded.yml", "results-mongo-embedded"),
    ("facility.yml", "beamline-raw"),
    ("facility.yml", "beamline-results"),
]


def variables_of(file: str) -> set[str]:
    return set(re.findall(r"env\((\w+)\)", (FILES / file).read_text(encoding="utf-8")))


def open_entry(file: str, entry: str, directory: Path) -> Any:
    """Open an entry from a copy of its file, beside which it may write."""
    shutil.copy(FILES / file, directory)
    return intake.open_catalog(str(directory / file))[entry]


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The variables that the file of a test needs; a MongoDB server where it needs one."""
    variables = variables_of(request.getfixturevalue("file"))
    monkeypatch.setenv("BEAMLINE_DATA", str(tmp_path / "beamline"))
    monkeypatch.setenv("RESULTS_ASSET_ROOT", str(tmp_path / "assets"))
    if "RESULTS_MONGO_URI" not in variables:
        yield
        return
    server: servers.MongoServer = request.getfixturevalue("mongo_server")
    with server.database() as name:
        monkeypatch.setenv("RESULTS_MONGO_URI", server.database_uri(name))
        yield


@pytest.mark.parametrize(("file", "entry"), STORING)
@pytest.mark.usefixtures("environment")
def test_a_run_is_stored_and_read_back(file: str, entry: str, tmp_path: Path) -> None:
    stored = open_entry(file, entry, tmp_path).store_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})
    uid = stored.metadata["start"]["uid"]
    again = open_entry(file, entry, tmp_path)
    assert again[uid].primary.read().x.values.tolist() == [1, 2, 3]
    assert list(again.search({"sample": "Cu"})) == [uid]


@pytest.mark.parametrize(("file", "entry"), STORING[:2])
def test_runs_lie_beside_the_file(file: str, entry: str, tmp_path: Path) -> None:
    open_entry(file, entry, tmp_path).store_run({"x": [1]}, uid="one")
    assert len(list(tmp_path.glob("*/one.*"))) == 1


@pytest.mark.parametrize("file", ["facility.yml"])
@pytest.mark.usefixtures("environment")
def test_raw_data_of_the_facility_are_guarded(file: str, tmp_path: Path) -> None:
    catalog = open_entry(file, "beamline-raw", tmp_path)
    with pytest.raises(databroker_writable.NotWritableError, match="writable: false"):
        catalog.store_run({"x": [1]})
    assert not (tmp_path / "beamline").exists()


@pytest.mark.parametrize(("file", "entry"), NEEDING)
def test_a_variable_that_is_not_set_is_an_error(
    file: str, entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in variables_of(file):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(databroker_writable.InvalidCatalogError, match="environment variable"):
        open_entry(file, entry, tmp_path)
    assert os.listdir(tmp_path) == [file]


def opened_by(tmp_path: Path, **args: str) -> Any:
    """The catalog of an entry with these arguments in a YAML file."""
    lines = "".join(f"      {name}: {json.dumps(value)}\n" for name, value in args.items())
    text = f"sources:\n  results:\n    driver: writable-msgpack-catalog\n    args:\n{lines}"
    (tmp_path / "catalog.yml").write_text(text, encoding="utf-8")
    return intake.open_catalog(str(tmp_path / "catalog.yml"))["results"]


REPLACED = [
    "{{ env(SITE_DATA) or SITE }}",
    "{{ env('SITE_DATA') or env(SITE) }}",
    "{{ env(SITE_DATA, env(SITE)) }}",
    "{{ env(SITE_DATA) | default(env(SITE), true) }}",
    "{{ env(SITE_DATA) if env(SITE_DATA) else env(SITE) }}",
]


@pytest.mark.parametrize("template", [text.replace("or SITE", "or 'here'") for text in REPLACED])
def test_a_variable_that_the_template_replaces_need_not_be_set(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SITE_DATA", raising=False)
    monkeypatch.setenv("SITE", "here")
    paths = "{{ CATALOG_DIR }}/" + template + "/*.msgpack"
    assert opened_by(tmp_path, paths=paths).paths == [str(tmp_path / "here" / "*.msgpack")]
    monkeypatch.setenv("SITE_DATA", "there")
    assert opened_by(tmp_path, paths=paths).paths == [str(tmp_path / "there" / "*.msgpack")]


@pytest.mark.parametrize("template", [*REPLACED[1:], "{{ env(SITE) ~ '/x' }}", "{{ env(SITE) | default(1) }}"])
def test_a_variable_that_nothing_replaces_is_an_error(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SITE_DATA", "SITE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(databroker_writable.InvalidCatalogError, match=r"environment variable SITE(_DATA)?, "):
        opened_by(tmp_path, paths="{{ CATALOG_DIR }}/" + template + "/*.msgpack")


@pytest.mark.parametrize(
    ("template", "meant"),
    [("{{ catalog_dir }}", "CATALOG_DIR"), ("{{ SITE }}", "env(SITE)")],
    ids=["directory", "variable"],
)
def test_a_name_that_intake_replaces_by_nothing_is_an_error(
    template: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE", "/here")
    with pytest.raises(databroker_writable.InvalidCatalogError, match=f"would be empty; write {re.escape(meant)}"):
        opened_by(tmp_path, paths=template + "/*.msgpack")


def test_a_parameter_may_have_the_name_of_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE", "here")
    entry = {
        "driver": "writable-msgpack-catalog",
        "parameters": {"SITE": {"description": "", "type": "str", "default": "there"}},
        "args": {"paths": "{{ CATALOG_DIR }}/{{ SITE }}/*.msgpack"},
    }
    (tmp_path / "catalog.yml").write_text(json.dumps({"sources": {"results": entry}}))
    assert intake.open_catalog(str(tmp_path / "catalog.yml"))["results"].paths == [str(tmp_path / "there/*.msgpack")]


@pytest.mark.parametrize("path", ["$HOME/runs", "${HOME}/runs", "{{ CATALOG_DIR }}/$SITE/runs"])
def test_a_variable_of_a_shell_is_no_directory(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        databroker_writable.InvalidCatalogError, match=r"only a shell replaces \$.*write {{ env\((HOME|SITE)"
    ):
        opened_by(tmp_path, paths=path + "/*.msgpack")
    assert os.listdir(tmp_path) == ["catalog.yml"]


def test_a_directory_that_is_there_may_have_the_name_of_such_a_variable(tmp_path: Path) -> None:
    (tmp_path / "$HOME").mkdir()
    databroker_writable.open_directory(tmp_path / "$HOME" / "runs").store_run({"x": [1]})
    assert len(databroker_writable.open_directory(tmp_path / "$HOME" / "runs")) == 1


@pytest.mark.parametrize(
    ("default", "remedy"),
    [
        ("{{ env(SITE) }}", r"write env\(SITE\) without braces, in the catalog 'results'"),
        ("{{env(SITE)}}/data", r"write env\(SITE\) without braces, and the rest into the args"),
        ("{{ CATALOG_DIR }}", "write the template into the args"),
    ],
)
def test_a_template_in_the_default_of_a_parameter_which_intake_does_not_render_is_an_error(
    default: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SITE", str(tmp_path / "here"))

    def opened(default: str) -> Any:
        entry = {
            "driver": "writable-msgpack-catalog",
            "parameters": {"where": {"description": "", "type": "str", "default": default}},
            "args": {"paths": "{{ where }}/*.msgpack"},
        }
        Path("catalog.yml").write_text(json.dumps({"sources": {"results": entry}}))
        return intake.open_catalog("catalog.yml", ttl=0)["results"]

    with pytest.raises(databroker_writable.InvalidCatalogError, match=remedy):
        opened(default)
    assert os.listdir(tmp_path) == ["catalog.yml"]
    assert opened("env(SITE)").paths == [str(tmp_path / "here" / "*.msgpack")]


def test_every_option_can_come_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARGE", "1000")
    monkeypatch.setenv("NO", "no")
    options = {"asset_threshold": "{{ env(LARGE) }}", "writable": "{{ env(NO) }}", "index": "{{ env(NO) }}"}
    catalog = opened_by(tmp_path, paths=str(tmp_path / "*.msgpack"), **options)
    assert (catalog.asset_threshold, catalog.writable) == (1000, False)


@pytest.mark.parametrize("file", sorted(path.name for path in FILES.iterdir()))
def test_every_entry_is_tested(file: str) -> None:
    entries = set(intake.open_catalog(str(FILES / file)))
    tested = {entry for name, entry in STORING if name == file} | {"beamline-raw"}
    assert entries <= tested


@pytest.mark.parametrize("file", sorted(path.name for path in FILES.iterdir()))
def test_a_file_says_which_variables_it_needs(file: str) -> None:
    comment = "".join(line for line in (FILES / file).read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    assert all(variable in comment for variable in variables_of(file))
