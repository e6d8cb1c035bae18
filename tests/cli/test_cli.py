"""The command line: ``store``, ``ls`` and ``show``."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import databroker
import numpy
import pandas
import pytest
import xarray
from click.testing import CliRunner

import databroker_writable
from databroker_writable.cli import main
from databroker_writable.cli.parsing import parse_value
from databroker_writable.errors import FULL_TRACEBACK
from databroker_writable.results.run_uids import unambiguous_length
from support import new_process, warm_python
from support.command_line import PASSWORD, fail, run, succeed

EXAMPLE = Path(__file__).parents[2] / "examples" / "cu_foil_xanes.csv"

YAML = """
sources:
  {name}:
    driver: {driver}
    args:
      paths: ["{{{{ CATALOG_DIR }}}}/{name}/*.msgpack"]
"""

MONGO_YAML = """
sources:
  mongo:
    driver: writable-mongo-embedded-catalog
    args: {datastore_db: "{{ env(SOME_URI) }}"}
"""


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def table() -> str:
    """A small CSV file."""
    return write_csv("x,y,label\n1,0.5,a\n2,1.5,b\n3,2.5,c\n")


def write_csv(text: str, name: str = "table.csv") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def write_yaml(path: str, *names: str, driver: str = "writable-msgpack-catalog") -> str:
    entries = [YAML.format(name=name, driver=driver).replace("\nsources:\n", "") for name in names]
    Path(path).write_text("sources:\n" + "".join(entries), encoding="utf-8")
    return path


def stored_uid(output: str) -> str:
    (uid,) = re.findall(r"^stored (\S+); ", output)
    return uid


def only_run(directory: str = "results") -> Any:
    catalog = databroker_writable.open_directory(directory)
    (uid,) = catalog
    return catalog[uid]


# store: what is stored


def test_the_example_comes_back_equal_in_a_new_process(tmp_path: Path) -> None:
    stored = subprocess.run(
        [warm_python.command(), "store", str(EXAMPLE), "--to", "results", "--metadata", "sample=Cu"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert stored.stdout.count("\n") == 1
    read = "import databroker_writable, sys; dataset = {}; dataset.to_dataframe().to_csv('back.csv')"
    expression = stored.stdout.strip().partition("read it in Python: ")[2]
    new_process.output_of(read.format(expression))
    expected = pandas.read_csv(EXAMPLE)
    pandas.testing.assert_frame_equal(pandas.read_csv("back.csv")[list(expected)], expected)


@pytest.mark.parametrize("stream", ["primary", "fits"])
def test_a_table_that_databroker_reads_slowly_is_read_as_the_warning_says(stream: str) -> None:
    pandas.DataFrame({f"c{i}": range(100) for i in range(100)}).to_csv("wide.csv", index=False)
    result = run("store", "wide.csv", "--to", "results", "--stream", stream)
    assert "databroker_writable.to_dataset(run), which is fast" in result.stderr
    expression = result.stdout.strip().partition("read it in Python: ")[2]
    assert expression.startswith("databroker_writable.to_dataset(")
    assert eval(expression).sizes == {"row": 100}


def test_columns_of_csv_have_the_types_that_pandas_infers(table: str) -> None:
    succeed("store", table, "--to", "results")
    frame = databroker_writable.to_dataset(only_run()).to_dataframe()
    pandas.testing.assert_frame_equal(frame, pandas.read_csv(table))


@pytest.mark.parametrize("large", [2**53 + 1, 5])
def test_integers_beside_missing_ones_in_the_index_of_parquet_stay_integers(large: int) -> None:
    pytest.importorskip("pyarrow")
    index = pandas.Index([large, None], dtype="Int64", name="k")
    pandas.DataFrame({"x": [1, 2]}, index=index).to_parquet("table.parquet")
    succeed("store", "table.parquet", "--to", "results")
    found = databroker_writable.to_dataset(only_run()).to_dataframe().index
    assert (found.name, found[0], pandas.isna(found[1])) == ("k", large, True)
    assert not isinstance(found[0], float)


@pytest.mark.parametrize("large", [2**53 + 1, 5])
def test_integers_beside_missing_ones_in_lists_of_parquet_stay_integers(large: int) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"x": [[large, None], [2, 3]], "nested": [[[1, large]], [[None, 3]]], "whole": [[1, 2], [3, large]]}
    parquet.write_table(pytest.importorskip("pyarrow").table(columns), "table.parquet")
    succeed("store", "table.parquet", "--to", "results")
    back = databroker_writable.to_dataset(only_run())
    assert {name: back[name].values.tolist() for name in back} == columns
    assert [type(value) for name in back for value in back[name].values.flat].count(float) == 0


@pytest.mark.parametrize("large", [2**53 + 1, 5])
def test_integers_beside_missing_ones_in_lists_of_unequal_length_are_not_rounded(large: int) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pytest.importorskip("pyarrow").table({"x": [[large, None], [2]]}), "table.parquet")
    if large > 2**53:
        assert "lists or arrays of different lengths (1, 2)" in fail("store", "table.parquet", "--to", "results")
    else:
        succeed("store", "table.parquet", "--to", "results")
        numpy.testing.assert_equal(
            databroker_writable.to_dataset(only_run())["x"].values, [[large, numpy.nan], [2, numpy.nan]]
        )


def test_parquet_with_two_columns_of_a_name_is_refused() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table([[1], [2], [3]], names=["x", "y", "x"])
    parquet.write_table(table, "table.parquet")
    said = fail("store", "table.parquet", "--to", "results")
    assert "'table.parquet' cannot be read as Parquet: it has columns of the same name (x); rename them" in said


def test_parquet_comes_back_equal() -> None:
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"q": [0.1, 0.2], "when": pandas.to_datetime(["2024-01-01", "2024-01-02"])})
    frame.to_parquet("table.parquet")
    succeed("store", "table.parquet", "--to", "results")
    back = databroker_writable.to_dataset(only_run()).to_dataframe()
    pandas.testing.assert_frame_equal(back, pandas.read_parquet("table.parquet"))


def stored_last() -> Any:
    return databroker_writable.to_dataset(databroker_writable.open_directory("results")[-1])


@pytest.mark.parametrize("large", [2**53 + 1, 1700000000000000001, -(2**60) - 1, 7])
def test_integers_with_gaps_stay_integers(large: int) -> None:
    pytest.importorskip("pyarrow")
    pyarrow = pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"id": pandas.array([large, None, 3], dtype="Int64"), "flag": [True, None, False]})
    frame["flag"] = frame["flag"].astype("boolean")
    frame.to_csv("table.csv", index=False)
    pytest.importorskip("pyarrow.parquet").write_table(
        pyarrow.Table.from_pandas(frame).replace_schema_metadata(None), "table.parquet"
    )
    for name in ("table.csv", "table.parquet"):
        succeed("store", name, "--to", "results", "--one-event")
        back = stored_last()
        assert int(back["id"].values[0]) == large
        assert back["flag"].dtype == "boolean"
        assert back["id"].dtype == ("Int64" if large == 7 else object)


def test_floats_of_csv_are_those_of_the_text() -> None:
    values = numpy.random.default_rng(1).random(2000)
    pandas.DataFrame({"x": values}).to_csv("table.csv", index=False)
    succeed("store", "table.csv", "--to", "results", "--one-event")
    numpy.testing.assert_array_equal(stored_last()["x"].values, values)


def test_groups_of_netcdf_are_stored_by_name_and_none_is_left_out_in_silence() -> None:
    pytest.importorskip("h5netcdf")
    root, fit = xarray.Dataset({"a": ("x", [1.0])}, {"x": [5.0]}), xarray.Dataset({"b": ("x", [2.0])})
    xarray.DataTree.from_dict({"/": root, "/fit": fit, "/deep/er": fit}).to_netcdf("tree.nc", engine="h5netcdf")
    fit.to_netcdf("group.nc", group="posterior", engine="h5netcdf")
    assert "--group: /, fit, deep/er" in fail("store", "tree.nc", "--to", "results")
    assert "--group: posterior" in fail("store", "group.nc", "--to", "results")
    assert "no data in a group 'nope'" in fail("store", "tree.nc", "--to", "results", "--group", "nope")
    for name, group, stored in (
        ("tree.nc", "/", root),
        ("tree.nc", "fit", fit.assign_coords(x=[5.0])),
        ("tree.nc", "/deep/er", fit.assign_coords(x=[5.0])),
        ("group.nc", "posterior", fit),
    ):
        succeed("store", name, "--to", "results", "--one-event", "--group", group)
        xarray.testing.assert_identical(stored_last().drop_attrs(), stored)
    Path("table.csv").write_text("x\n1\n")
    assert run("store", "table.csv", "--to", "results", "--group", "fit").exit_code == 2


def test_netcdf_comes_back_identical_with_dims_and_units() -> None:
    pytest.importorskip("h5netcdf")
    dataset = xarray.Dataset(
        {"intensity": (("q", "angle"), numpy.arange(6.0).reshape(3, 2), {"units": "1/cm"})},
        coords={"q": ("q", [0.1, 0.2, 0.3], {"units": "1/angstrom"})},
    )
    dataset.to_netcdf("map.nc", engine="h5netcdf")
    succeed("store", "map.nc", "--to", "results", "--one-event")
    back = databroker_writable.to_dataset(only_run())
    xarray.testing.assert_identical(back, xarray.load_dataset("map.nc", engine="h5netcdf"))


def test_one_event_stores_the_table_as_arrays(table: str) -> None:
    succeed("store", table, "--to", "results", "--one-event")
    assert only_run().metadata["stop"]["num_events"] == {"primary": 1}
    assert only_run().primary.read().x.values.tolist() == [[1, 2, 3]]


def test_a_warning_of_an_unknown_input_does_not_speak_of_another_option(table: str) -> None:
    result = run("store", table, "--to", "results", "--derived-from", "nope")
    assert "--derived-from names the run 'nope'" in result.stderr
    assert "--one-event" not in result.stderr


def test_many_rows_are_stored_with_a_warning_that_names_the_option() -> None:
    write_csv("x\n" + "1\n" * 9000)
    result = run("store", "table.csv", "--to", "results")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: ")
    assert "with one_event=True (--one-event)" in result.stderr
    assert only_run().metadata["stop"]["num_events"] == {"primary": 9000}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Cu", "Cu"),
        ("8979", 8979),
        ("1.5e3", 1500.0),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        ('"29"', "29"),
        ("", ""),
        ("True", "True"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("1e400", "1e400"),
        ("[1, -2e999]", "[1, -2e999]"),
        ("1e300", 1e300),
        ("a=b", "a=b"),
        ("[1, 2", "[1, 2"),
        ("007", "007"),
    ],
)
def test_values_of_metadata_are_json_or_text(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_metadata_go_into_the_start_document(table: str) -> None:
    pairs = ("--metadata", "sample=Cu", "--metadata", "e0=8979", "--metadata", "note=a=b")
    succeed("store", table, "--to", "results", *pairs)
    start = only_run().metadata["start"]
    assert (start["sample"], start["e0"], start["note"]) == ("Cu", 8979, "a=b")


@pytest.mark.parametrize("pairs", [["sample"], ["=Cu"], ["a=1", "a=2"]])
def test_metadata_that_are_no_pairs_are_a_usage_error(table: str, pairs: list[str]) -> None:
    result = run("store", table, "--to", "results", *(word for pair in pairs for word in ("--metadata", pair)))
    assert result.exit_code == 2
    assert repr(pairs[0].partition("=")[0]) in result.stderr or repr(pairs[0]) in result.stderr
    assert not os.path.exists("results")


# store: where to


def test_a_yaml_file_of_one_entry_names_its_catalog(table: str) -> None:
    path = write_yaml("one.yml", "mine")
    output = succeed("store", table, "--to", path)
    assert f"intake.open_catalog('one.yml')['mine']['{stored_uid(output)}']" in output
    assert only_run("mine").primary.read().x.values.tolist() == [1, 2, 3]


def test_an_entry_of_a_yaml_file_is_named_after_a_colon(table: str) -> None:
    write_yaml("two.yml", "first", "second")
    succeed("store", table, "--to", "two.yml:second")
    assert stored_uid(succeed("store", table, "--to", "two.yml:second")) in succeed("show", "two.yml:second", "-1")
    assert not os.path.exists("first")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: {}\n", "a.yml has no catalogs; it needs 'sources:' with NAME: {driver: ..., args: ...}"),
        ("sources: {a: [\n", "a.yml is not valid YAML: "),
    ],
)
def test_a_yaml_file_without_catalogs_is_named(text: str, message: str) -> None:
    Path("a.yml").write_text(text, encoding="utf-8")
    assert message in fail("ls", "a.yml")


@pytest.mark.parametrize("name", ["two.yml", "two.yml:third"])
def test_a_yaml_file_of_several_entries_asks_which(table: str, name: str) -> None:
    write_yaml("two.yml", "first", "second")
    assert "two.yml:first, two.yml:second" in fail("store", table, "--to", name)


def test_a_name_of_databrokers_is_that_catalog_unless_a_directory_has_it_too(tmp_path: Path) -> None:
    share = tmp_path / "share" / "intake"
    share.mkdir(parents=True)
    write_yaml(str(share / "found.yml"), "registered")
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "share")}

    def store() -> subprocess.CompletedProcess[str]:
        arguments = [warm_python.command(), "store", str(EXAMPLE), "--to", "registered"]
        return subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=120)

    assert "databroker.catalog['registered']" in store().stdout
    assert len(list(share.glob("registered/*.msgpack"))) == 1
    os.mkdir("registered")
    ambiguous = store()
    assert ambiguous.returncode == 1
    assert "write ./registered for the directory" in ambiguous.stderr


def test_a_driver_that_takes_no_runs_is_refused(table: str) -> None:
    path = write_yaml("stock.yml", "raw", driver="bluesky-msgpack-catalog")
    assert "cannot store runs" in fail("store", table, "--to", path)
    assert not os.path.exists("raw")


def test_an_entry_that_is_no_catalog_of_runs_is_refused() -> None:
    Path("csv.yml").write_text("sources:\n  t:\n    driver: csv\n    args: {urlpath: t.csv}\n")
    assert "not a catalog of runs" in fail("ls", "csv.yml")


def test_a_driver_that_is_not_installed_is_named() -> None:
    path = write_yaml("other.yml", "mine", driver="no-such-driver")
    assert "no-such-driver" in fail("ls", path)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_URI", raising=False)
    Path("mongo.yml").write_text(MONGO_YAML.replace("SOME_URI", "NO_SUCH_URI"))
    assert "NO_SUCH_URI" in fail("ls", "mongo.yml")


def test_a_directory_that_cannot_be_made_is_an_error(table: str) -> None:
    Path("taken").write_text("a file")
    assert "taken" in fail("store", table, "--to", "taken/results")


# store: what cannot be read


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ragged.csv", "x,y\n1,2\n3,4,5\n", "cannot be read as CSV"),
        ("wide.csv", "x,y\n0,2,3\n1,5,6\n", "more values than its first line has names"),
        ("empty.csv", "", "cannot be read as CSV"),
        ("no_rows.csv", "x,y\n", "no rows"),
        ("broken.parquet", "no parquet", "cannot be read as Parquet"),
        ("broken.nc", "no netCDF", "cannot be read as netCDF-4"),
        ("table.xls", "", "suffixes .csv, .tsv, .dat, .txt, .xdi, .parquet, .xlsx, .nc"),
    ],
)
def test_a_file_that_cannot_be_stored_is_an_error(name: str, content: str, message: str) -> None:
    assert message in fail("store", write_csv(content, name), "--to", "results")
    assert not list(Path().rglob("*.msgpack"))


def test_csv_in_another_encoding_is_an_error() -> None:
    Path("latin.csv").write_bytes("länge\n1\n".encode("latin-1"))
    assert "cannot be read as CSV" in fail("store", "latin.csv", "--to", "results")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_is_not_there_is_an_error_and_makes_nothing(name: str) -> None:
    assert f"no file {name!r}" in fail("store", name, "--to", "results")
    assert not os.path.exists("results")


@pytest.mark.parametrize(("name", "package"), [("t.parquet", "pyarrow"), ("t.nc", "h5netcdf")])
def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None)
    message = fail("store", write_csv("", name), "--to", "results")
    assert package in message
    assert "databroker-writable[files]" in message


# ls


def test_ls_lists_runs_newest_first() -> None:
    catalog = databroker_writable.open_directory("results")
    catalog.store_run({"x": [1, 2]}, {"sample": "Cu", "plan_name": "scan"}, uid="older-run", time=1e9)
    with catalog.run_builder(
        {"sample": {"name": "Fe"}, "analysis_name": "fit"}, uid="newer-run", time=1.1e9
    ) as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_stream("baseline", data={"a": [1, 1]})
    header, newer, older = (re.split(r"  +", line) for line in succeed("ls", "results").splitlines())
    assert header == ["uid", "time", "sample", "name", "streams", "rows", "status"]
    assert [newer[0], *newer[2:]] == ["newer-ru", '{"name": "Fe"}', "fit", "primary, baseline", "3, 2", "success"]
    assert [older[0], *older[2:]] == ["older-ru", "Cu", "scan", "primary", "2", "success"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", newer[1])


def test_ls_shows_failed_runs() -> None:
    catalog = databroker_writable.open_directory("results")
    catalog.store_run({"x": [1]}, exit_status="fail", reason="beam lost")
    assert succeed("ls", "results").splitlines()[1].endswith("fail")
    assert "status: fail (beam lost)" in succeed("show", "results", "-1")


def test_ls_of_an_empty_directory_says_so() -> None:
    os.mkdir("results")
    assert succeed("ls", "results") == "no runs in results\n"


def test_looking_makes_no_directory() -> None:
    message = fail("ls", "nowhere")
    assert "neither a directory nor a catalog" in message
    assert databroker.catalog_search_path()[0] in message
    assert "neither a directory nor a catalog" in fail("show", "nowhere", "-1")
    assert not os.path.exists("nowhere")


def test_uids_are_cut_where_they_tell_runs_apart() -> None:
    assert unambiguous_length(["abcdefgh-1", "zbcdefgh-1"]) == 8
    assert unambiguous_length(["scan-2024-001", "scan-2024-002"]) == 13
    assert unambiguous_length(["run", "run-2"]) == 8


def test_control_characters_do_not_reach_the_terminal(table: str) -> None:
    succeed("store", table, "--to", "results", "--metadata", "sample=a\x1b[31mb")
    for output in (succeed("ls", "results"), succeed("show", "results", "-1")):
        assert "\x1b" not in output
        assert "a [31mb" in output


# show


def test_show_gives_metadata_streams_columns_and_first_rows(table: str) -> None:
    uid = stored_uid(succeed("store", table, "--to", "results", "--metadata", "sample=Cu"))
    lines = succeed("show", "results", uid[:8]).splitlines()
    assert lines[0] == f"uid: {uid}"
    assert {"status: success", "sample: Cu", "stream primary: 3 Events"} <= set(lines)
    cells = [line.split() for line in lines[lines.index("stream primary: 3 Events") + 1 :] if line]
    assert cells == [
        ["column", "dtype", "shape", "units"],
        ["x", "int64", "scalar"],
        ["y", "float64", "scalar"],
        ["label", "string", "scalar"],
        ["x", "y", "label"],
        ["1", "0.5", "a"],
        ["2", "1.5", "b"],
        ["3", "2.5", "c"],
    ]


def test_show_gives_units_shapes_and_the_ends_of_arrays() -> None:
    dataset = xarray.Dataset({"mu": ("energy", numpy.arange(200.0), {"units": "1/cm"})})
    databroker_writable.open_directory("results").store_run(dataset, one_event=True)
    output = succeed("show", "results", "-1")
    assert re.search(r"mu +float64 +200 +1/cm", output)
    assert "[  0.   1. ... 198. 199.]" in output
    assert "stream primary: 1 Event\n" in output


def test_show_gives_no_more_than_the_first_rows_and_columns() -> None:
    databroker_writable.open_directory("results").store_run({f"c{i}": list(range(100, 130)) for i in range(12)})
    # without the uid and the time, which may hold any digits
    output = succeed("show", "results", "-1").partition("stream primary")[2]
    assert output.count("104") == 8
    assert "105" not in output
    assert "and 4 more columns" in output


def test_show_gives_every_stream() -> None:
    with databroker_writable.open_directory("results").run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_stream("baseline", data={"a": [7, 8]})
    output = succeed("show", "results", "-1")
    assert "stream primary: 3 Events" in output
    assert "stream baseline: 2 Events" in output


def test_show_finds_a_run_by_a_beginning_of_digits_and_by_scan_id() -> None:
    catalog = databroker_writable.open_directory("results")
    catalog.store_run({"x": [1]}, {"scan_id": 7}, uid="12345678-a")
    assert "uid: 12345678-a" in succeed("show", "results", "1234")
    assert "uid: 12345678-a" in succeed("show", "results", "7")


@pytest.mark.parametrize(
    ("uid", "message"),
    [("nope", "there is no run 'nope'"), ("-3", "only contains 2 runs"), ("ab", "Multiple matches"), ("99", "no run")],
)
def test_show_of_a_run_that_is_not_there_is_an_error(uid: str, message: str) -> None:
    catalog = databroker_writable.open_directory("results")
    catalog.store_runs([catalog.build_simple_run({"x": [1]}, uid=uid) for uid in ("abc", "abd")])
    assert message in fail("show", "results", uid)


# all of them


def test_a_password_is_in_no_output(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    uri = f"mongodb://user:{PASSWORD}@127.0.0.1:1/db?serverSelectionTimeoutMS=100"
    monkeypatch.setenv("SOME_URI", uri)
    text = (
        "sources:\n  m:\n    driver: writable-mongo-embedded-catalog\n    args: {datastore_db: '{{ env(SOME_URI) }}'}"
    )
    Path("mongo.yml").write_text(text)
    for arguments in (["store", table, "--to", "mongo.yml"], ["ls", "mongo.yml"], ["show", "mongo.yml", "-1"]):
        assert PASSWORD not in fail(*arguments)
    monkeypatch.setenv("SOME_URI", uri.replace("/db", ""))
    assert PASSWORD not in fail("ls", "mongo.yml")


def test_an_unforeseen_error_is_one_line_unless_the_traceback_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    def raise_error(path: Path, group: str | None) -> None:
        raise RuntimeError(f"cannot reach mongodb://user:{PASSWORD}@host/db")

    monkeypatch.setattr(sys.modules["databroker_writable.cli.store"], "read_file", raise_error)
    message = fail("store", table, "--to", "results")
    assert message.startswith("Error: RuntimeError: cannot reach mongodb://user:")
    assert "--traceback" in message
    assert PASSWORD not in message
    monkeypatch.setenv(FULL_TRACEBACK, "")  # the command sets it
    with pytest.raises(RuntimeError):
        CliRunner().invoke(main, ["--traceback", "store", table, "--to", "results"], catch_exceptions=False)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_the_help_of_each_command_has_an_example(command: str) -> None:
    assert f"Example: databroker-writable {command} " in succeed(command, "--help")


def test_the_help_lists_the_commands_and_the_version_is_told() -> None:
    assert all(command in succeed("--help") for command in ("store", "ls", "show"))
    assert re.match(r"\d+\.\d+", succeed("--version"))


def test_a_misspelt_directory_is_answered_with_the_one_that_is_there() -> None:
    os.mkdir("results")
    assert "'reslts' is neither a directory nor a catalog of databroker; did you mean 'results'?" in fail(
        "ls", "reslts"
    )
    assert not os.path.exists("reslts")


@pytest.mark.parametrize("option", ["--stream", "--x", "--frame"])
def test_an_option_of_plots_without_a_plot_is_an_error(option: str) -> None:
    databroker_writable.open_directory("results").store_run({"x": [1]})
    result = run("show", "results", "-1", option, "0")
    assert result.exit_code == 2
    assert "are for plots; give --column or --plot, too" in result.stderr
