"""All private names of other packages that this package uses, with the versions in which they were checked.

databroker 1.2.5, intake 0.6.4, bluesky-live 0.0.8, event-model 1.24, suitcase-utils 0.5.5.
"""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from .document_parts import Document
from .packed_headers import PackedHeader

VIEW = "search results"
"""The name that databroker gives to search results."""


# bluesky-live, h5py and suitcase


def cached_documents(run: Any) -> list[tuple[str, Document]] | None:
    """The documents of a run of bluesky-live, whose ``documents()`` unpacks and repacks every page in Python."""
    cache = getattr(run, "_document_cache", None)
    return None if cache is None else list(cache)


@functools.cache
def hold_hdf5_lock_over_forks() -> None:
    """Let no child start with a lock that a missing thread holds; h5py 3.14 does this itself."""
    from h5py._objects import phil  # only assets need HDF5

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=phil.acquire, after_in_parent=phil.release, after_in_child=phil.release)


def write_direct_chunk(dataset: Any, corner: tuple[int, ...], data: bytes) -> None:
    """Write a chunk while no other thread uses HDF5, for which h5py takes its lock itself from 3.16 on."""
    from h5py._objects import phil

    with phil:
        dataset.id.write_direct_chunk(corner, data)


def replace_manager(callback: Any, new_manager: Callable[[str], Any]) -> None:
    """Let a suitcase serializer of files write to those of another manager, which is made for its directory."""
    import suitcase.utils

    manager = getattr(callback, "_manager", None)
    if isinstance(manager, suitcase.utils.MultiFileManager):
        callback._manager = new_manager(str(manager._directory))


def write_stream_document(callback: Any, name: str, doc: Document) -> None:
    """Write a stream_resource or stream_datum, which suitcase-msgpack 0.3 skips; other serializers write them."""
    import suitcase.msgpack

    if isinstance(callback, suitcase.msgpack.Serializer) and "stream_resource" not in vars(type(callback)):
        callback._buffer.write(suitcase.msgpack._encode((name, doc), **callback._kwargs))


# databroker


def loaded_descriptors(run: Any) -> list[Document]:
    """The descriptors of a databroker run or of one of its streams; empty on an intake server."""
    return getattr(run, "_descriptors", [])


@functools.cache
def stock_drivers() -> Any:
    """The classes of databroker's drivers, by layout."""
    from databroker._drivers import jsonl, mongo_embedded, mongo_normalized, msgpack

    return SimpleNamespace(
        msgpack=msgpack.BlueskyMsgpackCatalog,
        jsonl=jsonl.BlueskyJSONLCatalog,
        mongo_normalized=mongo_normalized.BlueskyMongoCatalog,
        mongo_embedded=mongo_embedded.BlueskyMongoCatalog,
    )


def ignore_warning_of_reading() -> None:
    """Silence the warnings that databroker 1.2.5 and bluesky-live 0.0.8 cause by their own use of xarray."""
    for message, module in (
        ("The return type of `Dataset.dims`", r"databroker\.intake_xarray_core\.base"),
        ("In a future version of xarray", r"(databroker|bluesky_live)\..*"),
    ):
        warnings.filterwarnings("ignore", message, FutureWarning, module)


@functools.cache
def stock_files() -> Any:
    """What databroker's drivers read run files with."""
    from databroker._drivers import jsonl, msgpack

    return SimpleNamespace(
        read_msgpack=msgpack.gen,
        read_jsonl=jsonl.gen,
        stop_of_jsonl=jsonl.get_stop,
        unpack_options=msgpack.UNPACK_OPTIONS,
    )


def is_in_memory(catalog: Any) -> bool:
    """Whether databroker holds the start documents, and searches them with mongoquery."""
    return hasattr(catalog, "_uid_to_run_start_doc")


loaded_entries = attrgetter("_entries")
"""The entries of a catalog, by uid or by name, which are not opened."""

loaded_files = attrgetter("_filename_to_mtime")
"""Modification times of the files that a catalog has loaded, and does not read again."""


def loaded_documents(catalog: Any) -> Callable[[PackedHeader], tuple[Any, Document | None]]:
    """The function that returns the start and stop documents of a run in a catalog in memory."""
    entries = loaded_entries(catalog)
    own: Callable[[PackedHeader], tuple[Any, Document | None]] | None = getattr(entries, "documents_of", None)
    return own or (lambda header: (header.start, entries[header.uid].describe()["metadata"]["stop"]))


def upsert_runs(catalog: Any, headers: Iterable[PackedHeader], read_file: Callable[[str], Any]) -> None:
    """Have databroker make the entry of the run in each file."""
    for header in headers:
        catalog.upsert(*header.documents, read_file, (header.path,), {})


