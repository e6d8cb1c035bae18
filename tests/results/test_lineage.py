"""The graph of inputs and results: across catalogs, of documents that others wrote, and as it is drawn."""

from __future__ import annotations

import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import databroker
import pytest
from databroker.in_memory import BlueskyInMemoryCatalog
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from databroker_writable import InvalidMetadataError, NotFoundError, StoreWarning, build_simple_run, open_directory
from databroker_writable.drivers import WritableMsgpackCatalog
from databroker_writable.results.header_search import headers
from databroker_writable.results.lineage import lineage_of


class Catalogs(dict):
    """What stands in for databroker.catalog; some of its catalogs cannot be opened."""

    def __getitem__(self, name: str) -> Any:
        if super().__getitem__(name) is None:
            raise ConnectionError("mongodb://u:geheim@host is gone")
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    return open_directory(tmp_path / "results")


@pytest.fixture
def raw_data(tmp_path: Path) -> Any:
    return open_directory(tmp_path / "raw")


def store_as_written(catalog: Any, uid: str, **metadata: Any) -> None:
    """Store documents as another program may have written them."""
    (name, start), *others = build_simple_run({"x": [1]}, uid=uid).documents(fill="no")
    catalog.store_run([(name, {**start, **metadata}), *others])


def edges(graph: Any) -> set[tuple[str, str]]:
    return set(graph.edges)


def test_runs_of_catalogs_that_databroker_knows_are_found(
    catalog: Any, raw_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databroker, "catalog", Catalogs(raw=raw_data))
    raw = raw_data.store_run({"x": [1]}, {"sample": "Cu"}, uid="raw-1")
    raw_data.store_run({"x": [1]}, uid="dark-1", derived_from=raw)
    fit = catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
    graph = catalog.lineage(fit)
    assert edges(graph) == {("raw-1", "fit-1"), ("raw-1", "dark-1")}
    assert {uid: data["catalog"] for uid, data in graph.nodes(data=True)} == {
        "raw-1": "raw",
        "fit-1": "results",
        "dark-1": "raw",
    }
    assert graph.tree().splitlines() == ["╙── raw-1  Cu", "    ├─╼ dark-1", "    └─╼ fit-1"]


def test_a_run_that_is_given_needs_no_catalog_that_databroker_knows(catalog: Any, raw_data: Any) -> None:
    raw = raw_data.store_run({"x": [1]}, {"sample": "Cu"}, uid="raw-1")
    catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
    graph = catalog.lineage(raw)
    assert edges(graph) == {("raw-1", "fit-1")}
    assert graph.nodes["raw-1"]["start"]["sample"] == "Cu"
    assert catalog.lineage("fit-1").nodes["raw-1"]["label"] == "raw-1\nnot reached"


def test_a_catalog_that_cannot_be_opened_is_warned_of(
    catalog: Any, raw_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databroker, "catalog", Catalogs(raw=None))
    for i in range(2):
        raw = raw_data.store_run({"x": [1]}, uid=f"raw-{i}")
        catalog.store_run({"k": [1.0]}, uid=f"fit-{i}", derived_from=[raw] if i == 0 else [raw, "fit-0"])
    with pytest.warns(StoreWarning, match=r"the catalog 'raw'.*ConnectionError") as caught:
        graph = catalog.lineage("fit-1")
    assert len(caught) == 1
    assert "geheim" not in str(caught[0].message)
    assert edges(graph) == {("raw-0", "fit-0"), ("raw-1", "fit-1"), ("fit-0", "fit-1")}


def test_a_run_whose_catalog_one_result_names_is_reached_for_all(
    catalog: Any, raw_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databroker, "catalog", Catalogs(raw=raw_data))
    raw = raw_data.store_run({"x": [1]}, uid="raw-1")
    store_as_written(catalog, "fit-1", derived_from=["raw-1"])
    catalog.store_run({"k": [1.0]}, uid="fit-2", derived_from=[raw, "fit-1"])
    assert catalog.lineage("fit-1").nodes["raw-1"]["start"] is not None


@pytest.mark.parametrize("key", ["analysis_name", "analysis", "plan_name"])
def test_a_run_has_the_name_that_a_table_has(catalog: Any, key: str) -> None:
    catalog.store_run({"x": [1]}, {key: "fit", "sample": "Cu"}, uid="fit-1")
    assert list(catalog.table()["name"]) == ["fit"]
    assert catalog.lineage("fit-1").nodes["fit-1"]["label"] == "fit-1\nfit Cu"


