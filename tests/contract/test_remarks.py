"""Remarks on stored runs: kept beside them, by whom and when, and never among them."""

from __future__ import annotations

import getpass
import json
import re
import time

import pytest

from databroker_writable import (
    InvalidCatalogError,
    InvalidMetadataError,
    NotWritableError,
    StoreWarning,
    build_simple_run,
    open_directory,
)
from databroker_writable.results.displays import _display_of_run
from databroker_writable.results.remarks import remarks, retractions, tags_of
from databroker_writable.upkeep import examine


def uid_of(run):
    return run.metadata["start"]["uid"]


def retracted(catalog):
    """The uids of the runs that were retracted here and not restored."""
    return frozenset(retractions([remarks(catalog)]))


@pytest.fixture
def catalog(site, tmp_path):
    return opened(site, tmp_path)


def opened(site, tmp_path, **kwargs):
    """A new catalog object; a driver of others is told where remarks are kept."""
    place = {"annotations": str(tmp_path / "notes")} if site.is_collecting else {}
    return site.open(**place, **kwargs)


@pytest.fixture
def run(catalog):
    return catalog.store_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})


def test_a_remark_says_what_by_whom_and_when(catalog, run):
    before = time.time()
    catalog.annotate(run, "beam dump at frame 40", tags=["bad-frames", "beam"])
    catalog.annotate(uid_of(run), "looked at again")
    first, second = catalog.annotations(run)
    assert (first["text"], first["tags"]) == ("beam dump at frame 40", ["bad-frames", "beam"])
    assert (first["run"], first["catalog"], first["user"]) == (uid_of(run), catalog.name, getpass.getuser())
    assert before <= first["time"] < second["time"] <= time.time() + 1
    assert (second["text"], second["tags"], second["verdict"]) == ("looked at again", [], None)


WITHOUT_DEFAULTS = {"uid": "remark-1", "text": "beam dump", "tags": ["beam"], "user": "me", "time": 1.0}
OF_OTHERS = {
    "anything": {"hello": 1},
    "no dict": [1],
    "a time that is none": {"time": float("nan")},
    "a time beyond the calendar": {"time": 1e20},
    "a verdict that is no text": {"verdict": 1},
    "a catalog that is no text": {"catalog": ["a"]},
}


def put(site, tmp_path, name, document):
    """Let another program put a document among the remarks."""
    if site.is_mongo:
        site.database["remarks"].insert_one({"_id": name, **document})
        return
    folder = tmp_path / "notes" if site.is_collecting else site.directory / "remarks"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(document if isinstance(document, str) else json.dumps(document))


def test_a_remark_of_another_program_may_leave_out_what_it_does_not_know(site, catalog, run, tmp_path):
    put(site, tmp_path, "remark-1", {**WITHOUT_DEFAULTS, "run": uid_of(run)})
    put(site, tmp_path, "remark-2", {**WITHOUT_DEFAULTS, "uid": "remark-2", "run": "elsewhere"})
    assert catalog.annotations(run) == [{**WITHOUT_DEFAULTS, "run": uid_of(run), "catalog": None, "verdict": None}]
    assert catalog.annotations("elsewhere")[0]["text"] == "beam dump"
    assert ("remark", "beam dump (me)") in _display_of_run(run).facts
    assert list(catalog.table(tags="beam").index) == [uid_of(run)]
    assert catalog.annotate("elsewhere", "looked at again")["catalog"] is None
    catalog.retract(run, "wrong")
    assert retracted(catalog) == {uid_of(run)}


@pytest.mark.filterwarnings("ignore:.* is not a remark on a run:databroker_writable.StoreWarning")
@pytest.mark.parametrize("content", OF_OTHERS.values(), ids=OF_OTHERS)
def test_what_others_put_among_the_remarks_is_left_alone(site, catalog, run, tmp_path, content):
    if site.is_mongo and (not isinstance(content, dict) or (site.is_ferretdb and "time" in content)):
        pytest.skip("no document for this server")
    is_like_a_remark = isinstance(content, dict) and "hello" not in content
    content = {**WITHOUT_DEFAULTS, "run": uid_of(run), **content} if is_like_a_remark else content
    put(site, tmp_path, "remark-1", content)
    assert list(catalog.table()["tags"]) == [""]
    assert catalog.annotations(run) == []
    assert not {"remark", "tags"} & dict(_display_of_run(run).facts).keys()
    catalog.annotate(run, "mine")
    assert [remark["text"] for remark in catalog.annotations(run)] == ["mine"]
    catalog._backend.remove_remarks(uid_of(run))
    assert catalog.annotations(run) == []
    if site.is_mongo:
        (kept,) = site.database["remarks"].find()
        assert kept["_id"] == "remark-1"


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_file_among_the_remarks_that_is_nested_too_deeply_is_named(site, catalog, run, tmp_path):
    put(site, tmp_path, "deep", "[" * 200_000)
    with pytest.warns(StoreWarning, match=r"deep\.json is not a remark on a run \(it is nested too deeply\)"):
        assert len(catalog.table()) == 1
    assert [finding.category for finding in examine(catalog).findings] == ["bad-remark"]


