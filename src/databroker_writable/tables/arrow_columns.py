"""Convert Arrow columns and tables, of pyarrow, polars and others, without loss of digits, zones or categories."""

from __future__ import annotations

from typing import Any

import numpy
import pandas

from ..errors import InvalidTableError
from .classifier import unsupported, way_to_datetimes
from .list_columns import array_from_list
from .time_columns import NAT, in_zone
from .wording import short


def is_arrow(values: Any) -> bool:
    """Whether an array is pyarrow's, or one that exports itself as Arrow's."""
    type_ = type(values)
    if hasattr(type_, "__arrow_c_array__") or hasattr(type_, "__arrow_c_stream__"):
        return True
    return type_.__module__.partition(".")[0] == "pyarrow" and hasattr(values, "to_pylist")


def is_arrow_dtype(dtype: Any) -> bool:
    """Whether a pandas column holds Arrow values of types that pandas also has itself."""
    return isinstance(dtype, pandas.ArrowDtype) and getattr(dtype.numpy_dtype, "kind", "O") not in "biuf"


def columns_from_arrow(table: Any) -> tuple[dict[str, Any], dict[str, dict[str, str]], dict[str, str]]:
    """Return the columns of an Arrow table, the attributes of each, and those of the table."""
    pyarrow = _import_pyarrow("the table")
    try:
        table = pyarrow.table(table)
    except pyarrow.ArrowException as error:
        raise InvalidTableError(
            f"the table has a column of a type that Arrow does not have ({short(error, 200)}); make it text or "
            "numbers, e.g. with .cast(str) in polars"
        ) from error
    schema = table.schema
    if len(set(schema.names)) < len(schema.names):
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
        raise InvalidTableError(f"the table has columns of the same name ({', '.join(twice)}); rename them")
    attributes = {field.name: _metadata(field.metadata, f"column {field.name!r}") for field in schema}
    return dict(zip(schema.names, table.columns, strict=True)), attributes, _metadata(schema.metadata, "the table")


def column_from_arrow(values: Any, name: str) -> Any:
    """Convert an Arrow array, whole or in chunks, or a pandas array of Arrow values, to numpy or pandas."""
    pyarrow = _import_pyarrow(f"column {name!r}")
    is_pandas = isinstance(values, pandas.api.extensions.ExtensionArray)
    values = _of_pyarrow(values, pyarrow)
    is_day = pyarrow.types.is_date(values.type)
    remedy = "make them text or numbers, e.g. with .cast('string') in pyarrow, .cast(str) in polars"
    if pyarrow.types.is_struct(values.type):
        remedy = f"give each field a column of its own, table.flatten() in pyarrow, table.unnest({name!r}) in polars"
    elif pyarrow.types.is_nested(values.type):
        remedy = "make them text, e.g. [str(v) for v in values.to_pylist()]"
    if is_pandas:
        to_text = f"table[{name!r}] = table[{name!r}].astype('string')"
        remedy = f"convert them, e.g. {way_to_datetimes(name) if is_day else to_text}"
    elif is_day:
        remedy = f"make them datetimes, .cast('timestamp[s]') in pyarrow, .cast(polars.Datetime) in polars; or {remedy}"
    return _converted(_in_one_chunk(values), name, remedy)


def rows_of_numbers(values: Any, name: str) -> Any:
    """The rows of an Arrow column of lists of numbers, each as an array; other values, or missing ones, unchanged."""
    values = values.array if isinstance(values, pandas.Series) else values
    is_pandas = isinstance(values, pandas.api.extensions.ExtensionArray)
    if not (is_arrow_dtype(values.dtype) if is_pandas else is_arrow(values)):
        return values
    pyarrow = _import_pyarrow(f"column {name!r}")
    types = pyarrow.types
    try:
        lists = _of_pyarrow(values, pyarrow)
    except pyarrow.ArrowException:
        return values  # where it is converted, the error names the column
    if not (types.is_list(lists.type) or types.is_large_list(lists.type)):
        return values
    lists = _in_one_chunk(lists)
    numbers = lists.flatten()
    is_number = types.is_integer(numbers.type) or types.is_floating(numbers.type)
    if not is_number or lists.null_count or numbers.null_count:
        return values
    ends = numpy.cumsum(lists.value_lengths())
    return numpy.split(numbers.to_numpy(zero_copy_only=False), ends[:-1]) if len(ends) else values


