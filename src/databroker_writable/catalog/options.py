"""The options of a writable catalog, parsed and checked once, when it is opened."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import importlib
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


def asset_threshold(value: Any, name: str = "asset_threshold") -> int:
    """Parse a number of bytes; YAML's ``{{ env(X) }}`` gives text."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    is_number = isinstance(value, int | numpy.integer) and not isinstance(value, bool)
    if not is_number or value < 0:
        raise InvalidCatalogError(
            f"{name} must be a number of bytes, not {short(value)}; write 1 MiB as {ASSET_THRESHOLD}"
        )
    return int(value)


def _yes_or_no(value: Any, name: str) -> bool:
    """Parse the usual spellings of yes and no, because YAML's ``{{ env(X) }}`` gives text."""
    if isinstance(value, bool | numpy.bool_):
        return bool(value)
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    if text not in _YES | _NO:
        raise InvalidCatalogError(f"{name} must be true or false, not {short(value)}")
    return text in _YES


def _metadata(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidCatalogError(f"{name} must be a dict of metadata, not {short(value)}")
    for key in ("uid", "time"):
        if key in value:
            raise InvalidCatalogError(f"{name} has {key!r}, which each run has of its own; leave it out")
    return dict(value)


def _parsed_by(parser: Callable[[Any, str], Any], default: Any) -> Any:
    """An option, with the function that checks its value, of which messages have the name."""
    return field(default_factory=lambda: copy.copy(default), metadata={"parser": parser})


@dataclass(frozen=True)
class CatalogOptions:
    """The options of a writable catalog, as `WritableMixin` explains them; paths are absolute."""

    asset_root: str | None = _parsed_by(absolute_path, None)
    asset_threshold: int = _parsed_by(asset_threshold, ASSET_THRESHOLD)
    writable: bool = _parsed_by(_yes_or_no, True)
    metadata_defaults: Mapping[str, Any] = _parsed_by(_metadata, {})
    allow_pickle: bool = _parsed_by(_yes_or_no, False)
    annotations: str | None = _parsed_by(absolute_path, None)
    index: bool = _parsed_by(_yes_or_no, True)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> CatalogOptions:
        """Check options as they come from Python or YAML; None means the default."""
        for name in values:
            if name not in _PARSERS:
                choices = did_you_mean(name, _PARSERS) or f"; it has {', '.join(sorted(_PARSERS))}"
                raise InvalidCatalogError(f"a writable catalog has no option {name!r}{choices}")
        return cls(**{name: _PARSERS[name](value, name) for name, value in values.items() if value is not None})

    def changed(self) -> dict[str, Any]:
        """The options that differ from the default."""
        default = CatalogOptions()
        return {name: getattr(self, name) for name in OPTION_NAMES if getattr(self, name) != getattr(default, name)}


_PARSERS = {option.name: option.metadata["parser"] for option in dataclasses.fields(CatalogOptions)}

DIRECTORIES = tuple(name for name, parser in _PARSERS.items() if parser is absolute_path)
"""The options that are paths of directories."""

OPTION_NAMES = tuple(_PARSERS)


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
    except (ImportError, AttributeError, ValueError, NotImplementedError) as exc:
        fault = _fault_of_code(arguments)
        if fault is None:
            raise
        raise InvalidCatalogError(fault) from exc


def _fault_of_code(arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with the code that arguments name, which databroker imports; None if nothing is."""
    for name, what in _CODE.items():
        given = arguments.get(name)
        if not isinstance(given, Mapping | None):
            return f"{name} must be a dict of {what}, not {short(given)}"
        for key, value in (given or {}).items():
            if name == "transforms" and key not in _TRANSFORMED:
                return f"transforms has the key {short(key)}; it takes {what}"
            if isinstance(value, str):
                module, _, function = value.rpartition(".")
                try:
                    getattr(importlib.import_module(module), function)
                except (ImportError, AttributeError, ValueError) as exc:
                    return (
                        f"{name} names {value!r} for {key!r}, which cannot be imported ({exc}); is it installed here?"
                    )
    return None


_TRANSFORMED = ("start", "stop", "resource", "descriptor")

_CODE = {
    "handler_registry": "handlers by their spec",
    "transforms": f"functions by the documents that they change: {', '.join(_TRANSFORMED)}",
}


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


def _option(name: str, meaning: str) -> Any:
    return property(lambda self: getattr(self._store.options, name), doc=meaning)


class OptionProperties:
    """The options of a catalog, as its properties."""

    asset_root = _option("asset_root", "Directory for assets, if one was set.")
    asset_threshold = _option("asset_threshold", "Bytes per Event above which an array is an asset.")
    writable = _option("writable", "Whether runs can be stored in this catalog.")
    metadata_defaults = _option("metadata_defaults", "Metadata of every run that is built through this catalog.")
    allow_pickle = _option("allow_pickle", "Whether pickles in msgpack files are unpacked.")
