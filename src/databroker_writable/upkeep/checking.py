"""Check a catalog of any type, which may be opened without its runs, because one may be damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ..catalog.reopening import check_variables
from ..catalog.wrapping import make_writable, writable_class
from ..drivers import WritableCatalog, check_driver, driver_class, run_files_of
from ..errors import NotWritableError
from ..runs import upstream
from ..storage.catalog_paths import names_in
from ..storage.file_backend import FileBackend
from ..storage.remark_files import SUFFIX, read_remark, why_no_remark
from .asset_findings import Assets
from .check_report import Finding, Leftover, Report, in_place_of_directory
from .file_upkeep import left_files
from .known_upkeep import upkeep_of


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
    report = Report()
    upkeep.look_through(report, assets)
    # MongoDB inserts each remark completely
    for folder in catalog._backend.remark_folders:
        report.findings += _remark_findings(folder.path)
    report.findings += assets.obstacles()
    report.findings += assets.leftovers()
    from tqdm import tqdm

    with tqdm(total=len(assets.needed), unit="file", disable=not progress, leave=False) as bar:
        report.findings += assets.damage(bar.update)
    counts = {"bytes": assets.bytes_read, "unknown_resources": assets.unknown_resources}
    report.looked_at |= {"assets": len(assets.needed), **counts}
    return report


def _remark_findings(directory: str) -> Iterator[Finding]:
    """Partial remarks, and files among the remarks that are none."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        yield in_place_of_directory(directory, "remark")
    try:
        names = sorted(names_in(directory))
    except NotWritableError as exc:
        yield Finding("unreadable-directory", directory, f"{exc}, so no remark is looked at")
        return
    for entry in left_files(directory, lambda name: name.endswith(SUFFIX)):
        yield Leftover.of_file("partial-remark", entry.path, "partial remark on a run")
    for name in names:
        path = os.path.join(directory, name)
        if name.endswith(SUFFIX) and not name.startswith("."):
            try:
                read_remark(path)
            except FileNotFoundError:
                continue
            except (ValueError, OSError) as exc:
                yield Finding("bad-remark", path, f"remark {why_no_remark(path, exc)}")


def unloaded_directory(path: str) -> Any:
    """The catalog that `open_directory` opens, without its runs."""
    directory = os.path.abspath(path)
    driver, pattern = run_files_of(directory)
    return _unloaded(driver)([pattern], name=os.path.basename(directory))


def unloaded_entry(entry: Any) -> Any:
    """The writable catalog of a YAML entry, without its runs if they are in files, which are looked for anew."""
    check_driver(entry)
    opening = upstream.driver_of_entry(entry)
    if opening is None:
        return make_writable(entry())
    check_variables(entry)
    driver, arguments = opening
    if driver is WritableCatalog:
        catalog_args = arguments.pop("catalog_args", None) or {}
        driver, arguments = driver_class(arguments.pop("catalog_driver")), {**catalog_args, **arguments}
    return _unloaded(writable_class(driver))(**arguments)


def _unloaded(cls: Any) -> Any:
    """A subclass that opens without reading the runs, or the class itself if it reads no files of runs.

    databroker 1.2.5 cannot open a catalog in which one JSONL file is truncated.
    """
    if not issubclass(cls._backend_class, FileBackend):
        return cls
    return type(cls.__name__, (cls,), {"_load": lambda self: None, "__module__": cls.__module__})
