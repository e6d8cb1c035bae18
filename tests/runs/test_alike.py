"""Documents from those of a table before are the ones that the builder gives."""

from __future__ import annotations

import time
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy
import pytest
from databroker_writable.catalog.alike import MOST_FORMS, AlikeTables, form_of

from databroker_writable import InvalidTableError, build_simple_run
from databroker_writable.runs.checker import RunDocuments, check_documents
from support import strategies
from support.example_runs import assert_identical


class Builder:
    """Builds tables, and remembers which."""

    def __init__(self, **metadata: Any) -> None:
        self.metadata = metadata
        self.built: list[Any] = []

    def __call__(self, table: Any) -> RunDocuments:
        self.built.append(table)
        return RunDocuments(build_simple_run(table, metadata=self.metadata)._document_cache)


@pytest.fixture
def build() -> Builder:
    return Builder(sample="Cu", tags=["a"])


@pytest.fixture
def alike(build: Builder) -> AlikeTables:
    return AlikeTables(build, lambda: build.metadata)


VARYING = {"uid", "time", "run_start", "descriptor", "timestamps"}


def typical(value: Any, key: str = "") -> Any:
    """Documents without what differs from run to run."""
    if key in VARYING:
        return type(value).__name__
    if isinstance(value, dict):
        return {name: typical(item, name) for name, item in value.items()}
    return value


def assert_alike(found: RunDocuments, built: RunDocuments) -> None:
    assert [list(doc) for _, doc in found] == [list(doc) for _, doc in built]
    assert_identical([(n, typical(doc)) for n, doc in found], [(n, typical(doc)) for n, doc in built])
    assert_identical(check_documents(found), found)
    arrays = [values for values in found[2][1]["data"].values() if isinstance(values, numpy.ndarray)]
    assert all(values.flags.c_contiguous for values in arrays)


number_lists = st.sampled_from([st.floats(), st.integers(-(2**63), 2**64 - 1), st.booleans()])
number_arrays = st.sampled_from(["<f8", "<f4", "<i8", "<u2", "?", ">f8", "<f2"])


@st.composite
def numeric_tables(draw: Any) -> dict[str, Any]:
    length = draw(st.integers(1, 4))
    table: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(["x", "y", "time"]), min_size=1, unique=True)):
        if draw(st.booleans()):
            table[name] = draw(st.lists(draw(number_lists), min_size=length, max_size=length))
        else:
            shape = draw(st.sampled_from([(length,), (length, 2)]))
            table[name] = draw(strategies.arrays(shape, dtypes=[draw(number_arrays)]))
    return table


def outcome(build: Any, table: Any) -> Any:
    try:
        return build(table)
    except InvalidTableError as exc:
        return str(exc)


def turned(table: Any) -> Any:
    """The table with other values, which may be in memory in another order."""
    return {name: values[::-1] for name, values in table.items()} if isinstance(table, dict) else table


@hypothesis.given(
    st.lists(numeric_tables() | strategies.columns_of_lists() | strategies.frames(), min_size=1, max_size=4)
)
def test_each_table_gives_what_the_builder_gives(tables: list[Any]) -> None:
    alike = AlikeTables(Builder(), dict)
    for table in [*tables, *map(turned, tables)]:
        found, built = outcome(alike, table), outcome(Builder(), table)
        if isinstance(built, str):
            assert found == built
        else:
            assert_alike(found, built)


ALIKE = [
    ({"x": [1.5, 2.5], "y": [1, 2]}, {"x": [3.5, 4.5], "y": [2**62, -1]}),
    ({"x": [1.5]}, {"x": [numpy.nan, numpy.inf, 0.0]}),
    ({"x": [True]}, {"x": [False, True]}),
    ({"x": numpy.zeros(3)}, {"x": numpy.ones(6)[::2]}),
    ({"x": numpy.zeros((2, 3), "u2")}, {"x": numpy.ones((1, 3), "u2")}),
]


@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_tables_of_numbers_of_the_same_types_are_built_once(
    first: Any, second: Any, build: Builder, alike: AlikeTables
) -> None:
    alike(first)
    found = alike(second)
    assert build.built == [first]
    assert_alike(found, build(second))


