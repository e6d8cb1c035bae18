"""A plot of one column as text."""

from __future__ import annotations

import numpy

from ..errors import ExportError
from ..results.drawing import Plottable

WIDTH = 64
HEIGHT = 12


def text_plot(content: Plottable) -> str:
    """Draw a line with characters."""
    if len(content.axes) > 1:
        what = f"{content.frame} of the column" if content.frame else "the column"
        way = "" if content.frame else ", or choose a row with --frame"
        raise ExportError(
            f"{what} {content.label!r} has the shape {content.values.shape}, which cannot be drawn as text; "
            f"use --plot FILE.png{way}"
        )
    (axis,) = content.axes
    x, y = _numbers(axis.values), _numbers(content.values)
    good = numpy.isfinite(x) & numpy.isfinite(y)
    if not good.any():
        return f"{content.label}: no finite values"
    x, y = x[good], y[good]
    canvas = numpy.full((HEIGHT, WIDTH), " ")
    canvas[HEIGHT - 1 - _steps(y, HEIGHT), _steps(x, WIDTH)] = "*"
    top, bottom = _shown(y.max(), content.values), _shown(y.min(), content.values)
    margin = max(len(top), len(bottom))
    left = [top, *[""] * (HEIGHT - 2), bottom]
    lines = [f"{text:>{margin}} |{''.join(row).rstrip()}" for text, row in zip(left, canvas, strict=True)]
    first, last = _shown(x.min(), axis.values), _shown(x.max(), axis.values)
    lines.append(f"{'':{margin}} +{'-' * WIDTH}")
    lines.append(f"{'':{margin}}  {first}{last:>{WIDTH - len(first)}}")
    return "\n".join([f"{content.label} against {axis.label}", *lines])


def _numbers(values: numpy.ndarray) -> numpy.ndarray:
    """The values as numbers; times as seconds since 1970."""
    if values.dtype.kind == "M":
        seconds = (values - numpy.datetime64(0, "s")) / numpy.timedelta64(1, "s")
        return numpy.where(numpy.isnat(values), numpy.nan, seconds)
    return values.astype(float)


def _shown(number: float, values: numpy.ndarray) -> str:
    if values.dtype.kind == "M":
        return str(numpy.datetime64(round(number * 1000), "ms").astype("datetime64[s]")).replace("T", " ")
    return f"{number:.5g}"


def _steps(values: numpy.ndarray, count: int) -> numpy.ndarray:
    """Positions of values on an axis with this many steps."""
    low, high = values.min(), values.max()
    if low == high:
        return numpy.full(len(values), count // 2)
    return numpy.rint((values / 2 - low / 2) / (high / 2 - low / 2) * (count - 1)).astype(int)
