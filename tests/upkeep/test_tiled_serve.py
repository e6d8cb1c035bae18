"""A catalog on Tiled's server: read over HTTP as it reads here, with a key, and never written."""

from __future__ import annotations

import concurrent.futures
import datetime
import gc
import runpy
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import xarray

from databroker_writable import StoreWarning, open_directory, to_dataset
from databroker_writable.drivers import WritableJSONLCatalog

REASON = "Tiled's server is not installed: pip install '.[interop]'"
httpx = pytest.importorskip("httpx", reason=REASON)
pyarrow = pytest.importorskip("pyarrow", reason=REASON)
for package in ("tiled.server.app", "bluesky_tiled_plugins"):
    pytest.importorskip(package, reason=REASON)

from tiled.queries import Comparison, Contains, Eq, FullText, In, Key, NotEq, Regex  # noqa: E402

from databroker_writable.results.header_search import headers  # noqa: E402
from databroker_writable.upkeep import tiled_serve  # noqa: E402
from support import documentation, example_runs, tiled_server  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate dimension names present:UserWarning")

ROWS = runpy.run_path(str(Path(__file__).parents[1] / "tables" / "test_tables_types.py"))["ROWS"]
IMAGES = numpy.arange(5 * 400 * 300, dtype="uint16").reshape(5, 400, 300)
WITH_NULLS = {"x": [1, 2, None], "label": ["a", None, ""], "flag": [True, None, False], "y": [0.5, None, 1.5]}
ENERGY = [1.0, 2.0, 4.0]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("served") / "runs"
    catalog = open_directory(path)
    for i, row in enumerate(ROWS):
        catalog.store_run({"x": row.column()}, uid=f"rows-{i}-of-the-table-of-types")
        catalog.store_run({"x": row.column()}, uid=f"event-{i}-of-the-table-of-types", one_event=True)
    catalog.store_run(WITH_NULLS, {"sample": "Cu", "scan_id": 7, "tags": ["good"]}, uid="with-nulls")
    # the page transposes tables that are wider than long
    catalog.store_run({"label": ["a", None, "c", "d"], "flag": [True, None, False, True]}, uid="blanks")
    catalog.store_run({"image": IMAGES}, {"scan_id": 8}, uid="images-inline", asset_threshold=10**9)
    catalog.store_run({"image": IMAGES}, {"scan_id": 9}, uid="images-in-assets", asset_threshold=0)
    spectrum = xarray.Dataset({"counts": ("energy", [5, 6, 7], {"units": "1/s"})}, {"energy": ENERGY}, {"by": "me"})
    catalog.store_run(spectrum, {"sample": "Zn foil"}, uid="spectrum", one_event=True)
    catalog.store_run(example_runs.small_documents(uid="from-elsewhere", sample="Fe"))
    catalog.retract(catalog.store_run({"x": [1]}, uid="retracted"), reason="wrong edge")
    return path


@pytest.fixture(scope="module")
def served(directory: Path) -> Iterator[tiled_server.Served]:
    with tiled_server.served(directory) as server:
        yield server


@pytest.fixture(scope="module")
def client(served: tiled_server.Served) -> Iterator[Any]:
    with tiled_server.connected(served.uri) as connected:
        yield connected


@pytest.fixture(scope="module")
def catalog(directory: Path) -> Any:
    return open_directory(directory)


def uids(client: Any) -> set[str]:
    return set(client.keys())


def assert_reads_equal(served_run: Any, run: Any) -> None:
    """The same dims, coordinates, attributes, dtypes and values; repr tells None, NaN and pandas' markers apart."""
    served, here = (to_dataset(source).compute() for source in (served_run, run))
    assert (served.sizes, list(served.coords), served.attrs) == (here.sizes, list(here.coords), here.attrs)
    assert set(served.variables) == set(here.variables)
    for name, variable in here.variables.items():
        other = served.variables[name]
        assert (other.dims, other.dtype, other.attrs) == (variable.dims, variable.dtype, variable.attrs)
        if variable.ndim == 3:
            numpy.testing.assert_array_equal(other.values, variable.values)
        else:
            one, two = (list(map(repr, found.data.ravel().tolist())) for found in (other, variable))
            assert one == two


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: ROWS[number].given)
@pytest.mark.parametrize("form", ["rows", "event"])
def test_a_column_of_each_type_is_read_as_from_the_catalog(form: str, number: int, client: Any, catalog: Any) -> None:
    given, uid = ROWS[number].given, f"{form}-{number}-of-the-table-of-types"
    # numpy's text loses NUL at its end; Tiled's client reads rows by way of Arrow, which has no complex numbers
    if "ending in NUL" in given or ("complex" in given and form == "rows"):
        with pytest.raises((AssertionError, httpx.HTTPStatusError)):
            assert_reads_equal(client[uid], catalog[uid])
    else:
        assert_reads_equal(client[uid], catalog[uid])


