"""The nodes of one stream on a Tiled server: data, timestamps, config, dataset and table; tried with tiled 0.2.20."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy
import orjson
import pandas
import pyarrow
import xarray
from tiled.adapters.mapping import MapAdapter
from tiled.adapters.table import TableAdapter
from tiled.adapters.xarray import DatasetAdapter
from tiled.structures.core import Spec
from tiled.structures.table import TableStructure
from tiled.utils import OneShotCachedMap, safe_json_dump

from ..runs import upstream
from ..runs.document_parts import PRIMARY
from ..tables import to_dataset, with_text_names
from ..tables.layout import find_layout


def stream_node(run: Any, name: str) -> MapAdapter:
    """The node of one stream; its parts are read when they are asked for."""
    stream = run[name]
    descriptors = [doc for doc in upstream.loaded_descriptors(run) if doc.get("name", PRIMARY) == name]
    # to_dataset would load the images of others into memory
    table = stream.to_dask() if find_layout(descriptors[0]) is None else with_text_names(to_dataset(run, name))
    nodes: dict[str, Callable[[], Any]] = {
        "data": lambda: _arrays(stream.to_dask(), descriptors[0]["data_keys"]),
        "timestamps": lambda: _arrays(_timestamps(run, descriptors)),
        "config": lambda: MapAdapter({key: _arrays(stream.config[key].to_dask()) for key in stream.config}),
        "dataset": lambda: _arrays(table),
    }
    if len(table.dims) == 1 and all(variable.ndim == 1 for variable in table.data_vars.values()):
        nodes["table"] = lambda: _table(table)
    metadata = {"descriptors": list(map(plain, descriptors)), "stream_name": name}
    return MapAdapter(OneShotCachedMap(nodes), metadata=metadata, specs=[Spec("BlueskyEventStream", version="1")])


def plain(value: Any) -> Any:
    """The value as JSON has it; databroker's documents are classes of their own."""
    return orjson.loads(safe_json_dump(value.to_dict() if hasattr(value, "to_dict") else value))


def _timestamps(run: Any, descriptors: list[Any]) -> xarray.Dataset:
    uids, keys = {descriptor["uid"] for descriptor in descriptors}, descriptors[0]["data_keys"]
    pages = [doc for name, doc in run.documents(fill="no") if name == "event_page" and doc["descriptor"] in uids]
    columns = {key: ("time", [time for page in pages for time in page["timestamps"][key]]) for key in keys}
    return xarray.Dataset(columns, {"time": [time for page in pages for time in page["time"]]})


def _table(dataset: xarray.Dataset) -> TableAdapter:
    """A table with nulls, in Arrow's types; without dask, which would change the types of text."""
    frame = dataset.to_dataframe()
    if frame.index.name in dataset.coords:
        frame = frame.reset_index()
    frame = frame.assign(**{name: _nullable(frame[name]) for name in frame if frame[name].dtype == object})
    return TableAdapter([frame], TableStructure.from_pandas(frame), specs=[Spec("dataframe")])


def _nullable(column: pandas.Series) -> Any:
    try:
        return pandas.arrays.ArrowExtensionArray(pyarrow.array(column, from_pandas=True))
    except pyarrow.ArrowException:
        return column.map(str, na_action="ignore")  # values of several types


def _arrays(dataset: xarray.Dataset, data_keys: Mapping[str, Any] | None = None) -> DatasetAdapter:
    """The Dataset with the types that Tiled has arrays of: no objects, and none of pandas' own."""
    variables = {}
    for name, variable in dataset.variables.items():
        data = variable.data if variable.chunks and variable.dtype.kind != "O" else variable.values
        if data.dtype.kind == "O":
            declared = (data_keys or {}).get(str(name), {}).get("dtype_numpy")
            data = _without_objects(data.ravel().tolist(), declared).reshape(variable.shape)
        variables[name] = xarray.Variable(variable.dims, data, plain(variable.attrs))
    coords = xarray.Coordinates({name: variables.pop(name) for name in dataset.coords}, indexes={})
    return DatasetAdapter.from_dataset(xarray.Dataset(variables, coords, plain(dataset.attrs)))


def _without_objects(objects: list[Any], declared: str | None) -> numpy.ndarray:
    """NaN, NaT and no text in the place of nulls; or cast as databroker 2 does, which `to_dataset` knows."""
    items = [None if pandas.api.types.is_scalar(item) and pandas.isna(item) else item for item in objects]
    if declared is not None:
        return numpy.array(items).astype(declared)
    known = [item for item in items if item is not None]
    if known and all(isinstance(item, int | float | numpy.number | numpy.bool_) for item in known):
        return numpy.array([float("nan") if item is None else item for item in items])
    if known and all(isinstance(item, pandas.Timestamp) for item in known):
        return pandas.to_datetime(pandas.Series(items), utc=True).dt.tz_localize(None).to_numpy()
    return numpy.array(["" if item is None else str(item) for item in items], dtype=str)
