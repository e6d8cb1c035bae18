"""Runs are compared column by column where that tells as much as their Events do."""

from __future__ import annotations

import copy
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from databroker_writable.runs import comparison
from databroker_writable.runs.comparison import same_run

NUMBERS = [0, 1, 2**53 + 1, 2**63, True, False, 0.0, -0.0, 1.0, 0.1, float("nan")]
VALUES = st.sampled_from([*NUMBERS, "a", "1", None, [1, 2]])
COLUMN = st.lists(VALUES, min_size=4, max_size=4) | st.sampled_from(
    [[0.1, 0.2, -0.0, float("nan")], [1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0], [True, False, True, True], [[1.0], [2.0]] * 2]
)
ENCODED = st.sampled_from([list, tuple, numpy.array, lambda items: [numpy.asarray(item)[()] for item in items]])


def pages_of(columns: dict[str, Any], cuts: list[int], encode: Any) -> list[tuple[str, dict[str, Any]]]:
    """The event pages of four rows, divided at some of them."""
    found = []
    for start, stop in zip([0, *cuts], [*cuts, 4], strict=True):
        rows = slice(start, stop)
        times = [float(number) for number in range(4)]
        page = {
            "descriptor": "d",
            "uid": [f"event-{number}" for number in range(4)][rows],
            "seq_num": [1, 2, 3, 4][rows],
            "time": times[rows],
            "data": {key: encode(copy.deepcopy(values[rows])) for key, values in columns.items()},
            "timestamps": {key: encode(times[rows]) for key in columns},
        }
        found.append(("event_page", page))
    return found


def encoded_or_left(encode: Any) -> Any:
    """Numpy makes text or objects of values of several types, which no document has."""

    def encoded(items: list[Any]) -> Any:
        if len(set(map(type, items))) > 1:
            return items
        try:
            made = encode(items)
        except (ValueError, OverflowError):
            return items
        return items if getattr(made, "dtype", numpy.dtype(int)).kind in "OU" else made

    return encoded


@given(
    columns=st.lists(COLUMN, min_size=1, max_size=2),
    change=st.none() | st.tuples(st.integers(0, 1), st.integers(0, 3), VALUES),
    cuts=st.tuples(*[st.lists(st.integers(1, 3), unique=True).map(sorted)] * 2),
    encodings=st.tuples(ENCODED, ENCODED),
)
def test_columns_tell_as_much_as_events(columns: Any, change: Any, cuts: Any, encodings: Any) -> None:
    first = {f"c{number}": values for number, values in enumerate(columns)}
    second = copy.deepcopy(first)
    if change is not None and f"c{change[0]}" in second:
        second[f"c{change[0]}"][change[1]] = change[2]
    one, other = (
        pages_of(table, where, encoded_or_left(encode))
        for table, where, encode in zip((first, second), cuts, encodings, strict=True)
    )
    assert same_run(one, other) == (comparison._canonical(one) == comparison._canonical(other))


@pytest.mark.parametrize("rows", [10, 1000])
def test_a_retry_makes_no_text_of_each_event(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    as_text = comparison.as_text
    monkeypatch.setattr(comparison, "as_text", lambda doc: made.append(doc) or as_text(doc))
    page = {
        "descriptor": "d",
        "uid": [f"event-{number}" for number in range(rows)],
        "seq_num": list(range(1, rows + 1)),
        "time": [float(number) for number in range(rows)],
        "data": {"x": numpy.arange(rows, dtype="f4"), "label": ["a"] * rows},
        "timestamps": {"x": [1.5] * rows, "label": [1.5] * rows},
    }
    stored = {**page, "data": {**page["data"], "x": page["data"]["x"].tolist()}}
    halves = [
        {key: value[part] if isinstance(value, list) else value for key, value in stored.items()}
        | {name: {key: values[part] for key, values in stored[name].items()} for name in ("data", "timestamps")}
        for part in (slice(rows // 2), slice(rows // 2, None))
    ]
    assert same_run([("event_page", page)], [("event_page", half) for half in halves])
    assert len(made) == 4  # of the uids and of the labels
