"""Move large arrays out of the event pages of a run that is being stored, into asset files."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy

from ...errors import InvalidCatalogError, InvalidTableError
from ...runs.schema import Document, NamedDocument
from ...tables import find_layout
from ...tables.classifier import is_array, is_lazy
from ...tables.wording import short

if TYPE_CHECKING:
    from . import StreamAssets

EXTERNAL = "FILESTORE:"
"""What data keys say in ``external``, as bluesky's own do."""

SEPARATE_RESOURCES = 16
"""Up to so many columns of a stream have a Resource each, as other tools expect it; of more, like ones share one.

bluesky_live 0.0.8 (conversion._fill) begins an Event anew, one call deeper, at each Resource that it has not met:
200 take half a minute, and 1,000 end in a RecursionError.
"""


def external_columns(page: Document, descriptor: Document, threshold: float) -> set[str]:
    """The columns of an event page that belong into a file: dask-backed, or large for one Event."""
    length = max(len(page["uid"]), 1)
    return {
        key
        for key, values in page["data"].items()
        if "external" not in descriptor["data_keys"][key]
        and is_array(values)
        and values.dtype.kind in "biufc"
        and descriptor["data_keys"][key]["shape"]
        and (is_lazy(values) or values.nbytes / length > threshold)
    }


def checked_threshold(threshold: Any) -> int:
    """Refuse an ``asset_threshold`` that is not a number of bytes."""
    if not isinstance(threshold, int) or threshold < 0:
        raise InvalidCatalogError(f"asset_threshold is a number of bytes, not {short(threshold)}")
    return threshold


