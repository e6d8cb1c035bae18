"""Entries of databroker 1.2.5 that treat stored text as text; like `upstream` they use private names.

intake 0.6.4 renders every string among the arguments of an entry as a Jinja template that can read the environment and
run a shell. The arguments of a run's entry are its documents and the path of its file, which anyone may have written.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from typing import Any

import cachetools
from databroker import core
from databroker._drivers import mongo_embedded, mongo_normalized
from databroker.in_memory import BlueskyInMemoryCatalog
from databroker.utils import LazyMap
from intake.catalog.local import LocalCatalogEntry

from .document_parts import Document, Reader
from .packed_headers import PackedHeader, StartDocuments, fitting
from .upstream import upsert_runs


class _UnrenderedArguments(LocalCatalogEntry):
    """The driver and arguments for opening a run or a stream, as in intake but without templates.

    It is below the class of an entry and above intake's, so that the code of a facility's entry runs as before.
    """

    def _create_open_args(self, user_parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        stored = self._open_args
        # an entry that declares parameters has templates on purpose
        templates = {key: stored[key] for key in stored if key != "metadata"} if self._user_parameters else {}
        asked, unrendered = user_parameters, dict[str, Any]()
        if not self._user_parameters:
            asked = {key: user_parameters[key] for key in ("plugin", "cache") if key in user_parameters}
            unrendered = {key: user_parameters[key] for key in user_parameters if key not in asked}
        bare = _with_state_of(self, LocalCatalogEntry, _metadata={}, _open_args=templates)
        driver, rendered = LocalCatalogEntry._create_open_args(bare, asked)
        metadata = {**self._metadata, **rendered.pop("metadata")}
        arguments = {**_copied({"metadata": metadata, **stored}), **rendered, **_copied(unrendered)}
        return functools.partial(_opened, driver), arguments

    def __reduce__(self) -> tuple[Any, ...]:
        cls = next(cls for cls in type(self).__mro__ if not issubclass(cls, _UnrenderedArguments))
        return _unpickled, (cls,), self.__getstate__()


class StreamEntries(LazyMap):
    """The entries of the streams of a run."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        super().add({name: functools.partial(_made, make) for name, make in dict(*args, **kwargs).items()})


