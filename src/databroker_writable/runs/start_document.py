"""The start document of a run that is built here: the user's metadata, with where the run comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ..errors import InvalidMetadataError
from ..tables.classifier import is_dict_like
from ..tables.document_values import document_value
from ..tables.metadata_values import plain_metadata, posix_seconds
from ..tables.public_types import Time
from ..tables.wording import short
from .provenance import installed_versions, provenance, sources_of, superseded_uids

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
    of_metadata = provenance(*map(metadata.get, ("derived_from", "supersedes", "parameters")))
    of_arguments = provenance(start_arguments.derived_from, start_arguments.supersedes, start_arguments.parameters)
    versions = installed_versions(start_arguments.versions)
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
