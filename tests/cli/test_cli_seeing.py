"""The command line: choosing runs with ``ls``, plots of ``show``, and ``lineage``."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import databroker
import intake
import numpy
import pandas
import pytest
import xarray

from databroker_writable import StoreWarning, open_directory
from databroker_writable.drivers import WritableJSONLCatalog, WritableMsgpackCatalog
from databroker_writable.results.header_search import PROBE
from support import example_runs, servers, sites
from support.command_line import PASSWORD, fail, run, succeed, unreachable_uri, write_catalog, write_mongo_catalog

DAY = 86400


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(params=["msgpack", "jsonl", *sites.MONGO_SITES])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """A YAML file of an empty catalog of each backend."""
    if request.param in sites.MONGO_SITES:
        server: servers.MongoServer = request.getfixturevalue("mongo_server")
        with server.database() as database:
            yield write_mongo_catalog("c.yml", request.param, server.database_uri(database))
    else:
        paths = [f"{{{{ CATALOG_DIR }}}}/runs/*.{request.param}"]
        yield write_catalog("c.yml", f"writable-{request.param}-catalog", paths=paths)


def opened(place: str) -> Any:
    return intake.open_catalog(place)["c"]


def listed(*arguments: str) -> list[str]:
    return [record["uid"] for record in json.loads(succeed("ls", *arguments, "--json"))]


def ordered(place: str, uids: list[str]) -> list[str]:
    """Uids, newest first, as they are listed; FerretDB does not sort by what is inside an array."""
    return sorted(uids) if "embedded" in Path(place).read_text() else uids


# ls


def test_ls_chooses_by_metadata_time_and_origin(place: str) -> None:
    catalog, now = opened(place), time.time()
    raw = catalog.store_run({"x": [1]}, {"sample": {"name": "Cu"}, "scan_id": 5}, uid="raw-1", time=now - 3 * DAY)
    catalog.store_run({"x": [1]}, {"sample": {"name": "Fe"}, "scan_id": 6}, uid="raw-2", time=now - 2 * DAY)
    catalog.store_run({"x": [1]}, {"analysis_name": "fit"}, uid="fit-1", time=now - DAY, derived_from=raw)
    catalog.store_run({"x": [1]}, {"analysis_name": "map"}, uid="map-1", time=now, derived_from=raw)
    assert ordered(place, listed(place)) == ordered(place, ["map-1", "fit-1", "raw-2", "raw-1"])
    assert listed(place, "--where", "sample.name=Cu") == ["raw-1"]
    assert listed(place, "--where", "scan_id=6") == ["raw-2"]
    assert listed(place, "--where", "sample.name=Cu", "--where", "scan_id=6") == []
    assert ordered(place, listed(place, "--since", "60h")) == ordered(place, ["map-1", "fit-1", "raw-2"])
    assert listed(place, "--since", "60h", "--until", "36h") == ["raw-2"]
    assert ordered(place, listed(place, "--derived-from", "raw-1")) == ordered(place, ["map-1", "fit-1"])
    assert listed(place, "--derived-from", "raw-1", "--where", "analysis_name=fit") == ["fit-1"]
    assert listed(place, "--derived-from", "raw-1", "--since", "1h") == ["map-1"]
    assert len(listed(place, "--limit", "2")) == 2


def test_ls_leaves_out_probe_runs(place: str) -> None:
    catalog = opened(place)
    catalog.store_run({"x": [1]}, {PROBE: True, "sample": "Cu"}, uid="probe")
    catalog.store_run({"x": [1]}, {"sample": "Cu"}, uid="run-1")
    assert listed(place) == ["run-1"]
    assert listed(place, "--where", "sample=Cu") == ["run-1"]


def test_ls_gives_json() -> None:
    metadata = {"sample": {"name": "Cu"}, "plan_name": "scan"}
    open_directory("results").store_run({"x": [1, 2]}, metadata, uid="run-1", time=1e9)
    assert json.loads(succeed("ls", "results", "--json")) == [
        {
            "uid": "run-1",
            "time": 1e9,
            "sample": {"name": "Cu"},
            "name": "scan",
            "streams": {"primary": 2},
            "status": "success",
        }
    ]


def test_a_limit_gives_the_newest() -> None:
    catalog = open_directory("results")
    for day in (2, 1, 3):
        catalog.store_run({"x": [1]}, uid=f"day-{day}", time=1e9 + day * DAY)
    assert listed("results", "--limit", "2") == ["day-3", "day-2"]


def test_ls_says_when_it_does_not_list_all() -> None:
    open_directory("results").store_runs([{"x": [1]}] * 3)
    result = run("ls", "results", "--limit", "2")
    assert result.stdout.count("\n") == 3
    assert "newest 2" in result.stderr
    assert not run("ls", "results", "--limit", "3").stderr


def test_ls_says_when_no_run_fits() -> None:
    open_directory("results").store_run({"x": [1]})
    assert succeed("ls", "results", "--where", "sample=Au") == "no runs in results that fit\n"
    assert succeed("ls", "results", "--where", "sample=Au", "--json") == "[]\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", "yesterday"],
        ["--where", "sample"],
        ["--limit", "0"],
        ["--until", "5"],
        ["--since", "1d", "--where", "time=5"],
    ],
)
def test_ls_explains_wrong_usage(arguments: list[str]) -> None:
    open_directory("results")
    result = run("ls", "results", *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr


def test_ls_takes_dates() -> None:
    noon = time.mktime((2024, 5, 31, 12, 0, 0, 0, 0, -1))
    open_directory("results").store_run({"x": [1]}, uid="run-1", time=noon)
    assert listed("results", "--since", "2024-05-31", "--until", "2024-06-01") == ["run-1"]
    assert listed("results", "--since", "2024-05-31 12:01") == []


def test_ls_looks_into_catalogs_of_databrokers_own_drivers() -> None:
    catalog = open_directory("results")
    catalog.store_run({"x": [1]}, uid="fit-1", derived_from=catalog.store_run({"x": [1]}, uid="raw-1"))
    write_catalog("stock.yml", "bluesky-msgpack-catalog", paths=["{{ CATALOG_DIR }}/results/*.msgpack"])
    assert listed("stock.yml", "--derived-from", "raw-1") == ["fit-1"]


def test_ls_counts_the_points_of_a_spectrum() -> None:
    open_directory("results").store_run({"mu": numpy.zeros(192)}, uid="spectrum", one_event=True)
    assert json.loads(succeed("ls", "results", "--json"))[0]["streams"] == {"primary": 192}
    assert succeed("ls", "results").splitlines()[1].split()[-2:] == ["192", "success"]


def test_ls_shows_tags_and_retractions() -> None:
    catalog = open_directory("results")
    catalog.store_runs([{"x": [1]}] * 2)
    assert "tags" not in succeed("ls", "results")
    tagged, wrong = catalog
    catalog.annotate(tagged, tags=["bad-frames", "night"])
    catalog.retract(wrong, reason="wrong edge")
    assert "bad-frames, night" in succeed("ls", "results")
    assert listed("results", "--tag", "night") == [tagged]
    assert listed("results", "--status", "retracted") == [wrong]
    assert listed("results", "--status", "success") == [tagged]
    assert "'nihgt'" in fail("ls", "results", "--tag", "nihgt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "2024-06-02", "--until", "2024-06-01"], "since, 2024-06-02 00:00:00, is after until"),
        (["--derived-from", "no-such-run"], "--derived-from names the run 'no-such-run'"),
    ],
)
def test_ls_refuses_what_contradicts_itself_or_is_unknown(arguments: list[str], message: str) -> None:
    open_directory("results").store_run({"x": [1]})
    assert message in fail("ls", "results", *arguments)


# show


def stored_spectrum() -> None:
    energy = numpy.linspace(0, 10, 200)
    dataset = xarray.Dataset(
        {"label": "Cu", "mu": ("energy", numpy.sin(energy), {"units": "1/cm"}), "map": (("a", "b"), numpy.eye(4))},
        coords={"energy": ("energy", energy, {"units": "eV"})},
    )
    open_directory("results").store_run(dataset, one_event=True)


def test_show_plots_a_column_as_text() -> None:
    stored_spectrum()
    lines = succeed("show", "results", "-1", "--column", "mu").splitlines()
    first = lines.index("mu (1/cm) against energy (eV)")
    plot = lines[first + 1 :]
    assert plot[0].startswith(" 0.99992 |") or plot[0].startswith("0.99992 |")
    assert plot[-1].split() == ["0", "10"]
    assert sum("*" in line for line in plot) == 12
    assert all(len(line) < 80 for line in plot)


@pytest.mark.parametrize(
    "values", [[1.0, 1.0, 1.0], [2.5], [1.0, float("nan"), 3.0], [float("inf"), 1.0], [-1e308, 1e308]]
)
def test_odd_columns_are_plotted_too(values: list[float]) -> None:
    open_directory("results").store_run({"y": values})
    assert "*" in succeed("show", "results", "-1", "--column", "y")


def test_a_column_without_finite_values_is_told() -> None:
    open_directory("results").store_run({"y": [float("nan")]})
    assert "y: no finite values" in succeed("show", "results", "-1", "--column", "y")


def test_show_plots_runs_of_bluesky(place: str) -> None:
    opened(place).store_run(example_runs.small_documents(uid="plain"))
    assert "x against number of the Event" in succeed("show", place, "plain", "--column", "x")


def test_show_draws_into_a_file() -> None:
    pytest.importorskip("matplotlib")
    stored_spectrum()
    for number, arguments in enumerate([["--column", "mu"], ["--column", "map"], []]):
        succeed("show", "results", "-1", "--plot", f"{number}.png", *arguments)
        assert Path(f"{number}.png").read_bytes().startswith(b"\x89PNG")


def test_show_says_what_it_wrote_and_replaces_nothing() -> None:
    pytest.importorskip("matplotlib")
    stored_spectrum()
    assert succeed("show", "results", "-1", "--plot", "mu.png").endswith("\nwrote mu.png\n")
    Path("mu.png").write_text("mine")
    for command in (["show", "results", "-1", "--plot", "mu.png"], ["lineage", "results", "-1", "--plot", "mu.png"]):
        result = run(*command)
        assert result.exit_code == 1
        assert "'mu.png' exists already" in result.stderr
    assert Path("mu.png").read_text() == "mine"
    result = run("show", "results", "-1", "--plot", "other.png", "--json")
    assert json.loads(result.stdout)
    assert result.stderr == "wrote other.png\n"


def test_show_plots_against_a_column_and_a_row_of_an_image() -> None:
    stored_spectrum()
    assert "mu (1/cm) against energy (eV)" in succeed("show", "results", "-1", "--column", "mu", "--x", "energy")
    assert "map against b" in succeed("show", "results", "-1", "--column", "map", "--frame", "-1")
    assert run("show", "results", "-1", "--frame", "1").exit_code == 2
    message = fail("show", "results", "-1", "--column", "map")
    assert message.endswith("cannot be drawn as text; use --plot FILE.png, or choose a row with --frame\n")
    times = numpy.array(["2024-05-31T12:00:00", "2024-05-31T13:00:00"], dtype="datetime64[ns]")
    open_directory("results").store_run({"when": times, "y": [1, 2]}, uid="timed")
    lines = succeed("show", "results", "timed", "--column", "y", "--x", "when").splitlines()
    assert lines[-1].split() == ["2024-05-31", "12:00:00", "2024-05-31", "13:00:00"]


def test_show_reads_columns_from_files_of_arrays() -> None:
    open_directory("results").store_run({"img": numpy.arange(12.0)}, one_event=True, asset_threshold=0)
    assert "img against" in succeed("show", "results", "-1", "--column", "img")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--column", "nu"], "there is no column 'nu'; the run has label, mu, map"),
        (["--column", "label"], "cannot be plotted"),
        (["--column", "map"], "--plot FILE.png"),
        (["--column", "mu", "--stream", "baseline"], "there is no stream 'baseline'; the run has primary"),
        (["--column", "mu", "--plot", "x.nonsense"], "nonsense"),
    ],
)
def test_show_explains_what_it_cannot_plot(arguments: list[str], message: str) -> None:
    stored_spectrum()
    result = run("show", "results", "-1", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def shown_stream(uid: str) -> list[list[str]]:
    """The cells of what `show` prints of a stream, without its name."""
    text = succeed("show", "results", uid).partition("\nstream ")[2]
    return [line.split() for line in text.splitlines()[1:] if line]


def test_show_gives_the_coordinates_of_a_table_that_is_one_event() -> None:
    energy = numpy.linspace(8900.0, 9100.0, 192)
    dataset = xarray.Dataset({"mu": ("energy", energy / 3)}, coords={"energy": ("energy", energy, {"units": "eV"})})
    open_directory("results").store_run(dataset, one_event=True, uid="spectrum")
    columns, mu, coordinate, names, values = shown_stream("spectrum")
    assert columns == ["column", "dtype", "shape", "units"]
    assert mu == ["mu", "float64", "192"]
    assert coordinate == ["energy", "float64", "192", "eV", "coordinate"]
    assert names == ["mu", "energy"]
    assert " ".join(values) == "[2966.67 2967.02 ... 3032.98 3033.33] [8900. 8901.05 ... 9098.95 9100. ]"


def test_show_gives_times_as_times() -> None:
    times = numpy.array(["2024-05-31T14:30", "2024-06-01T00:00:00.25", "NaT"], dtype="datetime64[ns]")
    delays = numpy.array([1500, 0, 60000], dtype="timedelta64[ms]")
    open_directory("results").store_run({"t": times, "delay": delays}, uid="times")
    lines = shown_stream("times")
    assert lines[1][:3] == ["t", "datetime64[ns]", "scalar"]
    assert lines[3:] == [
        ["t", "delay"],
        ["2024-05-31", "14:30", "0", "days", "00:00:01.500000"],
        ["2024-06-01", "00:00:00.250", "0", "days", "00:00:00"],
        ["NaT", "0", "days", "00:01:00"],
    ]


MISSING = {
    "boolean": (pandas.array([True, None], "boolean"), ["true", "null"], "[True None]"),
    "Int64": (pandas.array([1, None], "Int64"), ["1", "null"], "[1 None]"),
    "Float64": (pandas.array([0.5, None], "Float64"), ["0.5", "null"], "[0.5 None]"),
    "string": (pandas.array(["a", None], "string"), ["a", "null"], "['a' None]"),
    "category": (pandas.Categorical(["a", None]), ["a", "null"], "['a' None]"),
    "period": (pandas.array(["2024-01", None], "period[M]"), ["2024-01", "NaT"], "[Period('2024-01', 'M') None]"),
    "interval": (pandas.arrays.IntervalArray.from_tuples([(0, 1), None]), ["(0.0, 1.0]", "null"], "[Interval(0.0"),
    "bools": ([True, None], ["true", "null"], "[True None]"),
    "text": (["a", None], ["a", "null"], "['a' None]"),
    "floats": ([0.5, numpy.nan], ["0.5", "nan"], "[0.5 nan]"),
}


@pytest.mark.parametrize(("values", "rows", "array"), MISSING.values(), ids=MISSING)
def test_show_gives_missing_values_as_such(values: Any, rows: list[str], array: str) -> None:
    catalog = open_directory("results")
    catalog.store_run({"x": values})
    said = succeed("show", "results", "-1")
    assert "cannot be read" not in said
    assert [line.strip() for line in said.splitlines()[-2:]] == rows
    catalog.store_run({"x": values}, one_event=True)
    assert succeed("show", "results", "-1").splitlines()[-1].strip().startswith(array)


def test_show_gives_the_first_values_of_assets() -> None:
    images = numpy.arange(24, dtype="uint16").reshape(2, 3, 4)
    catalog = open_directory("results")
    catalog.store_run({"img": images, "x": [1, 2]}, asset_threshold=1, uid="images")
    lines = shown_stream("images")
    assert lines[1] == ["img", "uint16", "3", "x", "4"]
    assert [" ".join(line) for line in lines[-2:]] == ["0 1 2 … (in a file) 1", "12 13 14 … (in a file) 2"]


def test_show_gives_the_rest_of_a_run_whose_asset_is_gone() -> None:
    open_directory("results").store_run({"img": numpy.ones((2, 3, 4)), "x": [1, 2]}, asset_threshold=1, uid="images")
    for path in Path("results/assets").rglob("*.h5"):
        path.unlink()
    lines = shown_stream("images")
    assert ["in", "a", "file", "2"] in lines
    assert "cannot be read" in " ".join(lines[-1])


def test_show_gives_json() -> None:
    open_directory("results").store_run({"x": [1, 2], "y": [0.5, float("nan")]}, {"sample": "Cu"}, uid="run-1")
    shown = json.loads(succeed("show", "results", "-1", "--json"))
    assert shown["start"]["sample"] == "Cu"
    assert shown["stop"]["exit_status"] == "success"
    primary = shown["streams"]["primary"]
    assert primary["events"] == 2
    assert primary["columns"]["x"]["dtype"] == "integer"
    assert primary["first_rows"] == [{"x": 1, "y": 0.5}, {"x": 2, "y": None}]


def test_the_latest_run_is_no_probe_run(place: str) -> None:
    catalog = opened(place)
    catalog.store_run({"x": [1]}, uid="run-1", time=1e9)
    catalog.store_run({"x": [1]}, {PROBE: True}, uid="probe", time=2e9)
    assert succeed("show", place, "-1").startswith("uid: run-1\n")
    assert "only contains 1 run" in fail("show", place, "-2")


@pytest.mark.parametrize(("command", "hint"), [("show", "; --column mu chooses what is drawn"), ("lineage", "")])
def test_the_name_of_a_column_is_no_picture(command: str, hint: str) -> None:
    stored_spectrum()
    result = run(command, "results", "-1", "--plot", "mu")
    assert result.exit_code == 2
    assert f"'mu' has no suffix that gives the format; name a file, such as mu.png{hint}\n" in result.stderr
    assert not Path("mu").exists()


@pytest.mark.parametrize("command", ["show", "lineage"])
@pytest.mark.parametrize(("path", "message"), [("file/x.png", "Not a directory"), ("x.foo", "'foo' is not supported")])
def test_a_picture_that_cannot_be_written_is_an_error(command: str, path: str, message: str) -> None:
    open_directory("results").store_run({"x": [1, 2]})
    Path("file").touch()
    result = run(command, "results", "-1", "--plot", path)
    assert result.exit_code == 1
    assert f"the picture '{path}' cannot be written: " in result.stderr
    assert message in result.stderr
    assert path != "x.foo" or " png," in result.stderr
    assert "--traceback" not in result.stderr


@pytest.mark.parametrize("command", ["show", "lineage"])
def test_directories_are_made_for_a_picture_as_for_an_export(command: str) -> None:
    open_directory("results").store_run({"x": [1, 2]})
    succeed(command, "results", "-1", "--plot", "new/of-today/x.png")
    assert Path("new/of-today/x.png").read_bytes().startswith(b"\x89PNG")


def test_long_work_shows_progress_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    xarray.Dataset({"img": (("y", "x"), numpy.ones((400, 400)))}).to_netcdf("large.nc", engine="h5netcdf")
    Path("small.csv").write_text("x\n1\n")
    commands = [["store", "large.nc", "--to", "a", "--one-event"], ["copy", "a", "b"], ["check", "b"]]
    assert [run(*command).stderr for command in commands] == ["", "", ""]
    monkeypatch.setattr(click.testing._NamedTextIOWrapper, "isatty", lambda self: True)
    shown = [run(*command).stderr for command in (commands[0], ["copy", "a", "c"], ["check", "c"])]
    assert ["1.28M/1.28M" in shown[0], "2/2" in shown[1], "file/s" in shown[2]] == [True, True, True]
    assert run("store", "small.csv", "--to", "a").stderr == ""


# lineage


def test_a_catalog_that_lineage_cannot_ask_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("share/intake").mkdir(parents=True)
    write_mongo_catalog("share/intake/gone.yml", "mongo-normalized", unreachable_uri())
    monkeypatch.setattr(databroker, "catalog", intake.open_catalog("share/intake/gone.yml"))
    raw = open_directory("raw", name="gone").store_run({"x": [1]}, uid="raw-1")
    open_directory("results").store_run({"x": [1]}, uid="fit-1", derived_from=raw)
    result = run("lineage", "results", "fit-1")
    assert result.exit_code == 0, result.output
    assert result.stdout == "╙── raw-1  not reached\n    └─╼ fit-1\n"
    assert result.stderr.startswith("Warning: the catalog 'gone'")
    assert result.stderr.count("\n") == 1
    assert PASSWORD not in result.stderr


@pytest.mark.parametrize("options", [[], ["--downstream"]])
def test_lineage_takes_the_uid_of_an_input_in_another_catalog_and_says_why_it_is_not_reached(
    options: list[str],
) -> None:
    raw = open_directory("raw").store_run({"x": [1]}, uid="raw-1")
    open_directory("results").store_run({"x": [1]}, uid="fit-1", derived_from=raw)
    result = run("lineage", "results", "raw-1", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout == "╙── raw-1  not reached\n    └─╼ fit-1\n"
    assert result.stderr == (
        "Not reached: raw-1: databroker knows no catalog 'raw'; databroker-writable deploy adds a YAML file with it\n"
    )


def test_lineage_says_that_a_run_is_not_where_others_say() -> None:
    open_directory("away", name="results").store_run({"x": [1]}, uid="raw-1")
    catalog = open_directory("results")
    sources = ["0" * 8 + "-0000-0000-0000-" + "0" * 12, open_directory("away", name="results")["raw-1"]]
    with pytest.warns(StoreWarning):
        catalog.store_run({"x": [1]}, uid="fit-1", derived_from=sources)
    said = run("lineage", "results", "fit-1").stderr.splitlines()
    assert sorted(said) == [
        "Not reached: 00000000: the catalog 'results' does not have it, and no run says which other catalog does",
        "Not reached: raw-1: the catalog 'results' does not have it: it was deleted, or is in another catalog of this "
        "name",
    ]


def test_lineage_of_a_run_without_results_names_the_catalog_to_ask() -> None:
    raw, results = open_directory("raw"), open_directory("results")
    raw.store_run({"x": [1]}, metadata={"scan_id": 18}, uid="raw-1")
    results.store_run({"x": [1]}, uid="fit-1", derived_from=raw["raw-1"])
    alone = run("lineage", "raw", "18")
    assert alone.stdout == "╙── raw-1\n"
    assert alone.stderr == (
        "No run of raw was made from it. Results are found in the catalog that has them: databroker-writable lineage "
        "RESULTS raw-1\n"
    )
    assert "fit-1" in succeed("lineage", "results", "raw-1")
    assert "No run" not in run("lineage", "results", "fit-1").stderr
    assert "No run" in run("lineage", "results", "fit-1", "--downstream").stderr


def test_lineage_of_an_unknown_uid_names_what_lists_the_runs() -> None:
    open_directory("results").store_run({"x": [1]}, uid="fit-1")
    result = run("lineage", "results", "raw-1")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: there is no run 'raw-1' in results, and no run that was made from it; databroker-writable ls results "
        "lists them\n"
    )


def stored_family(place: str) -> None:
    catalog = opened(place)
    raw = catalog.store_run({"x": [1]}, {"plan_name": "scan", "sample": "Cu"}, uid="raw-1")
    first = catalog.store_run({"x": [1]}, {"analysis_name": "fit"}, uid="fit-1", derived_from=raw)
    catalog.store_run({"x": [1]}, uid="fit-2", derived_from=raw, supersedes=first)


@pytest.mark.parametrize("uid", ["raw-1", "fit-1", "fit-2"])
def test_lineage_gives_a_tree(place: str, uid: str) -> None:
    stored_family(place)
    lines = succeed("lineage", place, uid).splitlines()
    assert lines == [
        "╙── raw-1  scan Cu",
        "    ├─╼ fit-1  fit",
        "    │   └─╼ fit-2  (supersedes fit-1) ╾ raw-1  scan Cu",
        "    └─╼  ...",
    ]


def test_lineage_gives_mermaid_and_a_picture(place: str) -> None:
    pytest.importorskip("matplotlib")
    stored_family(place)
    text = succeed("lineage", place, "-1", "--mermaid", "--plot", "tree.png")
    assert text.startswith("flowchart LR\n")
    assert re.search(r"n\d -\.->\|superseded by\| n\d", text)
    assert Path("tree.png").read_bytes().startswith(b"\x89PNG")


def test_lineage_lets_no_control_characters_through() -> None:
    open_directory("results").store_run({"x": [1]}, {"sample": "a\x1b[31mb"}, uid="run-1")
    assert "\x1b" not in succeed("lineage", "results", "run-1")


def test_lineage_of_a_run_that_is_not_there_is_an_error() -> None:
    open_directory("results")
    assert "there is no run 'nope'" in fail("lineage", "results", "nope")


@pytest.mark.parametrize("arguments", [["ls"], ["show", "-1"], ["lineage", "-1"], ["check"]])
def test_a_server_that_is_gone_is_told_in_one_line_without_the_password(arguments: list[str]) -> None:
    write_mongo_catalog("m.yml", "mongo-normalized", unreachable_uri())
    message = fail(arguments[0], "m.yml", *arguments[1:])
    assert PASSWORD not in message
    assert message.count("\n") == 1


def test_a_directory_of_jsonl_is_read() -> None:
    catalog = WritableJSONLCatalog([str(Path("lines").absolute() / "*.jsonl")], name="lines")
    catalog.store_run({"x": [1]}, {"sample": "Cu"}, uid="line-1")
    assert "line-1" in succeed("ls", "lines")
    assert "sample: Cu" in succeed("show", "./lines", "line-1")
    assert "1 run, " in succeed("check", "lines")
    assert succeed("copy", "lines", "copies").startswith("1 copied")
    assert "line-1" in succeed("ls", "copies")
    Path("table.csv").write_text("x\n1\n")
    succeed("store", "table.csv", "--to", "lines")
    assert len(list(Path("lines").glob("*.jsonl"))) == 2


def test_run_files_of_another_kind_are_not_left_out_in_silence() -> None:
    for cls, suffix in ((WritableJSONLCatalog, "jsonl"), (WritableMsgpackCatalog, "msgpack")):
        cls([str(Path("both").absolute() / f"*.{suffix}")]).store_run({"x": [1]}, uid=f"in-{suffix}")
    for command in ("ls", "check"):
        result = run(command, "both")
        assert result.exit_code == 0
        assert "Warning: the JSONL files in" in result.stderr
    assert "in-msgpa " in run("ls", "both").stdout


def test_the_home_directory_can_be_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "table.csv").write_text("x\n1\n2\n")
    succeed("store", "~/table.csv", "--to", "~/results")
    assert len(list((home / "results").glob("*.msgpack"))) == 1
    write_catalog(str(home / "mine.yml"), "writable-msgpack-catalog", paths=[str(home / "results/*.msgpack")])
    for place in ("~/results", "~/mine.yml", "~/mine.yml:mine"):
        assert len(succeed("ls", place).splitlines()) == 2
        succeed("show", place, "-1", "--column", "x", "--plot", "~/x.png")
        assert "1 run, " in succeed("check", place)
        (home / "x.png").unlink()
    assert not Path("~").exists()


def test_an_image_of_a_stack_is_not_told_to_be_chosen_again() -> None:
    images = xarray.Dataset({"img": (("t", "y", "x"), numpy.ones((2, 3, 4)))})
    open_directory("results").store_run(images, one_event=True)
    for options, frame in ((["--frame", "1"], 1), ([], 0)):
        message = fail("show", "results", "-1", "--column", "img", *options)
        assert message == (
            f"Error: frame {frame} of 2 of the column 'img' has the shape (3, 4), which cannot be drawn as text; use "
            "--plot FILE.png\n"
        )
