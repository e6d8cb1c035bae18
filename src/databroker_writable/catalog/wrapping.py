"""Make databroker catalogs, and the classes of their drivers, writable."""

from __future__ import annotations

import functools
import inspect
from typing import Any, cast

from databroker import v1
from databroker.v2 import Broker

from ..errors import NotWritableError, errors_end_here
from ..runs import upstream
from ..runs.upstream_entries import adopt_state
from ..storage.known_backends import backend_class
from ..tables.wording import short
from .options import CatalogOptions
from .pickled_runs import register
from .storing_methods import WritableMixin

register()


def writable_class(cls: type) -> type:
    """Return the writable subclass of a driver, always the same one.

    Parameters
    ----------
    cls : type
        A subclass of `databroker.v2.Broker`: databroker's own for msgpack, JSONL and MongoDB, or a facility's.

    Returns
    -------
    type
        A subclass that adds `store_run` and the other methods. Every read method is inherited.

    Raises
    ------
    NotWritableError
        It is not a driver, or it has no ``_get_serializer``, so there is nothing to store through.

    Examples
    --------
    >>> from databroker._drivers.msgpack import BlueskyMsgpackCatalog
    >>> issubclass(writable_class(BlueskyMsgpackCatalog), BlueskyMsgpackCatalog)
    True
    """
    with errors_end_here:
        if not inspect.isclass(cls) or not issubclass(cls, Broker):
            raise NotWritableError(
                f"{cls!r} is not a databroker driver: it does not derive from databroker.v2.Broker; "
                "name the driver of the catalog that holds the runs"
            )
        return cls if issubclass(cls, WritableMixin) else _make_class(cast(Any, cls))


def make_writable(catalog: Broker, **options: Any) -> Broker:
    """Return the writable form of a catalog that is already open.

    It shares the state of the original (entries, handlers, connections): a run that is stored through it appears in
    both.

    Parameters
    ----------
    catalog : databroker.v2.Broker or databroker.v1.Broker
    **options
        As for `WritableMixin`, such as ``asset_root``; a catalog that is writable already keeps its own options.

    Returns
    -------
    databroker.v2.Broker
        With `store_run` and the other methods. A catalog that is writable already is returned unchanged.

    Raises
    ------
    NotWritableError
        It is not a catalog of runs, or its driver cannot write.
    InvalidCatalogError
        There is no such option, or it is of the wrong type.

    Notes
    -----
    O(1) in the number of stored runs: nothing is opened again.

    Examples
    --------
    >>> import databroker
    >>> catalog = make_writable(databroker.temp().v2)
    >>> catalog.store_run({"x": [1, 2, 3]}).primary.read().x.values.tolist()
    [1, 2, 3]
    """
    with errors_end_here:
        catalog = catalog_of_runs(catalog)
        parsed = CatalogOptions.parse(options)
        if isinstance(catalog, WritableMixin):
            return catalog
        cls: Any = writable_class(type(catalog))
        writable = cls.__new__(cls)
        args, kwargs = writable._backend.lasting_arguments(*upstream.captured_arguments(catalog))
        # the arguments for a pickle of the catalog
        upstream.set_captured_arguments(writable, args, {**kwargs, **parsed.changed()})
        adopt_state(writable, catalog)
        writable._store.set_options(parsed)
        writable._backend.adopt()
        writable._register_asset_handler()
        return writable


def catalog_of_runs(catalog: Any) -> Broker:
    """The catalog itself, or that of databroker's v1 interface; refuse anything else."""
    if isinstance(catalog, v1.Broker):
        catalog = catalog.v2
    if not isinstance(catalog, Broker):
        raise NotWritableError(
            f"{short(catalog)} is not a catalog of runs; give one that databroker opens, such as "
            "databroker.catalog['NAME'], or open a directory with open_directory('DIRECTORY')"
        )
    return catalog


def check_is_writable(catalog: Any, function: str) -> None:
    """Refuse a catalog that has no `store_run`; `function` is the one that the user called."""
    if not isinstance(catalog, WritableMixin):
        raise NotWritableError(
            f"{function} needs a writable catalog, as open_directory and make_writable return it, not {short(catalog)}"
        )


@functools.cache
def _make_class(cls: Any) -> type:
    body = {
        "__module__": cls.__module__,
        "__doc__": f"A writable {cls.__name__}.",
        "_driver_class": cls,
        "_backend_class": backend_class(cls),
    }
    return type(f"Writable{cls.__name__}", (WritableMixin, cls), body)
