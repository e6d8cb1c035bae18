"""What plots show: their data, limits and labels."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import dask.array
import numpy
import pandas
import pytest
import xarray

pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'databroker-writable[lineage]'")

from matplotlib import dates
from matplotlib.figure import Figure

from databroker_writable import ExportError, build_simple_run, open_directory, plot
from databroker_writable.results.drawing import save_figure
from support import example_runs


def drawn(data: Any, column: Any = None, metadata: dict[str, Any] | None = None, **options: Any) -> Any:
    """The axes of a plot of a run in memory."""
    one_event = isinstance(data, xarray.Dataset)
    run = build_simple_run(data, metadata, uid="abcdefghij", one_event=one_event)
    figure = Figure(layout="constrained")
    axes = plot(run, column, ax=figure.subplots(), **options)
    figure.canvas.draw()
    return axes


def points(axes: Any) -> list[list[float]]:
    (line,) = axes.lines
    return [line.get_xdata().tolist(), line.get_ydata().tolist()]


def stack() -> xarray.Dataset:
    images = numpy.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    return xarray.Dataset({"image": (("t", "shot", "row", "col"), images, {"units": "counts"})})


# lines


def test_a_spectrum_is_drawn_against_its_coordinate() -> None:
    data = xarray.Dataset(
        {"label": "Cu", "mu": ("energy", [3.0, 1.0, 2.0], {"units": "1/cm"})},
        coords={"energy": ("energy", [8.1, 8.2, 8.4], {"units": "keV"})},
    )
    axes = drawn(data, metadata={"sample": "Cu", "analysis_name": "xanes"})
    assert points(axes) == [[8.1, 8.2, 8.4], [3.0, 1.0, 2.0]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("energy (keV)", "mu (1/cm)")
    assert axes.get_title() == "xanes Cu, abcdefgh"


def test_a_column_without_coordinate_is_drawn_against_numbers() -> None:
    axes = drawn({"name": ["a", "b"], "y": [5, 7]})
    assert points(axes) == [[0, 1], [5, 7]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("number of the value", "y")


def test_x_chooses_a_column() -> None:
    axes = drawn({"energy": [8.1, 8.2], "mu": [1, 2], "i0": [5, 6]}, "i0", x="energy")
    assert points(axes) == [[8.1, 8.2], [5, 6]]
    assert axes.get_xlabel() == "energy"


def test_columns_whose_names_are_no_text_are_chosen_by_their_names() -> None:
    frame = pandas.DataFrame([[8.1, 1.5], [8.2, 2.5]], columns=[0, 1])
    axes = drawn(frame, 1, x=0)
    assert (points(axes), axes.get_ylabel()) == ([[8.1, 8.2], [1.5, 2.5]], "column_1")
    levels = pandas.DataFrame([[8.1, 1.5]], columns=pandas.MultiIndex.from_tuples([("e", ""), ("mu", "mean")]))
    assert drawn(levels, ("mu", "mean"), x=("e", "")).get_ylabel() == "mu_mean"
    assert drawn(levels, "mu_mean").get_ylabel() == "mu_mean"


def test_a_scan_is_drawn_against_the_motor_that_it_hints_at() -> None:
    hints = {"dimensions": [[["motor"], "primary"]]}
    axes = drawn({"motor": [1.0, 2.0], "det": [5, 6]}, metadata={"hints": hints})
    assert points(axes) == [[1, 2], [5, 6]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("motor", "det")


@pytest.mark.parametrize("dimensions", [[], [[]], [[["y", "b"], "primary"], [["y"], "other"]]])
def test_hints_that_say_nothing_are_passed_over(dimensions: list[Any]) -> None:
    assert drawn({"y": [1, 2]}, metadata={"hints": {"dimensions": dimensions}}).get_xlabel() == "number of the value"


def test_truth_values_are_0_and_1() -> None:
    assert points(drawn({"good": [True, False]}))[1] == [1, 0]


def test_of_complex_numbers_the_magnitude_is_drawn() -> None:
    axes = drawn({"z": [3 + 4j, 1j]})
    assert points(axes)[1] == [5, 1]
    assert axes.get_ylabel() == "|z|"


def test_times_are_shown_as_times() -> None:
    axes = drawn(
        pandas.DataFrame({"when": pandas.to_datetime(["2024-05-31", "2024-06-01"]), "y": [1, 2]}), "y", x="when"
    )
    assert axes.lines[0].get_xdata().dtype.kind == "M"
    assert isinstance(axes.xaxis.get_major_formatter(), dates.ConciseDateFormatter)
    axes = drawn(pandas.DataFrame({"when": pandas.to_datetime(["2024-05-31", None])}))
    assert isinstance(axes.yaxis.get_major_formatter(), dates.ConciseDateFormatter)
    axes = drawn(pandas.DataFrame({"span": pandas.to_timedelta([1, 2.5], unit="s")}))
    assert points(axes)[1] == [1, 2.5]
    assert axes.get_ylabel() == "span (s)"


def test_times_of_events_are_an_axis_when_asked_for(tmp_path: Path) -> None:
    run = open_directory(str(tmp_path / "runs")).store_run(example_runs.small_documents(uid="plain"))
    axes = plot(run, "x", ax=Figure().subplots())
    assert axes.get_xlabel() == "number of the Event"
    axes = plot(run, "x", x="time", ax=Figure().subplots())
    assert str(axes.lines[0].get_xdata()[0]).startswith("2023-11-14T22:13:20")


def test_dollars_are_no_mathematics() -> None:
    axes = drawn({"cost $x_{$": [1, 2]}, metadata={"sample": "$\\frac{"})
    assert axes.get_ylabel() == "cost $x_{$"


def test_one_value_and_missing_values_are_drawn() -> None:
    assert points(drawn({"y": [2.5]})) == [[0], [2.5]]
    assert points(drawn(xarray.Dataset({"y": 2.5}))) == [[0], [2.5]]
    drawn({"y": [float("nan"), float("inf")]})


# images


def test_an_image_is_upright_with_square_pixels() -> None:
    axes = drawn(stack())
    (image,) = axes.images
    assert image.get_array().tolist() == numpy.arange(20.0).reshape(4, 5).tolist()
    assert (image.origin, axes.get_aspect()) == ("upper", 1.0)
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 4.5), (3.5, -0.5))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("col", "row")
    assert axes.get_title() == "run abcdefghij, frame 0 of 6"
    (bar,) = [other for other in axes.figure.axes if other is not axes]
    assert bar.get_ylabel() == "image (counts)"


@pytest.mark.parametrize(("frame", "first", "number"), [(1, 20, 1), (4, 80, 4), (-1, 100, 5)])
def test_a_frame_is_counted_through_all_leading_dimensions(frame: int, first: int, number: int) -> None:
    axes = drawn(stack(), frame=frame)
    assert axes.images[0].get_array()[0, 0] == first
    assert axes.get_title().endswith(f"frame {number} of 6")


def test_only_the_frame_that_is_drawn_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_directory(str(tmp_path / "runs")).store_run(stack(), one_event=True, asset_threshold=0)
    read = []
    compute = dask.array.Array.compute

    def noted(array: Any, **options: Any) -> Any:
        read.append(array.shape)
        return compute(array, **options)

    monkeypatch.setattr(dask.array.Array, "compute", noted)
    plot(run, frame=3, ax=Figure().subplots())
    assert set(read) <= {(4, 5)}


def test_a_map_is_drawn_against_its_coordinates_from_below() -> None:
    data = xarray.Dataset(
        {"map": (("y", "x"), numpy.arange(6.0).reshape(2, 3))},
        coords={"y": ("y", [20.0, 10.0], {"units": "mm"}), "x": ("x", [1.0, 2.0, 3.0], {"units": "mm"})},
    )
    axes = drawn(data)
    (mesh,) = axes.collections
    assert mesh.get_array().reshape(2, 3).tolist() == [[3, 4, 5], [0, 1, 2]]
    assert (axes.get_xlim(), axes.get_ylim()) == ((0.5, 3.5), (5.0, 25.0))
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_aspect()) == ("x (mm)", "y (mm)", 1.0)


def test_axes_of_different_units_have_their_own_scales() -> None:
    data = xarray.Dataset(
        {"mu": (("scan", "energy"), numpy.ones((2, 3)))}, coords={"energy": ("energy", [1.0, 2, 3], {"units": "eV"})}
    )
    axes = drawn(data)
    assert axes.get_aspect() == "auto"
    assert axes.get_ylabel() == "scan"


def test_a_row_of_an_image_is_a_line() -> None:
    data = xarray.Dataset({"mu": (("scan", "energy"), numpy.arange(6.0).reshape(2, 3))}, coords={"energy": [1.0, 2, 3]})
    axes = drawn(data, frame=1)
    assert points(axes) == [[1, 2, 3], [3, 4, 5]]
    assert axes.get_title().endswith("row 1 of 2")


def test_a_stack_of_one_image_has_a_frame_0() -> None:
    data = xarray.Dataset({"image": (("t", "y", "x"), numpy.ones((1, 2, 3)))})
    assert drawn(data).images[0].get_array().shape == (2, 3)
    assert drawn(data, frame=0).images[0].get_array().shape == (2, 3)


def test_masks_and_complex_images_are_drawn() -> None:
    axes = drawn(xarray.Dataset({"mask": (("y", "x"), numpy.eye(3, dtype=bool))}))
    assert axes.images[0].get_array().tolist() == numpy.eye(3).tolist()
    (bar,) = [other for other in axes.figure.axes if other is not axes]
    assert [label.get_text() for label in bar.get_yticklabels()] == ["false", "true"]
    assert drawn(xarray.Dataset({"z": (("y", "x"), numpy.full((2, 2), 3 + 4j))})).images[0].get_array().max() == 5


# what cannot be drawn


@pytest.mark.parametrize(
    ("column", "options", "message"),
    [
        ("nu", {}, "no column 'nu'; the run has label, y, other, image, none"),
        ("label", {}, "'label' holds text and cannot be plotted"),
        ("y", {"stream": "dark"}, "no stream 'dark'; the run has primary"),
        ("y", {"x": "nu"}, "no column 'nu'; the stream has"),
        ("y", {"x": "label"}, "'label' holds text, and cannot be an axis"),
        ("y", {"x": "other"}, "dims"),
        ("y", {"frame": 0}, r"'y' has no frames: its shape is \(2,\)"),
        ("image", {"frame": 2}, "no frame 2; the column 'image' has 2, from 0 to 1"),
        ("image", {"frame": -3}, "no frame -3"),
        ("none", {}, "'none' holds no values"),
        ("image", {"x": "y"}, "x is for lines.*--frame"),
        ("image", {"frame": "first"}, "frame must be the number of an image, such as 0 or -1, not 'first'"),
        (["y", "other"], {}, "plot draws one column, not "),
        ("y", {"x": ["other"]}, "plot draws one column, not "),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(column: str, options: dict[str, Any], message: str) -> None:
    data = xarray.Dataset(
        {"label": "a", "y": ("a", [1, 2]), "other": ("b", [1, 2]), "image": (("t", "v", "h"), numpy.ones((2, 3, 4)))}
    )
    data["none"] = ("frame", "v", "h"), numpy.ones((0, 3, 4))
    with pytest.raises(ExportError, match=message):
        drawn(data, column, **options)


def test_a_run_of_text_alone_has_nothing_to_draw() -> None:
    with pytest.raises(ExportError, match="no column that can be plotted; the run has name"):
        drawn({"name": ["a", "b"]})


def test_a_picture_does_not_replace_another(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    figure = drawn({"y": [1, 2]}).figure
    assert save_figure(figure, str(path)) == str(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    path.write_text("mine")
    with pytest.raises(ExportError, match="exists already"):
        save_figure(figure, str(path))
    assert path.read_text() == "mine"
    with pytest.raises(ExportError, match=r"cannot be written.*'nonsense' is not supported"):
        save_figure(figure, str(tmp_path / "a.nonsense"))
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_million_points_are_drawn_at_once() -> None:
    begin = time.process_time()
    drawn(xarray.Dataset({"y": ("t", numpy.arange(1e6))}))
    assert time.process_time() - begin < 20


def test_units_that_a_name_tells_are_not_repeated() -> None:
    table = xarray.Dataset({"Energy (eV)": ("row", [1.0, 2.0], {"units": "eV"})})
    assert drawn(table, "Energy (eV)").get_ylabel() == "Energy (eV)"


def test_a_figure_in_place_of_axes_is_named() -> None:
    run = build_simple_run({"y": [1, 2]})
    with pytest.raises(ExportError, match=r"ax must be axes of matplotlib, .*, not <?Figure"):
        plot(run, "y", ax=Figure())


# columns of Python objects and of pandas

ZONED = pandas.date_range("2024-07-01 12:00", periods=2, tz="Europe/Berlin")
OBJECTS = {
    "nullable bools": (pandas.array([True, None], dtype="boolean"), [1, numpy.nan]),
    "nullable bools, all there": (pandas.array([True, False], dtype="boolean"), [1, 0]),
    "nullable integers": (pandas.array([5, None], dtype="Int64"), [5, numpy.nan]),
    "nullable integers, all there": (pandas.array([5, 6], dtype="Int64"), [5, 6]),
    "nullable floats": (pandas.array([0.5, None], dtype="Float32"), [0.5, numpy.nan]),
    "of Arrow": (pandas.array([5, None], dtype="int64[pyarrow]"), [5, numpy.nan]),
    "floats with None": ([0.5, None], [0.5, numpy.nan]),
    "integers with None": ([None, 7], [numpy.nan, 7]),
    "bools with None": ([True, None], [1, numpy.nan]),
    "complex numbers with None": ([3 + 4j, None], [5, numpy.nan]),
    "masked integers": (numpy.ma.masked_array([5, 6], [False, True]), [5, numpy.nan]),
    "objects": (numpy.array([0.5, 2], dtype=object), [0.5, 2]),
}


@pytest.mark.parametrize(("values", "expected"), OBJECTS.values(), ids=OBJECTS)
def test_numbers_of_other_types_are_drawn_with_gaps(values: Any, expected: list[float]) -> None:
    axes = drawn({"v": values, "x": [1, 2]}, "v")
    numpy.testing.assert_array_equal(points(axes)[1], expected)
    numpy.testing.assert_array_equal(points(drawn({"v": values, "x": [1, 2]}, "x", x="v"))[0], expected)
    assert drawn({"v": values}).get_ylabel() in ("v", "|v|")


def test_times_in_a_zone_are_an_axis_with_its_name() -> None:
    wall = ["2024-07-01T12:00:00.000000", "2024-07-02T12:00:00.000000"]
    as_index = drawn(pandas.DataFrame({"v": [1.0, 2.0]}, index=ZONED.rename("at")))
    as_column = drawn(pandas.DataFrame({"v": [1.0, 2.0], "t": ZONED}), "v", x="t")
    for axes, label in ((as_index, "at (Europe/Berlin)"), (as_column, "t (Europe/Berlin)")):
        (line,) = axes.lines
        assert line.get_xdata().astype("M8[us]").astype(str).tolist() == wall
        assert axes.get_xlabel() == label
    assert drawn(pandas.DataFrame({"t": [ZONED[0], None]})).get_ylabel() == "t (Europe/Berlin)"


def test_the_name_of_a_file_in_place_of_axes_is_told_how_to_write_it(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    run = catalog.store_run({"y": [1, 2]})
    for draw in (catalog.lineage(run).plot, lambda ax: plot(run, ax=ax)):
        with pytest.raises(ExportError, match=r"not 'x\.png'; a picture is written by \.figure\.savefig\('x\.png'\)"):
            draw("x.png")
