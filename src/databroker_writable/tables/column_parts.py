"""Convert columns with units, uncertainties or rows of unequal length to plain columns."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import numpy
import pandas
import xarray

from ..errors import InvalidRunError, InvalidTableError, NotFoundError, errors_end_here
from .argument_checks import is_one_of
from .arrow_columns import rows_of_numbers
from .classifier import LABELLED, SCALARS, is_delayed, is_lazy, not_computed, units_of
from .exact_numbers import exactly_as, exceeds_float64
from .list_columns import array_from_list, object_array
from .names import free_name
from .wording import choice, short

COUNT = "ragged_count"
"""The attribute of a padded column that names the column with the lengths of the rows."""

DTYPE = "ragged_dtype"
"""The attribute of a padded column with the dtype of its values, if this differs from that of the column."""

_PLAIN = SCALARS - {type(None)}


@dataclass
class Part:
    """One of the one or two plain columns of a column."""

    name: Any
    values: Any
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])


class PaddedRows(NamedTuple):
    """How the rows of a column were padded in the first table of a stream."""

    width: int
    dtype: str


def parts_of_columns(
    columns: Iterable[tuple[Any, Any]], names: Iterable[Any], padded: Mapping[Any, PaddedRows]
) -> dict[Any, list[Part]]:
    """Return the plain columns of each column, by name, all with names that differ from each other and from `names`.

    Rows of columns in `padded` are padded even if they have one length.
    """
    taken, parts = set(names), {}
    for name, values in columns:
        parts[name] = _parts_of(values, name, taken, padded.get(name))
        taken.update(part.name for part in parts[name])
    return parts


def _parts_of(values: Any, name: Any, taken: Collection[Any], rows: PaddedRows | None) -> list[Part]:
    """Return the plain columns of a column; the second one gets a free name."""
    if rows is not None and isinstance(values, numpy.ndarray) and values.ndim == 2:
        values = list(values)
    if _is_plain(values):
        return [Part(name, values)]
    if is_delayed(_first(values)):
        raise not_computed(name, f"dask.compute(*table[{name!r}])")
    plain, units = without_units(values, name)
    attrs = {} if units is None else {"units": units}
    first = _first(plain)
    if is_uncertain(first):
        numbers, deviations = _uncertain(plain)
        return [Part(name, numbers, attrs), Part(free_name(f"{name}_std", taken), deviations, dict(attrs))]
    listed = rows_of_numbers(plain, name)
    if _are_rows(listed, _first(listed)) and (rows is not None or len(set(map(len, listed))) > 1):
        padded = _padded(listed, name, rows)
        if padded is not None:
            count = free_name(f"{name}_count", taken)
            array, lengths, dtype = padded
            said = {COUNT: count} if dtype == array.dtype else {COUNT: count, DTYPE: dtype.name}
            return [Part(name, array, {**attrs, **said}), Part(count, lengths)]
    return [Part(name, plain, attrs)]


def _is_plain(values: Any) -> bool:
    """Whether a quick test shows that a column has only numbers or text, as most do."""
    if type(values) is list:
        return bool(values) and type(values[0]) in _PLAIN
    dtype: Any = getattr(values, "dtype", None)
    return (type(values) is numpy.ndarray and dtype.kind != "O") or isinstance(dtype, pandas.StringDtype)


def without_units(values: Any, name: Any) -> tuple[Any, str | None]:
    """Return the plain numbers of values with units, and the units; other values unchanged."""
    array = values.array if isinstance(values, pandas.Series) else values
    if isinstance(array, pandas.api.extensions.ExtensionArray):
        quantity = getattr(array, "quantity", None)  # of pint-pandas, which rounds integers beside missing ones in it
        return (values, None) if quantity is None else (array.data, units_of(quantity))
    first = values[0] if isinstance(values, list | tuple) and values else None
    if first is not None and type(first) not in SCALARS and units_of(first) is not None:
        pairs = [without_units(value, name) for value in values]
        several = sorted({str(units) for _, units in pairs})
        if len(several) > 1:
            raise InvalidTableError(
                f"column {name!r} holds values in several units ({', '.join(several)}); convert them to one"
            )
        return [plain for plain, _ in pairs], several[0]
    units = units_of(values)
    if units is None:
        return values, None
    numbers = _magnitude(values)
    return (values, None) if numbers is None else (numbers, units)


def check_units_agree(name: Any, carried: Any, said: Any, sayer: str) -> None:
    """Refuse units that contradict those of the values."""
    if carried != said:
        raise InvalidTableError(
            f"column {name!r} carries the units {carried!r}, but {sayer} says {said!r}; give one of them"
        )


def ragged(dataset: xarray.Dataset, name: Hashable) -> list[numpy.ndarray]:
    """Return the rows of a column whose rows had different lengths.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `to_dataset`, where such a column is padded with NaN, shape (rows, longest row).
    name : str
        The name of the column.

    Returns
    -------
    list of numpy.ndarray
        One array for each row, shape (number of its values,), with the dtype that was stored.

    Raises
    ------
    NotFoundError
        There is no such column, or the column with the lengths of its rows is missing.
    InvalidRunError
        All rows of the column have the same length, or it is not a Dataset of one table.

    Notes
    -----
    O(number of values).

    Examples
    --------
    >>> import databroker_writable
    >>> run = databroker_writable.build_simple_run({"peaks": [[1.5], [2.5, 3.5], []]})
    >>> databroker_writable.ragged(databroker_writable.to_dataset(run), "peaks")
    [array([1.5]), array([2.5, 3.5]), array([], dtype=float64)]
    """
    with errors_end_here:
        if not isinstance(dataset, xarray.Dataset):
            raise InvalidRunError(f"ragged takes a Dataset, as to_dataset(run) returns it, not {short(dataset)}")
        if not is_one_of(name, dataset.variables):
            raise NotFoundError(f"there is no column {short(name)}; the Dataset has {choice(dataset, name)}")
        column = dataset[name]
        if COUNT not in column.attrs:
            raise InvalidRunError(f"the rows of {name!r} have equal lengths; use dataset[{name!r}].values")
        count = column.attrs[COUNT]
        if count not in dataset:
            raise NotFoundError(
                f"the Dataset lacks the column {count!r}, the lengths of the rows of {name!r}; keep both"
            )
        if column.ndim != 2:
            along = ", ".join(map(repr, column.dims))
            raise InvalidRunError(
                f"ragged takes rows along one dim, but {name!r} is along {along}; choose one of several tables with "
                "dataset.isel(event=0), a single row with dataset.isel(row=[0])"
            )
        counts = dataset[count].values.tolist()
        dtype = column.attrs.get(DTYPE, column.dtype)
        return [row[:count].astype(dtype) for row, count in zip(column.values, counts, strict=True)]


def _magnitude(values: Any) -> Any:
    """The plain numbers of quantities of astropy, unyt, pint and others; None if unknown."""
    if isinstance(values, numpy.ma.MaskedArray):
        return numpy.ma.MaskedArray(numpy.asarray(values.data), numpy.ma.getmaskarray(values))
    if hasattr(values, "unmasked"):  # astropy's
        return numpy.ma.MaskedArray(numpy.asarray(values.unmasked), values.mask)
    if isinstance(values, numpy.ndarray):
        return None if hasattr(values, "mask") else numpy.asarray(values)
    if isinstance(values, float | int):
        return values + 0
    if isinstance(values, LABELLED):
        return None
    numbers = getattr(values, "magnitude", None)
    return numbers if numbers is not None else getattr(values, "value", None)


def _first(values: Any) -> Any:
    """The first item of a list or an object array that is not missing; a single value itself."""
    if isinstance(values, pandas.Series):
        values = values.array
    if isinstance(values, pandas.arrays.NumpyExtensionArray):
        values = values.to_numpy()
    if isinstance(values, numpy.ndarray):
        values = values.ravel().tolist() if values.dtype == object else []
    if not isinstance(values, list | tuple):
        return values
    return next((value for value in values if value is not None), None)


def is_uncertain(value: Any) -> bool:
    """Whether it is a number with a standard deviation, of the package uncertainties or as lmfit's parameters."""
    if type(value) in SCALARS or isinstance(value, LABELLED):
        return False
    return any(all(hasattr(value, name) for name in pair) for pair in _UNCERTAIN)


