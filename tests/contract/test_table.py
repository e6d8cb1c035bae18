"""What is stored, as a table, and how a catalog shows itself."""

from __future__ import annotations

import datetime
import html
import re
import time

import numpy
import pandas
import pytest
import xarray

from databroker_writable import InvalidMetadataError
from databroker_writable.results.header_search import PROBE
from databroker_writable.runs.run_display import display_of
from support.sites import MONGO_SITES

NOON = time.mktime((2024, 5, 31, 12, 0, 0, 0, 0, -1))
DAY = 86400.0


def uid_of(run):
    return run.metadata["start"]["uid"]


@pytest.fixture
def ordered(site):
    """Uids as they are listed; FerretDB 1.24 does not sort the embedded layout, whose times are inside arrays."""
    return sorted if site.is_ferretdb and "embedded" in site.kind else list


@pytest.fixture
def runs(catalog):
    """A scan, a fit of it a day later, and a failed fit after that."""
    scan = catalog.store_run({"x": [1, 2, 3]}, {"sample": "Cu", "plan_name": "scan"}, uid="scan-1", time=NOON)
    fit = catalog.store_run(
        {"k": [1.0]},
        {"sample": {"name": "Cu"}, "analysis_name": "fit"},
        uid="fit-1",
        time=NOON + DAY,
        derived_from={"data": scan},
        parameters={"window": 5, "edges": [1, 2]},
    )
    failed = catalog.store_run(
        {"k": [0.0]}, {"analysis": "sum"}, uid="fit-2", time=NOON + 2 * DAY, derived_from=scan, exit_status="fail"
    )
    return scan, fit, failed


def test_a_table_says_what_was_stored_newest_first(catalog, runs, ordered):
    table = catalog.table()
    assert ordered(table.index) == ordered(["fit-2", "fit-1", "scan-1"])
    assert table.index.name == "uid"
    assert list(table.columns) == ["time", "status", "sample", "name", "streams", "rows", "tags"]
    scan, fit, failed = (table.loc[uid] for uid in ("scan-1", "fit-1", "fit-2"))
    assert scan["time"] == pandas.Timestamp("2024-05-31 12:00")
    assert [run["status"] for run in (scan, fit, failed)] == ["success", "success", "fail"]
    assert (scan["sample"], fit["sample"], failed["sample"]) == ("Cu", {"name": "Cu"}, None)
    assert [run["name"] for run in (scan, fit, failed)] == ["scan", "fit", "sum"]
    assert [run["streams"] for run in (scan, fit, failed)] == ["primary"] * 3
    assert [run["rows"] for run in (scan, fit, failed)] == [3, 1, 1]


def test_further_columns_are_metadata(catalog, runs):
    table = catalog.table({"analysis_name": "fit"}, "parameters.window", "parameters.edges", "sample.name", "sample")
    assert table.loc["fit-1", "parameters.window"] == 5
    assert table["parameters.window"].dtype == "int64"
    assert list(table.loc["fit-1", "parameters.edges"]) == [1, 2]
    assert table.loc["fit-1", "sample.name"] == "Cu"
    whole = catalog.table(None, "parameters.window")["parameters.window"]
    assert whole["fit-1"] == 5
    assert isinstance(whole["fit-1"], int)
    assert whole["scan-1"] is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"status": "success"}, ["fit-1", "scan-1"]),
        ({"status": "fail"}, ["fit-2"]),
        ({"status": "abort"}, []),
        ({"since": "2024-06-01"}, ["fit-2", "fit-1"]),
        ({"until": "2024-06-01"}, ["scan-1"]),
        ({"since": NOON, "until": NOON + 1}, ["scan-1"]),
        ({"since": datetime.date(2024, 6, 1), "until": datetime.datetime(2024, 6, 2)}, ["fit-1"]),
        ({"since": pandas.Timestamp("2024-06-01 11:59"), "until": numpy.datetime64("2024-06-01T12:01")}, ["fit-1"]),
        ({"since": datetime.datetime.fromtimestamp(NOON, datetime.timezone.utc), "until": "fit-1"}, ["scan-1"]),
        ({"since": "1d"}, []),
        ({"derived_from": "scan-1"}, ["fit-2", "fit-1"]),
        ({"derived_from": {"data": "scan-1"}}, ["fit-1"]),
        ({"derived_from": {"dark": "scan-1"}}, []),
        ({"derived_from": ["scan-1", "fit-1"]}, []),
        ({"derived_from": "scan-1", "status": "success", "since": "scan-1"}, ["fit-1"]),
    ],
)
def test_runs_are_chosen(catalog, runs, ordered, filters, expected):
    assert ordered(catalog.table(**filters).index) == ordered(expected)


def test_a_limit_gives_the_newest(catalog, runs, ordered):
    assert len(catalog.table(limit=1)) == 1
    if ordered is list:
        assert list(catalog.table(limit=2).index) == ["fit-2", "fit-1"]


