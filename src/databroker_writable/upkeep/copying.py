"""Copy runs from one catalog to another, with their assets."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..catalog.wrapping import catalog_of_runs, check_is_writable
from ..errors import (
    InvalidMetadataError,
    NotFoundError,
    NotWritableError,
    RunExistsError,
    ServerAwayError,
    StoreFailedError,
    errors_end_here,
    warn_user,
)
from ..results.header_search import NO_PROBES, Header, header_of, headers
from ..results.references import known_uid, names_no_run
from ..results.remarks import remarks
from ..results.run_uids import open_run
from ..runs.document_parts import Document, NamedDocument
from ..runs.run_or_table import documents_of
from ..runs.start_document import reference, with_roles
from ..storage.assets import is_asset_resource
from ..storage.backend import label_of
from ..storage.failures import explaining
from ..storage.mongo_errors import away_as_error, is_away
from ..tables.argument_checks import check_flag
from ..tables.public_types import Broker, RunOrUid
from ..tables.wording import counted
from .asset_copies import AssetCopies
from .storing_as_is import store_as_it_is
from .tiled_destination import TiledDestination, is_tiled_client

if TYPE_CHECKING:
    from tiled.client.container import Container


@dataclass
class CopyReport:
    """What was copied and what was not.

    Attributes
    ----------
    copied, present : list of str
        Uids of the runs that were copied, and of those that the destination had already.
    unfinished : list of str
        Uids of the runs that were left out because they have no stop document.
    failures : dict
        The runs that could not be copied, as a dict from uid to exception.
    """

    copied: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)


def copy_runs(
    source: Broker,
    destination: Broker | Container,
    uids: RunOrUid | Iterable[RunOrUid] | None = None,
    *,
    as_is: bool = False,
    progress: bool = False,
) -> CopyReport:
    """Copy runs, the oldest first. Runs that are there already are skipped, so call it again after an interruption.

    The documents do not change, except for the paths of resources that are asset files of this package: these files are
    copied to the destination's asset root and their checksums verified. Other resources, such as detector images, are
    not copied and keep their root. Remarks on the runs are copied too, but not to Tiled.

    Parameters
    ----------
    source : databroker.v2.Broker
    destination : WritableMixin or tiled.client.container.Container
        A writable catalog, or a container of a Tiled server. In Tiled, assets stay in their files if the server can
        read them, and all other values are copied. Each copy is compared with the run, and what an interrupted copy
        left is removed and copied again. An incomplete run from another program or computer may still be in progress:
        for a day, such a run is a failure.
    uids : run, uid, or an iterable of these, optional
        Which runs; the first characters of a uid are enough. By default all except the probe runs of
        ``check --write-test``.
    as_is : bool, optional
        Also copy, unchanged, runs without a stop document, and those that break the rules for documents. Refused for
        Tiled.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    CopyReport

    Raises
    ------
    NotWritableError
        Nothing can be stored in the destination, or `as_is` is not possible there; the source is not a catalog.
    NotFoundError
        The source does not have one of the runs; nothing was copied.
    InvalidMetadataError
        `uids` holds something that is not a run, or several uids begin with these characters.
    ServerAwayError
        A server does not answer. What was copied before stays.

    Notes
    -----
    One run at a time is in memory, without its assets.

    Examples
    --------
    >>> run = catalog.store_run({"x": [1, 2, 3]}, uid="run-1")
    >>> other = databroker_writable.open_directory("other")
    >>> copy_runs(catalog, other).copied, copy_runs(catalog, other).present
    (['run-1'], ['run-1'])
    """
    with errors_end_here, away_as_error():
        check_flag("as_is", as_is, InvalidMetadataError)
        check_flag("progress", progress, InvalidMetadataError)
        source = catalog_of_runs(source)
        report = CopyReport()
        chosen = runs_to_copy(source) if uids is None else _uids_of(source, uids)
        add_copies(report, source, destination, chosen, as_is=as_is, progress=progress)
        return report


def add_copies(
    report: CopyReport, source: Any, destination: Any, uids: Iterable[str], *, as_is: bool, progress: bool = False
) -> None:
    """Copy runs, and record the result of each in a report, which is valid after an interrupt, too."""
    from tqdm import tqdm

    target: CatalogDestination | TiledDestination
    if not is_tiled_client(destination):
        target = CatalogDestination(destination, as_is=as_is)
    elif as_is:
        raise NotWritableError(
            "as_is=True (--as-is) copies to catalogs only, because Tiled takes only whole runs; leave it out"
        )
    else:
        target = TiledDestination(destination)
    for uid in tqdm(list(uids), unit="run", disable=not progress):
        try:
            with away_as_error():
                _add_copy(report, source, target, uid, as_is)
        except ServerAwayError:
            raise
        except Exception as exc:
            if isinstance(exc, StoreFailedError) and is_away(exc.__context__):
                raise ServerAwayError(str(exc)) from exc
            # whatever the error of one run, the others are copied
            report.failures[uid] = exc
    if isinstance(target, CatalogDestination):
        there = {*report.copied, *report.present}
        target.take_remarks([remark for remark in remarks(source) if remark["run"] in there])


def _add_copy(
    report: CopyReport, source: Any, target: CatalogDestination | TiledDestination, uid: str, as_is: bool
) -> None:
    """Copy a finished run, or with `as_is` any run, unless it is there."""
    header = header_of(source, uid)
    if target.has_run(uid, header):
        _check_is_copy(target, uid, header)
        report.present.append(uid)
    elif header is None:
        raise NotFoundError(f"the run {uid!r} was deleted in {label_of(source)!r} before it could be copied")
    elif not header.stop and not as_is:
        report.unfinished.append(uid)
    else:
        target.copy(source, uid)
        report.copied.append(uid)


def runs_to_copy(source: Any) -> dict[str, bool]:
    """Whether each run of a catalog is finished, the oldest first, without probe runs of ``check --write-test``."""
    newest_first = [(header.uid, bool(header.stop)) for header in headers(source, NO_PROBES)]
    return dict(newest_first[::-1])


def _uids_of(source: Any, runs: Any) -> list[str]:
    """The uids of runs of a catalog, which are given as objects, by their uids or by the first characters of these."""
    named = [reference(run, "uids")["uid"] for run, _ in with_roles(runs, "uids")]
    known = {text: known_uid(source, text, "uids") for text in named}
    unknown = [text for text, uid in known.items() if uid is None]
    if unknown:
        raise NotFoundError(names_no_run("uids", source, unknown[0], "nothing was copied"))
    return [uid for uid in known.values() if uid is not None]


def _check_is_copy(target: CatalogDestination | TiledDestination, uid: str, header: Header | None) -> None:
    """Raise `RunExistsError` if the run of this uid at the destination is another one, or was not finished when copied.

    Each run has a stop document with a uid of its own.
    """
    if header is None or not header.stop:
        return
    stop = target.stop_document(uid)
    if not stop:
        raise RunExistsError(
            f"{uid!r} was copied to {target.label!r} before the run was finished; delete it there, and copy again"
        )
    if stop.get("uid") != header.stop.get("uid"):
        raise RunExistsError(
            f"another run with the uid {uid!r} is in {target.label!r}; it stays as it was. Delete it there if it is "
            "wrong"
        )


class CatalogDestination:
    def __init__(self, catalog: Any, *, as_is: bool) -> None:
        check_is_writable(catalog, "copy_runs")
        catalog._store.check_writable()
        self._catalog = catalog
        self._as_is = as_is
        self.label = catalog._backend.label

    def has_run(self, uid: str, header: Header | None) -> bool:
        """Whether a run with this uid is there, equal or not."""
        return self._catalog._backend.has_run(uid)

    def stop_document(self, uid: str) -> Mapping[str, Any] | None:
        header = header_of(self._catalog, uid)
        return None if header is None else header.stop

    def copy(self, source: Any, uid: str) -> None:
        assets = AssetCopies(source, self._catalog, uid)
        try:
            with warnings.catch_warnings():
                # an old bluesky wrote the descriptor without a name, and gets one here
                warnings.filterwarnings("ignore", "EventDescriptor .* has no 'name'", UserWarning)
                run = open_run(source, uid)
            documents = [
                (name, assets.copied(doc) if name == "resource" and is_asset_resource(doc) else doc)
                for name, doc in documents_of(run)
            ]
            self._store(documents)
        except StoreFailedError:
            # the server may be gone after the run was stored: the next attempt uses the files again
            raise
        except Exception:
            assets.discard()
            raise
        # an interrupt leaves the files for the next attempt

    def take_remarks(self, remarked: list[Document]) -> None:
        """Add the missing remarks; warn if the catalog cannot keep any."""
        backend, missing = self._catalog._backend, remarked
        if not remarked:
            return
        try:
            with explaining(backend, "a remark"):
                present = {remark["uid"] for remark in backend.remarks()}
                missing = [remark for remark in remarked if remark["uid"] not in present]
                for remark in missing:
                    backend.add_remark(remark)
        except NotWritableError as exc:
            warn_user(f"{counted(len(missing), 'remark')} on the runs could not be copied: {exc}")

    def _store(self, documents: list[NamedDocument]) -> None:
        if self._as_is:
            store_as_it_is(self._catalog, documents)
        else:
            self._catalog.store_run(documents)
