"""``databroker-writable lineage``: what a run was made from, and what was made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..catalog.wrapping import make_writable
from ..errors import NotFoundError
from ..results.drawing import check_matplotlib, save_figure
from ..results.run_uids import open_run
from .failing import CATALOG_HELP, warnings_as_messages
from .parsing import CommandOnRuns, parse_picture
from .printing import say
from .targets import COMPLETED_AS_PATH, open_to_read, uid_if_known

if TYPE_CHECKING:
    from ..results.lineage import Lineage


@click.command(
    cls=CommandOnRuns,
    help="Show the inputs and the results of a run as a tree, results below their inputs.\n\n"
    f"{CATALOG_HELP} UID is the run's uid or its first characters, a scan_id, or -1 for the latest run; or the "
    "whole uid of a run of another catalog, from which runs of CATALOG were made. Inputs in other catalogs are found "
    "if databroker knows these by name. Retracted runs are marked, and so are runs that were made from retracted or "
    "superseded ones.",
    epilog="Example: databroker-writable lineage results -1 --mermaid",
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.argument("uid")
@click.option("--downstream", is_flag=True, help="Show only the run and what was made from it.")
@click.option("--mermaid", is_flag=True, help="Print the text of a Mermaid flowchart.")
@click.option(
    "--plot",
    metavar="FILE.png",
    type=COMPLETED_AS_PATH,
    callback=parse_picture,
    help="Draw a picture into a file (needs matplotlib).",
)
def lineage(catalog: str, uid: str, downstream: bool, mermaid: bool, plot: str | None) -> None:
    opened = open_to_read(catalog)
    if not hasattr(opened, "results_of"):  # databroker's own catalogs have no lineage
        opened = make_writable(opened)
    with warnings_as_messages():
        full = uid_if_known(opened, catalog, uid)
        try:
            graph = opened.lineage(uid if full is None else open_run(opened, full))
        except NotFoundError as exc:
            raise click.ClickException(
                f"there is no run {uid!r} in {catalog}, and no run that was made from it; databroker-writable ls "
                f"{catalog} lists them"
            ) from exc
    if downstream:
        graph = graph.downstream(full or uid)
    if plot is not None:
        check_matplotlib()
        say(f"wrote {save_figure(graph.plot().figure, plot)}", error=True)
    say(graph.mermaid() if mermaid else graph.tree())
    if len(graph) == 1:
        say(
            f"No run of {catalog} was made from it. Results are found in the catalog that has them: "
            f"databroker-writable lineage RESULTS {full or uid}",
            error=True,
        )
    for reason, names in _unreached(graph).items():
        say(f"Not reached: {', '.join(names)}: {reason}", error=True)


def _unreached(graph: Lineage) -> dict[str, list[str]]:
    """The runs of which only the uids are known, by the reason."""
    found: dict[str, list[str]] = {}
    for uid, reason in graph.nodes(data="why_unreached"):
        if reason is not None:
            found.setdefault(reason, []).append(graph.short_name(uid))
    return found
