"""What it costs to resolve the runs that a new one was made from."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from databroker_writable import InvalidMetadataError, StoreWarning, build_simple_run, open_directory
from databroker_writable.results import header_search, references


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The uids of the runs whose start documents are looked up."""
    asked: list[str] = []

    def header_of(catalog: Any, uid: str) -> Any:
        asked.append(uid)
        return header_search.header_of(catalog, uid)

    monkeypatch.setattr(references, "header_of", header_of)
    return asked


def test_a_long_chain_of_results_is_not_followed_at_each_store(tmp_path: Path, reads: list[str]) -> None:
    catalog = open_directory(tmp_path / "results")
    catalog.store_run({"k": [1.0]}, uid="fit-0")
    for number in range(1, 6):
        catalog.store_run({"k": [1.0]}, uid=f"fit-{number}", derived_from=f"fit-{number - 1}")
    assert reads == []


def test_a_run_that_another_names_is_looked_for_among_its_ancestors(tmp_path: Path, reads: list[str]) -> None:
    catalog = open_directory(tmp_path / "results")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from="fit-3")
    catalog.store_run({"k": [1.0]}, uid="fit-2", derived_from="fit-1")
    with pytest.raises(InvalidMetadataError, match="'fit-3'"):
        catalog.build_simple_run({"k": [1.0]}, uid="fit-3", derived_from="fit-2")
    assert reads == ["fit-2", "fit-1"]


def test_what_another_object_stored_counts_when_it_is_loaded(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path / "results")
    catalog.store_run({"k": [1.0]}, uid="raw-1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        open_directory(tmp_path / "results").store_run({"k": [1.0]}, uid="fit-1", derived_from=["fit-2", "raw-1"])
    catalog.force_reload()
    with pytest.raises(InvalidMetadataError, match="own inputs"):
        catalog.build_simple_run({"k": [1.0]}, uid="fit-2", derived_from="fit-1")


UUID = "798b14fb-4821-5156-932e-3834edea04e2"


@pytest.mark.parametrize("source", [UUID, build_simple_run({"x": [1]})], ids=["uuid", "run"])
def test_runs_are_not_searched_for_an_input_that_is_named_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(references, "headers_naming", lambda catalog, uids: asked.append(uids) or iter(()))
    catalog = open_directory(tmp_path / "results")
    with pytest.warns(StoreWarning, match="which the catalog 'results' does not have"):
        catalog.store_run({"k": [1.0]}, derived_from=source)
    assert asked == []


def sources(run: Any) -> list[str]:
    return [source["uid"] for source in run.metadata["start"]["derived_from"]]


@pytest.mark.parametrize("raw", [UUID, "scan-17"])
@pytest.mark.filterwarnings("ignore::databroker_writable.StoreWarning")
def test_results_whose_uids_begin_with_that_of_their_input_are_not_taken_for_it(tmp_path: Path, raw: str) -> None:
    catalog = open_directory(tmp_path / "results")
    runs = [
        catalog.store_run({"k": [1.0]}, uid=f"{raw}-{step}", derived_from=raw) for step in ("smooth", "fit", "mean")
    ]
    assert [sources(run) for run in runs] == [[raw]] * 3
    assert sorted(catalog.results_of(raw)) == sorted(run.metadata["start"]["uid"] for run in runs)


def test_a_whole_uuid_is_no_beginning_of_another_uid(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path / "results")
    catalog.store_run({"k": [1.0]}, uid=f"{UUID}-smooth")
    for look in (catalog.retract, catalog.annotate):
        with pytest.raises(InvalidMetadataError, match="has no run"):
            look(UUID, "wrong")
    with pytest.warns(StoreWarning, match="no run that was made from it"):
        assert list(catalog.results_of(UUID)) == []
    assert catalog.annotations(UUID[:8]) == []


def test_a_remark_goes_to_the_run_that_has_remarks_and_not_to_one_whose_uid_begins_so(tmp_path: Path) -> None:
    raw = open_directory(tmp_path / "raw")
    catalog = open_directory(tmp_path / "results")
    catalog.annotate(raw.store_run({"x": [1]}, uid="scan-17"), "no beam")
    catalog.store_run({"k": [1.0]}, uid="scan-17-fit")
    assert catalog.retract("scan-17", "shutter closed")["run"] == "scan-17"
    assert len(catalog.annotations("scan-17")) == 2


def test_catalogs_of_one_name_are_told_apart_by_another_name(tmp_path: Path) -> None:
    results, raw = (open_directory(tmp_path / user / "results") for user in ("me", "beamline"))
    run = raw.store_run({"x": [1]}, uid="raw-1")
    remedy = "'results' has no run 'raw-1': .* in another catalog called 'results', .* with another name"
    with pytest.raises(InvalidMetadataError, match=remedy):
        results.annotate(run, "checked")
    with pytest.warns(StoreWarning, match=f"derived_from: the catalog {remedy}"):
        stored = results.store_run({"x": [1]}, derived_from=run)
    assert stored.metadata["start"]["derived_from"] == [{"uid": "raw-1", "catalog": "results"}]
    renamed = open_directory(tmp_path / "beamline" / "results", name="raw")["raw-1"]
    assert results.annotate(renamed, "checked")["catalog"] == "raw"
    stored = results.store_run({"x": [1]}, derived_from=renamed)
    assert stored.metadata["start"]["derived_from"] == [{"uid": "raw-1", "catalog": "raw"}]
