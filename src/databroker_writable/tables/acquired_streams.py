"""Read streams that were not made from a table, such as those of acquisitions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dask.array
import event_model
import numpy
import xarray

from ..errors import InvalidRunError, StoreError, warn_user
from .stream_reading import joined, naming_the_run, read_documents, stream_columns, with_assets
from .wording import cut

_KINDS = "biufcU"
"""The kinds of dtypes of numbers and text."""


def read_acquired(
    run: Any, stream: str, pages: list[dict[str, Any]], descriptors: Sequence[dict[str, Any]]
) -> xarray.Dataset:
    """A stream that was not made from a table, in memory; an error says what cannot be read, and in which column."""
    try:
        with naming_the_run(run, stream):
            dataset: xarray.Dataset = as_databroker_reads(run, stream, pages, descriptors).load()
    except StoreError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        why = None
        with contextlib.suppress(Exception):  # the documents cannot be read either
            why = _what_cannot_be_read(
                read_documents(run, stream, fill="delayed")[0], descriptors[0].get("data_keys", {})
            )
        where = f"stream {stream!r} of the run {run.metadata['start']['uid']!r}"
        what = (
            f"column {why[0]!r} of {where} has {why[1]}"
            if why
            else f"{where} cannot be read by databroker ({type(error).__name__}: {cut(str(error), 200)})"
        )
        raise InvalidRunError(f"{what}; read its Events one by one, with run.documents(fill='yes')") from error
    return dataset


def as_databroker_reads(
    run: Any, stream: str, pages: list[dict[str, Any]], descriptors: Sequence[dict[str, Any]]
) -> xarray.Dataset:
    """What databroker's ``to_dask()`` gives of any stream; only columns in other files are dask arrays."""
    with naming_the_run(run, stream):
        dataset = _from_columns(run, stream, pages, descriptors)
        return without_stream_resources(run, stream, descriptors).to_dask() if dataset is None else dataset


def _from_columns(
    run: Any, stream: str, pages: list[dict[str, Any]], descriptors: Sequence[dict[str, Any]]
) -> xarray.Dataset | None:
    """The same from whole columns; None if databroker has to read them.

    databroker 1.2.5 makes a dask array of each value, which takes seconds for a scan of 200 Events.
    """
    # as with databroker, the first descriptor says what is in a stream
    data_keys = descriptors[0]["data_keys"]
    if not pages or any(map(stream_columns, descriptors)) or "time" in data_keys:
        return None
    if any("time" in (data_key.get("dims") or ()) for data_key in data_keys.values()):
        return None
    pages = with_assets(run, stream, pages, data_keys)
    parts: list[xarray.Dataset] = []
    for descriptor in descriptors:
        own_pages = [page for page in pages if page["descriptor"] == descriptor["uid"]]
        if not own_pages:  # databroker would turn integers into floats, and fail at text
            continue
        columns = _columns(own_pages, data_keys)
        if columns is None:
            return None
        form = _of_one_event({**descriptor, "data_keys": data_keys}).variables
        variables = {key: (form[key].dims, columns[key], form[key].attrs) for key in data_keys}
        parts.append(xarray.Dataset({"time": ("time", columns["time"])} | variables))
    return parts[0] if len(parts) == 1 else xarray.merge(parts, join="outer", compat="no_conflicts")


def _columns(pages: list[dict[str, Any]], keys: Iterable[str]) -> dict[str, Any] | None:
    """The columns of Events as arrays; None if databroker has to make the arrays."""
    columns = {"time": [time for page in pages for time in page["time"]]}
    for key in keys:
        values = _array_of(joined([page["data"][key] for page in pages]))
        if values is None:
            return None
        if isinstance(values, numpy.ndarray) and values.dtype == object:
            # as with databroker, xarray (2026.9) turns None among strings into NaN only when they are loaded
            values = dask.array.from_array(values, chunks=-1)
        columns[key] = values
    return columns


def _array_of(column: Any) -> Any:
    """An array of numbers, text and None, or of arrays of these; None of other values."""
    if not isinstance(column, list):
        return column if column.dtype.kind in _KINDS else None
    values = list(map(numpy.asarray, column))
    is_known = all(value.dtype.kind in _KINDS or (value.ndim == 0 and value.item() is None) for value in values)
    return numpy.stack(values) if is_known else None


def _of_one_event(descriptor: dict[str, Any]) -> xarray.Dataset:
    """The form of a stream, its dims and attributes, with zeros in place of the data of one Event."""
    # only here: tables that were stored by this package are read where bluesky-live is not installed
    from bluesky_live.conversion import documents_to_xarray

    data_keys = {key: {**data_key, "external": ""} for key, data_key in descriptor["data_keys"].items()}
    data = {key: numpy.zeros((1,) * len(data_keys[key]["shape"])) for key in data_keys}
    event: Any = {"descriptor": descriptor["uid"], "uid": "", "time": 0.0, "seq_num": 1, "data": data, "timestamps": {}}
    form: xarray.Dataset = documents_to_xarray(
        start_doc=None,
        stop_doc=None,
        descriptor_docs=[{**descriptor, "data_keys": data_keys}],
        get_event_pages=lambda descriptor: [event_model.pack_event_page(event)],
        filler=None,
        get_resource=None,
        lookup_resource_for_datum=None,
        get_datum_pages=None,
    )
    return form


def without_stream_resources(run: Any, stream: str, descriptors: Sequence[Mapping[str, Any]]) -> Any:
    """The stream without columns in a stream_resource, at which databroker fails if the stream has Events."""
    columns = sorted({key for descriptor in descriptors for key in stream_columns(descriptor)})
    if not columns:
        return run[stream]
    where = (
        f"the column{'s' * (len(columns) > 1)} {', '.join(map(repr, columns))} of stream {stream!r} of the run "
        f"{run.metadata['start']['uid']!r} {'are' if len(columns) > 1 else 'is'} in a stream_resource"
    )
    if not hasattr(run[stream], "configure_new"):
        raise InvalidRunError(f"{where}, which a run in memory does not hold; store its documents, and read that run")
    warn_user(f"{where}, which databroker 1 cannot read, and left out; read the file that it names")
    return run[stream].configure_new(exclude=columns)


def _what_cannot_be_read(
    pages: list[dict[str, Any]], data_keys: Mapping[str, dict[str, Any]]
) -> tuple[str, str] | None:
    """The first column that databroker cannot make an array of, and what it has."""
    lengths: dict[str, tuple[int, str]] = {}
    for key in pages[0]["data"] if pages else ():
        if key == "time":
            return key, "the name of the times of Events, so databroker cannot read it"
        try:
            shapes = list(dict.fromkeys(numpy.shape(value) for page in pages for value in page["data"].get(key, ())))
        except ValueError:
            return key, "rows of unequal length, which fit in no Dataset"
        if len(shapes) > 1:
            return key, f"arrays of different shapes, {shapes[0]} and {shapes[1]}, which fit in no Dataset"
        [shape] = shapes
        data_key = data_keys.get(key, {})
        part = "dims" if "dims" in data_key else "shape"
        declared = data_key.get(part)
        if not isinstance(declared, Sequence) or len(shape) != len(declared):
            return key, f"arrays of the shape {shape} and, in its data key, the {part} {declared}, which do not fit"
        for dim, length in zip(declared, shape, strict=True) if part == "dims" else ():
            other, column = lengths.setdefault(dim, (length, key))
            if other != length:
                return key, f"{length} values along the dim {dim!r}, along which column {column!r} has {other}"
    return None
