"""An error that is caught leaves a builder as it was."""

from __future__ import annotations

import re
import uuid
from typing import Any

import numpy
import pandas
import pytest

from databroker_writable import InvalidRunError, InvalidTableError, StoreError, to_dataset
from databroker_writable.runs import built_stream
from databroker_writable.runs.builder import RunBuilder

SITES = ["msgpack", "jsonl", "mongo-normalized[mongomock]", "mongo-embedded[mongomock]"]

REFUSED: dict[str, dict[str, Any]] = {
    "values": {"data": {"x": [object()]}},
    "data keys": {"data_keys": {"y": {"source": "test", "dtype": "complex", "shape": []}}},
    "a time": {"data": {"y": [1]}, "time": -1.0},
    "hints": {"data": {"y": [1]}, "hints": {"table": {"fields": [1]}}},
    "units": {"data": {"y": [1]}, "data_keys": {"y": {"units": 5}}},
}


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED)
def test_a_stream_can_be_added_after_one_of_its_name_was_refused(arguments: dict[str, Any]) -> None:
    builder = RunBuilder()
    with pytest.raises(StoreError):
        builder.add_stream("primary", **arguments)
    builder.add_stream("primary", data={"x": [1, 2]})
    builder.close()
    assert builder.get_run().primary.read()["x"].values.tolist() == [1, 2]


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("site", SITES, indirect=True)
def test_a_stream_can_be_stored_after_one_of_its_name_was_refused(
    catalog: Any, site: Any, arguments: dict[str, Any]
) -> None:
    with catalog.run_builder(uid="fit-1") as builder:
        with pytest.raises(StoreError):
            builder.add_stream("primary", **arguments)
        builder.add_stream("primary", data={"x": [1, 2]})
    assert site.open()["fit-1"].primary.read()["x"].values.tolist() == [1, 2]


@pytest.mark.parametrize("site", [name for name in SITES if "mongo" in name], indirect=True)
def test_another_stream_can_be_stored_after_the_backend_refused_the_first(catalog: Any, site: Any) -> None:
    with catalog.run_builder(uid="fit-1") as builder:
        with pytest.raises(StoreError, match="MongoDB refuses"):
            builder.add_stream("a.b", data={"x": [1, 2]})
        builder.add_stream("primary", data={"x": [1, 2]})
    assert list(site.open()["fit-1"]) == ["primary"]


def test_uids_made_here_are_random_uuids():
    made = built_stream.new_uids(1_000)
    read = [uuid.UUID(text) for text in made]
    assert list(map(str, read)) == made
    assert {(one.version, one.variant) for one in read} == {(4, uuid.RFC_4122)}
    assert {text[19] for text in made} == set("89ab")
    assert len({text[:18] for text in made}) == len({text[20:] for text in made}) == 1_000
    assert built_stream.new_uids(0) == []


