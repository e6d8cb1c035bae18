"""The start and stop documents of stored runs, packed until they are asked for: in large catalogs, most never are."""

from __future__ import annotations

import contextlib
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence, ValuesView
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgpack
import numpy
from mongoquery import Query

from ..tables.document_values import to_builtin
from .document_parts import Document

TIME_TYPES: tuple[type, ...] = (int, float, numpy.integer, numpy.floating)
"""What the time of a start document can be; msgpack files of other programs have numpy's numbers, too."""


def place_in_time(time: Any) -> float:
    """The time of a start document for comparisons; what is no number, NaN included, comes before all times."""
    # math.isnan cannot take integers beyond all floats
    is_number: bool = isinstance(time, TIME_TYPES) and time == time
    return time if is_number else -math.inf


@dataclass(slots=True, eq=False)
class PackedHeader:
    """The start document of a run, and its stop document, if there is one, unpacked when they are asked for."""

    uid: str
    time: float  # its place among other runs, `place_in_time`
    packed: bytes | None  # both documents, where msgpack gives them back as they are
    _documents: tuple[Any, Document | None] | None = None
    path: str = ""  # the file of the run; empty if they are not from a file
    state: bytes = b""  # what the file system said of that file
    _searched: Any = None  # of documents at hand, once it was asked for

    @classmethod
    def of(cls, start: Any, stop: Document | None, path: str = "", state: bytes = b"") -> PackedHeader:
        """The header of documents that are at hand, which are kept as they are."""
        return cls(start["uid"], place_in_time(start.get("time")), None, (start, stop), path, state)

    @classmethod
    def packed_of(cls, start: Any, stop: Document | None, path: str = "", state: bytes = b"") -> PackedHeader:
        """The same, packed where msgpack gives the documents back as they are."""
        try:
            packed = msgpack.packb([start, stop], strict_types=True, default=_packed_numpy)
        except (TypeError, ValueError, OverflowError):
            return cls.of(start, stop, path, state)
        return cls(start["uid"], place_in_time(start.get("time")), packed, None, path, state)

    @property
    def start(self) -> Any:
        """The start document."""
        return self.documents[0]

    @property
    def documents(self) -> tuple[Any, Document | None]:
        """The start document and the stop document; of a packed header made anew."""
        if self._documents is not None:
            return self._documents
        start, stop = msgpack.unpackb(self.packed, strict_map_key=False, ext_hook=_unpacked_numpy)
        return start, stop

    @property
    def searched(self) -> Any:
        """The start document with lists for numpy's arrays, of which mongoquery cannot tell whether they fit."""
        if self._documents is None:
            return msgpack.unpackb(self.packed, strict_map_key=False, ext_hook=_plain_values)[0]
        if self._searched is None:
            self._searched = _without_numpy(self._documents[0])
        return self._searched

    def holds(self, start: Any) -> bool:
        """Whether this is its start document, as msgpack distinguishes documents."""
        if self._documents is not None:
            return self._documents[0] is start
        return self.packed_of(start, self.documents[1]).packed == self.packed


_NUMPY = 1
"""msgpack's code for the arrays and scalars of numpy in packed headers."""


def _packed_numpy(value: Any) -> msgpack.ExtType:
    """An array or a scalar as its dtype, its shape and its values, among which the bytes of a search are found."""
    dtype: Any = getattr(value, "dtype", None)
    if not isinstance(value, numpy.ndarray | numpy.generic) or dtype.kind not in "biufU" or dtype.char == "g":
        raise TypeError
    shape = list(value.shape) if isinstance(value, numpy.ndarray) else None
    return msgpack.ExtType(_NUMPY, msgpack.packb([dtype.str, shape, value.ravel().tolist()]))


def _unpacked_numpy(code: int, packed: bytes) -> Any:
    dtype, shape, values = msgpack.unpackb(packed)
    array = numpy.array(values, dtype)
    return array[0] if shape is None else array.reshape(shape)


def _without_numpy(start: Any) -> Any:
    """The same document if it holds nothing of numpy, which msgpack finds out faster than a copy is made."""
    try:
        msgpack.packb(start, strict_types=True)
    except (TypeError, ValueError, OverflowError):
        return to_builtin(start)
    return start


def _plain_values(code: int, packed: bytes) -> Any:
    return to_builtin(_unpacked_numpy(code, packed))


Sieve: TypeAlias = Callable[[PackedHeader], bool]
"""Tells of a header whether it may fit, without unpacking it."""


