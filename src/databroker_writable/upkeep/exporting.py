"""Export a run to a file that contains its metadata and provenance, for people without databroker."""

from __future__ import annotations

import contextlib
import csv
import functools
import importlib
import operator
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray

from ..errors import (
    ExportError,
    StoreError,
    StoreFailedError,
    did_you_mean,
    errors_end_here,
    require_package,
    warn_user,
)
from ..results.remarks import retractions_in
from ..results.stream_data import first_descriptor, streams_of
from ..runs.attachments import attachments, check_file_name
from ..storage.catalog_paths import check_encodable
from ..storage.durable_file import NewFile
from ..storage.file_writer import SerializerWriter
from ..tables import require_run, text_name, to_dataset, with_text_names
from ..tables.argument_checks import check_flag, is_one_of, is_several
from ..tables.public_types import Run
from ..tables.wording import choice, short
from .export_names import SUFFIXES, file_name, writer_for


@dataclass(frozen=True)
class RunContents:
    """The contents of an exported run."""

    start: Mapping[str, Any]
    stop: Mapping[str, Any] | None
    descriptors: dict[str, Mapping[str, Any]]
    """The first descriptor of each stream."""
    retracted: str | None
    """Why the run is retracted, and by whom."""
    inputs: list[dict[str, Any]] | None
    """The runs that this one was made from, directly or not, inputs first: their uid, catalog and start document."""
    streams: dict[str, xarray.Dataset]

    def documents(self) -> dict[str, Any]:
        """The documents, by their type, and what is said of the run."""
        documents = {name: getattr(self, name) for name in ("start", "stop", "retracted", "descriptors", "inputs")}
        return {name: document for name, document in documents.items() if document is not None}

    def units(self, stream: str, column: str) -> str | None:
        units = self.descriptors[stream].get("data_keys", {}).get(column, {}).get("units")
        return units if isinstance(units, str) else None

    def table(self) -> xarray.Dataset:
        """The only stream; its columns must be along one dimension."""
        if len(self.streams) > 1:
            raise ExportError(
                f"such a file holds one table, but the run has the streams {', '.join(self.streams)}; "
                "choose one of them with stream (--stream)"
            )
        if not self.streams:
            raise ExportError("such a file holds one table, but the run has none; export to .nc, .nxs or .json")
        ((name, dataset),) = self.streams.items()
        variables = dataset.variables
        dims = {variable.dims for variable in variables.values() if variable.ndim}
        if len(dims) > 1 or any(len(along) > 1 for along in dims):
            # a coordinate is named only if it is along another dimension than the columns
            along_columns = {dim for key in dataset.data_vars for dim in variables[key].dims}
            named = [key for key in variables if key in dataset.data_vars or set(variables[key].dims) - along_columns]
            shapes = ", ".join(f"{key} ({', '.join(map(str, variables[key].dims))})" for key in named)
            raise ExportError(
                f"such a file holds columns along one dimension, but the stream {name!r} has {shapes}; choose "
                "some with columns (--column), or export to .nc or .nxs"
            )
        return dataset


