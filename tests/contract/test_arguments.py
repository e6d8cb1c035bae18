"""The arguments of a catalog are checked in one place, and mean the same wherever it is opened again."""

from __future__ import annotations

import os
import pickle

import databroker
import intake
import numpy
import pytest
import yaml

from databroker_writable import InvalidCatalogError, NotWritableError, open_directory
from databroker_writable.drivers import WritableMsgpackCatalog
from support import sites

WRONG = {
    "asset_threshold": ["1 MiB", -1, 2.5, True, []],
    "asset_root": ["", "  ", "s3://bucket/assets", 5, ["a"], b"/assets", "~no-such-user/assets"],
    "metadata_defaults": ["sample", 5, ["sample"], [("sample", "Cu")], {"uid": "fit-1"}, {"time": 1.7e9}],
    "allow_pickle": ["perhaps", "", 2, 0.5, []],
    "index": ["perhaps", "", 2, 0.5, []],
    "writable": ["perhaps", "", 2, 0.5, []],
}
DIRECT = [name for name in sites.ALL_SITES if name not in sites.WRAPPED_SITES]


def opened_from_yaml(site, tmp_path, **more):
    path = tmp_path / "catalog.yml"
    path.write_text(yaml.safe_dump({"sources": {"results": {"driver": site.driver, "args": {**site.args, **more}}}}))
    return intake.open_catalog(str(path))["results"]


@pytest.mark.parametrize("site", DIRECT, indirect=True)
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_an_argument_of_the_wrong_type_is_refused_by_name(site, name, value):
    with pytest.raises(InvalidCatalogError, match=name):
        site.open(**{name: value})
    assert site.snapshot() == {}


@pytest.mark.parametrize("text", ["false", "False", "no", "off", "0"])
def test_a_guard_from_a_variable_guards(site, tmp_path, monkeypatch, text):
    if site.driver is None:
        pytest.skip("mongomock has no URI")
    monkeypatch.setenv("RAW_WRITABLE", text)
    catalog = opened_from_yaml(site, tmp_path, writable="{{ env(RAW_WRITABLE) }}")
    for guarded in (catalog, pickle.loads(pickle.dumps(catalog)), catalog()):
        assert guarded.writable is False
        for store in (
            lambda guarded=guarded: guarded.store_run({"x": [1]}),
            lambda guarded=guarded: guarded.v1.insert("start", {"uid": "a", "time": 1.0}),
        ):
            with pytest.raises(NotWritableError, match="writable: false"):
                store()
    assert site.snapshot() == {}


def test_a_variable_that_is_neither_yes_nor_no_is_refused(site, tmp_path, monkeypatch):
    if site.driver is None:
        pytest.skip("mongomock has no URI")
    monkeypatch.setenv("RAW_WRITABLE", "flase")
    with pytest.raises(InvalidCatalogError, match=r"writable must be true or false, not 'flase'"):
        opened_from_yaml(site, tmp_path, writable="{{ env(RAW_WRITABLE) }}")


