"""`RunChecker` decides whether documents may be stored, each when it comes, and a refusal leaves no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import event_model
import numpy
import pytest

from databroker_writable import InvalidMetadataError, InvalidRunError, InvalidTableError, StoreError, build_simple_run
from databroker_writable.runs.builder import RunBuilder
from databroker_writable.runs.checker import RunChecker, check_documents, check_inserted
from databroker_writable.runs.document_checks import check_document
from databroker_writable.tables.backend_limits import ANY_BACKEND, INT64, Limits
from support import example_runs

SMALL = Limits("a small backend", binary=True, integers=INT64, event_bytes=1000, page_bytes=1000)


def given(rows: int = 3, **metadata: Any) -> list[tuple[str, dict[str, Any]]]:
    return copy.deepcopy(example_runs.small_documents(rows=rows, **metadata))


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a column too many": lambda page: page["data"].update(y=[1.0] * 3),
    "a value that cannot be held": lambda page: page["data"].update(x=[1.0, 2.0, object()]),
    "a time that is none": lambda page: page.update(time=[1.0, 2.0, -1.0]),
    "a uid twice": lambda page: page.update(uid=["a", "a", "b"]),
    "a uid of the page before": lambda page: page["uid"].reverse() or page.update(uid=[*page["uid"][:2], "first"]),
    "a column too short": lambda page: page["data"].update(x=[1.0]),
    "a part that is not read back": lambda page: page.update(comment="good"),
    "too many bytes": lambda page: page["data"].update(x=["x" * 1000] * 3),
    "an integer that is too large": lambda page: page["data"].update(x=[1, 2, 2**63]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_good_page_can_follow_one_that_was_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    start, descriptor, (_, page), stop = given()
    page["seq_num"] = [1, 2, 3]
    bad = copy.deepcopy(page)
    first = {**copy.deepcopy(page), "uid": ["first", "second", "third"], "seq_num": [4, 5, 6]}
    change(bad)
    checker = RunChecker(SMALL)
    for name, doc in (start, descriptor, ("event_page", first)):
        checker(name, doc)
    before = copy.deepcopy(vars(checker))
    with pytest.raises(StoreError):
        checker("event_page", bad)
    assert vars(checker) == before
    assert checker("event_page", page)[1]["uid"] == page["uid"]
    checker("stop", {**stop[1], "num_events": {"primary": 6}})


def test_any_document_can_follow_one_that_was_refused() -> None:
    documents = given()
    spoilt = {
        "start": {"scan_id": "seven"},
        "descriptor": {"run_start": "other"},
        "event_page": {"descriptor": "other"},
        "stop": {"num_events": {"primary": 17}},
    }
    checker = RunChecker()
    for name, doc in documents:
        before = copy.deepcopy(vars(checker))
        with pytest.raises(StoreError):
            checker(name, {**doc, **spoilt[name]})
        assert vars(checker) == before
        checker(name, doc)
    assert checker.stop == documents[-1][1]


def test_a_page_that_is_forgotten_does_not_count() -> None:
    start, descriptor, page, stop = given()
    checker = RunChecker()
    for name, doc in (start, descriptor, page):
        checked = checker(name, doc)
    checker.forget([checked])
    checker(*page)
    checker(*stop)


def test_only_what_stays_in_the_documents_must_be_held_by_the_backend() -> None:
    start, descriptor, (_, page), _ = given()
    descriptor[1]["data_keys"]["image"] = {"dtype": "array", "shape": [1000], "source": "test"}
    page["data"]["image"] = numpy.zeros((3, 1000))
    page["timestamps"]["image"] = page["timestamps"]["x"]
    seen: list[str] = []

    def without_image(page: dict[str, Any], descriptor: dict[str, Any]) -> dict[str, Any]:
        seen.append(descriptor["name"])
        return {**page, "data": {key: values for key, values in page["data"].items() if key != "image"}}

    checker, strict = RunChecker(SMALL, without_image), RunChecker(SMALL)
    for name, doc in (start, descriptor):
        checker(name, doc)
        strict(name, doc)
    _, checked = checker("event_page", page)
    assert checked["data"]["image"] is page["data"]["image"]
    assert seen == ["primary"]
    with pytest.raises(InvalidTableError, match=r"in column 'image'; a small backend holds"):
        strict("event_page", page)


def test_a_column_for_which_there_is_no_place_is_refused_before_the_page_counts() -> None:
    start, descriptor, page, _ = given()

    def nowhere(page: dict[str, Any], descriptor: dict[str, Any]) -> dict[str, Any]:
        raise InvalidTableError("no place")

    checker = RunChecker(inline=nowhere)
    checker(*start), checker(*descriptor)
    before = copy.deepcopy(vars(checker))
    with pytest.raises(InvalidTableError, match="no place"):
        checker(*page)
    assert vars(checker) == before


@pytest.mark.parametrize(
    ("name", "change", "error", "words"),
    [
        ("start", {"n": 2**63}, InvalidMetadataError, r"metadata\['n'\].*beyond.*a small backend"),
        (
            "start",
            {"text": "x" * 1000},
            InvalidMetadataError,
            r"metadata takes up to.*in 'text'.*as columns of a stream",
        ),
        ("descriptor", {"hints": {"a": 2**63}}, InvalidRunError, r"the descriptor.*beyond.*a small backend"),
    ],
)
def test_what_the_backend_cannot_hold_beside_events_is_refused(
    name: str, change: Any, error: type[Exception], words: str
) -> None:
    checker = RunChecker(SMALL)
    for given_name, doc in given():
        if given_name == name:
            with pytest.raises(error, match=words):
                checker(name, {**doc, **change})
            return
        checker(given_name, doc)


def test_a_document_that_was_checked_when_it_was_built_must_still_be_held_by_the_backend() -> None:
    _, start = RunChecker()("start", {"uid": "fit-1", "time": 1.0, "n": 2**63})
    with pytest.raises(InvalidMetadataError, match="a small backend"):
        RunChecker(SMALL)("start", start)


WORDS = {
    "a date": (
        {"time": "2024-05-31"},
        r"metadata\['time'\] is '2024-05-31'; event-model expects a number, seconds since 1970, as "
        r"datetime\.datetime\.fromisoformat\('2024-05-31'\)\.timestamp\(\) gives them$",
    ),
    "one type": ({"scan_id": "seven"}, r"metadata\['scan_id'\] is 'seven'; event-model expects an integer$"),
    "digits for a number": (
        {"scan_id": "0042"},
        r"metadata\['scan_id'\] is '0042'; event-model expects an integer: give the number 42, without leading zeros "
        r"and quotation marks, or keep the text '0042' under another key$",
    ),
    "more digits than a number has in Python": (
        {"scan_id": "7" * 5000},
        r"^scan_id must be a whole number, and other values can have another key: metadata\['scan_id'\] is '777",
    ),
    "either of two": (
        {"sample": 5},
        r"metadata\['sample'\] is 5; event-model expects (a string or an object|an object or a string)$",
    ),
    "a number as text": ({"sample": 5}, r"^sample must be text or a dict, such as '5': metadata\['sample'\] is 5;"),
    "a list as text": ({"group": ["a", 1]}, r"^group must be text, such as 'a, 1': metadata\['group'\] is "),
    "nothing as text": ({"owner": float("nan")}, r"^owner must be text, or left out: metadata\['owner'\] is nan;"),
    "text as a list": ({"data_groups": "a"}, r"^data_groups must be a list, such as \['a'\]: metadata"),
    "deep in a list": (
        {"hints": {"dimensions": [[[1], "primary"]]}},
        r"metadata\['hints'\]\['dimensions'\]\[0\]\[0\](\[0\])? is .*; event-model expects",
    ),
    "none of several forms": (
        {"projections": [{"name": "a", "version": 5, "configuration": {}, "projection": {}}]},
        r"metadata\['projections'\]\[0\]\['version'\] is 5; event-model expects a string$",
    ),
    "a form that is refused": (
        {"projections": [{"version": "1", "configuration": {}, "projection": {"x": {"type": "linked"}}}]},
        r"metadata\['projections'\]\[0\]\['projection'\]\['x'\]",
    ),
}


@pytest.mark.parametrize(("metadata", "words"), WORDS.values(), ids=WORDS)
def test_the_best_match_of_a_schema_says_what_is_wrong(metadata: Any, words: str) -> None:
    with pytest.raises(InvalidMetadataError, match=words) as caught:
        check_document("start", {"uid": "fit-1", "time": 1.0, **metadata}, ANY_BACKEND)
    assert "None" not in str(caught.value)


@pytest.mark.skipif(
    "dtype_numpy" not in str(event_model.schemas[event_model.DocumentNames.descriptor]),
    reason="earlier versions of event-model say nothing of dtype_numpy",
)
def test_a_data_key_that_fits_no_form_says_which() -> None:
    start, descriptor, *_ = given()
    descriptor[1]["data_keys"]["x"]["dtype_numpy"] = 5
    checker = RunChecker()
    checker(*start)
    with pytest.raises(
        InvalidRunError, match=r"\['x'\]\['dtype_numpy'\] is 5; event-model expects (a string|an array) or"
    ):
        checker(*descriptor)


@pytest.mark.parametrize("value", [b"abc", 1 + 2j, [b"abc", {"z": 1j}], 2**64 - 1, float("nan"), -(2**63)])
def test_values_that_are_not_json_fit_the_schemas(value: Any) -> None:
    start = {"uid": "fit-1", "time": 1.0, "value": value}
    assert check_document("start", {**start, "scan_id": 7}, ANY_BACKEND)["scan_id"] == 7
    with pytest.raises(InvalidMetadataError, match="integer"):
        check_document("start", {**start, "scan_id": "seven"}, ANY_BACKEND)


@pytest.mark.parametrize("name", ["start", "descriptor", "event_page", "stop"])
def test_the_key_under_which_mongodb_numbers_documents_is_refused(name: str) -> None:
    documents = [(n, {**doc, "_id": "sample-17"} if n == name else doc) for n, doc in given()]
    with pytest.raises(StoreError, match="'_id'"):
        check_documents(documents)
    with pytest.raises(StoreError, match=r"'_id'.*rename it.*'id'"):
        check_inserted(name, dict(documents)[name], ANY_BACKEND)


@pytest.mark.parametrize("name", ["event", "datum", "event_page"])
def test_a_part_that_readers_do_not_give_is_refused(name: str) -> None:
    start, descriptor, (_, page), stop = given(rows=1)
    lone = {"event": {"time": 1.0}, "datum": {"datum_id": "a", "resource": "r", "datum_kwargs": {}}, "event_page": page}
    event = {**{key: values[0] for key, values in page.items() if isinstance(values, list)}, **page}
    event.update({part: {key: values[0] for key, values in page[part].items()} for part in ("data", "timestamps")})
    event.update(uid="a", time=1.0, seq_num=1)
    doc = {**(event if name == "event" else lone[name]), "comment": "good"}
    with pytest.raises(InvalidRunError, match=r"'comment'.*not be read back.*column"):
        check_documents([start, descriptor, (name, doc), stop])


ABSURD_TIMES = {
    "milliseconds": (1.7e12, "milliseconds.*divide by 1000"),
    "microseconds": (1.7e15, "microseconds.*divide by 1e"),
    "nanoseconds": (1.7e18, "nanoseconds.*divide by 1e"),
    "beyond all": (1e300, "POSIX seconds"),
    "negative": (-1.0, "counted from 1970"),
    "not finite": (float("inf"), "finite"),
}


@pytest.mark.parametrize(("time", "words"), ABSURD_TIMES.values(), ids=ABSURD_TIMES)
@pytest.mark.parametrize("name", ["start", "descriptor", "event_page", "stop"])
def test_a_time_that_is_none_is_refused_in_every_document(name: str, time: float, words: str) -> None:
    changed = [
        (n, {**doc, "time": [1.0, 2.0, time] if n == "event_page" else time} if n == name else doc)
        for n, doc in given()
    ]
    with pytest.raises(StoreError, match=rf"time.*({words}|not finite numbers)"):
        check_documents(changed)


@pytest.mark.parametrize(("time", "words"), ABSURD_TIMES.values(), ids=ABSURD_TIMES)
def test_a_time_that_is_none_is_refused_where_a_run_is_inserted(time: float, words: str) -> None:
    with pytest.raises(InvalidMetadataError, match=rf"metadata\['time'\].*{words}"):
        check_inserted("start", {"uid": "fit-1", "time": time}, ANY_BACKEND)
    # what comes after it belongs to an acquisition that is under way
    check_inserted("stop", {"uid": "a", "run_start": "fit-1", "time": time}, ANY_BACKEND)


@pytest.mark.parametrize(("time", "words"), ABSURD_TIMES.values(), ids=ABSURD_TIMES)
def test_a_time_that_is_none_is_refused_where_it_is_an_argument(time: float, words: str) -> None:
    with pytest.raises(InvalidMetadataError, match=words):
        build_simple_run({"x": [1]}, time=time)
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": [1]})
    for arguments in ({"time": time}, {"time": [time]}, {"timestamps": {"x": [time]}}):
        with pytest.raises(InvalidTableError, match=words):
            builder.add_data("primary", {"x": [2]}, **arguments)
    with pytest.raises(InvalidRunError, match=words):
        builder.add_stream("other", data={"x": [1]}, time=time)
    with pytest.raises(InvalidRunError, match=words):
        builder.close(time=time)
    builder.close()


def test_a_column_time_before_1970_is_kept_beside_the_times_of_the_events() -> None:
    run = build_simple_run({"time": [-1.0, 0.0, 1.0], "x": [1, 2, 3]})
    assert run.primary.read()["time_"].values.tolist() == [-1.0, 0.0, 1.0]


STREAMS = {
    "a template": ("{{ x }}", "template"),
    "a newline at its end": ("a\n", "cannot be displayed"),
    "a control character": ("a\x1b[31m", "cannot be displayed"),
    "the other direction": ("a\u202eb", "cannot be displayed"),
    "nothing": ("", "at least one character"),
}


@pytest.mark.parametrize(("stream", "words"), STREAMS.values(), ids=STREAMS)
def test_a_name_of_a_stream_that_cannot_be_read_back_is_refused(stream: str, words: str) -> None:
    start, (_, descriptor), *_ = given()
    checker = RunChecker()
    checker(*start)
    with pytest.raises(InvalidRunError, match=words):
        checker("descriptor", {**descriptor, "name": stream})


@pytest.mark.parametrize("stream", ["$a", "a.b", "a\0b"])
def test_a_stream_that_the_stop_document_could_not_count_is_refused_with_its_descriptor(stream: str) -> None:
    start, (_, descriptor), *_ = given()
    checker = RunChecker(Limits("MongoDB", mongo_keys=True))
    checker(*start)
    with pytest.raises(InvalidRunError, match=r"MongoDB refuses|displayed"):
        checker("descriptor", {**descriptor, "name": stream})


def test_a_data_key_says_to_which_object_it_belongs() -> None:
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": [1], "y": [2]})
    builder.add_stream(
        "other",
        data={"x": [1], "y": [2], "z": [3]},
        object_keys={"motor": ["x"]},
        data_keys={"z": {"object_name": "own"}},
    )
    builder.update_configuration("primary", {"device": {"data": {}, "timestamps": {}, "data_keys": {}}})
    builder.close()
    names = [
        {key: data_key["object_name"] for key, data_key in doc["data_keys"].items()}
        for name, doc in builder.get_run()._document_cache
        if name == "descriptor"
    ]
    table = {"x": "table", "y": "table"}
    assert names == [table, {"x": "motor", "y": "table", "z": "own"}, table]


BULK = {
    "events": ("bulk_events", {"d": 5}, "a bulk_events document must be a dict of lists of events"),
    "datums": ("bulk_datum", {"datum_ids": ["a"]}, "a bulk_datum document needs a 'resource'"),
    "lengths": (
        "bulk_datum",
        {"resource": "r", "datum_ids": ["a"], "datum_kwarg_list": []},
        "lists 'datum_ids' and 'datum_kwarg_list' of equal length",
    ),
}


@pytest.mark.parametrize(("name", "doc", "words"), BULK.values(), ids=BULK)
def test_documents_of_old_bluesky_that_hold_something_else_are_refused(name: str, doc: Any, words: str) -> None:
    start, descriptor, _, stop = given()
    with pytest.raises(InvalidRunError, match=words):
        check_documents([start, descriptor, (name, doc), stop])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda event: event["data"].update(y=1.0), "has other data keys than the one before it"),
        (lambda event: event["filled"].update(x=True), "and the next differ in the keys of 'filled'"),
    ],
)
def test_single_events_that_fit_in_no_page_together_are_refused(change: Callable[[Any], Any], words: str) -> None:
    start, descriptor, (_, page), stop = given(rows=2)
    events = [copy.deepcopy(dict(event)) for event in event_model.unpack_event_page(page)]
    change(events[1])
    with pytest.raises(InvalidRunError, match=words):
        check_documents([start, descriptor, *(("event", event) for event in events), stop])


def test_events_of_descriptors_whose_long_uids_begin_alike_stay_apart() -> None:
    start, (_, descriptor), (_, page), (_, stop) = given(rows=4)
    descriptors = {"s1": {}, "s2": {}}
    for stream in descriptors:
        descriptors[stream] = {**descriptor, "name": stream, "uid": "d" * 80 + stream}
    events = [copy.deepcopy(dict(event)) for event in event_model.unpack_event_page(page)]
    for event, stream in zip(events, ["s1", "s2"] * 2, strict=True):
        event["descriptor"] = descriptors[stream]["uid"]
    documents = [
        start,
        *(("descriptor", doc) for doc in descriptors.values()),
        *(("event", event) for event in events),
        ("stop", {key: value for key, value in stop.items() if key != "num_events"}),
    ]
    pages = [doc for name, doc in check_documents(documents) if name == "event_page"]
    assert [page["descriptor"][80:] for page in pages] == ["s1", "s2"] * 2


def test_datums_of_resources_whose_long_uids_begin_alike_stay_apart() -> None:
    start, *_, (_, stop) = given()
    resource = {"spec": "S", "root": "/", "resource_path": "p", "resource_kwargs": {}, "path_semantics": "posix"}
    uids = ["r" * 80 + end for end in "ab"]
    documents = [
        start,
        *(("resource", {**resource, "uid": uid, "run_start": start[1]["uid"]}) for uid in uids),
        *(("datum", {"datum_id": f"{uid}/0", "resource": uid, "datum_kwargs": {"frame": 0}}) for uid in uids),
        ("stop", {key: value for key, value in stop.items() if key != "num_events"}),
    ]
    pages = [doc for name, doc in check_documents(documents) if name == "datum_page"]
    assert [page["resource"] for page in pages] == uids


@pytest.mark.parametrize("external", [{}, {"external": "FILESTORE:"}], ids=["inline", "external"])
@pytest.mark.parametrize("flags", [numpy.array([False] * 3), [0] * 3, (None,) * 3], ids=["numpy", "number", "none"])
def test_a_value_that_is_not_filled_in_names_a_datum(flags: Any, external: dict[str, Any]) -> None:
    start, (_, descriptor), (_, page), stop = given()
    descriptor["data_keys"]["x"].update(external)
    bad = {**page, "data": {"x": ["r/0"] * 3}, "filled": {"x": flags}}
    with pytest.raises(InvalidRunError, match=r"the datum 'r/0', which no document|value 'r/0' is not a datum"):
        check_documents([start, ("descriptor", descriptor), ("event_page", bad), stop])
    bad["filled"] = {"x": [[False]] * 3}
    with pytest.raises(InvalidRunError, match="values in 'filled' for 'x' that are not True or False"):
        check_documents([start, ("descriptor", descriptor), ("event_page", bad), stop])


@pytest.mark.parametrize("uid", [numpy.array(["a", "b"]), None, {"uid": "d"}], ids=["array", "none", "dict"])
def test_events_that_name_no_descriptor_are_refused(uid: Any) -> None:
    start, descriptor, (_, page), stop = given(rows=2)
    events = [{**event, "descriptor": uid} for event in event_model.unpack_event_page(page)]
    with pytest.raises(InvalidRunError, match=r"an event refers to the descriptor .* no document before it defines"):
        check_documents([start, descriptor, *(("event", event) for event in events), stop])


def test_documents_without_a_start_document_are_no_run() -> None:
    with pytest.raises(InvalidRunError, match="begin with its start document, but there is none"):
        check_documents(iter([]))


@pytest.mark.parametrize(("name", "article"), [("event", "an"), ("event_page", "an"), ("descriptor", "a")])
def test_a_document_has_the_right_article(name: str, article: str) -> None:
    checker = RunChecker()
    start, *_, stop = given()
    checker(*start)
    checker("stop", {**stop[1], "num_events": {}})
    with pytest.raises(InvalidRunError, match=f"^{article} '{name}' document follows the stop document"):
        checker(name, {})