def map_roots_by(catalog: Any, root_map: Any) -> None:
    """Let the runs of a catalog find their files by another map, those that are loaded already too."""
    catalog._root_map = root_map
    catalog._get_filler.keywords["root_map"] = root_map


def is_method_of(bound: Any, cls: type, name: str) -> bool:
    return getattr(bound, "__func__", None) is getattr(cls, name)


def open_entry(entry: Any, catalog: Any, **arguments: Any) -> Any:
    """The run as its entry returns it, but with some other arguments, and without keeping its documents in memory."""
    opener, opened = entry._create_open_args(arguments)
    run = opener(**opened)
    run.catalog_object = run.cat = catalog
    run.name, run.description = entry.name, entry._description
    return run


def put_in_order(results: Any, uids: Iterable[str]) -> None:
    """Reorder the entries of a search result."""
    entries = getattr(results._entries, "by_uid", results._entries)
    for uid in uids:
        if uid in entries:
            entries[uid] = entries.pop(uid)


def search_known(catalog: Any, uids: Sequence[str]) -> Any:
    """A search result of known runs; databroker's search would open every file of a directory again."""
    query = {"uid": {"$in": list(uids)}}
    stock = (stock_drivers().msgpack, stock_drivers().jsonl)
    driver = next((cls for cls in stock if isinstance(catalog, cls)), None)
    if driver is None or type(catalog).search is not driver.search or not hasattr(catalog.paths, "among"):
        return catalog.search(query)
    # like databroker's search, but without the paths
    return type(catalog)(
        paths=catalog.paths.among(list(map(loaded_entries(catalog).path, uids))),
        query={"$and": [catalog._query, query]} if catalog._query else query,
        handler_registry=catalog._handler_registry,
        transforms=catalog._transforms,
        root_map=catalog._root_map,
        name=VIEW,
        getenv=catalog.getenv,
        getshell=catalog.getshell,
        auth=catalog.auth,
        metadata=(catalog.metadata or {}).copy(),
        storage_options=catalog.storage_options,
    )


query_of = attrgetter("_query")
"""The query of a search result; an empty one for other catalogs."""

transforms_of = attrgetter("_transforms")
"""The transforms that a catalog applies to documents when it reads them, by name."""


def is_search_result(catalog: Any) -> bool:
    return bool(getattr(catalog, "_query", None)) or catalog.name == VIEW


def changes_nothing(transform: Callable[[Any], Any]) -> bool:
    """Whether a transform is databroker's default."""
    from databroker import core

    return transform is core._no_op


def normalized_collections(catalog: Any) -> Any:
    return SimpleNamespace(
        starts=catalog._run_start_collection,
        stops=catalog._run_stop_collection,
        descriptors=catalog._event_descriptor_collection,
        events=catalog._event_collection,
        resources=catalog._resource_collection,
        datums=catalog._datum_collection,
    )


normalized_databases = attrgetter("_metadatastore_db", "_asset_registry_db")
"""The databases of the normalized layout: of the documents, and of resources and datums."""

embedded_database = attrgetter("_db")
"""The database of the embedded layout."""

find_options = attrgetter("_find_kwargs")
"""The options with which a MongoDB catalog searches its collections."""


# intake: how a catalog was opened


captured_arguments = attrgetter("_captured_init_args", "_captured_init_kwargs")
"""The arguments with which a catalog was opened, positional ones and those by name."""


def set_captured_arguments(catalog: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Set the arguments with which a catalog is opened again."""
    catalog._captured_init_args, catalog._captured_init_kwargs = args, kwargs


def named_arguments(catalog: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a catalog's driver, positional ones by name."""
    names = list(inspect.signature(catalog._driver_class.__init__).parameters)[1:]
    return dict(zip(names, args, strict=False)) | kwargs


def driver_name(catalog: Any) -> str:
    """The dotted path of the driver that a writable class derives from."""
    driver = catalog._driver_class
    return f"{driver.__module__}.{driver.__qualname__}"


def entry_arguments(entry: Any) -> Any:
    """The arguments of a YAML entry, with templates unexpanded; None for any other entry."""
    return getattr(entry, "_open_args", None)


def declared_parameters(entry: Any) -> dict[str, Any]:
    """The parameters that a YAML entry declares for its templates, with their defaults as they are written."""
    declared = getattr(entry, "_user_parameters", None) or []
    return {parameter.name: getattr(parameter, "_default", None) for parameter in declared}


def entry_directory(entry: Any) -> str | None:
    """The directory of the YAML file of an entry."""
    return getattr(entry, "_catalog_dir", None)


def driver_of_entry(entry: Any) -> tuple[Any, dict[str, Any]] | None:
    """Driver and expanded arguments of a YAML entry; None for one of databroker 0."""
    return entry._create_open_args({}) if hasattr(entry, "_create_open_args") else None
