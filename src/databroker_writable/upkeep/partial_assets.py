"""The asset files that a killed writer left, of which a recovery publishes what its documents refer to."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
from collections.abc import Iterable, Mapping

from ..errors import InvalidRunError, warn_user
from ..runs.document_parts import Document, NamedDocument
from ..storage.assets import format_of, is_asset_resource
from ..storage.assets.asset_paths import free_path, taken_paths
from ..storage.durable_file import NewFile
from ..storage.file_permissions import why_not_removed
from .file_upkeep import left_files


class PartialAssets:
    """The asset files of one attempt to store a run, according to its documents.

    Another attempt can have left, or published, files of the same names.
    """

    def __init__(self, documents: list[NamedDocument], root_map: Mapping[str, str]) -> None:
        self._root_map = root_map
        self._descriptors = {doc["uid"] for name, doc in documents if name == "descriptor"}
        self.resources = {doc["uid"]: doc for name, doc in documents if name == "resource" and is_asset_resource(doc)}
        self._rows: dict[tuple[str, str], int] = {}
        # by the path of the resources, below their root
        self._published: dict[str, str] = {}
        self._partial: dict[str, list[str]] = {}
        for doc in self.resources.values():
            root, relative = self._root(doc), doc["resource_path"]
            if relative in self._partial:
                continue
            published = next((path for path in taken_paths(root, relative) if self._is_of(_path(root, path), doc)), "")
            self._partial[relative] = []
            if published:
                self._published[relative] = published
            else:
                directory, name = os.path.split(_path(root, relative))
                left = [entry.path for entry in left_files(directory, name.__eq__) if self._is_of(entry.path, doc)]
                self._partial[relative] = sorted(left, key=functools.partial(_extent, doc), reverse=True)

    def holds(self, datum_page: Document) -> bool:
        """Whether the file has the rows that a page of datums refers to."""
        resource = self.resources.get(datum_page["resource"])
        if resource is None:
            # of another package
            return True
        kwargs = datum_page["datum_kwargs"]
        keys = kwargs.get("key") or [resource["resource_kwargs"]["key"]]
        needed = max(kwargs["stop"]) if "stop" in kwargs else max(kwargs["index"]) + 1
        return all(self._rows_of(resource, key) >= needed for key in set(keys))

    def publish(self, resources: Iterable[str]) -> None:
        """Give the files of some resources free names, durably."""
        for doc in (self.resources[uid] for uid in resources if uid in self.resources):
            root, relative = self._root(doc), doc["resource_path"]
            if relative in self._published or not self._partial[relative]:
                continue
            free = free_path(root, relative)
            with NewFile(_path(root, free)) as copy, open(self._partial[relative][0], "rb") as left:
                shutil.copyfileobj(left, copy, 2**24)
                copy.publish()
            self._published[relative] = free

    def located(self, name: str, doc: Document) -> NamedDocument:
        if name != "resource" or doc["uid"] not in self.resources:
            return name, doc
        return name, {**doc, "resource_path": self._published.get(doc["resource_path"], doc["resource_path"])}

    def path_of(self, resource: Document) -> str | None:
        root, relative = self._root(resource), resource["resource_path"]
        published = self._published.get(relative)
        return _path(root, published) if published else next(iter(self._partial[relative]), None)

    def remove(self) -> None:
        """Remove the partial files after their contents are published."""
        for partial in itertools.chain.from_iterable(self._partial.values()):
            remove_recovered(partial)

    def _root(self, resource: Document) -> str:
        root: str = resource["root"]
        return self._root_map.get(root, root)

    def _is_of(self, path: str, resource: Document) -> bool:
        """Whether a file is of this attempt, or does not say of which."""
        descriptor = format_of(resource).descriptor_of(path)
        return descriptor is None or descriptor in self._descriptors

    def _rows_of(self, resource: Document, key: str) -> int:
        """The number of rows of a dataset; 0 if the file cannot be read."""
        path, root = self.path_of(resource), self._root(resource)
        if path is None and not os.path.isdir(root):
            raise InvalidRunError(
                f"its arrays are below {root!r}, which is not there; mount its file system again, or map it with "
                "root_map, and then recover the run"
            )
        if path is not None and (path, key) not in self._rows:
            self._rows[path, key] = format_of(resource).rows_of(path, key)
        return 0 if path is None else self._rows[path, key]


def remove_recovered(path: str) -> None:
    """Remove a partial file whose contents are published; warn if that is not possible, because the run is stored."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        warn_user(f"the partial file {path} is recovered, but could not be removed: {why_not_removed(path, exc)}")


def _path(root: str, relative: str) -> str:
    return os.path.join(root, *relative.split("/"))


def _extent(resource: Document, path: str) -> tuple[bool, int, float]:
    """The key to sort partial files by their contents: a killed recovery leaves a truncated copy."""
    status = os.stat(path)
    return format_of(resource).descriptor_of(path) is not None, status.st_size, status.st_mtime
