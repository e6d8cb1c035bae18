"""Results as scientists have them."""

from __future__ import annotations

import numpy
import pandas
import xarray


def curve():
    """I(q) with units and uncertainty."""
    q = numpy.linspace(0.01, 1, 20, dtype="float32")
    intensity = 1 / q**4
    return xarray.Dataset(
        {
            "I": ("q", intensity, {"units": "1/cm", "uncertainty": "sigma_I"}),
            "sigma_I": ("q", numpy.sqrt(intensity), {"units": "1/cm"}),
        },
        {"q": ("q", q, {"units": "1/angstrom", "resolution": numpy.float32(0.02)}), "wavelength": 1.54},
        {"sample": "silica", "normalised": True},
    )


def xanes():
    """An absorption table with an energy index."""
    energy = pandas.Index(8979 + numpy.linspace(-20, 60, 25), name="energy")
    return pandas.DataFrame({"mu": numpy.tanh(energy - 8979), "flat": numpy.ones(25)}, index=energy)


def slices():
    """A stack of reconstructed slices in millimetres."""
    return xarray.Dataset(
        {"density": (("slice", "y", "x"), numpy.arange(60, dtype="uint16").reshape(3, 4, 5), {"units": "g/cm3"})},
        {
            "y": ("y", numpy.arange(4) * 0.065, {"units": "mm"}),
            "x": ("x", numpy.arange(5) * 0.065, {"units": "mm"}),
            "slice": [10, 11, 12],
        },
    )


def fits():
    """Fit parameters with strings, missing values and datetimes."""
    return pandas.DataFrame(
        {
            "peak": ["Cu111", "Cu200", None],
            "centre": [43.3, 50.4, numpy.nan],
            "converged": [True, True, False],
            "iterations": pandas.array([12, None, 100], dtype="Int64"),
            "fitted_at": pandas.to_datetime(["2024-05-01T12:00:00.123456", None, "2024-05-01T12:00:02.000000"]),
            "model": pandas.Categorical(["pseudo-Voigt", "Gauss", "Gauss"]),
        }
    )


def masked_map():
    """A 2-D map with a mask, NaN and two-dimensional coordinates."""
    values = numpy.linspace(-1, 1, 12).reshape(3, 4)
    values[1, 2] = numpy.nan
    return xarray.Dataset(
        {"Fe": (("y", "x"), values), "mask": (("y", "x"), numpy.isnan(values))},
        {
            "x": [0.0, 0.5, 1.0, 1.5],
            "y": [-1.0, 0.0, 1.0],
            "stage": (("y", "x"), numpy.arange(12).reshape(3, 4), {"units": "um"}),
        },
    )


EXAMPLES = {"curve": curve, "xanes": xanes, "slices": slices, "fits": fits, "masked map": masked_map}