def test_what_other_programs_wrote_is_understood_or_left_out(catalog: Any) -> None:
    catalog.store_run({"x": [1]}, uid="raw-1")
    store_as_written(catalog, "text", derived_from="raw-1")
    store_as_written(catalog, "texts", derived_from=["raw-1", 5, {"id": 7}], supersedes="text")
    store_as_written(catalog, "nonsense", derived_from=17, supersedes={"a": 1})
    graph = catalog.lineage("texts")
    assert set(graph.edges(data="kind")) == {
        ("raw-1", "text", "derived"),
        ("raw-1", "texts", "derived"),
        ("text", "texts", "superseded"),
    }
    assert list(catalog.lineage("nonsense")) == ["nonsense"]
    assert catalog.latest().metadata["start"]["uid"] == "nonsense"


def test_runs_that_are_each_others_inputs_are_shown(catalog: Any) -> None:
    store_as_written(catalog, "a", derived_from=["b"])
    store_as_written(catalog, "b", derived_from=["a"])
    store_as_written(catalog, "c", derived_from=["b"])
    graph = catalog.lineage("c")
    assert edges(graph) == {("a", "b"), ("b", "a"), ("b", "c")}
    assert graph.tree().splitlines() == ["╙── a ╾ b", "    └─╼ b", "        ├─╼ c", "        └─╼  ..."]
    assert graph.mermaid().count("-->") == 3
    graph.plot(Figure().subplots())


def test_a_beginning_of_a_uid_is_enough_and_an_unknown_one_is_an_error(catalog: Any) -> None:
    catalog.store_run({"x": [1]}, uid="raw-12345")
    assert list(catalog.lineage("raw-1")) == ["raw-12345"]
    with pytest.raises(KeyError, match="'nope'"):
        catalog.lineage("nope")


def test_what_was_made_from_a_run_is_asked_for_as_a_lineage_is(catalog: Any) -> None:
    raw = catalog.store_run({"x": [1]}, uid="raw-1")
    fit = catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
    catalog.store_run({"k": [1.0]}, uid="fit-2", derived_from=fit)
    graph = catalog.lineage(raw)
    for run in (fit, "fit-1"):
        assert sorted(graph.downstream(run)) == ["fit-1", "fit-2"]
    assert len(graph.downstream("raw")) == 3
    with pytest.raises(InvalidMetadataError, match="downstream names 'fit', and several uids begin with it"):
        graph.downstream("fit")
    with pytest.raises(NotFoundError, match="the run 'other' is not in this lineage"):
        graph.downstream("other")
    with pytest.raises(InvalidMetadataError, match="downstream takes a run"):
        graph.downstream(3)  # type: ignore[arg-type]


def test_a_whole_uuid_is_not_the_beginning_of_another_uid_in_a_lineage(catalog: Any) -> None:
    whole = "0d8f6d21-6f5c-4b53-9a3b-8f1f3f7e2a10"
    catalog.store_run({"x": [1]}, uid=f"{whole}-smooth")
    graph = catalog.lineage(f"{whole}-smooth")
    assert list(graph.downstream(whole[:8])) == [f"{whole}-smooth"]
    with pytest.raises(NotFoundError, match="is not in this lineage"):
        graph.downstream(whole)


def test_labels_tell_runs_apart(catalog: Any) -> None:
    raw = catalog.store_run({"x": [1]}, uid="scan-17-of-a-long-night")
    catalog.store_run({"x": [1]}, uid="scan-17-reduced-2026-11-25", derived_from=raw)
    catalog.store_run({"x": [1]}, uid="scan-17-reduced-2026-11-26", derived_from=raw)
    labels = [data["label"] for _, data in catalog.lineage(raw).nodes(data=True)]
    assert len(set(labels)) == 3


def test_the_tree_says_what_supersedes_what(catalog: Any) -> None:
    raw = catalog.store_run({"x": [1]}, {"plan_name": "scan", "sample": "Cu"}, uid="raw-1")
    fit = catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
    better = catalog.store_run({"k": [1.1]}, uid="fit-2", derived_from=raw, supersedes=fit)
    catalog.store_run({"k": [1.1]}, uid="sum-1", derived_from=[raw, better])
    assert catalog.lineage(raw).tree().splitlines() == [
        "╙── raw-1  scan Cu",
        "    ├─╼ fit-1",
        "    │   └─╼ fit-2  (supersedes fit-1) ╾ raw-1  scan Cu",
        "    │       └─╼ sum-1 ╾ raw-1  scan Cu",
        "    └─╼  ...",
    ]


