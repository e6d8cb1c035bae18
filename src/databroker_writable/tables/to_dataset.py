"""Restore the Dataset of a stored run."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy
import pandas
import xarray

from ..errors import InvalidRunError, NotFoundError, errors_end_here
from .acquired_streams import read_acquired
from .argument_checks import is_one_of
from .decode import decode, rebuild
from .exact_numbers import series_of
from .layout import OBJECT, VERSION, complex_numbers, find_layout
from .names import free_name
from .public_types import Run
from .stream_reading import counts_by_stream, joined, read_documents, run_of, with_assets
from .tiled_columns import RemoteColumns, descriptor_of, is_remote, read_stream
from .wording import short

_DELETED = "the run was deleted after it was opened, or is damaged"


def to_dataset(run: Run, stream: str = "primary") -> xarray.Dataset:
    """Read a stream back as the Dataset that was stored.

    Parameters
    ----------
    run : databroker.core.BlueskyRun, bluesky_live.bluesky_run.BlueskyRun or bluesky_tiled_plugins' BlueskyRun
        A run from any catalog, in memory, or from a client of Tiled or databroker 2; or databroker's v1 Header.
    stream : str, optional

    Returns
    -------
    xarray.Dataset
        With the dims, coordinates, units, attributes and dtypes that were stored; docs/types.md lists the dtypes that a
        Dataset cannot hold. If a DataFrame was stored, `.to_dataframe()` returns it. Assets are dask arrays, everything
        else is in memory. A stream that was not made from a table comes as `run[stream].read()` returns it, without
        columns in a stream_resource.

    Raises
    ------
    NotFoundError
        The run has no such stream, or was deleted.
    InvalidRunError
        A newer version of this package stored the run, the stream has no Events or they do not fit together, or it is
        not a run.
    UnreadableAssetError
        There is no handler for its arrays, or their file cannot be read.

    Warns
    -----
    StoreWarning
        Columns in a stream_resource are left out. Or integers beyond 2⁵³ beside missing ones have lost digits on a
        server of Tiled or databroker 2.

    Notes
    -----
    O(size of the run's documents), which are read once. Assets are read when you compute them. A stream that was not
    made from a table takes as long as databroker's ``read()`` if its values are not numbers, text or arrays of them.

    Examples
    --------
    >>> import databroker_writable
    >>> run = databroker_writable.build_simple_run({"x": [1, 2, 3]})
    >>> databroker_writable.to_dataset(run)["x"].values
    array([1, 2, 3])
    """
    with errors_end_here:
        run = require_run(run, "to_dataset")
        streams = list(run)
        if not is_one_of(stream, set(streams)):
            listed = ", ".join(map(repr, sorted(streams))) or "none"
            raise NotFoundError(f"the run has no stream {short(stream)}; its streams: {listed}")
        if is_remote(run):
            source = run[stream]
            descriptor = descriptor_of(source)
            layout = _layout_of(descriptor, stream)
            if layout is None:
                return read_stream(source)
            return _dataset_of(layout, descriptor, RemoteColumns(source, descriptor), stream)
        pages, descriptors = read_documents(run, stream, fill="no")
        if not descriptors:
            raise NotFoundError(f"stream {stream!r} is gone: {_DELETED}")
        # the last one, because integers may have become floats
        last = max(descriptors, key=lambda doc: doc["time"])
        layout = _layout_of(last, stream)
        if layout is None:
            return read_acquired(run, stream, pages, descriptors)
        if not pages:
            if counts_by_stream(run.metadata.get("stop")).get(stream, 0) > 0:
                raise InvalidRunError(
                    f"stream {stream!r} holds no Events yet, but its stop document counts some: {_DELETED}"
                )
            raise InvalidRunError(f"stream {stream!r} holds no Events yet; store some first")
        pages = with_assets(run, stream, pages, last["data_keys"])
        return _dataset_of(layout, last, _Events(pages, last["data_keys"]), stream)


def dataset_of_event(page: Mapping[str, Any], descriptor: dict[str, Any], stream: str) -> xarray.Dataset | None:
    """One Event as `to_dataset` returns it, from its page; None if it is not from a table."""
    layout = _layout_of(descriptor, stream)
    if layout is None:
        return None
    dataset = _dataset_of(layout, descriptor, _Events([dict(page)], descriptor["data_keys"]), stream)
    if layout["one_event"]:
        return dataset
    # xarray 2026.9 fails on single periods and intervals
    of_pandas = [
        name
        for name, variable in dataset.variables.items()
        if not isinstance(variable.dtype, numpy.dtype) and variable.dtype.kind == "O"
    ]
    row: xarray.Dataset = _with_objects(dataset, of_pandas).isel({layout["dim"]: 0}, missing_dims="ignore")
    return row


def _with_objects(dataset: xarray.Dataset, names: list[Hashable]) -> xarray.Dataset:
    """The Dataset with Python objects in some variables of pandas' types."""
    variables = {name: dataset.variables[name] for name in names}
    objects = {name: v.copy(data=series_of(v).astype(object).to_numpy()) for name, v in variables.items()}
    result: xarray.Dataset = dataset.assign(objects)
    return result


def is_stream(value: Any) -> bool:
    """Whether it is a stream of a run, which has the start document of the run, too."""
    metadata = getattr(value, "metadata", None)
    return isinstance(metadata, Mapping) and "descriptors" in metadata


def require_run(run: Any, function: str) -> Any:
    """Return a run, also that of a Header; refuse a uid, a catalog and the like for the `function` that was called."""
    run = run_of(run)
    metadata = getattr(run, "metadata", None)
    if is_stream(run):
        raise InvalidRunError(
            f"{function} takes a run, not one of its streams; give the run, and choose the stream by its name"
        )
    if not isinstance(metadata, Mapping) or "start" not in metadata:
        remedy = (
            f"; give catalog[{short(run, 80)}] if this is its uid (the run comes first)" if isinstance(run, str) else ""
        )
        raise InvalidRunError(f"{function} takes a run, as catalog[uid] gives it, not {short(run, 80)}{remedy}")
    return run


def _layout_of(descriptor: dict[str, Any], stream: str) -> dict[str, Any] | None:
    layout = find_layout(descriptor)
    if layout is not None and layout["version"] > VERSION:
        raise InvalidRunError(
            f"stream {stream!r} has layout version {layout['version']}, but this package reads up to {VERSION}; "
            "upgrade databroker-writable"
        )
    return layout


def _dataset_of(layout: dict[str, Any], descriptor: dict[str, Any], events: Any, stream: str) -> xarray.Dataset:
    configuration = descriptor["configuration"][OBJECT]
    if not layout["one_event"]:
        return _dataset(layout, configuration, events)
    datasets = [_dataset(layout, configuration, events, i) for i in range(len(events.time))]
    return datasets[0] if len(datasets) == 1 else _along_events(datasets, stream)


class _Events:
    """The columns of all pages of a stream, in the order of the Events."""

    def __init__(self, pages: list[dict[str, Any]], data_keys: Mapping[str, dict[str, Any]]) -> None:
        numbers = numpy.concatenate([numpy.asarray(page["seq_num"]) for page in pages])
        ordered = bool((numpy.diff(numbers) >= 0).all())
        self.data_keys = data_keys
        self._order = None if ordered else numpy.argsort(numbers, kind="stable")
        self._pages = pages
        self._columns: dict[str, Any] = {}
        self.time = self._arranged([page["time"] for page in pages])

    def column(self, key: str) -> Any:
        if key not in self._columns:
            self._columns[key] = self._arranged([page["data"][key] for page in self._pages])
        return self._columns[key]

    def _arranged(self, parts: list[Any]) -> Any:
        column = joined(parts)
        if self._order is None:
            return column
        return [column[i] for i in self._order] if isinstance(column, list) else column[self._order]


def _dataset(
    layout: dict[str, Any], configuration: dict[str, Any], events: Any, number: int | None = None
) -> xarray.Dataset:
    """The Dataset of all Events, or of the one with this number, which holds a whole table."""
    values = {entry["name"]: _variable(entry, configuration, events, number) for entry in layout["variables"]}
    return rebuild(layout if layout["one_event"] else _with_single_values(layout, values), values)


def _with_single_values(layout: dict[str, Any], values: dict[Any, Any]) -> dict[str, Any]:
    """Restore single values that are repeated in each Event; return the layout for the result.

    If a value differs between the tables of a stream, it stays a column.
    """
    entries, has_columns = [], any(layout["dim"] in entry["dims"] for entry in layout["variables"])
    for entry in layout["variables"]:
        if not entry["dims"] and entry["in"] != "configuration":
            column = numpy.asarray(values[entry["name"]])
            is_same = len(column) == 1 or (has_columns and len(pandas.unique(column)) == 1)
            values[entry["name"]] = column[0:1].reshape(()) if is_same else column
            entry = entry if is_same else {**entry, "dims": [layout["dim"]]}
        entries.append(entry)
    return {**layout, "variables": entries}


def _variable(entry: dict[str, Any], configuration: dict[str, Any], events: Any, number: int | None) -> Any:
    encoding, key, exact = entry["encoding"], entry.get("key"), entry.get("exact")
    if entry["in"] == "configuration":
        data, shape = configuration["data"], tuple(configuration["data_keys"][key]["shape"])
        stored = data[key]
        if encoding["is"] == "numpy" and numpy.dtype(encoding["dtype"]).kind == "c":
            shape = shape[:-1]
            stored = complex_numbers(stored, shape)
        return decode(encoding, stored, shape, data[exact] if exact else None)
    is_time = entry["in"] == "time"
    column: Any = events.time if is_time else events.column(key)
    companion: Any = exact and events.column(exact)
    shape = (len(events.time), *(() if is_time else events.data_keys[key]["shape"]))
    if number is not None:
        column, companion, shape = column[number], exact and companion[number], shape[1:]
    decoded = decode(encoding, column, shape, companion)
    return decoded.transpose(tuple(numpy.argsort(entry["order"]).tolist())) if "order" in entry else decoded


def _along_events(datasets: list[xarray.Dataset], stream: str) -> xarray.Dataset:
    """Join tables, each of which is one Event, along a new dim."""
    first = datasets[0]
    dim = free_name("event", {*first.variables, *first.dims})
    dtypes = {name: variable.dtype for name, variable in first.variables.items() if name not in first.xindexes}
    # types of pandas have one axis; of two, xarray (2026.9) makes no frames, and of some not even arrays
    of_pandas = [name for name in first.data_vars if not isinstance(first[name].dtype, numpy.dtype)]
    datasets = [_with_objects(dataset, of_pandas) for dataset in datasets]
    try:
        joined = xarray.concat(datasets, dim=dim, data_vars="all", coords="different", compat="equals", join="exact")
    except ValueError as error:
        raise InvalidRunError(
            f"the Events of stream {stream!r} are tables with different indexes ({error}); "
            f"read one at a time, with run[{stream!r}].read().isel(time=0)"
        ) from error
    for name, dtype in dtypes.items():
        if isinstance(dtype, numpy.dtype) and not dtype.isnative:  # of which xarray makes native ones
            joined[name] = joined[name].astype(joined[name].dtype.newbyteorder(dtype.byteorder))
    return joined
