"""Building runs with what a catalog knows: its handlers, its runs, its ``metadata_defaults``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..results.references import resolve
from ..runs.builder import RunBuilder
from ..runs.built_run import BuiltRun
from ..runs.simple_run import table_builder
from .finding_methods import FindingMethods


class BuildingMixin(FindingMethods):
    """The part of a writable catalog that builds runs from tables."""

    metadata_defaults: Mapping[str, Any] = MappingProxyType({})
    handler_registry: Mapping[str, Any]

    def build_simple_run(
        self,
        data: Any,
        metadata: Mapping[str, Any] | None = None,
        uid: str | None = None,
        time: float | None = None,
        exit_status: str = "success",
        reason: str = "",
        *,
        one_event: bool = False,
        derived_from: Any = None,
        supersedes: Any = None,
        versions: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
    ) -> BuiltRun:
        """Build a run in memory from a table; `store_run` stores it.

        As `databroker_writable.build_simple_run`, with this catalog's handlers and ``metadata_defaults``. Uids in
        `derived_from` and `supersedes` can be given by their beginning, and warn where this catalog has no such run.

        Examples
        --------
        >>> run = catalog.build_simple_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})
        >>> run.metadata["start"]["sample"]
        'Cu'
        """
        return self._table_builder(
            data,
            metadata,
            uid,
            time,
            exit_status,
            reason,
            one_event=one_event,
            derived_from=derived_from,
            supersedes=supersedes,
            versions=versions,
            parameters=parameters,
        ).get_run()

    def _table_builder(
        self,
        data: Any,
        metadata: Any = None,
        uid: str | None = None,
        *args: Any,
        derived_from: Any = None,
        supersedes: Any = None,
        **kwargs: Any,
    ) -> RunBuilder:
        return table_builder(
            data,
            self._with_defaults(metadata),
            uid,
            *args,
            derived_from=self._resolved(derived_from, "derived_from", uid),
            supersedes=self._resolved(supersedes, "supersedes", uid),
            handler_registry=self.handler_registry,
            **kwargs,
        )

    def _resolved(self, runs: Any, argument: str, uid: str | None) -> list[dict[str, Any]] | None:
        with self._explaining():  # type: ignore[attr-defined]
            return resolve(self, runs, argument, uid)

    def _with_defaults(self, metadata: Any) -> Any:
        if metadata is not None and not isinstance(metadata, Mapping):
            return metadata  # refused where the run is built
        return {**self.metadata_defaults, **(metadata or {})}
