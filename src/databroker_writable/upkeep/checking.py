"""Check a catalog of any type."""

from __future__ import annotations

from typing import Any

from .asset_findings import Assets
from .findings import Report
from .known_upkeep import upkeep_of
from .remark_findings import remark_findings


def examine(catalog: Any, *, progress: bool = False) -> Report:
    """Look for leftovers, for files of other programs, and for what is missing or damaged. Nothing is changed.

    Reads every run file and every asset to its end. In MongoDB it reads what names a run, and not the Events.
    The catalog is writable, because that is what knows where runs are written; it need not have loaded its runs.

    Examples
    --------
    >>> stored = catalog.store_run({"x": [1, 2, 3]})
    >>> report = examine(catalog)
    >>> report.looked_at["runs"], report.findings
    (1, [])
    """
    upkeep = upkeep_of(catalog)
    assets = Assets(catalog)
    look = upkeep.look_through(assets)
    report = Report()
    report.looked_at["runs"] = look.runs
    report.findings += look.findings
    report.findings += upkeep.cut_off_deletions()
    report.findings += remark_findings(catalog._backend)
    report.findings += assets.obstacles()
    report.findings += assets.leftovers(look.unreadable)
    report.looked_at.update(assets=assets.needed, bytes=0, unknown_resources=assets.unknown_resources)
    from tqdm import tqdm

    with tqdm(total=assets.needed, unit="file", disable=not progress, leave=False) as bar:

        def read(size: int) -> None:
            report.looked_at["bytes"] += size
            bar.update()

        report.findings += assets.damage(read)
    return report
