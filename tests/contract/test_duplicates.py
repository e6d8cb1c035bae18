"""A uid stands for one run: a retry finds it, another run under it is refused."""

from __future__ import annotations

import threading

import dask.array
import numpy
import pytest

from databroker_writable import (
    InvalidRunError,
    RunExistsError,
    StoreError,
    StoreFailedError,
    build_simple_run,
    to_dataset,
)
from databroker_writable.runs.comparison import same_run
from databroker_writable.storage.serializer import OpenRuns
from support import example_runs, faults


def test_storing_a_run_twice_is_one_run(catalog, site):
    run = catalog.build_simple_run(example_runs.TABLE, metadata={"sample": "Cu"})
    first = catalog.store_run(run)
    after_first = site.snapshot()
    second = catalog.store_run(run)
    assert second.metadata == first.metadata
    assert site.snapshot() == after_first
    assert len(catalog) == len(site.open()) == 1


def test_a_retry_from_another_catalog_object_finds_the_run(catalog, site):
    early = site.open()
    assert len(early) == 0
    documents = example_runs.small_documents(sample="Cu")
    catalog.store_run(documents)
    after_first = site.snapshot()
    for other in (early, site.open()):
        assert other.store_run(documents).metadata["start"]["uid"] == documents[0][1]["uid"]
        assert site.snapshot() == after_first


def test_storing_what_was_read_back_is_the_same_run(catalog, site):
    stored = catalog.store_run(example_runs.TABLE)
    after_first = site.snapshot()
    assert catalog.store_run(stored).metadata["start"] == stored.metadata["start"]
    assert catalog.store_run(catalog.v1[-1]).metadata["start"] == stored.metadata["start"]
    assert site.snapshot() == after_first


def test_a_retry_may_be_paged_in_another_way(catalog, site, tmp_path):
    documents = example_runs.documents_with_images(tmp_path, paged=False)
    catalog.store_run(documents)
    after_first = site.snapshot()
    catalog.store_run(site.open(transforms={"start": dict})[documents[0][1]["uid"]])
    assert site.snapshot() == after_first


def test_a_retry_with_dask_arrays_finds_the_run(site, tmp_path):
    catalog = site.open(**site.with_assets(tmp_path))
    run = catalog.build_simple_run({"x": dask.array.arange(3), "image": dask.array.ones((3, 2))}, uid="fit-1")
    catalog.store_run(run)
    assert catalog.store_run(run).metadata["start"]["uid"] == "fit-1"


def test_another_run_of_the_same_uid_is_refused_before_its_dask_array_is_computed(site, tmp_path):
    catalog = site.open(**site.with_assets(tmp_path))
    catalog.store_run({"x": numpy.zeros(3)}, uid="fit-1", one_event=True, asset_threshold=0)
    blocks = []
    lazy = dask.array.zeros(3).map_blocks(lambda block: blocks.append(block) or block, meta=numpy.empty(0))
    with pytest.raises(RunExistsError):
        catalog.store_run({"x": lazy}, uid="fit-1", one_event=True)
    assert blocks == []


@pytest.mark.parametrize("where", ["same object", "another object", "object opened before"])
def test_another_run_of_the_same_uid_is_refused(catalog, site, where):
    other = site.open() if where == "object opened before" else catalog
    assert len(other) == 0
    documents = example_runs.small_documents(uid="fit-1", sample="Cu")
    catalog.store_run(documents)
    after_first = site.snapshot()
    if where == "another object":
        other = site.open()
    with pytest.raises(RunExistsError, match=r"'fit-1'.*another uid") as caught:
        other.store_run({"x": [9]}, uid="fit-1")
    assert isinstance(caught.value, FileExistsError)
    assert caught.value.run.metadata["start"]["sample"] == "Cu"
    assert site.snapshot() == after_first
    assert same_run(site.documents("fit-1"), documents)


def test_rows_that_differ_make_another_run(catalog):
    documents = example_runs.small_documents(uid="fit-1")
    catalog.store_run(documents)
    name, page = documents[2]
    changed = {**page, "data": {"x": [*page["data"]["x"][:-1], 99.0]}}
    with pytest.raises(RunExistsError):
        catalog.store_run([*documents[:2], (name, changed), documents[3]])
    with pytest.raises(RunExistsError):
        catalog.store_run(example_runs.small_documents(uid="fit-1"))


def test_inserting_a_stored_run_again_leaves_it_as_it_is(catalog, site):
    documents = example_runs.small_documents(uid="fit-1")
    for name, doc in documents:
        catalog.v1.insert(name, doc)
    after_first = site.snapshot()
    if site.is_collecting:
        pytest.skip("what v1.insert does with a run that exists is up to a facility's own callable")
    with pytest.raises(RunExistsError):  # noqa: PT012
        for name, doc in documents:
            catalog.v1.insert(name, doc)
    assert site.snapshot() == after_first
    assert same_run(site.documents("fit-1"), documents)


@pytest.mark.parametrize("gives_up", [0, 1])
def test_a_writer_that_gives_up_takes_nothing_from_another_of_the_same_run(site, tmp_path, gives_up):
    if site.is_collecting:
        pytest.skip("how a facility's own callable writes is up to it")
    documents = one_stream_with_images(tmp_path, 1)
    uid = documents[0][1]["uid"]
    writers = [site.open()._backend.open_writer(documents[0][1]) for _ in range(2)]
    for writer in writers:
        for name, doc in documents:
            writer(name, doc)
    writers[gives_up].abandon()
    try:
        writers[1 - gives_up].publish()
    except StoreError:
        writers[1 - gives_up].abandon()
        assert len(site.open()) == 0
        site.open().store_run(documents)
    assert same_run(site.documents(uid), documents)


