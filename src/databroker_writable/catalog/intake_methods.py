"""Keep a catalog writable when intake configures, pickles or writes it as YAML again."""

from __future__ import annotations

import posixpath
from typing import Any

import fsspec
import intake.config
import yaml
from dask.base import tokenize
from intake.catalog.local import YAMLFileCatalog
from intake.utils import make_path_posix

from ..runs import upstream
from ..tables.public_types import Broker
from .reopening import as_template, check_variables, describe_catalog, pickled

RUN_DRIVER = "databroker_writable.drivers.StoredRun"


class ReopenableMixin:
    """intake's methods that depend on the class and arguments, for a class that is made at run time."""

    name: str
    _driver_class: type
    _captured_init_args: tuple[Any, ...]
    _captured_init_kwargs: dict[str, Any]

    def __dir__(self) -> list[str]:
        public = [name for name in dir(type(self)) if not name.startswith("_")]
        return sorted({*super().__dir__(), *public})

    def configure_new(self, **kwargs: Any) -> Broker:
        """Open this catalog again with other arguments; it stays writable."""
        from .wrapping import make_writable

        return make_writable(super().configure_new(**kwargs))  # type: ignore[misc]

    __call__ = get = configure_new

    @property
    def _entry(self) -> Any:
        """The YAML entry of this catalog, which intake sets."""
        return self.__dict__.get("_entry")

    @_entry.setter
    def _entry(self, entry: Any) -> None:
        check_variables(entry)
        self.__dict__["_entry"] = entry

    def _yaml(self) -> dict[str, Any]:
        return describe_catalog(self).yaml()

    def _export(self, path: str) -> Any:
        """Write a ``cat.yaml`` for intake's ``export``, whose entries open the runs where they are.

        It refuses the directory of ``persist``: intake would open the runs that there are in place of the catalog.
        """
        if posixpath.dirname(path) == make_path_posix(intake.config.conf["persist_path"]):
            raise NotImplementedError(
                "a catalog cannot be persisted: intake would open the runs of today in its place from now on; copy "
                "its runs with copy_runs, or list them in a file with catalog.export('DIRECTORY')"
            )
        (source,) = self._yaml()["sources"].values()
        catalog = {"driver": source["driver"], "args": source["args"]}
        runs = {uid: {"driver": RUN_DRIVER, "args": {"catalog": catalog, "uid": as_template(uid)}} for uid in self}  # type: ignore[attr-defined]
        target = posixpath.join(path, "cat.yaml")
        with fsspec.open(target, "w") as file:
            yaml.safe_dump({"sources": runs}, file)
        return YAMLFileCatalog(target, name=self.name)

    def __dask_tokenize__(self) -> str:
        """The token for equality and hash: a pickled catalog equals the original, with positional arguments."""
        if "_token" not in self.__dict__:
            recipe = describe_catalog(self)
            metadata = {key: value for key, value in recipe.metadata.items() if key != "catalog_dir"}
            # cached, because database objects get a new token each time
            self._token = tokenize(recipe.driver, recipe.name, recipe.args, metadata)
        return self._token

    def __copy__(self) -> Any:
        """Open it again with the same arguments, including those that cannot be pickled, such as database objects."""
        args, kwargs = upstream.captured_arguments(self)
        copy = type(self)(*args, **kwargs)
        copy._entry = self._entry
        return copy

    def __reduce__(self) -> Any:
        return pickled(describe_catalog(self))
