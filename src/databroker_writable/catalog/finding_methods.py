"""What a writable catalog can tell of its runs: the latest, the results of a run, and their lineage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..results.finding import latest, results_of

if TYPE_CHECKING:
    from ..results.lineage import Lineage


class FindingMethods:
    """Searches over the provenance that start documents record."""

    def results_of(self, raw: Any, status: str | None = None, **query: Any) -> Any:
        """Find the runs that were derived from a raw run.

        Parameters
        ----------
        raw : run or str
            A run of any catalog, or its uid, in full or its beginning.
        status : {"success", "abort", "fail", "unfinished"}, optional
            Only runs of this status; by default of any.
        **query
            Further conditions on start documents, as for ``search``.

        Returns
        -------
        databroker.v2.Broker
            A search result, newest run first. With a `status` it holds the runs that had it at the time.

        Raises
        ------
        InvalidMetadataError
            What is no run, the beginning of the uids of several runs, or an unknown status.

        Notes
        -----
        One search by the driver: MongoDB answers from its start documents; a catalog of files opens its files
        again, O(number of runs), as databroker's search does. A status is in the stop documents, which are looked
        up before.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1, 2, 3]})
        >>> fit = catalog.store_run({"slope": [1.0]}, derived_from=raw)
        >>> list(catalog.results_of(raw)) == [fit.metadata["start"]["uid"]]
        True
        >>> len(catalog.results_of(raw, status="fail"))
        0
        """
        return results_of(self, raw, query, status)

    def latest(self, query: Mapping[str, Any] | None = None, *, status: str | None = "success", **more: Any) -> Any:
        """Give the newest successful run that no other successful run supersedes.

        Parameters
        ----------
        query : dict, optional
            Conditions on start documents, as for ``search``; simple ones can be given as keywords.
        status : {"success", "abort", "fail", "unfinished"} or None
            What the run's status must be; None for any. A key of start documents that is named ``status`` can be
            searched for in `query`.

        Returns
        -------
        databroker.core.BlueskyRun

        Raises
        ------
        KeyError
            There is none.
        InvalidMetadataError
            A query that is not a dict, or an unknown status.

        Notes
        -----
        Reads start and stop documents only. Catalogs of files hold them in memory, after a look at their directory
        for runs of other processes; MongoDB is asked for those that fit, newest first.

        Examples
        --------
        >>> first = catalog.store_run({"slope": [1.0]}, metadata={"analysis": "fit"})
        >>> second = catalog.store_run({"slope": [1.1]}, metadata={"analysis": "fit"}, supersedes=first)
        >>> failed = catalog.store_run({"slope": [0.0]}, metadata={"analysis": "fit"}, exit_status="fail")
        >>> catalog.latest(analysis="fit").metadata["start"]["uid"] == second.metadata["start"]["uid"]
        True
        """
        return latest(self, {**(query or {}), **more}, status)

    def lineage(self, run: Any) -> Lineage:
        """Follow a run to its inputs and its results.

        Parameters
        ----------
        run : run or str
            A run of any catalog, or its uid, in full or its beginning.

        Returns
        -------
        databroker_writable.results.lineage.Lineage
            A directed `networkx.DiGraph` from inputs to results, with ``mermaid()``, ``tree()`` and ``plot()``.

        Raises
        ------
        KeyError
            Nothing is known of this run.
        InvalidMetadataError
            What is no run, or the beginning of the uids of several runs.

        Warns
        -----
        StoreWarning
            A catalog that is named cannot be opened; its runs are in the graph, without their metadata.

        Notes
        -----
        Inputs are looked up in this catalog and in the catalogs that runs of the graph name, where databroker knows
        these by name; results in all of them. So ask the catalog that holds the results, not that of the raw data.

        Two searches for each generation of the graph, in each of these catalogs that is in MongoDB; catalogs of files
        hold start documents in memory. Needs networkx, and ``plot()`` needs matplotlib: the extra ``lineage``
        installs both.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1, 2, 3]}, uid="raw-1")
        >>> fit = catalog.store_run({"slope": [1.0]}, uid="fit-1", derived_from=raw)
        >>> print(catalog.lineage("raw-1").tree())
        ╙── raw-1
            └─╼ fit-1
        """
        from ..results.lineage import lineage_of

        return lineage_of(run, self)
