"""Search results are views: they take no runs."""

from __future__ import annotations

import pickle

import pytest

from databroker_writable import NotWritableError, make_writable
from support import example_runs

MESSAGE = "nothing can be stored into search results; store into the catalog that was searched"


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(lambda view: view.store_run(example_runs.TABLE), id="store_run"),
        pytest.param(lambda view: view.store_runs([example_runs.TABLE]), id="store_runs"),
        pytest.param(lambda view: view.run_builder(), id="run_builder"),
        pytest.param(lambda view: view.v1.insert(*example_runs.small_documents()[0]), id="insert"),
        pytest.param(lambda view: view.search({"n": 1}).store_run(example_runs.TABLE), id="search in search results"),
        pytest.param(lambda view: make_writable(view).store_run(example_runs.TABLE), id="make_writable"),
    ],
)
def test_search_results_take_no_runs(catalog, site, store):
    catalog.store_run(example_runs.TABLE, metadata={"n": 1})
    before = site.snapshot()
    view = catalog.search({"n": 1})
    with pytest.raises(NotWritableError, match=MESSAGE) as caught:
        store(view)
    assert isinstance(caught.value, PermissionError)
    assert site.snapshot() == before
    assert len(view) == 1


def test_an_empty_query_is_a_view_too(catalog, site):
    catalog.store_run(example_runs.TABLE)
    before = site.snapshot()
    with pytest.raises(NotWritableError, match=MESSAGE):
        catalog.search({}).store_run(example_runs.TABLE)
    assert site.snapshot() == before


def test_the_catalog_that_was_searched_still_takes_runs(catalog):
    view = catalog.search({"sample": "Cu"})
    catalog.store_run(example_runs.TABLE, metadata={"sample": "Cu"})
    assert len(catalog) == 1
    assert len(catalog.search({"sample": "Cu"})) == 1
    with pytest.raises(NotWritableError):
        view.store_run(example_runs.TABLE)


def test_runs_are_built_from_search_results_all_the_same(catalog):
    catalog.store_run(example_runs.TABLE, metadata={"sample": "Cu"})
    run = catalog.search({"sample": "Cu"}).build_simple_run({"x": [1]})
    assert run.primary.read()["x"].values.tolist() == [1]


def test_a_guarded_catalog_takes_no_runs(catalog, site):
    catalog.store_run(example_runs.TABLE)
    guarded = make_writable(site.open(writable=False)) if site.kind != "adopted" else None
    if guarded is None:
        guarded = catalog.configure_new(writable=False)
    before = site.snapshot()
    for store in (
        lambda: guarded.store_run(example_runs.TABLE),
        lambda: guarded.run_builder(),
        lambda: guarded.v1.insert(*example_runs.small_documents()[0]),
    ):
        with pytest.raises(NotWritableError, match="writable: false"):
            store()
    assert site.snapshot() == before
    assert len(guarded) == 1


def test_a_guarded_catalog_stays_guarded(site):
    if site.driver is None or site.kind == "adopted":
        pytest.skip("not a driver that another process can open")
    guarded = site.open(writable=False)
    for same in (guarded.configure_new(), guarded(), guarded.get(), pickle.loads(pickle.dumps(guarded))):
        with pytest.raises(NotWritableError, match="writable: false"):
            same.store_run(example_runs.TABLE)


@pytest.mark.parametrize("site", ["mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
def test_search_results_that_hold_a_database_say_how_to_take_them_elsewhere(catalog):
    catalog.store_run({"x": [1]})
    with pytest.raises(pickle.PicklingError, match=r"'search results' holds a database .*; pickle the catalog"):
        pickle.dumps(catalog.search({}))
