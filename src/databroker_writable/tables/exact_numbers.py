"""Which dtype holds numbers exactly; those of pandas' own types as numpy's."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import xarray

from .classifier import is_lazy

FLOAT64_HOLDS = 2**53
"""Up to here float64 holds every integer."""

_EXACT_UP_TO = (("<f2", 2**11), ("<f4", 2**24), ("<f8", FLOAT64_HOLDS))
"""Each type of floats, and up to where it holds every integer."""


def exactly_as(values: Any, dtype: str) -> Any:
    """Numbers in another dtype, if it holds each of them exactly; otherwise unchanged."""
    if not isinstance(values, numpy.ndarray) or values.dtype.str == dtype:
        return values
    if values.dtype.kind not in "iuf" or numpy.dtype(dtype).kind not in "iuf":
        return values
    with numpy.errstate(invalid="ignore", over="ignore"):
        numbers = values.astype(dtype)
        back = numbers.astype(values.dtype)
    is_same = numpy.array_equal(back, values, equal_nan=values.dtype.kind == "f")
    # the cast back undoes that of -1 to the largest unsigned integer, and 0 is equal to -0.0
    keeps_signs = numpy.array_equal(numpy.signbit(numbers), numpy.signbit(values))
    leaves_range = _leaves_range(numbers, values.dtype) or _leaves_range(values, numbers.dtype)
    return numbers if is_same and keeps_signs and not leaves_range else values


def _leaves_range(floats: Any, dtype: numpy.dtype[Any]) -> bool:
    """Whether floats are beyond a dtype of integers, so that their cast to it depends on the processor."""
    if floats.dtype.kind != "f" or dtype.kind == "f":
        return False
    limits, floats = numpy.iinfo(dtype), floats.astype("<f8")
    return not bool(((floats >= float(limits.min)) & (floats < float(limits.max + 1))).all())


def cast_exactly(block: Any, dtype: numpy.dtype[Any]) -> Any:
    """Values in another dtype, if it holds each of them exactly; otherwise unchanged."""
    if block.dtype.kind in "iuf" and dtype.kind in "iuf":
        return exactly_as(block, dtype.str)
    if block.dtype == dtype or not numpy.can_cast(block.dtype, dtype, "same_kind"):
        return block
    try:
        changed = block.astype(dtype)
    except OverflowError:
        return block  # of times, in numpy 2.5, where others wrap around
    back = changed.astype(block.dtype) if changed.dtype.kind == block.dtype.kind else changed
    return changed if numpy.array_equal(back, block, equal_nan=True) else block


def exceeds_float64(column: pandas.Series) -> bool:
    """Whether a column has integers that float64 cannot hold, such as some beyond 2**53; missing ones do not count."""
    return column.dtype.kind in "iu" and bool((column.gt(FLOAT64_HOLDS) | column.lt(-FLOAT64_HOLDS)).any())


def series_of(variable: xarray.Variable) -> pandas.Series:
    """The values of a variable in one dimension; of pandas' types as they are, where xarray would convert them."""
    data: Any = variable.data
    if isinstance(variable.dtype, numpy.dtype):
        return pandas.Series(numpy.ravel(data))
    # of several Events, xarray makes arrays of two dims, which a Series takes for their first one
    return pandas.Series(getattr(data, "array", data).ravel())


def plain_numbers(column: pandas.Series) -> Any:
    """Numbers and bools of pandas' own types as numpy's, with NaN for missing ones; None for other types."""
    dtype: Any = column.dtype
    if isinstance(dtype, numpy.dtype) or not pandas.api.types.is_numeric_dtype(dtype):
        return None
    if column.isna().any():
        return column.to_numpy(dtype="float64", na_value=numpy.nan)
    return column.to_numpy(dtype=getattr(dtype, "numpy_dtype", None))


def narrowest_float(integers: Any) -> str | None:
    """The narrowest type of floats that holds integers; None if not even float64 holds each exactly.

    Lazy integers are not computed: those of their dtype must all fit.
    """
    if is_lazy(integers):
        return _first_that_holds(int(numpy.iinfo(integers.dtype).max))
    array = numpy.asarray(integers)
    if array.dtype.kind == "O":
        array = numpy.asarray([value for value in array.ravel().tolist() if value is not None], "<i8")
    found = _first_that_holds(max(-int(array.min()), int(array.max())) if array.size else 0)
    return "<f8" if found is None and exactly_as(array, "<f8").dtype.kind == "f" else found


def _first_that_holds(largest: int) -> str | None:
    return next((dtype for dtype, limit in _EXACT_UP_TO if largest <= limit), None)