class StartDocuments(MutableMapping[str, Any]):
    """What databroker 1.2.5 keeps as a dict of start documents by uid.

    Attributes
    ----------
    headers : dict
        The headers of the runs, by uid.
    replacements : int
        How many documents were replaced or removed. While it stays the same, headers are only added, at the end.
    """

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self.headers = {uid: PackedHeader.of(start, None) for uid, start in list(documents.items())}
        self.replacements = 0
        self._newest_first: tuple[int, list[PackedHeader]] = (0, [])

    def add(self, header: PackedHeader) -> None:
        """Add the document of a run."""
        if header.uid in self.headers:
            self.replacements += 1
        self.headers[header.uid] = header

    def newest_first(self) -> Sequence[PackedHeader]:
        """The headers by time, those of the same time in the order in which they were added."""
        replacements, ordered = self._newest_first
        if replacements != self.replacements:
            ordered = []
        added = list(self.headers.values())[len(ordered) :]
        if added:
            replacements = self.replacements
            ordered = sorted([*ordered, *added], key=operator.attrgetter("time"), reverse=True)
            self._newest_first = replacements, ordered
        return ordered

    def __getitem__(self, uid: str) -> Any:
        return self.headers[uid].start

    def __setitem__(self, uid: str, start: Any) -> None:
        header = self.headers.get(uid)
        # databroker sets it again when the entry of the run is made
        if header is None or not header.holds(start):
            self.add(PackedHeader.of(start, None))

    def __delitem__(self, uid: str) -> None:
        del self.headers[uid]
        self.replacements += 1

    def __iter__(self) -> Iterator[str]:
        return iter(self.headers)

    def __len__(self) -> int:
        return len(self.headers)

    def __contains__(self, uid: object) -> bool:
        return uid in self.headers

    def values(self) -> ValuesView[Any]:
        """What can be put in order by time without unpacking anything, as ``catalog[-1]`` does."""
        # of a list, because other threads may add headers meanwhile
        return {uid: _StartDocument(header) for uid, header in list(self.headers.items())}.values()


class _StartDocument(Mapping[str, Any]):
    """A start document that is unpacked when more than its uid or its time is asked for."""

    def __init__(self, header: PackedHeader) -> None:
        self._header = header

    def __getitem__(self, key: str) -> Any:
        return getattr(self._header, key) if key in ("uid", "time") else self._header.start[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._header.start)

    def __len__(self) -> int:
        return len(self._header.start)


def fitting(headers: Iterable[PackedHeader], query: Mapping[str, Any]) -> Iterator[PackedHeader]:
    """The headers whose start documents fit a query, as mongoquery decides.

    The packed bytes are searched first, because unpacking and mongoquery take most of the time.
    """
    parts = query["$and"] if list(query) == ["$and"] else [query]
    for part in filter(None, parts):
        headers = _fitting(headers, part)
    return iter(headers)


def _fitting(headers: Iterable[PackedHeader], query: Mapping[str, Any]) -> Iterator[PackedHeader]:
    match = Query(query).match
    if isinstance(query, Mapping) and len(query) == 1:
        [(key, condition)] = query.items()
        if condition == {"$exists": False} and isinstance(key, str) and "." not in key:
            absent = msgpack.packb(key)
            return (
                header
                for header in headers
                if (header.packed and absent not in header.packed) or match(header.searched)
            )
    for may_fit in _sieves(query):
        headers = filter(may_fit, headers)
    return (header for header in headers if match(header.searched))


def with_keys(headers: Iterable[PackedHeader], keys: Iterable[str]) -> Iterator[PackedHeader]:
    """The headers that may have one of these keys in their documents."""
    texts = list(map(msgpack.packb, keys))
    for header in headers:
        for text in texts:
            if header.packed is None or text in header.packed:
                yield header
                break


def _sieves(query: Any) -> Iterator[Sieve]:
    """Sieves for the first conditions of a query.

    Mongoquery checks one condition after the other, up to the first that a document does not fulfil. The sieves end
    before the first condition that has none, so that mongoquery raises the same errors at later ones.
    """
    for key, condition in query.items() if isinstance(query, Mapping) else ():
        if type(key) is not str or key.startswith("$"):
            return
        try:
            sieve = _sieve(key, condition)
        except UnicodeEncodeError:
            return
        if sieve is None:
            return
        yield sieve


def _sieve(key: str, condition: Any) -> Sieve | None:
    if type(condition) is str:
        return _holding(msgpack.packb(condition))
    if condition == {"$exists": True}:
        return _holding(msgpack.packb(key.split(".")[0]))
    if type(condition) in (bool, int, float) and "." not in key:
        return _holding_number(key, condition)
    is_span = isinstance(condition, dict) and all(
        type(name) is str and name in _COMPARISONS and type(bound) in (int, float) for name, bound in condition.items()
    )
    if key != "time" or not is_span:
        return None
    bounds = [(_COMPARISONS[name], bound) for name, bound in condition.items()]
    return lambda header: header.packed is None or all(compare(header.time, bound) for compare, bound in bounds)


def _holding(text: bytes) -> Sieve:
    return lambda header: header.packed is None or text in header.packed


def _holding_number(key: str, number: float) -> Sieve:
    values = b"|".join(map(re.escape, _packed_forms(number)))
    # or a list, or what numpy has of one, which fits if the number is in it
    lists = rb"[\x90-\x9f\xc7-\xc9\xd4-\xd8\xdc\xdd]"
    search = re.compile(re.escape(msgpack.packb(key)) + b"(?:" + lists + b"|" + values + b")", re.DOTALL).search
    return lambda header: header.packed is None or search(header.packed) is not None


def _packed_forms(number: float) -> Iterator[bytes]:
    """What msgpack makes of the values that are equal to a number."""
    if number == 0:
        yield msgpack.packb(-0.0)
    for number_type in (bool, int, float):
        with contextlib.suppress(OverflowError, ValueError):
            value = number_type(number)
            if value == number:
                yield msgpack.packb(value)


_COMPARISONS = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
