"""A second format of asset files needs its own class, and nothing else changes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array
import numpy
import pytest

from databroker_writable import UnreadableAssetError, copy_runs, open_directory, to_dataset
from databroker_writable.storage.assets import FORMATS, asset_router
from databroker_writable.storage.assets.asset_paths import free_path, new_asset_path
from databroker_writable.storage.durable_file import NewFile
from databroker_writable.upkeep.checking import examine
from databroker_writable.upkeep.deleting import deletion_of

SPEC, SUFFIX = "NUMPY_ARCHIVE", ".npz"
IMAGES = numpy.arange(24).reshape(2, 3, 4)


class ArchiveHandler:
    """Read columns of an archive of numpy's."""

    specs = {SPEC}  # noqa: RUF012

    def __init__(self, resource_path: str, *, key: str) -> None:
        self._path, self._key = resource_path, key

    def __call__(self, index: int | None = None, start: int | None = None, stop: int | None = None) -> Any:
        values = dask.array.from_array(numpy.load(self._path)[self._key])
        return values[start:stop] if index is None else values[index]


class ArchiveWriter:
    """An archive that is written when it is published."""

    def __init__(self, root: str, run_uid: str, stream: str, time: float, descriptor: str) -> None:
        self.resource_path = free_path(root, new_asset_path(run_uid, stream, time, SUFFIX))
        self._path = os.path.join(root, self.resource_path)
        self._columns: dict[str, list[Any]] = {}

    def append(
        self,
        key: str,
        block: Any,
        *,
        dims: Sequence[str],
        units: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[int, int]:
        rows = self._columns.setdefault(key, [])
        rows.extend(numpy.asarray(block))
        return len(rows) - len(block), len(rows)

    def add_coordinate(
        self, name: str, values: numpy.ndarray, *, dims: Sequence[str], attrs: Mapping[str, Any]
    ) -> None:
        self._columns[name] = list(values)

    def resource_kwargs(self, key: str) -> dict[str, Any]:
        return {"key": key}

    def flush(self) -> None:
        """All is in memory."""

    def renew(self) -> None:
        """There is no partial file."""

    def publish(self) -> None:
        if self._columns and not os.path.exists(self._path):
            with NewFile(self._path) as file:
                numpy.savez(file, **{name: numpy.array(rows) for name, rows in self._columns.items()})
                file.publish()

    def discard(self) -> None:
        if os.path.exists(self._path):
            os.unlink(self._path)


class ArchiveFormat:
    spec, suffix = SPEC, SUFFIX
    handler: type = ArchiveHandler
    new_file = ArchiveWriter

    @staticmethod
    def is_ours(path: str) -> bool:
        return zipfile.is_zipfile(path)

    @staticmethod
    def verify(path: str) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.testzip()
        except (OSError, zipfile.BadZipFile) as error:
            raise UnreadableAssetError(f"{path} is damaged; restore it from a copy") from error

    @staticmethod
    def rows_of(path: str, key: str) -> int:
        return len(numpy.load(path)[key])

    @staticmethod
    def descriptor_of(path: str) -> str | None:
        """An archive does not say whose it is."""


@pytest.fixture(autouse=True)
def _archives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(FORMATS, SPEC, ArchiveFormat())
    monkeypatch.setattr(asset_router, "DEFAULT", FORMATS[SPEC])
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("one_event", [False, True])
def test_runs_are_stored_read_checked_copied_and_deleted(one_event: bool) -> None:
    catalog = open_directory("results")
    run = catalog.store_run({"image": IMAGES}, one_event=one_event, asset_threshold=0)
    uid = run.metadata["start"]["uid"]
    (path,) = Path("results").rglob("*.npz")
    assert not list(Path("results").rglob("*.h5"))
    assert numpy.array_equal(to_dataset(catalog[uid])["image"].values, IMAGES)
    assert numpy.array_equal(numpy.squeeze(catalog[uid].primary.read()["image"].values), IMAGES)
    assert examine(catalog).findings == []

    other = open_directory("other")
    assert copy_runs(catalog, other).copied == [uid]
    assert len(list(Path("other").rglob("*.npz"))) == 1

    deletion_of(other, uid).execute()
    assert list(Path("other").rglob("*.npz")) == []

    path.write_bytes(b"damaged")
    assert [finding.category for finding in examine(catalog).findings] == ["damaged-asset"]


def test_a_file_without_a_run_is_found() -> None:
    catalog = open_directory("results")
    run = catalog.store_run({"image": IMAGES}, asset_threshold=0)
    (path,) = Path("results").glob("*.msgpack")
    path.unlink()
    catalog.force_reload()
    assert run is not None
    assert [finding.category for finding in examine(catalog).findings] == ["orphan-asset"]
