"""Describe tables as the Events of a stream: where each variable goes, and its entry in the descriptor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import dask.array
import numpy
import pandas
import xarray

from ..errors import InvalidTableError, StoreError
from .classifier import is_array, is_lazy, loses_dims_in_lists
from .column_parts import check_units_agree
from .columns import Source, Variable, source_from_mapping, unreadable
from .encode import encode
from .encoded_column import Encoded
from .exact_numbers import exactly_as
from .indexed_tables import source_from_dataset, source_from_frame
from .input_types import KnownForm, known_form
from .layout import OBJECT, SOURCE, embed_layout, encode_attributes
from .lazy_columns import computed
from .names import free_name
from .stream_table import StreamSchema, StreamTable
from .time_columns import LATEST
from .wording import choice, short

CONFIGURATION_LIMIT = 1024 * 1024  # bytes of one coordinate; larger ones would make every descriptor too large


def read_table(
    table: Any,
    *,
    one_event: bool = False,
    units: Mapping[Any, str] | None = None,
    first: StreamSchema | None = None,
) -> StreamTable:
    """Describe a table as the Events of a stream; with `one_event` as one Event, whose columns are arrays with dims.

    `units` are those of columns, by name. A single value beside columns stands in each Event. Numbers are given the
    dtypes of the stream's `first` table, where these hold them exactly.

    Raises InvalidTableError where something cannot be stored exactly or by a documented rule. Costs O(1) per column
    of numbers, O(N) for strings and objects; dask arrays are not computed.

    Examples
    --------
    >>> table = read_table({"x": [1, 2, 3], "label": ["a", "b", "c"]})
    >>> table.length
    3
    >>> table.schema.data_keys["label"]["dtype_numpy"]
    '<U1'
    """
    known = known_form(table)
    padded = {} if first is None else first.padded
    try:
        if isinstance(known.table, xarray.Dataset):
            source = source_from_dataset(known.table, padded)
        elif isinstance(known.table, pandas.DataFrame):
            source = source_from_frame(known.table, padded)
        else:
            source = source_from_mapping(known.table, padded)
        _add_attributes(source, known)
        return _read(source, one_event, units, first)
    except InvalidTableError as error:
        error.args = (known.remedy(str(error)),)
        raise


def _read(source: Source, one_event: bool, units: Mapping[Any, str] | None, first: StreamSchema | None) -> StreamTable:
    if units is not None:
        _set_units(source, units)
    composer = _StreamComposer(source, first, one_event=one_event)
    for variable in source.variables:
        try:
            composer.add(variable)
        except (StoreError, MemoryError):
            raise
        except Exception as error:
            raise unreadable(variable.name, error) from error
    return composer.finish()


def _add_attributes(source: Source, known: KnownForm) -> None:
    """Add what the table says in addition to its columns."""
    for variable in source.variables:
        said = known.column_attrs.get(variable.name, {})
        if "units" in variable.attrs and "units" in said:
            check_units_agree(variable.name, variable.attrs["units"], said["units"], "its attribute units")
        variable.attrs.update(said)
    source.attrs.update(known.attrs)


def _set_units(source: Source, units: Any) -> None:
    """Set the user's units of columns, which must not contradict those of the values."""
    if not isinstance(units, Mapping):
        raise InvalidTableError(f"units must be a dict of strings by column, e.g. {{'x': 'mm'}}, not {short(units)}")
    variables = {variable.name: variable for variable in source.variables}
    for name, text in units.items():
        if name not in variables:
            listed = choice(variables, name, repr)
            raise InvalidTableError(f"units names the column {name!r}, which the table does not have; it has {listed}")
        if not isinstance(text, str) or not text:
            raise InvalidTableError(
                f"the units of column {name!r} must be text, e.g. 'mm', not {short(text)}; give "
                "str(units), or leave the column out"
            )
        carried = variables[name].attrs.setdefault("units", str.__str__(text))
        check_units_agree(name, carried, text, "the argument units")


