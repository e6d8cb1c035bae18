"""Check pages of Events against their descriptor, and that a backend can hold them."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy

from ..errors import InvalidRunError, InvalidTableError
from ..tables.backend_limits import ANY_BACKEND, Limits
from ..tables.classifier import NUMBERS, type_of
from ..tables.document_values import check_event_values
from ..tables.stream_reading import STREAM_EXTERNAL
from ..tables.wording import Location, counted, located, short
from .document_checks import check_times, excess
from .document_parts import EVENT_PARTS, Document, check_parts, listed

InlinePart = Callable[[Document, Document], Document]
"""``inline(page, descriptor)`` returns the page without the columns that are assets."""


def check_event_page(
    page: Mapping[str, Any], descriptor: Document, datum_ids: Collection[str], limits: Limits, inline: InlinePart
) -> Document:
    """Check a page of Events, alone and against its descriptor; return it with all its parts.

    Columns that databroker reads as lists of numpy's numbers become arrays again. `datum_ids` are those that the run
    has had so far. The `limits` are for what is `inline`. O(number of Events); the values of numeric columns are not
    checked one by one.
    """
    stream = descriptor["name"]
    where = f"an event page of stream {stream!r}"
    check_parts(where, page, EVENT_PARTS)
    data_keys = descriptor["data_keys"]
    _check_keys(page, data_keys, where)
    data = {key: _as_array(values) for key, values in page["data"].items()}
    uids = page["uid"]
    if not isinstance(uids, list | tuple | numpy.ndarray) or getattr(uids, "ndim", 1) != 1:
        raise InvalidRunError(f"{where} has uids that are not a list")
    if not {str}.issuperset(map(type, uids)):
        raise InvalidRunError(f"{where} has uids that are not strings")
    check_rows(where, page, "uid")
    times, _ = [_finite_numbers(page[part], part, where) for part in ("time", "seq_num")]
    if len(times):
        check_times(times, f"{where} has a time that", InvalidRunError)
    filled = plain_flags(page["filled"]) if page.get("filled") else {}
    for key, flags in filled.items():
        if not all(isinstance(flag, bool | str) for flag in flags):
            raise InvalidRunError(f"{where} has values in 'filled' for {key!r} that are not True or False")
    checked: Document = {**page, "data": data, "timestamps": {**page["timestamps"]}, "filled": filled}
    inline_page = inline(checked, descriptor)
    for key, values in data.items():
        column = f"column {key!r} of stream {stream!r}"
        if data_keys[key].get("external", STREAM_EXTERNAL) == STREAM_EXTERNAL:
            held_by = limits if key in inline_page["data"] else ANY_BACKEND
            check_event_values(values, column, InvalidTableError, held_by)
            if key in filled:
                _check_datums(values, filled[key], datum_ids, where, key, data_keys[key])
        else:
            flags = filled.get(key, [False] * len(values))
            present = [value for value, flag in zip(values, flags, strict=True) if flag is not False]
            check_event_values(present, column, InvalidTableError, limits)
            _check_datums(values, flags, datum_ids, where, key, data_keys[key])
    _check_beside_data(checked, where, limits)
    _check_sizes(inline_page, limits)
    return checked


def _as_array(values: Any) -> Any:
    """Make an array of a list of several numpy numbers of one type; anything else is returned as it is."""
    if type(values) is list and len(values) > 1 and isinstance(values[0], numpy.generic):
        type_, *others = set(map(type, values))
        if not others and type_of(type_) in NUMBERS:
            return numpy.array(values)
    return values


def _check_keys(page: Mapping[str, Any], data_keys: Mapping[str, Any], where: str) -> None:
    expected = {key for key in data_keys if data_keys[key].get("external") != STREAM_EXTERNAL}
    for part in ("data", "timestamps"):
        if not expected <= page[part].keys() <= data_keys.keys():
            raise InvalidRunError(
                f"{where} has the keys {listed(page[part])} in {part!r}, but its descriptor has {listed(data_keys)}"
            )
    filled = page.get("filled") or {}
    if set(filled) - set(page["data"]):
        raise InvalidRunError(f"{where} has keys in 'filled' that are not in 'data': {listed(filled)}")


def check_rows(where: str, page: Mapping[str, Any], key: str) -> None:
    """Refuse a page whose columns are not lists of one length, that of the list with this key."""
    length = _number_of_rows(page[key])
    if length is None:
        raise InvalidRunError(
            f"{where} has {short(page[key])} as {key!r}, which must be a list with one item for each row"
        )
    for part, value in page.items():
        columns = value if isinstance(value, Mapping) else {part: value} if part in ("time", "seq_num") else {}
        for column, values in columns.items():
            check_length((part, column) if columns is value else part, values, length, where)


def _number_of_rows(values: Any) -> int | None:
    """The length of a list or an array; None for anything else, such as text; ValueError if dask does not know it."""
    # a list is no Mapping, which takes long to find out
    if type(values) is not list and isinstance(values, str | bytes | Mapping):
        return None
    try:
        return len(values)
    except TypeError:
        return None


def check_length(part: Location, values: Any, length: int, where: str) -> None:
    """Refuse a column of a page without one value for each row."""
    try:
        number = _number_of_rows(values)
    except ValueError:
        raise InvalidTableError(
            f"{where} has {located(part)} that is a dask array of unknown length; call its compute_chunk_sizes() first"
        ) from None
    if number is None:
        raise InvalidRunError(f"{where} has {located(part)} that is not a list or an array")
    if number != length:
        raise InvalidRunError(f"{where} has {counted(length, 'uid')} but {counted(number, 'value')} in {located(part)}")


def _finite_numbers(values: Any, part: str, where: str) -> numpy.ndarray[Any, Any]:
    try:
        array = numpy.asarray(values)
    except ValueError:
        array = numpy.empty(len(values), object)
    is_finite = array.dtype.kind in "iu" or (array.dtype.kind == "f" and numpy.isfinite(array).all())
    if len(values) and not is_finite:
        raise InvalidRunError(f"{where} has {part} values that are not finite numbers")
    return array


def plain_flag(flag: Any) -> Any:
    """Whether a value is filled in, as Python's bool: event-model 1.24 takes neither numpy's False nor 0 for it."""
    return bool(flag) if flag is None or isinstance(flag, numpy.bool_ | numbers.Integral) else flag


def plain_flags(filled: Mapping[str, Any]) -> Document:
    """The flags of a page, by column, each as `plain_flag` gives it."""
    return {key: list(map(plain_flag, flags)) for key, flags in filled.items()}


def _check_datums(
    values: Any, flags: Any, datum_ids: Collection[str], where: str, key: str, data_key: Mapping[str, Any]
) -> None:
    """Refuse a value that readers would take for the name of a datum, if there is none."""
    for value, flag in zip(values, flags, strict=True):
        if flag is not False or (isinstance(value, str) and value in datum_ids):
            continue
        if "external" in data_key:
            raise InvalidRunError(
                f"{where} refers in {key!r} to the datum {short(value)}, which no document before it defines"
            )
        raise InvalidRunError(
            f"{where} has 'filled' False for {key!r}, whose value {short(value)} is not a datum, and which its "
            "descriptor does not call external; leave it out of 'filled'"
        )


def _check_beside_data(page: Mapping[str, Any], where: str, limits: Limits) -> None:
    # one list often serves as the timestamps of many columns
    columns = {id(page[part]): (part, page[part]) for part in ("uid", "time", "seq_num")}
    for part in ("timestamps", "filled"):
        for key, values in (page.get(part) or {}).items():
            if id(values) not in columns:
                columns[id(values)] = (f"{part}[{key!r}]", values)
    for part, values in columns.values():
        check_event_values(values, f"{part} of {where}", InvalidRunError, limits)


def _check_sizes(page: Document, limits: Limits) -> None:
    data, length, too_large = page["data"], len(page["uid"]), ""
    if limits.page_bytes is not None:
        sizes = {f"column {key!r}": limits.size_of(values) for key, values in data.items()}
        too_large = excess("one event page", sizes, 10 * length * len(sizes), limits.page_bytes, limits)
    if limits.event_bytes is not None and length:
        sizes = {}
        for key, values in data.items():
            is_even = isinstance(values, numpy.ndarray) and values.dtype.kind != "U"
            sizes[f"column {key!r}"] = max(map(limits.size_of, values[:1] if is_even else values))
        too_large = too_large or excess("one Event", sizes, 60 * len(sizes) + 200, limits.event_bytes, limits)
    if too_large:
        raise InvalidTableError(
            f"{too_large}: open the catalog with asset_root=... to keep large arrays as assets, or store fewer values "
            "at a time"
        )
