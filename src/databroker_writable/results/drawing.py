"""Draw lines and images with matplotlib, and write pictures."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy

from ..errors import ExportError, StoreError, require_package
from ..storage.catalog_paths import expanded
from ..storage.durable_file import NewFile
from ..tables.wording import short

MARKED = 64
"""Up to this many points of a line are marked."""

_SMALLEST = 0.3
"""The smallest height of a colour bar, as a fraction of the figure."""


@dataclass(frozen=True)
class Axis:
    """The values of an axis, with their label."""

    values: numpy.ndarray
    label: str
    is_counted: bool = False
    """An axis that counts the values, if there is no coordinate."""


@dataclass(frozen=True)
class Plottable:
    """What is drawn: a line with one axis, or an image with two, whose rows are along the first."""

    values: numpy.ndarray
    label: str
    title: str
    axes: tuple[Axis, ...]
    frame: str = ""
    """Which image of a stack it is, in words."""
    same_units: bool = False
    """Whether both axes of an image are lengths with the same unit, or pixels."""


def check_matplotlib() -> None:
    """Raise an error that names the extra if matplotlib is not installed."""
    require_package("matplotlib", "lineage", "a picture")


def check_axes(ax: Any) -> None:
    """Refuse what is no axes of matplotlib, such as a figure or the name of a file."""
    if ax is None or hasattr(ax, "set_xlabel"):
        return
    way = f"; a picture is written by .figure.savefig({ax!r}) of what plot returns" if isinstance(ax, str) else ""
    raise ExportError(f"ax must be axes of matplotlib, as pyplot.subplots() gives them, not {short(ax)}{way}")


def draw(content: Plottable, ax: Any) -> Any:
    """Draw a line or an image on axes of matplotlib."""
    if len(content.axes) == 1:
        values = not_boolean(content.values)
        marker = "." if len(values) <= MARKED else None
        ax.plot(content.axes[0].values, values, marker=marker)
        ax.set_xlabel(content.axes[0].label)
        ax.set_ylabel(content.label)
        for axis, drawn in ((content.axes[0].values, ax.xaxis), (values, ax.yaxis)):
            if axis.dtype.kind == "M":
                from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

                locator = AutoDateLocator()
                drawn.set_major_locator(locator)
                drawn.set_major_formatter(ConciseDateFormatter(locator))
    else:
        _draw_image(content, ax)
    ax.set_title(content.title, fontsize="medium", parse_math=False)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set_parse_math(False)
    return ax


def _draw_image(content: Plottable, ax: Any) -> None:
    content = _ascending(content)
    rows, columns = content.axes
    values = not_boolean(content.values)
    if values.dtype.kind == "M":
        values = (values - numpy.nanmin(values)) / numpy.timedelta64(1, "s")
    if rows.is_counted and columns.is_counted:
        # as a camera shows it: the first row at the top, and square pixels
        image = ax.imshow(values, origin="upper", aspect="equal", interpolation="nearest")
    else:
        image = ax.pcolormesh(columns.values, rows.values, values, shading="nearest", rasterized=True)
        ax.set_aspect("equal" if content.same_units else "auto")
    width, height = (abs(end - begin) for begin, end in (ax.get_xlim(), ax.get_ylim()))
    # as high as the image
    shrink = min(1, height / width) if ax.get_aspect() == 1 else 1
    bar = ax.figure.colorbar(image, ax=ax, label=content.label, shrink=max(_SMALLEST, shrink))
    bar.ax.yaxis.label.set_parse_math(False)
    if content.values.dtype.kind == "b":
        bar.set_ticks([0, 1], labels=["false", "true"])
    ax.set_xlabel(columns.label)
    ax.set_ylabel(rows.label)


def _ascending(content: Plottable) -> Plottable:
    """The image with rows and columns sorted by their axes."""
    rows, columns = (numpy.argsort(axis.values, kind="stable") for axis in content.axes)
    axes = tuple(
        replace(axis, values=axis.values[order]) for axis, order in zip(content.axes, (rows, columns), strict=True)
    )
    return replace(content, values=content.values[numpy.ix_(rows, columns)], axes=axes)


def not_boolean(values: numpy.ndarray) -> numpy.ndarray:
    """Values of which differences can be taken."""
    return values.astype("uint8") if values.dtype.kind == "b" else values


def save_figure(figure: Any, path: str) -> str:
    """Write a drawing completely into a new file; its suffix gives matplotlib the format.

    Missing directories are created.
    """
    path = expanded(path, "the picture", ExportError)
    is_there = f"the picture {path!r} exists already; give another name, or remove it"
    if os.path.lexists(path):
        raise ExportError(is_there)
    content = io.BytesIO()
    try:
        figure.savefig(content, format=os.path.splitext(path)[1].lower().removeprefix("."))
        with NewFile(path) as file:
            file.write(content.getvalue())
            file.publish()
    except FileExistsError:
        raise ExportError(is_there) from None
    except (OSError, ValueError) as exc:
        if isinstance(exc, StoreError):
            raise
        raise ExportError(f"the picture {path!r} cannot be written: {exc}") from exc
    return path