class AssetRouter:
    """Pass documents of one run on, with large arrays replaced by references to what was written to files.

    Parameters
    ----------
    root : str or None
        Directory of the assets; None where the catalog has none.
    threshold : int
        Bytes per Event from which on an array goes there.
    progress : callable, optional
        Called with the number of bytes written.
    """

    def __init__(self, root: str | None, threshold: float, progress: Callable[[int], Any] | None = None) -> None:
        self._root = root
        self._threshold = threshold
        self._progress = progress
        self._start: Document = {}
        self._descriptors: dict[str, Document] = {}
        self._waiting: dict[str, Document] = {}
        self._columns: dict[str, set[str]] = {}
        self._files: dict[str, StreamAssets] = {}
        self._resources: dict[tuple[str, ...], Document] = {}
        self._datums: dict[str, int] = {}

    def __call__(self, name: str, doc: Document) -> Iterator[NamedDocument]:
        """Give the documents to store in place of this one, those that it refers to first."""
        if name == "descriptor":
            self._descriptors[doc["uid"]] = doc
            # which columns are external shows with the first Events
            self._waiting[doc["uid"]] = doc
            return
        if name == "event_page":
            descriptor = self._descriptors[doc["descriptor"]]
            stream = descriptor.get("name", "primary")
            if stream not in self._columns:
                self._columns[stream] = external_columns(doc, descriptor, self._threshold)
                check_root(self._root, doc, self._columns[stream], stream)
            if doc["descriptor"] in self._waiting:
                yield "descriptor", self._described(self._waiting.pop(doc["descriptor"]))
            yield from self._moved(doc, descriptor, self._columns[stream])
            return
        if name == "start":
            self._start = doc
        elif name == "stop":
            for uid in list(self._waiting):
                yield "descriptor", self._described(self._waiting.pop(uid))
            self.publish()
        yield name, doc

    def publish(self) -> None:
        """Give the files their names: before the documents that refer to them can be read."""
        for file in self._files.values():
            file.publish()

    def discard(self) -> None:
        """Remove the files of a run that was not stored."""
        for file in self._files.values():
            file.discard()

    def _described(self, descriptor: Document) -> Document:
        columns = self._columns.get(descriptor.get("name", "primary"), set())
        data_keys = {
            key: {**data_key, "external": EXTERNAL} if key in columns else data_key
            for key, data_key in descriptor["data_keys"].items()
        }
        return {**descriptor, "data_keys": data_keys}

    def _moved(self, page: Document, descriptor: Document, columns: set[str]) -> Iterator[NamedDocument]:
        data = dict(page["data"])
        length = len(page["uid"])
        layout = find_layout(descriptor) if columns else None
        one_event = bool(layout and layout["one_event"])
        arrays = {key: for_file(data[key], key, descriptor) for key in columns}
        for key, values in data.items():
            if key in columns:
                resource, datum_page = self._written(key, arrays[key], descriptor, one_event)
                if resource is not None:
                    yield "resource", resource
                yield "datum_page", datum_page
                data[key] = datum_page["datum_id"]
            elif is_lazy(values):
                data[key] = values.compute()
        filled = {**page.get("filled", {}), **{key: [False] * length for key in columns}}
        yield "event_page", {**page, "data": data, "filled": filled}

    def _written(
        self, key: str, values: Any, descriptor: Document, one_event: bool
    ) -> tuple[Document | None, Document]:
        """Write the values of one column; give its resource, the first time, and its datums."""
        stream, data_key = descriptor.get("name", "primary"), descriptor["data_keys"][key]
        file = self._file(stream, descriptor)
        dims = data_key.get("dims") or [f"{key}_{i}" for i in range(len(data_key["shape"]))]
        options = {"units": data_key.get("units"), "progress": self._progress}
        if one_event:
            spans = [file.append(key, value, dims=dims, **options) for value in values]
            datum_kwargs: dict[str, list[Any]] = {"start": [a for a, _ in spans], "stop": [b for _, b in spans]}
        else:
            first, last = file.append(key, values, dims=["event", *dims], **options)
            datum_kwargs = {"index": list(range(first, last))}
        resource = self._resource(key, stream)
        if self._has_shared_resources(stream):
            datum_kwargs["key"] = [file.resource_kwargs(key)["key"]] * len(values)
        uid = resource["uid"]
        is_new = uid not in self._datums
        first = self._datums.get(uid, 0)
        self._datums[uid] = first + len(values)
        ids = [f"{uid}/{i}" for i in range(first, first + len(values))]
        return resource if is_new else None, {"resource": uid, "datum_id": ids, "datum_kwargs": datum_kwargs}

    def _resource(self, key: str, stream: str) -> Document:
        """The resource to which the datums of a column belong."""
        file = self._files[stream]
        kwargs = file.resource_kwargs(key)
        place = stream, key
        if self._has_shared_resources(stream):
            place = stream, repr({**kwargs, "key": None})
        if place not in self._resources:
            from . import SPEC

            self._resources[place] = {
                # new for each attempt: one that fails must not take along what another one of the same run stored
                "uid": str(uuid.uuid4()),
                "run_start": self._start["uid"],
                "spec": SPEC,
                "root": str(self._root),
                "resource_path": file.resource_path,
                "path_semantics": "posix",
                "resource_kwargs": kwargs,
            }
        return self._resources[place]

    def _has_shared_resources(self, stream: str) -> bool:
        return len(self._columns[stream]) > SEPARATE_RESOURCES

    def _file(self, stream: str, descriptor: Document) -> StreamAssets:
        if stream not in self._files:
            from . import StreamAssets  # only runs with assets need HDF5

            file = StreamAssets(str(self._root), self._start["uid"], stream, self._start["time"])
            self._files[stream] = file
            for name, values, dims, attrs in coordinates(descriptor):
                file.add_coordinate(name, values, dims=dims, attrs=attrs)
        return self._files[stream]


def without_external(
    documents: Iterable[NamedDocument],
    root: str | None,
    threshold: float,
    columns: dict[str, set[str]] | None = None,
) -> Iterator[NamedDocument]:
    """Give documents as they will stand after an `AssetRouter`, but for the columns that go to files.

    Nothing is written; a column for which there is no place raises. `columns` has those that went to files with
    the first Events of each stream, for documents that come in pieces.
    """
    descriptors: dict[str, Document] = {}
    columns = {} if columns is None else columns
    for name, doc in documents:
        if name == "descriptor":
            descriptors[doc["uid"]] = doc
        elif name == "event_page":
            descriptor = descriptors[doc["descriptor"]]
            stream = descriptor.get("name", "primary")
            if stream not in columns:
                columns[stream] = external_columns(doc, descriptor, threshold)
                check_root(root, doc, columns[stream], stream)
            for key in columns[stream]:
                for_file(doc["data"][key], key, descriptor)
            doc = {**doc, "data": {key: v for key, v in doc["data"].items() if key not in columns[stream]}}
        yield name, doc


