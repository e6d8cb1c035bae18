"""Remarks on stored runs: notes, tags and retractions."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import NotWritableError
from ..results.impact import impact, stale
from ..results.remarks import annotate, remarks_on, restore, retract
from ..runs import upstream
from ..storage.failures import explaining
from ..tables.public_types import RunOrUid
from ..tables.tracebacks import errors_end_here

if TYPE_CHECKING:
    import pandas

    from .run_store import RunStore


class RemarkMethods:
    """Remarks are added and never changed; they are kept next to the runs and do not count as runs."""

    _store: RunStore

    def annotate(self, run: RunOrUid, text: str = "", tags: Collection[str] = ()) -> dict[str, Any]:
        """Add a note to a stored run, in this catalog or another one.

        Parameters
        ----------
        run : run or str
            A run from any catalog, or the uid of a run in this one, or its first characters. The remark is kept in this
            catalog, so runs of read-only catalogs can be annotated too.
        text : str
            At most 10,000 characters.
        tags : list of str
            Each one line of at most 100 characters.

        Returns
        -------
        dict
            The remark, with ``uid``, ``time``, ``run``, ``catalog``, ``user``, ``text``, ``tags`` and ``verdict``.

        Raises
        ------
        InvalidMetadataError
            The run is not stored, there is neither text nor tags, or one of them is too long or not text.
        NotWritableError
            This is a search result, a catalog with ``writable=False`` or without a place for remarks, or there is no
            permission.
        StoreFailedError
            The disk is full, or the server cannot be reached: the remark is not stored, and it is safe to try again.

        Notes
        -----
        When it returns, the remark is complete and durable. The run, ``len``, ``search`` and ``catalog[-1]`` do not
        change. Reads the remarks of this catalog that it has not read yet.

        Examples
        --------
        >>> fit = catalog.store_run({"slope": [1.0]})
        >>> remark = catalog.annotate(fit, "beam dump at frame 40", tags=["bad-frames"])
        >>> remark["text"], remark["tags"]
        ('beam dump at frame 40', ['bad-frames'])
        """
        with errors_end_here, self._remarking():
            return annotate(self, run, text, tags)

    def annotations(self, run: RunOrUid) -> list[dict[str, Any]]:
        """Return the remarks on a run that are kept in this catalog, oldest first.

        Parameters
        ----------
        run : run or str
            As for `annotate`.

        Returns
        -------
        list of dict
            Each with ``uid``, ``time`` (seconds since 1970), ``run``, ``catalog``, ``user``, ``text``, ``tags`` and
            ``verdict``: None, ``"retracted"`` or ``"restored"``.

        Raises
        ------
        InvalidMetadataError
            A run that is neither stored nor remarked on here.

        Notes
        -----
        Each file is read once. MongoDB needs one query.

        Examples
        --------
        >>> fit = catalog.store_run({"slope": [1.0]})
        >>> remark = catalog.annotate(fit, tags=["bad-frames"])
        >>> [remark["tags"] for remark in catalog.annotations(fit)]
        [['bad-frames']]
        """
        with errors_end_here, explaining(self._store.backend.label):
            return remarks_on(self, run)

    def retract(self, run: RunOrUid, reason: str) -> dict[str, Any]:
        """Mark a run as wrong: `latest` and `results_of` skip it, and lists and `lineage` show the mark.

        It stays stored, and can be read as before. `restore` undoes this.

        Parameters
        ----------
        run : run or str
            As for `annotate`.
        reason : str
            At most 10,000 characters.

        Returns
        -------
        dict
            The remark, whose ``verdict`` is ``"retracted"``.

        Raises
        ------
        InvalidMetadataError
            The run is not stored, there is no reason, or the reason is too long.
        NotWritableError, StoreFailedError
            As for `annotate`.

        Notes
        -----
        This costs as much as `annotate`. First look at `impact`, which shows what was made from the run.

        Examples
        --------
        >>> good = catalog.store_run({"slope": [1.0]})
        >>> wrong = catalog.store_run({"slope": [9.0]})
        >>> remark = catalog.retract(wrong, reason="wrong calibration")
        >>> catalog.latest().metadata["start"]["uid"] == good.metadata["start"]["uid"]
        True
        """
        with errors_end_here, self._remarking():
            return retract(self, run, reason)

    def restore(self, run: RunOrUid, reason: str = "") -> dict[str, Any]:
        """Undo the retraction of a run.

        Parameters
        ----------
        run : run or str
            As for `annotate`.
        reason : str
            At most 10,000 characters.

        Returns
        -------
        dict
            The remark, whose ``verdict`` is ``"restored"``.

        Raises
        ------
        InvalidMetadataError
            The run is not stored, or the reason is too long.
        NotWritableError, StoreFailedError
            As for `annotate`.

        Notes
        -----
        This costs as much as `annotate`.

        Examples
        --------
        >>> fit = catalog.store_run({"slope": [9.0]})
        >>> remark = catalog.retract(fit, reason="wrong calibration")
        >>> remark = catalog.restore(fit, reason="it was right")
        >>> [remark["verdict"] for remark in catalog.annotations(fit)]
        ['retracted', 'restored']
        """
        with errors_end_here, self._remarking():
            return restore(self, run, reason)

    def impact(self, run: RunOrUid) -> pandas.DataFrame:
        """Return all runs that were made from a run, directly or indirectly; look at them before you retract it.

        Parameters
        ----------
        run : run or str
            A run from any catalog, its uid, or the first characters of its uid.

        Returns
        -------
        pandas.DataFrame
            Indexed by uid, nearest first: ``time`` (local), ``catalog``, ``name``, ``status``, ``steps`` (1 for what
            was made from the run itself) and ``verdict`` (``"retracted"``, ``"superseded"`` or None).

        Raises
        ------
        NotFoundError
            The run is not known here.
        InvalidMetadataError
            It is not a run, or several uids begin with these characters.

        Warns
        -----
        StoreWarning
            A catalog that a run names cannot be opened; its runs are missing.

        Notes
        -----
        Looks into this catalog and those that the results name, as `lineage` does, so ask the catalog that holds the
        results. Each step takes two searches in MongoDB; catalogs of files hold start documents in memory.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1]}, uid="raw-1")
        >>> fit = catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
        >>> mean = catalog.store_run({"m": [1.0]}, uid="mean-1", derived_from=fit)
        >>> catalog.impact(raw)["steps"].to_dict()
        {'fit-1': 1, 'mean-1': 2}
        """
        with errors_end_here:
            return impact(self, run)

    def stale(self) -> pandas.DataFrame:
        """Return the results of this catalog that were made from retracted or superseded runs, to look at again.

        Results that are themselves retracted or superseded are left out.

        Returns
        -------
        pandas.DataFrame
            Indexed by uid, newest first: ``time`` (local), ``name``, ``status``, ``input`` (the uid of the nearest such
            run, which may be an input of an input), its ``verdict`` (``"retracted"`` or ``"superseded"``) and the
            ``reason``: that of the retraction, or the uid of the run that supersedes it.

        Warns
        -----
        StoreWarning
            A catalog that a run names cannot be opened; its verdicts are missing.

        Notes
        -----
        Reads the start and stop documents of all results, and asks the catalogs that they name for verdicts.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1]}, uid="raw-1")
        >>> fit = catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
        >>> remark = catalog.retract(raw, reason="shutter closed")
        >>> catalog.stale()["reason"].to_dict()
        {'fit-1': 'shutter closed'}
        """
        with errors_end_here:
            return stale(self)

    @contextlib.contextmanager
    def _remarking(self) -> Iterator[None]:
        """Refuse a remark that cannot be added here, and raise our errors if adding it fails."""
        if upstream.is_search_result(self):
            raise NotWritableError(
                "remarks cannot be added through search results; annotate the run in the catalog that was searched"
            )
        if not self._store.options.writable:
            raise NotWritableError(
                f"the catalog {self._store.backend.label!r} is opened with writable: false; annotate its runs in the "
                "catalog of your results, which keeps the remark: results.annotate(run, ...)"
            )
        with explaining(self._store.backend.label):
            yield
