"""Headers that stay packed are found as mongoquery finds the documents in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mongoquery import Query

from databroker_writable.runs import packed_headers
from databroker_writable.runs.packed_headers import PackedHeader, StartDocuments, fitting

TEXTS = st.sampled_from(["Cu", "C", "u", "", "a", "sample", "ü", "x" * 40])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "sample"]), inner, max_size=2)
    ),
    max_leaves=6,
)
STARTS = st.dictionaries(st.sampled_from(["sample", "a", "b", "scan"]), VALUES, max_size=4)
CONDITIONS = st.one_of(
    TEXTS,
    VALUES,
    st.sampled_from(
        [{"$exists": True}, {"$exists": False}, {"$in": ["Cu", 1]}, {"$ne": "Cu"}, {"$gt": 1}, {"$bad": 1}]
        + [0, -0.0, 1, True, 2**64, 2**70, 1e400]
    ),
    st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.integers(0, 2) | st.floats(0, 2), max_size=2),
)
KEYS = ["sample", "a", "b", "a.b", "a.0", "scan.id", "time", "$no"]
SIMPLE = st.dictionaries(st.sampled_from(KEYS), CONDITIONS, max_size=3)
QUERIES = st.one_of(
    SIMPLE,
    st.builds(lambda *parts: {"$and": list(parts)}, SIMPLE, SIMPLE),
    st.builds(lambda *parts: {"$or": list(parts)}, SIMPLE, SIMPLE),
)


def outcome(function: Callable[[], Any]) -> Any:
    try:
        return bool(function())
    except Exception as exc:
        return type(exc)


@given(start=STARTS, query=QUERIES)
def test_a_packed_header_fits_the_queries_that_its_document_fits(start: dict[str, Any], query: dict[str, Any]) -> None:
    start = {"uid": "u", "time": 1.0, **start}
    for header in (PackedHeader.packed_of(start, {"reason": "Cu"}), PackedHeader.of(start, None)):
        assert outcome(lambda header=header: list(fitting([header], query))) == outcome(
            lambda: Query(query).match(start)
        )


def test_only_what_may_fit_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = [{"uid": f"{n}", "time": n, "sample": f"s{n % 10}", "points": [n]} for n in range(100)]
    headers = [PackedHeader.packed_of(start, None) for start in starts]
    unpacked: list[int] = []
    unpack = packed_headers.msgpack.unpackb
    monkeypatch.setattr(
        packed_headers.msgpack, "unpackb", lambda *given, **options: unpacked.append(1) or unpack(*given, **options)
    )
    assert len(list(fitting(headers, {"sample": "s3"}))) == len(unpacked) == 10
    unpacked.clear()
    assert len(list(fitting(headers, {"probe": {"$exists": False}}))) == 100
    assert not list(fitting(headers, {"$and": [{"other": {"$exists": True}}, {"points": 1}]}))
    assert not list(fitting(headers, {"other": 3}))
    assert not list(fitting(headers, {"time": 2.5}))
    assert not list(fitting(headers, {"time": {"$gt": 99}}))
    assert not unpacked
    assert len(list(fitting(headers, {"time": 77.0}))) == len(unpacked) == 1
    unpacked.clear()
    assert len(list(fitting(headers, {"time": {"$gte": 4, "$lt": 9.5}}))) == len(unpacked) == 6


def test_documents_that_msgpack_would_change_are_kept_as_they_are() -> None:
    start = {"uid": "u", "time": 1, "shape": (1, 2), "big": 2**70}
    assert PackedHeader.packed_of(start, None).start is start


@pytest.mark.parametrize("value", [5, numpy.int16(5), numpy.array([4, 5]), [numpy.float32(5)], numpy.array([[4], [5]])])
def test_numpy_values_are_packed_and_found_as_lists_of_numbers(value: Any) -> None:
    start = {"uid": "u", "time": 1.0, "found": value, "texts": numpy.array(["a", "Cu"])}
    packed = PackedHeader.packed_of(start, None)
    assert packed.packed is not None
    assert repr(packed.start) == repr(start)
    for header in (packed, PackedHeader.of(start, None)):
        assert [*fitting([header], {"found": 6, "texts": "Cu"})] == []
        assert [*fitting([header], {"found": 5, "texts": "C"})] == []
        is_deep = numpy.ndim(value) == 2
        assert [*fitting([header], {"found": 5, "texts": "Cu"})] == ([] if is_deep else [header])


def test_no_header_holds_a_pickle() -> None:
    start = {"uid": "u", "time": 1.0, "found": numpy.array([{}], dtype=object)}
    assert PackedHeader.packed_of(start, None).packed is None


def test_start_documents_are_put_in_order_of_time_and_looked_up_by_scan_id() -> None:
    documents = StartDocuments({})
    for n in (2, 0, 1):
        documents.headers[f"run-{n}"] = PackedHeader.packed_of({"uid": f"run-{n}", "time": n, "scan_id": 7}, None)
    newest_first = sorted(documents.values(), key=lambda start: -start["time"])
    assert [start["uid"] for start in newest_first] == ["run-2", "run-1", "run-0"]
    assert dict(newest_first[0]) == documents["run-2"] == {"uid": "run-2", "time": 2, "scan_id": 7}
    documents["run-3"] = {"uid": "run-3", "time": 3}
    assert [header.uid for header in documents.newest_first()] == ["run-3", "run-2", "run-1", "run-0"]
    documents["run-1"] = {"uid": "run-1", "time": 9}
    assert [header.uid for header in documents.newest_first()] == ["run-1", "run-3", "run-2", "run-0"]
    del documents["run-0"]
    assert [header.uid for header in documents.newest_first()] == ["run-1", "run-3", "run-2"]
    assert list(documents) == ["run-2", "run-1", "run-3"]
    assert "run-0" not in documents


def test_a_document_at_hand_is_searched_without_a_copy_unless_it_holds_arrays() -> None:
    start = {"uid": "a", "time": 1.0, "md": {"names": ["x"]}}
    assert PackedHeader.of(start, None).searched is start
    with_array = PackedHeader.of({**start, "offsets": numpy.arange(3)}, None)
    assert with_array.searched == {**start, "offsets": [0, 1, 2]}
    assert with_array.searched is with_array.searched
