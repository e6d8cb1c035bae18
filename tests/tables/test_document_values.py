"""Metadata and the values of Events: held exactly, or refused by name, whatever way they come."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import os
import pathlib
import uuid

import dask.array
import numpy
import pandas
import pytest
import xarray

from databroker_writable import build_simple_run
from databroker_writable.errors import InvalidMetadataError, InvalidTableError
from databroker_writable.tables import read_table
from databroker_writable.tables.backend_limits import ANY_BACKEND
from databroker_writable.tables.document_values import check_event_values, document_value
from databroker_writable.tables.layout import decode_attribute, encode_attribute


class Mode(str, enum.Enum):
    FAST = "fast"


class Gain(enum.IntEnum):
    LOW = 1


class Quantity(numpy.ndarray):
    """As unyt's and astropy's."""

    unit = "g"


class DuckQuantity:
    """As pint's."""

    units = "g"


class CallableUnit:
    """As astropy's mag, dB and dex."""

    def __call__(self):
        return self

    def __str__(self):
        return "g"


class Magnitudes(numpy.ndarray):
    """As astropy's quantities in mag, dB and dex."""

    unit = CallableUnit()


class LengthInMillimetres(float):
    units = "g"


STRUCTURED = numpy.zeros(1, [("a", "f8")])
MASKED = numpy.ma.masked_array([1, 2], [False, True])

LOST = {
    "an array with units": (numpy.array([1.5]).view(Quantity), r"carries units of its own \(g\)"),
    "a number with units": (numpy.array(1.5).view(Quantity), r"carries units of its own \(g\)"),
    "a number with units, as pint has it": (DuckQuantity(), r"carries units of its own \(g\)"),
    "a number with units that can be called": (numpy.array(1.5).view(Magnitudes), r"carries units of its own \(g\)"),
    "a float with units": (LengthInMillimetres(1.5), r"carries units of its own \(g\)"),
    "a masked array": (MASKED, "is a masked array, whose mask would be lost"),
    "what numpy gives for one masked item": (numpy.ma.masked, "is a masked array"),
    "a structured array": (STRUCTURED, "holds structured or void values"),
    "a row of a structured array": (STRUCTURED[0], "holds structured or void values"),
    "bytes without fields": (numpy.zeros(2, "V2"), r"convert them, e\.g\. to numbers, with \.view\('uint8'\)"),
    "an array of longdouble": (numpy.zeros(2, "longdouble"), "holds values of dtype"),
    "a longdouble": (numpy.longdouble(1), "holds values of dtype"),
    "a clongdouble": (numpy.clongdouble(1), "holds values of dtype"),
}


def attribute(value):
    return read_table(xarray.Dataset({"x": ("r", [1])}, attrs={"m": value}))


def check_event(values):
    check_event_values(values, "column 'm'", InvalidTableError, ANY_BACKEND)


WAYS = {
    "metadata": (lambda value: document_value({"m": value}, "metadata", InvalidMetadataError), r"metadata\['m'\] "),
    "nested": (lambda value: document_value([{"m": [value]}], "metadata", InvalidMetadataError), r"\[0\]\['m'\]\[0\] "),
    "an attribute": (attribute, "attribute 'm' of the table "),
    "a nested attribute": (lambda value: attribute({"m": [value]}), "attribute 'm' of the table "),
    "an Event": (
        lambda value: check_event_values([value, 1], "column 'm'", InvalidTableError, ANY_BACKEND),
        r"'m'\[0\]",
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", LOST)
def test_what_would_be_lost_is_refused_by_name(what, way):
    value, reason = LOST[what]
    store, where = WAYS[way]
    with pytest.raises((InvalidMetadataError, InvalidTableError), match=where + ".*" + reason):
        store(value)


@pytest.mark.parametrize(
    "what", ["an array with units", "a masked array", "a structured array", "an array of longdouble"]
)
def test_what_would_be_lost_of_the_column_of_an_event_page_is_refused_by_name(what):
    value, reason = LOST[what]
    with pytest.raises(InvalidTableError, match="column 'm' " + reason):
        check_event(value)


def test_a_lazily_masked_column_of_an_event_page_is_refused_by_name():
    lazy = dask.array.ma.masked_array(dask.array.arange(4, chunks=2), mask=[0, 1, 0, 0])
    with pytest.raises(InvalidTableError, match="column 'm' is a masked array"):
        check_event(lazy)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (Mode.FAST, "fast"),
        (Gain.LOW, 1),
        (numpy.str_("a"), "a"),
        (numpy.int8(-3), -3),
        (numpy.float32(0.5), 0.5),
        (numpy.bool_(True), True),
        (numpy.array([[1, 2]]), [[1, 2]]),
        (numpy.ma.masked_array([1, 2]), [1, 2]),
        (numpy.array(["a", "bc"]), ["a", "bc"]),
        (numpy.array([Mode.FAST, None], dtype=object), ["fast", None]),
        ({Mode.FAST: Mode.FAST}, {"fast": "fast"}),
    ],
    ids=repr,
)
def test_metadata_become_values_of_python_s_own_types(given, held):
    found = document_value({"m": given}, "metadata", InvalidMetadataError)["m"]
    assert found == held
    assert type(found) is type(held)
    if isinstance(held, dict):
        assert {type(item) for pair in found.items() for item in pair} == {str}


