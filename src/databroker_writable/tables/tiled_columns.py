"""Read the columns of a stream through a client of Tiled or databroker 2; tried with bluesky-tiled-plugins 2.0."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy
import xarray

from .layout import find_layout
from .list_columns import nest
from .missing_values import is_null

NULLS = "unannounced_nulls"
"""The attribute of a column of `databroker_writable.serve` with the positions of nulls, if its layout does not tell."""


def is_remote(run: Any) -> bool:
    """Whether a run is a node of Tiled's."""
    return hasattr(run, "structure_family")


def descriptor_of(stream: Any) -> dict[str, Any]:
    """The last descriptor of a stream, in plain Python, because integers may have become floats."""
    descriptor: dict[str, Any] = _plain(max(stream.descriptors, key=lambda descriptor: descriptor["time"]))
    return descriptor


def read_stream(stream: Any, *columns: str) -> xarray.Dataset:
    """Read some columns of a stream, or all."""
    with warnings.catch_warnings():
        # bluesky-tiled-plugins 2.0.12 gives the same name to axes of equal length, such as those of a square image
        warnings.filterwarnings("ignore", "Duplicate dimension names present", UserWarning)
        dataset: xarray.Dataset = stream.read(list(columns)) if columns else stream.read()
    return dataset


class RemoteColumns:
    """The columns of all Events of a stream, with null where the server shows a substitute."""

    def __init__(self, stream: Any, descriptor: dict[str, Any]) -> None:
        self.data_keys = descriptor["data_keys"]
        self._dataset = read_stream(stream)
        self.time = self._dataset["time"].values
        layout = find_layout(descriptor) or {"variables": []}
        self._entries = {entry["key"]: entry for entry in layout["variables"] if "nulls" in entry}

    def column(self, key: str) -> Any:
        """One column, with an item for each Event."""
        variable = self._dataset[key]
        values = variable.data if variable.chunks else variable.values
        entry = self._entries.get(key)
        if entry is None and NULLS not in variable.attrs:
            return values.tolist() if values.dtype.kind in "OUT" else values
        flat = values.ravel().tolist()
        if entry is None:
            dtype, positions = self.data_keys[key]["dtype_numpy"], set(variable.attrs[NULLS])
            nulls = [i in positions for i in range(len(flat))]
        else:
            marks = None if "missing" not in entry else self._dataset[entry["missing"]].values.ravel().tolist()
            dtype, nulls = entry["nulls"], list(map(is_null, flat)) if marks is None else marks
        kind = numpy.dtype(dtype).kind
        items = [None if null else _TYPES[kind](value) for value, null in zip(flat, nulls, strict=True)]
        return nest(items, values.shape)

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of a column with all its Events."""
        return (len(self.time), *self.data_keys[key]["shape"])


def _bool(value: Any) -> bool:
    """Tiled keeps bools with nulls as text, databroker 2 as floats."""
    return value == "True" if isinstance(value, str) else bool(value)


_TYPES: dict[str, Any] = {"b": _bool, "i": int, "u": int, "f": float, "c": complex, "U": str}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, str | bytes | numpy.ndarray):
        return [_plain(item) for item in value]
    return value
