"""Find results again: those of a raw run, and the latest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import databroker

from ..errors import InvalidMetadataError, warn_user
from ..runs.provenance import listed, reference, references, sources_of, superseded_by

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
        beginning = {"$regex": f"^{re.escape(uid)}"}
        if _is_in_memory(self):
            # mongoquery 1.4 applies no $regex to what is in a list
            return self._found({"derived_from": {"$elemMatch": {"uid": beginning}}, **query})
        return self._found({"derived_from.uid": beginning, **query})

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
        superseded = {uid for start in superseding for uid in superseded_by(start)}
        for start in starts(self._found(conditions)):
            if start["uid"] not in superseded:
                return self[start["uid"]]  # type: ignore[index]
        raise KeyError(f"no run in {self._label!r} fits {conditions}")  # type: ignore[attr-defined]

    def lineage(self, run: Any) -> Any:
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

        Warns
        -----
        StoreWarning
            A catalog that is named cannot be opened; its runs are in the graph, without their metadata.

        Notes
        -----
        Inputs are looked up in this catalog and in the catalogs that runs of the graph name, where databroker knows
        these by name; results in all of them. So ask the catalog that holds the results, not that of the raw data.

        Two searches by the driver for each run of the graph, in each of these catalogs. Needs networkx, and
        ``plot()`` needs matplotlib: the extra ``lineage`` installs both.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1, 2, 3]}, uid="raw-1")
        >>> fit = catalog.store_run({"slope": [1.0]}, uid="fit-1", derived_from=raw)
        >>> print(catalog.lineage("raw-1").tree())
        raw-1
            fit-1
        """
        from .lineage import lineage_of

        if isinstance(run, str):
            run = self._known_uid(run, "lineage") or run
        return lineage_of(run, ReachableCatalogs(self))

    def _resolved(self, runs: Any, argument: str, uid: str | None) -> list[dict[str, Any]] | None:
        """References to runs, uids of this catalog in full and with its name."""
        if runs is None:
            return None
        found = references([self._reference(run, argument) for run in listed(runs)], argument)
        if uid is not None:
            self._refuse_cycle(uid, found, argument)
        return found

    def _reference(self, run: Any, argument: str) -> dict[str, Any]:
        found = reference(run, argument)
        if found["catalog"] is not None:
            return found
        with self._explaining():  # type: ignore[attr-defined]
            uid = self._known_uid(found["uid"], argument) if isinstance(run, str) else found["uid"]
            if uid is not None and self._has_run(uid):  # type: ignore[attr-defined]
                return {"uid": uid, "catalog": self.name}  # type: ignore[attr-defined]
        warn_user(
            f"{argument} names the run {found['uid']!r}, which the catalog {self._label!r} does not have; "  # type: ignore[attr-defined]
            "give the run as its own catalog gives it, catalog[uid], and the name of that catalog is recorded too"
        )
        return found

    def _known_uid(self, text: str, argument: str) -> str | None:
        """The uid of this catalog that is a text, or begins with it."""
        if not text:
            raise InvalidMetadataError(f"{argument} takes the uid of a run, and not an empty one")
        try:
            if self._has_run(text):  # type: ignore[attr-defined]
                return text
            if _is_number(text):
                # which databroker takes for a scan_id or a position
                (uid,) = [known for known in self if known.startswith(text)] or [None]  # type: ignore[attr-defined]
                return uid
            return self[text].metadata["start"]["uid"]  # type: ignore[index]
        except KeyError:
            return None
        except ValueError:
            raise InvalidMetadataError(
                f"{argument} names {text!r}, with which the uids of several runs begin; give more of the uid"
            ) from None

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
                    waiting += [source["uid"] for source in sources_of(start)]
            seen.add(ancestor)

    def _found(self, query: Mapping[str, Any]) -> Any:
        if not isinstance(query, Mapping):
            raise InvalidMetadataError(f"a query is a dict of conditions on start documents, not {query!r}")
        results = self.search({PROBE: {"$exists": False}, **query})  # type: ignore[attr-defined]
        if _is_in_memory(results):
            # MongoDB's results come newest first; those of files in the order of their names
            results._entries = {start["uid"]: results._entries[start["uid"]] for start in starts(results)}
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
    if _is_in_memory(catalog):
        yield from sorted(catalog._uid_to_run_start_doc.values(), key=lambda start: -start["time"])
        return
    for uid in catalog:
        yield catalog[uid].metadata["start"]


def starts_without_probes(catalog: Any) -> Iterator[dict[str, Any]]:
    """Start documents of a catalog, newest first, but for those of probe runs."""
    return (start for start in starts(catalog) if PROBE not in start)


def _is_in_memory(catalog: Any) -> bool:
    """Whether databroker holds the start documents, and searches them by mongoquery."""
    return hasattr(catalog, "_uid_to_run_start_doc")


def _is_number(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True
