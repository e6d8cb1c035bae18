"""``databroker-writable lineage``: what a run was made from, and what was made from it."""

from __future__ import annotations

import click

from ..catalog.wrapping import make_writable
from ..results.plots import check_matplotlib, save_figure
from .failing import CATALOG_HELP, warnings_as_messages
from .parsing import CommandOnRuns, parse_picture
from .printing import say
from .targets import find_run, open_to_read


@click.command(
    cls=CommandOnRuns,
    help="Show the inputs and the results of a run as a tree, results below their inputs.\n\n"
    f"{CATALOG_HELP} UID is the run's uid or its first characters, a scan_id, or -1 for the latest run. Inputs in "
    "other catalogs are found if databroker knows these catalogs by name. Retracted runs are marked, and so are runs "
    "that were made from retracted or superseded ones.",
    epilog="Example: databroker-writable lineage results -1 --mermaid",
)
@click.argument("catalog")
@click.argument("uid")
@click.option("--downstream", is_flag=True, help="Show only the run and what was made from it.")
@click.option("--mermaid", is_flag=True, help="Print the text of a Mermaid flowchart.")
@click.option(
    "--plot", metavar="FILE.png", callback=parse_picture, help="Draw a picture into a file (needs matplotlib)."
)
def lineage(catalog: str, uid: str, downstream: bool, mermaid: bool, plot: str | None) -> None:
    opened = open_to_read(catalog)
    if not hasattr(opened, "results_of"):  # databroker's own catalogs have no lineage
        opened = make_writable(opened)
    with warnings_as_messages():
        run = find_run(opened, catalog, uid)
        graph = opened.lineage(run)
    if downstream:
        graph = graph.downstream(run.metadata["start"]["uid"])
    if plot is not None:
        check_matplotlib()
        say(f"wrote {save_figure(graph.plot().figure, plot)}", error=True)
    say(graph.mermaid() if mermaid else graph.tree())
