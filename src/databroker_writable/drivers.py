"""The drivers for YAML: entry points of the group ``intake.drivers``."""

from __future__ import annotations

import functools
import glob
import importlib
import json
import os
from collections.abc import Mapping
from typing import Any

from .errors import (
    InvalidCatalogError,
    NotWritableError,
    did_you_mean,
    errors_end_here,
    require_databroker_1,
    warn_user,
)

require_databroker_1()

# ruff: noqa: E402  one clear sentence rather than the failure of one of these imports
import databroker
import intake

from .catalog.wrapping import writable_class
from .results.run_uids import open_run
from .runs.upstream import stock_drivers
from .runs.upstream_entries import missing_driver
from .storage.catalog_paths import absolute_path, files_matching
from .storage.durable_file import make_durable_directories
from .storage.run_file_readers import JSONL, MSGPACK, RUN_FILES
from .tables.public_types import Broker


class WritableMsgpackCatalog(writable_class(stock_drivers().msgpack)):  # type: ignore[misc]
    """A writable directory of msgpack files; arguments as for databroker's ``bluesky-msgpack-catalog``."""

    name = "writable-msgpack-catalog"


class WritableJSONLCatalog(writable_class(stock_drivers().jsonl)):  # type: ignore[misc]
    """A writable directory of JSONL files; arguments as for databroker's ``bluesky-jsonl-catalog``."""

    name = "writable-jsonl-catalog"


class WritableMongoNormalizedCatalog(writable_class(stock_drivers().mongo_normalized)):  # type: ignore[misc]
    """A writable MongoDB; arguments as for databroker's ``bluesky-mongo-normalized-catalog``."""

    name = "writable-mongo-normalized-catalog"


class WritableMongoEmbeddedCatalog(writable_class(stock_drivers().mongo_embedded)):  # type: ignore[misc]
    """A writable MongoDB; arguments as for databroker's ``bluesky-mongo-embedded-catalog``."""

    name = "writable-mongo-embedded-catalog"


