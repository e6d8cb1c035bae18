"""Check whether documents can be stored: those of a whole run, or each one as it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRunError
from ..tables.backend_limits import ANY_BACKEND, Limits
from ..tables.wording import short
from .document_checks import (
    check_datum_page,
    check_descriptor,
    check_resource,
    check_start,
    check_stop,
    check_stream_document,
)
from .document_parts import Document, NamedDocument, other_datum_kwargs
from .event_page_checks import InlinePart, check_event_page, check_length, whole_page
from .paging import packed
from .stream_resources import StreamDocuments, counted_numbers


class RunDocuments(list[NamedDocument]):
    """The checked documents of one complete run: start first, stop last, Events and Datums in pages."""

    @property
    def uid(self) -> str:
        """The run's uid."""
        uid: str = self[0][1]["uid"]
        return uid


def check_documents(documents: Iterable[Any], checker: RunChecker | None = None) -> RunDocuments:
    """Check that documents are one complete run, and return them, packed into pages.

    Events and Datums that follow each other become pages; all other documents are copied into plain Python. The data
    of event pages are passed on, not copied, unless the documents come from an iterator. A new `checker` decides what
    may be stored; by default, what any backend can hold. O(number of Events).

    Examples
    --------
    >>> import event_model
    >>> bundle = event_model.compose_run(metadata={"sample": "Cu"})
    >>> run = check_documents([("start", bundle.start_doc), ("stop", bundle.compose_stop())])
    >>> [(name, doc.get("sample")) for name, doc in run]
    [('start', 'Cu'), ('stop', None)]
    """
    checker = checker or RunChecker()
    checked = [checker(name, doc) for name, doc in packed(documents)]
    if checker.start is None:
        raise InvalidRunError("the documents of a run begin with its start document, but there is none")
    if checker.stop is None:
        raise InvalidRunError(
            f"the run {checker.start['uid']!r} has no stop document; close its builder, or wait for its end"
        )
    return RunDocuments(checked)


