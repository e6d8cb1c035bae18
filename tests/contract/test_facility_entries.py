"""Entries of a facility's own classes: what others stored is text there, too, and the facility's code runs."""

from __future__ import annotations

import os
import pickle

import mongomock
import pytest

from databroker_writable import make_writable
from databroker_writable.drivers import WritableCatalog
from support import example_runs, facility_entries

SECRET = "s3cr3t-w0rd"


@pytest.fixture(params=facility_entries.CATALOGS, ids=lambda cls: cls.name)
def facility(request, tmp_path, monkeypatch):
    """A facility's class and its arguments, over a place with one run of others."""
    monkeypatch.setenv("READER_SECRET", SECRET)
    if issubclass(request.param, facility_entries.BeamlineMongoCatalog):
        database = mongomock.MongoClient()["runs"]
        arguments = {"metadatastore_db": database, "asset_registry_db": database}
    else:
        arguments = {"paths": [str(tmp_path / "*.msgpack")]}
    return request.param, arguments


@pytest.fixture
def notes(facility, tmp_path):
    stored = {
        "secret": "{{ env(READER_SECRET) }}",
        "command": f"{{{{ shell(['touch', '{tmp_path}/ran']) }}}}",
        "unfinished": "{% for",
    }
    cls, arguments = facility
    catalog = make_writable(cls(**arguments))
    for name, doc in example_runs.small_documents(uid="of-others"):
        catalog.v1.insert(name, {**doc, "note": stored} if name in ("start", "stop") else doc)
    return stored


def opened(facility):
    """The ways in which a facility's catalog becomes writable."""
    cls, arguments = facility
    yield make_writable(cls(**arguments))
    yield WritableCatalog(f"{cls.__module__}.{cls.__qualname__}", arguments)


def test_templates_in_stored_metadata_are_text(facility, notes, tmp_path):
    for catalog in opened(facility):
        runs = [catalog["of-others"], catalog["of-oth"], catalog[-1], catalog.search({"uid": "of-others"})["of-others"]]
        for run in runs:
            for source in (run, run(), run.primary, run["primary"].get()):
                assert source.metadata["start"]["note"] == source.metadata["stop"]["note"] == notes
        header = catalog.v1["of-others"]
        assert header.start["note"] == header.stop["note"] == notes
        assert len(header.table()) == len(runs[0].primary.read().time)
    assert not os.path.exists(tmp_path / "ran")


def test_the_code_of_an_entry_runs(facility, notes):
    for catalog in opened(facility):
        entry = catalog["of-others"]._BlueskyRun__entry
        if isinstance(entry, facility_entries.BeamlineEntry):
            assert catalog["of-others"].metadata["beamline"] == entry.beamline == "BL7"
        assert catalog["of-others"] is catalog["of-others"]
        assert catalog["of-others"].catalog_object is catalog


def test_the_entries_of_the_object_that_is_made_writable_stay_as_they_were(facility, notes):
    cls, arguments = facility
    stock = cls(**arguments)
    before = type(stock._entries), dict(stock.__dict__)
    make_writable(stock)["of-others"]
    assert (type(stock._entries), stock.__dict__) == before
    if stock._entries.__class__ is dict:
        assert type(stock._entries["of-others"]).__module__ == facility_entries.__name__


def test_what_is_stored_is_found_again(facility):
    for number, catalog in enumerate(opened(facility)):
        run = catalog.store_run({"x": [1, 2]}, uid=f"fit-{number}")
        assert run.primary.read()["x"].values.tolist() == [1, 2]
        assert catalog[f"fit-{number}"].primary.read()["x"].values.tolist() == [1, 2]
        assert catalog.latest().metadata["start"]["uid"] == f"fit-{number}"
    assert set(next(opened(facility))) == {"fit-0", "fit-1"}


def test_parameters_that_an_entry_declares_are_put_into_its_arguments(tmp_path):
    catalog = make_writable(facility_entries.ChoosingCatalog([str(tmp_path / "*.msgpack")]))
    catalog.store_run({"x": [1, 2]}, uid="fit-1")
    assert catalog["fit-1"].primary.read()["x"].values.tolist() == [1, 2]
    with pytest.raises(FileNotFoundError, match=r"\.msgpack\.elsewhere"):
        catalog["fit-1"](suffix=".elsewhere")


def test_methods_of_a_container_are_there(tmp_path):
    catalog = make_writable(facility_entries.ShelvingCatalog([str(tmp_path / "*.msgpack")]))
    catalog.store_run({"x": [1, 2]}, uid="fit-1")
    assert catalog._entries.first() == "fit-1"


def test_an_entry_of_a_facility_can_be_pickled(tmp_path):
    catalog = make_writable(facility_entries.BeamlineCatalog([str(tmp_path / "*.msgpack")]))
    catalog.store_run({"x": [1, 2]}, uid="fit-1")
    again = pickle.loads(pickle.dumps(catalog._entries["fit-1"]))
    assert isinstance(again, facility_entries.BeamlineEntry)
    assert again.get().primary.read()["x"].values.tolist() == [1, 2]