DIFFERENT = {
    "names": {"a": [1]},
    "more columns": {"x": [1], "y": [1]},
    "types": {"x": [1.0]},
    "an array": {"x": numpy.array([1])},
    "unsigned": {"x": [2**63]},
    "a time": {"time": [1.0]},
    "strings": {"x": ["a"]},
    "mixed": {"x": [1, 2.0]},
    "numpy's numbers": {"x": [numpy.int64(1)]},
    "shapes": {"x": numpy.ones((1, 2))},
    "big-endian": {"x": numpy.ones(1, ">i8")},
    "masked": {"x": numpy.ma.masked_array([1], [True])},
}


@pytest.mark.parametrize("shape", [(1,), (1, 3), (1, 2, 1)])
def test_arrays_of_other_shapes_are_built(shape: Any, build: Builder, alike: AlikeTables) -> None:
    alike({"x": numpy.ones((1, 2))})
    found = alike({"x": numpy.ones(shape)})
    assert len(build.built) == 2
    assert_alike(found, build({"x": numpy.ones(shape)}))


@pytest.mark.parametrize("other", DIFFERENT.values(), ids=DIFFERENT)
def test_other_tables_are_built(other: Any, build: Builder, alike: AlikeTables) -> None:
    alike({"x": [1]})
    found = alike(other)
    assert len(build.built) == 2
    assert_alike(found, build(other))


REFUSED = [{"x": []}, {"x": numpy.ones(0)}, {"x": [1], "y": [1, 2]}, {"x": [2**64]}, {"x": numpy.float64(1)}, {}]


@pytest.mark.parametrize("table", REFUSED)
def test_what_is_refused_is_refused_after_others(table: Any, alike: AlikeTables) -> None:
    for good in ({"x": [1]}, {"x": numpy.ones(1)}, {"x": [1], "y": [1]}):
        alike(good)
    with pytest.raises(InvalidTableError):
        alike(table)


def test_metadata_that_change_meanwhile_are_those_of_the_runs_that_follow(build: Builder, alike: AlikeTables) -> None:
    def tags() -> Any:
        return alike({"x": [1]})[0][1]["tags"]

    assert tags() == ["a"]
    build.metadata["tags"].append("b")
    assert tags() == ["a", "b"]
    build.metadata["tags"] = [True]
    assert tags() == [True]
    build.metadata["tags"] = [1]
    assert tags()[0] is not True


@pytest.mark.parametrize("metadata", [{"time": 1.0}, {"uid": "fit-1"}, {"array": numpy.zeros(2)}])
def test_tables_are_built_with_metadata_that_say_what_varies_or_cannot_be_compared(metadata: Any) -> None:
    assert form_of({"x": [1]}, metadata) is None


def test_runs_share_nothing_that_can_change(alike: AlikeTables) -> None:
    for _ in range(2):
        start, descriptor, _page, _stop = (doc for _, doc in alike({"x": [1]}))
        assert start["tags"] == ["a"]
        assert "limits" not in descriptor["data_keys"]["x"]
        start["tags"].append("b")
        descriptor["data_keys"]["x"]["limits"] = {}


def test_few_forms_are_remembered(build: Builder, alike: AlikeTables) -> None:
    for number in range(2 * MOST_FORMS + 1):
        alike({f"x{number}": [1]})
    assert len(alike._known) <= MOST_FORMS
    built = len(build.built)
    alike({f"x{2 * MOST_FORMS}": [2]})
    assert len(build.built) == built


def test_each_run_has_times_of_its_own(alike: AlikeTables) -> None:
    before = time.time()
    runs = [alike({"x": [1, 2, 3]}) for _ in range(3)]
    after = time.time()
    for (_, start), (_, descriptor), (_, page), (_, stop) in runs:
        assert before <= start["time"] <= descriptor["time"] < page["time"][0] < page["time"][2] <= stop["time"]
        assert start["time"] <= after
    assert sorted(doc["time"] for run in runs for doc in [run[0][1]]) == [run[0][1]["time"] for run in runs]
    uids = [doc["uid"] for run in runs for name, doc in run if name != "event_page"]
    assert len(set(uids)) == 9
