"""Names of pandas' types, and the values and types of its indexes."""

from __future__ import annotations

from typing import Any

import pandas


def dtype_name(dtype: Any) -> str:
    """The name from which pandas makes the same dtype again; that of strings does not tell their storage."""
    if isinstance(dtype, pandas.StringDtype):
        return f"string[{dtype.storage}]" if dtype.na_value is pandas.NA else "str"
    return str(dtype)


def is_default_index(index: Any) -> bool:
    return isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None


def index_values(index: pandas.Index) -> Any:
    """The values of an index as an array that `encode` takes, without loss of dtype."""
    values = index.array
    return values.to_numpy() if isinstance(values, pandas.arrays.NumpyExtensionArray) else values


def index_dtypes(index: Any) -> list[str]:
    return [dtype_name(index.get_level_values(number).dtype) for number in range(index.nlevels)]
