"""The start document of a run: made from the user's metadata and the provenance, and what it says of other runs."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import pandas
from intake.catalog import Catalog

from ..errors import InvalidMetadataError
from ..tables.argument_checks import is_several
from ..tables.classifier import is_dict_like
from ..tables.document_values import document_value
from ..tables.metadata_values import plain_metadata, plain_parameters, posix_seconds
from ..tables.public_types import Time
from ..tables.stream_reading import catalog_of
from ..tables.to_dataset import is_stream
from ..tables.wording import short
from . import upstream

PACKAGES = ("databroker", "databroker-writable")

REFERRING = ("derived_from", "supersedes")
"""The keys of start documents that name other runs."""

_OF_SEVERAL = (*REFERRING, "uids")
"""The arguments that take several runs."""

_UID = itemgetter("uid")


@dataclass(frozen=True)
class StartArguments:
    """The arguments of which the start document of a run is made, as the user gives them."""

    metadata: Any = None
    uid: str | None = None
    time: Time | None = None
    derived_from: Any = None
    supersedes: Any = None
    versions: Sequence[str] = ()
    parameters: Any = None

    def names(self) -> list[str]:
        """The names of those that are given."""
        no_versions = isinstance(self.versions, list | tuple) and not self.versions
        said = {**vars(self), "versions": None if no_versions else self.versions}
        return [name for name, value in said.items() if value is not None]


def start_metadata(start_arguments: StartArguments) -> dict[str, Any]:
    """Return the metadata of a run that is built here, with its provenance, and with ``uid`` and ``time`` if given.

    The user's own metadata must not contradict the other arguments. Nothing is looked up.
    """
    metadata = {} if start_arguments.metadata is None else start_arguments.metadata
    if type(metadata) is not dict and not is_dict_like(metadata):
        what = f"{short(metadata)}, of type {type(metadata).__name__}"
        raise InvalidMetadataError(f"metadata must be a dict, such as {{'sample': 'Cu'}}, not {what}")
    if "exit_status" in metadata:
        raise InvalidMetadataError(
            "metadata has the key 'exit_status', which says how a run ended; give it as the argument exit_status of "
            "store_run, or of the builder's close(), or choose another key"
        )
    of_metadata = _provenance(*map(metadata.get, ("derived_from", "supersedes", "parameters")))
    of_arguments = _provenance(start_arguments.derived_from, start_arguments.supersedes, start_arguments.parameters)
    versions = _installed_versions(start_arguments.versions)
    result: dict[str, Any] = plain_metadata({**metadata, **of_metadata})
    if "time" in metadata:
        result["time"] = posix_seconds(metadata["time"])
    arguments: dict[str, Any] = {
        "uid": start_arguments.uid,
        "time": posix_seconds(start_arguments.time),
        **of_arguments,
    }
    inputs = set(map(_UID, arguments.get("derived_from", ())))
    if len(inputs) == 1:
        [arguments["original_run_uid"]] = inputs
    for key, value in arguments.items():
        if value is None:
            continue
        # comparing arrays gives an array
        said = document_value(result.get(key), f"metadata[{key!r}]", InvalidMetadataError)
        if key in result and said != document_value(value, key, InvalidMetadataError):
            argument = "derived_from" if key == "original_run_uid" else key
            raise InvalidMetadataError(
                f"metadata[{key!r}] is {short(result[key])}, but the argument {argument} says {short(value)}; "
                "give only one of them"
            )
        result[key] = value
    sources = set(map(_UID, sources_of(result)))
    if len(sources) == 1:
        result.setdefault("original_run_uid", *sources)
    own_uid = result.get("uid")
    if own_uid is not None and own_uid in [*sources, *superseded_uids(result)]:
        raise InvalidMetadataError(
            f"the run {own_uid!r} refers to itself; derived_from and supersedes must name other runs"
        )
    own_versions = result.get("versions", {})
    if isinstance(own_versions, Mapping):
        result["versions"] = {**versions, **own_versions}
    return result


def _provenance(derived_from: Any, supersedes: Any, parameters: Any) -> dict[str, Any]:
    """Check the arguments with which a run is built; return their entries for the start document.

    The parameters are a mapping, or what offers one: a dataclass, named tuple or namespace, lmfit's ModelResult or
    Parameters, or an estimator of scikit-learn.
    """
    entries: dict[str, Any] = {}
    if derived_from is not None:
        entries["derived_from"] = references(derived_from, "derived_from")
    if supersedes is not None:
        entries["supersedes"] = [run["uid"] for run in references(supersedes, "supersedes")]
    if parameters is not None:
        plain = plain_metadata(plain_parameters(parameters))
        if not isinstance(plain, Mapping):
            raise InvalidMetadataError(
                f"parameters must be a dict, not {short(plain)}, of type {type(plain).__name__}; "
                "give a dict of the values to keep, e.g. {'slope': result.slope}"
            )
        entries["parameters"] = document_value(plain, "parameters", InvalidMetadataError)
    return entries


def with_roles(runs: Any, argument: str) -> list[tuple[Any, str | None]]:
    """Return one run, several, or those of ``{"role": run}``, each with its role or None."""
    if isinstance(runs, Catalog) and start_of(runs) is None:
        if not upstream.is_search_result(runs):
            raise InvalidMetadataError(f"{argument} takes runs, not a catalog; choose some: catalog.search({{...}})")
        runs = list(runs.values())
    if isinstance(runs, pandas.DataFrame):
        raise InvalidMetadataError(f"{argument} takes runs, not a DataFrame; give their uids, e.g. list(table.index)")
    pairs: list[tuple[Any, str | None]] = []
    for item in _as_list(runs):
        # the keys of a dict are roles, or the parts of one reference
        is_dict = isinstance(item, Mapping) and start_of(item) is None and "uid" not in item
        if argument != "derived_from" or not is_dict or set(item) <= {"catalog", "role"}:
            pairs.append((item, None))
            continue
        for role, value in item.items():
            if not isinstance(role, str) or not role:
                raise InvalidMetadataError(f"a role in {argument} must be text such as 'dark', not {short(role)}")
            pairs += [(run, role) for run in _as_list(value)]
    return pairs


def in_role(named: dict[str, Any], role: str | None, argument: str) -> dict[str, Any]:
    """Add a role to a reference; refuse one that has another role."""
    if role is None:
        return named
    if named.get("role", role) != role:
        raise InvalidMetadataError(
            f"{argument} gives the run {named['uid']!r} the roles {role!r} and {named['role']!r}; name it twice, once "
            "in each role"
        )
    return {**named, "role": role}


def reference(run: Any, argument: str) -> dict[str, Any]:
    """Return ``{"uid", "catalog"}``, and ``"role"`` if known, for a run, a v1 Header, a uid or a reference."""
    if isinstance(run, str) and run:
        return {"uid": run, "catalog": None}
    start = start_of(run)
    if start is None and isinstance(run, Mapping):
        return _checked_reference(run, argument)
    if start is None:
        way = f"; give catalog[{run}]" if isinstance(run, int) and not isinstance(run, bool) else ""
        takes = "a run, the uid of a run or a list of these" if argument in _OF_SEVERAL else "a run or the uid of a run"
        raise InvalidMetadataError(f"{argument} takes {takes}, not {short(run)}, of type {type(run).__name__}{way}")
    if is_stream(run):
        raise InvalidMetadataError(f"{argument} takes a run, not one of its streams; give the run")
    name = getattr(catalog_of(run), "name", None)
    return {"uid": start["uid"], "catalog": None if name == upstream.VIEW else name}


def references(
    runs: Any, argument: str, refer: Callable[[Any, str], dict[str, Any]] = reference
) -> list[dict[str, Any]]:
    """Return references to one or several runs, each once in each role; `refer` makes a reference."""
    found = [in_role(refer(run, argument), role, argument) for run, role in with_roles(runs, argument)]
    return list({(source["uid"], source.get("role")): source for source in found[::-1]}.values())[::-1]


def _checked_reference(named: Mapping[str, Any], argument: str) -> dict[str, Any]:
    keys = ("uid", "catalog", "role") if argument == "derived_from" else ("uid", "catalog")
    unknown = [key for key in named if key not in keys]
    if unknown:
        raise InvalidMetadataError(
            f"{argument} names a run by a dict with the keys {', '.join(keys)}, not {short(unknown[0])}; "
            "give the run itself, or only these keys"
        )
    if not isinstance(named.get("uid"), str) or not named["uid"]:
        raise InvalidMetadataError(f"{argument} names a run by a dict without its uid: {short(dict(named))}")
    for key in keys[1:]:
        if named.get(key) is not None and not isinstance(named[key], str):
            raise InvalidMetadataError(f"the {key} in {argument} must be text, not {short(named[key])}")
    role = named.get("role")
    return {"uid": named["uid"], "catalog": named.get("catalog"), **({} if role is None else {"role": role})}


def start_of(run: Any) -> Mapping[str, Any] | None:
    """The start document of a run or of a v1 Header; None for anything else."""
    start = getattr(run, "start", None)
    if not isinstance(start, Mapping):
        metadata = getattr(run, "metadata", None)
        start = metadata.get("start") if isinstance(metadata, Mapping) else None
    return start if isinstance(start, Mapping) else None


def sources_of(start: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The inputs of a run in its start document; other programs may write only uids, or anything."""
    sources = [{"uid": item} if isinstance(item, str) else item for item in _items(start.get("derived_from"))]
    named = [source for source in sources if isinstance(source, Mapping) and isinstance(source.get("uid"), str)]
    told = ("catalog", "role")
    return [
        {"uid": source["uid"], "catalog": None} | {key: source[key] for key in told if isinstance(source.get(key), str)}
        for source in named
    ]


def superseded_uids(start: Mapping[str, Any]) -> list[str]:
    """The uids of the runs that a run replaces, from its start document."""
    return [uid for uid in _items(start.get("supersedes")) if isinstance(uid, str)]


@functools.cache
def _versions() -> dict[str, str]:
    ours = {package.replace("-", "_"): importlib.metadata.version(package) for package in PACKAGES}
    return {"python": platform.python_version(), **ours}


def _installed_versions(packages: Sequence[str]) -> dict[str, str]:
    """Versions of the software that made a run, for the key where RunEngine writes them."""
    found = _versions().copy()
    names = [packages] if isinstance(packages, str) else packages
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise InvalidMetadataError(f"versions must be a list of names of packages, not {short(packages)}")
    for package in names:
        try:
            found[package.replace(".", "_")] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            raise InvalidMetadataError(
                f"versions names the package {package!r}, which is not installed here; "
                "give the name with which it was installed, or put its version into metadata['versions']"
            ) from None
    return found


def _as_list(value: Any) -> list[Any]:
    """One run, or several, as a list."""
    is_single = isinstance(value, str | Mapping) or start_of(value) is not None or not is_several(value)
    return [value] if is_single else list(value)


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
