"""Remarks on stored runs: notes, tags and retractions."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

from ..errors import NotWritableError, errors_end_here
from ..results.remarks import annotate, remarks_on, restore, retract
from ..storage.failures import explaining, explaining_reads
from ..tables.public_types import RunOrUid
from .run_store import RunStore

IN_RESULTS = "results.annotate(run, ...)"
"""How a remark on a run of a read-only catalog is kept in another one."""


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
        StoreFailedError, ServerAwayError
            The disk is full, or the MongoDB server does not answer: the remark is not stored, and it is safe to try
            again.

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
            The run is neither stored here, nor is there a remark on it.
        NotWritableError
            There is no permission to read the remarks.
        ServerAwayError
            The MongoDB server does not answer.

        Notes
        -----
        O(number of remarks in this catalog). A process reads each file of a remark once; MongoDB needs one query.

        Examples
        --------
        >>> fit = catalog.store_run({"slope": [1.0]})
        >>> remark = catalog.annotate(fit, tags=["bad-frames"])
        >>> [remark["tags"] for remark in catalog.annotations(fit)]
        [['bad-frames']]
        """
        with errors_end_here, explaining_reads(self._store.backend):
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
        NotWritableError, StoreFailedError, ServerAwayError
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
        NotWritableError, StoreFailedError, ServerAwayError
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

    @contextlib.contextmanager
    def _remarking(self) -> Iterator[None]:
        """Refuse a remark that cannot be added here, and raise our errors if adding it fails."""
        self._store.check_open(
            f"annotate its runs in the catalog of your results, which keeps the remark: {IN_RESULTS}",
            "remarks cannot be added through search results; annotate the run in the catalog that was searched",
        )
        try:
            with explaining(self._store.backend, "a remark"):
                self._store.backend.check_takes_remarks()
                yield
        except NotWritableError as exc:
            raise type(exc)(
                f"{exc}; or keep the remark in another catalog, such as that of your results: {IN_RESULTS}"
            ) from exc