def for_file(values: Any, key: str, descriptor: Document) -> Any:
    """The values of an external column as an array, though some be missing: a later table of a stream can have such.

    Missing datetimes become numpy's NaT in the column of their exact integers, and masked floats NaN, as they do
    when they are read.
    """
    if is_array(values):
        return values
    layout = find_layout(descriptor) or {"variables": []}
    variables = {entry.get(part): (entry, part) for entry in layout["variables"] for part in ("key", "exact")}
    entry, part = variables.get(key, ({}, ""))
    dtype = descriptor["data_keys"][key]["dtype_numpy"]
    if part == "exact":
        missing: Any = numpy.iinfo("int64").min
    elif entry.get("encoding", {}).get("is") == "masked" and numpy.dtype(dtype).kind in "fc":
        missing = numpy.nan
    else:
        raise InvalidTableError(
            f"column {key!r} holds missing values in this table, while that of the tables before it is kept in a file, "
            "which has no value for them; begin another stream, or fill them"
        )
    objects = numpy.asarray(values, dtype=object)
    flat = [missing if value is None else value for value in objects.ravel()]
    return numpy.asarray(flat, dtype=dtype).reshape(objects.shape)


@contextlib.contextmanager
def byte_progress(
    documents: Iterable[NamedDocument], threshold: float, *, show: bool
) -> Iterator[Callable[[int], Any] | None]:
    """Show, if asked to, a progress bar over the bytes of a run's external columns."""
    if not show:
        yield None
        return
    from tqdm.auto import tqdm

    descriptors = {doc["uid"]: doc for name, doc in documents if name == "descriptor"}
    total = sum(
        doc["data"][key].nbytes
        for name, doc in documents
        if name == "event_page"
        for key in external_columns(doc, descriptors[doc["descriptor"]], threshold)
    )
    with tqdm(total=total, unit="B", unit_scale=True, disable=not total) as bar:
        yield bar.update


def check_root(root: str | None, page: Document, columns: set[str], stream: str) -> None:
    """Refuse external columns where the catalog has no directory for them."""
    if not columns or root is not None:
        return
    sizes = {key: page["data"][key].nbytes / max(len(page["uid"]), 1) for key in columns}
    key = max(sizes, key=sizes.__getitem__)
    what, remedy = "", "raise its asset_threshold"
    if is_lazy(page["data"][key]):
        what, remedy = " and is a dask array", f"compute it first, e.g. table[{key!r}].compute()"
    raise InvalidTableError(
        f"column {key!r} of stream {stream!r} takes {sizes[key] / 1e6:.3g} MB per Event{what}, which belongs into a "
        "file, but the catalog has no asset_root; open it with asset_root='DIRECTORY', on a file system that all "
        f"readers share, or {remedy}"
    )


def coordinates(descriptor: Document) -> Iterator[tuple[str, numpy.ndarray, list[str], dict[str, Any]]]:
    """The coordinates in a descriptor's configuration, for those who read the file by itself."""
    layout = find_layout(descriptor)
    if layout is None:
        return
    configuration = descriptor["configuration"]["table"]
    for variable in layout["variables"]:
        if variable["in"] != "configuration":
            continue
        key = variable["key"]
        data_key = configuration["data_keys"][key]
        attrs = {"units": data_key["units"]} if data_key.get("units") else {}
        # nested lists do not tell of axes without values
        values = numpy.asarray(configuration["data"][key]).reshape(data_key["shape"])
        if values.dtype.kind in "biufU":
            yield key, values, list(data_key.get("dims", [])), attrs