_UNCERTAIN = (("nominal_value", "std_dev"), ("value", "stderr"))
"""The attributes for the number and its standard deviation, which is None if lmfit did not find it."""


def _uncertain(values: Any) -> tuple[Any, Any]:
    """The numbers and standard deviations of one value, a list or an array."""
    if is_uncertain(values):
        return _number_and_deviation(values)
    array = object_array(values) if isinstance(values, list | tuple) else numpy.asarray(values, dtype=object)
    pairs = [_number_and_deviation(value) for value in array.ravel().tolist()]
    numbers, deviations = numpy.asarray(pairs, dtype="float64").T
    return numbers.reshape(array.shape), deviations.reshape(array.shape)


def _number_and_deviation(value: Any) -> tuple[float, float]:
    if value is None:
        return numpy.nan, numpy.nan
    for number, deviation in _UNCERTAIN:
        if hasattr(value, deviation):
            std = getattr(value, deviation)
            return float(getattr(value, number)), numpy.nan if std is None else float(std)
    return float(value), 0.0


def _are_rows(values: Any, first: Any) -> bool:
    if not isinstance(first, list | tuple | numpy.ndarray) or is_lazy(values):
        return False
    return all(
        isinstance(row, list | tuple) or (isinstance(row, numpy.ndarray) and row.ndim == 1) for row in list(values)
    )


def _padded(
    rows: Sequence[Any], name: Any, known: PaddedRows | None
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.dtype[Any]] | None:
    """Rows of numbers padded with NaN, their lengths, and their dtype; None if they are not numbers."""
    lengths = numpy.asarray([len(row) for row in rows])
    dtypes = {row.dtype if type(row) is numpy.ndarray else None for row in rows}
    [dtype] = dtypes if len(dtypes) == 1 else [None]  # numpy would round integers among floats
    if dtype is not None and dtype.kind in "iuf":
        flat = numpy.concatenate(rows)
    else:
        items = list(chain.from_iterable(rows))
        if any(isinstance(item, list | tuple | numpy.ndarray) for item in items):
            return None
        flat = array_from_list(items, name)
    if not isinstance(flat, numpy.ndarray) or flat.dtype.kind not in "iuf" or flat.dtype.char in "gG":
        return None
    if exceeds_float64(pandas.Series(flat)):
        raise InvalidTableError(
            f"column {name!r} holds rows of unequal length with integers beyond 2**53, which cannot be padded with "
            "NaN; make the rows of one length, or store them as text"
        )
    width = int(lengths.max())
    if known is not None:
        width, flat = max(width, known.width), exactly_as(flat, known.dtype)
    padded = numpy.full((len(rows), width), numpy.nan, flat.dtype if flat.dtype.kind == "f" else "float64")
    padded[numpy.arange(padded.shape[1]) < lengths[:, None]] = flat
    return padded, lengths, flat.dtype