def export(
    run: Run,
    path: str | os.PathLike[str],
    *,
    stream: str | None = None,
    columns: str | Sequence[str] | None = None,
    with_inputs: bool = False,
    force: bool = False,
) -> str:
    """Write a run to a file for people and programs without databroker.

    Parameters
    ----------
    run : databroker.core.BlueskyRun
    path : str or path
        Its suffix chooses the format: ``.nc`` netCDF-4, ``.nxs`` NeXus, ``.parquet``, ``.csv`` or ``.json``. It can
        contain keys of the start document, as in `str.format`: ``{sample}_{uid:.6}.csv``, ``{time:%Y-%m-%d}.nc``.
        Missing directories are created.
    stream : str, optional
        By default all streams, and the attachments in the directory ``NAME-attachments``. CSV and Parquet hold one
        stream.
    columns : str or sequence of str, optional
        By default all columns. Their coordinates are always included.
    with_inputs : bool, optional
        Add the start documents of the runs that this one was made from, directly or not.
    force : bool, optional
        Replace a file of that name.

    Returns
    -------
    str
        The path of the file.

    Raises
    ------
    ExportError
        The suffix, stream or column does not exist, the format cannot hold the table, or the file exists already.
    ExtraMissingError
        The format needs a package that is not installed.
    InvalidRunError
        `run` is not a run, or a newer version of this package stored it.
    UnreadableAssetError
        The file of an array is missing or damaged.
    StoreFailedError
        The file cannot be written; no part of it remains.

    Warns
    -----
    StoreWarning
        The run is retracted. Or values change in this format: types that it does not have, such as intervals in netCDF,
        become text, and some values cannot be told apart, such as the text '007' and 7 in CSV.

    Notes
    -----
    O(number of values). Each file contains the start and stop documents, the descriptors and a retraction, and is
    written completely or not at all.

    Examples
    --------
    >>> import pandas
    >>> run = catalog.store_run({"x": [1, 2]}, metadata={"sample": "Cu"}, uid="fit-1")
    >>> databroker_writable.export(run, "{sample}_{uid}.csv")
    'Cu_fit-1.csv'
    >>> pandas.read_csv("Cu_fit-1.csv", comment="#")["x"].tolist()
    [1, 2]
    """
    with errors_end_here:
        run = require_run(run, "export")
        check_flag("with_inputs", with_inputs, ExportError)
        check_flag("force", force, ExportError)
        path = file_name(path, run.metadata["start"])
        write = writer_for(path)
        if os.path.isdir(path):
            raise ExportError(f"{path!r} is a directory; give the name of a file")
        if os.path.lexists(path) and not force:
            raise _exists(path)
        contents = _contents(run, stream, columns, with_inputs)
        files = attachments(run)
        places = attachment_paths(files, path) if stream is None and columns is None else {}
        writers = [
            functools.partial(written, place, operator.methodcaller("write", files[name]))
            for name, place in places.items()
            # an export of the run to another format may have written them
            if not (os.path.isfile(place) and Path(place).read_bytes() == files[name])
        ]
        with _explaining_failures(path):
            _write_all([*writers, functools.partial(write, contents, path)], force)
        return path


_REFUSALS = (ValueError, TypeError, NotImplementedError, OverflowError, RuntimeError, csv.Error)
"""What pandas, xarray, pyarrow and h5py say of values that they cannot write; others would be faults of a program."""


