"""Check whether documents can be stored: those of a whole run, each one as it arrives, or as `v1.insert` gets it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidMetadataError, InvalidRunError, InvalidTableError
from ..tables.backend_limits import ANY_BACKEND, Limits
from ..tables.document_values import check_event_values, document_value, to_builtin
from ..tables.wording import counted, short
from .document_checks import (
    a_document,
    called,
    check_document,
    check_dropped_keys,
    check_form,
    check_safe_uid,
    check_time,
    error_for,
)
from .document_parts import PRIMARY, REQUIRED_KEYS, Document, NamedDocument, other_datum_kwargs
from .event_page_checks import (
    InlinePart,
    check_event_page,
    check_length,
    check_rows,
    plain_flag,
    plain_flags,
)
from .paging import packed
from .stream_resources import check_streams_have_their_columns, counted_numbers, covered_numbers


class RunDocuments(list[NamedDocument]):
    """The checked documents of one complete run: start first, stop last, Events and Datums in pages."""

    @property
    def uid(self) -> str:
        uid: str = self[0][1]["uid"]
        return uid


def check_documents(documents: Iterable[Any], checker: RunChecker | None = None) -> RunDocuments:
    """Check that documents are one complete run, and return them, packed into pages.

    Events and Datums that follow each other become pages; all other documents are copied into plain Python. The data
    of event pages are passed on, not copied, unless the documents come from an iterator. A new `checker` decides what
    may be stored; by default, what any backend can hold. O(number of Events).
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

    def __init__(self, limits: Limits = ANY_BACKEND, inline: InlinePart = lambda page, _: page) -> None:
        self.start: Document | None = None
        self.stop: Document | None = None
        self._limits = limits
        self._inline = inline
        self._uid = ""
        self._known: dict[str, dict[str, Document]] = {name: {} for name in _WITH_UIDS}  # by type and uid
        self._datum_ids: set[str] = set()
        self._datum_kwargs: dict[str, set[str]] = {}
        self._event_uids: set[str] = set()
        self._seq_nums: dict[str, list[Any]] = defaultdict(list)  # of each page, by stream
        self._ranges: dict[str, list[range]] = defaultdict(list)  # that stream_datums cover of these, by stream

    def __call__(self, name: str, doc: Mapping[str, Any]) -> NamedDocument:
        if self.stop is not None:
            raise InvalidRunError(f"{a_document(name)} follows the stop document of run {self._uid!r}")
        if self.start is None and name != "start":
            raise InvalidRunError(f"the documents of a run begin with its start document, but the first is {name!r}")
        if name not in REQUIRED_KEYS:
            raise InvalidRunError(
                f"a document of type {name!r} is not one that databroker 1 can read back; "
                f"it reads {', '.join(REQUIRED_KEYS)}"
            )
        checked = self._event_page(doc) if name == "event_page" else check_document(name, doc, self._limits)
        if name != "start" and checked.get("run_start", self._uid) != self._uid:  # old resources do not say it
            what = "the stop document" if name == "stop" else f"the {name} {checked['uid']!r}"
            raise InvalidRunError(f"{what} belongs to run {checked['run_start']!r}, not to {self._uid!r}")
        if name in self._known and checked["uid"] in self._known[name]:
            raise InvalidRunError(f"the {name} uid {checked['uid']!r} is used twice; each must be unique")
        if name == "start":
            if self.start is not None:
                raise InvalidRunError(
                    f"the run {self._uid!r} has a second start document, {checked['uid']!r}; "
                    "store each run separately, or all with store_runs"
                )
            self.start, self._uid = checked, checked["uid"]
        elif name == "datum_page":
            self._add_datum_page(checked)
        elif name == "stream_datum":
            self._add_stream_datum(checked)
        elif name == "stop":
            self._add_stop(checked)
        if name in self._known:
            self._known[name][checked["uid"]] = checked
        return name, checked

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
                self._seq_nums[self._stream_of(doc)].pop()
            elif name == "descriptor":
                del self._known["descriptor"][doc["uid"]]

    def _stream_of(self, doc: Document) -> str:
        stream: str = self._known["descriptor"][doc["descriptor"]]["name"]
        return stream

    def _add_datum_page(self, page: Document) -> None:
        resource, ids, kwargs = page["resource"], page["datum_id"], page["datum_kwargs"]
        if resource not in self._known["resource"]:
            raise InvalidRunError(f"a datum refers to the resource {resource!r}, which no document before it defines")
        for key, values in kwargs.items():
            check_length(("datum_kwargs", key), values, len(ids), f"datum_page of resource {resource!r}")
        if len(set(ids)) != len(ids) or not self._datum_ids.isdisjoint(ids):
            raise InvalidRunError(f"a datum_id of the resource {resource!r} is used twice; each must be unique")
        first = self._datum_kwargs.setdefault(resource, set(kwargs))
        if set(kwargs) != first:
            raise other_datum_kwargs(resource, first, kwargs)
        self._datum_ids.update(ids)

    def _event_page(self, doc: Mapping[str, Any]) -> Document:
        uid = doc.get("descriptor")
        descriptor = self._known["descriptor"].get(uid) if isinstance(uid, str) else None
        if descriptor is None:
            raise InvalidRunError(
                f"an event refers to the descriptor {short(uid)}, which no document before it defines"
            )
        page = check_event_page(doc, descriptor, self._datum_ids, self._limits, self._inline)
        uids, stream = set(page["uid"]), descriptor["name"]
        if len(uids) != len(page["uid"]) or not self._event_uids.isdisjoint(uids):
            raise InvalidRunError(
                f"an event page of stream {stream!r} has an event uid that is used twice; each must be unique"
            )
        self._event_uids.update(uids)
        self._seq_nums[stream].append(page["seq_num"])
        return page

    def _add_stream_datum(self, datum: Document) -> None:
        for name in ("stream_resource", "descriptor"):
            if name in datum and datum[name] not in self._known[name]:
                raise InvalidRunError(
                    f"the stream_datum {datum['uid']!r} refers to the {name} {short(datum[name])}, "
                    "which no document before it defines"
                )
        numbers = covered_numbers(datum)
        if "descriptor" in datum and numbers:
            self._ranges[self._stream_of(datum)].append(numbers)

    def _add_stop(self, stop: Document) -> None:
        numbers = stop.get("num_events") or {}
        check_streams_have_their_columns(
            self._known["stream_resource"].values(),
            self._known["descriptor"].values(),
            {stream for stream in {**self._seq_nums, **numbers} if self._seq_nums.get(stream) or numbers.get(stream)},
        )
        for stream, number in numbers.items():
            seq_nums = self._seq_nums.get(stream, [])
            if not may_count(number, seq_nums, self._ranges.get(stream, [])):
                raise InvalidRunError(
                    f"the stop document counts {counted(number, 'event')} in stream {stream!r}, "
                    f"but {sum(map(len, seq_nums))} were given; were some lost?"
                )
        self.stop = stop