class WritableCatalog:
    """Make the catalog of any driver writable, including a facility's own.

    Parameters
    ----------
    catalog_driver : str or type
        The registered name of a driver, or its dotted path.
    catalog_args : dict, optional
        The arguments of that driver.
    **kwargs
        The options of `WritableMixin`, and ``metadata``, which intake passes.

    Returns
    -------
    databroker.v2.Broker
        An instance of the driver's writable subclass.

    Raises
    ------
    InvalidCatalogError
        There is no such driver, or its arguments are wrong.
    NotWritableError
        The driver cannot write.

    Examples
    --------
    >>> catalog = WritableCatalog("bluesky-msgpack-catalog", {"paths": ["results/*.msgpack"]})
    >>> catalog.store_run({"x": [1, 2, 3]}).primary.read().x.values.tolist()
    [1, 2, 3]
    """

    # intake reads this from the class before it makes an instance
    name = "writable-catalog"
    container = "catalog"
    version = "0.0.1"
    partition_access = False

    def __new__(
        cls, catalog_driver: str | type | None = None, catalog_args: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        if catalog_driver is None:
            raise InvalidCatalogError(
                "writable-catalog needs catalog_driver, the name of the driver that it makes writable, such as "
                "bluesky-msgpack-catalog"
            )
        driver = writable_class(driver_class(catalog_driver))
        try:
            return driver(**{**(catalog_args or {}), **kwargs})
        except TypeError as exc:
            raise InvalidCatalogError(f"catalog_args do not fit the driver {catalog_driver!r}: {exc}") from exc


class StoredRun:
    """One run of a catalog as a separate entry, as intake's ``catalog.export()`` writes it.

    Parameters
    ----------
    catalog : dict
        ``driver`` and ``args`` of the catalog, as in YAML.
    uid : str
    metadata : dict, optional
        Passed by intake; a run has its own metadata.

    Returns
    -------
    databroker.core.BlueskyRun

    Raises
    ------
    KeyError
        The catalog has no such run.
    InvalidCatalogError
        The catalog cannot be opened.
    """

    name = "databroker-writable-run"
    container = "bluesky-run"
    version = "1"
    partition_access = True

    def __new__(cls, catalog: Mapping[str, Any], uid: str, metadata: Any = None) -> Any:
        return open_run(_catalog_of(json.dumps(catalog, sort_keys=True)), uid)


@functools.lru_cache(maxsize=4)
def _catalog_of(source: str) -> Any:
    """The catalog of exported runs, opened once for all runs."""
    described = json.loads(source)
    return driver_class(described["driver"])(**described["args"])


def open_directory(path: str | os.PathLike[str], **kwargs: Any) -> Broker:
    """Open a writable catalog over a directory with one msgpack file per run, or with JSONL files if it has these.

    Parameters
    ----------
    path : str or path
        Created if it does not exist; ``~`` is the home directory. A relative path is resolved now: changing the working
        directory later has no effect.
    **kwargs
        As for databroker's BlueskyMsgpackCatalog (``handler_registry``, ``root_map``, ``name``, ...) and
        `WritableMixin` (``asset_root``, ``asset_threshold``, ``writable``, ``allow_pickle``, ...).

    Returns
    -------
    databroker_writable.drivers.WritableMsgpackCatalog
        A `WritableJSONLCatalog` if the directory holds JSONL files and no msgpack files.

    Raises
    ------
    InvalidCatalogError
        The path is empty, a URL, a glob, a file or the name of a catalog, or an option is wrong; with
        ``writable=False``, there is no such directory.
    NotWritableError
        The directory cannot be created.

    Warns
    -----
    StoreWarning
        A file is skipped: it cannot be read, is not a run, holds pickles, or is a JSONL file beside msgpack files.

    Notes
    -----
    Opening is O(size of the new files in it): databroker reads each to its end, and what their start and stop documents
    say is kept in the user's cache directory.

    Examples
    --------
    >>> catalog = open_directory("results")
    >>> catalog.store_run({"x": [1, 2, 3]}).primary.read().x.values.tolist()
    [1, 2, 3]
    """
    with errors_end_here:
        directory = run_directory(path)
        kwargs.setdefault("name", os.path.basename(directory))
        driver, pattern = run_files_of(directory)
        catalog = driver([pattern], **kwargs)
        if not catalog.writable and not os.path.isdir(directory):
            raise InvalidCatalogError(
                f"there is no directory {directory!r} to read; is its file system mounted? Without writable=False it "
                "is created"
            )
        try:
            make_durable_directories(directory)
        except OSError as exc:
            raise NotWritableError(
                f"the directory {directory!r} cannot be created: {exc.strerror}; give one in which you can write"
            ) from exc
        return catalog


def run_directory(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a directory of run files; refuse anything else."""
    directory = absolute_path(path, "path")
    existing = directory
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        remedy = (
            f"open a catalog that it defines: intake.open_catalog({str(path)!r})['NAME']"
            if existing.endswith((".yml", ".yaml"))
            else f"give the directory that holds the run files, as in open_directory({os.path.dirname(existing)!r})"
        )
        raise InvalidCatalogError(f"{existing!r} is not a directory; {remedy}")
    new = directory[len(existing) :]
    if new and isinstance(path, str) and os.path.basename(path) == path and _is_name_of_catalog(path):
        raise InvalidCatalogError(
            f"{str(path)!r} is the name of a catalog: open it as databroker.catalog[{str(path)!r}], or give "
            f"'./{path}' for a new directory"
        )
    if new.endswith((".yml", ".yaml")):
        raise InvalidCatalogError(f"there is no file {str(path)!r}; give a directory, or an existing file of catalogs")
    if "*" in new or "?" in new or new.endswith(RUN_FILES):
        parent = os.path.dirname(directory)
        while "*" in parent or "?" in parent:
            parent = os.path.dirname(parent)
        raise InvalidCatalogError(
            f"{str(path)!r} names run files; give their directory, as in open_directory({parent!r})"
        )
    return directory


def _is_name_of_catalog(name: str) -> bool:
    try:
        return name in list(databroker.catalog)
    except Exception:
        return False  # another YAML file is broken, which is no reason against a new directory


def run_files_of(directory: str) -> tuple[type, str]:
    """The driver for the run files of a directory, and the glob that finds them."""
    msgpack, jsonl = (os.path.join(glob.escape(directory), f"*{known.suffix}") for known in (MSGPACK, JSONL))
    if any(files_matching([jsonl])):
        if not any(files_matching([msgpack])):
            return WritableJSONLCatalog, jsonl
        warn_user(
            f"the JSONL files in {directory!r} are skipped, because it holds msgpack files too; move them into a "
            "separate directory, or open them with a YAML file that names the driver writable-jsonl-catalog"
        )
    return WritableMsgpackCatalog, msgpack


def unregistered(name: str) -> str:
    """The message that no driver has this name, with a suggestion."""
    known = sorted(known for known in intake.registry if known.endswith("-catalog"))
    choice = did_you_mean(name, known) or f"; use one of {', '.join(known)}, or the dotted path of a class"
    return f"no driver is registered as {name!r}{choice}"


def check_driver(entry: Any) -> None:
    """Refuse a YAML entry whose driver is missing; intake's error only names a web page."""
    missing = missing_driver(entry)
    if missing is not None:
        raise InvalidCatalogError(f"the catalog {entry.name!r} cannot be opened: {unregistered(missing)}")


def driver_class(name: str | type) -> type:
    """Return the class of a driver by its registered name or its dotted path."""
    if not isinstance(name, str):
        return name
    if name in intake.registry:
        return intake.registry[name]
    module, _, attribute = name.rpartition(".")
    if not module:
        raise InvalidCatalogError(unregistered(name))
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as exc:
        raise InvalidCatalogError(
            f"the driver {name!r} cannot be imported ({exc}); is its package installed here?"
        ) from exc
