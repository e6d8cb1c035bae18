"""What others stored is text: reading it runs nothing, and gives what databroker gives."""

from __future__ import annotations

import os

import pytest
import xarray

from databroker_writable import InvalidMetadataError, make_writable
from support import example_runs

SECRET = "s3cr3t-w0rd"


def texts(directory):
    return {
        "secret": "{{ env(READER_SECRET) }}",
        "command": f"{{{{ shell(['touch', '{directory}/ran']) }}}}",
        "unknown": "{{ sample }}",
        "unfinished": "{% for",
        "comment": r"fit of \frac{#1}{#2}",
        "line": "a line\n",
        "nested": {"list": ["{{ env(READER_SECRET) }}", {"deep": "{{ 6 * 7 }}"}]},
    }


def documents_with(stored):
    """The documents of a run with these texts in its start and stop documents."""
    for name, doc in example_runs.small_documents(uid="of-others"):
        yield name, ({**doc, "note": stored} if name in ("start", "stop") else doc)


def stock_catalog(site):
    """The site as databroker's own class, or the facility's, opens it."""
    return site.stock(**site.args.get("catalog_args", site.args))


def everything(run):
    """The places where a run gives its start and stop documents."""
    for source in (run, run(), run.primary, run.primary(), run["primary"].get()):
        yield source.metadata
    yield run.describe()["metadata"]
    documents = list(run.documents(fill="no"))
    yield {"start": documents[0][1], "stop": documents[-1][1]}


@pytest.fixture
def of_others(catalog, tmp_path, monkeypatch):
    """A run with templates in its metadata, stored through `v1.insert` as an acquisition does."""
    monkeypatch.setenv("READER_SECRET", SECRET)
    for name, doc in documents_with(texts(tmp_path)):
        catalog.v1.insert(name, doc)
    return texts(tmp_path)


def test_templates_in_stored_metadata_are_text(catalog, site, of_others, tmp_path):
    opened = site.open()
    runs = [
        catalog["of-others"],
        opened["of-others"],
        opened["of-oth"],
        opened[-1],
        make_writable(stock_catalog(site))["of-others"],
        opened.search({"uid": "of-others"})["of-others"],
        dict(opened.items())["of-others"],
    ]
    for run in runs:
        for place in everything(run):
            assert place["start"]["note"] == of_others
            assert place["stop"]["note"] == of_others
    header = opened.v1["of-others"]
    assert header.start["note"] == header.stop["note"] == of_others
    assert len(header.table()) == len(runs[0].primary.read().time)
    assert not os.path.exists(tmp_path / "ran")


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
@pytest.mark.parametrize("name", ["{{ env(READER_SECRET) }}", "{% if", "{# x #}"])
def test_template_marks_in_the_path_of_a_run_are_text(site, tmp_path, monkeypatch, name):
    monkeypatch.setenv("READER_SECRET", SECRET)
    directory = tmp_path / name
    catalog = type(site.open())([str(directory / f"*.{site.kind}")])
    catalog.store_run({"x": [1, 2]}, uid="fit-1")
    again = type(catalog)([str(directory / f"*.{site.kind}")])
    for opened in (catalog, again):
        assert opened["fit-1"].primary.read()["x"].values.tolist() == [1, 2]


def test_a_run_gives_what_databroker_gives(catalog, site):
    for name, doc in documents_with({"list": [1, "a", {"b": [None, 1.5]}], "tuple": [1, 2]}):
        catalog.v1.insert(name, doc)
    ours, theirs = site.open()["of-others"], stock_catalog(site)["of-others"]
    assert type(ours) is type(theirs)
    assert repr(ours) == repr(theirs)
    assert list(ours) == list(theirs)
    for our_place, their_place in zip(everything(ours), everything(theirs), strict=True):
        assert same_values_and_types(our_place, their_place)
    for name in ours:
        xarray.testing.assert_identical(ours[name].read(), theirs[name].read())
        xarray.testing.assert_identical(ours[name].to_dask().load(), theirs[name].to_dask().load())
        assert repr(ours[name]) == repr(theirs[name])
        only_one = {"include": [next(iter(ours[name].read().data_vars))]}
        xarray.testing.assert_identical(ours[name](**only_one).read(), theirs[name](**only_one).read())
    assert {**ours.describe(), "args": None} == {**theirs.describe(), "args": None}
    example_runs.assert_identical(list(ours.documents(fill="yes")), list(theirs.documents(fill="yes")))


def same_values_and_types(one, other):
    """Whether two documents are equal, a dict in one being of the same class in the other."""
    if isinstance(one, dict):
        return (
            type(one) is type(other)
            and list(one) == list(other)
            and all(same_values_and_types(one[key], other[key]) for key in one)
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(map(same_values_and_types, one, other))
    return type(one) is type(other) and one == other


def test_a_run_is_opened_once_and_knows_its_catalog(catalog):
    catalog.store_run({"x": [1]}, uid="fit-1")
    run = catalog["fit-1"]
    assert catalog["fit-1"] is run
    assert run() is run
    assert run.primary() is run.primary
    assert run.catalog_object is catalog


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "prefixed", "patching", "collecting", "adopted"], indirect=True)
def test_entries_of_files_are_listed_as_databroker_lists_them(catalog, site):
    catalog.store_run({"x": [1]}, uid="fit-1")
    ours, theirs = site.open().walk(), stock_catalog(site).walk()
    assert list(ours) == list(theirs) == ["fit-1"]
    entry = ours["fit-1"]
    assert isinstance(entry, type(theirs["fit-1"]))
    assert entry.get() is entry.get()
    assert entry.get().metadata["start"] == theirs["fit-1"].get().metadata["start"]
    assert [run.metadata["start"]["uid"] for run in site.open().values()] == ["fit-1"]
    assert list(catalog.filter(lambda entry: entry.name == "fit-1")) == ["fit-1"]


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-normalized[mongomock]"], indirect=True)
def test_databrokers_own_class_runs_templates(catalog, site, tmp_path, monkeypatch):
    """intake 0.6.4. Should this fail one day, decision 10 can go: until then what is built here has no templates."""
    monkeypatch.setenv("READER_SECRET", SECRET)
    for name, doc in documents_with("{{ env(READER_SECRET) }}"):
        catalog.v1.insert(name, doc)
    assert stock_catalog(site)["of-others"].primary.metadata["start"]["note"] == SECRET
    metadata = {"note": texts(tmp_path)}
    for store in (
        lambda: catalog.store_run({"x": [1]}, metadata=metadata),
        lambda: catalog.build_simple_run({"x": [1]}, metadata=metadata),
        lambda: catalog.run_builder(metadata=metadata),
        lambda: catalog.store_run(documents_with(texts(tmp_path))),
    ):
        with pytest.raises(InvalidMetadataError, match="template"):
            store()
