"""Find runs: a table of them, the latest, the results of a run, and its lineage."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import errors_end_here, require_package
from ..results.displays import described, described_in_html, show_runs_in_ipython
from ..results.finders import latest, results_of
from ..results.impact import impact, stale
from ..results.run_table import table
from ..tables.public_types import BlueskyRun, Broker, Moment, RunOrUid, Sources

if TYPE_CHECKING:
    import pandas

    from ..results.lineage import Lineage

show_runs_in_ipython()


class FindingMethods:
    """Searches over the provenance in start documents."""

    def table(
        self,
        query: Mapping[str, Any] | None = None,
        *columns: str,
        status: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        derived_from: Sources | None = None,
        tags: str | Collection[str] | None = None,
        limit: int | None = None,
        **more: Any,
    ) -> pandas.DataFrame:
        """List runs as a DataFrame, newest first.

        Parameters
        ----------
        query : dict, optional
            Conditions on start documents, as for ``search``; simple ones can be given as keywords.
        *columns : str
            Further columns: keys of start documents, also nested ones such as ``"parameters.window"``.
        status : {"success", "abort", "fail", "unfinished", "retracted"}, optional
            Only runs with this status; by default with any.
        since, until : time or run, optional
            Only runs that began at this time or later, and before this time: text such as ``"2024-05-31"``,
            ``"2024-05-31 14:30"`` or ``"2d"`` (two days ago), a datetime, POSIX seconds, or a run. Times without a zone
            are local.
        derived_from : run, uid, or a list or dict of these, optional
            Only runs that were made from all of these; with ``{"dark": dark}``, in this role.
        tags : str or list of str, optional
            Only runs with all of these tags, which `annotate` adds.
        limit : int, optional
            At most this many runs, the newest.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``uid``: ``time`` (local), ``status``, ``sample``, ``name`` (of the analysis or the plan),
            ``streams``, ``rows`` (of ``primary``, or else of the longest stream), ``tags``, and the further columns.
            If a table is one Event, ``rows`` counts its rows, or is 1 where its columns differ in length.

        Raises
        ------
        InvalidMetadataError
            An argument is not a query, status, time or run, or is an option of `latest`; the times contradict each
            other; no run has the column or tag.
        ServerAwayError
            The MongoDB server does not answer.

        Warns
        -----
        StoreWarning
            No run has a key of the query, or the remarks cannot be read, so that retracted runs look like good ones.

        Notes
        -----
        O(number of runs): about 20 µs per run in a catalog of files, after listing its directory. MongoDB needs one
        query for start documents and a few for stop documents, whatever their number. No run is opened.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})
        >>> fit = catalog.store_run({"k": [1.0]}, {"sample": "Cu"}, derived_from=raw, parameters={"window": 5})
        >>> catalog.table({"sample": "Cu"}, "parameters.window", derived_from=raw)["parameters.window"].tolist()
        [5]
        >>> len(catalog.table(sample="Cu"))
        2
        """
        with errors_end_here:
            return table(
                self,
                query,
                columns,
                more,
                status=status,
                since=since,
                until=until,
                derived_from=derived_from,
                tags=tags,
                limit=limit,
            )

    def __repr__(self) -> str:
        return described(self)

    def _repr_html_(self) -> str:
        return described_in_html(self)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        # intake's display shows the arguments with which the catalog was opened
        display({"text/plain": described(self), "text/html": described_in_html(self)}, raw=True)

    def results_of(self, raw: RunOrUid, status: str | None = None, *, role: str | None = None, **query: Any) -> Broker:
        """Find the runs that were derived from a raw run.

        Parameters
        ----------
        raw : run or str
            A run from any catalog, its uid, or the first characters of its uid.
        status : {"success", "abort", "fail", "unfinished", "retracted"}, optional
            Only runs with this status; by default with any except ``"retracted"``.
        role : str, optional
            Only runs that used it in this role, for example ``"dark"``.
        **query
            Further conditions on start documents, as for ``search``.

        Returns
        -------
        databroker.v2.Broker
            A search result with the runs that exist now, newest first.

        Raises
        ------
        InvalidMetadataError
            An argument is not a run or status, or is an option of `table`; several uids begin with these characters.
        ServerAwayError
            The MongoDB server does not answer.

        Warns
        -----
        StoreWarning
            The uid is unknown, no run has a key of the query, or the remarks cannot be read, as for `table`.

        Notes
        -----
        Reads only start and stop documents, as `table` does, and opens the files of the results that it returns.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1, 2, 3]})
        >>> fit = catalog.store_run({"slope": [1.0]}, derived_from=raw)
        >>> list(catalog.results_of(raw)) == [fit.metadata["start"]["uid"]]
        True
        >>> len(catalog.results_of(raw, status="fail"))
        0
        """
        with errors_end_here:
            return results_of(self, raw, query, status, role)

    def latest(
        self,
        query: Mapping[str, Any] | None = None,
        *,
        derived_from: Sources | None = None,
        status: str | None = "success",
        before: Moment | None = None,
        **more: Any,
    ) -> BlueskyRun:
        """Return the newest successful run that is not retracted and not superseded by another successful run.

        Parameters
        ----------
        query : dict, optional
            Conditions on start documents, as for ``search``; simple ones can be given as keywords.
        derived_from : run, uid, or a list or dict of these, optional
            The run must be made from all of these; with ``{"dark": dark}``, in this role.
        status : {"success", "abort", "fail", "unfinished", "retracted"} or None
            The status of the run; None for any except ``"retracted"``. To search for a key of start documents that has
            the name of a parameter, use `query`.
        before : run or time, optional
            The run must begin before this run or time, as for `table`, and runs that began later supersede nothing. Use
            it to find the calibration that was valid for a scan. Retracted runs are skipped, whenever they were
            retracted.

        Returns
        -------
        databroker.core.BlueskyRun

        Raises
        ------
        NotFoundError
            There is no such run.
        InvalidMetadataError
            An argument is not a query, status, time or run, is an option of `table`, or names a run that is not here.
        ServerAwayError
            The MongoDB server does not answer.

        Notes
        -----
        Reads only start and stop documents. Catalogs of files hold them in memory, and list their directory for runs of
        other processes. MongoDB returns those that match, newest first. Warns if remarks cannot be read, as `table`.

        Examples
        --------
        >>> first = catalog.store_run({"slope": [1.0]}, metadata={"analysis": "fit"})
        >>> second = catalog.store_run({"slope": [1.1]}, metadata={"analysis": "fit"}, supersedes=first)
        >>> failed = catalog.store_run({"slope": [0.0]}, metadata={"analysis": "fit"}, exit_status="fail")
        >>> catalog.latest(analysis="fit").metadata["start"]["uid"] == second.metadata["start"]["uid"]
        True
        >>> catalog.latest(analysis="fit", before=second).metadata["start"]["uid"] == first.metadata["start"]["uid"]
        True
        """
        with errors_end_here:
            return latest(self, query, more, status, derived_from=derived_from, before=before)

    def lineage(self, run: RunOrUid) -> Lineage:
        """Follow a run to its inputs and its results.

        Parameters
        ----------
        run : run or str
            A run from any catalog, its uid, or the first characters of its uid.

        Returns
        -------
        databroker_writable.results.lineage.Lineage
            A directed `networkx.DiGraph` from inputs to results, with ``mermaid()``, ``tree()`` and ``plot()``.

        Raises
        ------
        NotFoundError
            The run is not known here.
        InvalidMetadataError
            It is not a run, or several uids begin with these characters.
        ExtraMissingError
            networkx is not installed.
        ServerAwayError
            The MongoDB server does not answer.

        Warns
        -----
        StoreWarning
            A catalog that a run names cannot be opened; its runs are in the graph, without their metadata.

        Notes
        -----
        Inputs and results are looked up in this catalog and in the catalogs that runs of the graph name, if databroker
        knows these names. So ask the catalog that holds the results, not that of the raw data.

        This takes two searches for each generation of the graph in each catalog in MongoDB; catalogs of files hold
        start documents in memory. Needs networkx, and ``plot()`` needs matplotlib: the extra ``lineage`` installs both.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1, 2, 3]}, uid="raw-1")
        >>> fit = catalog.store_run({"slope": [1.0]}, uid="fit-1", derived_from=raw)
        >>> print(catalog.lineage("raw-1").tree())
        ╙── raw-1
            └─╼ fit-1
        """
        with errors_end_here:
            require_package("networkx", "lineage", "the lineage of a run")
            from ..results.lineage import lineage_of

            return lineage_of(run, self)

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
        NotFoundError, InvalidMetadataError, ServerAwayError
            As for `lineage`.

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

        Raises
        ------
        ServerAwayError
            The MongoDB server does not answer.

        Warns
        -----
        StoreWarning
            A catalog that a run names cannot be opened; its verdicts are missing.

        Notes
        -----
        O(number of results): reads their start and stop documents, and asks the catalogs that they name for verdicts.

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