def may_count(number: int, pages: list[Any], ranges: Sequence[range] = ()) -> bool:
    """Whether the count of Events in a stop document is possible for these sequence numbers, given page by page.

    After a pause bluesky repeats the measurements since the last checkpoint, and counts them once. It also counts the
    sequence numbers that stream_datums cover, which are given as ranges.
    """
    return number == sum(map(len, pages)) or number == counted_numbers(pages, ranges)


_WITH_UIDS = ("descriptor", "resource", "stream_resource", "stream_datum")
"""Documents with a uid that other documents refer to, or may not have again."""


_ROWS = {"event_page": "uid", "datum_page": "datum_id"}
"""The key of pages with one item for each row."""


def check_inserted(name: Any, doc: Any, limits: Limits) -> NamedDocument:
    """Return the name and the document, which comes directly to `v1.insert`, in the form to write.

    Only what is unreadable is refused: what would be written as a pickle (msgpack-numpy 0.4.8 pickles arrays of
    objects), be read back as one, be written outside the directory, stop the serializer half-way, or make the catalog
    permanently unreadable. Numpy's values stay what they are where the limits pass them on, except times.
    """
    if not isinstance(name, str):
        # databroker 1.2.5 compares it with "stop" to decide when to show the run
        raise InvalidRunError(f"the name of a document is {short(name)}; give the name as a string, as in 'start'")
    if name not in REQUIRED_KEYS:
        raise InvalidRunError(f"databroker 1 cannot read documents of type {short(name)} back")
    if not isinstance(doc, Mapping):
        raise InvalidRunError(f"the {name} document is {short(doc)}; documents are dicts")
    check_dropped_keys(name, doc)
    if name == "start":
        check_safe_uid(doc.get("uid"))
        start: Document = _with_plain_time(document_value(doc, "metadata", InvalidMetadataError, limits=limits))
        check_time(start.get("time"), "metadata['time']", InvalidMetadataError)
        return name, start
    check_form(name, doc)
    if name in _ROWS:
        check_rows(called(name), doc, _ROWS[name])
    if name in ("event", "event_page"):
        event = {**doc, **{part: {**doc[part]} for part in ("data", "timestamps", "filled") if part in doc}}
        if event.get("filled"):
            filled = event["filled"]
            is_page = name == "event_page"
            event["filled"] = plain_flags(filled) if is_page else {key: plain_flag(filled[key]) for key in filled}
        for part, value in event.items():
            if part == "data":
                for key, column in value.items():
                    check_event_values({key: column}, "the data of an event", InvalidTableError, limits)
            else:
                check_event_values({part: value}, called(name), InvalidRunError, limits)
        return name, event
    checked = _with_plain_time(document_value(doc, called(name), error_for(name), limits=limits))
    # old bluesky wrote descriptors without a name, and databroker 1.2.5 reads no Events of these
    return name, {"name": PRIMARY, **checked} if name == "descriptor" else checked


def _with_plain_time(doc: Document) -> Document:
    """The document with its time as a number of Python, by which runs are put in order."""
    return {**doc, "time": to_builtin(doc["time"])} if "time" in doc else doc