class RunChecker:
    """Check the documents of one run, each as it arrives.

    A call with a name and a document returns both in the form to store. A refused document leaves no trace, and another
    one can follow. The limits are those of the backend, which must hold what is `inline` of each event page.
    """

    def __init__(self, limits: Limits = ANY_BACKEND, inline: InlinePart = whole_page) -> None:
        self.start: Document | None = None
        self.stop: Document | None = None
        self._limits = limits
        self._inline = inline
        self._uid = ""
        self._descriptors: dict[str, Document] = {}
        self._resources: set[str] = set()
        self._datum_ids: set[str] = set()
        self._datum_kwargs: dict[str, set[str]] = {}
        self._event_uids: set[str] = set()
        self._seq_nums: dict[str, list[Any]] = {}  # of each page, by stream
        self._streams = StreamDocuments()

    def __call__(self, name: str, doc: Mapping[str, Any]) -> NamedDocument:
        if self.stop is not None:
            raise InvalidRunError(f"a {name!r} document follows the stop document of run {self._uid!r}")
        if self.start is None and name != "start":
            raise InvalidRunError(f"the documents of a run begin with its start document, but the first is {name!r}")
        if name not in _CHECKS:
            raise InvalidRunError(
                f"a document of type {name!r} is not one that databroker 1 can read back; "
                f"it reads {', '.join(_CHECKS)}, event and datum"
            )
        return name, _CHECKS[name](self, doc)

    def all_or_none(self, documents: Iterable[NamedDocument]) -> list[NamedDocument]:
        """Check documents that belong together; if one is refused, none of them leaves a trace."""
        checked: list[NamedDocument] = []
        try:
            for item in documents:
                checked.append(self(*item))
        except BaseException:
            self.forget(checked)
            raise
        return checked

    def forget(self, documents: list[NamedDocument]) -> None:
        """Undo the last documents of a builder, which passed the check but could not be kept."""
        for name, doc in reversed(documents):
            if name == "event_page":
                self._event_uids.difference_update(doc["uid"])
                self._seq_nums[self._descriptors[doc["descriptor"]]["name"]].pop()
            elif name == "descriptor":
                del self._descriptors[doc["uid"]]

    def _start(self, doc: Mapping[str, Any]) -> Document:
        if self.start is not None:
            raise InvalidRunError(
                f"the run {self._uid!r} has a second start document, {doc.get('uid')!r}; "
                "store each run separately, or all with store_runs"
            )
        start = check_start(doc, self._limits)
        self._uid = start["uid"]
        self.start = start
        return start

    def _descriptor(self, doc: Mapping[str, Any]) -> Document:
        descriptor = check_descriptor(doc, self._limits)
        self._check_run("descriptor", descriptor)
        self._check_new("descriptor", descriptor["uid"], self._descriptors)
        self._descriptors[descriptor["uid"]] = descriptor
        self._seq_nums.setdefault(descriptor["name"], [])
        return descriptor

    def _resource(self, doc: Mapping[str, Any]) -> Document:
        resource = check_resource(doc, self._limits)
        self._check_run("resource", resource)
        self._check_new("resource", resource["uid"], self._resources)
        self._resources.add(resource["uid"])
        return resource

    def _datum_page(self, doc: Mapping[str, Any]) -> Document:
        page = check_datum_page(doc, self._limits)
        resource, ids, kwargs = page["resource"], page["datum_id"], page["datum_kwargs"]
        if resource not in self._resources:
            raise InvalidRunError(f"a datum refers to the resource {resource!r}, which no document before it defines")
        for key, values in kwargs.items():
            check_length(("datum_kwargs", key), values, len(ids), f"datum_page of resource {resource!r}")
        if len(set(ids)) != len(ids) or not self._datum_ids.isdisjoint(ids):
            raise InvalidRunError(f"a datum_id of the resource {resource!r} is used twice; each must be unique")
        first = self._datum_kwargs.setdefault(resource, set(kwargs))
        if set(kwargs) != set(first):
            raise other_datum_kwargs(resource, first, kwargs)
        self._datum_ids.update(ids)
        return page

    def _event_page(self, doc: Mapping[str, Any]) -> Document:
        uid = doc.get("descriptor")
        descriptor = self._descriptors.get(uid) if isinstance(uid, str) else None
        if descriptor is None:
            raise InvalidRunError(
                f"an event refers to the descriptor {short(uid)}, which no document before it defines"
            )
        page = check_event_page(doc, descriptor, self._datum_ids, self._limits, self._inline)
        uids = set(page["uid"])
        if len(uids) != len(page["uid"]) or not self._event_uids.isdisjoint(uids):
            raise InvalidRunError(
                f"an event page of stream {descriptor['name']!r} has an event uid that is used twice; "
                "each must be unique"
            )
        self._event_uids.update(uids)
        self._seq_nums[descriptor["name"]].append(page["seq_num"])
        return page

    def _stream_resource(self, doc: Mapping[str, Any]) -> Document:
        resource = check_stream_document("stream_resource", doc, self._limits)
        self._check_run("stream_resource", resource)
        self._check_new("stream_resource", resource["uid"], self._streams.columns)
        self._streams.add_resource(resource)
        return resource

    def _stream_datum(self, doc: Mapping[str, Any]) -> Document:
        datum = check_stream_document("stream_datum", doc, self._limits)
        self._streams.add_datum(datum, self._descriptors)
        return datum

    def _stop(self, doc: Mapping[str, Any]) -> Document:
        stop = check_stop(doc, self._limits)
        self._check_run("stop", stop)
        counted = stop.get("num_events") or {}
        self._streams.check_columns(
            self._descriptors.values(),
            [stream for stream in {**self._seq_nums, **counted} if self._seq_nums.get(stream) or counted.get(stream)],
        )
        for stream, number in counted.items():
            seq_nums = self._seq_nums.get(stream, [])
            if not may_count(number, seq_nums, self._streams.seq_nums.get(stream, [])):
                raise InvalidRunError(
                    f"the stop document counts {number} events in stream {stream!r}, "
                    f"but {sum(map(len, seq_nums))} were given; were some lost?"
                )
        self.stop = stop
        return stop

    def _check_run(self, name: str, doc: Document) -> None:
        """Refuse a document of another run; old resources do not say which run they are of."""
        if doc.get("run_start", self._uid) != self._uid:
            what = "the stop document" if name == "stop" else f"the {name} {doc['uid']!r}"
            raise InvalidRunError(f"{what} belongs to run {doc['run_start']!r}, not to {self._uid!r}")

    def _check_new(self, name: str, uid: str, known: Iterable[str]) -> None:
        if uid in known:
            raise InvalidRunError(f"the {name} uid {uid!r} is used twice; each must be unique")


def may_count(number: int, pages: list[Any], ranges: Sequence[range] = ()) -> bool:
    """Whether the count of Events in a stop document is possible for these sequence numbers, given page by page.

    After a pause bluesky repeats the measurements since the last checkpoint, and counts them once. It also counts the
    sequence numbers that stream_datums cover, which are given as ranges.
    """
    return number == sum(map(len, pages)) or number == counted_numbers(pages, ranges)


_CHECKS: dict[str, Callable[[RunChecker, Mapping[str, Any]], Document]] = {
    "start": RunChecker._start,
    "descriptor": RunChecker._descriptor,
    "resource": RunChecker._resource,
    "datum_page": RunChecker._datum_page,
    "event_page": RunChecker._event_page,
    "stream_resource": RunChecker._stream_resource,
    "stream_datum": RunChecker._stream_datum,
    "stop": RunChecker._stop,
}
