"""Make cu_foil_xanes.csv: an X-ray absorption spectrum of a copper foil about the K edge.

It is a model, not a measurement. With the edge at E0 = 8979 eV and w = 1.2 eV,

    mu(E) = 0.12                                               what the lower shells absorb
          + (0.5 + arctan((E - E0) / w) / pi)                  the edge
          + 0.28 exp(-((E - E0 - 15) / 4)^2 / 2)               the first peak above it
          + 0.10 exp(-((E - E0 + 0.5) / 1)^2 / 2)              the shoulder on it
          + 0.06 sin(2 pi k / 2.1) exp(-k / 4)   for E > E0    the oscillations,
                                                               k = sqrt(0.2625 (E - E0)) in 1/Angstrom

i0 is the incident intensity in counts, which decays with the ring current; it, the transmitted intensity, is
i0 exp(-mu) with counting noise of a fixed seed; mu in the file is ln(i0 / it).
"""

from __future__ import annotations

from pathlib import Path

import numpy
import pandas

E0 = 8979.0
WIDTH = 1.2


def absorption(energy: numpy.ndarray) -> numpy.ndarray:
    """Give mu(E) of the formula above; energy in eV."""
    above = numpy.clip(energy - E0, 0, None)
    k = numpy.sqrt(0.2625 * above)
    edge = 0.5 + numpy.arctan((energy - E0) / WIDTH) / numpy.pi
    peak = 0.28 * numpy.exp(-(((energy - E0 - 15) / 4) ** 2) / 2)
    shoulder = 0.10 * numpy.exp(-((energy - E0 + 0.5) ** 2) / 2)
    oscillations = numpy.where(above > 0, 0.06 * numpy.sin(2 * numpy.pi * k / 2.1) * numpy.exp(-k / 4), 0)
    return 0.12 + edge + peak + shoulder + oscillations


def spectrum() -> pandas.DataFrame:
    """Give the scan: 5 eV steps before the edge, 0.5 eV about it, 2 eV above."""
    energy = numpy.concatenate(
        [numpy.arange(8879, 8959, 5.0), numpy.arange(8959, 9019, 0.5), numpy.arange(9019, 9131, 2.0)]
    )
    noise = numpy.random.default_rng(29)
    i0 = numpy.round(1.0e6 * numpy.exp(-numpy.arange(energy.size) / 4000)).astype(int)
    it = noise.poisson(i0 * numpy.exp(-absorption(energy)))
    return pandas.DataFrame({"energy": energy, "i0": i0, "it": it, "mu": numpy.log(i0 / it).round(6)})


if __name__ == "__main__":
    spectrum().to_csv(Path(__file__).with_name("cu_foil_xanes.csv"), index=False)
