"""Write runs as NeXus, https://www.nexusformat.org: data that viewers plot, and how they were made."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy
import xarray

from ..results.stream_data import StreamData, title_of
from ..runs.document_parts import NAMES
from ..runs.shown_text import json_line
from ..storage.assets.hdf5_file import NewHDF5File
from ..storage.durable_file import NewFile
from ..tables.names import numbered_name
from .export_columns import attribute, for_file, warn_of_change
from .exporting import RunContents

if TYPE_CHECKING:
    import h5py

_INVALID = re.compile(r"[^a-zA-Z0-9_]+")
LARGEST_ATTRIBUTE = 60_000
"""Bytes of an attribute that is an array; HDF5 has 64 KiB for it, its name and its type."""
_OF_NEXUS = {"signal", "axes", "NX_class", "target"}
"""Attributes with a meaning in NeXus, which can have another meaning in a table."""


def nexus(contents: RunContents, path: str) -> NewFile:
    """Write an NXentry with an NXdata for each stream, an NXprocess and the documents."""
    import h5py

    # in the format that all viewers read, with the columns in their order
    file = NewHDF5File(path, lambda file: h5py.File(file, "w", track_order=True))
    with file.filling():
        root = file.hdf5
        root.attrs.update(
            NX_class="NXroot", default="entry", creator="databroker-writable", file_time=_iso(time.time())
        )
        entry = _group(root, "entry", "NXentry")
        _describe(entry, contents)
        for stream in contents.streams:
            _add_stream(entry, stream, contents)
        _add_processes(entry, contents)
        documents = _group(entry, "documents", "NXcollection")
        for name, document in contents.documents().items():
            note = _group(documents, name, "NXnote")
            note["type"], note["data"] = "application/json", json_line(document)
    return file


def _describe(entry: h5py.Group, contents: RunContents) -> None:
    start, stop = contents.start, contents.stop or {}
    entry["entry_identifier"] = start["uid"]
    entry["title"] = title_of(start)
    _write_time(entry, "start_time", start)
    _write_time(entry, "end_time", stop)
    sample = start.get("sample")
    if sample is not None:
        group = _group(entry, "sample", "NXsample")
        name = sample.get("name") if isinstance(sample, Mapping) else sample
        if name is not None:
            group["name"] = name if isinstance(name, str) else json_line(name)
        if isinstance(sample, Mapping):
            group["description"] = json_line(sample)


def _add_stream(entry: h5py.Group, stream: str, contents: RunContents) -> None:
    """Add an NXdata for the columns of each shape, which viewers plot against their axes; collect the others."""
    dataset = for_file(contents.streams[stream])
    data = StreamData(dataset, contents.start, stream, contents.descriptors[stream])
    signals = data.plottable_columns()
    by_dims: dict[tuple[Hashable, ...], list[str]] = {}
    for name in dataset.data_vars:
        by_dims.setdefault(dataset.variables[name].dims, []).append(str(name))
    loose: list[str] = []
    written: set[str] = set()
    for dims, names in by_dims.items():
        plotted = [name for name in signals if name in names] if dims else []
        if plotted:
            written |= _add_plot(entry, data, contents, dims, names, plotted)
        else:
            loose += names
    loose += [str(name) for name in dataset.coords if name not in written]
    if loose or not by_dims:
        group = _group(entry, f"{stream}_more", "NXcollection")
        for name in loose:
            _field(group, name, dataset.variables[name], contents.units(stream, name))


def _add_plot(
    entry: h5py.Group,
    data: StreamData,
    contents: RunContents,
    dims: tuple[Hashable, ...],
    names: list[str],
    plotted: list[str],
) -> set[str]:
    """Add an NXdata for columns of the same dims, with their axes; return the names of what it holds."""
    stream, dataset = data.stream, data.dataset
    is_first = _INVALID.sub("_", stream) not in entry
    group = _group(entry, stream if is_first else f"{stream}_{plotted[0]}", "NXdata")
    group["title"] = f"{title_of(contents.start)} {stream}"
    along = [str(name) for name in dataset.coords if set(dataset.variables[name].dims) <= set(dims)]
    axes = [data.axis_along(dim) for dim in dims]
    # the time axis gives way to a hinted column of the same shape
    along += [name for name in axes if name is not None and name not in (*names, *along)]
    fields = {
        name: _field(group, name, dataset.variables[name], contents.units(stream, name)) for name in (*names, *along)
    }
    group.attrs["signal"] = fields[plotted[0]]
    if plotted[1:]:
        group.attrs["auxiliary_signals"] = [fields[name] for name in plotted[1:]]
    group.attrs["axes"] = [
        # numbers, so that viewers show the name of a dimension without a coordinate
        _field(group, str(dim), xarray.Variable((dim,), numpy.arange(dataset.sizes[dim])), None)
        if name is None
        else fields[name]
        for dim, name in zip(dims, axes, strict=True)
    ]
    for name in fields:
        indices = [dims.index(dim) for dim in dataset.variables[name].dims]
        if indices and (name in along or name in axes):
            group.attrs[f"{fields[name]}_indices"] = indices[0] if len(indices) == 1 else indices
    if "default" not in entry.attrs:  # the primary stream comes first
        entry.attrs["default"] = group.name.rpartition("/")[2]
    return set(fields)


def _field(group: h5py.Group, name: str, variable: xarray.Variable, units: str | None) -> str:
    """Add a field; return its name, which NeXus allows."""
    import h5py

    attrs = dict(variable.attrs)
    if units:
        attrs.setdefault("units", units)
    data = variable.data
    if data.dtype.kind == "M":
        data = numpy.asarray(data)
        first = data[~numpy.isnat(data)][:1]
        attrs = {**attrs, "units": "s", "start": str(first[0]) if first.size else ""}
        data = _since(first[0], data, name) if first.size else data - numpy.datetime64(0, "s")
    if data.dtype.kind == "m":
        attrs["units"] = "s"
        data = _seconds(name, numpy.asarray(data))
    field = _free(group, name)
    if field != name:
        attrs.setdefault("long_name", name)
    if data.dtype.kind in "US":
        group.create_dataset(field, data=data.astype(object), dtype=h5py.string_dtype())
    elif isinstance(data, numpy.ndarray):
        group[field] = data.astype("uint8") if data.dtype.kind == "b" else data
    else:
        data = data.astype("uint8") if data.dtype.kind == "b" else data
        data.store(group.create_dataset(field, data.shape, data.dtype))
    group[field].attrs.update({key: _small(attribute(value)) for key, value in attrs.items() if key not in _OF_NEXUS})
    return field


def _since(first: numpy.datetime64, times: numpy.ndarray, name: str) -> numpy.ndarray:
    """The spans of times since the first one."""
    counts = times[~numpy.isnat(times)].astype("int64")
    if not all(abs(int(count) - int(first.astype("int64"))) < 2**63 for count in (counts.min(), counts.max())):
        raise ValueError(f"the times in {name!r} are further apart than {times.dtype} can hold; .parquet keeps them")
    spans: numpy.ndarray = times - first
    return spans


def _seconds(name: str, spans: numpy.ndarray) -> numpy.ndarray:
    """Spans of time in seconds, NaN for NaT, with a warning if these do not tell them all."""
    is_known = ~numpy.isnat(spans)
    seconds = numpy.where(is_known, spans / numpy.timedelta64(1, "s"), numpy.nan)
    found = numpy.rint(seconds[is_known] / (numpy.ones((), spans.dtype) / numpy.timedelta64(1, "s")))
    if (found.astype("int64") != spans[is_known].astype("int64")).any():
        warn_of_change([repr(name)], "written as seconds, rounded to those of float64", "; .nc keeps each digit")
    return seconds


def _small(value: Any) -> Any:
    """An attribute, as JSON if it is larger than the header of an object, where old versions of HDF5 look for it."""
    size = 16 * len(value) if isinstance(value, list) else getattr(value, "nbytes", 0)
    return json_line(value) if size > LARGEST_ATTRIBUTE else value


def _add_processes(entry: h5py.Group, contents: RunContents) -> None:
    """Add an NXprocess for this run, and one for each of its inputs if they are exported."""
    runs = [source["start"] for source in contents.inputs or () if source["start"] is not None] + [contents.start]
    for number, start in enumerate(runs, 1):
        group = _group(entry, "process" if start is contents.start else f"process_{number}", "NXprocess")
        versions = start.get("versions")
        versions = versions if isinstance(versions, Mapping) else {}
        program = next((start[key] for key in NAMES if isinstance(start.get(key), str)), "databroker-writable")
        group["program"] = program
        version = start.get("analysis_version", versions.get(program, versions.get("databroker-writable")))
        if version is not None:
            group["version"] = str(version)
        _write_time(group, "date", start)
        group["sequence_index"] = number
        for key in ("uid", "derived_from", "supersedes", "parameters", "versions"):
            if key in start:
                note = _group(group, key, "NXnote")
                text = start[key] if isinstance(start[key], str) else json_line(start[key])
                note["type"] = "text/plain" if isinstance(start[key], str) else "application/json"
                note["data"] = text


def _group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    group = parent.create_group(_free(parent, name), track_order=True)
    group.attrs["NX_class"] = nx_class
    return group


def _free(group: h5py.Group, name: str) -> str:
    """A name that NeXus allows, and that is not used in the group."""
    return numbered_name(_INVALID.sub("_", name) or "_", group)


def _write_time(group: h5py.Group, name: str, document: Mapping[str, Any]) -> None:
    """Write the time of a document that has one."""
    if document.get("time") is not None:
        group[name] = _iso(document["time"])


def _iso(seconds: float) -> str:
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError, TypeError):
        return str(seconds)  # other programs may have stored what is no time