@pytest.mark.parametrize("uid", ["with-nulls", "images-inline", "images-in-assets", "spectrum"])
def test_a_run_is_read_as_from_the_catalog(uid: str, client: Any, catalog: Any) -> None:
    assert_reads_equal(client[uid], catalog[uid])
    assert client[uid].metadata["start"]["uid"] == uid
    assert client[uid].metadata["stop"]["uid"] == catalog[uid].metadata["stop"]["uid"]


def test_runs_of_versions_that_did_not_announce_nulls_are_read_as_from_the_catalog(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    for stored in ("contract/stored/nulls-before-null-safe-dtypes.jsonl", "old_runs/jsonl/rows.jsonl"):
        shutil.copy(tests / stored, tmp_path)
    catalog = WritableJSONLCatalog([str(tmp_path / "*.jsonl")])
    with tiled_server.served(tmp_path) as server, tiled_server.connected(server.uri) as client:
        # the plugin takes a uid of four characters for the beginning of another
        served = {run.item["id"]: run for run in client.values()}
        assert set(served) == {"null-old", "rows"}
        for uid, run in served.items():
            assert_reads_equal(run, catalog[uid])


def test_a_retraction_is_in_the_metadata_beside_the_documents_until_it_is_undone(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, uid="run-1")
    runs = tiled_serve._ServedRuns(catalog)

    def metadata() -> Any:
        runs._looking.acquire()
        runs._look()
        return runs.current()["run-1"].metadata()

    before = metadata()
    assert set(before) == {"start", "stop"}
    open_directory(tmp_path).retract("run-1", reason="wrong edge")
    retracted = metadata()
    assert "wrong edge" in retracted["retracted"]
    assert {name: retracted[name] for name in before} == before
    assert metadata() is retracted
    open_directory(tmp_path).restore("run-1")
    assert metadata() == before


def test_documents_are_those_of_the_catalog(client: Any, catalog: Any) -> None:
    served, here = (
        [(name, doc["uid"]) for name, doc in run["from-elsewhere"].documents(fill="no") if "page" not in name]
        for run in (client, catalog)
    )
    assert served == here


def tree_of(catalog: Any) -> tiled_serve.CatalogNode:
    return tiled_serve.CatalogNode(tiled_serve._ServedRuns(catalog).current)


def read_array(node: Any) -> Any:
    return node.read().tolist()


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: ROWS[number].given)
@pytest.mark.parametrize("form", ["rows", "event"])
def test_a_column_of_each_type_can_be_sent_as_table_and_dataset(form: str, number: int, catalog: Any) -> None:
    stream = tree_of(catalog)[f"{form}-{number}-of-the-table-of-types"]["primary"]
    for name, array in stream["dataset"].items():
        assert array.read().dtype.kind != "O", name
        assert array.read().dtype.isnative, name
    if "table" in stream:
        pyarrow.Table.from_pandas(stream["table"].read())


def test_text_is_whole_where_a_later_descriptor_has_longer_text(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    with catalog.run_builder(uid="longer") as builder:
        builder.add_stream("primary", data={"x": [0], "text": ["a"]})
        builder.add_data("primary", data={"x": [0.5], "text": ["long text"]})
    with tiled_server.served(tmp_path) as server, tiled_server.connected(server.uri) as client:
        assert_reads_equal(client["longer"], catalog["longer"])


@pytest.mark.parametrize(
    ("data_key", "values", "shown"),
    [
        ({"dtype": "integer", "dtype_numpy": "<i8"}, [1, None, 3], [1.0, None, 3.0]),
        ({"dtype": "boolean", "dtype_numpy": "|b1"}, [True, None, False], [1.0, None, 0.0]),
        ({"dtype": "string", "dtype_numpy": "<U3"}, ["a", None, "long text"], ["a", "None", "long text"]),
        ({"dtype": "number"}, [1.5, None, 2.5], [1.5, None, 2.5]),
        ({"dtype": "integer"}, [1, None, 2**63], [1.0, None, 2.0**63]),
    ],
    ids=["integers", "bools", "text", "floats", "large integers"],
)
def test_missing_values_of_others_are_never_values(
    data_key: Any, values: list[Any], shown: list[Any], tmp_path: Path
) -> None:
    catalog = open_directory(tmp_path)
    catalog.store_run(example_runs.documents_of_column(values, **data_key))
    (run,) = tree_of(catalog).values()
    read = read_array(run["primary"]["data"]["x"])
    assert [None if value != value else value for value in read] == shown
    table = run["primary"]["table"].read()["x"]
    assert [None if pandas.isna(value) else value for value in table] == values


def test_large_integers_with_missing_values_are_in_the_table(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [2**63, None, 1]}, uid="large")
    table = tree_of(catalog)["large"]["primary"]["table"].read()
    assert [None if pandas.isna(value) else value for value in table["x"]] == [2**63, None, 1]