class _StreamComposer:
    """Collects what goes to the descriptor and to the Events."""

    def __init__(self, source: Source, first: StreamSchema | None, *, one_event: bool) -> None:
        self.source = source
        self.dtypes = {} if first is None else first.number_dtypes
        self.object_dtypes = {} if first is None else first.object_dtypes
        self.one_event = one_event
        self.dim = None if one_event else _event_dim(source)
        # of a table of single values it is one
        self.length = next((v.values.shape[v.dims.index(self.dim)] for v in source.variables if self.dim in v.dims), 1)
        self.names = {v.name for v in source.variables} | {v.key for v in source.variables}
        self.data: dict[str, Any] = {}
        self.data_keys: dict[str, dict[str, Any]] = {}
        self.configuration: dict[str, dict[str, Any]] = {"data": {}, "data_keys": {}, "timestamps": {}}
        self.entries: list[dict[str, Any]] = []
        self.fields: list[str] = []
        self.time: numpy.ndarray | None = None
        self.now = time.time()

    def add(self, variable: Variable) -> None:
        """Encode one variable and put it where it belongs."""
        entry: dict[str, Any] = {"name": variable.name, "dims": list(variable.dims), "coordinate": variable.coordinate}
        values, dims = self._values_of(variable)
        along = self.dim is not None and self.dim in dims
        if along and not self.length:
            raise InvalidTableError("the table has no rows; give it at least one, or store it with one_event=True")
        in_events = along or self._goes_to_events(variable)
        if variable.coordinate and isinstance(values, dask.array.Array) and not (in_events and _is_large(values)):
            values = computed(values, variable.name)
        if along and dims[0] != self.dim:
            entry["order"] = [dims.index(str(self.dim)), *(i for i, d in enumerate(dims) if d != self.dim)]
            dims, values = tuple(dims[i] for i in entry["order"]), values.transpose(entry["order"])
        try:
            encoded = encode(values, variable.key if variable.coordinate else variable.name)
        except InvalidTableError as exc:
            if self.source.form != "frame" or not variable.coordinate:
                raise
            # the remedies name columns of the table, and this is its index
            raise InvalidTableError(f"{exc}, after table = table.reset_index()") from exc
        if variable.name in self.object_dtypes:
            encoded = encoded.with_dtype_of_nulls(self.object_dtypes[variable.name])
        entry["encoding"] = encoded.encoding
        entry["attrs"] = encode_attributes(variable.attrs, f"variable {variable.name!r}")
        marks = None
        if isinstance(encoded.values, list) and encoded.has_nulls():
            entry["nulls"] = encoded.dtype_numpy
            marks, encoded = encoded.null_marks(), encoded.null_safe()
        put = self._put_in_events if in_events else self._put_in_configuration
        if along and variable.name == "time" and self._can_be_event_time(encoded):
            self.time = numpy.asarray(encoded.values, dtype="float64")
            entry["in"] = key = "time"
        else:
            entry["in"] = "data" if in_events else "configuration"
            entry["key"] = key = self._name(variable.key)
            put(key, encoded, variable, dims)
            if in_events and not variable.coordinate and self._is_single_number(key, encoded):
                self.fields.append(key)
        if marks is not None and in_events:
            entry["missing"] = free_name(f"{key}_missing", self.names)
            put(entry["missing"], marks, variable, dims)
        if encoded.exact is not None:
            unit = encoded.encoding.get("bounds", encoded.encoding)["exact"]
            entry["exact"] = free_name(f"{key}_{unit}", self.names)
            put(entry["exact"], encoded.exact, variable, dims)
        self.entries.append(entry)

    def _values_of(self, variable: Variable) -> tuple[Any, tuple[str, ...]]:
        """The values in the dtype of the stream's first table, and their dims; a single value is in each row."""
        dtype = self.dtypes.get(variable.name)
        values = variable.values if dtype is None else exactly_as(variable.values, dtype)
        if self.dim is None or variable.dims or variable.coordinate:
            return values, variable.dims
        value = values.compute() if is_lazy(values) else values
        return value.reshape(1).repeat(self.length), (self.dim,)  # unlike numpy.full it keeps the mask

    def _goes_to_events(self, variable: Variable) -> bool:
        """Whether a variable that is not along the dim of the Events goes to them, and not to the configuration."""
        is_large = self.one_event and _is_large(variable.values)
        return not variable.coordinate or self.source.form == "frame" or is_large

    def _is_single_number(self, key: str, encoded: Encoded) -> bool:
        is_number = is_array(encoded.values) and encoded.values.dtype.kind in "iuf"
        return is_number and not self.data_keys[key]["shape"]

    def finish(self) -> StreamTable:
        layout = {
            "kind": self.source.form,
            "one_event": self.one_event,
            "dim": self.dim,
            "variables": self.entries,
            "indexes": self.source.indexes,
            "attrs": encode_attributes(self.source.attrs, "the table"),
        }
        embed_layout(layout, self.configuration, self.now)
        schema = StreamSchema(
            self.data_keys,
            {OBJECT: list(self.data_keys)},
            {OBJECT: self.configuration},
            {OBJECT: {"fields": self.fields}} if self.fields else {},
        )
        return StreamTable(schema, self.data, self.length, self._rows(), self.time)

    def _rows(self) -> int:
        """The number of rows that a user would count: in one Event, along the dim that all arrays share."""
        arrays = [data_key for data_key in self.data_keys.values() if data_key["shape"]]
        along_one = [data_key for data_key in arrays if len(data_key["shape"]) == 1]
        if not self.one_event or not along_one or len({data_key["dims"][0] for data_key in arrays}) > 1:
            return self.length
        rows: int = along_one[0]["shape"][0]
        return rows

    def _name(self, name: str) -> str:
        """The name of a key or dim in documents, in which `time` is reserved.

        databroker's reader gives every variable a leading dim and a coordinate of that name (bluesky_live 0.0.8
        conversion.py).
        """
        if name != "time":
            return name
        return free_name("time_", self.names | {dim for v in self.source.variables for dim in v.dims})

    def _can_be_event_time(self, encoded: Encoded) -> bool:
        """Whether `time` increases, and there is another column, because readers do not show empty Events."""
        has_others = any(v.name != "time" and (self.dim in v.dims or not v.coordinate) for v in self.source.variables)
        return (encoded.exact is not None or has_others) and _rises(encoded)

    def _put_in_events(self, key: str, encoded: Encoded, variable: Variable, dims: tuple[str, ...]) -> None:
        shape, dims, values = encoded.shape, dims + encoded.extra_dims, encoded.values
        if not self.one_event:
            shape, dims = shape[1:], dims[1:]
        if not is_array(values) and loses_dims_in_lists(shape):
            raise InvalidTableError(
                f"column {key!r} is an empty array of text or objects of shape {shape}, which the lists of "
                "documents cannot hold, because they lose the dims after one of length 0; leave the column out"
            )
        if self.one_event:
            values = values[None] if is_array(values) else [values]
        elif variable.is_list and encoded.encoding.get("is") == "numpy" and isinstance(values, numpy.ndarray):
            # so that documents can be compared and are JSON; of integers over 2**63-1 numpy would read a list as floats
            values = values.tolist() if values.ndim == 1 and values.dtype.kind in "bif" else values
        self.data[key] = values
        self.data_keys[key] = self._data_key(encoded, variable, shape, dims)

    def _put_in_configuration(self, key: str, encoded: Encoded, variable: Variable, dims: tuple[str, ...]) -> None:
        shape, dims, values = encoded.shape, dims + encoded.extra_dims, encoded.values
        if isinstance(values, numpy.ndarray) and values.dtype.kind == "c":
            # The configuration is plain JSON, which has no complex numbers.
            values = numpy.stack([values.real, values.imag], axis=-1)
            shape, dims = (*shape, 2), (*dims, "real_imag")
        self.configuration["data"][key] = values.tolist() if isinstance(values, numpy.ndarray) else values
        self.configuration["data_keys"][key] = self._data_key(encoded, variable, shape, dims)
        self.configuration["timestamps"][key] = self.now

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
            data_key["dims"] = list(map(self._name, dims))
        if isinstance(units, str):
            data_key["units"] = units
        return data_key


