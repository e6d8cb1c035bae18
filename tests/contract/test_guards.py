"""What must not be lost in silence: runs of another catalog, runs under way, and errors that are not of the disk."""

from __future__ import annotations

import os
import re

import event_model
import numpy
import pytest
import suitcase.jsonl
import suitcase.msgpack
from databroker._drivers.msgpack import BlueskyMsgpackCatalog

import databroker_writable
from databroker_writable import InvalidCatalogError, InvalidRunError, RunExistsError, make_writable, to_dataset
from databroker_writable.drivers import WritableCatalog, WritableMsgpackCatalog
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


class LeavingOutCatalog(BlueskyMsgpackCatalog):
    """A facility's driver that writes no runs of alignment."""

    name = "leaving-out"
    left_out = ([], [])

    def _get_serializer(self):
        directory = os.path.dirname(self.paths[0])

        def factory(name, doc):
            is_left_out = doc.get("plan_name") == "alignment"
            return self.left_out if is_left_out else ([suitcase.msgpack.Serializer(directory)], [])

        return event_model.RunRouter([factory])


class LaterLeavingOutCatalog(LeavingOutCatalog):
    name = "leaving-out-later"
    left_out = ([], [lambda name, doc: []])


@pytest.mark.parametrize("cls", [LeavingOutCatalog, LaterLeavingOutCatalog])
def test_a_run_that_a_facility_s_driver_leaves_out_is_not_called_stored(cls, tmp_path):
    catalog = make_writable(cls([str(tmp_path / "*.msgpack")]))
    catalog.store_runs([{"x": [1]}])
    with pytest.raises(InvalidRunError, match=r"the catalog '.*' leaves out the run 'left': .*metadata"):
        catalog.store_run({"x": [1]}, {"plan_name": "alignment"}, uid="left")
    with pytest.raises(
        databroker_writable.StoreFailedError, match=r"0: InvalidRunError: .* leaves out the run"
    ) as caught:
        catalog.store_runs([catalog.build_simple_run({"x": [1]}, {"plan_name": "alignment"}), {"x": [2]}])
    assert len(caught.value.stored) == 1
    with pytest.raises(InvalidRunError, match="leaves out"), catalog.run_builder({"plan_name": "alignment"}) as builder:
        builder.add_stream("primary", data={"x": [1]})
    assert len(cls([str(tmp_path / "*.msgpack")])) == len(list(tmp_path.iterdir())) == 2


def test_a_run_that_a_facility_s_driver_leaves_out_leaves_no_array(tmp_path):
    catalog = make_writable(LeavingOutCatalog([str(tmp_path / "*.msgpack")]))
    with pytest.raises(InvalidRunError, match="leaves out"):
        catalog.store_run({"x": numpy.ones((2, 3))}, {"plan_name": "alignment"}, asset_threshold=0)
    assert list(tmp_path.iterdir()) == []


def test_an_acquisition_may_send_runs_that_a_facility_s_driver_leaves_out(tmp_path):
    catalog = make_writable(LeavingOutCatalog([str(tmp_path / "*.msgpack")]))
    for name, doc in example_runs.small_documents():
        catalog.v1.insert(name, {**doc, "plan_name": "alignment"} if name == "start" else doc)
    assert len(catalog) == 0


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


def catalog_of_serializers(directory, make_serializers):
    class Facility(BlueskyMsgpackCatalog):
        name = "facility"

        def _get_serializer(self):
            return event_model.RunRouter([lambda name, doc: (make_serializers(), [])])

    return make_writable(Facility([str(directory / "*.msgpack")]))


def test_a_file_name_that_another_run_has_is_named(tmp_path):
    catalog = catalog_of_serializers(
        tmp_path, lambda: [suitcase.msgpack.Serializer(tmp_path, file_prefix="scan-{start[scan_id]}")]
    )
    catalog.store_run({"x": [1]}, {"scan_id": 7}, uid="fit-1")
    for _ in range(2):
        with pytest.raises(RunExistsError, match=r"'fit-2' .*scan-7\.msgpack', which another run has"):
            catalog.store_run({"x": [2]}, {"scan_id": 7}, uid="fit-2")
    documents = list(catalog["fit-1"].documents(fill="no"))
    assert catalog.store_run(documents).metadata["start"]["uid"] == "fit-1"
    assert os.listdir(tmp_path) == ["scan-7.msgpack"]


def test_a_serializer_of_other_files_beside_the_run_s_is_told_apart_from_a_wrong_path(tmp_path):
    catalog = catalog_of_serializers(
        tmp_path, lambda: [suitcase.msgpack.Serializer(tmp_path), suitcase.jsonl.Serializer(tmp_path)]
    )
    with pytest.raises(InvalidCatalogError, match=r"fit-1\.jsonl' is no '\*.msgpack' file.*_get_serializer"):
        catalog.store_run({"x": [1]}, uid="fit-1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("exists", [True, False])
def test_a_directory_with_brackets_is_written_as_the_message_says(tmp_path, exists):
    directory = tmp_path / "br[x]" / "runs"
    (directory if exists else directory.parent).mkdir(parents=True)
    with pytest.raises(InvalidCatalogError, match=r"br\[x\].*for the directory of that name write '.*'$") as caught:
        WritableMsgpackCatalog([str(directory / "*.msgpack")]).store_run({"x": [1]})
    (written,) = re.findall(r"write '(.*)'$", str(caught.value))
    WritableMsgpackCatalog([written]).store_run({"x": [1]})
    assert len(os.listdir(directory)) == 1
