"""Catalogs as a facility writes them that has entries of its own, or its own way of keeping them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from databroker import core
from databroker._drivers import mongo_normalized
from databroker._drivers.msgpack import BlueskyMsgpackCatalog
from intake.catalog.local import LocalCatalogEntry, UserParameter

Changes = Callable[[dict[str, Any]], Any]


class BeamlineEntry(core.Entry):
    """An entry that knows its beamline, and says so in what it opens."""

    beamline = "BL7"

    def _create_open_args(self, user_parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        driver, arguments = super()._create_open_args(user_parameters)
        arguments["metadata"]["beamline"] = self.beamline
        return driver, arguments


class PositionalEntry(BeamlineEntry):
    """An entry that is made of another one."""

    def __init__(self, original: core.Entry) -> None:
        super().__init__(**original._captured_init_kwargs)


class ChoosingEntry(BeamlineEntry):
    """An entry with a parameter, which its own arguments use as a template."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["parameters"] = [UserParameter("suffix", "of the file", "str", "")]
        path = kwargs["args"]["gen_args"][0]
        kwargs["args"] = {**kwargs["args"], "gen_args": (path + "{{ suffix }}",)}
        super().__init__(**kwargs)


class IntakesEntry(LocalCatalogEntry):
    """An entry that does without databroker's class."""

    def _create_open_args(self, user_parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        driver, arguments = super()._create_open_args(user_parameters)
        return driver, {**arguments, "entry": self}


class BeamlineCatalog(BlueskyMsgpackCatalog):
    """Msgpack files with entries of the facility's own class."""

    name = "bl7-beamline-catalog"
    entry: Callable[..., Any] = BeamlineEntry

    def upsert(self, *args: Any) -> None:
        super().upsert(*args)
        uid = args[0]["uid"]
        if uid in self._uid_to_run_start_doc:
            self._entries[uid] = type(self).entry(**self._entries[uid]._captured_init_kwargs)


class PositionalCatalog(BeamlineCatalog):
    name = "bl7-positional-catalog"

    @staticmethod
    def entry(**kwargs: Any) -> Any:
        return PositionalEntry(core.Entry(**kwargs))


class ChoosingCatalog(BeamlineCatalog):
    name = "bl7-choosing-catalog"
    entry = ChoosingEntry


class IntakesCatalog(BeamlineCatalog):
    name = "bl7-intakes-catalog"
    entry = IntakesEntry


class Shelf(MutableMapping[str, Any]):
    """Entries in a container that is no dict."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}

    def __getitem__(self, uid: str) -> Any:
        return self._entries[uid]

    def __setitem__(self, uid: str, entry: Any) -> None:
        self._entries[uid] = entry

    def __delitem__(self, uid: str) -> None:
        del self._entries[uid]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def first(self) -> str:
        """The uid that came first."""
        return next(iter(self))


class ShelvingCatalog(BeamlineCatalog):
    """Msgpack files whose entries, of the facility's class, are kept in a container of its own."""

    name = "bl7-shelving-catalog"

    def _make_entries_container(self) -> Shelf:
        return Shelf()


class StockEntriesOnShelfCatalog(BlueskyMsgpackCatalog):
    """Msgpack files whose entries, of databroker's class, are kept in a container of the facility's own."""

    name = "bl7-stock-shelving-catalog"

    def _make_entries_container(self) -> Shelf:
        return Shelf()


class BeamlineMongoEntries(mongo_normalized._Entries):
    def _doc_to_entry(self, run_start_doc: dict[str, Any]) -> Any:
        return BeamlineEntry(**super()._doc_to_entry(run_start_doc)._captured_init_kwargs)


class BeamlineMongoCatalog(mongo_normalized.BlueskyMongoCatalog):
    """Databroker's normalized layout with entries of the facility's own class."""

    name = "bl7-beamline-mongo-catalog"

    def _make_entries_container(self) -> BeamlineMongoEntries:
        return BeamlineMongoEntries(self)


CATALOGS = (
    BeamlineCatalog,
    PositionalCatalog,
    ChoosingCatalog,
    IntakesCatalog,
    ShelvingCatalog,
    StockEntriesOnShelfCatalog,
    BeamlineMongoCatalog,
)