def test_remarks_are_seen_from_another_catalog_object(site, catalog, run, tmp_path):
    other = opened(site, tmp_path)
    assert other.annotations(uid_of(run)) == []
    catalog.annotate(run, "µ-XRF at 4 °C\nsecond line", tags=["größer"])
    assert other.annotations(uid_of(run)[:12]) == catalog.annotations(run) != []
    assert tags_of(other) == {uid_of(run): ["größer"]}


def test_remarks_are_not_among_the_runs(site, catalog, run, tmp_path):
    catalog.annotate(run, tags=["good"])
    catalog.retract(run, reason="wrong edge")
    for seen in (catalog, opened(site, tmp_path)):
        assert list(seen) == [uid_of(run)]
        assert len(seen) == 1
        assert uid_of(seen[-1]) == uid_of(run)
        assert list(seen.search({"sample": "Cu"})) == [uid_of(run)]
        assert seen[uid_of(run)].primary.read()["x"].values.tolist() == [1, 2, 3]


def test_tags_come_once_in_the_order_in_which_they_were_given(catalog, run):
    catalog.annotate(run, tags=["b", "a", "b"])
    catalog.annotate(run, tags=("c", " a "))
    assert tags_of(catalog) == {uid_of(run): ["b", "a", "c"]}


def test_the_last_verdict_counts(site, catalog, run, tmp_path):
    assert retracted(catalog) == frozenset()
    catalog.retract(run, reason="wrong edge")
    assert retracted(catalog) == retracted(opened(site, tmp_path)) == {uid_of(run)}
    catalog.restore(run, reason="it was right")
    assert retracted(catalog) == frozenset()
    catalog.retract(run, "it was not")
    assert retracted(catalog) == {uid_of(run)}
    assert [remark["text"] for remark in catalog.annotations(run)] == ["wrong edge", "it was right", "it was not"]
    assert [remark["verdict"] for remark in catalog.annotations(run)] == ["retracted", "restored", "retracted"]


def test_a_verdict_comes_after_one_of_a_clock_that_is_ahead(catalog, run, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 4e9)
    catalog.retract(run, reason="wrong edge")
    monkeypatch.undo()
    catalog.restore(run)
    assert retracted(catalog) == frozenset()


def test_a_run_of_a_guarded_catalog_is_annotated_in_that_of_the_results(site, catalog, run, tmp_path):
    if site.kind == "adopted":
        pytest.skip("make_writable guards nothing")
    raw = opened(site, tmp_path, name="raw", writable=False)[uid_of(run)]
    results = open_directory(tmp_path / "results", name="results")
    before = site.snapshot()
    with pytest.raises(NotWritableError, match=r"writable: false; annotate its runs in the catalog of your results"):
        raw.catalog_object.annotate(raw, "beam dump")
    results.annotate(raw, "beam dump", tags=["bad-frames"])
    results.retract(raw, reason="shutter closed")
    assert [remark["catalog"] for remark in results.annotations(raw)] == ["raw", "raw"]
    assert results.annotations(uid_of(run)) == results.annotations(raw)
    assert retracted(results) == {uid_of(run)}
    assert site.snapshot() == before


def test_search_results_take_no_remarks(catalog, run):
    view = catalog.search({"sample": "Cu"})
    for add in (view.annotate, view.retract):
        with pytest.raises(NotWritableError, match="in the catalog that was searched"):
            add(run, "beam dump")
    assert catalog.annotations(run) == []


def test_search_results_know_the_remarks_of_their_catalog(site, catalog, run):
    if site.is_collecting:
        pytest.skip("a facility's own search hands no options on, and so does not tell where remarks are kept")
    catalog.annotate(run, tags=["good"])
    assert tags_of(catalog.search({"sample": "Cu"})) == {uid_of(run): ["good"]}


