"""Find the catalog, or the run in it, that an argument of the command line names."""

from __future__ import annotations

import contextlib
import difflib
import glob
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..catalog.reopening import check_variables, without_password
from ..errors import did_you_mean
from ..results.header_search import NO_PROBES, headers
from ..results.run_uids import complete_uid, is_complete, is_number, open_run
from ..runs import upstream
from ..storage.catalog_paths import expanded
from ..storage.file_permissions import remove_empty_directories
from ..storage.run_file_readers import RUN_FILES
from ..tables.wording import counted


class PathParamType(click.Path):
    """What a shell completes as a path; it may be something else, such as the name of a catalog."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value


COMPLETED_AS_PATH = PathParamType()

_YAML = re.compile(r"(?P<path>.+\.ya?ml)(?::(?P<entry>.+))?", re.IGNORECASE)


_REFUSED = re.compile(r"""\((["'])(.*?)\1, .*, '([^']*)'\)""", re.DOTALL)
"""How intake 0.6.4 says that a mapping has a wrong value."""


@dataclass(frozen=True)
class Entry:
    """An entry of a catalog of catalogs."""

    catalogs: Any
    name: str
    expression: str


def open_to_read(name: str) -> Any:
    """Open the catalog with this name or path; nothing is created."""
    return _open(name, _entry_that_is_there(name))


def open_to_check(name: str) -> Any:
    """Open the catalog without its runs, because one may be damaged; nothing is created."""
    from ..upkeep.checking import unloaded_directory, unloaded_entry

    entry = _entry_that_is_there(name)
    if entry is None:
        return unloaded_directory(_expanded(name))
    return unloaded_entry(upstream.loaded_entries(entry.catalogs)[entry.name])


def open_to_store(name: str) -> tuple[Any, str]:
    """Open the catalog, or create a directory, unless a catalog has nearly the same name.

    Return also a Python expression that opens it.
    """
    entry = _entry(name)
    if entry is None and os.sep not in name and not os.path.isdir(name):
        import databroker

        for known in difflib.get_close_matches(name, list(databroker.catalog), 1, cutoff=0.8):
            raise click.ClickException(
                f"there is no catalog and no directory {name!r}; did you mean the catalog {known!r}? To make a "
                f"directory, write ./{name}"
            )
    expression = f"databroker_writable.open_directory({name!r})" if entry is None else entry.expression
    return _open_writable(name, entry, ", or store into another catalog"), expression


@contextlib.contextmanager
def leaving_no_empty_directory(name: str) -> Iterator[None]:
    """Remove the directory of this name and its parents, if they are new and empty when a command fails."""
    missing: list[str] = []
    path = os.path.abspath(_expanded(name))
    while not os.path.lexists(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    try:
        yield
    except BaseException:
        remove_empty_directories(missing)
        raise


def is_catalog(name: str) -> bool:
    """Whether there is a directory, a YAML file or a catalog with this name."""
    import databroker

    path = _expanded(name)
    yaml = _YAML.fullmatch(path)
    return os.path.isfile(yaml["path"]) if yaml else os.path.isdir(path) or name in list(databroker.catalog)


def file_in_place_of_catalog(name: str) -> str | None:
    """The message that a name is that of a file where a catalog is meant; None if it is not."""
    path = _expanded(name)
    if not os.path.isfile(path) or is_catalog(name):
        return None
    if path.endswith(RUN_FILES):
        return f"{name!r} is the file of a run; give its directory, {os.path.dirname(path) or os.curdir!r}"
    return (
        f"{name!r} is a file, and not a catalog; give a directory of runs, a YAML file of catalogs, or a catalog's name"
    )


def tiled_container(name: str) -> Any:
    """The container on a Tiled server with this address or profile."""
    try:
        from tiled.client import from_profile, from_uri
    except ImportError:
        raise click.ClickException(
            "Tiled's client is not installed; pip install 'databroker-writable[databroker,tiled]'"
        ) from None
    from ..upkeep.tiled_destination import tiled_away_as_error

    with tiled_away_as_error(without_password(name.partition("?")[0])):
        return from_uri(name) if "://" in name else from_profile(name)


def open_existing_to_store(name: str, otherwise: str = "") -> Any:
    """Open the catalog for storing; nothing is created. A message says what to do `otherwise`."""
    return _open_writable(name, _entry_that_is_there(name), otherwise)


def find_run(catalog: Any, name: str, uid: str) -> Any:
    """Open the run that `find_uid` finds."""
    return open_run(catalog, find_uid(catalog, name, uid))


def find_uid(catalog: Any, name: str, uid: str) -> str:
    """The uid of a run by uid, partial uid, scan_id or negative number, which does not count probe runs."""
    full = uid_if_known(catalog, name, uid)
    if full is None:
        raise click.ClickException(f"there is no run {uid!r} in {name}; databroker-writable ls {name} lists them")
    return full


def uid_if_known(catalog: Any, name: str, uid: str) -> str | None:
    """The uid that `find_uid` finds; None if the catalog has no run with this uid, partial uid or scan_id."""
    if is_position(uid):
        newest = list(itertools.islice(headers(catalog, NO_PROBES), -int(uid)))
        if len(newest) < -int(uid):
            why = f"no run {uid}: it only contains {counted(len(newest), 'run')}" if newest else "no runs yet"
            raise click.ClickException(f"{name} has {why}")
        return newest[-1].uid
    try:
        return uid_of_scan(catalog, uid) or complete_uid(catalog, uid)
    except ValueError as exc:
        raise click.ClickException(f"{name}: {exc}") from exc


def run_elsewhere(text: str) -> Any:
    """The run that --derived-from names as CATALOG:UID; None if the text names no catalog."""
    other, _, uid = text.rpartition(":")
    if not other:
        return None
    with _naming("--derived-from", text):
        return find_run(open_to_read(other), other, uid)


def named_uid(catalog: Any, name: str, text: str, option: str) -> str:
    """The uid of a run of the catalog; a whole uid can be that of a run elsewhere, of which storing warns."""
    if catalog._backend.has_run(text) or is_complete(text):
        return text
    with _naming(option, text):
        return find_uid(catalog, name, text)


@contextlib.contextmanager
def _naming(option: str, text: str) -> Iterator[None]:
    """Say in errors which option names the run."""
    try:
        yield
    except click.ClickException as exc:
        raise click.ClickException(f"{option} names the run {text!r}: {exc.message}") from None


def uid_of_scan(catalog: Any, text: str) -> str | None:
    """The uid of the newest run with this scan_id, if a text is one."""
    header = next(headers(catalog, {"scan_id": int(text)}), None) if is_number(text) else None
    return None if header is None else header.uid


def is_position(text: str) -> bool:
    """Whether a text is the position of a run, counted from the latest: -1, -2, ..."""
    return re.fullmatch(r"-[1-9]\d*", text) is not None


def _expanded(name: str) -> str:
    return expanded(name, "the catalog")


def _entry_that_is_there(name: str) -> Entry | None:
    """The entry with this name; None for an existing directory."""
    entry = _entry(name)
    path = Path(_expanded(name))
    if entry is None and not path.is_dir():
        import databroker

        beside = glob.glob(os.path.join(glob.escape(str(path.parent)), "*"))
        known = [*databroker.catalog, *(os.path.relpath(other) for other in beside if os.path.isdir(other))]
        choice = did_you_mean(str(path), known) or (
            "; give the directory, YAML file or catalog that holds the runs (databroker looks for YAML files in "
            f"{', '.join(databroker.catalog_search_path())}; is the environment activated?)"
        )
        raise click.ClickException(f"{str(path)!r} is neither a directory nor a catalog of databroker{choice}")
    return entry


def _entry(name: str) -> Entry | None:
    """The entry with this name; None for a directory."""
    if not name.strip():
        raise click.ClickException(
            "the name of a catalog is empty; give a directory, a YAML file or a catalog's name (is a variable of the "
            "shell not set?)"
        )
    if "://" in name:
        # the message does not repeat it, because it may hold a password
        raise click.ClickException(
            "this is an address, not the name of a catalog; write a YAML file with a driver and the address, like "
            "those in the directory catalogs of this package's repository, and give that file"
        )
    name = _expanded(name)
    yaml = _YAML.fullmatch(name)
    if yaml:
        return _entry_of_yaml(yaml["path"], yaml["entry"])
    import databroker

    if name not in list(databroker.catalog):
        is_file = file_in_place_of_catalog(name)
        if is_file is not None:
            raise click.ClickException(is_file)
        return None
    if os.path.isdir(name):
        raise click.ClickException(
            f"{name!r} is both a directory here and a catalog of databroker; write ./{name} for the directory, "
            "or run this elsewhere for the catalog"
        )
    return Entry(databroker.catalog, name, f"databroker.catalog[{name!r}]")


def _open(name: str, entry: Entry | None) -> Any:
    from ..drivers import open_directory

    return open_directory(name) if entry is None else _catalog_of_runs(entry)


def _open_writable(name: str, entry: Entry | None, otherwise: str) -> Any:
    catalog = _open(name, entry)
    if not hasattr(catalog, "store_run"):
        raise click.ClickException(
            f"the catalog {name!r} is opened by the driver {type(catalog).__qualname__}, which cannot "
            f"store runs; name a writable driver in its YAML, such as writable-catalog{otherwise}"
        )
    return catalog


def _entry_of_yaml(path: str, entry: str | None) -> Entry:
    import intake
    from intake.catalog.exceptions import ValidationError

    from ..upkeep.deploying import check_sources, check_templates, text_of

    if not os.path.isfile(path):
        raise click.ClickException(f"there is no file {path!r}; give the path of a YAML file of catalogs")
    text = text_of(path)
    check_sources(path, text)
    check_templates(path, text)
    try:
        catalogs = intake.open_catalog(path)
    except ValidationError as exc:
        # each is the text of a tuple: what is wrong, in which mapping, and at which key
        wrong = [found.groups() for found in map(_REFUSED.fullmatch, exc.errors) if found]
        said = "".join(f"{key}: {text}; " for _, text, key in wrong[:1])
        raise click.ClickException(without_password(f"{path} is not a file of catalogs: {said}correct it")) from exc
    entries = sorted(catalogs)
    if entry is None and len(entries) == 1:
        (entry,) = entries
    if entry is None or entry not in entries:
        which = f"no entry {entry!r}" if entry else f"{len(entries)} entries"
        choices = ", ".join(f"{path}:{name}" for name in entries)
        raise click.ClickException(f"{path!r} has {which}; give one of {choices}")
    return Entry(catalogs, entry, f"intake.open_catalog({path!r})[{entry!r}]")


def _catalog_of_runs(entry: Entry) -> Any:
    from databroker.v2 import Broker

    from ..drivers import check_driver

    # before intake replaces an unset variable and the driver opens the wrong place
    unopened = upstream.loaded_entries(entry.catalogs)[entry.name]
    check_variables(unopened)
    check_driver(unopened)
    catalog = entry.catalogs[entry.name]
    if not isinstance(catalog, Broker):
        raise click.ClickException(
            f"{entry.expression} is a {type(catalog).__qualname__}, not a catalog of runs; name another one"
        )
    return catalog
