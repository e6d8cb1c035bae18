"""The options of a writable catalog, parsed and checked once, when it is opened."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import intake
import numpy

from ..errors import InvalidCatalogError, did_you_mean
from ..storage.catalog_paths import absolute_path
from ..tables.wording import short

ASSET_THRESHOLD = 1024 * 1024

_YES = {"true", "yes", "on", "1"}
_NO = {"false", "no", "off", "0"}


@dataclass(frozen=True)
class CatalogOptions:
    """The options of a writable catalog, as `WritableMixin` explains them; paths are absolute."""

    asset_root: str | None = None
    asset_threshold: int = ASSET_THRESHOLD
    writable: bool = True
    metadata_defaults: Mapping[str, Any] = field(default_factory=dict)
    allow_pickle: bool = False
    annotations: str | None = None
    index: bool = True

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> CatalogOptions:
        """Check options as they come from Python or YAML; None means the default."""
        for name in values:
            if name not in _PARSERS:
                choices = did_you_mean(name, _PARSERS) or f"; it has {', '.join(sorted(_PARSERS))}"
                raise InvalidCatalogError(f"a writable catalog has no option {name!r}{choices}")
        return cls(**{name: _PARSERS[name](value) for name, value in values.items() if value is not None})

    def changed(self) -> dict[str, Any]:
        """The options that differ from the default."""
        default = CatalogOptions()
        return {name: getattr(self, name) for name in OPTION_NAMES if getattr(self, name) != getattr(default, name)}


DIRECTORIES = ("asset_root", "annotations")
"""The options that are paths of directories."""

OPTION_NAMES = tuple(option.name for option in dataclasses.fields(CatalogOptions))


def without_options(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a catalog's arguments into those of its driver, and the options."""
    options = {name: arguments[name] for name in OPTION_NAMES if name in arguments}
    return {name: value for name, value in arguments.items() if name not in options}, options


@contextlib.contextmanager
def naming_wrong_arguments(driver: type, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Raise our error if the driver that is opened in the block does not accept an argument."""
    root_map = arguments.get("root_map")
    if not isinstance(root_map, Mapping | None):
        raise InvalidCatalogError(
            f"root_map must be a dict from directories that runs name to those that are here, not {short(root_map)}"
        )
    try:
        yield
    except TypeError as exc:
        known = {*_arguments_of(driver), *OPTION_NAMES, "auth"}  # databroker's searches give it, beside its parameters
        wrong = _WRONG_ARGUMENTS.search(str(exc))
        if wrong is None:
            raise
        unknown = wrong[1] or next((name for name in arguments if name not in known), "")
        driver_name = getattr(driver, "name", driver.__qualname__)
        if unknown in arguments:
            choices = did_you_mean(unknown, known) or f"; it has {', '.join(sorted(known - _OF_INTAKE))}"
            raise InvalidCatalogError(f"{driver_name} has no argument {unknown!r}{choices}") from exc
        if wrong[2]:
            raise InvalidCatalogError(f"{driver_name} needs {wrong[2]} among its arguments") from exc
        raise


_WRONG_ARGUMENTS = re.compile(
    r"__init__\(\) (?:got an unexpected keyword argument '(\w+)'"
    r"|missing \d+ required (?:positional|keyword-only) arguments?: (.+))"
)


def _arguments_of(driver: type) -> set[str]:
    """The names of arguments that a driver and its base classes accept."""
    return {
        parameter.name
        for cls in driver.__mro__
        if "__init__" in vars(cls) and cls is not object
        for parameter in list(inspect.signature(vars(cls)["__init__"]).parameters.values())[1:]
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


_OF_INTAKE = (_arguments_of(intake.Catalog) | {"auth"}) - {"name", "description", "metadata"}


def asset_threshold(value: Any) -> int:
    """Parse a number of bytes; YAML's ``{{ env(X) }}`` gives text."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    is_number = isinstance(value, int | numpy.integer) and not isinstance(value, bool)
    if not is_number or value < 0:
        raise InvalidCatalogError(
            f"asset_threshold must be a number of bytes, not {short(value)}; write 1 MiB as {ASSET_THRESHOLD}"
        )
    return int(value)


def _yes_or_no(name: str, value: Any) -> bool:
    """Parse the usual spellings of yes and no, because YAML's ``{{ env(X) }}`` gives text."""
    if isinstance(value, bool | numpy.bool_):
        return bool(value)
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    if text not in _YES | _NO:
        raise InvalidCatalogError(f"{name} must be true or false, not {short(value)}")
    return text in _YES


def _metadata_defaults(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidCatalogError(f"metadata_defaults must be a dict of metadata, not {short(value)}")
    for key in ("uid", "time"):
        if key in value:
            raise InvalidCatalogError(f"metadata_defaults has {key!r}, which each run has of its own; leave it out")
    return dict(value)


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "asset_root": functools.partial(absolute_path, name="asset_root"),
    "asset_threshold": asset_threshold,
    "writable": functools.partial(_yes_or_no, "writable"),
    "allow_pickle": functools.partial(_yes_or_no, "allow_pickle"),
    "index": functools.partial(_yes_or_no, "index"),
    "metadata_defaults": _metadata_defaults,
    "annotations": functools.partial(absolute_path, name="annotations"),
}


def _option(name: str, meaning: str) -> Any:
    return property(lambda self: getattr(self._store.options, name), doc=meaning)


class OptionProperties:
    """The options of a catalog, as its properties."""

    asset_root = _option("asset_root", "Directory for assets, if one was set.")
    asset_threshold = _option("asset_threshold", "Bytes per Event above which an array is an asset.")
    writable = _option("writable", "Whether runs can be stored in this catalog.")
    metadata_defaults = _option("metadata_defaults", "Metadata of every run that is built through this catalog.")
    allow_pickle = _option("allow_pickle", "Whether pickles in msgpack files are unpacked.")
