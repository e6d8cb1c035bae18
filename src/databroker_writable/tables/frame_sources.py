"""DataFrames as named variables with dims."""

from __future__ import annotations

from typing import Any

import numpy
import pandas

from ..errors import InvalidTableError
from .column_arrays import array_from_array
from .names import check_name, free_name
from .pandas_types import index_dtypes, index_values, is_default_index
from .refusals import reading
from .variables import Source, Variable


def source_from_frame(frame: pandas.DataFrame) -> Source:
    if isinstance(frame.columns, pandas.MultiIndex):
        raise InvalidTableError(
            "the DataFrame has MultiIndex columns; join their levels, "
            "e.g. df.columns = ['_'.join(map(str, c)) for c in df.columns]"
        )
    labels = frame.columns.tolist()
    if not labels:
        raise InvalidTableError("the DataFrame has no columns; give it at least one")
    for name in labels:
        check_name(name, "column")
    names = set(labels)
    if len(names) < len(labels):
        twice = sorted(set(frame.columns[frame.columns.duplicated()]))
        raise InvalidTableError(f"the DataFrame has columns of the same name ({', '.join(twice)}); rename them")
    index: Any = frame.index
    for name in index.names:
        if name is not None:
            check_name(name, "index")
            if name in names:
                raise InvalidTableError(
                    f"the index and a column are both named {name!r}; rename one, e.g. df.rename_axis('index')"
                )
    single = not isinstance(index, pandas.MultiIndex)
    dim = index.name if single and index.name is not None else free_name("row", names | set(index.names))
    variables = []
    for label, column in frame.items():
        name = str.__str__(label)
        with reading(name):
            # of a numpy array with units pandas keeps the numbers in .array
            held = column.values if isinstance(column.dtype, numpy.dtype) else column.array
            values = array_from_array(held, name)
        inner = tuple(free_name(f"{name}_{axis}", names | {dim}) for axis in range(1, values.ndim))
        variables.append(Variable(name, (dim, *inner), values))
    record: dict[str, Any] = {"dim": dim, "names": list(index.names), "levels": [], "multi": not single}
    if not is_default_index(index):
        levels = _index_levels(index, dim, names)
        record["levels"] = [level.name for level in levels]
        record["dtypes"] = index_dtypes(index)
        freq = _frequency(index)
        if freq is not None:
            record["freq"] = freq
        variables = levels + variables
    return Source("frame", variables, dim, dict(frame.attrs), {"frame": record})


def _frequency(index: Any) -> str | None:
    """The name of an index's frequency, from which pandas makes the same one again."""
    freq = getattr(index, "freq", None)
    if freq is None or isinstance(index, pandas.PeriodIndex):
        return None
    try:
        known = pandas.tseries.frequencies.to_offset(freq.freqstr) == freq
    except ValueError:
        known = False
    if not known:
        raise InvalidTableError(
            f"the index has the frequency {freq!r}, which its name {freq.freqstr!r} does not give back; "
            "drop it with df.index.freq = None"
        )
    return str(freq.freqstr)


def _index_levels(index: Any, dim: str, names: set[str]) -> list[Variable]:
    """The levels of a pandas index, as coordinates along `dim`."""
    if not isinstance(index, pandas.MultiIndex):
        key = index.name if index.name is not None else free_name("index", names | {dim})
        return [Variable(dim, (dim,), index_values(index), coordinate=True, key=key)]
    levels: list[Variable] = []
    taken = names | {dim}
    name: Any
    for number, name in enumerate(index.names):
        wanted = name if name is not None else f"level_{number}"
        if name is not None and name in {level.name for level in levels}:
            raise InvalidTableError(f"two levels of the index are named {name!r}; rename one")
        name = name if name is not None else free_name(wanted, {*taken, *map(str, index.names)})
        taken = taken | {name}
        values = index_values(index.get_level_values(number))
        levels.append(Variable(name, (dim,), values, coordinate=True))
    return levels
