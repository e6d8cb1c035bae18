"""Entries of databroker 1.2.5 that take what is stored for text: like `upstream`, by the private names of others.

intake 0.6.4 takes every string among the arguments of an entry for a Jinja template, with the environment and a shell
at hand. The arguments of a run's entry are the documents of the run and the path of its file, which anybody may have
written.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, MutableMapping
from typing import Any

from databroker import core
from databroker._drivers import mongo_embedded, mongo_normalized
from databroker.in_memory import BlueskyInMemoryCatalog
from databroker.utils import LazyMap
from mongoquery import Query


class _UnrenderedArguments:
    """What a run, or a stream, is opened with: as databroker's entries give it, but for the templates."""

    _metadata: dict[str, Any]
    _open_args: dict[str, Any]
    _catalog_dir: str | None
    _plugin: list[Any]

    def _create_open_args(self, user_parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        user_parameters.pop("plugin", None)
        metadata = {**self._metadata, "catalog_dir": self._catalog_dir}
        cache = user_parameters.pop("cache", None)
        if cache:
            metadata["cache"] = cache
        arguments = _copied({"metadata": metadata, **self._open_args, **user_parameters})
        (driver,) = self._plugin
        return functools.partial(_opened, driver), {**arguments, "entry": self}


class RunEntry(_UnrenderedArguments, core.Entry):
    """The entry of a run."""


class StreamEntry(_UnrenderedArguments, core.StreamEntry):
    """The entry of a stream of a run."""


class StreamEntries(LazyMap):
    """The entries of the streams of a run."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        super().add({name: functools.partial(_made, make) for name, make in dict(*args, **kwargs).items()})


class RunEntries(MutableMapping[str, Any]):
    """The entries of a catalog in memory.

    Parameters
    ----------
    entries : dict
        Those that databroker makes.
    catalog : databroker.v2.Broker
        The catalog to which runs belong that are opened by these entries.

    Attributes
    ----------
    by_uid : dict
        The entries that databroker has made, which may hold templates, and None for others.
    readers : dict
        What reads the files of runs, in place of what their entries name.
    later : dict
        What databroker is to make entries of, when these are asked for, by uid. It takes longer than all else that
        opening a catalog does.
    """

    def __init__(self, entries: MutableMapping[str, Any], catalog: Any) -> None:
        self.by_uid = entries
        self._catalog = catalog
        self.readers: dict[Any, Any] = {}
        self.later: dict[str, tuple[Any, ...]] = {}
        self._unrendered: dict[str, tuple[Any, Any]] = {}

    def stop_document(self, uid: str) -> dict[str, Any] | None:
        """The stop document of a run, if there is one; an entry's ``describe`` would copy both documents."""
        arguments = self.later.get(uid)
        stop: dict[str, Any] | None = arguments[1] if arguments else self.by_uid[uid]._metadata["stop"]
        return stop

    def path(self, uid: str) -> str:
        """The path of the file of a run."""
        arguments = self.later.get(uid)
        (path,) = arguments[3] if arguments else self.by_uid[uid]._open_args["gen_args"]
        return str(path)

    def add(self, start: Any, *arguments: Any) -> None:
        """Do what ``catalog.upsert`` of databroker 1.2.5 does, but for making the entry."""
        if type(self._catalog).upsert is not BlueskyInMemoryCatalog.upsert:
            self._catalog.upsert(start, *arguments)
        elif Query(self._catalog._query).match(start):
            self._catalog._uid_to_run_start_doc[start["uid"]] = start
            self.later[start["uid"]] = start, *arguments
            self.by_uid[start["uid"]] = None

    def __getitem__(self, uid: str) -> Any:
        arguments = self.later.get(uid)
        if arguments is not None:
            self._catalog.upsert(*arguments)
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
        self.later.pop(uid, None)

    def __delitem__(self, uid: str) -> None:
        del self.by_uid[uid]
        self.later.pop(uid, None)
        self._unrendered.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self.by_uid

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_uid)

    def __len__(self) -> int:
        return len(self.by_uid)


class SharedRunEntries(RunEntries):
    """The entries of a catalog in memory that another catalog object has, too."""

    def add(self, *arguments: Any) -> None:
        self._catalog.upsert(*arguments)


class NormalizedEntries(mongo_normalized._Entries):
    """The entries of the normalized layout."""

    def _doc_to_entry(self, run_start_doc: dict[str, Any]) -> Any:
        return _unrendered(super()._doc_to_entry(run_start_doc))


class EmbeddedEntries(mongo_embedded._Entries):
    """The entries of the embedded layout."""

    def _doc_to_entry(self, run_start_doc: dict[str, Any]) -> Any:
        return _unrendered(super()._doc_to_entry(run_start_doc))


_OF_MONGO = {mongo_normalized._Entries: NormalizedEntries, mongo_embedded._Entries: EmbeddedEntries}
_OF_DATABROKER = {core.Entry: RunEntry, core.StreamEntry: StreamEntry}


def unrendered_entries(entries: Any, catalog: Any) -> Any:
    """The same entries without templates, for a catalog; those of a facility's own classes stay what they are."""
    if isinstance(entries, dict):
        return RunEntries(entries, catalog)
    if type(entries) in _OF_MONGO:
        return _OF_MONGO[type(entries)](catalog)
    return entries


def shared_entries(entries: Any, catalog: Any) -> Any:
    """The same for a catalog that has them together with another catalog object."""
    return SharedRunEntries(entries, catalog) if isinstance(entries, dict) else unrendered_entries(entries, catalog)


def _unrendered(entry: Any, **arguments: Any) -> Any:
    cls = _OF_DATABROKER.get(type(entry))
    return entry if cls is None else cls(**{**entry._captured_init_kwargs, **arguments})


def _made(make: Any) -> Any:
    return _unrendered(make())


def _opened(driver: Any, **arguments: Any) -> Any:
    """Open a run or a stream; the entries of a run's streams are made when they are asked for."""
    source = driver(**arguments)
    streams: Any = getattr(source, "_entries", None)
    if type(streams) is LazyMap:
        source._entries = StreamEntries()
        source._entries.add({name: functools.partial(streams.__getitem__, name) for name in streams})
    return source


def _copied(value: Any) -> Any:
    """Copy as intake does when it renders: containers anew, and whatever derives from dict as a dict."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(_copied(item) for item in value)
    return value


def release_run(run: Any) -> None:
    """Let the entry of a run no longer hold it, and what was read of it."""
    entry = run._BlueskyRun__entry
    entry.cache_clear()
    entry._default_source = None
