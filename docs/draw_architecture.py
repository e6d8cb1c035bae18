"""Draw docs/architecture.png: the packages, and the way of a run from a table to its file."""

from __future__ import annotations

import sys

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOMS = [
    ("cli", "the command line"),
    ("upkeep", "check, recover, copy, deploy"),
    ("drivers", "what YAML and entry points name"),
    ("catalog", "store_run and its kin, options, pickling"),
    ("results", "finding, lineage"),
    ("storage", "backends, serializer, files, assets"),
    ("runs", "documents: built, checked, compared"),
    ("tables", "dict, DataFrame, Dataset <-> columns"),
    ("errors", "what is raised"),
]
WAY = [
    ("catalog", "store_run(table)"),
    ("tables", "read_table: columns, data keys, layout"),
    ("runs", "RunBuilder: start, descriptor, event_page, stop"),
    ("runs", "RunChecker: can this backend hold it?"),
    ("catalog", "RunInsertion: assets to files, the rest to v1.insert"),
    ("storage", "RunSerializer, RunWriter, NewFile"),
    ("catalog", "the stored run, as catalog[uid] gives it"),
]


def draw() -> Figure:
    figure = Figure(figsize=(10, 6.2), layout="constrained")
    axes = figure.subplots()
    for row, (name, what) in enumerate(ROOMS):
        y = -row
        axes.add_patch(
            FancyBboxPatch(
                (0, y), 4.4, 0.62, boxstyle="round,pad=0.08", fc="#eef3f8", ec="#5b7a99"
            )
        )
        axes.text(0.1, y + 0.31, name, va="center", fontsize=11, weight="bold")
        axes.text(1.15, y + 0.31, what, va="center", fontsize=9)
    axes.annotate(
        "", (-0.35, -8), (-0.35, 0.6), arrowprops={"arrowstyle": "-|>", "color": "0.4"}
    )
    axes.text(
        -0.5,
        -3.7,
        "imports only downwards",
        rotation=90,
        va="center",
        ha="right",
        fontsize=9,
        color="0.3",
    )
    for number, (room, what) in enumerate(WAY):
        y = -1.25 * number + 0.2
        axes.add_patch(
            FancyBboxPatch(
                (5.2, y - 0.3),
                5.9,
                0.62,
                boxstyle="round,pad=0.08",
                fc="#fdf3e3",
                ec="#c98a3d",
            )
        )
        axes.text(5.3, y, room, va="center", fontsize=11, weight="bold")
        axes.text(6.35, y, what, va="center", fontsize=9)
        if number:
            axes.annotate(
                "",
                (5.7, y + 0.42),
                (5.7, y + 0.87),
                arrowprops={"arrowstyle": "-|>", "color": "#c98a3d"},
            )
    axes.set_xlim(-1, 11.4)
    axes.set_ylim(-8.3, 1.1)
    axes.set_axis_off()
    return figure


if __name__ == "__main__":
    draw().savefig(sys.argv[1], dpi=110)
