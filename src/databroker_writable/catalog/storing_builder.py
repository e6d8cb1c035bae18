"""Build a run and store it while it is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InvalidRunError, StoreError, warn_user
from ..runs.simple_run import SharingRunBuilder


class StoringRunBuilder(SharingRunBuilder):
    """A `RunBuilder` whose documents are stored as they come; the run appears when it is closed.

    Attributes
    ----------
    stored_run : databroker.core.BlueskyRun or None
        The run as the catalog gives it, once it is closed.
    """

    def __init__(self, storage: Any, stored_run: Callable[[str], Any], *args: Any, **kwargs: Any) -> None:
        self._storage = storage
        self._get_stored_run = stored_run
        self.stored_run: Any = None
        self._waiting: list[tuple[str, dict[str, Any]]] = []
        super().__init__(*args, **kwargs)

    def get_run(self, **kwargs: Any) -> Any:
        """Give the stored run; before it is closed there is none."""
        if self.stored_run is None:
            raise InvalidRunError(f"the run {self.uid!r} is not stored yet; close its builder first")
        return self.stored_run

    def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
        if self._storage.broken and value is None:
            raise InvalidRunError(
                f"the run {self.uid!r} is not stored: an error in its with block, which was caught there, removed it; "
                "build and store it again"
            )
        if self._storage.broken:
            return
        if value is None:
            super().__exit__(type, value, traceback)
            return
        try:
            super().__exit__(type, value, traceback)
        except StoreError as exc:
            if not self._storage.broken:
                self._storage.abandon(exc)
            # the exception of the block goes on; that its data are not kept must not go unsaid
            warn_user(f"what was added to the run {self.uid!r} could not be kept: {exc}")

    def _emit(self, name: str, doc: dict[str, Any]) -> None:
        if name == "start":
            # nothing is written for a builder to which nothing is added
            self._waiting.append((name, doc))
        else:
            for item in [*self._waiting, (name, doc)]:
                self._storage(*item)
            self._waiting = []
        if name != "event_page":
            super()._emit(name, doc)
        if name == "stop":
            self.stored_run = self._get_stored_run(self.uid)
