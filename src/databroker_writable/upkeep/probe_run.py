"""Store a probe run and check it, for an administrator after deployment."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from datetime import timezone
from typing import Any

import numpy

from ..errors import StoreError
from ..results.header_search import PROBE
from ..storage.assets import DEFAULT, is_asset_resource
from ..storage.file_backend import FileBackend
from ..storage.mongo_backend import MongoBackend
from .check_report import Finding, Report

SKEW_SECONDS = 5.0

_NUMBERS = [1.0, 2.0]


def write_test(catalog: Any, read_elsewhere: Callable[[str], str]) -> Report:
    """Store a small run that is marked as a probe, read it in another process, and check where it was stored.

    The run stays in the catalog; ``ls``, ``latest`` and ``results_of`` do not show it. `read_elsewhere` takes its uid,
    opens the catalog in a new process and calls `read_probe`. It returns what went wrong there, or an empty string. In
    the report, ``looked_at["runs"]`` is 1 if the probe was stored.
    """
    report = Report({"runs": 0})
    root = catalog._store.asset_root()
    report.findings += _asset_root_findings(catalog, root)
    with_array = not report.findings
    began = time.time()
    try:
        # only numbers if there are no files: FerretDB does not accept arrays of arrays
        data = {"x": _NUMBERS, **({"image": _image()} if with_array else {})}
        run = catalog.store_run(data, {PROBE: True}, asset_threshold=0)
    except StoreError as exc:
        report.findings.append(Finding("not-stored", catalog.name, f"the probe run cannot be stored: {exc}"))
        return report
    report.looked_at["runs"] = 1
    uid = run.metadata["start"]["uid"]
    complaint = read_elsewhere(uid)
    if DEFAULT.spec in complaint:
        advice = (
            f"the handler of {DEFAULT.spec} is missing, so assets cannot be read; install databroker-writable where "
            "the catalog is read, and name the handler in handler_registry if the catalog's arguments have one"
        )
        report.findings.append(Finding("handler-missing", catalog.name, advice))
    elif complaint:
        what = f"a new process cannot read the probe run: {complaint}"
        report.findings.append(Finding("not-read", f"run {uid}", what))
    assets = [doc for name, doc in run.documents(fill="no") if name == "resource" and is_asset_resource(doc)]
    paths = [os.path.join(doc["root"], doc["resource_path"]) for doc in assets[:1]]
    for path in paths if root is not None and os.name == "posix" else ():
        top = root if catalog.asset_root is not None else os.path.dirname(root)
        report.findings += _directory_findings(path, top)
    if isinstance(catalog._backend, FileBackend) and os.path.exists(catalog._backend.run_file(uid)):
        paths.insert(0, catalog._backend.run_file(uid))
    for path in paths:
        report.findings += _permission_findings(path) if os.name == "posix" else ()
        report.findings += _skew_findings(f"the file system of {path}", os.stat(path).st_mtime, began, time.time())
    if isinstance(catalog._backend, MongoBackend):
        report.findings += _database_findings(catalog._backend)
    return report


def read_probe(catalog: Any, uid: str) -> None:
    """Read a probe run with its arrays, and raise if it differs from what was stored."""
    dataset = catalog[uid].primary.read()
    same = dataset["x"].values.tolist() == _NUMBERS
    if not same or ("image" in dataset and not (dataset["image"].values == _image()).all()):
        raise ValueError("its values differ from those that were stored")


def _image() -> numpy.ndarray:
    return numpy.arange(24, dtype=numpy.uint16).reshape(2, 3, 4)


def _asset_root_findings(catalog: Any, root: str | None) -> Iterator[Finding]:
    if root is None:
        what = "there is no asset_root: arrays over asset_threshold and dask arrays are refused"
        yield Finding("no-asset-root", catalog.name, what, is_problem=False)
    elif catalog.asset_root is not None and not os.path.isdir(root):
        advice = "the asset_root does not exist; mount its file system here, or create the directory"
        yield Finding("asset-root-unreachable", root, advice)
    elif os.path.isdir(root) and not os.access(root, os.W_OK | os.X_OK):
        yield Finding("asset-root-unreachable", root, "no permission to write into the asset_root; ask its owner")


def _permission_findings(path: str) -> Iterator[Finding]:
    """Whether users who share a directory can use what is stored there."""
    directory = os.path.dirname(path)
    around, file = os.stat(directory), os.stat(path)
    if around.st_mode & stat.S_IWOTH and not around.st_mode & stat.S_ISVTX:
        yield Finding("world-writable", directory, f"everybody can remove runs; chmod o-w {directory}")
    if around.st_mode & stat.S_IWGRP and file.st_gid != around.st_gid:
        what = f"new files do not get the group of the directory; chmod g+s {directory}"
        yield Finding("group-permissions", directory, what)
    if around.st_mode & stat.S_IWGRP and not file.st_mode & stat.S_IRGRP:
        what = "its group cannot read it, but can write to the directory; set umask 002 or 027 where runs are stored"
        yield Finding("group-permissions", path, what)


def _directory_findings(path: str, top: str) -> Iterator[Finding]:
    """Whether the group that can write to a directory can write to its new subdirectories."""
    directory = os.path.dirname(path)
    while os.stat(top).st_mode & stat.S_IWGRP and not os.path.samefile(directory, top):
        if not os.stat(directory).st_mode & stat.S_IWGRP:
            what = f"its group can write to {top}, but not to this; set umask 002 where runs are stored, and chmod g+w"
            yield Finding("group-permissions", directory, f"{what} {directory}")
        directory = os.path.dirname(directory)


def _skew_findings(what: str, shown: float, earliest: float, latest: float) -> Iterator[Finding]:
    skew = max(earliest - shown, shown - latest)
    if skew > SKEW_SECONDS:
        yield Finding(
            "clock-skew",
            what,
            f"its clock and that of this computer differ by {skew:.0f} s, which affects the order of runs and the age "
            "of leftovers; synchronise them, e.g. by NTP",
        )


def _database_findings(backend: MongoBackend) -> Iterator[Finding]:
    """The indexes that are missing, and whether the server's clock is right."""
    for index in backend.indexes():
        known = index.collection.index_information().values()
        present = [other for other in known if other["key"][0][0] == index.field]
        if not any(other.get("unique") or not index.is_unique for other in present):
            what = "there is no unique index" if index.is_unique else "there is no index"
            advice = "let a user with the role readWrite store a run, or create it in the database"
            yield Finding("index-missing", f"{index.collection.name}.{index.field}", f"{what}; {advice}")
    before = time.time()
    told = backend.database.command("isMaster").get("localTime")
    if told is not None:
        shown = told.replace(tzinfo=timezone.utc).timestamp()
        yield from _skew_findings("the MongoDB server", shown, before, time.time())
