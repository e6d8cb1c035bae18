"""Check that a sequence of documents is one whole run, before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import event_model
import numpy

from ..errors import InvalidRunError, InvalidTableError
from ..tables.backend_limits import ANY_BACKEND, Limits
from ..tables.document_values import check_event_values, document_value
from ..tables.private_copy import private_copy
from ..tables.wording import short
from .bulk import unpacked
from .schema import Document, NamedDocument, check_descriptor, check_start, check_stop, validate

_WAITING = ("event", "event_page", "datum")
"""Documents that are passed on, or packed with those that follow them."""


class RunDocuments(list[NamedDocument]):
    """The documents of one whole run, checked: start first, stop last, Events and Datums in pages."""

    @property
    def uid(self) -> str:
        return self[0][1]["uid"]


class RunChecker:
    """Check the documents of one run, each when it comes: what comes after it is not needed for that.

    Calling it with a name and a document gives the document in its checked form.
    """

    def __init__(self) -> None:
        self.start: Document | None = None
        self.stop: Document | None = None
        self.start_uid = ""
        self.descriptors: dict[str, Document] = {}
        self.resources: set[str] = set()
        self.datum_ids: set[str] = set()
        self.datum_kwargs: dict[str, set[str]] = {}
        self.event_uids: set[str] = set()
        self.seq_nums: dict[str, list[Any]] = {}  # of each page, by stream

    def __call__(self, name: str, doc: Mapping[str, Any]) -> NamedDocument:
        if self.stop is not None:
            raise InvalidRunError(f"a {name!r} document follows the stop document of run {self.start_uid!r}")
        if name == "start":
            if self.start is not None:
                raise InvalidRunError(
                    f"the run {self.start_uid!r} has a second start document, {doc.get('uid')!r}; "
                    "store each run by itself, or all by store_runs"
                )
            self.start = check_start(doc)
            self.start_uid = self.start["uid"]
            return name, self.start
        if self.start is None:
            raise InvalidRunError(f"the documents of a run begin with its start document, but the first is {name!r}")
        if name not in _CHECKS:
            raise InvalidRunError(
                f"a document of type {name!r} is not one that databroker 1 can read back; "
                f"it reads start, {', '.join(_CHECKS)}, event and datum"
            )
        return name, _CHECKS[name](dict(doc), self)

    def forget(self, page: Document) -> None:
        """Take back the last page of Events, which was found good and could not be written."""
        self.event_uids.difference_update(page["uid"])
        self.seq_nums[self.descriptors[page["descriptor"]].get("name", "primary")].pop()


def check_documents(documents: Iterable[Any]) -> RunDocuments:
    """Check that documents are one whole run and give them back, packed into pages.

    Events and datums that follow each other become pages; start, stop, descriptors and resources are copied
    into plain Python. The data of event pages are passed on, not copied, unless the documents come from an iterator.

    Parameters
    ----------
    documents : iterable of (str, dict)
        One start first, one stop last, each descriptor, resource and datum before it is referred to.

    Returns
    -------
    RunDocuments

    Raises
    ------
    InvalidRunError
        The first thing that is wrong, with the uid of the document.
    InvalidMetadataError
        A key or value of the start document that cannot be held.

    Notes
    -----
    O(number of events); the values of numeric columns are not looked at one by one.

    Examples
    --------
    >>> import event_model
    >>> bundle = event_model.compose_run(metadata={"sample": "Cu"})
    >>> run = check_documents([("start", bundle.start_doc), ("stop", bundle.compose_stop())])
    >>> [(name, doc.get("sample")) for name, doc in run]
    [('start', 'Cu'), ('stop', None)]
    """
    checker = RunChecker()
    checked = [checker(name, doc) for name, doc in _packed(documents)]
    if checker.stop is None:
        if checker.start is None:
            raise InvalidRunError("the documents of a run begin with its start document, but there is none")
        raise InvalidRunError(
            f"the run {checker.start['uid']!r} has no stop document; close its builder, or wait for its end"
        )
    return RunDocuments(checked)


def _named(item: Any) -> NamedDocument:
    try:
        name, doc = item
    except (TypeError, ValueError):
        name, doc = None, None
    if isinstance(name, event_model.DocumentNames):
        name = name.name
    if not isinstance(name, str) or not isinstance(doc, Mapping):
        remedy = "; of rows make a table, pandas.DataFrame(rows)" if isinstance(item, Mapping) else ""
        raise InvalidRunError(f"documents come as pairs (name, document), not as {short(item)}{remedy}")
    return name, doc if isinstance(doc, dict) else dict(doc)


def _packed(items: Iterable[Any]) -> Iterator[NamedDocument]:
    """Pack Events and Datums that follow each other into pages."""
    documents = (_named(document) for item in items for document in unpacked(*_named(item)))
    if not isinstance(items, list | tuple):
        # between two documents the code that gives them goes on; of these the others are copied when they are checked
        documents = ((name, private_copy(doc) if name in _WAITING else doc) for name, doc in documents)
    batch: list[Document] = []
    kind = ("", "")
    for name, doc in documents:
        key = (name, short(doc.get("descriptor" if name == "event" else "resource")))
        if batch and key != kind:
            yield _pack(kind[0], batch)
            batch = []
        if name in ("event", "datum"):
            kind = key
            batch.append(doc)
        else:
            yield name, doc
    if batch:
        yield _pack(kind[0], batch)


def _pack(name: str, batch: list[Document]) -> NamedDocument:
    pack = event_model.pack_event_page if name == "event" else event_model.pack_datum_page
    required = ("uid", "time", "seq_num", "data", "timestamps", "descriptor")
    mappings = ("data", "timestamps", "filled") if name == "event" else ("datum_kwargs",)
    for doc in batch:
        missing = [
            key for key in (required if name == "event" else ("datum_id", "datum_kwargs", "resource")) if key not in doc
        ]
        if missing:
            raise InvalidRunError(
                f"the {name} document {short(doc.get('uid', doc.get('datum_id')))} lacks {missing[0]!r}"
            )
        _check_mappings(f"the {name} document {short(doc.get('uid', doc.get('datum_id')))}", doc, mappings)
        if name == "datum" and set(doc["datum_kwargs"]) != set(batch[0]["datum_kwargs"]):
            raise _other_datum_kwargs(doc, batch[0]["datum_kwargs"])
        if name == "event" and set(doc["data"]) != set(batch[0]["data"]):
            raise InvalidRunError(f"the event {doc['uid']!r} has other data keys than the one before it")
    docs = [{"filled": {}, **doc} for doc in batch] if name == "event" else batch
    if name == "event" and len({tuple(doc["filled"]) for doc in docs}) > 1:
        raise InvalidRunError(f"the event {docs[0]['uid']!r} and the next differ in the keys of 'filled'")
    return f"{name}_page", dict(pack(*docs))


def _check_descriptor(doc: Document, state: RunChecker) -> Document:
    doc = check_descriptor(doc)
    if doc["run_start"] != state.start_uid:
        raise InvalidRunError(
            f"the descriptor {doc['uid']!r} belongs to run {doc['run_start']!r}, not to {state.start_uid!r}"
        )
    _check_new(doc["uid"], state.descriptors, "descriptor")
    state.descriptors[doc["uid"]] = doc
    state.seq_nums.setdefault(doc.get("name", "primary"), [])
    return doc


def _check_resource(doc: Document, state: RunChecker) -> Document:
    doc = document_value(doc, "the resource", InvalidRunError)
    validate("resource", doc, InvalidRunError)
    if doc.get("run_start", state.start_uid) != state.start_uid:
        raise InvalidRunError(
            f"the resource {doc['uid']!r} belongs to run {doc['run_start']!r}, not to {state.start_uid!r}"
        )
    _check_new(doc["uid"], state.resources, "resource")
    state.resources.add(doc["uid"])
    return doc


def _check_datum_page(doc: Document, state: RunChecker) -> Document:
    doc = document_value(doc, "the datum_page", InvalidRunError)
    validate("datum_page", doc, InvalidRunError)
    if doc["resource"] not in state.resources:
        raise InvalidRunError(
            f"a datum refers to the resource {doc['resource']!r}, which no document before it defines"
        )
    ids = doc["datum_id"]
    for key, values in doc["datum_kwargs"].items():
        _check_length(f"datum_kwargs[{key!r}]", values, len(ids), f"datum_page of resource {doc['resource']!r}")
    if len(set(ids)) != len(ids) or not state.datum_ids.isdisjoint(ids):
        raise InvalidRunError(f"a datum_id of the resource {doc['resource']!r} is used twice; each must be unique")
    first = state.datum_kwargs.setdefault(doc["resource"], set(doc["datum_kwargs"]))
    if set(doc["datum_kwargs"]) != first:
        raise _other_datum_kwargs(doc, first)
    state.datum_ids.update(ids)
    return doc


def _other_datum_kwargs(doc: Document, first: Iterable[str]) -> InvalidRunError:
    """databroker 1.2.5 merges the datums of a resource, and fails where their datum_kwargs differ."""
    return InvalidRunError(
        f"the datums of the resource {str(doc['resource'])[:60]!r} have the datum_kwargs {_listed(first)} and then "
        f"{_listed(doc['datum_kwargs'])}; give each the same ones, or use a resource for each kind"
    )


def _check_event_page(doc: Document, state: RunChecker) -> Document:
    uid = doc.get("descriptor")
    descriptor = state.descriptors.get(uid) if isinstance(uid, str) else None
    if descriptor is None:
        raise InvalidRunError(f"an event refers to the descriptor {short(uid)}, which no document before it defines")
    stream = descriptor.get("name", "primary")
    where = f"an event page of stream {stream!r}"
    missing = [key for key in ("uid", "time", "seq_num", "data", "timestamps") if key not in doc]
    if missing:
        raise InvalidRunError(f"{where} lacks {missing[0]!r}")
    _check_mappings(where, doc, ("data", "timestamps", "filled"))
    data_keys = descriptor["data_keys"]
    expected = {k for k in data_keys if data_keys[k].get("external") != "STREAM:"}
    for part in ("data", "timestamps"):
        if set(doc[part]) - set(data_keys) or expected - set(doc[part]):
            raise InvalidRunError(
                f"{where} has the keys {_listed(doc[part])} in {part!r}, but its descriptor has {_listed(data_keys)}"
            )
    if not isinstance(doc["uid"], list | tuple | numpy.ndarray) or getattr(doc["uid"], "ndim", 1) != 1:
        raise InvalidRunError(f"{where} has uids that are not a list")
    length = len(doc["uid"])
    for part in ("time", "seq_num"):
        _check_length(part, doc[part], length, where)
    filled = doc.get("filled") or {}
    for part, columns in (("data", doc["data"]), ("timestamps", doc["timestamps"]), ("filled", filled)):
        for key, values in columns.items():
            _check_length(f"{part}[{key!r}]", values, length, where)
    if set(filled) - set(doc["data"]):
        raise InvalidRunError(f"{where} has keys in 'filled' that are not in 'data': {_listed(filled)}")
    _check_numbers(doc["time"], "time", where)
    _check_numbers(doc["seq_num"], "seq_num", where)
    uids = doc["uid"]
    if set(map(type, uids)) - {str}:
        raise InvalidRunError(f"{where} has uids that are not strings")
    if len(set(uids)) != length or not state.event_uids.isdisjoint(uids):
        raise InvalidRunError(f"{where} has an event uid that is used twice; each must be unique")
    for key in expected:
        if "external" in data_keys[key]:
            _check_references(doc["data"][key], filled.get(key), key, where, state)
        else:
            check_event_values(doc["data"][key], f"column {key!r} of stream {stream!r}", InvalidTableError, ANY_BACKEND)
    check_beside_data(doc, where, ANY_BACKEND)
    state.event_uids.update(uids)
    state.seq_nums[stream].append(doc["seq_num"])
    return {"filled": {}, **doc}


def _check_stop(doc: Document, state: RunChecker) -> Document:
    state.stop = doc = check_stop(doc)
    if doc["run_start"] != state.start_uid:
        raise InvalidRunError(f"the stop document belongs to run {doc['run_start']!r}, not to {state.start_uid!r}")
    for stream, number in (doc.get("num_events") or {}).items():
        given = state.seq_nums.get(stream, [])
        if not may_count(number, given):
            raise InvalidRunError(
                f"the stop document counts {number} events in stream {stream!r}, "
                f"but {sum(map(len, given))} were given; were some lost on the way?"
            )
    return doc


def may_count(number: int, pages: list[Any]) -> bool:
    """Whether a stop document may count so many Events, whose numbers are given page by page.

    bluesky measures again, after a pause, what came after the last checkpoint, and counts it once.
    """
    return number == sum(map(len, pages)) or number == len({seq_num for page in pages for seq_num in page})


_PAGE_PARTS = ("descriptor", "uid", "time", "seq_num", "data", "timestamps", "filled")

_CHECKS = {
    "descriptor": _check_descriptor,
    "resource": _check_resource,
    "datum_page": _check_datum_page,
    "event_page": _check_event_page,
    "stop": _check_stop,
}


def _check_new(uid: str, known: Iterable[str], kind: str) -> None:
    if uid in known:
        raise InvalidRunError(f"the {kind} uid {uid!r} is used twice; each must be unique")


def _check_length(part: str, values: Any, length: int, where: str) -> None:
    try:
        found = len(values)
    except TypeError:
        raise InvalidRunError(f"{where} has {part} that is not a list or an array") from None
    if found != length:
        raise InvalidRunError(f"{where} has {length} uids but {found} values in {part}")


def _check_mappings(where: str, doc: Document, parts: Iterable[str]) -> None:
    for part in parts:
        if part in doc and not isinstance(doc[part], Mapping):
            raise InvalidRunError(f"{where} has {short(doc[part])} as {part!r}, which is a dict, one item a key")


def check_beside_data(doc: Document, where: str, limits: Limits) -> None:
    """Refuse what cannot be held of an event page, but for its data."""
    columns = {part: doc[part] for part in ("uid", "time", "seq_num")}
    for part in ("timestamps", "filled"):
        columns |= {f"{part}[{key!r}]": values for key, values in (doc.get(part) or {}).items()}
    # one list often serves as the timestamps of many columns
    for part, values in {id(values): (part, values) for part, values in columns.items()}.values():
        check_event_values(values, f"{part} of {where}", InvalidRunError, limits)
    others = {key: value for key, value in doc.items() if key not in _PAGE_PARTS}
    for key, value in others.items():
        check_event_values({key: value}, where, InvalidRunError, limits)


def _listed(keys: Iterable[Any]) -> str:
    text = ", ".join(sorted(map(repr, keys)))
    return text if len(text) <= 200 else text[:200] + "..."


def _check_numbers(values: Any, part: str, where: str) -> None:
    try:
        array = numpy.asarray(values)
        fine = array.dtype.kind in "iuf" and bool(numpy.isfinite(array).all())
    except ValueError:
        fine = False
    if not fine and len(values):
        raise InvalidRunError(f"{where} has {part} values that are not finite numbers")


def _check_references(values: Any, filled: Any, key: str, where: str, state: RunChecker) -> None:
    flags = filled if filled is not None else [False] * len(values)
    for value, flag in zip(values, flags, strict=True):
        if flag is not False:
            check_event_values(value, f"column {key!r}", InvalidTableError, ANY_BACKEND)
        elif not isinstance(value, str) or value not in state.datum_ids:
            raise InvalidRunError(
                f"{where} refers in {key!r} to the datum {short(value)}, which no document before it defines"
            )