@pytest.mark.filterwarnings("ignore:The return type of `Dataset.dims`:FutureWarning")
def test_the_events_of_a_fly_scan_are_read_without_its_frames(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    with pytest.warns(StoreWarning, match="it is stored"):
        catalog.store_run(example_runs.documents_with_stream_resource())
    with pytest.warns(StoreWarning, match="left out"):
        primary = tree_of(catalog)["fly-1"]["primary"]
    assert set(primary) == {"data", "timestamps", "config", "dataset", "table"}
    for part in ("data", "timestamps", "dataset"):
        assert set(primary[part]) == {"time", "x"}
    assert read_array(primary["data"]["x"]) == [0.5, 0.5, 0.5]
    assert primary["table"].read()["x"].tolist() == [0.5, 0.5, 0.5]


def test_a_stream_that_cannot_be_read_says_why_and_leaves_the_others(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    images = catalog.store_run(example_runs.documents_with_images(tmp_path)).metadata["start"]["uid"]
    with tiled_server.served(tmp_path) as server, tiled_server.connected(server.uri) as client:
        streams = dict(client[images].items())
        assert set(streams) == {"primary", "baseline"}
        assert list(to_dataset(client[images], "baseline")["T"].values) == [300.5, 301.5]
        with pytest.raises(Exception, match=r"TEST_NPY.* install the package with the handler"):
            streams["primary"].read()


def test_a_whole_uid_is_no_beginning_of_others(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    for uid in ("run-1", "run-10", "run-20"):
        catalog.store_run({"x": [1]}, uid=uid)
    tree = tree_of(catalog)
    for text, found in {"run-1": ["run-1"], "run-2": ["run-20"], "run-": ["run-1", "run-10", "run-20"]}.items():
        assert list(tree.search(tiled_serve._PartialUID(partial_uids=[text]))) == found


def test_a_table_has_nulls_where_values_are_missing(client: Any) -> None:
    frame = client["with-nulls"]["primary"]["table"].read()
    values = {name: [None if pandas.isna(value) else value for value in frame[name].tolist()] for name in WITH_NULLS}
    assert values == WITH_NULLS


def test_the_dataset_has_its_dims_coordinates_units_and_attributes(client: Any) -> None:
    dataset = client["spectrum"]["primary"]["dataset"].read()
    assert dataset["counts"].dims == ("energy",)
    assert list(dataset["energy"].values) == ENERGY
    assert dataset["counts"].attrs["units"] == "1/s"
    assert dataset.attrs["by"] == "me"


def test_a_stream_has_what_clients_of_databroker_2_look_for(client: Any) -> None:
    stream = client["with-nulls"]["primary"]
    assert set(stream) == {"data", "timestamps", "config", "dataset", "table"}
    assert stream.descriptors[0]["name"] == "primary"
    assert set(stream["timestamps"].read()) >= {"x", "label"}
    assert "table" not in set(client["images-inline"]["primary"])


def test_one_frame_of_images_is_read_by_itself(client: Any) -> None:
    for uid in ("images-inline", "images-in-assets"):
        numpy.testing.assert_array_equal(client[uid]["primary"]["data"]["image"][3], IMAGES[3])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Eq("start.sample", "Cu"), {"with-nulls"}),
        (Key("sample") == "Cu", {"with-nulls"}),
        (NotEq("start.sample", "Cu"), {"spectrum", "from-elsewhere"}),
        (Comparison("ge", "start.scan_id", 8), {"images-inline", "images-in-assets"}),
        (Comparison("lt", "start.sample", "D"), {"with-nulls"}),
        (In("start.scan_id", [7, 9]), {"with-nulls", "images-in-assets"}),
        (Contains("start.tags", "good"), {"with-nulls"}),
        (Regex("start.sample", "foil$"), {"spectrum"}),
        (FullText("foil"), {"spectrum"}),
        (Regex("start.uid.nothing.below", "x"), set()),
    ],
    ids=lambda value: repr(value) if not isinstance(value, set) else str(len(value)),
)
def test_runs_are_found(query: Any, expected: set[str], client: Any) -> None:
    assert uids(client.search(query)) == expected


