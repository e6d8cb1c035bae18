"""The places where runs are stored in the tests, one per backend, behind one interface."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mongomock
from databroker._drivers.jsonl import BlueskyJSONLCatalog
from databroker._drivers.mongo_embedded import BlueskyMongoCatalog as EmbeddedCatalog
from databroker._drivers.mongo_normalized import BlueskyMongoCatalog as NormalizedCatalog
from databroker._drivers.msgpack import BlueskyMsgpackCatalog

from databroker_writable import make_writable
from databroker_writable.drivers import (
    WritableCatalog,
    WritableJSONLCatalog,
    WritableMongoEmbeddedCatalog,
    WritableMongoNormalizedCatalog,
    WritableMsgpackCatalog,
)
from support import facility, servers

COLLECTIONS = (
    "run_start",
    "run_stop",
    "event_descriptor",
    "event",
    "resource",
    "datum",
    "header",
    "remarks",
    "deletions",
)


@dataclass
class Site:
    """One place where runs are stored.

    `open` opens a new catalog object over it each time; `driver` and `args` are what a YAML file says, where
    another process can open it.
    """

    kind: str
    open: Callable[..., Any]
    stock: type
    snapshot: Callable[[], dict[str, Any]]
    driver: str | None = None
    args: dict[str, Any] = field(default_factory=dict)
    directory: Path | None = None
    database: Any = None
    server: str = ""  # a kind of `servers.MongoServer`; empty for files and mongomock

    @property
    def is_ferretdb(self) -> bool:
        return self.server.startswith("ferretdb")

    def documents(self, uid: Any) -> list[tuple[str, dict[str, Any]]]:
        """The documents of a stored run, from a catalog that is opened anew, as no facility has patched them."""
        catalog = self.open(transforms={"start": dict}, handler_registry={})
        return list(catalog[uid].documents(fill="no"))

    @property
    def place(self) -> str:
        """The directory or the URI by which `opened` opens it in another process."""
        return str(self.directory) if self.directory is not None else next(iter(self.args.values()))

    def with_assets(self, directory: Path) -> dict[str, str]:
        """What to give to `open` for arrays in files, where they have no place by themselves."""
        has_own = not self.is_mongo and self.kind != "collecting"
        return {} if has_own else {"asset_root": str(directory / "assets")}

    @property
    def is_collecting(self) -> bool:
        """Whether each run is a JSON file of a facility's own driver."""
        return self.kind in ("collecting", "own-backend")

    @property
    def is_mongo(self) -> bool:
        return self.database is not None

    @property
    def keeps_arrays(self) -> bool:
        """Whether numpy arrays come back with their dtype."""
        return self.kind in ("msgpack", "prefixed", "patching", "adopted")


FILE_SITES = ("msgpack", "jsonl")
WRAPPED_SITES = ("prefixed", "patching", "collecting", "own-backend", "adopted")
MONGO_SITES = ("mongo-normalized", "mongo-embedded")

ALL_SITES = [
    *FILE_SITES,
    *WRAPPED_SITES,
    *(f"{site}[{server}]" for site in MONGO_SITES for server in ("mongomock", "server")),
]
"""`prefixed`, `patching`, `collecting` and `own-backend` are facilities' drivers in the generic one; `adopted` is
`make_writable`."""


@contextlib.contextmanager
def site(name: str, directory: Path, server: Callable[[], servers.MongoServer]) -> Iterator[Site]:
    """Make the site of a name; `server` gives the running one when it is needed."""
    layout, _, where = name.partition("[")
    if layout not in MONGO_SITES:
        root = directory / "runs"
        root.mkdir()
        yield _file_site(layout, root)
    elif where == "mongomock]":
        yield _mongo_site(layout, mongomock.MongoClient()["runs"])
    else:
        running = server()
        with running.database() as database:
            made = _mongo_site(layout, running.client[database], running.database_uri(database))
            made.server = running.kind
            yield made


def _file_site(layout: str, root: Path) -> Site:
    msgpack, jsonl = ({"paths": [str(root / f"*.{suffix}")]} for suffix in ("msgpack", "jsonl"))
    stock, args = {
        "msgpack": (BlueskyMsgpackCatalog, msgpack),
        "jsonl": (BlueskyJSONLCatalog, jsonl),
        "adopted": (BlueskyMsgpackCatalog, msgpack),
        "prefixed": (facility.PrefixedCatalog, msgpack),
        "patching": (facility.PatchingCatalog, msgpack),
        "collecting": (facility.CollectingCatalog, {"directory": str(root)}),
        "own-backend": (facility.OwnBackendCatalog, {"directory": str(root)}),
    }[layout]
    driver = "writable-jsonl-catalog" if layout == "jsonl" else "writable-msgpack-catalog"
    given = args
    if stock.__module__ == facility.__name__:
        driver, given = (
            "writable-catalog",
            {"catalog_driver": f"{stock.__module__}.{stock.__name__}", "catalog_args": args},
        )

    def make(**kwargs: Any) -> Any:
        kwargs = {"name": "contract", **kwargs}
        if layout == "adopted":
            return make_writable(stock(**args, **kwargs))
        if stock.__module__ != facility.__name__:
            return {"msgpack": WritableMsgpackCatalog, "jsonl": WritableJSONLCatalog}[layout](**args, **kwargs)
        own = {
            key: kwargs.pop(key)
            for key in ("asset_root", "asset_threshold", "writable", "annotations")
            if key in kwargs
        }
        return WritableCatalog(given["catalog_driver"], {**args, **kwargs}, **own)

    return Site(layout, make, stock, lambda: tree(root), driver, given, directory=root)


def _mongo_site(layout: str, database: Any, uri: str | None = None) -> Site:
    arguments = ("metadatastore_db", "asset_registry_db") if layout == "mongo-normalized" else ("datastore_db",)
    cls, stock = {
        "mongo-normalized": (WritableMongoNormalizedCatalog, NormalizedCatalog),
        "mongo-embedded": (WritableMongoEmbeddedCatalog, EmbeddedCatalog),
    }[layout]
    given = uri if uri is not None else database
    args = dict.fromkeys(arguments, given)

    def make(**kwargs: Any) -> Any:
        return cls(**args, **{"name": "contract", **kwargs})

    driver = None if uri is None else f"writable-{layout}-catalog"
    return Site(layout, make, stock, lambda: collections(database), driver, args, database=database)


def opened(kind: str, place: str, **kwargs: Any) -> Any:
    """A new catalog object over the directory, or the database, of a site: for other processes."""
    made = _mongo_site(kind, None, place) if kind in MONGO_SITES else _file_site(kind, Path(place))
    return made.open(**{"handler_registry": {}, **kwargs})


def tree(directory: Path) -> dict[str, Any]:
    """Every file below a directory, with a digest of its bytes."""
    return {
        os.path.relpath(os.path.join(parent, name), directory): hashlib.sha256(
            Path(parent, name).read_bytes()
        ).hexdigest()
        for parent, _, names in os.walk(directory)
        for name in names
    }


def collections(database: Any) -> dict[str, Any]:
    """Every document of a database, by collection."""
    found = {name: sorted(database[name].find({}), key=lambda doc: str(doc["_id"])) for name in COLLECTIONS}
    return {name: documents for name, documents in found.items() if documents}