@contextlib.contextmanager
def _explaining_failures(path: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as exc:
        raise _exists(exc.filename2 or path) from None
    except (StoreError, MemoryError, Warning):
        raise
    except OSError as exc:
        reason = exc.strerror or exc
        raise StoreFailedError(f"{path!r} cannot be written ({reason}); nothing is left of it") from exc
    except _REFUSALS as exc:
        raise ExportError(
            f"such a file cannot hold this table ({short(exc, 200)}); choose some columns by name (--column), or "
            f"another format: {', '.join(SUFFIXES)}"
        ) from exc


def attachment_paths(files: Mapping[str, bytes], path: str) -> dict[str, str]:
    """The paths of a run's attachments beside its file; their names may come from another program."""
    directory = f"{os.path.splitext(path)[0]}-attachments"
    for name in files:
        check_file_name(name)
        check_encodable(name, "the name of an attachment", ExportError)
    return {name: os.path.join(directory, name) for name in files}


def written(path: str, write: Callable[[NewFile], Any]) -> NewFile:
    """A new file with its contents, which is not published yet."""
    file = NewFile(path)
    try:
        write(file)
    except BaseException:
        file.abandon()
        raise
    return file


def _write_all(writers: Sequence[Callable[[], NewFile]], force: bool) -> None:
    """Write files, and publish them when all are complete; remove them after an error."""
    files: list[NewFile] = []
    try:
        for write in writers:
            files.append(write())
        for file in files:
            file.replace() if force else file.publish()
    except BaseException as exc:
        # a file that replaced another one is kept, because the other one is gone
        kept = [file for file in files if force and file.is_published]
        for file in files:
            if file not in kept:
                file.abandon()
        if kept and isinstance(exc, OSError):
            failed = next(file for file in files if file not in kept)
            names = ", ".join(repr(file.path) for file in kept)
            raise StoreFailedError(
                f"{failed.path!r} cannot be written ({exc.strerror or exc}); {names} was written before, and the rest "
                "is as it was; export again"
            ) from exc
        raise


def export_with_suitcase(run: Any, suitcase: str, path: str) -> list[str]:
    """Write a run with an installed suitcase, such as ``csv``; return the paths of its files.

    `path` is the beginning of their names: a directory and a prefix, which can contain keys of the start document.
    """
    start = run.metadata["start"]
    directory, prefix = os.path.split(file_name(path, start))
    try:
        serializer = importlib.import_module(f"suitcase.{suitcase}").Serializer
    except (ImportError, AttributeError):
        choice = did_you_mean(suitcase, _SUITCASES) or f"; known ones are {', '.join(_SUITCASES)}"
        package = _SUITCASES.get(suitcase)
        remedy = f"is not installed; pip install {package}" if package else f"is not known{choice}"
        raise ExportError(f"the suitcase {suitcase!r} {remedy}") from None
    # suitcase would fill in braces in the prefix again
    prefix = prefix.replace("{", "{{").replace("}", "}}")
    writer = SerializerWriter(serializer(directory or os.curdir, file_prefix=prefix), dict(start))
    try:
        for name, doc in run.documents(fill="yes"):
            writer(name, doc)
        writer.publish()
    except BaseException as exc:
        writer.abandon()
        if isinstance(exc, FileExistsError):
            raise _exists(exc.filename2 or exc.filename) from None
        if isinstance(exc, OSError) and not isinstance(exc, StoreError):
            raise StoreFailedError(f"suitcase-{suitcase} failed ({exc}); nothing is left of its files") from exc
        if isinstance(exc, Exception) and not isinstance(exc, StoreError | MemoryError | Warning):
            raise ExportError(
                f"suitcase-{suitcase} cannot write this run ({short(exc, 200)}), and nothing is left of its files; "
                f"write another format: {', '.join(SUFFIXES)}"
            ) from exc
        raise
    return [os.path.normpath(path) for path in writer.paths]


def _exists(path: str) -> ExportError:
    return ExportError(f"{path!r} exists already; give another name, or replace it with force=True (--force)")


_SUITCASES = {
    **{name: f"suitcase-{name}" for name in ("csv", "jsonl", "msgpack", "specfile")},
    "json_metadata": "suitcase-json-metadata",
    **dict.fromkeys(("tiff_series", "tiff_stack"), "suitcase-tiff"),
}
"""bluesky's suitcases that write files, and their packages."""


def _contents(run: Any, stream: str | None, columns: str | Sequence[str] | None, with_inputs: bool) -> RunContents:
    names = streams_of(run, stream)
    if not names and not attachments(run):
        raise ExportError(f"the run {run.metadata['start']['uid']!r} has no stream, so there is nothing to export")
    stored = {name: to_dataset(run, name) for name in names}
    streams = {name: with_text_names(dataset) for name, dataset in stored.items()}
    if columns is not None:
        streams = _chosen(stored, streams, columns)
    described = {name: first_descriptor(run, name) for name in names}
    inputs = _inputs(run) if with_inputs else None
    retracted = retractions_in(getattr(run, "catalog_object", None)).get(run.metadata["start"]["uid"])
    if retracted is not None:
        warn_user(f"the run {run.metadata['start']['uid']!r} is retracted: {retracted}; the file says so")
    return RunContents(run.metadata["start"], run.metadata["stop"], described, retracted, inputs, streams)


def _chosen(
    stored: Mapping[str, xarray.Dataset], streams: Mapping[str, xarray.Dataset], columns: Any
) -> dict[str, xarray.Dataset]:
    """The columns of streams, whose names are text, that are given by these or by the names that were `stored`."""
    known = {name for datasets in (streams, stored) for dataset in datasets.values() for name in dataset.variables}
    is_one = isinstance(columns, str) or not is_several(columns)
    # the name of a column can be a tuple
    names = [columns] if is_one or (isinstance(columns, tuple) and is_one_of(columns, known)) else list(columns)
    unknown = [name for name in names if not is_one_of(name, known)]
    if unknown:
        listed = sorted(dict.fromkeys(str(name) for dataset in streams.values() for name in dataset.variables))
        raise ExportError(f"there is no column {short(unknown[0])}; the run has {choice(listed, unknown[0])}")
    texts = {stream: [text_name(dataset, name) for name in names] for stream, dataset in stored.items()}
    chosen = {
        stream: dataset[[name for name in texts[stream] if name in dataset.variables]]
        for stream, dataset in streams.items()
    }
    return {stream: dataset for stream, dataset in chosen.items() if dataset.variables}


def _inputs(run: Any) -> list[dict[str, Any]]:
    """The runs that a run was made from, directly or indirectly, inputs first."""
    catalog = getattr(run, "catalog_object", None)
    if catalog is None:
        raise ExportError(
            "the inputs are looked up in the catalog of the run, but this run is in no catalog; store it first"
        )
    require_package("networkx", "lineage", "the lineage of a run")
    import networkx

    from ..results.lineage import lineage_of

    graph = lineage_of(run, catalog)
    before = graph.subgraph(networkx.ancestors(graph, run.metadata["start"]["uid"]))
    return [
        {"uid": uid, "catalog": graph.nodes[uid]["catalog"], "start": graph.nodes[uid]["start"]}
        for uid in before.in_order()
    ]