def test_a_retracted_run_is_stored_elsewhere_with_a_warning(run_here, tmp_path):
    catalog, run = run_here
    catalog.retract(run, "wrong edge")
    other = open_directory(tmp_path / "elsewhere")
    with pytest.warns(StoreWarning, match=f"the run '{uid_of(run)}' is retracted in .*wrong edge.*copy_runs"):
        other.store_run(catalog[uid_of(run)])
    with pytest.warns(StoreWarning, match=r"is retracted in .*wrong edge"):
        other.store_run(catalog.v1[uid_of(run)])
    other.retract(uid_of(run), "wrong edge")
    # nothing is to be said any more
    other.store_run(catalog[uid_of(run)])
    catalog.store_run(catalog.search({})[uid_of(run)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", []), "needs a text or tags; give at least one"),
        (("  \n",), "needs a text or tags; give at least one"),
        (
            ("a" * 10_000_000,),
            "at most 10,000 characters, but this one has 10,000,000; store longer text as an attachment",
        ),
        ((b"bytes",), "a remark must be text, not b'bytes'"),
        ((None, ["good"]), "a remark must be text, not None"),
        ((build_simple_run({"x": [1]}),), r"a remark must be text, not .* \(the run comes first\)"),
        (("\ud800",), "the text of a remark"),
        (("x", 5), "tags must be a list of strings, such as .*, not 5"),
        (("x", [1]), "a tag must be one line of text, such as 'bad-frames', not 1"),
        (("x", {"good": 1}), "tags must be a list of strings"),
        (("x", None), "tags must be a list of strings"),
        (("x", [""]), "a tag must be one line of text"),
        (("x", ["two\nlines"]), "a tag must be one line of text"),
        (("x", ["a" * 101]), "a tag can have at most 100 characters, but .* has 101"),
        (("x", ["\ud800"]), "a tag must be one line of text"),
    ],
)
def test_what_is_no_remark_is_refused(arguments, message, run_here):
    catalog, run = run_here
    with pytest.raises(InvalidMetadataError, match=message) as caught:
        catalog.annotate(run, *arguments)
    assert len(str(caught.value)) < 300
    assert catalog.annotations(run) == []


@pytest.fixture
def run_here(tmp_path):
    catalog = open_directory(tmp_path / "here")
    return catalog, catalog.store_run({"x": [1]}, uid="here-1")


def test_a_retraction_without_a_reason_is_refused(run_here):
    catalog, run = run_here
    for reason in ("", " "):
        with pytest.raises(InvalidMetadataError, match=r"say what is wrong with the run: reason='\.\.\.'"):
            catalog.retract(run, reason=reason)
    assert retracted(catalog) == frozenset()


def test_a_remark_is_on_one_run(run_here):
    catalog, run = run_here
    with pytest.raises(InvalidMetadataError, match=r"^retract takes a run or the uid of a run, not \["):
        catalog.retract([run, run], "wrong")


def test_only_a_retracted_run_can_be_restored(catalog, run):
    catalog.annotate(run, "x")
    with pytest.raises(
        InvalidMetadataError, match=r"is not retracted in .*; a retraction is undone in the catalog that"
    ):
        catalog.restore(run, "it was right")
    catalog.retract(run, "wrong")
    catalog.restore(run, "it was right")
    with pytest.raises(InvalidMetadataError, match="is not retracted"):
        catalog.restore(run)
    assert [remark["verdict"] for remark in catalog.annotations(run)] == [None, "retracted", "restored"]


def test_a_run_that_is_not_here_is_refused(catalog, run):
    never_stored = build_simple_run({"x": [1]}, uid="never-stored")
    for other in ("elsewhere-1", never_stored, {"uid": "elsewhere-1", "catalog": None}):
        for ask in (catalog.annotations, lambda run: catalog.annotate(run, "x"), lambda run: catalog.retract(run, "x")):
            with pytest.raises(InvalidMetadataError, match=r"has no run .*; check the uid, or give the run itself"):
                ask(other)
    for nothing in ("", 5, None, {"catalog": "raw"}):
        with pytest.raises(InvalidMetadataError, match="annotate"):
            catalog.annotate(nothing, "x")


def test_a_driver_of_others_says_how_it_takes_remarks(tmp_path):
    from databroker_writable.drivers import WritableCatalog

    catalog = WritableCatalog("support.facility.CollectingCatalog", {"directory": str(tmp_path)})
    run = catalog.store_run({"x": [1]})
    assert catalog.annotations(run) == []
    with pytest.raises(NotWritableError, match="open it with annotations=DIRECTORY"):
        catalog.annotate(run, "x")
    assert catalog.latest() is not None


def test_a_directory_for_remarks_is_refused_where_they_have_a_place(site, tmp_path):
    if site.is_collecting or site.kind == "adopted":
        pytest.skip("no place of its own, or opened without options")
    with pytest.raises(InvalidCatalogError, match=r"this catalog keeps them .*: omit the option"):
        site.open(annotations=str(tmp_path / "notes"))


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]"], indirect=True)
def test_displays_of_a_run_say_what_was_remarked_on_it(catalog):
    run = catalog.store_run({"x": [1]})
    catalog.annotate(run, "beam dump", tags="bad-frames")
    assert "retracted" not in _display_of_run(run).text()
    catalog.retract(run, "wrong sample")
    text = _display_of_run(catalog[run.metadata["start"]["uid"]]).text()
    assert re.search(r"retracted: wrong sample \(.+\)\n  tags: bad-frames\n  remark: beam dump \(", text), text
    catalog.restore(run)
    assert "retracted" not in _display_of_run(run).text()
