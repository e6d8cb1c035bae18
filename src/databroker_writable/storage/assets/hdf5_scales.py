"""Write dimension scales, coordinates and attributes for netCDF and HDF viewers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from ...errors import InvalidTableError
from .asset_paths import dataset_name

if TYPE_CHECKING:
    import h5py

# The name of a dimension scale without values (the netCDF-4 format, appendix of the NUG).
_NO_VALUES = "This is a netCDF dimension but not a netCDF variable."
# Attributes that HDF5 and netCDF use internally.
_RESERVED = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_FillValue", "_NCProperties", "coordinates"}
_TIME_UNITS = {
    "ns": "nanoseconds",
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "D": "days",
}


@dataclass(frozen=True)
class Coordinate:
    """The user's values along some dimensions."""

    name: str
    values: numpy.ndarray
    dims: tuple[str, ...]
    attrs: dict[str, Any]

    def __post_init__(self) -> None:
        if len(self.dims) != self.values.ndim:
            raise InvalidTableError(
                f"coordinate {self.name!r} has {self.values.ndim} axes and {len(self.dims)} dims "
                f"{self.dims}; name each axis once"
            )
        self.encoded()

    def agrees(self, other: Coordinate) -> bool:
        """Whether both are equal; NaN equals NaN."""
        is_same_form = self.dims == other.dims and self.values.dtype == other.values.dtype
        may_be_nan = self.values.dtype.kind in "fcmM"
        return is_same_form and numpy.array_equal(self.values, other.values, equal_nan=may_be_nan)

    def encoded(self) -> tuple[numpy.ndarray, dict[str, Any]]:
        """The values for HDF5, and the attributes for decoding them (CF conventions)."""
        values = self.values
        dtype_kind = values.dtype.kind
        if dtype_kind == "b":
            return values, {"dtype": "bool"}
        if dtype_kind in "iufc":
            return values, {}
        if dtype_kind in "Mm":
            unit = numpy.datetime_data(values.dtype)
            if unit[0] in _TIME_UNITS and unit[1] == 1:
                name = _TIME_UNITS[unit[0]]
                if dtype_kind == "m":
                    return values.astype("i8"), {"units": name, "dtype": values.dtype.name}
                epoch = {"units": f"{name} since 1970-01-01", "calendar": "proleptic_gregorian"}
                return values.astype("i8"), epoch
        if dtype_kind in "UT" or (dtype_kind == "O" and all(isinstance(v, str) for v in values.flat)):
            for text in values.flat:
                if not _is_text(text):
                    raise InvalidTableError(
                        f"coordinate {self.name!r} holds {text!r}, whose null characters or lone surrogates HDF5 "
                        f"cannot hold; remove them"
                    )
            return values.astype(object), {}
        raise InvalidTableError(
            f"coordinate {self.name!r} is of type {values.dtype}, which HDF5 cannot hold; "
            f"make it numbers, strings or datetime64[ns]"
        )


def write_scales(
    file: h5py.File, columns: Mapping[str, tuple[str, ...]], coordinates: Mapping[str, Coordinate]
) -> None:
    """Write the coordinates and give every axis of every dataset its dimension scale."""
    datasets = {key: (file[dataset_name(key)], dims) for key, dims in columns.items()}
    for name, coordinate in coordinates.items():
        datasets[name] = (_write_coordinate(file, coordinate), coordinate.dims)
    scales = _Scales(file, datasets)
    for dataset, dims in datasets.values():
        for axis, dim in enumerate(dims):
            scale = scales.of(dim, dataset.shape[axis])
            if scale != dataset:
                dataset.dims[axis].attach_scale(scale)
    auxiliary = [dataset_name(name) for name, c in coordinates.items() if c.dims != (name,)]
    if auxiliary:
        file.attrs["coordinates"] = " ".join(name for name in auxiliary if not any(map(str.isspace, name)))


class _Scales:
    """One scale for each dimension's name and length."""

    def __init__(self, file: h5py.File, datasets: Mapping[str, tuple[h5py.Dataset, tuple[str, ...]]]) -> None:
        self._file = file
        self._known: dict[tuple[str, int], h5py.Dataset] = {}
        for name, (dataset, dims) in datasets.items():
            if dims == (name,):
                dataset.make_scale(dataset_name(name))
                self._known[name, dataset.shape[0]] = dataset

    def of(self, dim: str, length: int) -> h5py.Dataset:
        if (dim, length) not in self._known:
            self._known[dim, length] = self._without_values(dim, length)
        return self._known[dim, length]

    def _without_values(self, dim: str, length: int) -> h5py.Dataset:
        name = next(name for name in _names(dim, length) if name not in self._file)
        chunked = {} if length else {"maxshape": (None,), "chunks": (1,)}
        # Never written, so it takes no space.
        scale = self._file.create_dataset(name, shape=(length,), dtype=">f4", **chunked)
        scale.make_scale(f"{_NO_VALUES}{length:10d}")
        return scale


def _names(dim: str, length: int) -> Iterator[str]:
    """Possible names for a dimension; the next is used if a column, or a dimension of another length, has one."""
    name = dataset_name(dim)
    yield name
    yield f"{name}_{length}"
    name = f"{name}_axis"
    while True:
        yield name
        name += "_"


def _write_coordinate(file: h5py.File, coordinate: Coordinate) -> h5py.Dataset:
    import h5py

    values, attrs = coordinate.encoded()
    options: dict[str, Any] = {}
    if values.dtype == object:
        # HDF5 cannot filter strings of variable length, so these have no checksum.
        options["dtype"] = h5py.string_dtype()
    elif values.size and values.ndim:
        options |= {"chunks": True, "fletcher32": True}
    dataset = file.create_dataset(dataset_name(coordinate.name), data=values, **options)
    write_attrs(dataset, {**coordinate.attrs, **attrs})
    return dataset


def write_attrs(target: h5py.HLObject, attrs: Mapping[str, Any]) -> None:
    """Write attributes; values without a type in HDF5 are written as JSON."""
    for name, value in attrs.items():
        is_renamed = not name or name in _RESERVED or not _is_text(name)
        target.attrs[f"{ascii(name)[1:-1]}_" if is_renamed else name] = _attribute_value(value)


def _attribute_value(value: Any) -> Any:
    if isinstance(value, str):
        return value if _is_text(value) else json.dumps(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, (float, numpy.number, numpy.bool_)):
        return value
    if isinstance(value, numpy.ndarray) and value.dtype.kind in "biufc":
        return value
    if isinstance(value, (list, tuple)) and value and all(type(v) in (int, float) for v in value):
        return [float(v) for v in value] if any(type(v) is float for v in value) else list(value)
    return json.dumps(value, default=str)


def _is_text(value: str) -> bool:
    """Whether HDF5 can hold a string: UTF-8 that ends at the first null character."""
    return re.search("[\0\ud800-\udfff]", value) is None
