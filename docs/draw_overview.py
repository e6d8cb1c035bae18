"""Draws images/overview.png, the picture at the top of the README, from runs in a temporary directory."""

from __future__ import annotations

import datetime
import sys
import tempfile
from pathlib import Path

import pandas
from matplotlib import pyplot

import databroker_writable

EXAMPLE = Path(__file__).parents[1] / "examples" / "cu_foil_xanes.csv"
PROMPT, TEXT, PAPER = "#2a6ebb", "#222222", "#f5f6f8"
SIZE = 9


def draw(path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        catalog = databroker_writable.open_directory(Path(directory) / "results")
        spectrum = pandas.read_csv(EXAMPLE)
        for name, uid, minute in (
            ("scan", "fe2c4b1d", 2),
            ("scan", "1b07c9aa", 31),
            ("merge", "93d5e0f6", 40),
        ):
            run = catalog.store_run(
                spectrum,
                {
                    "sample": "Cu",
                    "plan_name" if name == "scan" else "analysis_name": name,
                },
                uid=uid,
                time=datetime.datetime(2026, 5, 4, 14, minute).timestamp(),
                derived_from=["1b07c9aa", "fe2c4b1d"] if name == "merge" else None,
                one_event=True,
            )
        figure, (left, right) = pyplot.subplots(
            1,
            2,
            figsize=(11, 3.7),
            width_ratios=(1.75, 1),
            layout="constrained",
            facecolor="white",
        )
        write_session(left, repr(catalog))
        databroker_writable.plot(run, "mu", x="energy", ax=right)
        figure.savefig(path, dpi=150)
        pyplot.close(figure)


def write_session(axes: pyplot.Axes, listing: str) -> None:
    """The session of a user, from the top of the axes to its bottom."""
    axes.set_axis_off()
    axes.add_patch(
        pyplot.Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor=PAPER)
    )
    session = [
        ('>>> catalog = open_directory("results")', PROMPT),
        (">>> run = catalog.store_run(merged,", PROMPT),
        ('...     {"analysis_name": "merge"}, derived_from=scans)', PROMPT),
        (">>> catalog", PROMPT),
        *((line, TEXT) for line in listing.splitlines()),
        ('>>> plot(run, "mu", x="energy")', PROMPT),
    ]
    for number, (line, colour) in enumerate(session):
        axes.text(
            0.03, 0.93 - 0.097 * number, line, color=colour, family="monospace", size=SIZE, va="center",
            transform=axes.transAxes,
        )  # fmt: skip


if __name__ == "__main__":
    draw(
        Path(sys.argv[1])
        if len(sys.argv) > 1
        else Path(__file__).parent / "images" / "overview.png"
    )
