"""Compare two runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import pandas
import xarray

from ..errors import errors_end_here
from ..runs.document_parts import ending_of
from ..runs.shown_text import aligned, plain_value, shown
from ..tables import require_run, to_dataset, with_text_names
from ..tables.exact_numbers import exceeds_float64, plain_numbers, series_of
from ..tables.indexed_tables import without_multi_indexes
from ..tables.public_types import Run
from ..tables.time_columns import equal_times, seconds_apart
from .header_search import flat
from .run_uids import unambiguous_length

WIDTH = 36
DIGITS = 6
SLAB = 2**25
"""Bytes of each column that are compared at once."""

_PARTS = ("parameters", "versions")
_TITLES = ("metadata", *_PARTS, "attributes")


class _Absent:
    """The value of a key that one of the runs does not have."""

    def __repr__(self) -> str:
        return "-"


ABSENT = _Absent()


@dataclass(frozen=True, repr=False)
class RunDifference:
    """The differences between two runs; true if there are any.

    Attributes
    ----------
    uids : tuple of str
    metadata, parameters, versions : dict
        The values of both runs where they differ, by key, nested keys with dots; ``-`` for a run that does not have the
        key. The metadata include the status, but not uid and time.
    attributes : dict
        The attributes of tables that differ, in the same form, by stream and name: ``primary.edge``.
    columns : pandas.DataFrame
        The columns that differ, indexed by stream and column: ``difference`` (in words, also of their attributes),
        ``count`` (of values that differ), ``largest`` (the largest difference of two values), ``relative`` (that,
        divided by the larger value) and ``at`` (its position).
    compared : int
        How many columns were compared, including coordinates.
    """

    uids: tuple[str, str]
    metadata: dict[str, tuple[Any, Any]]
    parameters: dict[str, tuple[Any, Any]]
    versions: dict[str, tuple[Any, Any]]
    attributes: dict[str, tuple[Any, Any]]
    columns: pandas.DataFrame
    compared: int

    def __bool__(self) -> bool:
        return any(getattr(self, title) for title in _TITLES) or len(self.columns) > 0

    def __repr__(self) -> str:
        length = unambiguous_length(self.uids)
        first, second = (uid[:length] for uid in self.uids)
        lines = [f"{first} and {second}" + ("" if self else ": no differences in metadata and values")]
        for title in _TITLES:
            pairs = getattr(self, title)
            if pairs:
                rows = [(shown(key, WIDTH), *map(_shown, pair)) for key, pair in pairs.items()]
                lines += ["", aligned((title, first, second), rows)]
        equal = self.compared - len(self.columns)
        if len(self.columns):
            rows = [(f"{stream}.{name}", row.difference) for (stream, name), row in self.columns.iterrows()]
            lines += ["", aligned(("column", "difference"), rows)]
            lines += [f"({equal} of {self.compared} columns are the same)"] if equal else []
        return "\n".join(lines)


def diff(first: Run, second: Run) -> RunDifference:
    """Compare two runs: metadata, parameters, versions, attributes, columns and their values.

    Parameters
    ----------
    first, second : databroker.core.BlueskyRun
        Runs of any catalogs, or in memory.

    Returns
    -------
    RunDifference
        It is false if the runs differ only in their uids and times, and prints as a table.

    Raises
    ------
    InvalidRunError
        An argument is not a run, or a newer version of this package stored it.
    UnreadableAssetError
        The file of an array is missing or damaged.

    Notes
    -----
    O(number of values): all are read, assets piece by piece. Values at the same position are compared; NaN equals NaN.

    Examples
    --------
    >>> a = catalog.store_run({"peak": [8.2, 9.0]}, uid="fit-1", parameters={"window": 5})
    >>> b = catalog.store_run({"peak": [8.2, 9.5]}, uid="fit-2", parameters={"window": 7})
    >>> databroker_writable.diff(a, b)
    fit-1 and fit-2
    <BLANKLINE>
    parameters  fit-1  fit-2
    window      5      7
    <BLANKLINE>
    column        difference
    primary.peak  1 of 2 values, at most by 0.5 (5.3 %) at [1]
    """
    with errors_end_here:
        first, second = (require_run(run, "diff") for run in (first, second))
        starts = first.metadata["start"], second.metadata["start"]
        uids = (starts[0]["uid"], starts[1]["uid"])
        length = unambiguous_length(uids)
        attributes: dict[str, tuple[Any, Any]] = {}
        columns: list[tuple[str, str, _Difference | None]] = []
        for stream in dict.fromkeys([*first, *second]):
            datasets = _table(first, stream), _table(second, stream)
            attributes |= _attributes(stream, datasets)
            columns += _columns(stream, datasets, [uid[:length] for uid in uids])
        different = [(*column, *difference) for *column, difference in columns if difference is not None]
        names = ["stream", "column", "difference", "count", "largest", "relative", "at"]
        return RunDifference(
            uids,
            _pairs(_metadata(first), _metadata(second)),
            _pairs(*(flat(start.get("parameters")) for start in starts)),
            _pairs(*(flat(start.get("versions")) for start in starts)),
            attributes,
            columns=pandas.DataFrame(different, columns=names).set_index(["stream", "column"]),
            compared=len(columns),
        )


def _metadata(run: Any) -> dict[str, Any]:
    left_out = {"uid", "time", *_PARTS}
    start = {key: value for key, value in run.metadata["start"].items() if key not in left_out}
    ended = dict(zip(("exit_status", "reason"), ending_of(run.metadata["stop"]), strict=True))
    return {**flat(start), **{key: value for key, value in ended.items() if value}}


def _pairs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = {key: (first.get(key, ABSENT), second.get(key, ABSENT)) for key in {**first, **second}}
    return {key: (a, b) for key, (a, b) in pairs.items() if (a is ABSENT) != (b is ABSENT) or _text(a) != _text(b)}


def _text(value: Any) -> str:
    # with NaN and infinities, which differ from each other and from None
    return repr(value) if value is ABSENT else json.dumps(plain_value(value), ensure_ascii=False)


def _shown(value: Any) -> str:
    return shown(value if isinstance(value, str) else _text(value), WIDTH)


_Difference = tuple[str, int | None, Any, float | None, tuple[int, ...] | None]


def _table(run: Any, stream: str) -> xarray.Dataset:
    """The table of a stream; without columns if the run does not have it."""
    if stream not in list(run):
        return xarray.Dataset()
    # the levels of a MultiIndex are compared, not its tuples
    return without_multi_indexes(with_text_names(to_dataset(run, stream)))


def _columns(
    stream: str, datasets: tuple[xarray.Dataset, xarray.Dataset], names: Sequence[str]
) -> Iterator[tuple[str, str, _Difference | None]]:
    """Each column of a stream of either run, and its difference, or None; `names` are those of the runs."""
    for name in dict.fromkeys([*datasets[0].variables, *datasets[1].variables]):
        having = [run for run, dataset in zip(names, datasets, strict=True) if name in dataset.variables]
        if len(having) == 1:
            yield stream, str(name), (f"only in {having[0]}", None, None, None, None)
        else:
            yield stream, str(name), _difference(*(dataset.variables[name] for dataset in datasets))


def _attributes(stream: str, datasets: tuple[xarray.Dataset, xarray.Dataset]) -> dict[str, tuple[Any, Any]]:
    """The attributes in which the tables of a stream differ, where both runs have it."""
    if not all(dataset.variables for dataset in datasets):
        return {}
    return {f"{stream}.{name}": pair for name, pair in _pairs(datasets[0].attrs, datasets[1].attrs).items()}


def _difference(first: xarray.Variable, second: xarray.Variable) -> _Difference | None:
    words = []
    for what in ("dims", "shape", "dtype"):
        a, b = (getattr(array, what) for array in (first, second))
        # the width of a text dtype is that of its longest value, and is no difference
        if str(a) != str(b) and not (what == "dtype" and {getattr(x, "kind", "O") for x in (a, b)} <= {"U", "O"}):
            words.append(f"{what} {_listed(a)} and {_listed(b)}")
    units = [array.attrs.get("units") for array in (first, second)]
    if units[0] != units[1]:
        words.append(f"units {units[0]} and {units[1]}")
    others = ({key: value for key, value in array.attrs.items() if key != "units"} for array in (first, second))
    words += [f"{key} {_shown(a)} and {_shown(b)}" for key, (a, b) in _pairs(*others).items()]
    count = largest = relative = at = None
    if first.shape == second.shape:
        count, largest, relative, at = _of_values(_plain(first), _plain(second))
        if count:
            total, place = f"{count} of {first.size} values", f" at {list(at)}" if at else ""
            words.insert(0, total if largest is None else f"{total}, at most by {_amount(largest, relative)}{place}")
    return (", ".join(words), count, largest, relative, at) if words else None


def _listed(value: Any) -> str:
    return " x ".join(map(str, value)) or "scalar" if isinstance(value, tuple) else str(value)


def _amount(largest: Any, relative: float | None) -> str:
    if isinstance(largest, pandas.Timedelta):
        return str(largest)
    amount = f"{largest:.{DIGITS}g}"
    return amount if relative is None else f"{amount} ({100 * relative:.2g} %)"


def _of_values(first: Any, second: Any) -> tuple[int, Any, float | None, tuple[int, ...]]:
    """How many values differ, and the largest difference, absolute and relative, with its position."""
    count = 0
    largest: Any = None
    relative: float | None = None
    at: tuple[int, ...] = ()
    for start, a, b in _slabs(first, second):
        differing = ~_same(a, b)
        if not differing.any():
            continue
        count += int(differing.sum())
        distances = _distances(a, b)
        if distances is None:
            continue
        # no number describes the difference to a missing value
        distances = numpy.where(differing & ~numpy.isnan(distances), distances, -1)
        place = numpy.unravel_index(int(numpy.argmax(distances)), distances.shape)
        if distances[place] >= 0 and (largest is None or distances[place] > largest):
            largest, at = float(distances[place]), (int(place[0]) + start, *map(int, place[1:]))
            scale = max(_size(a[place]), _size(b[place]))
            relative = largest / scale if 0 < scale < numpy.inf else None
    at = at if numpy.ndim(first) else ()
    if largest is not None and getattr(first.dtype, "kind", "") in "mM":
        return count, _span(largest), None, at
    return count, largest, relative, at


def _span(seconds: float) -> pandas.Timedelta:
    """A span of time; in whole seconds where nanoseconds cannot hold it."""
    try:
        return pandas.Timedelta(seconds, unit="s")
    except (OverflowError, pandas.errors.OutOfBoundsTimedelta):
        return pandas.Timedelta(numpy.timedelta64(round(min(seconds, 9e18)), "s"))


def _plain(array: xarray.Variable) -> Any:
    """Values as numpy or dask arrays; pandas types as numbers, with NaN if these hold the others, or as objects."""
    if isinstance(array.dtype, numpy.dtype):
        return array.data
    values = series_of(array)
    numbers = None if values.isna().any() and exceeds_float64(values) else plain_numbers(values)
    # not to_numpy, which rounds the integers of categories
    return values.astype(object).to_numpy() if numbers is None else numbers


def _slabs(first: Any, second: Any) -> Iterator[tuple[int, numpy.ndarray, numpy.ndarray]]:
    """Parts of two arrays along their first axis, with their positions, so that assets are read piece by piece."""
    if not first.ndim:
        yield 0, numpy.atleast_1d(numpy.asarray(first)), numpy.atleast_1d(numpy.asarray(second))
        return
    row = max(1, first.dtype.itemsize * int(numpy.prod(first.shape[1:], dtype=numpy.int64)))
    rows = max(1, SLAB // row)
    for start in range(0, first.shape[0], rows):
        yield start, numpy.asarray(first[start : start + rows]), numpy.asarray(second[start : start + rows])


_COMPARABLE = ("biufc", "US", "M", "m")


def _same(first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
    """Which values are equal, or are missing on both sides."""
    kinds = {first.dtype.kind, second.dtype.kind}
    integers = [array for array in (first, second) if array.dtype.kind in "iu"]
    # a comparison of integers with floats rounds the integers
    would_round = len(integers) == 1 and exceeds_float64(pandas.Series(integers[0].ravel()))
    if any(kinds <= set(comparable) for comparable in _COMPARABLE) and not would_round:
        same = equal_times(first, second) if kinds <= set("mM") and first.dtype != second.dtype else first == second
        return same | ((first != first) & (second != second)) if kinds & set("fcmM") else same
    a, b = (array.ravel().astype(object) for array in (first, second))
    a_missing, b_missing = pandas.isna(a), pandas.isna(b)
    same = a_missing & b_missing
    for i in numpy.flatnonzero(~(a_missing | b_missing)):
        same[i] = bool(a[i] == b[i])
    return same.reshape(first.shape)


def _distances(first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray | None:
    """The absolute differences, of times in seconds; None if the values are not numbers."""
    kinds = {first.dtype.kind, second.dtype.kind}
    with numpy.errstate(all="ignore"):
        if kinds <= set("iuf") and kinds != {"f"}:
            # the differences of large integers can overflow their type, and floats would round them
            return numpy.abs(first.astype(numpy.longdouble) - second.astype(numpy.longdouble))
        if kinds <= set("iufc"):
            return numpy.abs(first.astype("complex128" if "c" in kinds else "float64") - second)
        if kinds in ({"m"}, {"M"}):
            return seconds_apart(first, second)
    return None


def _size(value: Any) -> float:
    """The magnitude of a number; 0 for a time."""
    return abs(complex(value)) if value.dtype.kind in "iufc" else 0.0