def _event_dim(source: Source) -> str:
    """The leading dim that all columns share."""
    if source.dim is not None:
        return source.dim
    leading = {v.dims[:1] for v in source.variables if not v.coordinate and v.dims}
    if not leading:
        return free_name("row", {v.name for v in source.variables})
    if len(leading) > 1 and source.form == "mapping":
        listed = ", ".join(f"{v.name!r}: {len(v.values)}" for v in source.variables if v.dims)
        raise InvalidTableError(
            f"the columns have different lengths ({listed}); make them equal, "
            "or store them as one Event, each with a dim of its own, with one_event=True"
        )
    if len(leading) > 1:
        listed = ", ".join(f"{v.name}: {v.dims}" for v in source.variables if not v.coordinate)
        raise InvalidTableError(
            f"the variables of the Dataset share no leading dim ({listed}), so its rows cannot be Events; "
            "store it as a whole with one_event=True"
        )
    return leading.pop()[0]


def _is_large(values: Any) -> bool:
    return getattr(values, "nbytes", 0) > CONFIGURATION_LIMIT


def _rises(encoded: Encoded) -> bool:
    """Whether a column can be the time of the Events: each row at least a microsecond after the one before."""
    values = encoded.values
    if encoded.encoding["is"] not in ("numpy", "datetime", "extension") or len(encoded.shape) != 1:
        return False
    if not isinstance(values, numpy.ndarray) or values.dtype.kind not in "iuf":
        return False
    seconds = values.astype("float64")
    if not ((seconds >= 0) & (seconds < LATEST)).all():  # false for NaN, too
        return False
    return bool((numpy.rint(numpy.diff(seconds) * 1e6) >= 1).all())
