"""What was made from a run, and which results rest on inputs that no longer hold."""

from __future__ import annotations

import databroker
import pandas
import pytest

from databroker_writable import InvalidMetadataError, StoreWarning, open_directory


@pytest.fixture
def catalog(site, tmp_path):
    place = {"annotations": str(tmp_path / "notes")} if site.is_collecting else {}
    return site.open(**place)


@pytest.fixture
def chain(catalog):
    """raw-1 -> fit-1 -> mean-1, and raw-2 -> mean-1."""
    raw = catalog.store_run({"x": [1]}, uid="raw-1")
    other = catalog.store_run({"x": [1]}, uid="raw-2")
    fit = catalog.store_run({"k": [1.0]}, {"analysis_name": "fit"}, uid="fit-1", derived_from=raw)
    catalog.store_run({"m": [1.0]}, uid="mean-1", derived_from=[fit, other])
    return catalog


def test_impact_is_all_that_was_made_from_a_run(chain):
    found = chain.impact("raw-1")
    assert found.index.tolist() == ["fit-1", "mean-1"]
    assert found.index.name == "uid"
    assert found["steps"].tolist() == [1, 2]
    assert found["name"].tolist() == ["fit", None]
    assert found["status"].tolist() == ["success", "success"]
    assert found["catalog"].tolist() == [chain.name] * 2
    assert abs(found["time"].iloc[0] - pandas.Timestamp.now()) < pandas.Timedelta(minutes=10)
    assert chain.impact(chain["raw-2"]).index.tolist() == ["mean-1"]
    nothing = chain.impact("mean-1")
    assert len(nothing) == 0
    assert nothing.columns.tolist() == found.columns.tolist()


def test_impact_says_which_results_are_dealt_with(chain):
    chain.store_run({"k": [1.1]}, uid="fit-2", derived_from="raw-1", supersedes="fit-1")
    chain.retract("mean-1", reason="too few")
    assert chain.impact("raw-1")["verdict"].to_dict() == {"fit-1": "superseded", "fit-2": None, "mean-1": "retracted"}


def test_impact_of_what_is_unknown_is_an_error(chain):
    with pytest.raises(KeyError, match="has no run 'elsewhere-1'"):
        chain.impact("elsewhere-1")
    with pytest.raises(InvalidMetadataError, match="several uids begin"):
        chain.impact("raw-")


def test_nothing_is_stale_where_all_inputs_hold(chain):
    chain.store_run({"k": [9.0]}, uid="fit-9", derived_from="raw-1", supersedes="fit-1", exit_status="fail")
    assert chain.stale().index.tolist() == []


def test_what_was_made_from_a_retracted_run_is_stale(chain):
    chain.retract("raw-1", reason="shutter closed")
    found = chain.stale()
    assert sorted(found.index) == ["fit-1", "mean-1"]
    assert found["input"].tolist() == ["raw-1"] * 2
    assert found["verdict"].tolist() == ["retracted"] * 2
    assert found["reason"].tolist() == ["shutter closed"] * 2
    chain.restore("raw-1")
    assert len(chain.stale()) == 0


def test_what_was_made_from_a_superseded_run_is_stale(chain):
    chain.store_run({"k": [1.1]}, uid="fit-2", derived_from="raw-1", supersedes="fit-1")
    found = chain.stale()
    assert found[["input", "verdict", "reason"]].to_dict("index") == {
        "mean-1": {"input": "fit-1", "verdict": "superseded", "reason": "fit-2"}
    }


def test_a_retracted_run_supersedes_nothing(chain):
    chain.store_run({"k": [1.1]}, uid="fit-2", derived_from="raw-1", supersedes="fit-1")
    chain.retract("fit-2", reason="wrong edge")
    assert chain.stale().index.tolist() == []
    assert chain.impact("raw-1")["verdict"]["fit-1"] is None


