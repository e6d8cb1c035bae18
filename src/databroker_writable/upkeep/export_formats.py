"""The formats of exported runs except NeXus, which `export_names` lists; each gives a file to be published."""

from __future__ import annotations

import csv as csv_rules
import json as json_library
import re
from typing import TYPE_CHECKING, Any

import humanize
import numpy
import pandas
import xarray
from xarray.indexes import PandasMultiIndex

from ..errors import ExportError, warn_user
from ..runs.shown_text import for_json, json_line
from ..storage.assets.hdf5_file import NewHDF5File
from ..storage.durable_file import NewFile
from ..tables.columns import is_default_index
from ..tables.names import numbered_name
from .export_columns import for_file, for_json_file, for_parquet, warn_of_change, warn_of_csv
from .exporting import RunContents, written

if TYPE_CHECKING:
    import pyarrow

DOCUMENTS = "databroker_run"
"""The group of a netCDF file, and the key of a Parquet file, that holds the documents of the run as JSON."""


CSV_HEADER = re.compile(r'(?:# start\.[^\n]*\n)*# start\.uid: "')
"""How an exported CSV file begins."""


WIDE = 1000
"""With more columns, HDF5 uses again the space that it frees in a netCDF file, which HDF5 1.8 cannot read."""

SECONDS_PER_COLUMN = 0.004
"""What xarray 2026.9 and h5netcdf 1.8 need for a column of netCDF."""

SLOW_SECONDS = 10
"""Warn if writing takes longer than this many seconds."""

_READ_BY_H5NETCDF = (
    ", which xarray.open_dataset reads as pairs where netCDF4 is installed, unless it is given engine='h5netcdf'"
)
"""netCDF4 1.7 gives complex numbers with auto_complex=True, which xarray (2026.9) does not set."""


def netcdf(contents: RunContents, path: str) -> NewFile:
    """Write netCDF-4: one stream at the top, several in groups of their names; the documents in a group."""
    import h5netcdf

    warn_of_change(_complex_ones(contents), "written as complex numbers", _READ_BY_H5NETCDF)
    count = sum(len(dataset.variables) for dataset in contents.streams.values())
    _warn_of_slow_writing(count)
    # HDF5 writes its list of the columns along a dim anew for each of them, at another place in the file
    layout = {"fs_strategy": "page"} if count > WIDE else {}
    file = NewHDF5File(path, lambda file: h5netcdf.File(file, "w", **layout))
    groups = _groups(list(contents.streams))
    with file.filling():
        for name, dataset in contents.streams.items():
            is_whole = len(contents.streams) == 1
            group = _without_documents_name(for_file(dataset)) if is_whole else for_file(dataset)
            _add_group(file, group, None if is_whole else groups[name])
        documents = {name: ((), json_line(document)) for name, document in contents.documents().items()}
        _add_group(file, xarray.Dataset(documents), DOCUMENTS)
    return file


def _warn_of_slow_writing(count: int) -> None:
    """Warn of a table that h5netcdf writes slowly, before it begins."""
    seconds = SECONDS_PER_COLUMN * count
    if seconds > SLOW_SECONDS:
        warn_user(
            f"netCDF takes about {humanize.naturaldelta(seconds)} for {count:,} columns; .nxs, .parquet and .json take "
            "a tenth of that; columns (--column) chooses some"
        )


def _without_documents_name(dataset: xarray.Dataset) -> xarray.Dataset:
    """The Dataset with another name for what is named as the group of the documents beside it."""
    names = {*dataset.variables, *dataset.dims}
    if DOCUMENTS not in names:
        return dataset
    new = numbered_name(DOCUMENTS, names)
    warn_of_change([repr(DOCUMENTS)], f"written as {new!r}", ", because the documents of the run have this name")
    return dataset.rename({DOCUMENTS: new})


def _groups(streams: list[str]) -> dict[str, str]:
    """A group for each of several streams, of its name if that has no slash and is not that of the documents."""
    groups = {name: name for name in streams if "/" not in name and name != DOCUMENTS}
    for name in streams if len(streams) > 1 else ():
        if name not in groups:
            groups[name] = numbered_name(name.replace("/", "_"), {DOCUMENTS, *groups.values()})
            warn_user(f"the stream {name!r} is written as the group {groups[name]!r}, because its name cannot be used")
    return groups


_NO_DATES = "netCDF has no such dates, or only if cftime is installed"
_OF_DATES = ("num2date", "year", "nanoseconds")
"""What xarray 2026.9 looks for in vain where dates are far away: in cftime, which may be missing, or in its dates."""


def _add_group(file: NewHDF5File, dataset: xarray.Dataset, group: str | None) -> None:
    from xarray.backends.common import ArrayWriter

    writer = ArrayWriter()
    store = xarray.backends.H5NetCDFStore(file.hdf5, group=group, mode="w", autoclose=False)
    try:
        dataset.dump_to_store(store, writer=writer)
    except OverflowError as exc:  # as numpy 2.5 raises for times that are far apart
        raise ValueError(_NO_DATES) from exc
    except (AttributeError, KeyError) as exc:
        if not any(word in _OF_DATES for word in (getattr(exc, "name", None), *exc.args)):
            raise
        raise ValueError(_NO_DATES) from exc
    writer.sync()
    file.check()


