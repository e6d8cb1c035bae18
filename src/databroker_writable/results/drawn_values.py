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
    """The Dataset with numbers for nullable numbers and bools, NaN where they are missing, and times without zones."""
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
    return dataset.drop_indexes([name for name in dataset.xindexes if name in dataset.coords]).assign(converted)


def not_boolean(values: numpy.ndarray) -> numpy.ndarray:
    """Values of which differences can be taken."""
    return values.astype("uint8") if values.dtype.kind == "b" else values


def _drawable(variable: xarray.Variable) -> Any:
    """Numbers, or an index of times; None for what is drawn as it is, or not at all."""
    if isinstance(variable.dtype, numpy.dtype) and variable.dtype.kind != "O":
        return None
    values = series_of(variable)
    if values.dtype == object:
        present = values.dropna()
        if len(present) and all(isinstance(value, complex) for value in present):
            return values.where(values.notna(), numpy.nan).to_numpy(complex)
        values = values.convert_dtypes()
    return pandas.DatetimeIndex(values) if isinstance(values.dtype, pandas.DatetimeTZDtype) else plain_numbers(values)