def test_the_times_of_a_table_can_be_asked_by(catalog, runs):
    table = catalog.table()
    assert "scan-1" not in catalog.table(since=table["time"]["fit-1"]).index
    assert "fit-1" in catalog.table(since=table["time"]["fit-1"]).index


@pytest.mark.parametrize("other", [{}, {"analysis_name": "fit", "sample": "Cu"}], ids=["unnamed", "named"])
def test_names_and_samples_that_a_run_does_not_have_are_none(catalog, other):
    for uid, metadata in {"named": other, "unnamed": {}}.items():
        catalog.store_run({"x": [1]}, metadata, uid)
    row = catalog.table().loc["unnamed"]
    assert (row["name"], row["sample"]) == (None, None)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_metadata_that_a_run_does_not_have_are_none(catalog):
    for number, metadata in enumerate([{"note": "a", "n": 1}, {}]):
        catalog.store_run({"x": [1]}, metadata, time=1.7e9 + number)
    assert [list(catalog.table(None, "note", "n")[name]) for name in ("note", "n")] == [[None, "a"], [None, 1]]


def test_an_empty_table_has_the_columns_too(catalog):
    table = catalog.table(None, "parameters.window")
    assert len(table) == 0
    assert table["time"].dtype.kind == "M"
    assert "parameters.window" in table


def test_a_spectrum_that_is_one_event_has_its_points_for_rows(catalog, site):
    if site.is_ferretdb:
        pytest.skip("FerretDB 1.24 holds no arrays in arrays")
    energy = numpy.linspace(8.9, 9.1, 192)
    catalog.store_run({"energy": energy, "mu": energy}, uid="spectrum", one_event=True)
    stack = {"image": (("frame", "y", "x"), numpy.zeros((5, 4, 3))), "dose": ("frame", numpy.arange(5.0))}
    catalog.store_run(xarray.Dataset(stack), uid="stack", one_event=True)
    catalog.store_run(xarray.Dataset({"image": (("y", "x"), numpy.zeros((4, 3)))}), uid="image", one_event=True)
    with catalog.run_builder(uid="pieces", one_event=True) as builder:
        builder.add_stream("fits", data={"k": [1.0, 2.0]})
        builder.add_data("fits", data={"k": [3.0, 4.0]})
        builder.add_stream("spectra", data={"mu": energy})
    table = catalog.table()
    assert table["rows"].to_dict() == {"spectrum": 192, "stack": 5, "image": 1, "pieces": 192}
    assert table["streams"]["pieces"] == "fits, spectra"
    assert catalog["pieces"].metadata["stop"]["num_events"] == {"fits": 2, "spectra": 1}
    assert catalog["pieces"].metadata["stop"]["num_rows"] == {"fits": 4, "spectra": 192}


@pytest.fixture
def annotated(site, runs, tmp_path):
    """The catalog, with a place for remarks."""
    return site.open(annotations=str(tmp_path / "notes")) if site.is_collecting else site.open()


def test_tags_and_retractions_show(annotated):
    catalog = annotated
    catalog.annotate("scan-1", "beam dump", tags=["bad-frames", "night"])
    catalog.annotate("fit-1", tags=["night"])
    catalog.retract("fit-1", reason="wrong window")
    table = catalog.table()
    assert table["tags"].to_dict() == {"scan-1": "bad-frames, night", "fit-1": "night", "fit-2": ""}
    assert table["status"]["fit-1"] == "retracted"
    assert list(catalog.table(status="success").index) == ["scan-1"]
    assert list(catalog.table(status="retracted").index) == ["fit-1"]
    assert list(catalog.table(tags="bad-frames").index) == ["scan-1"]
    assert list(catalog.table(tags=["night"], status="success").index) == ["scan-1"]
    with pytest.raises(InvalidMetadataError, match=r"'nihgt'.*bad-frames, night"):
        catalog.table(tags="nihgt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"status": "failed"}, r"status must be one of success.*'failed'"),
        ({"status": ["success"]}, "status must be one of"),
        ({"since": "2024-06-02", "until": "2024-06-01"}, r"since, 2024-06-02 00:00:00, is after until, 2024-06-01"),
        ({"since": "2024-06-02", "until": -1e20}, r"since, 2024-06-02 00:00:00, is after until, -1e\+20"),
        ({"since": "yesterday"}, r"since must be a time or a run, not 'yesterday'.*2024-05-31"),
        ({"until": ""}, "until must be a time or a run"),
        ({"until": float("nan")}, "until must be a time or a run"),
        ({"until": True}, "until must be a time or a run"),
        ({"since": pandas.NaT}, "since must be a time or a run"),
        ({"since": numpy.datetime64("NaT", "s")}, "since must be a time or a run"),
        ({"since": object()}, "since must be a time or a run"),
        ({"derived_from": "no-such-run"}, r"derived_from names the run 'no-such-run'.*catalog\[uid\]"),
        ({"derived_from": {"dark": "no-such-run"}}, "derived_from names the run 'no-such-run'"),
        ({"derived_from": 5}, "derived_from takes a run"),
        ({"tags": 5}, "tags must be a tag"),
        ({"limit": 0}, "limit must be a number of runs"),
        ({"limit": "5"}, "limit must be a number of runs"),
        ({"query": "Cu"}, "a query must be a dict"),
    ],
)
def test_what_cannot_be_asked_is_refused(catalog, runs, arguments, message):
    with pytest.raises(InvalidMetadataError, match=message):
        catalog.table(**arguments)


