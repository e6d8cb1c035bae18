"""Numbers take another dtype only if it holds each exactly."""

from __future__ import annotations

import dask.array
import numpy
import pytest

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