def test_a_uid_made_here_does_not_begin_like_a_scan_id(monkeypatch):
    drawn = [bytes.fromhex("06479705" + "0" * 28), bytes.fromhex("0647970a" + "0" * 28)]
    monkeypatch.setattr(built_stream.os, "urandom", lambda size: drawn.pop(0))
    assert built_stream.new_run_uid().startswith("0647970a-")
    assert drawn == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "the name of a stream is empty; give it one"), (5, "the name of a stream must be a string, not 5")],
)
def test_the_name_of_a_stream_is_text(name: Any, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        RunBuilder().add_stream(name, data={"x": [1]})


@pytest.mark.parametrize(
    ("data_keys", "message"),
    [
        ({"y": {"dtype": "integer"}}, "data_keys names 'y', which is not a column; there are ['x']"),
        ({"x": "integer"}, "data_keys['x'] must be a dict with source, dtype and shape, not 'integer'"),
        ({"x": {"dims": ["row"]}}, "declare the dims ['row'] for column 'x', but its shape is []; name each axis once"),
    ],
)
def test_data_keys_that_do_not_describe_the_table_are_refused(data_keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTableError, match=re.escape(message)):
        RunBuilder().add_stream("primary", data={"x": [1, 2]}, data_keys=data_keys)


def test_data_keys_without_a_table_are_complete_and_are_those_of_every_table() -> None:
    builder, data_key = RunBuilder(), {"source": "here", "dtype": "integer", "shape": []}
    with pytest.raises(InvalidTableError, match=re.escape("data_keys['x'] lacks 'dtype'")):
        builder.add_stream("primary", data_keys={"x": {"source": "here", "shape": []}})
    builder.add_stream("primary", data_keys={"x": data_key})
    with pytest.raises(InvalidTableError, match=re.escape("has the columns ['x'], but this table has ['y']")):
        builder.add_data("primary", {"y": [1]})


@pytest.mark.parametrize("given", [1000.0, [1000.0, 1001.0]])
def test_a_table_with_times_of_its_own_is_given_no_others(given: Any) -> None:
    table = {"time": [1.0, 2.0], "x": [1, 2]}
    builder = RunBuilder()
    with pytest.raises(InvalidTableError, match=r"column 'time'.*the argument time says another.*leave out"):
        builder.add_stream("primary", data=table, time=1000.0)
    builder.add_stream("primary", data=table)
    with pytest.raises(InvalidTableError, match=r"column 'time'.*the argument time says another.*leave out"):
        builder.add_data("primary", {"time": [3.0, 4.0], "x": [1, 2]}, time=given)
    builder.add_data("primary", {"time": [3.0, 4.0], "x": [1, 2]}, time=[3.0, 4.0])
    assert to_dataset(builder.get_run())["time"].values.tolist() == [1.0, 2.0, 3.0, 4.0]


WRONG_COLUMNS: dict[str, tuple[dict[str, Any], str]] = {
    "a number as uid": ({"uid": 5}, "uid must be a list of texts, one for each Event, not 5"),
    "numbers as uids": ({"uid": [1, 2]}, r"uid must be a list of texts, one for each Event, not \[1, 2\]"),
    "lists of numbers of the Events": ({"seq_num": [[1], [1, 2]]}, "seq_num must be an array of 2 integers"),
    "lists of times": ({"time": [[1], [1, 2]]}, "time must be an array of POSIX seconds"),
    "complex times": ({"time": [1j, 2]}, "time must be an array of POSIX seconds, not of complex128"),
    "timestamps by number": ({"timestamps": {5: [1], "x": [1]}}, r"timestamps has the columns \[5, 'x'\]"),
}


@pytest.mark.parametrize(("columns", "message"), WRONG_COLUMNS.values(), ids=WRONG_COLUMNS)
def test_wrong_columns_of_events_are_refused_by_name(columns: dict[str, Any], message: str) -> None:
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": [1, 2]})
    with pytest.raises(InvalidTableError, match=message):
        builder.add_data("primary", {"x": [3, 4]}, **columns)
    builder.add_data("primary", {"x": [3, 4]}, uid=numpy.array(["a", "b"]))
    builder.close()
    assert to_dataset(builder.get_run())["x"].values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", [["primary"], numpy.array(["primary", "other"]), {}])
def test_what_is_no_name_of_a_stream_names_none(name: Any) -> None:
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": [1, 2]})
    with pytest.raises(StoreError, match=r"There is no stream .* The run has 'primary'"):
        builder.add_data(name, {"x": [3]})
    with pytest.raises(StoreError, match=r"There is no stream .* The run has 'primary'"):
        builder.update_configuration(name, {})


WHOLE = {"source": "test", "dtype": "number", "shape": []}
WRONG_DECLARATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "data keys in a list": ({"data_keys": ["x"]}, r"data_keys is \['x'\], not a dict; data_keys are {column: "),
    "data keys in an array": ({"data_keys": numpy.array(["x", "y"])}, "data_keys is .*, not a dict"),
    "a number as shape": ({"data_keys": {"x": {**WHOLE, "shape": 5}}}, r"\['x'\]\['shape'\] must be a list, not 5"),
    "nothing as shape": ({"data_keys": {"x": {**WHOLE, "shape": None}}}, r"\['shape'\] must be a list, not None"),
    "text as dims": ({"data_keys": {"x": {**WHOLE, "dims": "ab"}}}, r"\['x'\]\['dims'\] must be a list, not 'ab'"),
    "a number as dims": ({"data_keys": {"x": {**WHOLE, "dims": 5}}}, r"\['x'\]\['dims'\] must be a list, not 5"),
    "objects in a list": ({"object_keys": ["x"]}, r"object_keys is \['x'\], not a dict; object_keys are {object: "),
    "a number as columns": ({"object_keys": {"a": 5}}, r"object_keys\['a'\] must be a list of columns, not 5"),
    "a list as a column": ({"object_keys": {"a": [["x"]]}}, r"object_keys\['a'\] names \['x'\], which is not a column"),
    "an array as configuration": ({"configuration": numpy.array([1, 2])}, "configuration is .*, not a dict"),
    "an array as hints": ({"hints": numpy.array([1, 2])}, "hints is .*, not a dict"),
}


@pytest.mark.parametrize(("given", "message"), WRONG_DECLARATIONS.values(), ids=WRONG_DECLARATIONS)
def test_wrong_declarations_of_a_stream_are_refused_by_name(given: dict[str, Any], message: str) -> None:
    builder = RunBuilder()
    with pytest.raises(InvalidTableError, match=message):
        builder.add_stream("primary", data={"x": [1.5]}, **given)
    with pytest.raises(InvalidTableError, match=message):
        builder.add_stream("primary", **{"data_keys": {"x": WHOLE}, **given})


def test_a_data_key_may_be_an_array_or_a_tuple() -> None:
    builder = RunBuilder()
    builder.add_stream(
        "primary", data={"x": [[1.5, 2.5]]}, data_keys={"x": {"shape": (2,), "dims": numpy.array(["q"])}}
    )
    builder.add_data("primary", data={"x": [[3.5, 4.5]]})
    assert builder.get_run().primary.read()["x"].dims == ("time", "q")


@pytest.mark.parametrize("status", [numpy.array(["a", "b"]), ["success"], pandas.NA, pandas.Series(["fail"]), 5])
def test_an_exit_status_is_one_of_bluesky(status: Any) -> None:
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": [1]})
    with pytest.raises(InvalidRunError, match="exit_status must be one of success, abort, fail, not"):
        builder.close(status)
    builder.close("abort")