@pytest.mark.parametrize(("given", "held"), [(Mode.FAST, "fast"), (Gain.LOW, 1)])
def test_members_of_enumerations_are_kept_as_their_values_in_attributes(given, held):
    found = decode_attribute(encode_attribute(given, "attribute"))
    assert (found, type(found)) == (held, type(held))


@dataclasses.dataclass
class Peak:
    position: float


REMEDIES = {
    "datetime": (datetime.datetime(2024, 1, 1), ["value.isoformat()", "value.timestamp()"]),
    "date": (datetime.date(2024, 1, 1), ["value.isoformat()"]),
    "time of day": (datetime.time(12), ["value.isoformat()"]),
    "timedelta": (datetime.timedelta(1), ["value.total_seconds()"]),
    "Timestamp": (pandas.Timestamp("2024-01-01"), ["value.isoformat()", "value.timestamp()"]),
    "Timedelta": (pandas.Timedelta(1), ["value.total_seconds()"]),
    "numpy's datetime": (numpy.datetime64("2024-01-01", "ns"), ["str(value)"]),
    "numpy's timedelta": (numpy.timedelta64(1, "ns"), ["str(value)"]),
    "numpy's timedelta in months": (numpy.timedelta64(1, "M"), ["str(value)"]),
    "an array of datetimes": (numpy.zeros(2, "M8[ns]"), ["value.astype(str).tolist()"]),
    "an array of timedeltas": (numpy.zeros((2, 1), "m8[M]"), ["value.astype(str).tolist()"]),
    "set": ({2, 1}, ["sorted(value)"]),
    "Decimal": (decimal.Decimal("0.1"), ["str(value)", "float(value)"]),
    "path": (pathlib.PurePosixPath("/data"), ["os.fspath(value)"]),
    "UUID": (uuid.UUID(int=1), ["str(value)"]),
    "enumeration": (enum.Enum("Colour", "RED").RED, ["value.name", "value.value"]),
    "masked array": (MASKED, ["value.filled(0)", "value.tolist()"]),
    "longdouble": (numpy.longdouble(1), ["float(value)", "value.astype('float')"]),
    "clongdouble": (numpy.clongdouble(1), ["complex(value)", "value.astype('complex')"]),
    "structured array": (STRUCTURED, ["{field: value[field] for field in value.dtype.names}"]),
    "Series": (pandas.Series([1]), ["value.to_list()"]),
    "Index": (pandas.Index([1]), ["value.to_list()"]),
    "DataArray": (xarray.DataArray([1]), ["numpy.asarray(value)"]),
    "dask array": (dask.array.arange(2), ["numpy.asarray(value)"]),
    "DataFrame": (pandas.DataFrame({"x": [1]}), ["value.to_dict('list')"]),
    "Dataset": (xarray.Dataset({"x": ("t", [1.5])}, {"t": [2]}, {"of": "Cu"}), ["value.to_dict()"]),
    "Dataset of coordinates": (xarray.Dataset(coords={"t": [2]}), ["value.to_dict()"]),
    "dataclass": (Peak(1.5), ["dataclasses.asdict(value)"]),
}


@pytest.mark.parametrize("what", REMEDIES)
def test_what_metadata_cannot_hold_is_refused_with_a_remedy_that_works(what):
    value, remedies = REMEDIES[what]
    with pytest.raises(InvalidMetadataError, match=r"metadata\['m'\] ") as caught:
        document_value({"m": value}, "metadata", InvalidMetadataError)
    for remedy in remedies:
        assert remedy in str(caught.value)
        names = {"value": value, "numpy": numpy, "os": os, "dataclasses": dataclasses}
        document_value({"m": eval(remedy, names)}, "metadata", InvalidMetadataError)


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (xarray.Dataset(coords={"t": [2]}), r"as a dict, value\.to_dict\(\)"),
        (xarray.DataTree(xarray.Dataset(coords={"t": [2]})), "the Dataset of each node as a stream"),
    ],
    ids=["Dataset", "DataTree"],
)
def test_a_table_whose_items_are_not_all_of_it_is_no_dict_of_metadata(value, remedy):
    with pytest.raises(InvalidMetadataError, match=rf"metadata\['m'\].* {remedy}"):
        build_simple_run({"x": [1]}, {"m": value})
    with pytest.raises(InvalidMetadataError, match="metadata must be a dict"):
        build_simple_run({"x": [1]}, value)


@pytest.mark.parametrize("value", [pandas.NA, pandas.NaT])
def test_pandas_marks_of_missing_values_are_refused_in_metadata(value):
    with pytest.raises(InvalidMetadataError, match=r"metadata\['m'\].* store None"):
        document_value({"m": value}, "metadata", InvalidMetadataError)
