"""What is drawn: numbers and times, also of columns of Python objects and of pandas' types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
import pandas
import xarray

from ..tables.exact_numbers import plain_numbers, series_of

ZONE = "time_zone"
"""The attribute of times as clocks in a time zone show them."""

_NUMBERS = {"floating", "integer", "mixed-integer-float", "boolean"}


@dataclass(frozen=True)
class Axis:
    """The values of an axis, with their label."""

    values: numpy.ndarray
    label: str
    is_counted: bool = False
    """An axis that counts the values, if there is no coordinate."""


@dataclass(frozen=True)
class Plottable:
    """What is drawn: a line with one axis, or an image with two, whose rows are along the first."""

    values: numpy.ndarray
    label: str
    title: str
    axes: tuple[Axis, ...]
    frame: str = ""
    """Which image of a stack it is, in words."""
    same_units: bool = False
    """Whether both axes of an image are lengths with the same unit, or pixels."""


def drawable(dataset: xarray.Dataset) -> xarray.Dataset:
    """The Dataset with numbers for nullable numbers and bools, NaN where they are missing, and times without zones.

    Examples
    --------
    >>> drawable(xarray.Dataset({"x": ("row", [0.5, None])}))["x"].values.tolist()
    [0.5, nan]
    """
    converted = {}
    for name, variable in dataset.variables.items():
        numbers = _drawable(variable)
        if numbers is not None:
            zone = getattr(numbers, "tz", None)
            if zone is not None:
                numbers = numbers.tz_localize(None)
            attrs = variable.attrs if zone is None else {**variable.attrs, ZONE: str(zone)}
            converted[name] = (variable.dims, numpy.asarray(numbers).reshape(variable.shape), attrs)
    if not converted:
        return dataset
    changed = dataset.drop_indexes([name for name in dataset.xindexes if name in dataset.coords])
    coordinates = {name: converted[name] for name in dataset.coords if name in converted}
    columns = {name: converted[name] for name in dataset.data_vars if name in converted}
    return changed.assign_coords(coordinates).assign(columns)


def not_boolean(values: numpy.ndarray) -> numpy.ndarray:
    """Values of which differences can be taken."""
    return values.astype("uint8") if values.dtype.kind == "b" else values


def _drawable(variable: xarray.Variable) -> Any:
    """Numbers, or an index of times; None for what is drawn as it is, or not at all."""
    dtype: Any = variable.dtype
    if isinstance(dtype, numpy.dtype):
        return _of_objects(numpy.ravel(variable.values)) if dtype.kind == "O" else None
    values = series_of(variable)
    return pandas.DatetimeIndex(values) if isinstance(dtype, pandas.DatetimeTZDtype) else plain_numbers(values)


def _of_objects(values: numpy.ndarray) -> Any:
    kind = pandas.api.types.infer_dtype(values, skipna=True)
    if kind == "datetime" and all(getattr(value, "tzinfo", None) for value in values if not pandas.isna(value)):
        try:
            return pandas.DatetimeIndex(values)
        except (TypeError, ValueError):
            return None  # several zones
    missing = pandas.isna(values)
    present = values[~missing]
    # pandas 2 calls complex numbers beside missing ones mixed
    are_complex = len(present) > 0 and all(isinstance(value, complex) for value in present)
    if kind not in _NUMBERS and not are_complex:
        return None
    if kind == "boolean" and not missing.any():
        return values.astype(bool)
    numbers = numpy.full(values.shape, numpy.nan, complex if are_complex else float)
    numbers[~missing] = present.astype(numbers.dtype)
    return numbers