@pytest.fixture
def two_directories(tmp_path, monkeypatch):
    """The working directory, and another one."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize("paths", [["results/*.msgpack"], "results/*.msgpack", ["./x/../results/*.msgpack"]])
def test_relative_paths_mean_the_directory_at_opening(two_directories, monkeypatch, paths):
    catalog = WritableMsgpackCatalog(paths, asset_root="arrays", name="results")
    catalog.store_run({"x": numpy.arange(4.0)}, uid="first", one_event=True, asset_threshold=0)
    (two_directories / "catalog.yml").write_text(catalog.yaml())
    pickled = pickle.dumps(catalog)
    monkeypatch.chdir(two_directories / "there")
    again = [
        catalog,
        pickle.loads(pickled),
        intake.open_catalog(str(two_directories / "catalog.yml"))["results"],
        catalog(),
        catalog.search({}),
    ]
    for opened in again:
        assert opened["first"].primary.read()["x"].values.tolist() == [[0, 1, 2, 3]]
    catalog.store_run({"x": [2]}, uid="second")
    assert os.listdir(two_directories / "there") == []
    assert sorted(os.listdir(two_directories / "here")) == ["arrays", "results"]
    again[1].force_reload()
    assert sorted(again[1]) == ["first", "second"]


def test_a_working_directory_with_wildcards_in_its_name_is_itself(two_directories, monkeypatch):
    (two_directories / "[a]*").mkdir()
    monkeypatch.chdir(two_directories / "[a]*")
    catalog = WritableMsgpackCatalog(["results/*.msgpack"])
    catalog.store_run({"x": [1]}, uid="first")
    assert list(WritableMsgpackCatalog(["results/*.msgpack"])) == ["first"]


def test_the_name_of_a_catalog_is_no_new_directory(two_directories, monkeypatch):
    monkeypatch.setattr(databroker, "catalog", {"results-of-all": None})
    monkeypatch.chdir(two_directories / "here")
    with pytest.raises(InvalidCatalogError, match=r"as databroker\.catalog\['results-of-all'\], or give '\./res"):
        open_directory("results-of-all")
    assert os.listdir() == []
    open_directory("./results-of-all").store_run({"x": [1]}, uid="first")
    assert list(open_directory("results-of-all")) == ["first"]


def test_a_broken_catalog_of_others_does_not_prevent_a_new_directory(two_directories, monkeypatch):
    class Broken:
        def __iter__(self):
            raise yaml.YAMLError("broken")

    monkeypatch.setattr(databroker, "catalog", Broken())
    monkeypatch.chdir(two_directories / "here")
    assert list(open_directory("new")) == []


def test_a_tilde_is_the_home(two_directories):
    WritableMsgpackCatalog(["~/results/*.msgpack"], asset_root="~/arrays").store_run({"x": [1]}, uid="first")
    assert list(open_directory("~/results")) == ["first"]
    assert list(open_directory("~//results")) == ["first"]
    assert list(WritableMsgpackCatalog(["~//results/*.msgpack"])) == ["first"]
    assert os.listdir(two_directories / "here") == []
    for opener in (open_directory, lambda path: WritableMsgpackCatalog([path + "/*.msgpack"])):
        with pytest.raises(InvalidCatalogError, match="no user 'no-such-user' is known"):
            opener("~no-such-user/results")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "path is empty"),
        (" ", "path is empty"),
        ("s3://bucket/results", "not the URL"),
        ("file:///results", "not the URL"),
        ("results/*.msgpack", r"names run files; give their directory, as in open_directory\('.*/results'\)"),
        ("results/run-1.msgpack", "names run files; give their directory"),
        ("file", "is not a directory; give the directory"),
        (5, "path must be the path of a directory, not 5"),
        (b"results", "path must be the path of a directory"),
        (None, "path must be the path of a directory"),
    ],
)
def test_open_directory_refuses_what_names_no_directory(two_directories, path, message):
    (two_directories / "here" / "file").write_text("text")
    with pytest.raises(InvalidCatalogError, match=message):
        open_directory(path)
    assert os.listdir(two_directories / "here") == ["file"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (5, "paths must be a list of globs, not 5"),
        ([5], r"paths must be globs of run files, such as 'DIRECTORY/\*.msgpack', not 5"),
        ([""], "paths is empty"),
    ],
)
def test_paths_that_are_no_globs_are_refused(paths, message):
    with pytest.raises(InvalidCatalogError, match=message):
        WritableMsgpackCatalog(paths)


@pytest.mark.parametrize("site", DIRECT, indirect=True)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"handler_registry": ["A"]}, r"^handler_registry must be a dict of handlers by their spec, not \['A'\]"),
        ({"handler_registry": {"A": "no.such.Handler"}}, "handler_registry names 'no.such.Handler' for 'A', which"),
        ({"handler_registry": {"A": "json.Handler"}}, "cannot be imported .module 'json' has no attribute 'Handler'"),
        ({"handler_registry": {"A": "Handler"}}, "handler_registry names 'Handler' for 'A', which cannot be imported"),
        ({"transforms": {"start": "no.such.function"}}, "transforms names 'no.such.function' for 'start', which"),
        ({"transforms": {"begin": dict}}, "transforms has the key 'begin'; it takes functions by the documents that"),
    ],
)
def test_code_that_an_argument_names_wrongly_is_named(site, arguments, message):
    with pytest.raises(InvalidCatalogError, match=message):
        site.open(**arguments)
    assert site.snapshot() == {}


def test_transforms_are_a_dict(tmp_path):
    with pytest.raises(InvalidCatalogError, match="transforms must be a dict of functions by the documents that they"):
        open_directory(tmp_path / "results", transforms="json.dumps")


@pytest.mark.parametrize("paths", ["", [""], ["s3://bucket/*.msgpack"], 5, [5], None, [None]])
def test_paths_that_name_no_files_are_refused(two_directories, paths):
    with pytest.raises(InvalidCatalogError, match="paths"):
        WritableMsgpackCatalog(paths)
    assert os.listdir(two_directories / "here") == []
