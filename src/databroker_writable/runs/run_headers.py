"""The start and stop documents of stored runs, packed until they are asked for: most of many runs never are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, ValuesView
from typing import Any

import msgpack
from mongoquery import Query

from .document_parts import Document


class RunHeader:
    """The start document of a run, and its stop document, if there is one.

    Attributes
    ----------
    uid : str
    time : float
        Those of the start document.
    packed : bytes or None
        Both documents, where msgpack gives them back as they are.
    """

    __slots__ = ("_documents", "packed", "time", "uid")

    def __init__(
        self, uid: str, time: Any, packed: bytes | None, documents: tuple[Any, Document | None] | None = None
    ) -> None:
        self.uid = uid
        self.time = time
        self.packed = packed
        self._documents = documents

    @classmethod
    def of(cls, start: Any, stop: Document | None) -> RunHeader:
        """The header of documents that are at hand, which are kept as they are."""
        return cls(start["uid"], start["time"], None, (start, stop))

    @classmethod
    def packed_of(cls, start: Any, stop: Document | None) -> RunHeader:
        """The same, packed where msgpack gives the documents back as they are."""
        try:
            packed = msgpack.packb([start, stop], strict_types=True)
        except (TypeError, ValueError, OverflowError):
            return cls.of(start, stop)
        return cls(start["uid"], start["time"], packed)

    @property
    def start(self) -> Any:
        """The start document."""
        return self.documents[0]

    @property
    def documents(self) -> tuple[Any, Document | None]:
        """The start document and the stop document; of a packed header made anew."""
        if self._documents is not None:
            return self._documents
        start, stop = msgpack.unpackb(self.packed, strict_map_key=False)
        return start, stop

    def may_hold(self, packed_text: bytes) -> bool:
        """Whether a text, as msgpack packs it, can be a key or a value in the documents."""
        return self.packed is None or packed_text in self.packed


class StartDocuments(MutableMapping[str, Any]):
    """What databroker 1.2.5 keeps as a dict of start documents by uid.

    Attributes
    ----------
    headers : dict
        The headers of the runs, by uid.
    """

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self.headers = {uid: RunHeader.of(start, None) for uid, start in documents.items()}

    def __getitem__(self, uid: str) -> Any:
        return self.headers[uid].start

    def __setitem__(self, uid: str, start: Any) -> None:
        self.headers[uid] = RunHeader.of(start, None)

    def __delitem__(self, uid: str) -> None:
        del self.headers[uid]

    def __iter__(self) -> Iterator[str]:
        return iter(self.headers)

    def __len__(self) -> int:
        return len(self.headers)

    def __contains__(self, uid: object) -> bool:
        return uid in self.headers

    def values(self) -> ValuesView[Any]:
        """What can be put in order by time without unpacking anything, as ``catalog[-1]`` does."""
        return _UnpackedLater(self)


class _UnpackedLater(ValuesView[Any]):
    _mapping: StartDocuments

    def __iter__(self) -> Iterator[Any]:
        return map(_StartDocument, list(self._mapping.headers.values()))


class _StartDocument(Mapping[str, Any]):
    """A start document that is unpacked when more than its uid or its time is asked for."""

    def __init__(self, header: RunHeader) -> None:
        self._header = header

    def __getitem__(self, key: str) -> Any:
        return getattr(self._header, key) if key in ("uid", "time") else self._header.start[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._header.start)

    def __len__(self) -> int:
        return len(self._header.start)


def matcher(query: Mapping[str, Any]) -> Callable[[RunHeader], bool]:
    """What tells whether a run fits a query on start documents, as mongoquery does.

    Documents are unpacked only where the bytes do not tell already: mongoquery takes longer than all else.
    """
    parts = query["$and"] if list(query) == ["$and"] else [query]
    tests = [_test(part) for part in parts if part]
    if len(tests) == 1:
        return tests[0]
    return lambda header: all(test(header) for test in tests)


def _test(query: Mapping[str, Any]) -> Callable[[RunHeader], bool]:
    match = Query(query).match
    if isinstance(query, Mapping) and len(query) == 1:
        [(key, condition)] = query.items()
        if condition == {"$exists": False} and isinstance(key, str) and "." not in key:
            absent = msgpack.packb(key)
            return lambda header: not header.may_hold(absent) or match(header.start)
    texts = list(_texts_of_what_fits(query))
    return lambda header: all(map(header.may_hold, texts)) and match(header.start)


def _texts_of_what_fits(query: Any) -> Iterator[bytes]:
    """Texts that each document which fits has for a key or a value, as msgpack packs them.

    Mongoquery asks one condition after the other, up to the first that a document does not fulfil. Here the first that
    is no such text ends it, so that what it raises at a later one is raised as before.
    """
    for key, condition in query.items() if isinstance(query, Mapping) else ():
        if type(key) is not str or key.startswith("$"):
            return
        if type(condition) is str:
            text = condition
        elif condition == {"$exists": True}:
            text = key.split(".")[0]
        else:
            return
        try:
            yield msgpack.packb(text)
        except UnicodeEncodeError:
            return
