"""The nodes of one stream on a Tiled server: data, timestamps, config, dataset and table; tried with tiled 0.2.20."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy
import orjson
import pandas
import xarray
from tiled.adapters.mapping import MapAdapter
from tiled.adapters.table import TableAdapter
from tiled.adapters.xarray import DatasetAdapter
from tiled.structures.core import Spec
from tiled.structures.table import TableStructure
from tiled.utils import OneShotCachedMap, safe_json_dump

from ..runs import upstream
from ..runs.document_parts import PRIMARY
from ..tables import to_dataset

NULLABLE = {
    "integer": "Int64",
    "floating": "Float64",
    "mixed-integer-float": "Float64",
    "boolean": "boolean",
    "string": "string",
}


def stream_node(run: Any, name: str) -> MapAdapter:
    """The node of one stream; `data` and `timestamps` are read when they are asked for."""
    stream = run[name]
    descriptors = [plain(descriptor) for descriptor in _descriptors(run, name)]
    table = to_dataset(run, name)
    nodes: dict[str, Callable[[], Any]] = {
        "data": lambda: _arrays(stream.to_dask(), functools.partial(_as_declared, descriptors[0]["data_keys"])),
        "timestamps": lambda: _arrays(_timestamps(run, name)),
        "config": lambda: MapAdapter({key: _arrays(stream.config[key].to_dask()) for key in stream.config}),
        "dataset": lambda: _arrays(table),
    }
    if len(table.dims) == 1 and all(variable.ndim == 1 for variable in table.data_vars.values()):
        nodes["table"] = lambda: _table(table)
    metadata = {"descriptors": descriptors, "stream_name": name}
    return MapAdapter(OneShotCachedMap(nodes), metadata=metadata, specs=[Spec("BlueskyEventStream", version="1")])


def _descriptors(run: Any, name: str) -> list[Any]:
    return [descriptor for descriptor in upstream.loaded_descriptors(run) if descriptor.get("name", PRIMARY) == name]


def plain(value: Any) -> Any:
    """The value as JSON has it; databroker's documents are classes of their own."""
    return orjson.loads(safe_json_dump(value.to_dict() if hasattr(value, "to_dict") else value))


def _timestamps(run: Any, name: str) -> xarray.Dataset:
    columns: dict[str, list[float]] = defaultdict(list)
    uids = {descriptor["uid"] for descriptor in _descriptors(run, name)}
    for kind, doc in run.documents(fill="no"):
        if kind == "event_page" and doc["descriptor"] in uids:
            columns["time"].extend(doc["time"])
            for key, values in doc["timestamps"].items():
                columns[key].extend(values)
    time = columns.pop("time")
    return xarray.Dataset({key: ("time", values) for key, values in columns.items()}, {"time": time})


def _table(dataset: xarray.Dataset) -> TableAdapter:
    """A table with nulls, in pandas' own types; without dask, which would change the types of text."""
    frame = dataset.to_dataframe()
    if frame.index.name in dataset.coords:
        frame = frame.reset_index()
    frame = frame.assign(**{name: _nullable(frame[name]) for name in frame if frame[name].dtype == object})
    return TableAdapter([frame], TableStructure.from_pandas(frame), specs=[Spec("dataframe")])


def _nullable(column: pandas.Series) -> Any:
    """The column in pandas' type with nulls; its own conversion takes large integers for floats."""
    dtype = NULLABLE.get(pandas.api.types.infer_dtype(column, skipna=True))
    if dtype == "Int64" and column.dropna().max() >= 2**63:
        dtype = "UInt64"
    return column if dtype is None else pandas.array(column.where(column.notna(), None).tolist(), dtype=dtype)


def _arrays(dataset: xarray.Dataset, convert: Callable[[str, list[Any]], numpy.ndarray] | None = None) -> Any:
    """The Dataset with the types that Tiled has arrays of: no objects, and none of pandas' own."""
    variables = {}
    for name, variable in dataset.variables.items():
        data = variable.data if variable.chunks and variable.dtype.kind != "O" else variable.values
        if data.dtype.kind == "O":
            items = [None if pandas.api.types.is_scalar(v) and pandas.isna(v) else v for v in data.ravel().tolist()]
            data = (convert or _without_nulls)(str(name), items).reshape(variable.shape)
        variables[name] = xarray.Variable(variable.dims, data, {key: plain(v) for key, v in variable.attrs.items()})
    coordinates = {name: variables.pop(name) for name in dataset.coords}
    coords = xarray.Coordinates(coordinates, indexes={})
    return DatasetAdapter.from_dataset(xarray.Dataset(variables, coords, plain(dataset.attrs)))


def _as_declared(data_keys: Mapping[str, Any], name: str, items: list[Any]) -> numpy.ndarray:
    """As databroker 2 casts it: ``to_dataset`` of a client tells by it which items were null."""
    declared = data_keys.get(name, {}).get("dtype_numpy")
    if declared is None:
        return _without_nulls(name, items)
    return numpy.array(items).astype(declared)


def _without_nulls(name: str, items: list[Any]) -> numpy.ndarray:
    """NaN among numbers, NaT among times, and no text among text, in the place of nulls."""
    known = [item for item in items if item is not None]
    if known and _are(known, bool | numpy.bool_ | int | float | numpy.number):
        nan = float("nan")
        return numpy.array(known if len(known) == len(items) else [nan if item is None else item for item in items])
    if known and _are(known, pandas.Timestamp):
        return pandas.to_datetime(pandas.Series(items), utc=True).dt.tz_localize(None).to_numpy()
    return numpy.array(["" if item is None else str(item) for item in items], dtype=str)


def _are(items: Iterable[Any], types: Any) -> bool:
    return all(isinstance(item, types) for item in items)
