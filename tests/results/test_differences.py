"""In what two runs differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import xarray

from databroker_writable import (
    InvalidRunError,
    RunBuilder,
    build_simple_run,
    diff,
    export,
    open_directory,
    plot,
    to_dataset,
)
from databroker_writable.results import differences
from databroker_writable.results.differences import ABSENT


def run_of(data: Any, metadata: dict[str, Any] | None = None, **arguments: Any) -> Any:
    return build_simple_run(data, metadata, **arguments)


def differing(first: Any, second: Any, one_event: bool = False) -> dict[str, Any]:
    """What differs of the column ``x``."""
    result = diff(*(run_of(data, one_event=one_event) for data in (first, second)))
    assert list(result.columns.index) in ([], [("primary", "x")])
    return result.columns.iloc[0].to_dict() if len(result.columns) else {}


def test_a_single_value_has_no_position() -> None:
    assert differing({"x": 1.0}, {"x": 2.0}, one_event=True)["difference"] == "1 of 1 values, at most by 1 (50 %)"


FAR_APART = ["1700-01-01", "2200-01-01"]


def test_times_may_be_further_apart_than_their_type_holds() -> None:
    first, second = (numpy.array([year], "M8[ns]") for year in FAR_APART)
    assert differing({"x": first}, {"x": second})["largest"].days == 182621
    later = numpy.array(["3000"], "M8[s]")
    assert differing({"x": later}, {"x": second})["largest"].days == 292194
    assert differing({"x": second}, {"x": second.astype("M8[s]")})["count"] == 0


def test_the_same_data_do_not_differ() -> None:
    data = {"x": [1.0, float("nan")], "t": pandas.to_datetime(["2024-05-31", None]), "s": ["a", "b"], "z": [1j, 2j]}
    result = diff(run_of(data, {"a": {"b": [1, 2]}}), run_of(data, {"a": {"b": [1, 2]}}))
    assert not result
    assert result.compared == 4
    assert "no differences" in repr(result)


def test_metadata_parameters_and_versions_are_told_apart() -> None:
    first = run_of({"x": [1]}, {"sample": {"name": "Cu", "mass": 1}, "scan": 1}, parameters={"fit": {"window": 3}})
    second = run_of(
        {"x": [1]},
        {"sample": {"name": "Fe", "mass": 1}, "note": None, "versions": {"numpy": "0"}},
        parameters={"fit": {"window": 5}},
        exit_status="fail",
        reason="beam",
    )
    result = diff(first, second)
    assert result.metadata == {
        "sample.name": ("Cu", "Fe"),
        "scan": (1, ABSENT),
        "note": (ABSENT, None),
        "exit_status": ("success", "fail"),
        "reason": (ABSENT, "beam"),
    }
    assert result.parameters == {"fit.window": (3, 5)}
    assert result.versions == {"numpy": (ABSENT, "0")}
    assert result


@pytest.mark.parametrize("second", [None, float("nan"), -float("inf"), "inf"])
def test_infinities_in_metadata_differ_from_what_is_missing(second: Any) -> None:
    infinite = float("inf")
    result = diff(run_of({"x": [1]}, {"limit": {"high": infinite}}), run_of({"x": [1]}, {"limit": {"high": second}}))
    assert list(result.metadata) == ["limit.high"]
    assert not diff(*(run_of({"x": [1]}, {"limit": [infinite, float("nan")]}) for _ in range(2)))


LARGE = 2**53


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pandas.array([LARGE + 1, None], "Int64"), pandas.array([LARGE, None], "Int64")),
        (pandas.array([LARGE + 1, 1], "Int64"), pandas.array([LARGE, 1], "Int64")),
        (pandas.array([LARGE + 1, 1], "Int64"), pandas.array([LARGE, None], "Int64")),
        (*(pandas.Categorical.from_codes([0, -1], [value]) for value in (LARGE + 1, LARGE)),),
        (numpy.array([LARGE + 1, 1]), numpy.array([LARGE, 1.0])),
    ],
    ids=str,
)
def test_large_integers_are_compared_exactly(first: Any, second: Any) -> None:
    frames = [pandas.DataFrame({"x": values}) for values in (first, second)]
    assert differing(*frames)["count"] == (pandas.isna(frames[0]) != pandas.isna(frames[1])).sum().x + 1
    assert not differing(frames[0], frames[0])


@pytest.mark.parametrize("levels", [[[1.0, None], ["a", None]], [["a", None], [1, 2]]])
def test_missing_values_in_a_multiindex_are_the_same(levels: list[list[Any]]) -> None:
    frame = pandas.DataFrame({"x": [1, 2]}, index=pandas.MultiIndex.from_arrays(levels, names=["k", None]))
    assert not differing(frame, frame)
    other = frame.set_index(frame.index.set_levels(["b"] if levels[1][0] == "a" else [1, 3], level=1))
    result = diff(run_of(frame), run_of(other))
    assert list(result.columns.index) == [("primary", "level_1")]


def test_zones_of_levels_are_compared() -> None:
    times = pandas.to_datetime(["2024-01-01", "2024-07-01"]).tz_localize("Europe/Berlin")
    first, second = (
        pandas.DataFrame({"x": [1, 2]}, index=pandas.MultiIndex.from_arrays([index, [1, 2]], names=["t", "n"]))
        for index in (times, times.tz_localize(None))
    )
    assert list(diff(run_of(first), run_of(second)).columns.index) == [("primary", "t")]
    assert not diff(run_of(first), run_of(first))


def test_the_largest_difference_of_numbers_is_told_with_its_place() -> None:
    found = differing({"x": [1.0, 2.0, -4.0]}, {"x": [1.0, 2.5, -5.0]})
    assert (found["count"], found["largest"], found["relative"], found["at"]) == (2, 1.0, 0.2, (2,))
    assert found["difference"] == "2 of 3 values, at most by 1 (20 %) at [2]"


@pytest.mark.parametrize(
    ("first", "second", "largest"),
    [
        ([0, 2**62], [0, -(2**62)], 2.0**63),
        ([1j, 0], [1j, 3 + 4j], 5.0),
        ([1.0, 2.0], [1, 5], 3.0),
        ([0.0, float("inf")], [0.0, 1.0], float("inf")),
        ([1.0, float("nan")], [1.0, 1.0], None),
        ([True, False], [True, True], None),
        (["a", "b"], ["a", "c"], None),
        ([1, 2], ["1", "2"], None),
    ],
)
def test_values_of_each_type_are_compared(first: list[Any], second: list[Any], largest: float | None) -> None:
    found = differing({"x": numpy.array(first)}, {"x": numpy.array(second)})
    assert found["count"] == (2 if isinstance(first[0], int) and isinstance(second[0], str) else 1)
    assert found["largest"] == largest or (largest is None and pandas.isna(found["largest"]))


def test_times_differ_by_a_span() -> None:
    first, second = (pandas.DataFrame({"x": pandas.to_datetime(["2024-05-31", day])}) for day in ("2024-06-01", None))
    assert differing(first, second)["difference"].startswith("1 of 2 values")
    second = pandas.DataFrame({"x": pandas.to_datetime(["2024-05-31 00:00:00", "2024-06-01 00:00:05"])})
    assert differing(first, second)["largest"] == pandas.Timedelta(5, "s")


def test_columns_of_pandas_own_types_are_compared() -> None:
    first, second = (pandas.DataFrame({"x": pandas.array([1, None, n], dtype="Int64")}) for n in (3, 5))
    assert differing(first, second)["largest"] == 2
    first, second = (pandas.DataFrame({"x": pandas.Categorical(["a", c], categories=["a", "b"])}) for c in "ab")
    assert differing(first, second)["difference"] == "1 of 2 values"


@pytest.mark.parametrize("missing", [[], [None]])
def test_large_integers_of_pandas_own_types_are_compared_exactly(missing: list[None]) -> None:
    numbers = (pandas.array([2**53 + n, *missing], dtype="Int64") for n in (0, 1))
    assert diff(*(build_simple_run(pandas.DataFrame({"x": column})) for column in numbers)).columns[
        "count"
    ].tolist() == [1]


def test_forms_are_compared_before_values() -> None:
    assert differing({"x": [1, 2]}, {"x": [1, 2, 3]})["difference"] == "shape 2 and 3"
    assert differing({"x": [1, 2]}, {"x": [1.0, 2.0]})["difference"] == "dtype int64 and float64"
    first, second = (xarray.Dataset({"x": ("a", [1.0], {"units": units})}) for units in ("mm", "um"))
    assert differing(first, second, one_event=True)["difference"] == "units mm and um"
    assert not differing({"x": ["a"]}, {"x": ["a"]})


def with_attributes(**attrs: Any) -> xarray.Dataset:
    return xarray.Dataset({"x": ("a", [1.0], {"units": "mm", **attrs})})


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"long_name": "energy"}, {"long_name": "time"}, "long_name energy and time"),
        ({"long_name": "energy"}, {}, "long_name energy and -"),
        ({"order": 3}, {"order": 5}, "order 3 and 5"),
        ({"order": 3}, {"order": 3, "fit": {"r": [0.5, numpy.nan]}}, 'fit - and {"r": [0.5, NaN]}'),
        ({"r": numpy.array([1, 2])}, {"r": numpy.array([1, 3])}, "r [1, 2] and [1, 3]"),
        ({"units": "mm", "a": None}, {"units": "um"}, "units mm and um, a null and -"),
        ({"a": "x" * 99}, {"a": "y" * 99}, f"a {'x' * 35}… and {'y' * 35}…"),
    ],
)
@pytest.mark.parametrize("one_event", [False, True])
def test_attributes_of_columns_are_compared(first: Any, second: Any, words: str, one_event: bool) -> None:
    tables = [with_attributes(**first), with_attributes(**second)]
    assert differing(*tables, one_event=one_event)["difference"] == words
    for table in tables:
        assert not differing(table, table, one_event=one_event)


def test_attributes_that_hold_the_same_do_not_differ() -> None:
    for same in ({"r": numpy.array([1.0, numpy.nan])}, {"r": (1, 2)}, {"z": 1j}, {"t": numpy.datetime64("2024-05-31")}):
        assert not differing(with_attributes(**same), with_attributes(**same))


def test_attributes_of_tables_are_compared() -> None:
    first, second = (run_of(with_attributes().assign_attrs(attrs)) for attrs in ({"edge": "K", "n": 1}, {"edge": "L"}))
    result = diff(first, second)
    assert result
    assert result.attributes == {"primary.edge": ("K", "L"), "primary.n": (1, ABSENT)}
    assert [" ".join(line.split()) for line in repr(result).splitlines()[2:]] == [
        f"attributes {first.metadata['start']['uid'][:8]} {second.metadata['start']['uid'][:8]}",
        "primary.edge K L",
        "primary.n 1 -",
    ]


def test_attributes_of_a_stream_of_one_run_alone_are_not_named() -> None:
    builder = RunBuilder()
    builder.add_stream("primary", data=with_attributes())
    builder.add_stream("fit", data=with_attributes().assign_attrs(edge="K"))
    builder.close()
    assert diff(builder.get_run(), run_of(with_attributes())).attributes == {}


def test_columns_and_streams_of_one_run_alone_are_named() -> None:
    result = diff(run_of({"x": [1], "y": [1]}, uid="run-a"), run_of({"x": [1]}, uid="run-b"))
    assert result.columns["difference"].to_dict() == {("primary", "y"): "only in run-a"}


def test_large_columns_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "SLAB", 64)
    first = numpy.zeros((50, 2, 3))
    second = first.copy()
    second[41, 1, 2], second[7, 0, 0] = 3, 1
    found = differing(*(xarray.Dataset({"x": (("t", "a", "b"), data)}) for data in (first, second)), one_event=True)
    assert (found["count"], found["largest"], found["at"]) == (2, 3, (41, 1, 2))


def test_scalars_are_compared() -> None:
    found = differing(*(xarray.Dataset({"x": value}) for value in (1.0, 3.0)), one_event=True)
    assert (found["largest"], found["at"]) == (2, ())


def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(InvalidRunError, match="not 'fit-1'"):
        diff(run_of({"x": [1]}), "fit-1")


def test_a_difference_prints_as_a_table() -> None:
    first = run_of({"x": [1.0, 2.0], "y": [1, 2]}, {"sample": "Cu"}, uid="fit-1")
    second = run_of({"x": [1.0, 2.5], "y": [1, 2]}, {"sample": "Fe\n", "note": "x" * 99}, uid="fit-2")
    assert repr(diff(first, second)).splitlines() == [
        "fit-1 and fit-2",
        "",
        "metadata  fit-1  fit-2",
        "sample    Cu     Fe",
        "note      -      " + "x" * 35 + "…",
        "",
        "column     difference",
        "primary.x  1 of 2 values, at most by 0.5 (20 %) at [1]",
        "(1 of 2 columns are the same)",
    ]


def test_a_text_in_place_of_a_run_names_both_remedies(tmp_path: Path) -> None:
    run = open_directory(tmp_path / "results").store_run({"x": [1]})
    with pytest.raises(InvalidRunError, match=r"give catalog\['x\.csv'\] if this is its uid \(the run comes first\)"):
        export("x.csv", run)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("diff", lambda run: diff(run, run)),
        ("export", lambda run: export(run, "run.csv")),
        ("plot", plot),
        ("to_dataset", to_dataset),
    ],
)
def test_a_uid_or_a_catalog_in_place_of_a_run_is_named(name: str, call: Any, tmp_path: Path) -> None:
    catalog = open_directory(tmp_path / "results")
    catalog.store_run({"x": [1]}, uid="primary")
    for value in ("scan-17", catalog, None):
        with pytest.raises(InvalidRunError, match=rf"^{name} takes a run, as catalog\[uid\] gives it, not "):
            call(value)
