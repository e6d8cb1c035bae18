"""Write dimension scales and coordinates for netCDF and HDF viewers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy

from ...errors import InvalidTableError
from ...tables.names import free_name
from .asset_paths import dataset_name

if TYPE_CHECKING:
    import h5py

# The name of a dimension scale without values (the netCDF-4 format, appendix of the NUG).
_NO_VALUES = "This is a netCDF dimension but not a netCDF variable."


class Coordinate(NamedTuple):
    """Numbers, bools or text along some dimensions."""

    values: numpy.ndarray
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]


def check_texts(where: str, texts: Iterable[str]) -> None:
    """Refuse text that HDF5 cannot hold: its strings end at the first null character."""
    for text in texts:
        if "\0" in text:
            raise InvalidTableError(f"{where} holds {str(text)!r}, whose null characters HDF5 cannot hold; remove them")


def write_scales(
    file: h5py.File, columns: Mapping[str, tuple[str, ...]], coordinates: Mapping[str, Coordinate]
) -> None:
    """Write the coordinates and give every axis of every dataset its dimension scale."""
    datasets = {key: (file[dataset_name(key)], dims) for key, dims in columns.items()}
    for name, coordinate in coordinates.items():
        if name not in columns:
            datasets[name] = (_write_coordinate(file, name, coordinate), coordinate.dims)
    scales: dict[tuple[str, int], h5py.Dataset] = {}
    for name, (dataset, dims) in datasets.items():
        if dims == (name,):
            dataset.make_scale(dataset_name(name))
            scales[name, dataset.shape[0]] = dataset
    for dataset, dims in datasets.values():
        for axis, (dim, length) in enumerate(zip(dims, dataset.shape, strict=True)):
            if (dim, length) not in scales:
                scales[dim, length] = _scale_without_values(file, dim, length)
            if scales[dim, length] != dataset:
                dataset.dims[axis].attach_scale(scales[dim, length])
    auxiliary = [dataset_name(name) for name, c in coordinates.items() if c.dims != (name,)]
    if auxiliary:
        file.attrs["coordinates"] = " ".join(name for name in auxiliary if not any(map(str.isspace, name)))


def _scale_without_values(file: h5py.File, dim: str, length: int) -> h5py.Dataset:
    # a column, or a dimension of another length, can have a name
    names = (dataset_name(dim), f"{dataset_name(dim)}_{length}")
    name = next((name for name in names if name not in file), "") or free_name(f"{names[0]}_axis", file)
    chunked = {} if length else {"maxshape": (None,), "chunks": (1,)}
    # Never written, so it takes no space.
    scale = file.create_dataset(name, shape=(length,), dtype=">f4", **chunked)
    scale.make_scale(f"{_NO_VALUES}{length:10d}")
    return scale


def _write_coordinate(file: h5py.File, name: str, coordinate: Coordinate) -> h5py.Dataset:
    import h5py

    values, attrs, options = coordinate.values, dict(coordinate.attrs), dict[str, Any]()
    if values.dtype.kind == "U":
        # HDF5 cannot filter strings of variable length, so these have no checksum.
        values, options = values.astype(object), {"dtype": h5py.string_dtype()}
    elif values.size and values.ndim:
        options = {"chunks": True, "fletcher32": True}
    if values.dtype == bool:
        attrs["dtype"] = "bool"
    dataset = file.create_dataset(dataset_name(name), data=values, **options)
    dataset.attrs.update(attrs)
    return dataset
