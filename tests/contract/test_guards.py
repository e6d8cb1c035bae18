"""What must not be lost in silence: runs of another catalog, runs under way, and errors that are not of the disk."""

from __future__ import annotations

import os

import pytest
import suitcase.msgpack
from databroker._drivers.msgpack import BlueskyMsgpackCatalog

import databroker_writable
from databroker_writable import InvalidRunError, RunExistsError, to_dataset
from databroker_writable.drivers import WritableCatalog
from support import example_runs


def test_a_closed_builder_of_another_catalog_is_stored_here(catalog, tmp_path):
    other = databroker_writable.open_directory(tmp_path / "other")
    with other.run_builder(uid="fit-1") as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3]})
    catalog.store_run(builder)
    assert to_dataset(catalog["fit-1"])["x"].values.tolist() == [1, 2, 3]
    assert catalog.store_run(builder).metadata["start"]["uid"] == "fit-1"


def test_a_document_of_no_known_run_leaves_the_runs_under_way(catalog, site):
    first, second = example_runs.small_documents(), example_runs.small_documents()
    for documents in (first, second):
        for name, doc in documents[:2]:
            catalog.v1.insert(name, doc)
    stray = {**first[2][1], "descriptor": "of-no-run"}
    for name, doc in [("event_page", stray), ("stop", {**first[-1][1], "run_start": "no-run"}), ("event_page", {})]:
        with pytest.raises(InvalidRunError):
            catalog.v1.insert(name, doc)
    for documents in (first, second):
        for name, doc in documents[2:]:
            catalog.v1.insert(name, doc)
    assert len(site.open()) == 2


class OwnSerializerCatalog(BlueskyMsgpackCatalog):
    """A facility's driver over files, which writes them by itself."""

    name = "own-serializer"

    def _get_serializer(self):
        directory = os.path.dirname(self.paths[0])
        serializers = {}

        def write(name, doc):
            if name == "start":
                serializers[doc["uid"]] = suitcase.msgpack.Serializer(directory)
            (serializer,) = list(serializers.values())[-1:]
            serializer(name, doc)

        return write


def test_a_facility_s_own_serializer_over_files_stores_one_run_and_many(tmp_path):
    paths = [str(tmp_path / "*.msgpack")]
    catalog = WritableCatalog(OwnSerializerCatalog, {"paths": paths})
    for name, doc in example_runs.small_documents():
        catalog.v1.insert(name, doc)
    uids = catalog.store_runs([{"x": [1]}, {"x": [2]}])
    assert [to_dataset(catalog[uid])["x"].values.tolist() for uid in uids] == [[1], [2]]
    assert len(WritableCatalog(OwnSerializerCatalog, {"paths": paths})) == 3


def test_an_error_that_is_not_of_the_disk_or_the_server_passes_as_it_is(catalog, monkeypatch):
    class Mistake(Exception):
        pass

    def fail(*args):
        raise Mistake("in our code")

    monkeypatch.setattr(type(catalog._backend), "open_writer", fail)
    with pytest.raises(Mistake, match="in our code"):
        catalog.store_run({"x": [1]})
    with pytest.raises(databroker_writable.StoreFailedError, match="0: Mistake: in our code"):
        catalog.store_runs([{"x": [1]}])


def put_another_run(path):
    databroker_writable.open_directory(path.parent).store_run({"x": [1]}, uid="other")
    os.rename(path.parent / "other.msgpack", path)


OBSTACLES = {
    "empty": (lambda path: path.touch(), "is an empty file.*remove it"),
    "directory": (lambda path: path.mkdir(), "is not a file that can be opened; store yours under another uid"),
    "another run": (put_another_run, "look at it with databroker-writable check"),
}


@pytest.mark.filterwarnings("ignore:.*is skipped:databroker_writable.StoreWarning")
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_only_an_empty_file_is_called_removable(tmp_path, obstacle):
    put, message = OBSTACLES[obstacle]
    catalog = databroker_writable.open_directory(tmp_path)
    put(tmp_path / "fit-1.msgpack")
    with pytest.raises(RunExistsError, match=message) as raised:
        catalog.store_run({"x": [1]}, uid="fit-1")
    assert ("remove" in str(raised.value)) == (obstacle == "empty")