def _of_pyarrow(values: Any, pyarrow: Any) -> Any:
    if isinstance(values, pandas.api.extensions.ExtensionArray):
        return values.__arrow_array__()
    if isinstance(values, pyarrow.Array | pyarrow.ChunkedArray):
        return values
    return pyarrow.array(values) if hasattr(values, "__arrow_c_array__") else pyarrow.chunked_array(values)


def _in_one_chunk(values: Any) -> Any:
    return values.unify_dictionaries().combine_chunks() if hasattr(values, "combine_chunks") else values


def _import_pyarrow(what: str) -> Any:
    try:
        import pyarrow  # only Arrow columns need it
    except ImportError as error:
        raise InvalidTableError(f"{what} is an Arrow column, which needs pyarrow; install it") from error
    return pyarrow


def _converted(values: Any, name: str, remedy: str) -> Any:
    from pyarrow import types

    type_ = values.type
    if types.is_dictionary(type_):
        return _categorical(values, name, remedy)
    if any((types.is_list(type_), types.is_large_list(type_), types.is_fixed_size_list(type_))):
        return _stacked(values, name, remedy)
    if types.is_timestamp(type_):
        times = _whole_numbers(values).view(f"M8[{type_.unit}]")
        return times if type_.tz is None else in_zone(times, f"UTC{type_.tz}" if type_.tz[:1] in "+-" else type_.tz)
    if types.is_duration(type_):
        return _whole_numbers(values).view(f"m8[{type_.unit}]")
    is_text = str(type_) in ("string", "large_string", "string_view", "null")
    if not is_text and not (types.is_boolean(type_) or types.is_integer(type_) or types.is_floating(type_)):
        raise unsupported(name, f"Arrow values of type {type_}", remedy)
    if is_text or values.null_count:
        # numpy has no missing integers: pyarrow would convert all to floats, and lose digits
        return array_from_list(values.to_pylist(), name)
    return values.to_numpy(zero_copy_only=False)


def _whole_numbers(values: Any) -> numpy.ndarray:
    """The counts of datetimes, with numpy's NaT for missing ones."""
    return numpy.asarray(values.cast("int64").fill_null(NAT).to_numpy(zero_copy_only=False))


def _categorical(values: Any, name: str, remedy: str) -> Any:
    if values.dictionary.null_count:
        raise unsupported(name, "a missing value among the categories", "cast it to the type of its categories")
    categories = pandas.Index(_converted(values.dictionary, name, remedy))
    codes = values.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
    return pandas.Categorical.from_codes(codes, categories, ordered=values.type.ordered)


def _stacked(values: Any, name: str, remedy: str) -> Any:
    """Make one array of lists of equal length."""
    if values.null_count:
        raise unsupported(name, "missing lists", "fill them, or make them a column of another table")
    lengths = {len(item) for item in values}
    if len(lengths) > 1:
        # it raises the error
        return array_from_list(values.to_pylist(), name)
    flat = _converted(values.flatten(), name, remedy)
    if not isinstance(flat, numpy.ndarray):
        raise unsupported(name, "lists of categories or of datetimes with a time zone", "make each item a column")
    return flat.reshape((len(values), *lengths, *flat.shape[1:]))


def _metadata(pairs: dict[bytes, bytes] | None, where: str) -> dict[str, str]:
    """The metadata of a schema, without those that pyarrow and pandas write for themselves."""
    try:
        texts = {key.decode(): value.decode() for key, value in (pairs or {}).items()}
    except UnicodeDecodeError as error:
        raise InvalidTableError(f"{where} has Arrow metadata that are not text ({error}); drop them") from error
    others = ("pandas", "ARROW:", "PARQUET:")
    return {key: value for key, value in texts.items() if not key.startswith(others)}
