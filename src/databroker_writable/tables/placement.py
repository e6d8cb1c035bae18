"""Where each variable of a table goes: to the Events, to the descriptor's configuration, to their time."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import dask.array
import numpy

from ..errors import InvalidTableError
from .attributes import encode_attributes
from .classifier import is_array, loses_dims_in_lists
from .encode import encode
from .encoded import Encoded
from .event_time import LATEST
from .layout import OBJECT, SOURCE, embed_layout
from .names import free_name
from .nulls import has_nulls, null_marks, null_safe
from .refusals import computed
from .variables import Source, Variable

CONFIGURATION_LIMIT = 1024 * 1024  # bytes of one coordinate; larger ones would bloat every descriptor


class StreamComposer:
    """Collects what goes to the descriptor and to the Events."""

    def __init__(self, source: Source, *, one_event: bool) -> None:
        self.source = source
        self.one_event = one_event
        self.dim = None if one_event else _event_dim(source)
        self.names = {v.name for v in source.variables} | {v.key for v in source.variables if v.key}
        # databroker's reader gives every variable a leading dim `time` and a coordinate of that name
        # (bluesky_live 0.0.8 conversion.py): the name is not free for anything else.
        self.time_name = free_name("time_", self.names | {d for v in source.variables for d in v.dims})
        self.data: dict[str, Any] = {}
        self.data_keys: dict[str, dict[str, Any]] = {}
        self.configuration: dict[str, dict[str, Any]] = {"data": {}, "data_keys": {}, "timestamps": {}}
        self.entries: list[dict[str, Any]] = []
        self.fields: list[str] = []
        self.time: numpy.ndarray | None = None
        self.length = 1
        self.now = time.time()

    def add(self, variable: Variable) -> None:
        """Encode one variable and put it where it belongs."""
        dims, values = variable.dims, variable.values
        along = self.dim is not None and self.dim in dims
        place = "data" if along or self._belongs_to_events(variable) else "configuration"
        if isinstance(values, dask.array.Array) and variable.coordinate:
            values = computed(values, variable.name) if place == "configuration" or not _is_large(values) else values
        entry: dict[str, Any] = {"name": variable.name, "dims": list(dims), "coordinate": variable.coordinate}
        if along and dims[0] != self.dim:
            entry["order"] = [dims.index(str(self.dim)), *(i for i, d in enumerate(dims) if d != self.dim)]
            dims, values = tuple(dims[i] for i in entry["order"]), values.transpose(entry["order"])
        if along:
            self.length = values.shape[0]
            if not self.length:
                raise InvalidTableError("the table has no rows; give it at least one, or store it with one_event=True")
        encoded = encode(values, variable.key or variable.name)
        entry["encoding"] = encoded.encoding
        entry["attrs"] = encode_attributes(variable.attrs, f"variable {variable.name!r}")
        marks = None
        if has_nulls(encoded):
            entry["nulls"] = encoded.dtype_numpy
            marks = null_marks(encoded)
            encoded = null_safe(encoded)
        if along and variable.name == "time" and self._can_be_event_time(encoded):
            self.time = numpy.asarray(encoded.values, dtype="float64")
            entry["in"], base = "time", "time"
        else:
            entry["in"] = place
            entry["key"] = base = self._put(place, variable.key or variable.name, encoded, variable, dims)
            if place == "data" and not variable.coordinate and _plots(encoded, self.data_keys[base]):
                self.fields.append(base)
        if marks is not None and place == "data":
            wanted = free_name(f"{base}_missing", self.names)
            entry["missing"] = self._put(place, wanted, marks, variable, dims)
        if encoded.exact is not None:
            wanted = free_name(f"{base}_{encoded.encoding['exact']}", self.names)
            entry["exact"] = self._put(place, wanted, encoded.exact, variable, dims)
        self.entries.append(entry)

    def finish(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return data keys, object keys, configuration and hints."""
        layout = {
            "kind": self.source.kind,
            "one_event": self.one_event,
            "dim": self.dim,
            "variables": self.entries,
            "indexes": self.source.indexes,
            "attrs": encode_attributes(self.source.attrs, "the table"),
        }
        embed_layout(layout, self.configuration, self.now)
        hints = {OBJECT: {"fields": self.fields}} if self.fields else {}
        return self.data_keys, {OBJECT: list(self.data_keys)}, {OBJECT: self.configuration}, hints

    def _can_be_event_time(self, encoded: Encoded) -> bool:
        """Whether `time` rises, and there is a column beside it: a reader shows no Events that hold nothing."""
        return (encoded.exact is not None or self._has_others()) and _rises(encoded)

    def _has_others(self) -> bool:
        return any(v.name != "time" and (self.dim in v.dims or not v.coordinate) for v in self.source.variables)

    def _belongs_to_events(self, variable: Variable) -> bool:
        if not variable.coordinate or self.source.kind == "frame":
            return True
        return self.one_event and _is_large(variable.values)

    def _put(self, place: str, wanted: str, encoded: Encoded, variable: Variable, dims: tuple[str, ...]) -> str:
        """Put values and their data key to their place; return the key under which they are."""
        shape, dims, values = encoded.shape, dims + encoded.extra_dims, encoded.values
        if place == "data":
            key = self._key(wanted, self.data)
            if self.one_event:
                self.data[key] = values[None] if is_array(values) else [values]
            else:
                self.data[key] = values.tolist() if variable.is_list and _is_plain(encoded) else values
                shape, dims = shape[1:], dims[1:]
            if loses_dims_in_lists(shape) and not is_array(values):
                raise InvalidTableError(
                    f"column {wanted!r} is an empty array of text or objects of shape {shape}, which the lists of "
                    "documents cannot hold, since they lose the dims after one of length 0; leave the column out"
                )
            self.data_keys[key] = self._data_key(encoded, variable, shape, dims)
            return key
        key = self._key(wanted, self.configuration["data"])
        if isinstance(values, numpy.ndarray) and values.dtype.kind == "c":
            # The configuration is plain JSON, which has no complex numbers.
            values = numpy.stack([values.real, values.imag], axis=-1)
            shape, dims = (*shape, 2), (*dims, "real_imag")
        self.configuration["data"][key] = values.tolist() if isinstance(values, numpy.ndarray) else values
        self.configuration["data_keys"][key] = self._data_key(encoded, variable, shape, dims)
        self.configuration["timestamps"][key] = self.now
        return key

    def _key(self, wanted: str, taken: Collection[str]) -> str:
        if wanted == "time":
            return free_name(self.time_name, taken)
        return free_name(wanted, taken)

    def _data_key(
        self, encoded: Encoded, variable: Variable, shape: tuple[int, ...], dims: tuple[str, ...]
    ) -> dict[str, Any]:
        source = variable.attrs.get("source")
        units = encoded.units or variable.attrs.get("units")
        data_key: dict[str, Any] = {
            "source": source if isinstance(source, str) and source else SOURCE,
            "dtype": "array" if shape else encoded.dtype,
            "dtype_numpy": encoded.dtype_numpy,
            "shape": list(shape),
        }
        if shape:
            data_key["dims"] = [self.time_name if dim == "time" else dim for dim in dims]
        if isinstance(units, str):
            data_key["units"] = units
        return data_key


