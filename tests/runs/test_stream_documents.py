"""stream_resource and stream_datum, which ophyd-async's detectors emit, are kept where the backend can hold them."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest

from databroker_writable import InvalidRunError, StoreWarning, diff, export, open_directory, recover, to_dataset
from databroker_writable.runs.checker import RunChecker, check_documents, may_count
from databroker_writable.runs.comparison import same_run
from databroker_writable.runs.run_or_table import documents_of
from databroker_writable.upkeep import examine
from databroker_writable.upkeep.copying import copy_runs
from databroker_writable.upkeep.file_upkeep import run_files
from support import sites
from support.example_runs import documents_with_stream_resource as with_streams

FILES = ["msgpack", "jsonl"]
DATABASES = ["mongo-normalized[mongomock]", "mongo-embedded[mongomock]"]


def store(catalog: Any, documents: list[Any], way: str) -> None:
    if way == "store_run":
        catalog.store_run(documents)
    else:
        for name, doc in documents:
            catalog.v1.insert(name, doc)


def streams_of(documents: Any) -> list[Any]:
    return [(name, doc) for name, doc in documents if name.startswith("stream_")]


@pytest.mark.parametrize("events", [True, False], ids=["events", "frames only"])
@pytest.mark.parametrize("way", ["store_run", "insert"])
@pytest.mark.parametrize("site", FILES, indirect=True)
def test_files_keep_the_stream_documents_of_a_run(catalog: Any, site: sites.Site, way: str, events: bool) -> None:
    documents = with_streams(events=events)
    with pytest.warns(StoreWarning, match=r"stream_resource 'frames' of column 'img': it is stored"):
        store(catalog, documents, way)
    for reading in (catalog, site.open()):
        given = documents_of(reading["fly-1"])
        assert streams_of(given) == streams_of(documents)
        if events:
            assert reading["fly-1"].primary.metadata["start"]["sample"] == "Ag"


# databroker's own, which pytest.warns raises anew from another module
@pytest.mark.filterwarnings("ignore:The return type of:FutureWarning")
@pytest.mark.parametrize("events", [True, False], ids=["events", "frames only"])
@pytest.mark.parametrize("site", FILES, indirect=True)
def test_the_other_columns_of_a_stream_are_read(catalog: Any, site: sites.Site, events: bool, tmp_path: Path) -> None:
    with pytest.warns(StoreWarning, match="it is stored"):
        catalog.store_run(with_streams(events=events))
    run = site.open()["fly-1"]
    said = "the column 'img' of stream 'primary' of the run 'fly-1' is in a stream_resource, which databroker 1 cannot"
    with pytest.warns(StoreWarning, match=said):
        dataset = to_dataset(run)
    assert {name: column.values.tolist() for name, column in dataset.items()} == ({"x": [0.5] * 3} if events else {})
    for suffix in (".csv", ".nc", ".json"):
        with pytest.warns(StoreWarning, match=said):
            export(run, tmp_path / f"run{suffix}")
    with pytest.warns(StoreWarning, match=said):
        assert not diff(run, run)


@pytest.mark.filterwarnings("ignore::databroker_writable.StoreWarning")
@pytest.mark.parametrize("events", [True, False], ids=["events", "frames only"])
@pytest.mark.parametrize("site", FILES, indirect=True)
def test_check_counts_the_frames_of_a_fly_scan(catalog: Any, site: sites.Site, events: bool) -> None:
    documents = with_streams(events=events)
    catalog.store_run(documents)
    assert examine(site.open()).findings == []


@pytest.mark.filterwarnings("ignore::databroker_writable.StoreWarning")
@pytest.mark.parametrize("site", FILES, indirect=True)
def test_check_tells_how_many_frames_of_a_fly_scan_are_lost(catalog: Any, site: sites.Site) -> None:
    catalog.store_run(with_streams(events=False))
    (path,) = run_files(catalog)
    with open(path, "rb") as file:
        content = file.read()
    # the stop document counts a fourth
    with open(path, "wb") as file:
        for before, after in ((b"\xa7primary\x03", b"\xa7primary\x04"), (b'"primary": 3', b'"primary": 4')):
            content = content.replace(before, after)
        file.write(content)
    (finding,) = examine(site.open()).findings
    assert "holds 3 of 4 Events of 'primary'" in str(finding)


@pytest.mark.filterwarnings("ignore::databroker_writable.StoreWarning")
@pytest.mark.parametrize("site", FILES, indirect=True)
def test_recover_counts_the_frames_of_a_fly_scan(catalog: Any, site: sites.Site) -> None:
    catalog.store_run(with_streams(events=False))
    (path,) = map(Path, run_files(catalog))
    path.with_name(f".{path.name}.0123abcd.part").write_bytes(path.read_bytes()[:-20])
    path.unlink()
    catalog = site.open()
    (recovered,) = recover(catalog)
    assert catalog[recovered.uid].metadata["stop"]["num_events"] == {"primary": 3}
    assert examine(site.open()).findings == []


@pytest.mark.filterwarnings("ignore::databroker_writable.StoreWarning")
@pytest.mark.parametrize("site", FILES, indirect=True)
def test_a_retry_finds_the_run_with_its_stream_documents(catalog: Any, site: sites.Site) -> None:
    documents = with_streams()
    catalog.store_run(documents)
    stored = site.snapshot()
    for again in (catalog, site.open()):
        assert again.store_run(documents).metadata["start"]["uid"] == "fly-1"
        assert again.store_run(again["fly-1"]).metadata["start"]["uid"] == "fly-1"
    assert site.snapshot() == stored


@pytest.mark.filterwarnings("ignore::databroker_writable.StoreWarning")
@pytest.mark.parametrize("other", FILES)
@pytest.mark.parametrize("site", FILES, indirect=True)
def test_a_copy_between_files_has_the_stream_documents(catalog: Any, other: str, tmp_path: Any) -> None:
    documents = with_streams()
    catalog.store_run(documents)
    (tmp_path / "other").mkdir()
    with sites.site(other, tmp_path / "other", None) as destination:
        report = copy_runs(catalog, destination.open())
        assert report.copied == ["fly-1"]
        assert same_run(documents_of(destination.open()["fly-1"]), documents)


@pytest.mark.parametrize("site", DATABASES, indirect=True)
def test_a_database_refuses_a_run_with_stream_documents_by_their_name(catalog: Any, site: sites.Site) -> None:
    with pytest.raises(InvalidRunError, match=r"stream_resource 'frames'.*MongoDB cannot hold; .*catalog of msgpack"):
        catalog.store_run(with_streams())
    assert site.snapshot() == {}


@pytest.mark.parametrize("site", DATABASES, indirect=True)
def test_an_acquisition_goes_on_without_what_a_database_has_no_place_for(catalog: Any, site: sites.Site) -> None:
    with pytest.warns(StoreWarning, match=r"stream_resource 'frames' of column 'img'.*cannot hold.*stored without it"):
        store(catalog, with_streams(), "insert")
    assert site.open()["fly-1"].metadata["stop"]["num_events"] == {"primary": 3}


@pytest.mark.filterwarnings("ignore::databroker_writable.StoreWarning")
@pytest.mark.parametrize("site", DATABASES, indirect=True)
def test_a_copy_of_a_run_that_has_lost_its_stream_documents_is_refused(catalog: Any, tmp_path: Any) -> None:
    store(catalog, with_streams(), "insert")
    (tmp_path / "other").mkdir()
    with sites.site("jsonl", tmp_path / "other", None) as destination:
        report = copy_runs(catalog, destination.open())
        assert report.copied == []
        assert "column 'img' of stream 'primary'" in str(report.failures["fly-1"])


def changed(name: str, **changes: Any) -> list[tuple[str, dict[str, Any]]]:
    documents = with_streams()
    position = [n for n, _ in documents].index(name)
    documents[position] = name, {**documents[position][1], **changes}
    return documents


REFUSED = {
    "of another run": (
        changed("stream_resource", run_start="other"),
        "'frames' belongs to run 'other'",
    ),
    "without a uid": (changed("stream_resource", uid=None), "uid"),
    "of no resource": (changed("stream_datum", stream_resource="none"), "stream_resource 'none', which no document"),
    "of no descriptor": (changed("stream_datum", descriptor="none"), "descriptor 'none', which no document"),
    "of a uid twice": (changed("stream_datum", uid="frames/1"), "stream_datum uid 'frames/1' is used twice"),
    "of odd numbers": (changed("stream_datum", seq_nums={"start": 5, "stop": "6"}), "'seq_nums'.*two integers"),
    "counted wrongly": (changed("stop", num_events={"primary": 4}), "counts 4 events"),
    "lost": ([item for item in with_streams() if not item[0].startswith("stream_")], "'img' of stream 'primary'"),
    "lost, frames only": (
        [item for item in with_streams(events=False) if not item[0].startswith("stream_")],
        "'img' of stream 'primary' are in a stream_resource, which is missing",
    ),
}


@pytest.mark.parametrize(("documents", "words"), REFUSED.values(), ids=REFUSED)
def test_stream_documents_that_do_not_fit_the_run_are_refused(documents: Any, words: str) -> None:
    with pytest.raises(InvalidRunError, match=words):
        check_documents(documents)


def test_a_run_that_ended_before_its_first_frame_is_whole() -> None:
    (_, start), (_, descriptor), *_, (_, stop) = with_streams()
    checked = check_documents([("start", start), ("descriptor", descriptor), ("stop", {**stop, "num_events": {}})])
    assert [name for name, _ in checked] == ["start", "descriptor", "stop"]


def test_a_stream_resource_of_an_earlier_form_is_kept() -> None:
    documents = changed("stream_resource", spec="AD_HDF5", root="/", resource_path="img.h5", resource_kwargs={})
    del documents[2][1]["uri"], documents[2][1]["mimetype"], documents[2][1]["data_key"]
    assert dict(check_documents(documents))["stream_resource"]["spec"] == "AD_HDF5"


def test_a_stream_document_that_is_refused_leaves_no_trace() -> None:
    documents = with_streams()
    checker = RunChecker()
    for name, doc in documents[:4]:
        checker(name, doc)
    before = copy.deepcopy(vars(checker))
    with pytest.raises(InvalidRunError):
        checker("stream_datum", {**documents[3][1], "uid": "new", "seq_nums": {"start": 2, "stop": 1}})
    with pytest.raises(InvalidRunError):
        checker("stream_resource", documents[2][1])
    assert vars(checker) == before


def test_numbers_of_long_streams_are_counted_at_once() -> None:
    assert may_count(10**12, [[1, 2, 2]], [range(1, 10**12), range(5, 10**12 + 1)])
    assert may_count(3, [[1, 2, 3]], [])
    assert not may_count(4, [[1, 2, 3]], [range(1, 3)])


def test_a_run_without_stream_documents_warns_of_none(tmp_path: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", StoreWarning)
        open_directory(tmp_path).store_run({"x": [1]})
