"""Reading tables from files, with nothing left out and no value changed."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

_NETCDF = (".nc", ".nc4")
_EXACT = 2**53
"""The largest integer up to which float64 holds each."""


def read_file(path: Path, group: str | None = None) -> Any:
    """Read a DataFrame or a Dataset from a CSV, Parquet or netCDF file, told by its suffix; netCDF has groups."""
    path = path.expanduser()
    if not path.is_file():
        raise click.ClickException(f"there is no file {str(path)!r}")
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise click.ClickException(
            f"{str(path)!r} has none of the suffixes {', '.join(_FORMATS)}; rename it, or convert it to one of these"
        )
    if group is not None and suffix not in _NETCDF:
        raise click.UsageError(f"--group names a group of a netCDF file, and {str(path)!r} is none")
    label, package, read = _FORMATS[suffix]
    if package is not None and importlib.util.find_spec(package) is None:
        raise click.ClickException(
            f"reading {label} needs the package {package}; install the extra 'files': "
            "pip install 'databroker-writable[files]'"
        )
    try:
        return _read_netcdf(path, group) if suffix in _NETCDF else read(path)
    except (ValueError, OSError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise click.ClickException(f"{str(path)!r} cannot be read as {label}: {reason}") from exc


def _read_csv(path: Path) -> Any:
    import pandas

    # read whole: in pieces, pandas can infer several types for one column
    options: dict[str, Any] = {"index_col": False, "low_memory": False}
    if tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1):
        options["float_precision"] = "round_trip"  # what later ones do by themselves
    with warnings.catch_warnings():
        # else pandas drops what is beyond the last name, or takes the first column for an index
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            frame = pandas.read_csv(path, **options)
        except pandas.errors.ParserWarning as exc:
            raise ValueError("its rows have more values than its first line has names; name every column") from exc
    gaps = [number for number in range(frame.shape[1]) if _may_be_of_integers(frame.iloc[:, number])]
    if gaps:
        exact = pandas.read_csv(path, **options, usecols=gaps, dtype_backend="numpy_nullable")
        for number, name in zip(gaps, exact.columns, strict=True):
            if exact[name].dtype.kind in "iub" and exact[name].notna().any():
                frame = frame.assign(**{frame.columns[number]: _exact(exact[name])})
    return frame


def _may_be_of_integers(column: Any) -> bool:
    """Whether pandas may have made floats, or objects, of integers or truth values because some are missing."""
    return column.dtype.kind in "fO" and bool(column.isna().any())


def _exact(column: Any) -> Any:
    """A nullable column, as Python's integers where some are larger than what floats hold.

    pandas 3 makes floats of nullable integers when an array is asked for, as xarray does.
    """
    is_large = column.dtype.kind in "iu" and bool((column.gt(_EXACT) | column.lt(-_EXACT)).any())
    return column.astype(object) if is_large else column


def _read_parquet(path: Path) -> Any:
    import pandas
    from pyarrow import parquet

    frame = pandas.read_parquet(path, engine="pyarrow")
    gaps = [name for name in frame if isinstance(name, str) and _may_be_of_integers(frame[name])]
    for name, column in zip(gaps, parquet.read_table(path, columns=gaps).columns, strict=True):
        exact = _nullable(column)
        if exact is not None:
            exact.index = frame.index
            frame[name] = _exact(exact)
    return frame


def _nullable(column: Any) -> Any:
    """A column of integers or truth values of Arrow as one of pandas that can miss some; None for other types."""
    import pandas
    import pyarrow

    if not (pyarrow.types.is_integer(column.type) or pyarrow.types.is_boolean(column.type)):
        return None
    # int64 is int64 in Arrow, and Int64 in pandas where some may be missing
    name = "boolean" if pyarrow.types.is_boolean(column.type) else str(column.type).replace("i", "I").replace("u", "U")
    return column.to_pandas(types_mapper={column.type: pandas.api.types.pandas_dtype(name)}.get)


def _read_netcdf(path: Path, group: str | None = None) -> Any:
    import xarray

    groups = list(_groups_with_data(path))
    shown = ", ".join(name.strip("/") or "/" for name in groups)
    if group is None:
        if any(name != "/" for name in groups):
            raise ValueError(f"it has data in groups; give one of them with --group: {shown}")
        return xarray.load_dataset(path, engine="h5netcdf")
    name = "/" + group.strip("/")
    if name not in groups:
        raise ValueError(f"it has no data in a group {group!r}; give one of {shown}")
    if name == "/":
        return xarray.load_dataset(path, engine="h5netcdf")
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        # with the coordinates that it shares with the groups around it
        return tree[name].to_dataset().load()


def _groups_with_data(path: Path) -> Iterator[str]:
    import h5netcdf

    with h5netcdf.File(path, "r") as file:
        waiting = [file]
        while waiting:
            group = waiting.pop()
            if group.variables:
                yield group.name
            waiting += [group.groups[name] for name in reversed(list(group.groups))]


_FORMATS: dict[str, tuple[str, str | None, Callable[[Path], Any]]] = {
    ".csv": ("CSV", None, _read_csv),
    ".parquet": ("Parquet", "pyarrow", _read_parquet),
    **dict.fromkeys(_NETCDF, ("netCDF-4", "h5netcdf", _read_netcdf)),
}