@pytest.mark.parametrize("last_is_derived", [False, True])
def test_what_replaces_a_retracted_run_supersedes_what_that_one_did(chain, last_is_derived):
    raw = {"derived_from": "raw-1"} if last_is_derived else {}
    chain.store_run({"k": [1.1]}, uid="fit-2", supersedes="fit-1", **raw)
    chain.retract("fit-2", reason="wrong edge")
    chain.store_run({"k": [1.2]}, {"analysis_name": "fit"}, uid="fit-3", supersedes="fit-2", **raw)
    assert chain.stale()[["input", "verdict", "reason"]].to_dict("index") == {
        "mean-1": {"input": "fit-1", "verdict": "superseded", "reason": "fit-3"}
    }
    assert chain.impact("raw-1")["verdict"]["fit-1"] == "superseded"
    assert chain.lineage("raw-1").nodes["fit-1"]["verdict"] == "superseded"
    assert chain.latest(analysis_name="fit").metadata["start"]["uid"] == "fit-3"
    chain.retract("fit-3", reason="too few")
    assert chain.stale().index.tolist() == []
    assert chain.latest(analysis_name="fit").metadata["start"]["uid"] == "fit-1"


def test_what_replaces_its_own_input_is_not_stale(chain):
    chain.store_run({"k": [1.1]}, uid="fit-2", derived_from="fit-1", supersedes="fit-1")
    assert chain.stale().index.tolist() == ["mean-1"]


def test_lineage_marks_what_is_retracted_and_what_was_made_from_it(chain):
    chain.retract("fit-1", reason="wrong edge")
    graph = chain.lineage("raw-1")
    assert {uid: graph.nodes[uid]["mark"] for uid in graph} == {
        "raw-1": "",
        "raw-2": "",
        "fit-1": "retracted",
        "mean-1": "made from retracted fit-1",
    }
    assert "fit-1  fit  (retracted)" in graph.tree()
    assert "mean-1  (made from retracted fit-1)" in graph.tree()
    assert '["fit-1<br/>fit<br/>retracted"]' in graph.mermaid()
    assert "made from retracted fit-1" in [text.get_text().split("\n")[-1] for text in graph.plot().texts]
    assert sorted(graph.downstream("fit-1")) == ["fit-1", "mean-1"]


def test_lineage_marks_what_was_made_from_a_superseded_run(chain):
    chain.store_run({"k": [1.1]}, uid="fit-2", derived_from="raw-1", supersedes="fit-1")
    graph = chain.lineage("raw-1")
    assert graph.nodes["fit-1"]["verdict"] == "superseded"
    assert graph.nodes["mean-1"]["mark"] == "made from superseded fit-1"
    assert sorted(graph.downstream("fit-1")) == ["fit-1", "mean-1"]


def test_verdicts_hold_across_catalogs(chain, tmp_path, monkeypatch):
    results = open_directory(tmp_path / "results", name="results")
    monkeypatch.setattr(databroker, "catalog", {chain.name: chain, "results": results})
    results.store_run({"p": [1.0]}, uid="plot-1", derived_from=chain["mean-1"])
    results.store_run({"p": [1.0]}, uid="plot-2", derived_from=chain["raw-2"])
    chain.retract("raw-1", reason="shutter closed")
    assert results.impact(chain["raw-1"])["catalog"].to_dict() == {
        "fit-1": chain.name,
        "mean-1": chain.name,
        "plot-1": "results",
    }
    assert results.stale()["reason"].to_dict() == {"plot-1": "shutter closed"}
    results.retract(chain["raw-2"], reason="beam lost")
    # of two inputs that do not hold, the nearer one is told
    assert results.stale()["input"].to_dict() == {"plot-1": "raw-2", "plot-2": "raw-2"}
    graph = results.lineage("plot-2")
    assert graph.nodes["raw-2"]["mark"] == "retracted"
    assert graph.nodes["plot-2"]["mark"] == "made from retracted raw-2"


def test_a_catalog_that_cannot_be_asked_is_warned_of(catalog, monkeypatch):
    class Gone(dict):
        def __getitem__(self, name):
            raise ConnectionError("geheim")

    monkeypatch.setattr(databroker, "catalog", Gone(far=None))
    catalog.store_run({"x": [1]}, uid="fit-1", derived_from={"uid": "raw-1", "catalog": "far"})
    catalog.retract("fit-1", reason="x")
    for ask in (lambda: catalog.impact("raw-1"), catalog.stale):
        with pytest.warns(StoreWarning, match="the catalog 'far', which runs name, cannot be searched"):
            ask()
