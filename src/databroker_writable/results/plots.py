"""Plots of one column of a run: a line against its axis, or an image."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy
import xarray

from ..errors import ExportError, errors_end_here
from ..runs.shown_text import SHORT_UID
from ..tables import require_run, text_name, to_dataset, with_text_names
from ..tables.public_types import Run
from ..tables.wording import choice, dtype_in_words, short
from .drawing import Axis, Plottable, check_axes, check_matplotlib, draw, not_boolean
from .stream_data import TIMES, ZONE, StreamData, drawable, first_descriptor, is_plottable, streams_of, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POSIX = 1e8
"""Values along ``time`` above this are seconds since 1970, others are seconds since some start."""

_COUNTED = {"time": "number of the Event", "row": "number of the value", "value": "number of the value"}
"""The label of an axis that counts values, if the name of its dimension says nothing."""


def plot(
    run: Run,
    column: str | None = None,
    *,
    stream: str | None = None,
    x: str | None = None,
    frame: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a column with matplotlib.

    Parameters
    ----------
    run : databroker.core.BlueskyRun
    column : str, optional
        By default the first that can be plotted, with preference for hinted ones. For complex numbers the magnitude is
        drawn.
    stream : str, optional
        By default ``primary``, or the first stream that has the column.
    x : str, optional
        The column or coordinate for the x axis of a line; by default the one that the plan names in its hints, or else
        the coordinate, or else the number of the value.
    frame : int, optional
        Which image of a stack, counted through all leading dimensions, -1 for the last; by default the first. For a
        column of two dimensions, draw this row as a line.
    ax : matplotlib.axes.Axes, optional
        By default, axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ExportError
        There is no such column, stream or frame, or it cannot be plotted.
    ExtraMissingError
        matplotlib is not installed.
    InvalidRunError
        `run` is not a run, or a newer version of this package stored it.
    UnreadableAssetError
        The file of an array is missing or damaged.

    Notes
    -----
    Only the image that is drawn is read from a stack of images in an asset.

    Examples
    --------
    >>> run = catalog.store_run({"energy": [8.1, 8.2], "counts": [3, 5]}, metadata={"sample": "Ni"})
    >>> axes = databroker_writable.plot(run, "counts", x="energy")
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('energy', 'counts')
    """
    with errors_end_here:
        run = require_run(run, "plot")
        check_matplotlib()
        _check_arguments(column, x, frame, ax)
        content = plottable(run, column, stream=stream, x=x, frame=frame)
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(layout="constrained")
        return draw(content, ax)


def _check_arguments(column: Any, x: Any, frame: Any, ax: Any) -> None:
    for name in (column, x):
        if not isinstance(name, Hashable):
            raise ExportError(f"plot draws one column, not {short(name)}; draw the next one with ax=, on the same axes")
    if frame is not None and (isinstance(frame, bool) or not isinstance(frame, int | numpy.integer)):
        raise ExportError(f"frame must be the number of an image, such as 0 or -1, not {short(frame)}")
    check_axes(ax)


def plottable(
    run: Any, column: Hashable | None, *, stream: str | None, x: Hashable | None, frame: int | None
) -> Plottable:
    """Read the data to draw; parameters as for `plot`."""
    data, column, x = _column(run, column, x, stream)
    array = data.dataset[column]
    if not is_plottable(array):
        raise ExportError(
            f"the column {column!r} holds {dtype_in_words(array.dtype)} and cannot be plotted; choose another one"
        )
    if not array.size:
        raise ExportError(f"the column {column!r} holds no values")
    array, note = _framed(array, frame)
    title, uid = title_of(data.start), data.start["uid"][:SHORT_UID]
    title = f"{title if uid in title else f'{title}, {uid}'}{note}"
    label, values = _labelled(array, data)
    if array.ndim == 2:
        if x is not None:
            raise ExportError(
                f"x is for lines, and the column {column!r} is an image of {array.shape}; "
                "use frame (--frame) to draw one of its rows"
            )
        axes = tuple(_axis(data, dim, array.sizes[dim]) for dim in array.dims)
        units = [axis.label.partition(" (")[2] for axis in axes]
        same_units = all(axis.is_counted for axis in axes) or (units[0] == units[1] != "")
        return Plottable(values, label, title, axes, note.removeprefix(", "), same_units)
    values = numpy.atleast_1d(values)
    if x is not None:
        axis = _chosen_axis(data, x, array)
    else:
        dim = array.dims[0] if array.ndim else "value"
        axis = _axis(data, dim, len(values))
        if axis.is_counted and dim in _COUNTED:
            axis = replace(axis, label=_COUNTED[dim])
    return Plottable(values, label, title, (axis,))


