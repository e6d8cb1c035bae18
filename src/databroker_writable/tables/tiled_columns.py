"""The columns of a stream as Tiled has them, and read through a client of Tiled or databroker 2.

Tried with bluesky-tiled-plugins 2.0.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy
import pandas
import xarray

from ..errors import warn_user
from .encoded_column import is_null, nest
from .exact_numbers import FLOAT64_HOLDS
from .layout import find_layout
from .time_columns import NAT

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
        self._stream, self._dataset = stream, read_stream(stream)
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
        if kind in "iu" and any(isinstance(value, float) and abs(value) >= FLOAT64_HOLDS for value in flat):
            flat = self._with_all_digits(key if entry is None else entry["name"], flat)
        items = [None if null else _TYPES[kind](value) for value, null in zip(flat, nulls, strict=True)]
        return nest(items, values.shape)

    def _with_all_digits(self, name: Any, floats: list[Any]) -> list[Any]:
        """Integers that the server shows as floats, from the table that `serve` has; warn where there is none."""
        node: Any = self._stream["table"] if "table" in list(self._stream) else None
        frame = node.read() if getattr(node, "structure_family", None) == "table" else pandas.DataFrame()
        if name in frame and len(frame) == len(floats):
            return [old if pandas.isna(new) else int(new) for old, new in zip(floats, frame[name], strict=True)]
        warn_user(
            f"column {name!r}: the server has its integers beyond 2**53 as floats, so their last digits may be wrong; "
            "read the run with databroker 1"
        )
        return floats


_TYPES: dict[str, Any] = {
    # Tiled keeps bools with nulls as text, databroker 2 as floats
    "b": lambda value: value == "True" if isinstance(value, str) else bool(value),
    **{"i": int, "u": int, "f": float, "c": complex, "U": str},
}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, str | bytes | numpy.ndarray):
        return [_plain(item) for item in value]
    return value


def with_nulls_announced(dataset: xarray.Dataset, descriptor: Any) -> xarray.Dataset:
    """Note where columns have nulls, if the layout is of an old version that does not say so."""
    dataset = dataset.copy()
    for entry in (find_layout(descriptor) or {"variables": []})["variables"]:
        if "nulls" in entry:
            continue
        # not dataset[key], which costs O(columns)
        column, exact = (dataset.variables.get(entry.get(part)) for part in ("key", "exact"))
        if column is not None and column.dtype == object:
            column.attrs[NULLS] = [i for i, value in enumerate(column.values.ravel().tolist()) if value is None]
        if exact is not None and exact.dtype == object:
            values = [NAT if value is None else value for value in exact.values.ravel().tolist()]
            exact.values = numpy.array(values, "int64").reshape(exact.shape)
    return dataset


def without_objects(objects: list[Any], declared: str | None) -> Any:
    """NaN, NaT and no text for nulls, or cast as databroker 2 does, which `to_dataset` knows."""
    items = [None if pandas.api.types.is_scalar(item) and pandas.isna(item) else item for item in objects]
    dtype = numpy.dtype(declared or "O")
    # text may be longer than the first descriptor declares, and what others declare may hold no nulls
    if dtype.kind in "fcU" or (dtype.kind != "O" and None not in items):
        return numpy.array(items).astype(str if dtype.kind == "U" else dtype)
    known = [item for item in items if item is not None]
    if known and all(isinstance(item, int | float | numpy.number | numpy.bool_) for item in known):
        return numpy.array([float("nan") if item is None else item for item in items])
    if known and all(isinstance(item, pandas.Timestamp) for item in known):
        return pandas.to_datetime(pandas.Series(items), utc=True).dt.tz_localize(None).to_numpy()
    return numpy.array(["" if item is None else str(item) for item in items], dtype=str)