def test_no_arrow_of_the_drawing_passes_through_another_run(catalog: Any) -> None:
    first = catalog.store_run({"x": [1]}, uid="raw-1")
    second = catalog.store_run({"x": [1]}, uid="raw-2")
    third = catalog.store_run({"x": [1]}, uid="fit-1", derived_from=[first, second])
    catalog.store_run({"x": [1]}, uid="sum-1", derived_from=[first, second, third])
    graph = catalog.lineage(first)
    axes = graph.plot(Figure().subplots())
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(places) == set(graph)
    assert len({y for _, y in places.values()}) == len(places)
    lines = [line.get_xydata() for line in axes.lines]
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert len(lines) == len(arrows) == graph.number_of_edges()
    for line, (source, _) in zip(lines, graph.edges, strict=True):
        # aside, and then between the columns
        (x, y), (turn, _), (_, _) = line
        assert (x, y) == places[source]
        assert x < turn < x + 1
        assert turn not in {place for place, _ in places.values()}


def test_a_catalog_without_a_name_knows_its_own_runs(tmp_path: Path) -> None:
    catalog = WritableMsgpackCatalog([str(tmp_path / "*.msgpack")])
    raw = catalog.store_run({"x": [1]}, {"sample": "Cu"}, uid="raw-1")
    fit = catalog.store_run({"y": [1]}, derived_from=raw, uid="fit-1")
    for run in (raw, fit, "raw-1", "fit"):
        assert catalog.lineage(run).tree().splitlines() == ["╙── raw-1  Cu", "    └─╼ fit-1"]


def test_a_long_line_of_versions_is_followed_and_drawn() -> None:
    catalog = BlueskyInMemoryCatalog(name="versions")
    for number in range(1500):
        replaced = {"supersedes": [f"v{number - 1}"]} if number else {}
        start = {"uid": f"v{number}", "time": float(number), **replaced}
        catalog.upsert(start, {"exit_status": "success"}, lambda: iter(()), (), {})
    graph = lineage_of("v700", catalog)
    assert len(graph) == 1500
    assert graph.tree().count("\n") == 1499
    assert graph.mermaid().count("superseded by") == 1499
    assert [header.uid for header in headers(catalog)][:2] == ["v1499", "v1498"]


def test_a_run_that_databroker_replaces_in_memory_has_its_new_inputs() -> None:
    catalog = BlueskyInMemoryCatalog(name="replaced")
    for source in ("old", "new"):
        start = {"uid": "fit", "time": 1.0, "derived_from": [{"uid": source}]}
        catalog.upsert(start, {"exit_status": "success"}, lambda: iter(()), (), {})
        assert set(lineage_of(source, catalog)) == {source, "fit"}


def test_text_of_metadata_leaves_neither_its_line_nor_the_drawing(catalog: Any) -> None:
    run = catalog.store_run({"x": [1]}, {"sample": 'a\r```\n<img src=x>\x1b]0;t\x07"$\u202e'}, uid="raw-1")
    graph = catalog.lineage(run)
    assert graph.tree() == '╙── raw-1  a ``` <img src=x> ]0;t "$ '
    assert graph.mermaid().splitlines() == [
        "flowchart LR",
        '    n0["raw-1<br/>a #96;#96;#96; #lt;img src=x#gt; ]0;t #quot;$ "]',
    ]
    graph.plot(Figure().subplots()).figure.canvas.draw()


def test_a_lineage_shows_itself_as_svg_whose_text_is_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    catalog = open_directory(str(tmp_path / "runs"))
    raw = catalog.store_run({"x": [1]}, {"sample": "<Cu> & $x"}, uid="raw-1")
    catalog.store_run({"x": [1]}, uid="fit-1", derived_from=raw)
    drawing = catalog.lineage(raw)._repr_mimebundle_()["image/svg+xml"]
    texts = [text.strip() for text in xml.etree.ElementTree.fromstring(drawing).itertext() if text.strip()]
    assert {"raw-1", "<Cu> & $x", "fit-1"} <= set(texts)
    assert drawing == catalog.lineage(raw)._repr_mimebundle_()["image/svg+xml"]
    assert catalog.lineage(raw)._repr_mimebundle_()["text/html"] == drawing[drawing.index("<svg") :]


def test_a_lineage_shows_itself_as_a_tree(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    raw = catalog.store_run({"x": [1]}, uid="raw-1")
    catalog.store_run({"k": [2]}, uid="fit-1", derived_from=raw)
    assert repr(catalog.lineage(raw)) == catalog.lineage(raw).tree()


def test_a_lineage_that_is_printed_says_how_many_runs_it_has(catalog: Any) -> None:
    raw = catalog.store_run({"x": [1]})
    assert str(catalog.lineage(raw)) == "Lineage of 1 run"
    assert str(catalog.lineage(catalog.store_run({"x": [1]}, derived_from=raw))) == "Lineage of 2 runs"
