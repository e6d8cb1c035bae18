"""Look through a catalog of any kind."""

from __future__ import annotations

from typing import Any

from ..storage.files import FileBackend
from ..storage.mongo_embedded import MongoEmbeddedBackend
from ..storage.mongo_normalized import MongoNormalizedBackend
from .asset_files import Assets
from .deleting import cut_off_deletions
from .findings import Report
from .mongo_leftovers import embedded_findings, normalized_findings
from .remark_findings import remark_findings
from .run_files import complaint_of, neighbours, partial_files, read_run_file, reader_of, run_files


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
    backend = catalog._backend
    assets = Assets(catalog)
    report = Report()
    unreadable = ""
    if isinstance(backend, FileBackend):
        report.findings += partial_files(catalog)
        paths, others = run_files(catalog), neighbours(catalog)
        for path in (*paths, *others):
            file = read_run_file(path, reader_of(path) if path in others else backend.read_file)
            assets.refer(file.resources)
            if not file.is_known:
                unreadable = path
            complaint = complaint_of(file)
            if complaint is not None and path not in others:
                report.findings.append(complaint)
        report.looked_at["runs"] = len(paths)
    elif isinstance(backend, MongoNormalizedBackend):
        report.looked_at["runs"], report.findings = normalized_findings(backend, assets.refer)
    elif isinstance(backend, MongoEmbeddedBackend):
        report.looked_at["runs"], report.findings = embedded_findings(backend, assets.refer)
    else:
        uids = list(catalog)
        for uid in uids:
            assets.refer(doc for name, doc in catalog[uid].documents(fill="no") if name == "resource")
        report.looked_at["runs"] = len(uids)
    report.findings += cut_off_deletions(catalog)
    report.findings += remark_findings(backend)
    report.findings += assets.leftovers(unreadable)
    report.looked_at.update(assets=assets.needed, bytes=0, unknown_resources=assets.unknown_resources)
    from tqdm import tqdm

    with tqdm(total=assets.needed, unit="file", disable=not progress, leave=False) as bar:

        def read(size: int) -> None:
            report.looked_at["bytes"] += size
            bar.update()

        report.findings += assets.damage(read)
    return report