def test_runs_are_found_by_the_beginning_of_their_uid_and_by_scan_id(client: Any) -> None:
    assert client["spect"].metadata["start"]["uid"] == "spectrum"
    assert client[9].metadata["start"]["uid"] == "images-in-assets"


def test_runs_are_sorted_by_a_key_and_those_without_it_come_last(client: Any) -> None:
    found = client.search(Comparison("gt", "start.time", 0)).sort(("start.scan_id", -1))
    assert [run.metadata["start"]["uid"] for run in found.values()[:3]] == [
        "images-in-assets",
        "images-inline",
        "with-nulls",
    ]
    assert len(found) == len(client)


def test_runs_are_sorted_by_the_status_that_the_page_shows() -> None:
    stops = {"a": "success", "b": "fail", "c": "success", "d": None, "e": "success"}
    nodes = {
        uid: tiled_serve.LazyNode({}, metadata={"start": {}, "stop": status and {"exit_status": status}})
        for uid, status in stops.items()
    }
    nodes["c"].metadata()["retracted"] = "wrong sample"
    tree = tiled_serve.CatalogNode(nodes)
    assert "".join(tree.sort([("status", 1)])) == "bcaed"
    assert "".join(tree.sort([("status", -1)])) == "aecbd"


def test_nobody_reads_without_the_key(served: tiled_server.Served) -> None:
    for path in ("/api/v1/metadata/", "/api/v1/search/", "/api/v1/documents/spectrum"):
        assert httpx.get(served.address + path).status_code == 401
        assert httpx.get(served.address + path, params={"api_key": "0" * 64}).status_code == 401


def test_only_this_computer_is_listened_to(served: tiled_server.Served) -> None:
    assert served.address.startswith("http://127.0.0.1:")


def test_nothing_can_be_written_or_deleted(served: tiled_server.Served, client: Any, catalog: Any) -> None:
    before = len(client)
    key = {"Authorization": f"Apikey {served.uri.partition('api_key=')[2]}"}
    for method, path in [
        ("POST", "/api/v1/metadata/"),
        ("POST", "/api/v1/documents/spectrum"),
        ("DELETE", "/api/v1/metadata/spectrum"),
        ("PUT", "/api/v1/metadata/spectrum"),
        ("PATCH", "/api/v1/metadata/spectrum"),
        ("PUT", "/api/v1/array/full/images-inline/primary/data/image"),
    ]:
        answer = httpx.request(
            method, served.address + path, headers=key, **({} if method == "DELETE" else {"json": {}})
        )
        assert 400 <= answer.status_code < 500, (method, path, answer.status_code)
    with pytest.raises(Exception, match=r"405|Not Allowed|not support"):
        client.write_array(numpy.zeros(3))
    assert len(client) == before
    assert "spectrum" in catalog


def test_a_run_stored_meanwhile_is_seen_within_seconds(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, uid="first")
    with tiled_server.served(tmp_path) as server, tiled_server.connected(server.uri) as client:
        assert uids(client) == {"first"}
        catalog.store_run({"x": [2]}, uid="second")
        deadline = time.monotonic() + 10
        while uids(client) != {"first", "second"}:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert list(to_dataset(client["second"])["x"].values) == [2]


def test_exports_are_given_by_http(served: tiled_server.Served, client: Any) -> None:
    key = {"api_key": served.uri.partition("api_key=")[2]}
    url = f"{served.address}/api/v1/table/full/with-nulls/primary/table"
    assert httpx.get(url, params={**key, "format": "text/csv"}).text.splitlines()[1:3] == ["1,a,True,0.5", "2,,,"]
    records = httpx.get(url, params={**key, "format": "application/json-seq"}).text
    assert [pandas.io.json.ujson_loads(line)["label"] for line in records.splitlines()] == ["a", None, ""]