def parquet(contents: RunContents, path: str) -> NewFile:
    """Write Parquet, with the documents in the metadata of its schema."""
    import pyarrow
    from pyarrow import parquet

    frame, has_index = _frame(contents)
    documents = {f"{DOCUMENTS}.{name}": json_line(document) for name, document in contents.documents().items()}
    try:
        table = pyarrow.Table.from_pandas(for_parquet(frame), preserve_index=has_index)
        table = table.cast(_without_seconds(table.schema))
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **documents})
        return written(path, lambda file: parquet.write_table(table, file))
    except (pyarrow.ArrowException, OverflowError) as exc:
        if isinstance(exc, OSError):
            raise
        raise ExportError(
            f"Parquet cannot hold this table: {exc}; choose some with columns (--column), or export to .nc"
        ) from exc


def _without_seconds(schema: pyarrow.Schema) -> pyarrow.Schema:
    """The types that Parquet has; pyarrow 20 does not check whether times in seconds fit in milliseconds."""
    import pyarrow

    return pyarrow.schema(
        [
            field.with_type(pyarrow.timestamp("ms", field.type.tz))
            if pyarrow.types.is_timestamp(field.type) and field.type.unit == "s"
            else field
            for field in schema
        ],
        schema.metadata,
    )


def csv(contents: RunContents, path: str) -> NewFile:
    """Write CSV, with the documents in lines that begin with #, one for each key."""
    frame, has_index = _frame(contents)
    header = []
    for kind, document in (("start", contents.start), ("stop", contents.stop or {})):
        header += [f"# {kind}.{key}: {json_line(value)}" for key, value in document.items()]
    if contents.retracted is not None:
        header.append(f"# retracted: {json_line(contents.retracted)}")
    table = contents.table()
    header += [
        f"# column.{name}: {json_line(column.attrs)}" for name, column in table.variables.items() if column.attrs
    ]
    warn_of_change(_complex_ones(contents), "written as text", ", because CSV has no such numbers; .nc keeps them")
    header += [f"# input: {json_line(source)}" for source in contents.inputs or ()]
    options: dict[str, Any] = {"index": has_index, "lineterminator": "\n"}
    text = frame.to_csv(**options)
    if "#" in text or "\r" in text:
        text = frame.to_csv(**options, quoting=csv_rules.QUOTE_NONNUMERIC)
    warn_of_csv(frame.reset_index(allow_duplicates=True) if has_index else frame, text)
    # a comment must stay on one line
    lines = [" ".join(line.splitlines()) for line in header]
    return written(path, lambda file: file.write("\n".join([*lines, text]).encode()))


def json(contents: RunContents, path: str) -> NewFile:
    """Write JSON: the documents, and the streams in the form that `xarray.Dataset.from_dict` reads."""
    streams = {name: for_json_file(dataset) for name, dataset in contents.streams.items()}
    record = for_json({**contents.documents(), "streams": streams})
    text = json_library.dumps(record, indent=1, ensure_ascii=False)
    return written(path, lambda file: file.write(text.encode()))


def _bring_to_native_order(dataset: xarray.Dataset) -> None:
    """Bring numbers to the order of bytes of this machine, the only one that pandas 2 takes into frames."""
    # in place, because a copy of the Dataset names the index of a frame by its dim
    for name in dataset.data_vars:
        variable = dataset.variables[name]
        if isinstance(variable.dtype, numpy.dtype) and not variable.dtype.isnative:
            variable.data = variable.data.astype(variable.dtype.newbyteorder("="))


def _complex_ones(contents: RunContents) -> list[str]:
    columns = [item for table in contents.streams.values() for item in table.variables.items()]
    return list(dict.fromkeys(repr(name) for name, column in columns if column.dtype.kind == "c"))


def _frame(contents: RunContents) -> tuple[Any, bool]:
    """The table as a DataFrame, and whether its index is a column of the run."""
    dataset = contents.table()
    _bring_to_native_order(dataset)
    dims = list(dataset.dims)
    if not dims:
        return dataset.expand_dims("row").to_dataframe() if dataset.variables else pandas.DataFrame(), False
    # old xarray (2025.4) leaves out coordinates without an index that have the name of their dim
    bare = [dim for dim in dims if dim in dataset.coords and dim not in dataset.xindexes]
    names = {*dataset.variables, *dims}
    frame = dataset.rename_dims({dim: numbered_name(str(dim), names) for dim in bare}).to_dataframe()
    # xarray 2025.6 gives the levels of an index as columns, too, if they have no names
    levels = [name for name, index in dataset.xindexes.items() if isinstance(index, PandasMultiIndex)]
    frame = frame.drop(columns=levels, errors="ignore")
    return frame, bool(set(dims) & set(dataset.xindexes)) and not is_default_index(frame.index)
