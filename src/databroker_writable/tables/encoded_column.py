"""The stored form of a column, from `encode` and for `decode`.

Missing values are null in documents, which not all readers tell from a value.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import dask.array
import numpy
import pandas

DTYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "c": "number", "U": "string"}
"""event-model's names for the types of single values."""

MARKERS = {"None": None, "NA": pandas.NA, "NaN": float("nan"), "NaT": pandas.NaT}
"""What marks missing values among Python objects, by the name that the layout has for it."""

NULL_TEXTS = ("None", "<NA>", "nan")
"""The text of a null after a cast to text by databroker 2, Tiled or pandas."""


@dataclass(slots=True)
class Encoded:
    """The stored form of one column."""

    values: Any  # numpy array, nested list or dask array
    shape: tuple[int, ...]
    dtype: str  # event-model's name of the type of one value
    dtype_numpy: str
    encoding: dict[str, Any]
    units: str | None = None
    exact: Encoded | None = None  # exact integers, if float64 seconds may lose digits
    extra_dims: tuple[str, ...] = ()  # dims of the stored values that the column does not have

    def has_nulls(self) -> bool:
        """Whether some of its values, which are a list, are missing."""
        return None in self._flat()

    def with_dtype_of_nulls(self, dtype: str) -> Encoded:
        """Declare Python objects that are all missing with the dtype of other values of the stream."""
        if self.encoding["is"] != "object" or any(value is not None for value in self._flat()):
            return self
        return replace(self, dtype=DTYPES[numpy.dtype(dtype).kind], dtype_numpy=dtype)

    def null_safe(self) -> Encoded:
        """Declare a column with nulls with a dtype that can hold them: float64 with NaN, or text of four characters."""
        stored = numpy.dtype(self.dtype_numpy)
        if stored.kind in "biu":
            return replace(self, dtype="number", dtype_numpy="<f8")
        if stored.kind == "U":
            return replace(self, dtype_numpy=f"<U{max(*map(len, NULL_TEXTS), stored.itemsize // 4)}")
        return self

    def null_marks(self) -> Encoded | None:
        """Flag each null, if a cast would make nulls look like values of the column."""
        flat = self._flat()
        looks_null = any(map(operator.ne, flat, flat)) or not {*NULL_TEXTS}.isdisjoint(flat)
        # masked floats come back as NaN
        if self.encoding["is"] == "masked" or not looks_null:
            return None
        marks = numpy.array([value is None for value in flat]).reshape(self.shape)
        return Encoded(marks, self.shape, "boolean", marks.dtype.str, {}, extra_dims=self.extra_dims)

    def _flat(self) -> list[Any]:
        return self.values if len(self.shape) == 1 else flatten(self.values, len(self.shape))


def is_null(value: Any) -> bool:
    """Whether a server's value means null, if its column has nulls."""
    return value is None or value != value or (isinstance(value, str) and value in NULL_TEXTS)


def nest(flat: list[Any], shape: tuple[int, ...]) -> Any:
    """Reshape a flat list of values to nested lists."""
    return flat if len(shape) == 1 else numpy.fromiter(flat, dtype=object).reshape(shape).tolist()


def flatten(nested: Any, ndim: int) -> list[Any]:
    """Flatten nested lists of `ndim` levels."""
    if ndim == 0:
        return [nested]
    if isinstance(nested, dask.array.Array):
        nested = nested.compute()
    if isinstance(nested, numpy.ndarray):
        return list(nested.ravel().tolist())
    for _ in range(ndim - 1):
        nested = chain.from_iterable(nested)
    # Events of a page that was packed again hold numpy's scalars.
    return [value.item() if isinstance(value, numpy.generic) else value for value in nested]
