"""Read and publish incomplete assets of a killed writer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator

from ..errors import warn_user
from ..runs.document_parts import Document
from ..storage.assets import format_of
from ..storage.durable_file import NewFile, final_name
from ..storage.file_locks import is_being_written
from ..storage.file_rights import why_not_removed


class PartialAssets:
    """The asset files of one run, according to its resource documents.

    Parameters
    ----------
    resources : iterable of dict
        Only those of this package's assets.
    """

    def __init__(self, resources: Iterable[Document]) -> None:
        self._resources = {doc["uid"]: doc for doc in resources}
        self._rows: dict[tuple[str, str], int] = {}
        self._partial: dict[str, str] = {}
        for resource in self._resources.values():
            final = _path(resource)
            if final not in self._partial and not os.path.exists(final):
                self._partial[final] = next(_partial_files(final), "")

    def holds(self, datum_page: Document) -> bool:
        """Whether the file has the rows that a page of datums refers to."""
        resource = self._resources.get(datum_page["resource"])
        if resource is None:
            # of another package
            return True
        kwargs = datum_page["datum_kwargs"]
        keys = kwargs.get("key") or [resource["resource_kwargs"]["key"]]
        needed = max(kwargs["stop"]) if "stop" in kwargs else max(kwargs["index"]) + 1
        return all(self._rows_of(resource, key) >= needed for key in set(keys))

    def publish(self) -> None:
        """Complete the files' attributes, and give them their final names, durably."""
        for resource in self._resources.values():
            final = _path(resource)
            partial = self._partial.get(final)
            if not partial or os.path.exists(final):
                continue
            with NewFile(final) as copy, open(partial, "rb") as left:
                shutil.copyfileobj(left, copy, 2**24)
                format_of(resource).finish(copy.partial, resource["run_start"])
                copy.publish()

    def remove(self) -> None:
        """Remove the partial files after their contents are published."""
        for partial in filter(None, self._partial.values()):
            remove_recovered(partial)

    def _rows_of(self, resource: Document, key: str) -> int:
        """The number of rows of a dataset; 0 if the file cannot be read."""
        final = _path(resource)
        if (final, key) not in self._rows:
            path = final if os.path.exists(final) else self._partial.get(final)
            self._rows[final, key] = format_of(resource).rows_of(path, key) if path else 0
        return self._rows[final, key]


def remove_recovered(path: str) -> None:
    """Remove a partial file whose contents are published; warn if that is not possible, because the run is stored."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        warn_user(f"the partial file {path} is recovered, but could not be removed: {why_not_removed(path, exc)}")


def _path(resource: Document) -> str:
    return os.path.join(resource["root"], *resource["resource_path"].split("/"))


def _partial_files(final: str) -> Iterator[str]:
    """Partial files of dead writers for this final name, the newest first."""
    directory, name = os.path.split(final)
    entries = os.scandir(directory) if os.path.isdir(directory) else ()
    partial = [e for e in entries if final_name(e.name) == name and not is_being_written(e.path)]
    return (entry.path for entry in sorted(partial, key=lambda e: e.stat().st_mtime, reverse=True))
