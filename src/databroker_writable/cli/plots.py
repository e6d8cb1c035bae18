"""Plots of one column: as text, and as a picture."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import click
import numpy

WIDTH = 64
HEIGHT = 12


def column_of(dataset: Any, name: str) -> Any:
    """The values of a column of numbers, axes of length 1 left out."""
    array = dataset[name]
    if array.dtype.kind not in "biuf":
        raise click.ClickException(f"the column {name!r} holds {array.dtype} and cannot be plotted; choose another one")
    return array.squeeze()


def text_plot(array: Any) -> str:
    """Draw a one-dimensional column with characters, against its coordinate or the number of its value."""
    if array.ndim > 1:
        raise click.ClickException(
            f"the column {array.name!r} has the shape {array.shape}, too much for text; give --plot FILE.png"
        )
    y = numpy.atleast_1d(numpy.asarray(array.values, dtype=float))
    label, x = _abscissa(array, len(y))
    good = numpy.isfinite(x) & numpy.isfinite(y)
    if not good.any():
        return f"{array.name}: no finite values"
    x, y = x[good], y[good]
    canvas = numpy.full((HEIGHT, WIDTH), " ")
    canvas[HEIGHT - 1 - _steps(y, HEIGHT), _steps(x, WIDTH)] = "*"
    top, bottom = f"{y.max():.5g}", f"{y.min():.5g}"
    margin = max(len(top), len(bottom))
    left = [top, *[""] * (HEIGHT - 2), bottom]
    lines = [f"{text:>{margin}} |{''.join(row).rstrip()}" for text, row in zip(left, canvas, strict=True)]
    first, last = f"{x.min():.5g}", f"{x.max():.5g}"
    lines.append(f"{'':{margin}} +{'-' * WIDTH}")
    lines.append(f"{'':{margin}}  {first}{last:>{WIDTH - len(first)}}")
    return "\n".join([f"{_titled(array)} against {label}", *lines])


def save_plot(array: Any, path: str) -> None:
    """Draw a column of one or two dimensions into a file, whose suffix tells the format."""
    check_matplotlib()
    if array.ndim > 2:
        raise click.ClickException(
            f"the column {array.name!r} has the shape {array.shape}; only one and two dimensions can be drawn"
        )
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    axes = figure.subplots()
    values = numpy.asarray(array.values)
    if array.ndim == 2:
        image = axes.imshow(values, origin="lower", aspect="auto")
        figure.colorbar(image, label=_titled(array))
        axes.set_ylabel(str(array.dims[0]))
        axes.set_xlabel(str(array.dims[1]))
    else:
        values = numpy.atleast_1d(values)
        label, x = _abscissa(array, len(values))
        axes.plot(x, values, marker="." if len(values) <= WIDTH else None)
        axes.set_xlabel(label)
        axes.set_ylabel(_titled(array))
    save_figure(figure, path)


def save_figure(figure: Any, path: str) -> None:
    """Write a drawing; matplotlib tells the format by the suffix."""
    try:
        figure.savefig(os.path.expanduser(path))
    except (OSError, ValueError) as exc:
        raise click.ClickException(f"the picture {path!r} cannot be written: {exc}") from exc


def check_matplotlib() -> None:
    """Say which extra brings matplotlib, if it is not there."""
    if importlib.util.find_spec("matplotlib") is None:
        raise click.ClickException(
            "pictures need matplotlib; install the extra 'lineage': pip install 'databroker-writable[lineage]'"
        )


def _abscissa(array: Any, length: int) -> tuple[str, numpy.ndarray]:
    """The coordinate along a column's axis where it is made of numbers, else the numbers of the values."""
    (dim,) = array.dims or ("value",)
    coordinate = array.coords.get(dim)
    if coordinate is not None and coordinate.dtype.kind in "iuf" and dim != "time":
        return _titled(coordinate), numpy.asarray(coordinate.values, dtype=float)
    return f"number of the {'Event' if dim == 'time' else 'value'}", numpy.arange(length, dtype=float)


def _titled(array: Any) -> str:
    units = array.attrs.get("units")
    return f"{array.name} ({units})" if units else str(array.name)


def _steps(values: numpy.ndarray, count: int) -> numpy.ndarray:
    """Places of values on an axis of so many steps."""
    low, high = values.min(), values.max()
    if low == high:
        return numpy.full(len(values), count // 2)
    return numpy.rint((values / 2 - low / 2) / (high / 2 - low / 2) * (count - 1)).astype(int)
