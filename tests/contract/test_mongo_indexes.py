"""In MongoDB results are found by indexes, which the first store makes."""

from __future__ import annotations

from typing import Any

import pymongo.errors
import pytest

from databroker_writable.results.header_search import made_from
from databroker_writable.storage.embedded_query import header_query
from support import sites
from support.example_runs import TABLE

on_mongodb = pytest.mark.parametrize("site", [s for s in sites.ALL_SITES if s.startswith("mongo-")], indirect=True)


def starts(site: sites.Site) -> tuple[Any, str]:
    """The collection of start documents, and what stands before their keys."""
    is_embedded = site.kind == "mongo-embedded"
    return (site.database.header, "start.") if is_embedded else (site.database.run_start, "")


@on_mongodb
def test_the_first_store_makes_sparse_indexes_on_what_runs_were_made_from(site: sites.Site) -> None:
    site.open().store_run(TABLE)
    collection, prefix = starts(site)
    indexes = {index["key"][0][0]: index for index in collection.index_information().values()}
    keys = [f"{prefix}{key}" for key in ("derived_from.uid", "derived_from", "supersedes")]
    assert set(keys) <= set(indexes)
    if not site.is_ferretdb:  # FerretDB 1.24 takes the option, and does not tell of it
        assert all(indexes[key].get("sparse") for key in keys)


@on_mongodb
def test_an_index_that_an_older_version_made_stays(site: sites.Site) -> None:
    collection, prefix = starts(site)
    collection.create_index(f"{prefix}derived_from.uid")
    catalog = site.open()
    raw = catalog.store_run(TABLE)
    result = catalog.store_run(TABLE, derived_from=raw)
    assert list(catalog.results_of(raw)) == [result.metadata["start"]["uid"]]


@on_mongodb
def test_the_server_looks_results_up_in_the_index(site: sites.Site) -> None:
    catalog = site.open()
    raw = catalog.store_run(TABLE)
    catalog.store_runs([TABLE] * 5)
    catalog.store_run(TABLE, derived_from=raw)
    collection, prefix = starts(site)
    query = made_from({"$in": [raw.metadata["start"]["uid"]]})
    try:
        plan = collection.find(header_query(query) if prefix else query).explain()
    except (AttributeError, NotImplementedError, pymongo.errors.OperationFailure) as exc:
        pytest.skip(f"only mongod says which index it uses; mongomock and mongo-java-server do not explain ({exc})")
    if "winningPlan" not in plan["queryPlanner"]:
        pytest.skip("only mongod says which index it uses; FerretDB 1.24 gives the plan of its own database")
    assert f"{prefix}derived_from.uid" in str(plan["queryPlanner"]["winningPlan"])
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
