"""The catalogs that the runs of one catalog name, opened by databroker's names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import databroker

from ..errors import warn_user
from .header_search import Header, header_of, headers_naming, refresh

Answer = TypeVar("Answer")


class NamedCatalogs:
    """The searched catalog, and those that runs name, opened when first needed."""

    def __init__(self, catalog: Any) -> None:
        self.first: str | None = catalog.name
        self._catalogs: dict[str | None, Any] = {self.first: refresh(catalog)}
        self._silent: set[str | None] = set()
        self._searched: dict[str | None, set[str]] = {}

    def reach(self, name: str | None) -> None:
        """Open a catalog that a run names."""
        if name is not None:
            self.ask(name, lambda catalog: None)

    def find(self, uid: str, name: str | None) -> tuple[str | None, Header | None]:
        """The catalog of a run, and its header; None if it is not reached."""
        for candidate in dict.fromkeys([name or self.first, self.first]):
            header: Header | None = self.ask(candidate, lambda catalog: header_of(catalog, uid))
            if header is not None:
                return candidate, header
        return name, None

    def why_unreached(self, name: str | None) -> str | None:
        """Why a run that names this catalog was not found, and the remedy; None if a warning has said so."""
        if name in self._silent:
            return None
        if name is None:
            return f"the catalog {self.first!r} does not have it, and no run says which other catalog does"
        if name in self._catalogs:
            return f"the catalog {name!r} does not have it: it was deleted, or is in another catalog of this name"
        return f"databroker knows no catalog {name!r}; databroker-writable deploy adds a YAML file with it"

    def naming(self, uids: Iterable[str]) -> Iterator[tuple[str | None, Header]]:
        """Catalogs and headers of new runs that were made from these runs, or supersede them."""
        for name in list(self._catalogs):
            searched = self._searched.setdefault(name, set())
            new = [uid for uid in uids if uid not in searched]
            searched.update(new)
            if new:
                headers = self.ask(name, functools.partial(_naming, uids=new)) or []
                yield from ((name, header) for header in headers)

    def ask_each(self, question: Callable[[Any], Answer]) -> list[Answer]:
        """The answers of all catalogs that can be searched."""
        answers = [self.ask(name, question) for name in list(self._catalogs)]
        return [answer for answer in answers if answer is not None]

    def ask(self, name: str | None, question: Callable[[Any], Any]) -> Any:
        """The answer of a catalog; None, with a warning, if another than the first cannot be searched."""
        if name in self._silent:
            return None
        try:
            if name not in self._catalogs:
                if name not in databroker.catalog:
                    return None
                self._catalogs[name] = refresh(databroker.catalog[name])
            return question(self._catalogs[name])
        except Exception as exc:
            if name == self.first:
                raise
            self._silent.add(name)
            # messages of other libraries can repeat a URI with its password
            warn_user(
                f"the catalog {name!r}, which runs name, cannot be searched ({type(exc).__name__}); "
                f"databroker.catalog[{name!r}] shows why"
            )
            return None


def _naming(catalog: Any, uids: list[str]) -> list[Header]:
    return list(headers_naming(catalog, uids))
