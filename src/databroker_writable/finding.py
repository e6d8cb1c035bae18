"""Find results again: those of a raw run, and the latest."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import databroker

from .errors import InvalidMetadataError, StoreWarning
from .provenance import listed, reference

PROBE = "databroker_writable_probe"
"""Key of start documents that marks the runs of ``check --write-test``."""


UUID_LENGTH = 36


class FindingMixin:
    """Searches over the provenance that start documents record, by the driver's own search."""

    def results_of(self, raw: Any, **query: Any) -> Any:
        """Find the runs that were derived from a raw run.

        Parameters
        ----------
        raw : run or str
            A run of any catalog, or its uid, in full or its beginning.
        **query
            Further conditions on start documents, as for ``search``.

        Returns
        -------
        databroker.v2.Broker
            A search result, newest run first.

        Notes
        -----
        One search by the driver: MongoDB answers from its start documents; a catalog of files opens its files
        again, O(number of runs), as databroker's search does.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1, 2, 3]})
        >>> fit = catalog.store_run({"slope": [1.0]}, derived_from=raw)
        >>> list(catalog.results_of(raw)) == [fit.metadata["start"]["uid"]]
        True
        """
        uid = str(reference(raw, "results_of")["uid"])
        results = self._found({"derived_from.uid": uid, **query})
        if len(results) or len(uid) >= UUID_LENGTH:
            return results
        beginning = {"uid": {"$regex": f"^{re.escape(uid)}"}}
        return self._found({"derived_from": {"$elemMatch": beginning}, **query})

    def latest(self, query: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """Give the newest run that no other run supersedes.

        Parameters
        ----------
        query : dict, optional
            Conditions on start documents, as for ``search``; simple ones can be given as keywords.

        Returns
        -------
        databroker.core.BlueskyRun

        Raises
        ------
        KeyError
            There is none.

        Notes
        -----
        Two searches by the driver, and the start documents of what they find; no data are read beyond those
        that the driver's search reads.

        Examples
        --------
        >>> first = catalog.store_run({"slope": [1.0]}, metadata={"analysis": "fit"})
        >>> second = catalog.store_run({"slope": [1.1]}, metadata={"analysis": "fit"}, supersedes=first)
        >>> catalog.latest(analysis="fit").metadata["start"]["uid"] == second.metadata["start"]["uid"]
        True
        """
        conditions = {**(query or {}), **more}
        superseding = starts(self.search({"supersedes": {"$exists": True}}))  # type: ignore[attr-defined]
        superseded = {uid for start in superseding for uid in start["supersedes"]}
        for start in starts(self._found(conditions)):
            if start["uid"] not in superseded:
                return self[start["uid"]]  # type: ignore[index]
        raise KeyError(f"no run in {self._label!r} fits {conditions}")  # type: ignore[attr-defined]

    def lineage(self, run: Any) -> Any:
        """Follow a run to its inputs and its results.

        Parameters
        ----------
        run : run or str
            A run, or its uid.

        Returns
        -------
        databroker_writable.lineage.Lineage
            A directed `networkx.DiGraph` from inputs to results, with ``mermaid()``, ``tree()`` and ``plot()``.
            Inputs in other catalogs are looked up in those that databroker knows by name; results in this one.

        Notes
        -----
        Two searches by the driver for each run of the graph. Needs networkx, and ``plot()`` needs matplotlib: the
        extra ``lineage`` installs both.
        """
        from .lineage import lineage_of

        return lineage_of(run, ReachableCatalogs(self))

    def _resolved(self, runs: Any, argument: str, uid: str | None) -> list[dict[str, Any]] | None:
        """References to runs, uids of this catalog in full and with its name."""
        if runs is None:
            return None
        references = [self._reference(run, argument) for run in listed(runs)]
        if uid is not None:
            self._refuse_cycle(uid, references, argument)
        return references

    def _reference(self, run: Any, argument: str) -> dict[str, Any]:
        found = reference(run, argument)
        if not isinstance(run, str):
            return found
        with self._explaining():  # type: ignore[attr-defined]
            start = self._start_of(run)
        if start is None:
            warnings.warn(
                f"{argument} names the run {run!r}, which the catalog {self._label!r} does not have; "  # type: ignore[attr-defined]
                "give the run itself, and the name of its catalog is recorded with it",
                StoreWarning,
                stacklevel=5,
            )
            return found
        return {"uid": start["uid"], "catalog": self.name}  # type: ignore[attr-defined]

    def _start_of(self, uid: str) -> dict[str, Any] | None:
        try:
            return self[uid].metadata["start"]  # type: ignore[index]
        except KeyError:
            return None

    def _refuse_cycle(self, uid: str, references: list[dict[str, Any]], argument: str) -> None:
        """Refuse a run that is among its own inputs, as far as this catalog knows them."""
        waiting, seen = [found["uid"] for found in references], set()
        while waiting:
            ancestor = waiting.pop()
            if ancestor == uid:
                raise InvalidMetadataError(
                    f"{argument} would make the run {uid!r} one of its own inputs; name the runs that it was made from"
                )
            with self._explaining():  # type: ignore[attr-defined]
                if ancestor not in seen and self._has_run(ancestor):  # type: ignore[attr-defined]
                    start = self[ancestor].metadata["start"]  # type: ignore[index]
                    waiting += [source["uid"] for source in start.get("derived_from") or []]
            seen.add(ancestor)

    def _found(self, query: Mapping[str, Any]) -> Any:
        if not isinstance(query, Mapping):
            raise InvalidMetadataError(f"a query is a dict of conditions on start documents, not {query!r}")
        results = self.search({PROBE: {"$exists": False}, **query})  # type: ignore[attr-defined]
        by_uid = getattr(results, "_uid_to_run_start_doc", None)
        if by_uid is not None:
            # MongoDB's results come newest first; those of files in the order of their names
            order = sorted(by_uid, key=lambda uid: -by_uid[uid]["time"])
            results._entries = {uid: results._entries[uid] for uid in order}
        return results


class ReachableCatalogs(Mapping[Any, Any]):
    """A catalog, under None and its own name, and those that databroker knows, by their names."""

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog

    def __getitem__(self, name: str | None) -> Any:
        if name is None or name == self._catalog.name:
            return self._catalog
        return databroker.catalog[name]

    def __iter__(self) -> Iterator[Any]:
        yield None
        yield from databroker.catalog

    def __len__(self) -> int:
        return 1 + len(databroker.catalog)


def starts(catalog: Any) -> Iterator[dict[str, Any]]:
    """Start documents of a catalog, newest first, without opening its runs where they are in memory."""
    by_uid = getattr(catalog, "_uid_to_run_start_doc", None)
    if by_uid is not None:
        yield from sorted(by_uid.values(), key=lambda start: -start["time"])
        return
    for uid in catalog:
        yield catalog[uid].metadata["start"]