def test_a_partial_uid_is_another_uid(catalog):
    catalog.store_run({"x": [1]}, uid="fit-1234")
    catalog.store_run({"x": [2]}, uid="fit-1")
    assert catalog["fit-1"].primary.read()["x"].values.tolist() == [2]
    assert catalog["fit-1234"].primary.read()["x"].values.tolist() == [1]


def rename(documents, part, new):
    """Give one kind of uid of a run another value, wherever it is referred to."""

    def renamed(value, old):
        if isinstance(value, dict):
            return {key: renamed(item, old) for key, item in value.items()}
        if isinstance(value, list):
            return [renamed(item, old) for item in value]
        return new if isinstance(value, str) and value == old else value

    (old,) = {doc["uid"] for name, doc in documents if name == part}
    return [(name, renamed(doc, old)) for name, doc in documents]


@pytest.mark.parametrize("part", ["descriptor", "event_page", "resource", "datum_page", "stop"])
def test_a_run_with_ids_of_another_run_leaves_that_run_as_it_was(catalog, site, tmp_path, part):
    first = one_stream_with_images(tmp_path, 1)
    catalog.store_run(first)
    before = site.snapshot()
    second = one_stream_with_images(tmp_path, 2)
    ids = {"event_page": "uid", "datum_page": "datum_id"}.get(part)
    if ids is None:
        (uid,) = {doc["uid"] for name, doc in first if name == part}
        second = rename(second, part, uid)
    else:
        taken = next(doc[ids] for name, doc in first if name == part)
        own = next(doc[ids] for name, doc in second if name == part)
        for name, doc in second:
            if name == part:
                doc[ids] = list(taken)
            if name == "event_page" and ids == "datum_id":
                doc["data"]["image"] = [dict(zip(own, taken, strict=True))[i] for i in doc["data"]["image"]]
    error = faults.attempt(catalog.store_run, second)
    if error is None:
        assert same_run(site.documents(second[0][1]["uid"]), second)
    else:
        assert isinstance(error, InvalidRunError), error
        assert site.is_mongo
        assert "Use a new id" in str(error)
        assert site.snapshot() == before
    assert same_run(site.documents(first[0][1]["uid"]), first)


def one_stream_with_images(directory, number):
    """A run of one descriptor and one resource, whose values depend on its number."""
    documents = example_runs.documents_with_images(directory, number=number)
    baseline = next(doc["uid"] for name, doc in documents if name == "descriptor" and doc["name"] == "baseline")
    kept = [(name, doc) for name, doc in documents if baseline not in (doc.get("uid"), doc.get("descriptor"))]
    for name, doc in kept:
        if name == "event_page":
            doc["data"]["x"] = [number * 100 + x for x in doc["data"]["x"]]
        if name == "stop":
            doc["num_events"] = {"primary": 3}
    return kept


def test_a_uid_of_a_builder_that_is_open_is_refused_and_its_rows_stay(catalog, site):
    with catalog.run_builder(uid="scan") as first:
        first.add_stream("primary", data={"x": [1, 2]})
        with pytest.raises(RunExistsError, match=r"uid 'scan' is being built in .*close its builder first"):
            catalog.store_run({"x": [7]}, uid="scan")
        with (
            pytest.raises(RunExistsError, match=r"uid 'scan' is being built in .*close its builder first"),
            catalog.run_builder(uid="scan") as second,
        ):
            second.add_stream("primary", data={"x": [8]})
        with pytest.raises(StoreFailedError, match="is being built"):
            catalog.store_runs([build_simple_run({"x": [9]}, uid="scan"), {"x": [10]}])
        first.add_data("primary", data={"x": [3]})
    assert to_dataset(catalog["scan"])["x"].values.tolist() == [1, 2, 3]
    assert len(catalog) == 2


def disk_is_full(*args):
    raise OSError("disk full")


def test_a_uid_is_free_again_once_its_builder_could_not_store(catalog, monkeypatch):
    failing = catalog.run_builder(uid="failing")
    with monkeypatch.context() as patch:
        patch.setattr(OpenRuns, "route", disk_is_full)
        with pytest.raises(StoreError):
            failing.add_stream("primary", data={"x": [1]})
    catalog.store_run({"x": [3]}, uid="failing")
    assert to_dataset(catalog["failing"])["x"].values.tolist() == [3]


def test_threads_that_build_one_uid_do_not_mix_their_rows(catalog):
    barrier = threading.Barrier(2, timeout=30)
    refused = []

    def build(number):
        barrier.wait()
        try:
            with catalog.run_builder(uid="scan") as builder:
                builder.add_stream("primary", data={"x": [number]})
                barrier.wait()
                builder.add_data("primary", data={"x": [number + 10]})
        except RunExistsError as exc:
            refused.append(exc)
            barrier.wait()

    threads = [threading.Thread(target=build, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert to_dataset(catalog["scan"])["x"].values.tolist() in ([1, 11], [2, 12])


def test_an_acquisition_leaves_the_runs_that_are_built_beside_it(catalog):
    documents = example_runs.small_documents(uid="scan")
    with catalog.run_builder(uid="scan") as builder:
        builder.add_stream("primary", data={"x": [1, 2]})
        for name, doc in documents[:-1]:
            catalog.v1.insert(name, doc)
        with pytest.raises(StoreError):
            catalog.v1.insert("event", {"nonsense": 1})
        builder.add_data("primary", data={"x": [3]})
    assert to_dataset(catalog["scan"])["x"].values.tolist() == [1, 2, 3]