def test_few_runs_are_held_in_memory(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    original = tiled_serve.open_run

    def counted(catalog: Any, uid: str) -> Any:
        run = original(catalog, uid)
        opened.append(weakref.ref(run))
        return run

    monkeypatch.setattr(tiled_serve, "open_run", counted)
    tree = tree_of(open_directory(directory))
    for uid in list(tree)[:40]:
        assert len(list(tree[uid]["primary"]["data"])) > 0
    gc.collect()
    assert len(opened) == 40
    assert sum(run() is not None for run in opened) == tiled_serve.OPEN_RUNS


def test_a_search_opens_no_run_and_asks_the_catalog_once_in_some_seconds(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in ("headers", "open_run", "plain"):
        original = getattr(tiled_serve, name)

        def counted(*args: Any, name: str = name, original: Any = original) -> Any:
            asked.append(name)
            return original(*args)

        monkeypatch.setattr(tiled_serve, name, counted)
    monkeypatch.setattr(tiled_serve, "PATIENCE", 30)
    clock = [100.0]
    monkeypatch.setattr(tiled_serve.time, "monotonic", lambda: clock[0])
    tree = tree_of(open_directory(directory))
    runs = len(tree)
    assert sorted(asked) == ["headers"] + ["plain"] * 2 * runs
    asked.clear()
    for query in (Eq("start.sample", "Cu"), Regex("start.sample", "foil$"), FullText("foil")):
        assert len(tree.search(query)) == 1
    assert len(tree.sort([("start.time", -1)])) == runs
    assert asked == []
    clock[0] += tiled_serve.SECONDS_BETWEEN
    assert len(tree.search(Eq("start.sample", "Cu"))) == 1
    assert asked == ["headers"]


@pytest.mark.parametrize(
    ("ask", "most"),
    [
        (lambda tree: tree.search(Eq("start.sample", "Cu")), 16),
        (lambda tree: tree.search(Comparison("ge", "start.scan_id", 5)), 16),
        (lambda tree: tree.search(FullText("foil")), 60),
        (lambda tree: tree.sort([("start.time", -1)]), 16),
    ],
    ids=["value", "comparison", "word", "sort"],
)
def test_a_search_takes_few_calls_of_functions_per_run(ask: Any, most: int) -> None:
    start = {"uid": "u", "time": 1.0, "scan_id": 5, "sample": "Cu foil", "plan_name": "scan"}

    def calls(runs: int) -> int:
        nodes = {str(i): tiled_serve.LazyNode({}, metadata={"start": start, "stop": start}) for i in range(runs)}
        tree = tiled_serve.CatalogNode(nodes)
        noted: list[str] = []
        sys.setprofile(lambda frame, event, _: noted.append(event) if event == "call" else None)
        try:
            ask(tree)
        finally:
            sys.setprofile(None)
        return len(noted)

    assert calls(1_100) - calls(100) <= most * 1_000


@pytest.fixture
def endless_look(tmp_path: Path) -> Iterator[Any]:
    """The runs of a catalog that a request has begun to look at, which does not end."""
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, uid="first")
    runs = tiled_serve._ServedRuns(catalog)
    looks, goes_on = threading.Event(), threading.Event()
    reload = catalog.force_reload

    def slow_reload() -> None:
        looks.set()
        assert goes_on.wait(30)
        reload()

    catalog.force_reload = slow_reload
    runs._next_look = 0.0
    runs.current()
    assert looks.wait(30)
    yield runs
    goes_on.set()
    with runs._looking:
        pass


def test_no_request_waits_while_new_runs_are_looked_for(endless_look: Any) -> None:
    assert list(endless_look.current()) == ["first"]
    assert endless_look._looking.locked()


def test_a_run_is_opened_while_new_runs_are_looked_for(endless_look: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        table = pool.submit(lambda: endless_look.current()["first"]["primary"]["table"].read()).result(30)
    assert table["x"].tolist() == [1]
    assert endless_look._looking.locked()


def test_the_how_to_reads_what_the_first_command_of_the_readme_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documentation.follow_pages_in(tmp_path, monkeypatch)
    blocks = documentation.blocks_of(documentation.ROOT / "docs" / "howto" / "serve.md")
    documentation.run_bash(next(block for block in blocks if block.language == "bash"))
    (code,) = (block.text for block in blocks if "from_uri" in block.text)
    names: dict[str, Any] = {}
    with tiled_server.served("results") as server:
        exec(code.replace("http://127.0.0.1:8000/api/v1?api_key=...", server.uri), names)
        (uid,) = uids(names["copper"])
        assert_reads_equal(names["client"][uid], open_directory("results")[uid])


def test_integers_that_have_lost_digits_on_the_way_are_warned_of(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    arrays = numpy.ma.masked_array([[1, 2**60 + 1], [2, 3]], [[True, False], [False, False]])
    catalog.store_run({"x": arrays}, uid="arrays", one_event=True)
    with (
        tiled_server.served(tmp_path) as server,
        tiled_server.connected(server.uri) as client,
        pytest.warns(StoreWarning, match=r"column 'x': the server has its integers beyond 2\*\*53 as floats"),
    ):
        assert to_dataset(client["arrays"])["x"].values[0, 0] is None


def test_what_the_how_to_says_is_not_exact_in_one_node_is_exact_in_the_table(tmp_path: Path) -> None:
    stamps = pandas.Series(pandas.to_datetime(["2024-07-01T12:00", None])).dt.tz_localize("Europe/Berlin")
    table = {"nul": ["a\0", None], "large": [2**60 + 1, None], "zoned": stamps}
    open_directory(tmp_path).store_run(table, uid="inexact")
    with tiled_server.served(tmp_path) as server, tiled_server.connected(server.uri) as client:
        stream = client["inexact"]["primary"]
        frame, dataset = stream["table"].read(), stream["dataset"].read()
        assert to_dataset(client["inexact"])["large"].values.tolist() == [2**60 + 1, None]
    assert frame["nul"][0] == "a\0"
    assert frame["large"][0] == 2**60 + 1
    assert frame["zoned"][0] == stamps[0]
    assert frame.isna().to_numpy().tolist() == [[False] * 3, [True] * 3]
    assert dataset["nul"].values.tolist() == ["a", ""]
    assert dataset["zoned"].values[0] == numpy.datetime64("2024-07-01T10:00")
    assert numpy.isnan(dataset["large"].values[1])


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def page(served: tiled_server.Served) -> Iterator[Any]:
    """The list of runs, in a browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed to look at the page with")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
        opened.goto(served.page)
        opened.wait_for_selector("td a")
        yield opened


def go(page: Any, path: str, selector: str) -> None:
    """Go to a node, and wait until an element is shown."""
    page.goto(f"{page.url.partition('?')[0]}{path}")
    page.wait_for_selector(selector)


def rows_of(page: Any) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in page.locator("tbody tr").all()]


def test_the_page_lists_the_runs_with_time_sample_and_name_the_newest_first(page: Any, catalog: Any) -> None:
    assert page.locator("th").all_inner_texts() == ["Time ↓", "Sample", "Name", "Status", "Uid"]
    newest = [(header.start.get("sample", ""), header.uid) for header in headers(catalog)][:20]
    assert [(row[1], row[4]) for row in rows_of(page)] == newest
    year = str(datetime.datetime.now().year)
    assert all(year in row[0] for row in rows_of(page)[1:])
    assert [row[3] for row in rows_of(page)] == ["retracted", *["success"] * 19]
    assert f"1–20 of {len(catalog)}" in page.inner_text("body")


def test_the_page_turns_sorts_and_opens_a_run(page: Any, catalog: Any) -> None:
    page.get_by_text("Older").click()
    page.wait_for_function("document.body.innerText.includes('21–40 of')")
    page.get_by_text("Sample").click()
    page.wait_for_function("document.querySelector('tbody td:nth-child(2)').innerText === 'Cu'")
    page.locator("td a", has_text="with-nulls").click()
    page.wait_for_selector("[data-id=primary]")


def test_the_page_shows_a_table_with_blanks_for_missing_values(page: Any) -> None:
    go(page, "blanks/primary/table", "[role=gridcell][data-field=label]")
    labels, flags = (page.locator(f"[role=gridcell][data-field={name}]") for name in ("label", "flag"))
    assert labels.all_inner_texts() == ["a", "", "c", "d"]
    assert flags.all_inner_texts() == ["true", "", "false", "true"]


def test_the_page_shows_images_with_a_slider_of_frames(page: Any) -> None:
    go(page, "images-in-assets/primary/data/image", "input[type=range]")
    assert page.get_attribute("input[type=range]", "max") == "4"
    assert "3-dimensional" in page.inner_text("body")


def test_the_page_plots_a_spectrum(page: Any) -> None:
    go(page, "spectrum/primary/dataset/counts", ".recharts-line-curve")
    assert page.locator(".recharts-line-curve").count() == 1
