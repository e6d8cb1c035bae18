"""A writable catalog is opened, shown, described and opened again as any catalog of intake."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import types

import dask.base
import event_model
import intake
import numpy
import pytest
import yaml
from databroker._drivers.msgpack import BlueskyMsgpackCatalog
from databroker.core import BlueskyRunFromGenerator

from databroker_writable import InvalidCatalogError, NotWritableError, make_writable, open_directory, to_dataset
from databroker_writable.catalog.wrapping import writable_class
from databroker_writable.drivers import WritableCatalog, WritableMongoEmbeddedCatalog, WritableMongoNormalizedCatalog
from support import example_runs, new_process, sites

SECRET = "s3cr3t-w0rd"
OURS = {"store_run", "store_runs", "build_simple_run", "run_builder"}


def write_yaml(path, driver, args, **more):
    path.write_text(yaml.safe_dump({"sources": {"results": {"driver": driver, "args": args, **more}}}))
    return str(path)


@pytest.fixture
def from_yaml(site, tmp_path):
    """Opens the site from a YAML file."""
    if site.driver is None:
        pytest.skip("mongomock has no URI")
    path = write_yaml(tmp_path / "catalog.yml", site.driver, site.args, metadata={"owner": "BL7"})
    return lambda: intake.open_catalog(path)["results"]


def test_a_working_directory_that_was_deleted_matters_only_to_relative_paths(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    catalog = open_directory(tmp_path / "runs", asset_threshold=0)
    run = catalog.store_run({"image": numpy.zeros((2, 5, 5))}, uid="run-1")
    assert to_dataset(run)["image"].values.shape == (2, 5, 5)
    assert list(type(catalog)([str(tmp_path / "runs" / "*.msgpack")])) == ["run-1"]
    for opening in (lambda: open_directory("runs"), lambda: type(catalog)(["runs/*.msgpack"])):
        with pytest.raises(InvalidCatalogError, match="the working directory, to which that is relative, was deleted"):
            opening()


def test_dir_names_our_methods_and_databrokers(catalog):
    catalog.store_run(example_runs.TABLE, uid="fit-1")
    assert set(dir(catalog)) >= OURS
    assert {"search", "v1", "v2", "items"} <= set(dir(catalog))


def test_shown_by_its_name_and_driver(catalog):
    assert "contract" in repr(catalog)
    assert catalog.name == "contract"
    assert type(catalog).__name__.startswith("Writable")
    assert type(catalog).__doc__


def test_a_catalog_of_yaml_stores(from_yaml, site):
    catalog = from_yaml()
    stored = catalog.store_run(example_runs.TABLE, metadata={"sample": "Cu"})
    assert from_yaml()[stored.metadata["start"]["uid"]].metadata["start"]["sample"] == "Cu"
    assert catalog.name == "results"
    assert catalog.metadata["owner"] == "BL7"


def test_described_as_intake_describes(from_yaml):
    description = from_yaml().describe()
    assert description["name"] == "results"
    assert description["metadata"]["owner"] == "BL7"
    assert "writable" in str(description["plugin"])


def test_yaml_opens_it_again(from_yaml, tmp_path):
    catalog = from_yaml()
    uid = catalog.store_run(example_runs.TABLE).metadata["start"]["uid"]
    (tmp_path / "again.yml").write_text(catalog.yaml())
    again = intake.open_catalog(str(tmp_path / "again.yml"))["results"]
    assert type(again) is type(catalog)
    assert again[uid].metadata["start"]["uid"] == uid
    again.store_run({"x": [1]})
    assert len(from_yaml()) == 2


def test_yaml_of_a_catalog_made_in_python_opens_it_again(site, catalog, tmp_path):
    if site.driver is None:
        pytest.skip("mongomock has no URI")
    catalog.store_run(example_runs.TABLE)
    (tmp_path / "again.yml").write_text(catalog.yaml())
    again = intake.open_catalog(str(tmp_path / "again.yml"))["contract"]
    again.store_run({"x": [1]})
    assert len(site.open()) == 2


def test_pickled_and_back_it_stores(site, catalog):
    if site.driver is None:
        with pytest.raises(pickle.PicklingError, match="with a URI"):
            pickle.dumps(catalog)
        return
    uid = catalog.store_run(example_runs.TABLE).metadata["start"]["uid"]
    again = pickle.loads(pickle.dumps(catalog))
    assert again.name == catalog.name
    assert isinstance(again, site.stock)
    assert again[uid].metadata["start"]["uid"] == uid
    again.store_run({"x": [1]})
    assert len(site.open()) == 2


ODD_NAMES = [
    "scan {{x}}",
    "{{ env(DW_UNSET) }}",
    "{{ 1 + 1 }}'\"",
    "{% if %}",
    "{# a #}",
    "back\\{{slash}}",
    "a}}",
    "two\r\nlines",
]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("options", [{}, {"asset_root": "elsewhere {{x}}\n"}])
def test_a_directory_whose_name_looks_like_a_template_is_opened_by_its_name(name, options, tmp_path):
    # intake renders the arguments of an entry as Jinja templates
    where = tmp_path / name
    metadata = {"proposal": "{{ env(HOME) }}", "tags": ["{{x}}", ["{% if %}"]]}
    options = {key: str(tmp_path / value) for key, value in options.items()}
    catalog = open_directory(where, name="results", metadata=metadata, **options)
    catalog.store_run({"x": [1]}, uid="fit-1")
    (tmp_path / "again.yml").write_text(catalog.yaml())
    for again in (
        pickle.loads(pickle.dumps(catalog)),
        pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(catalog)))),
        intake.open_catalog(str(tmp_path / "again.yml"))["results"],
    ):
        assert again.paths == catalog.paths
        assert again.asset_root == catalog.asset_root
        assert list(again) == ["fit-1"]
        assert again.metadata["proposal"] == "{{ env(HOME) }}"
        assert [*again.metadata["tags"][0], *again.metadata["tags"][1]] == [*"{{x}}", "{% if %}"]
    exported = catalog.export(str(tmp_path / "exported"))
    assert exported["fit-1"].primary.read()["x"].values.tolist() == [1]
    assert pickle.loads(pickle.dumps(catalog)) == catalog


def test_equal_to_itself_to_its_pickle_and_to_what_is_opened_alike(site, catalog):
    catalog.store_run(example_runs.TABLE, uid="fit-1")
    assert catalog == catalog
    assert {catalog: "found"}[catalog] == "found"
    assert dask.base.tokenize(catalog) == dask.base.tokenize(catalog)
    assert catalog != catalog.search({"uid": "fit-1"})
    assert catalog != site.open(name="another")
    if site.driver is not None:  # mongomock's database objects cannot be compared
        alike = [pickle.loads(pickle.dumps(catalog)), copy.copy(catalog), copy.deepcopy(catalog), site.open()]
        assert {catalog, *alike} == {catalog}


def test_a_copy_stores_into_the_same_place(site, catalog):
    copied = copy.copy(catalog)
    stored = copied.store_run(example_runs.TABLE, uid="fit-1")
    assert list(site.open()) == ["fit-1"]
    assert stored.metadata["start"]["uid"] == "fit-1"
    assert list(copy.copy(catalog.search({"uid": "fit-1"}))) == ["fit-1"]


def test_make_writable_takes_the_options_of_catalogs(tmp_path):
    stock = BlueskyMsgpackCatalog([f"{tmp_path}/*.msgpack"])
    for catalog in (stock, make_writable(stock)):
        with pytest.raises(InvalidCatalogError, match="has no option 'asset_rot'; did you mean 'asset_root'"):
            make_writable(catalog, asset_rot="/data")
    with pytest.raises(NotWritableError, match="writable: false"):
        make_writable(stock, writable=False).store_run(example_runs.TABLE)


@pytest.mark.parametrize(
    "reopen",
    [
        pytest.param(lambda catalog: catalog.configure_new(), id="configure_new"),
        pytest.param(lambda catalog: catalog(), id="call"),
        pytest.param(lambda catalog: catalog.get(), id="get"),
        pytest.param(lambda catalog: catalog.v2, id="v2"),
        pytest.param(lambda catalog: catalog.v1.v2, id="v1.v2"),
        pytest.param(make_writable, id="make_writable"),
        pytest.param(lambda catalog: make_writable(catalog.v1), id="make_writable of v1"),
    ],
)
def test_what_a_catalog_gives_of_itself_stays_writable(catalog, site, reopen):
    again = reopen(catalog)
    assert isinstance(again, site.stock)
    uid = again.store_run(example_runs.TABLE).metadata["start"]["uid"]
    assert uid in site.open()


def test_make_writable_shares_the_state_of_the_original(site):
    if site.is_mongo:
        given = site.args.get("datastore_db", site.args.get("metadatastore_db"))
        original = site.stock(*[given] * len(site.args), name="stock")
    elif site.is_collecting:
        original = site.stock(str(site.directory), name="stock")
    else:
        suffix = "jsonl" if site.kind == "jsonl" else "msgpack"
        original = site.stock([str(site.directory / f"*.{suffix}")], name="stock")
    writable = make_writable(original)
    uid = writable.store_run(example_runs.TABLE).metadata["start"]["uid"]
    assert original[uid].primary.read()["x"].values.tolist() == example_runs.TABLE["x"]
    assert writable.name == "stock"
    assert type(original) is site.stock
    assert make_writable(writable) is writable


SEARCH_PATH = """
import json, sys
import databroker
catalog = databroker.catalog["results"]
run = catalog.store_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})
again = databroker.catalog["results"][run.metadata["start"]["uid"]]
found = "results" in list(databroker.catalog)
print(json.dumps([again.metadata["start"]["sample"], again.primary.read()["x"].values.tolist(), found]))
"""


@pytest.mark.parametrize(
    ("site", "variable"), [("msgpack", "XDG_DATA_HOME"), ("prefixed", "INTAKE_PATH")], indirect=["site"]
)
def test_found_on_the_search_path_by_databroker(site, tmp_path, variable):
    directory = tmp_path / "intake"
    directory.mkdir()
    write_yaml(directory / "catalog.yml", site.driver, site.args)
    env = {**os.environ, variable: str(tmp_path if variable == "XDG_DATA_HOME" else directory)}
    assert json.loads(new_process.output_of(SEARCH_PATH, env=env)) == ["Cu", [1, 2, 3], True]
    assert len(site.open()) == 1


def mongo_catalogs(uri):
    return [WritableMongoNormalizedCatalog(uri, uri, name="lab"), WritableMongoEmbeddedCatalog(uri, name="lab")]


def assert_no_secret(text):
    assert SECRET not in str(text)


def shown(catalog):
    """All that shows of a catalog that need not reach its server."""
    yield repr(catalog)
    yield str(catalog)
    if catalog._entry is not None:  # intake describes only what came from an entry
        yield str(catalog.describe())
    yield catalog.yaml()
    yield pickle.dumps(catalog).decode("latin1")
    data, metadata = {}, {}
    if hasattr(catalog, "_ipython_display_"):
        from IPython.utils.capture import capture_output

        with capture_output() as captured:
            catalog._ipython_display_()
        yield captured.stdout
        for output in captured.outputs:
            data.update(output.data)
            metadata.update(output.metadata)
    yield str(data) + str(metadata)


@pytest.mark.usefixtures("servers_that_are_away_are_not_waited_for")
@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://user:{SECRET}@127.0.0.1:9/db",
        f"mongodb://u%40lab:{SECRET}@127.0.0.1:9/db?authSource=admin",
    ],
    ids=["password", "encoded user"],
)
def test_no_password_given_in_python_shows(uri):
    for catalog in mongo_catalogs(uri):
        for text in shown(catalog):
            assert_no_secret(text)


@pytest.mark.usefixtures("servers_that_are_away_are_not_waited_for")
def test_no_password_of_the_environment_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_PASSWORD", SECRET)
    uri = "mongodb://user:{{ env(LAB_PASSWORD) }}@127.0.0.1:9/db"
    for driver, arguments in {
        "writable-mongo-normalized-catalog": {"metadatastore_db": uri, "asset_registry_db": uri},
        "writable-mongo-embedded-catalog": {"datastore_db": uri},
    }.items():
        for args in (
            (driver, arguments),
            ("writable-catalog", {"catalog_driver": driver.replace("writable", "bluesky"), "catalog_args": arguments}),
        ):
            path = write_yaml(tmp_path / "catalog.yml", *args)
            catalog = intake.open_catalog(path)["results"]
            for text in shown(catalog):
                assert_no_secret(text)
            assert "env(LAB_PASSWORD)" in catalog.yaml()
            again = pickle.loads(pickle.dumps(catalog))
            assert type(again) is type(catalog)
            (tmp_path / "again.yml").write_text(catalog.yaml())
            assert hasattr(type(intake.open_catalog(str(tmp_path / "again.yml"))["results"]), "store_run")


def test_no_password_in_the_error_of_a_server_that_is_away():
    uri = f"mongodb://user:{SECRET}@127.0.0.1:9/db?serverSelectionTimeoutMS=100&connectTimeoutMS=100"
    for catalog in mongo_catalogs(uri):
        with pytest.raises(Exception) as caught:
            catalog.store_run(example_runs.TABLE)
        error = caught.value
        while error is not None:
            assert_no_secret(error)
            assert_no_secret(repr(error))
            error = error.__cause__ or error.__context__
        assert "nothing was published" in str(caught.value)


def test_no_password_in_the_error_of_a_wrong_uri():
    with pytest.raises(InvalidCatalogError) as caught:
        WritableMongoEmbeddedCatalog(f"mongodb://user:{SECRET}@@host:port/db")
    assert_no_secret(caught.value)
    assert caught.value.__suppress_context__


def test_an_unset_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_LAB", raising=False)
    path = write_yaml(
        tmp_path / "catalog.yml", "writable-msgpack-catalog", {"paths": ["{{ env(NO_SUCH_LAB) }}/runs/*.msgpack"]}
    )
    with pytest.raises(InvalidCatalogError, match=r"NO_SUCH_LAB.*not set.*set it"):
        intake.open_catalog(path)["results"].store_run(example_runs.TABLE)
    assert not os.path.exists("/runs")


@pytest.mark.parametrize("site", sites.FILE_SITES, indirect=True)
@pytest.mark.parametrize("is_replaced", [False, True], ids=["gone", "replaced"])
def test_a_directory_that_was_moved_brings_its_arrays_along(site, catalog, tmp_path, is_replaced):
    catalog.store_run({"image": numpy.arange(6).reshape(2, 3)}, uid="old", one_event=True, asset_threshold=0)
    os.rename(site.directory, tmp_path / "archive")
    if is_replaced:
        site.open().store_run({"image": numpy.zeros((2, 3))}, uid="new", one_event=True, asset_threshold=0)
    paths = [str(tmp_path / "archive" / f"*.{site.kind}")]
    loaded = site.stock(paths)
    assert list(loaded) == ["old"]
    for moved in (type(catalog)(paths), make_writable(loaded)):
        assert moved["old"].primary.read()["image"].values.tolist() == [[[0, 1, 2], [3, 4, 5]]]
        assert moved.search({"uid": "old"})["old"].primary.read()["image"].shape == (1, 2, 3)


def test_a_driver_may_make_its_paths_from_its_own_arguments(tmp_path):
    args = {"root": str(tmp_path / "bl7"), "cycle": "2026-1"}
    driver = "support.facility.CycleCatalog"
    catalog = WritableCatalog(driver, args)
    catalog.store_run({"image": numpy.arange(6).reshape(2, 3)}, uid="old", one_event=True, asset_threshold=0)
    catalog.store_run({"x": [1]}, metadata={"sample": "Cu"})
    catalog.annotate("old", "note")
    assert len(catalog.search({"sample": "Cu"})) == len(catalog.results_of("old")) + 1
    assert len(pickle.loads(pickle.dumps(catalog))) == 2
    os.rename(tmp_path / "bl7", tmp_path / "archive")
    moved = WritableCatalog(driver, {**args, "root": str(tmp_path / "archive")})
    assert moved["old"].primary.read()["image"].values.tolist() == [[[0, 1, 2], [3, 4, 5]]]
    mapped = WritableCatalog(driver, {**args, "root": str(tmp_path / "archive"), "root_map": {"/raw": "/mnt/raw"}})
    assert mapped.root_map["/raw"] == "/mnt/raw"


def test_an_argument_that_a_search_does_not_give_is_named(tmp_path):
    class NeedsCycle(BlueskyMsgpackCatalog):
        def __init__(self, cycle, **kwargs):
            super().__init__(f"{tmp_path}/{cycle}/*.msgpack", **kwargs)

    catalog = writable_class(NeedsCycle)("2026-1")
    with pytest.raises(InvalidCatalogError, match="needs 'cycle' among its arguments"):
        catalog.search({"sample": "Cu"})


@pytest.mark.parametrize("site", [*sites.FILE_SITES, "mongo-normalized[mongomock]"], indirect=True)
def test_a_root_map_that_is_no_dict_is_refused(site):
    with pytest.raises(InvalidCatalogError, match="root_map must be a dict"):
        site.open(root_map="/old:/new")


@pytest.mark.parametrize("site", sites.FILE_SITES, indirect=True)
def test_an_asset_root_of_the_same_name_elsewhere_is_read_where_it_is(site, tmp_path):
    table = {"image": numpy.arange(6).reshape(2, 3)}
    options = {"one_event": True, "asset_threshold": 0}
    site.open(asset_root=str(tmp_path / "large" / "assets")).store_run(table, uid="large", **options)
    site.open().store_run(table, uid="beside", **options)
    for uid in ("large", "beside"):
        assert site.open()[uid].primary.read()["image"].shape == (1, 2, 3)


def test_what_intake_exports_opens_the_same_runs(site, tmp_path):
    if site.driver is None:
        pytest.skip("mongomock has no URI")
    catalog = site.open(**site.with_assets(tmp_path))
    catalog.store_run(example_runs.small_documents(uid="one"))
    catalog.store_run({"image": numpy.arange(60).reshape(3, 4, 5)}, uid="two", asset_threshold=0)
    exported = catalog.export(str(tmp_path))
    again = intake.open_catalog(str(tmp_path / "cat.yaml"))
    for runs in (exported, again):
        assert sorted(runs) == ["one", "two"]
        assert runs["one"].primary.read()["x"].values.tolist() == [0.5, 1.5, 2.5]
        assert runs["two"].metadata["start"] == catalog["two"].metadata["start"]
        assert to_dataset(runs["two"])["image"].values.tolist() == numpy.arange(60).reshape(3, 4, 5).tolist()


def test_intake_does_not_persist_the_runs_of_today_in_place_of_a_catalog(catalog, tmp_path, monkeypatch):
    """With what intake 0.6.4 persists, later sessions open a read-only catalog of the runs that there were."""
    store = tmp_path / "persisted"
    monkeypatch.setitem(intake.config.conf, "persist_path", str(store))
    with pytest.raises(NotImplementedError, match="copy_runs"):
        catalog.persist()
    assert not list(store.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("driver", "arguments", "message"),
    [
        ("writable-msgpack-catalog", {"paths": [], "asset_treshold": 1}, "did you mean 'asset_threshold'"),
        ("writable-msgpack-catalog", {"paths": [], "nonsense": 1}, "no argument 'nonsense'; it has .*paths, "),
        ("writable-jsonl-catalog", {"path": []}, "no argument 'path'; did you mean 'paths'"),
        ("writable-mongo-normalized-catalog", {}, "needs 'metadatastore_db' and 'asset_registry_db'"),
        ("writable-catalog", {"driver": "bluesky-msgpack-catalog"}, "needs catalog_driver"),
        ("writable-catalog", {"catalog_driver": "bluesky-msgpak-catalog"}, "did you mean 'bluesky-msgpack-catalog'"),
        (
            "writable-catalog",
            {"catalog_driver": "bluesky-msgpack-catalog", "catalog_args": {"path": []}},
            "no argument 'path'; did you mean 'paths'",
        ),
    ],
)
def test_a_misspelt_argument_is_named_with_what_was_meant(tmp_path, driver, arguments, message):
    path = tmp_path / "catalogs.yml"
    path.write_text(yaml.safe_dump({"sources": {"runs": {"driver": driver, "args": arguments}}}))
    with pytest.raises(InvalidCatalogError, match=message):
        intake.open_catalog(str(path))["runs"]


def test_a_type_error_within_a_driver_is_its_own():
    class Wrong(BlueskyMsgpackCatalog):
        def __init__(self, paths, **kwargs):
            raise TypeError("unsupported operand")

    with pytest.raises(TypeError, match="unsupported operand"):
        writable_class(Wrong)([])


def test_open_directory_names_a_misspelt_option(tmp_path):
    with pytest.raises(InvalidCatalogError, match="no argument 'asset_treshold'; did you mean 'asset_threshold'"):
        open_directory(tmp_path / "results", asset_treshold=1)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("runs/*.msgpack", r"'runs/\*\.msgpack' names run files; .*open_directory\('.*/runs'\)"),
        ("new/*/2024", r"names run files; .*open_directory\('.*/new'\)"),
        ("new/run.jsonl", "names run files"),
        ("table.csv", r"table\.csv' is not a directory; give the directory that holds the run files"),
        ("table.csv/runs", r"table\.csv' is not a directory"),
        ("mine.yml", r"open a catalog that it defines: intake\.open_catalog\('mine\.yml'\)"),
    ],
)
def test_open_directory_of_what_is_no_directory_makes_none(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "table.csv").touch()
    (tmp_path / "mine.yml").touch()
    with pytest.raises(InvalidCatalogError, match=message):
        open_directory(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine.yml", "runs", "table.csv"]
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_that_is_unpickled_is_that_of_the_catalog(site, catalog):
    stored = catalog.store_run(example_runs.TABLE, uid="fit-1")
    if site.driver is None:
        with pytest.raises(pickle.PicklingError, match="with a URI"):
            pickle.dumps(stored)
        return
    found = catalog.search({"uid": "fit-1"})["fit-1"]
    if site.kind in sites.MONGO_SITES:
        with pytest.raises(pickle.PicklingError, match="pickle the catalog and search again"):
            pickle.dumps(found)
        found = stored
    for run in (stored, catalog["fit-1"], found, catalog.latest()):
        again = pickle.loads(pickle.dumps(run))
        assert type(again) is type(run)
        assert again.metadata == run.metadata
        assert to_dataset(again).identical(to_dataset(run))
        assert isinstance(again.catalog_object, site.stock)


def test_a_pool_of_processes_returns_the_runs_that_it_stores(tmp_path):
    catalog = open_directory(tmp_path / "results")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        # what it cannot unpickle, a pool waits for without end
        stored = pool.map_async(catalog.store_run, [{"x": [number]} for number in range(6)]).get(60)
    assert [run.primary.read()["x"].values.tolist() for run in stored] == [[number] for number in range(6)]
    assert {run.metadata["start"]["uid"] for run in stored} == set(open_directory(tmp_path / "results"))


def test_a_stream_that_is_unpickled_or_copied_reads_the_same(site, catalog):
    run = catalog.store_run({"x": [1, 2, 3], "y": [0.5, 1.5, 2.5]}, uid="fit-1")
    chosen = [{}, {"include": ["y"]}, {"exclude": ["y"]}, {"sub_dict": "timestamps"}]
    streams = [run["primary"](**choice) if choice else run["primary"] for choice in chosen]
    for stream in streams:
        assert copy.copy(stream).read().identical(stream.read())
    if site.driver is None:
        with pytest.raises(pickle.PicklingError, match="with a URI"):
            pickle.dumps(run["primary"])
        return
    for stream in streams:
        for again in (pickle.loads(pickle.dumps(stream)), copy.deepcopy(stream)):
            assert again.read().identical(stream.read())
            assert again.metadata == stream.metadata
            assert isinstance(again.catalog_object.catalog_object, site.stock)


def test_the_stream_of_a_stock_catalog_is_copied_as_ever(tmp_path):
    open_directory(tmp_path).store_run({"x": [1, 2, 3]})
    stream = BlueskyMsgpackCatalog(str(tmp_path / "*.msgpack"))[-1].primary
    assert copy.copy(stream).read()["x"].values.tolist() == [1, 2, 3]


def test_the_configuration_of_a_stream_is_copied_as_ever(catalog):
    documents = example_runs.small_documents(uid="fit-1")
    for name, doc in documents:
        if name == "descriptor":
            doc["configuration"] = {
                "det": {
                    "data": {"gain": 2.5},
                    "timestamps": {"gain": 1.0},
                    "data_keys": {"gain": {"source": "sim", "dtype": "number", "shape": []}},
                }
            }
            doc["object_keys"] = {"det": list(doc["data_keys"])}
    configuration = catalog.store_run(documents)["primary"].config["det"]
    assert copy.copy(configuration).read().identical(configuration.read())


def test_a_run_that_was_made_without_a_catalog_is_copied_as_ever():
    documents = example_runs.small_documents(uid="fit-1")
    unchanged = dict.fromkeys(("start", "stop", "resource", "descriptor"), lambda doc: doc)
    run = BlueskyRunFromGenerator(
        lambda: iter(documents),
        (),
        {},
        get_filler=lambda coerce=None: event_model.Filler({}, inplace=False),
        entry=types.SimpleNamespace(name="fit-1"),
        transforms=unchanged,
    )
    assert copy.copy(run).metadata == run.metadata


def test_a_directory_that_is_only_read_is_not_made(tmp_path):
    with pytest.raises(
        InvalidCatalogError, match=r"there is no directory '.*typo' to read; is its file system mounted"
    ):
        open_directory(tmp_path / "typo", writable=False)
    assert not (tmp_path / "typo").exists()