def _event_dim(source: Source) -> str:
    """The leading dim that all columns share."""
    if source.dim is not None:
        return source.dim
    leading = {v.dims[:1] for v in source.variables if not v.coordinate}
    if len(leading) > 1 or () in leading:
        listed = ", ".join(f"{v.name}: {v.dims}" for v in source.variables if not v.coordinate)
        raise InvalidTableError(
            f"the variables of the Dataset share no leading dim ({listed}), so that its rows cannot be Events; "
            "store it as a whole with one_event=True"
        )
    return leading.pop()[0]


def _is_plain(encoded: Encoded) -> bool:
    """Whether a list of Python's own numbers serves as well: the documents compare and are JSON, as bluesky-live's."""
    # from a list of integers over 2**63-1 numpy would make floats when it is read
    is_numbers = isinstance(encoded.values, numpy.ndarray) and encoded.values.dtype.kind in "bif"
    return is_numbers and len(encoded.shape) == 1 and encoded.encoding.get("is") == "numpy"


def _is_large(values: Any) -> bool:
    return getattr(values, "nbytes", 0) > CONFIGURATION_LIMIT


def _rises(encoded: Encoded) -> bool:
    """Whether a column can be the Events' own time: each row at least a microsecond after the one before."""
    values = encoded.values
    if encoded.encoding["is"] not in ("numpy", "datetime", "extension") or len(encoded.shape) != 1:
        return False
    if not isinstance(values, numpy.ndarray) or values.dtype.kind not in "iuf":
        return False
    seconds = values.astype("float64")
    if not ((seconds >= 0) & (seconds < LATEST)).all():  # false for NaN, too
        return False
    return bool((numpy.rint(numpy.diff(seconds) * 1e6) >= 1).all())


def _plots(encoded: Encoded, data_key: dict[str, Any]) -> bool:
    """Whether a column is of plain numbers, one per Event."""
    return not data_key["shape"] and is_array(encoded.values) and encoded.values.dtype.kind in "iuf"
