"""databroker reads the columns through its own catalogs, by the registered handler."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databroker
import event_model
import numpy
import pytest
from suitcase.msgpack import Serializer

from databroker_writable.storage.assets import HDF5_SPEC
from support.asset_files import frames, stream_assets

IMAGES = numpy.random.default_rng(0).integers(0, 60000, (16, 512, 1024), dtype="u2")


def documents(root: Path, *, one_event: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """A run with two external columns, in files of their own, and an inline one."""
    run = event_model.compose_run(uid="1234abcd-run")
    yield "start", run.start_doc
    lengths = () if one_event else (None,)
    columns = {"img": IMAGES, "small": frames(16)}
    data_keys: dict[str, Any] = {
        key: {
            "source": "test",
            "dtype": "array",
            "shape": list(values.shape[len(lengths) :]),
            "external": "FILESTORE:",
        }
        for key, values in columns.items()
    }
    data_keys["x"] = {"source": "test", "dtype": "number", "shape": []}
    descriptor = run.compose_descriptor(name="primary", data_keys=data_keys)
    yield "descriptor", descriptor.descriptor_doc
    datums = {}
    for key, values in columns.items():
        assets = stream_assets(root, run.start_doc["uid"], key)
        start, stop = assets.append(key, values, dims=[f"{key}_{axis}" for axis in range(values.ndim)])
        assets.publish()
        resource = run.compose_resource(
            spec=HDF5_SPEC,
            root=str(root),
            resource_path=assets.resource_path,
            resource_kwargs=assets.resource_kwargs(key),
        )
        yield "resource", resource.resource_doc
        spans = [{"start": start, "stop": stop}] if one_event else [{"index": i} for i in range(start, stop)]
        datums[key] = [resource.compose_datum(datum_kwargs=span) for span in spans]
        for datum in datums[key]:
            yield "datum", datum
    for i in range(len(datums["img"])):
        yield (
            "event",
            descriptor.compose_event(
                data={"x": float(i), **{key: datums[key][i]["datum_id"] for key in columns}},
                timestamps=dict.fromkeys(data_keys, float(i)),
                filled=dict.fromkeys(columns, False),
                time=float(i),
            ),
        )
    yield "stop", run.compose_stop()


@pytest.fixture
def stored(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A directory with the run's documents, and its assets."""
    with Serializer(tmp_path) as serializer:
        for name, doc in documents(tmp_path / "assets", one_event=request.param):
            serializer(name, doc)
    return tmp_path


def opened(directory: Path, **options: Any) -> Any:
    from databroker._drivers.msgpack import BlueskyMsgpackCatalog

    return BlueskyMsgpackCatalog(str(directory / "*.msgpack"), **options)["1234abcd-run"]


both = pytest.mark.parametrize("stored", [True, False], ids=["one event", "rows"], indirect=True)


@both
def test_values_come_back_lazily_and_exactly(stored: Path) -> None:
    dataset = opened(stored).primary.to_dask()
    assert dataset.img.dtype == numpy.dtype("u2")
    assert dataset.img.chunks is not None
    assert (dataset.img.values.reshape(IMAGES.shape) == IMAGES).all()
    assert (dataset.small.values.reshape(16, 8, 5) == frames(16)).all()


@both
def test_filled_documents_hold_the_arrays(stored: Path) -> None:
    pages = [doc for name, doc in opened(stored).documents(fill="yes") if name == "event_page"]
    values = numpy.concatenate([numpy.asarray(value) for page in pages for value in page["data"]["img"]])
    assert (values.reshape(IMAGES.shape) == IMAGES).all()


def test_a_run_of_a_temporary_catalog_is_read(tmp_path: Path) -> None:
    catalog = databroker.v2.temp()
    for name, doc in documents(tmp_path / "others", one_event=True):
        catalog.v1.insert(name, doc)
    assert (catalog["1234abcd-run"].primary.read().img.values[0] == IMAGES).all()


@both
@pytest.mark.skipif(sys.platform != "linux", reason="counts bytes in /proc")
def test_opening_a_run_reads_no_arrays(stored: Path) -> None:
    def read_so_far() -> int:
        fields = Path("/proc/self/io").read_text().split()
        return int(fields[fields.index("rchar:") + 1])

    opened(stored).primary.to_dask()
    before = read_so_far()
    dataset = opened(stored).primary.to_dask()
    assert dataset.img.nbytes == IMAGES.nbytes
    assert read_so_far() - before < IMAGES.nbytes / 4


def image_file(stored: Path) -> Path:
    (found,) = (stored / "assets").rglob("*-img.h5")
    return found


@both
@pytest.mark.parametrize("damage", [os.remove, lambda path: os.truncate(path, 1000)], ids=["missing", "cut off"])
def test_a_column_whose_file_is_gone_does_not_hide_the_others(stored: Path, damage: Any) -> None:
    damage(image_file(stored))
    dataset = opened(stored).primary.to_dask()
    assert (dataset.small.values.reshape(16, 8, 5) == frames(16)).all()
    assert dataset.x.values[0] == 0
    with pytest.raises(OSError, match=r"column '/img' of run 1234abcd-run: .*root_map"):
        dataset.img.values  # noqa: B018


@pytest.mark.parametrize("stored", [True], indirect=True)
def test_filling_a_missing_file_fails_within_seconds_and_names_the_cause(stored: Path) -> None:
    image_file(stored).unlink()
    with pytest.raises(event_model.DataNotAccessible) as caught:
        list(opened(stored).documents(fill="yes"))
    assert "is missing" in str(caught.value.__cause__)
    assert "root_map" in str(caught.value.__cause__)


@both
def test_a_moved_directory_is_read_by_root_map(stored: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(stored / "assets", elsewhere)
    dataset = opened(stored, root_map={str(stored / "assets"): str(elsewhere)}).primary.to_dask()
    assert (dataset.img.values.reshape(IMAGES.shape) == IMAGES).all()


@both
def test_the_files_of_a_run_are_listed(stored: Path) -> None:
    run = opened(stored)
    files = {path for name, doc in run.documents(fill="no") if name == "resource" for path in run.get_file_list(doc)}
    assert files == {str(path) for path in (stored / "assets").rglob("*.h5")}
