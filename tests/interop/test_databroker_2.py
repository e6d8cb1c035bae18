"""A server of databroker 2, in an environment of its own, reads what the normalized layout stored."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import mongomock
import numpy
import pytest
from bson import json_util

from databroker_writable import to_dataset
from databroker_writable.drivers import WritableMongoNormalizedCatalog
from support import databroker_2_reader

VARIABLE = "DATABROKER_WRITABLE_TEST_DATABROKER_2"
PYTHON = os.environ.get(VARIABLE)
COLLECTIONS = ("run_start", "run_stop", "event_descriptor", "event", "resource", "datum")

pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason=f"set {VARIABLE} to the Python of an environment with 'databroker[server]>=2' and databroker-writable",
)

TABLES = {
    "numbers": {"x": [1, 2, 3], "y": [0.1, numpy.nan, numpy.inf]},
    "nulls": {"text": ["a", None, "ccc"], "flag": [True, None, False], "count": [1, None, 2]},
    "images": {"image": numpy.arange(2 * 30 * 40, dtype="uint16").reshape(2, 30, 40), "x": [1, 2]},
    **{f"assets-{i}": {f"image_{j}": numpy.full((2, 30, 40), 10 * i + j) for j in range(i)} for i in (1, 20)},
}


@pytest.fixture(params=["mongomock", "server"])
def place(request, tmp_path):
    """A database, what tells the reader where it is, once runs are stored there, and what can be stored there."""
    if request.param == "mongomock":
        database = mongomock.MongoClient()["runs"]

        def written():
            documents = {name: list(database[name].find({}, {"_id": 0})) for name in COLLECTIONS}
            (tmp_path / "collections.json").write_text(json_util.dumps(documents))
            return str(tmp_path / "collections.json")

        yield database, written, TABLES
        return
    server = request.getfixturevalue("mongo_server")
    if server.is_ferretdb:
        pytest.skip("FerretDB 1.24 has no $group with $max, which databroker 2 asks for")
    # mongo-java-server 1.46 leaves null out of what $push collects, with which databroker 2 reads columns
    tables = {name: TABLES[name] for name in TABLES if server.kind != "mongo-java-server" or name != "nulls"}
    with server.database() as name:
        yield server.client[name], lambda: server.database_uri(name), tables


def test_what_was_stored_is_read_exactly(place, tmp_path):
    database, written, tables = place
    catalog = WritableMongoNormalizedCatalog(database, database, asset_root=str(tmp_path / "assets"))
    for name, table in tables.items():
        threshold = 0 if name.startswith("assets") else 10**9
        catalog.store_run(table, {"sample": name}, uid=f"run-{name}", asset_threshold=threshold)
        catalog.store_run(table, {"sample": name}, uid=f"one-{name}", asset_threshold=threshold, one_event=True)
    command = [PYTHON, "-W", "ignore", databroker_2_reader.__file__, written(), *catalog]
    source = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run(command, env={**os.environ, **source}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    runs = json.loads(done.stdout.splitlines()[-1])
    assert set(runs) == set(catalog)
    for uid, read in runs.items():
        assert read["dataset"] == databroker_2_reader.as_json(to_dataset(catalog[uid])), uid
        for part in ("start", "stop"):
            assert read[part] == json.loads(json.dumps(catalog[uid].metadata[part])), uid
    if "nulls" in tables:
        shown = runs["run-nulls"]["shown"]
        assert numpy.isnan(shown["flag"][1])
        assert numpy.isnan(shown["count"][1])
        assert shown["text"] == ["a", "None", "ccc"]
