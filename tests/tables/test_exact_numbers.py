"""Numbers take another dtype only if it holds each exactly."""

from __future__ import annotations

import dask.array
import numpy
import pytest

import databroker_writable
from databroker_writable import InvalidTableError
from databroker_writable.tables.exact_numbers import exactly_as, narrowest_float


@pytest.mark.parametrize(
    ("integers", "dtype"),
    [
        ([], "<f2"),
        ([-(2**11)], "<f2"),
        ([2**11 + 1], "<f4"),
        ([2**24 + 1], "<f8"),
        ([2**53 + 2, -(2**63)], "<f8"),
        ([None, 2**53], "<f8"),
        ([2**53 + 1], None),
        ([2**63 - 1], None),
        (numpy.array([2**64 - 1], "u8"), None),
        (dask.array.zeros(3, dtype="i2"), "<f4"),
        (dask.array.zeros(3, dtype="i8"), None),
    ],
    ids=repr,
)
def test_the_narrowest_floats_that_hold_integers(integers, dtype):
    assert narrowest_float(integers) == dtype


def test_integers_beyond_the_range_of_the_floats_stay_as_they_are():
    lowest = numpy.array([-(2**63)])
    assert exactly_as(lowest, "<f2") is lowest  # the cast back of -inf is the same integer
    assert exactly_as(lowest, "<f8").dtype == "f8"


def test_a_negative_zero_does_not_become_an_integer_in_a_later_piece():
    builder = databroker_writable.RunBuilder()
    builder.add_stream("primary", data={"x": [1, 2]})
    builder.add_data("primary", data={"x": [-0.0, 3.0]})
    back = databroker_writable.to_dataset(builder.get_run())["x"].values
    assert numpy.signbit(back).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("number", "own", "other"),
    [(2**64 - 1, "<u8", "<i8"), (-1, "<i8", "<u8"), (-1, "<i4", "<u8"), (200, "|u1", "|i1"), (-5, "|i1", "|u1")],
)
def test_integers_whose_sign_would_change_stay_as_they_are(number, own, other):
    numbers = numpy.array([number], own)
    assert exactly_as(numbers, other) is numbers


def test_a_later_piece_whose_integers_would_change_their_sign_is_refused():
    builder = databroker_writable.RunBuilder()
    builder.add_stream("primary", data={"x": numpy.array([1, 200], "u1")})
    with pytest.raises(InvalidTableError, match=r"'\|u1', but this table has '\|i1'"):
        builder.add_data("primary", data={"x": numpy.array([-5], "i1")})
    builder.add_data("primary", data={"x": numpy.array([5], "i1")})
    assert databroker_writable.to_dataset(builder.get_run())["x"].values.tolist() == [1, 200, 5]