def _column(
    run: Any, column: Hashable | None, x: Hashable | None, stream: str | None
) -> tuple[StreamData, str, str | None]:
    """The data of a stream with the column, and the names of the column and of `x` there, which are text."""
    known: list[str] = []
    for name in streams_of(run, stream):
        stored = to_dataset(run, name)
        dataset = drawable(with_text_names(stored))
        data = StreamData(dataset, run.metadata["start"], name, first_descriptor(run, name))
        wanted = next(iter(data.plottable_columns()), None) if column is None else text_name(stored, column)
        if wanted is not None and wanted in dataset.variables:
            return data, wanted, text_name(stored, x)
        known += map(str, dataset.data_vars)
    what = "column that can be plotted" if column is None else f"column {column!r}"
    raise ExportError(f"there is no {what}; the run has {choice(known, column)}")


def _framed(array: xarray.DataArray, frame: int | None) -> tuple[xarray.DataArray, str]:
    """One image of a stack, or one row of an image, with its part of the title."""
    whole, array = array, array.squeeze()
    if frame in (0, -1) and array.ndim == 2 < whole.ndim and numpy.prod(whole.shape[:-2]) == 1:
        return array, ""  # a stack of one image
    if frame is not None and array.ndim < 2:
        raise ExportError(f"the column {array.name!r} has no frames: its shape is {array.shape}; leave frame out")
    leading = 1 if array.ndim == 2 and frame is not None else max(0, array.ndim - 2)
    if not leading:
        return array, ""
    shape = array.shape[:leading]
    count = int(numpy.prod(shape))
    number = 0 if frame is None else frame
    if not -count <= number < count:
        raise ExportError(f"there is no frame {number}; the column {array.name!r} has {count}, from 0 to {count - 1}")
    number %= count
    place = numpy.unravel_index(number, shape)
    chosen = array.isel(dict(zip(array.dims[:leading], map(int, place), strict=True)))
    what = "row" if array.ndim == 2 else "frame"
    return chosen, f", {what} {number} of {count}"


def _labelled(array: xarray.DataArray, data: StreamData) -> tuple[str, numpy.ndarray]:
    """The values to draw, with their label; POSIX seconds along ``time`` become times."""
    values = numpy.asarray(array.values)
    units = array.attrs.get("units") or data.descriptor.get("data_keys", {}).get(array.name, {}).get("units")
    name = str(array.name)
    if ZONE in array.attrs:
        return f"{name} ({array.attrs[ZONE]})", values
    if values.dtype.kind == "c":
        values, name = numpy.abs(values), f"|{name}|"
    if values.dtype.kind == "m":
        values, units = values / numpy.timedelta64(1, "s"), "s"
    if name == "time" and values.dtype.kind == "f" and values.size and numpy.nanmin(values) > _POSIX:
        values = (values * 1e6).astype("datetime64[us]")
    is_told = not units or values.dtype.kind == "M" or name.endswith(f"({units})")
    return name if is_told else f"{name} ({units})", values


def _axis(data: StreamData, dim: Hashable, length: int) -> Axis:
    name = data.axis_along(dim)
    # the times of Events are not a scanned axis
    if name is not None and (name != "time" or data.dataset[name].dtype.kind in TIMES):
        label, values = _labelled(data.dataset[name], data)
        if numpy.isfinite(values).all():
            return Axis(not_boolean(values), label)
    return Axis(numpy.arange(length, dtype=float), str(dim), is_counted=True)


def _chosen_axis(data: StreamData, x: str, array: xarray.DataArray) -> Axis:
    if x not in data.dataset.variables:
        raise ExportError(f"there is no column {x!r}; the stream has {choice(data.dataset.variables, x)}")
    chosen = data.dataset[x].squeeze()
    if not is_plottable(chosen):
        what = dtype_in_words(chosen.dtype)
        raise ExportError(f"the column {x!r} holds {what}, and cannot be an axis; choose another one")
    if chosen.dims != array.dims:
        raise ExportError(
            f"the column {x!r} has the dims {chosen.dims}, but {array.name!r} has {array.dims}; choose one "
            "with these dims"
        )
    label, values = _labelled(chosen, data)
    return Axis(numpy.atleast_1d(not_boolean(values)), label)
