"""Reading tables from files."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def read_file(path: Path) -> Any:
    """Read a DataFrame or a Dataset from a CSV, Parquet or netCDF file, told by its suffix."""
    if not path.is_file():
        raise click.ClickException(f"there is no file {str(path)!r}")
    if path.suffix.lower() not in _FORMATS:
        raise click.ClickException(
            f"{str(path)!r} has none of the suffixes {', '.join(_FORMATS)}; rename it, or convert it to one of these"
        )
    label, package, read = _FORMATS[path.suffix.lower()]
    if package is not None and importlib.util.find_spec(package) is None:
        raise click.ClickException(
            f"reading {label} needs the package {package}; install the extra 'files': "
            "pip install 'databroker-writable[files]'"
        )
    try:
        return read(path)
    except (ValueError, OSError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise click.ClickException(f"{str(path)!r} cannot be read as {label}: {reason}") from exc


def _read_csv(path: Path) -> Any:
    import pandas

    with warnings.catch_warnings():
        # else pandas drops what is beyond the last name, or takes the first column for an index
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            # read whole: in pieces, pandas can infer several types for one column
            return pandas.read_csv(path, index_col=False, low_memory=False)
        except pandas.errors.ParserWarning as exc:
            raise ValueError("its rows have more values than its first line has names; name every column") from exc


def _read_parquet(path: Path) -> Any:
    import pandas

    return pandas.read_parquet(path, engine="pyarrow")


def _read_netcdf(path: Path) -> Any:
    import xarray

    return xarray.load_dataset(path, engine="h5netcdf")


_FORMATS: dict[str, tuple[str, str | None, Callable[[Path], Any]]] = {
    ".csv": ("CSV", None, _read_csv),
    ".parquet": ("Parquet", "pyarrow", _read_parquet),
    ".nc": ("netCDF-4", "h5netcdf", _read_netcdf),
    ".nc4": ("netCDF-4", "h5netcdf", _read_netcdf),
}
