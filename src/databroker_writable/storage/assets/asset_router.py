"""Move large arrays out of the event pages of a run that is being stored, into asset files."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy

from ...runs.asset_plan import AssetPlan, asset_values
from ...runs.document_parts import Document, NamedDocument
from ...tables import find_layout
from ...tables.classifier import is_lazy
from ...tables.lazy_columns import computed
from .hdf5_writer import HDF5Writer
from .known_formats import DEFAULT

EXTERNAL = "FILESTORE:"
"""The value of ``external`` in data keys, as in bluesky."""

SEPARATE_RESOURCES = 16
"""Up to this many columns of a stream have their own Resource, as other tools expect; of more, similar ones share.

bluesky_live 0.0.8 (conversion._fill) starts an Event again, one call deeper, at each new Resource:
200 take half a minute, and 1,000 end in a RecursionError.
"""


class AssetRouter:
    """Pass documents of one run on, with large arrays replaced by references to what was written to files."""

    def __init__(self, plan: AssetPlan, progress: Callable[[int], Any] | None = None) -> None:
        self._plan = plan
        self._progress = progress
        self._start: Document = {}
        self._descriptors: dict[str, Document] = {}
        self._waiting: dict[str, Document] = {}
        self._held: dict[str, list[NamedDocument]] = {}  # documents that refer to a waiting descriptor
        self._files: dict[str, HDF5Writer] = {}
        self._resources: dict[tuple[str, str], Document] = {}
        self._datums: dict[str, int] = {}

    def __call__(self, name: str, doc: Document) -> Iterable[NamedDocument]:
        """Return the documents to store instead of this one, beginning with those that it refers to."""
        for file in self._files.values():
            file.renew()
        if name == "event_page":
            columns = self._plan.columns(doc, self._descriptors[doc["descriptor"]])
            return self._moved(doc, columns) if columns else self._kept(doc)
        if name == "descriptor":
            self._descriptors[doc["uid"]] = doc
            # the first Events decide which columns are assets
            self._waiting[doc["uid"]] = doc
            return ()
        if name == "stream_datum" and doc.get("descriptor") in self._waiting:
            self._held.setdefault(doc["descriptor"], []).append((name, doc))
            return ()
        if name == "stop":
            return self._ended(doc)
        if name == "start":
            self._start = doc
        return ((name, doc),)

    def forget_descriptor(self, uid: str) -> None:
        """Drop a descriptor that was not passed on yet."""
        for waiting in (self._waiting, self._descriptors):
            waiting.pop(uid, None)

    @property
    def has_files(self) -> bool:
        return bool(self._files)

    def publish(self) -> None:
        """Give the files their final names, before the documents that refer to them are visible."""
        for file in self._files.values():
            file.publish()

    def discard(self, needed: Iterable[Document] = ()) -> None:
        """Remove the files of a run that was not stored, except those that a stored run uses."""
        paths = {resource["resource_path"] for resource in needed}
        for file in self._files.values():
            if file.resource_path not in paths:
                file.discard()

    def _released(self, uid: str, columns: set[str]) -> list[NamedDocument]:
        """A descriptor that waits for its first Events, with its asset columns marked, and the documents for it."""
        descriptor = self._waiting.pop(uid, None)
        if descriptor is None:
            return []
        data_keys = dict(descriptor["data_keys"])
        for key in columns & data_keys.keys():
            data_keys[key] = {**data_keys[key], "external": EXTERNAL}
        return [("descriptor", {**descriptor, "data_keys": data_keys}), *self._held.pop(uid, [])]

    def _ended(self, stop: Document) -> list[NamedDocument]:
        documents: list[NamedDocument] = []
        for uid, descriptor in list(self._waiting.items()):
            documents += self._released(uid, self._plan.columns_of_stream(descriptor["name"]))
        self.publish()
        return [*documents, ("stop", stop)]

    def _kept(self, page: Document) -> list[NamedDocument]:
        data = {key: computed(values, key) if is_lazy(values) else values for key, values in page["data"].items()}
        kept = {**page, "data": data, "filled": dict(page.get("filled", {}))}
        return [*self._released(page["descriptor"], set()), ("event_page", kept)]

    def _moved(self, page: Document, columns: set[str]) -> list[NamedDocument]:
        """A page with references to its assets, after the documents that it needs; after an error none is known."""
        descriptor, length = self._descriptors[page["descriptor"]], len(page["uid"])
        stream = descriptor["name"]
        data = dict(page["data"])
        with self._file_dropped_on_error(stream):
            arrays = {key: asset_values(values, key, descriptor) for key, values in data.items() if key in columns}
            data |= {key: computed(v, key) for key, v in data.items() if key not in columns and is_lazy(v)}
            layout = find_layout(descriptor)
            written = {key: self._written(key, array, descriptor, layout) for key, array in arrays.items()}
            # if the writer is killed, the file must have what the Events refer to
            self._files[stream].flush()
        documents = self._released(page["descriptor"], columns)
        count = len(self._plan.columns_of_stream(stream))
        for key, datum_kwargs in written.items():
            referring = self._referring(key, stream, length, datum_kwargs, count)
            documents += referring
            data[key] = referring[-1][1]["datum_id"]
        filled = {**page.get("filled", {}), **{key: [False] * length for key in columns}}
        return [*documents, ("event_page", {**page, "data": data, "filled": filled})]

    @contextlib.contextmanager
    def _file_dropped_on_error(self, stream: str) -> Iterator[None]:
        """Discard a file to which nothing refers yet if the block raises: the next arrays may be of another form."""
        try:
            yield
        except BaseException:
            if stream in self._files and not any(shared_by[0] == stream for shared_by in self._resources):
                self._files.pop(stream).discard()
            raise

    def _written(self, key: str, values: Any, descriptor: Document, layout: Document | None) -> dict[str, list[Any]]:
        """Write the values of one column; return the arguments by which the handler finds them."""
        data_key = descriptor["data_keys"][key]
        file = self._file(descriptor["name"], descriptor)
        dims = data_key.get("dims") or [f"{key}_{i}" for i in range(len(data_key["shape"]))]
        options = {"units": data_key.get("units"), "progress": self._progress}
        if layout and layout["one_event"]:
            spans = [file.append(key, value, dims=dims, **options) for value in values]
            return {"start": [a for a, _ in spans], "stop": [b for _, b in spans]}
        first, last = file.append(key, values, dims=["event", *dims], **options)
        return {"index": list(range(first, last))}

    def _referring(
        self, key: str, stream: str, length: int, datum_kwargs: dict[str, list[Any]], count: int
    ) -> list[NamedDocument]:
        """The datums of what was written of one of `count` columns, after its resource if that is new."""
        kwargs, shared_by = self._files[stream].resource_kwargs(key), key
        if count > SEPARATE_RESOURCES:
            # it has one with similar columns
            shared_by = repr({**kwargs, "key": None})
            datum_kwargs = {**datum_kwargs, "key": [kwargs["key"]] * length}
        new: list[NamedDocument] = []
        if (stream, shared_by) not in self._resources:
            resource = self._resources[stream, shared_by] = {
                # new for each attempt: a failed one must not remove what another attempt stored
                "uid": str(uuid.uuid4()),
                "run_start": self._start["uid"],
                "spec": DEFAULT.spec,
                "root": str(self._plan.root),
                "resource_path": self._files[stream].resource_path,
                "path_semantics": "posix",
                "resource_kwargs": kwargs,
            }
            new.append(("resource", resource))
        uid = self._resources[stream, shared_by]["uid"]
        first = self._datums.get(uid, 0)
        self._datums[uid] = first + length
        ids = [f"{uid}/{i}" for i in range(first, first + length)]
        return [*new, ("datum_page", {"resource": uid, "datum_id": ids, "datum_kwargs": datum_kwargs})]

    def _file(self, stream: str, descriptor: Document) -> HDF5Writer:
        if stream not in self._files:
            uid, time = self._start["uid"], self._start["time"]
            file = DEFAULT.new_file(str(self._plan.root), uid, stream, time, descriptor["uid"])
            self._files[stream] = file
            for name, values, dims, attrs in coordinates(descriptor):
                file.add_coordinate(name, values, dims=dims, attrs=attrs)
        return self._files[stream]


@contextlib.contextmanager
def byte_progress(documents: Iterable[NamedDocument], plan: AssetPlan) -> Iterator[Callable[[int], Any]]:
    """Show a progress bar for the bytes of a run's assets."""
    from tqdm import tqdm

    descriptors = {doc["uid"]: doc for name, doc in documents if name == "descriptor"}
    total = sum(
        doc["data"][key].nbytes
        for name, doc in documents
        if name == "event_page"
        for key in plan.columns(doc, descriptors[doc["descriptor"]])
    )
    with tqdm(total=total, unit="B", unit_scale=True, disable=not total) as bar:
        yield bar.update


def coordinates(descriptor: Document) -> Iterator[tuple[str, numpy.ndarray, list[str], dict[str, Any]]]:
    """The coordinates in a descriptor's configuration, for readers of the file alone."""
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
        # nested lists lose axes of length 0
        values = numpy.asarray(configuration["data"][key]).reshape(data_key["shape"])
        if values.dtype.kind in "biufU":
            yield key, values, list(data_key.get("dims", [])), attrs
