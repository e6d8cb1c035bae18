"""How columns that cannot be stored are refused: by their names."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any

import numpy

from ..errors import InvalidTableError, StoreError
from .classifier import COLUMN, Unstorable, ValueType, type_name, type_of_dtype, units_of, unstorable, unstorable_dtype
from .wording import short


def mixed(name: str, types: Iterable[type]) -> InvalidTableError:
    return InvalidTableError(
        f"column {name!r} holds mixed types ({', '.join(sorted(map(type_name, types)))}); make it one type, "
        f"e.g. table[{name!r}] = [str(v) for v in table[{name!r}]]"
    )


def unsupported(name: str, what: str, remedy: str) -> InvalidTableError:
    return InvalidTableError(f"column {name!r} holds {what}, which cannot be stored exactly; {remedy}")


def check_whole(values: Any, name: str) -> None:
    """Refuse a column whose units, fields or digits would be lost; masks are kept, but for lazy ones."""
    if type(values) is numpy.ndarray or (isinstance(values, numpy.ma.MaskedArray) and units_of(values) is None):
        lost = unstorable_dtype(values.dtype)
    else:
        lost = unstorable(values)
    if lost is not None:
        raise _unstorable_column(lost, name)


def check_computed(block: Any, name: str) -> None:
    """Refuse what a lazy column has computed to, if its units, mask, fields or digits would be lost."""
    lost = None if type(block) is numpy.ndarray else unstorable(block)
    if lost is not None:
        raise _unstorable_column(lost, name)


def computed(values: Any, name: str) -> Any:
    """Compute a lazy column."""
    block = values.compute()
    check_computed(block, name)
    return block


def _unstorable_column(lost: Unstorable, name: str) -> InvalidTableError:
    return InvalidTableError(f"column {name!r} {lost.reason}; {lost.column_remedy.replace(COLUMN, repr(name))}")


def check_column_dtype(dtype: numpy.dtype[Any], name: str) -> None:
    """Refuse the dtypes of items that `unstorable` leaves to those who store them."""
    if type_of_dtype(dtype) in _REFUSED:
        what, remedy = _REFUSED[type_of_dtype(dtype)]
        raise unsupported(name, what.format(dtype), remedy)


_REFUSED = {
    ValueType.BYTES: ("bytes ({})", "decode them, e.g. numpy.char.decode(values, 'utf-8')"),
    ValueType.STRING_DTYPE: ("strings of numpy's StringDType", "convert them with .astype(str)"),
    ValueType.OTHER: ("values of dtype {}", "convert them to numbers or strings"),
}


class reading:
    """Turn what other packages raise while a column is read into an error that names the column.

    Examples
    --------
    >>> with reading("x"):
    ...     numpy.zeros(3).reshape(2)
    Traceback (most recent call last):
        ...
    databroker_writable.errors.InvalidTableError: column 'x' cannot be read: ...
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, type_: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is None or isinstance(error, StoreError | MemoryError) or not isinstance(error, Exception):
            return
        raise InvalidTableError(
            f"column {self._name!r} cannot be read: {short(error, 200)}; make it a list or a numpy array"
        ) from error