def test_a_column_that_no_run_has_is_refused(catalog, runs):
    with pytest.raises(InvalidMetadataError, match=r"'parameters.windw'.*did you mean 'parameters.window'"):
        catalog.table(None, "parameters.windw")
    with pytest.raises(InvalidMetadataError, match=r"the name of a column must be text"):
        catalog.table(None, 5)
    assert catalog.table({"plan_name": "scan"}, "parameters.window")["parameters.window"].tolist() == [None]


def test_runs_of_other_processes_are_in_the_table(catalog, site):
    site.open().store_run({"x": [1]}, uid="elsewhere-1")
    assert list(catalog.table().index) == ["elsewhere-1"]


def test_the_table_of_a_search_result_has_what_was_found(catalog, runs):
    assert list(catalog.search({"plan_name": "scan"}).table().index) == ["scan-1"]
    assert list(catalog.results_of("scan-1", status="fail").table().index) == ["fit-2"]


def test_a_catalog_shows_its_name_and_its_newest_runs(catalog):
    assert repr(catalog) == "<catalog 'contract': 0 runs>"
    for number in range(12):
        catalog.store_run({"x": [1]}, {"sample": f"<Cu>{number}"}, uid=f"run-{number:02}", time=NOON + number)
    text, page = repr(catalog), catalog._repr_html_()
    assert text.startswith("<catalog 'contract': 12 runs, of which the newest 10:>\n")
    for shown in (text, html.unescape(re.sub("<[^>]*>", " ", page))):
        assert "<Cu>" in shown
        assert shown.count("run-") == 10
    assert "<Cu>" not in page
    assert page.count("<tr>") == 11


@pytest.mark.parametrize(("number", "title"), [(1, "1 run>"), (12, "12 runs, of which the newest 10:>")])
def test_a_catalog_does_not_count_the_probe_runs_that_it_does_not_show(catalog, number, title):
    for uid in range(number):
        catalog.store_run({"x": [1]}, uid=f"run-{uid}")
    for _ in range(2):
        catalog.store_run({"x": [1]}, {PROBE: True})
    assert repr(catalog).startswith(f"<catalog 'contract': {title}\n")


def test_a_catalog_shows_itself_in_jupyter_as_html(catalog, runs):
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        catalog._ipython_display_()
    # without a notebook IPython prints what it would show in one
    assert "<td>fit-1</td>" in captured.stdout


def test_a_column_in_the_place_of_the_query_is_refused_with_what_to_write(catalog, runs):
    with pytest.raises(InvalidMetadataError, match=r"table\(None, 'parameters.window'\)"):
        catalog.table("parameters.window")


def without_time(site, uid):
    """Take the time out of a start document in MongoDB, where another program may have stored it without one."""
    if "embedded" in site.kind:
        (header,) = [header for header in site.database.header.find() if header["start"][0]["uid"] == uid]
        del header["start"][0]["time"]
        site.database.header.replace_one({"_id": header["_id"]}, header)
    else:
        site.database.run_start.update_one({"uid": uid}, {"$unset": {"time": ""}})


@pytest.mark.parametrize(
    "site", [f"{layout}[{server}]" for layout in MONGO_SITES for server in ("mongomock", "server")], indirect=True
)
def test_runs_without_a_time_are_listed_as_such(site, catalog):
    raw = catalog.store_run({"x": [1]}, uid="raw")
    catalog.store_run({"x": [0]}, uid="earlier")
    catalog.store_run({"x": [1]}, uid="untimed", derived_from=raw, supersedes="earlier", metadata={"sample": "Cu"})
    catalog.store_run({"x": [2]}, uid="result", derived_from="untimed", metadata={"sample": "Fe"})
    without_time(site, "untimed")
    catalog = site.open()
    assert catalog.table()["time"].isna().to_dict() == dict.fromkeys(catalog, False) | {"untimed": True}
    assert re.search("^untimed +Cu ", repr(catalog), re.MULTILINE)
    assert catalog.impact("raw")["time"].isna().to_dict() == {"untimed": True, "result": False}
    assert list(catalog.latest(sample="Cu")) == ["primary"]
    assert catalog.latest(sample="Fe", before=2e9).metadata["start"]["uid"] == "result"
    assert set(catalog.lineage("raw")) == {"raw", "earlier", "untimed", "result"}
    catalog.retract("raw", reason="wrong")
    assert list(catalog.stale().index) == ["result", "untimed"]
    assert "time:" not in display_of(catalog["untimed"]).text()
    with pytest.raises(InvalidMetadataError, match="since must be a time or a run"):
        catalog.table(since="untimed")