class RunEntries(MutableMapping[str, Any]):
    """The entries of a catalog in another container, with the methods of that container.

    Parameters
    ----------
    entries : MutableMapping
        The dict of a catalog in memory, or a facility's own container.
    catalog : databroker.v2.Broker
        The catalog of the runs that these entries open.

    Attributes
    ----------
    by_uid : dict
        The entries that databroker made, which may hold templates. For a run whose entry has not been asked for, its
        header: to make the entries takes longer than all else that opening a catalog does.
    readers : dict
        The functions that read run files, instead of those in the entries.
    """

    def __init__(self, entries: MutableMapping[str, Any], catalog: Any) -> None:
        self.by_uid = entries
        self._catalog = catalog
        self.readers: dict[Any, Any] = {}
        self._reader: Reader | None = None
        # a container that is not a dict may make its entries on demand, in any number
        self._unrendered: MutableMapping[str, tuple[Any, Any]] = (
            {} if isinstance(entries, dict) else cachetools.LRUCache(1024)
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "by_uid" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.by_uid, name)

    def documents_of(self, header: PackedHeader) -> tuple[Any, Document | None]:
        """The start and stop documents of a run; an entry's ``describe`` would copy both."""
        entry = self.by_uid[header.uid]
        if isinstance(entry, PackedHeader):
            return entry.documents
        if isinstance(entry, LocalCatalogEntry):
            return header.start, entry._metadata["stop"]
        return header.start, entry.describe()["metadata"]["stop"]

    def path(self, uid: str) -> str:
        (path,) = self.arguments(uid)
        return str(path)

    def arguments(self, uid: str) -> Sequence[Any]:
        """What a run is read from: the path of its file, or what a facility's own entry says."""
        entry = self.by_uid[uid]
        if isinstance(entry, PackedHeader):
            return (entry.path,)
        return getattr(entry, "_open_args", {}).get("gen_args") or ()

    def add(self, headers: Iterable[PackedHeader], reader: Reader) -> None:
        """Do for each header what ``catalog.upsert`` of databroker 1.2.5 does, except making the entry."""
        if type(self._catalog).upsert is not BlueskyInMemoryCatalog.upsert or type(self.by_uid) is not dict:
            upsert_runs(self._catalog, headers, reader)
            return
        starts = self._catalog._uid_to_run_start_doc
        if type(starts) is dict:
            starts = self._catalog._uid_to_run_start_doc = StartDocuments(starts)
        self._reader = reader
        for header in fitting(headers, self._catalog._query):
            starts.add(header)
            self.by_uid[header.uid] = header

    def __getitem__(self, uid: str) -> Any:
        entry = self.by_uid[uid]
        if isinstance(entry, PackedHeader) and self._reader is not None:
            upsert_runs(self._catalog, [entry], self._reader)
            entry = self.by_uid[uid]
        original, unrendered = self._unrendered.get(uid, (None, None))
        if original is not entry:
            args = getattr(entry, "_open_args", {})
            if args.get("gen_func") in self.readers:
                args = {**args, "gen_func": self.readers[args["gen_func"]]}
            unrendered = _unrendered(entry, catalog=self._catalog, args=args)
            self._unrendered[uid] = entry, unrendered
        return unrendered

    def __setitem__(self, uid: str, entry: Any) -> None:
        self.by_uid[uid] = entry

    def __delitem__(self, uid: str) -> None:
        """Forget a run, as intake's ``pop`` does; it comes back when its file is loaded again."""
        files = [path for path in self.arguments(uid) if isinstance(path, str)]
        del self.by_uid[uid]
        self._unrendered.pop(uid, None)
        getattr(self._catalog, "_uid_to_run_start_doc", {}).pop(uid, None)
        for path in files:
            getattr(self._catalog, "_filename_to_mtime", {}).pop(path, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self.by_uid

    def __iter__(self) -> Iterator[str]:
        # of a list, because a loop over a catalog may store results in it; facilities make theirs on demand
        return iter(list(self.by_uid) if isinstance(self.by_uid, dict) else self.by_uid)

    def __len__(self) -> int:
        return len(self.by_uid)


class SharedRunEntries(RunEntries):
    """The entries of a catalog in memory, shared with another catalog object."""

    def add(self, headers: Iterable[PackedHeader], reader: Reader) -> None:
        upsert_runs(self._catalog, headers, reader)


class _UnrenderedEntries:
    """The class above a container for MongoDB: databroker's, or a facility's that derives from it."""

    def _doc_to_entry(self, run_start_doc: dict[str, Any]) -> Any:
        return _unrendered(super()._doc_to_entry(run_start_doc))  # type: ignore[misc]


@functools.cache
def _unrendered_container_class(cls: Any) -> type[Any]:
    return type(cls.__name__, (_UnrenderedEntries, cls), {"__module__": cls.__module__})


@functools.cache
def _unrendered_class(cls: Any) -> type[Any]:
    return type(cls.__name__, (cls, _UnrenderedArguments), {"__module__": cls.__module__})


def loaded_start_documents(catalog: Any) -> StartDocuments:
    """The start documents of the runs of a catalog that holds them in memory."""
    starts = catalog._uid_to_run_start_doc
    return starts if isinstance(starts, StartDocuments) else StartDocuments(starts)


def loaded_state(catalog: Any) -> tuple[int, int | None]:
    """How many runs such a catalog has, and how many documents were replaced; databroker's own dict does not tell that.

    While the latter stays the same, runs are only added, at the end.
    """
    starts = catalog._uid_to_run_start_doc
    return len(starts), starts.replacements if isinstance(starts, StartDocuments) else None


def loaded_since(catalog: Any, count: int) -> list[PackedHeader]:
    """The headers of the runs that were added to such a catalog since it had `count`."""
    starts = catalog._uid_to_run_start_doc
    if isinstance(starts, StartDocuments):
        return list(starts.headers.values())[count:]
    return [PackedHeader.of(start, None) for start in list(starts.values())[count:]]


def loaded_header(catalog: Any, uid: str) -> PackedHeader | None:
    """The header of one run of such a catalog, if it has it."""
    starts = catalog._uid_to_run_start_doc
    if uid not in starts:
        return None
    return starts.headers[uid] if isinstance(starts, StartDocuments) else PackedHeader.of(starts[uid], None)


def is_deleted(catalog: Any, uid: str) -> bool:
    """Whether the file of a run that a catalog has loaded is gone: databroker keeps the entry."""
    entries = catalog._entries
    files = entries.arguments(uid) if isinstance(entries, RunEntries) else ()
    known = getattr(catalog, "_filename_to_mtime", {})
    return any(isinstance(path, str) and path in known and not os.path.lexists(path) for path in files)


def may_have_deleted_runs(catalog: Any) -> bool:
    """Whether a catalog had loaded files that were gone when it was loaded again."""
    return bool(getattr(getattr(catalog, "paths", None), "gone", ()))


def entry_of_start(catalog: Any, start: Any) -> Any:
    """The entry of a run in the normalized layout; None if a facility has its own entries."""
    if type(catalog._entries) is not _unrendered_container_class(mongo_normalized._Entries):
        return None
    return catalog._entries._doc_to_entry(start)


def unrendered_entries(entries: Any, catalog: Any) -> Any:
    """The same entries without templates, for a catalog."""
    for cls in (mongo_normalized._Entries, mongo_embedded._Entries):
        if isinstance(entries, cls):
            unrendered = _with_state_of(entries, _unrendered_container_class(entries.__class__))
            cls.__init__(unrendered, catalog)
            return unrendered
    return RunEntries(entries, catalog)


def adopt_state(catalog: Any, original: Any) -> None:
    """Share the state of another object of the same driver, except what belongs to the object itself."""
    own = {"_Broker__v1", "_captured_init_args", "_captured_init_kwargs"}
    catalog.__dict__.update({key: value for key, value in original.__dict__.items() if key not in own})
    entries = unrendered_entries(original._entries, catalog)
    catalog._entries = SharedRunEntries(original._entries, catalog) if type(entries) is RunEntries else entries


def _unrendered(entry: Any, **arguments: Any) -> Any:
    """The same entry without templates; what intake does not render, such as a run, is unchanged."""
    if not isinstance(entry, LocalCatalogEntry) or isinstance(entry, _UnrenderedArguments):
        return entry
    unrendered = _with_state_of(entry, _unrendered_class(entry.__class__), _default_source=None)
    captured = entry._captured_init_kwargs
    unrendered._captured_init_kwargs = captured | {key: arguments[key] for key in arguments if key in captured}
    unrendered._catalog = arguments.get("catalog", entry._catalog)
    unrendered._open_args = arguments.get("args", entry._open_args)
    unrendered.__dict__.pop("_DictSerialiseMixin__tok_cache", None)
    if isinstance(entry, core.Entry):
        unrendered.entry = unrendered
        unrendered._Entry__cache = unrendered._make_cache()
    return unrendered


def _with_state_of(original: Any, cls: type, **changes: Any) -> Any:
    """An object of another class with the attributes of the original, except some."""
    made: Any = object.__new__(cls)
    made.__dict__.update(original.__dict__, **changes)
    return made


def _unpickled(cls: type) -> Any:
    """An entry without state, which is set later."""
    return object.__new__(_unrendered_class(cls))


def _made(make: Any) -> Any:
    return _unrendered(make())


def _opened(driver: Any, **arguments: Any) -> Any:
    """Open a run or a stream; the entries of a run's streams are made on demand."""
    source = driver(**arguments)
    streams: Any = getattr(source, "_entries", None)
    if type(streams) is LazyMap:
        source._entries = StreamEntries()
        source._entries.add({name: functools.partial(streams.__getitem__, name) for name in streams})
    return source


def _copied(value: Any) -> Any:
    """Copy as intake does when it renders: new containers, and every subclass of dict as a dict."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(_copied(item) for item in value)
    return value


def release_run(run: Any) -> None:
    """Make the entry of a run drop the run and its data."""
    entry = run._BlueskyRun__entry
    entry.cache_clear()
    entry._default_source = None


def missing_driver(entry: Any) -> str | None:
    """The name of the driver of a YAML entry, if it is not registered."""
    return str(entry._driver) if getattr(entry, "_plugin", None) == [] else None
