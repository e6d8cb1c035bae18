"""A picture of how costs grow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as pyplot


def draw(panels: Mapping[str, Any], path: Path) -> None:
    """Draw the panels that a run of the benchmarks measured, each with its curves."""
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4.2), squeeze=False)
    for axes, panel in zip(all_axes[0], panels.values(), strict=True):
        for label, points in panel["series"].items():
            style = "--" if "stock" in label or "plain" in label else "-"
            axes.loglog([p["size"] for p in points], [p["seconds"] for p in points], style, marker="o", label=label)
        axes.set_title(panel["title"])
        axes.set_xlabel(panel["axis"])
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    all_axes[0][0].set_ylabel("seconds")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
