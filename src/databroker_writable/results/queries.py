"""Bring the conditions of a user's query into the form in which every backend compares them with documents."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterator, KeysView, Mapping, ValuesView
from typing import Any

import numpy
import pandas
import pymongo
from bson import Regex
from bson.errors import BSONError
from mongoquery import QueryError

from ..errors import InvalidMetadataError
from ..runs.start_document import start_of
from ..storage.embedded_query import OF_QUERIES
from ..tables.document_values import document_value
from ..tables.metadata_values import plain_metadata, posix_seconds
from ..tables.wording import cut, short

_AS_LISTS = (set, frozenset, KeysView, ValuesView, pandas.Series, pandas.Index)
_PATTERNS = (re.Pattern, Regex)
_MOMENTS = (datetime.date, numpy.datetime64)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
"""The options of MongoDB's ``$regex``."""

_REFUSED = (None, 2, 9, 14, 238, 15998, 51075, 51091, 51108)
"""MongoDB's codes of BadValue, FailedToParse, TypeMismatch, NotImplemented, empty keys and wrong patterns.

mongomock gives none.
"""


def check_query(query: Any) -> Mapping[str, Any]:
    """Refuse anything that is not a query."""
    if not isinstance(query, Mapping):
        way = "; for what was made from a run use derived_from=run" if start_of(query) is not None else ""
        raise InvalidMetadataError(f"a query must be a dict of conditions on start documents, not {query!r}{way}")
    return query


def plain_query(query: Any) -> dict[str, Any]:
    """A query whose values are those that metadata become when they are stored, and whose patterns are text.

    Values of numpy become Python's, paths and dates become text, and times of the run POSIX seconds.
    """
    return {key: _plain_part(key, value) for key, value in check_query(query).items()}


def _plain_part(key: Any, value: Any) -> Any:
    if not isinstance(key, str):
        raise _wrong_query(f"the key {short(key)} is not text")
    if key not in OF_QUERIES:
        return _plain_condition(value, key)
    if not isinstance(value, list | tuple) or not all(isinstance(part, Mapping) for part in value):
        raise _wrong_query(f"{key} takes a list of queries, not {short(value)}")
    return [plain_query(part) for part in value]


def _plain_condition(value: Any, key: str) -> Any:
    if isinstance(value, _PATTERNS):
        return {"$regex": value.pattern, "$options": _options(value)}
    if isinstance(value, Mapping):
        condition = {name: _plain_condition(item, key) for name, item in value.items()}
        # a compiled pattern brings its own options
        pattern = condition.get("$regex")
        return {**condition, **pattern} if isinstance(pattern, Mapping) else condition
    if isinstance(value, _AS_LISTS):
        value = list(value)
    if isinstance(value, list | tuple) and any(isinstance(item, _PATTERNS) for item in value):
        return [_pattern(item) if isinstance(item, _PATTERNS) else _plain_condition(item, key) for item in value]
    if key == "time" and isinstance(value, _MOMENTS):
        return posix_seconds(value)
    return document_value(plain_metadata(value), f"the query for {key!r}", InvalidMetadataError)


def _pattern(pattern: re.Pattern[Any] | Regex) -> Regex:
    """A pattern in a list, without Python's flags that MongoDB does not have."""
    return Regex(pattern.pattern, _options(pattern))


def _options(pattern: re.Pattern[Any] | Regex) -> str:
    return "".join(letter for letter, flag in _FLAGS.items() if pattern.flags & flag)


def with_compiled_patterns(query: Any) -> Any:
    """A query for mongoquery, which does not know the options of a pattern."""
    if isinstance(query, list):
        return [with_compiled_patterns(part) for part in query]
    if isinstance(query, Regex):
        raise _wrong_query("only MongoDB finds patterns in a list; give each in a query of its own, and these in $or")
    if not isinstance(query, Mapping):
        return query
    result = {key: with_compiled_patterns(value) for key, value in query.items()}
    pattern = result.get("$regex")
    if isinstance(pattern, str):
        options = result.pop("$options", "")
        try:
            result["$regex"] = re.compile(pattern, sum(_FLAGS[letter] for letter in set(options)))
        except (KeyError, TypeError, re.error) as exc:
            raise _wrong_query(f"the pattern {short(pattern)} with the options {short(options)}: {exc}") from exc
    return result


@contextlib.contextmanager
def naming_a_refused_query() -> Iterator[None]:
    """Say that a query is wrong where MongoDB or its client refuses it."""
    try:
        yield
    except pymongo.errors.OperationFailure as exc:
        if exc.code not in _REFUSED:
            raise
        raise _wrong_query(exc) from exc
    except BSONError as exc:
        raise _wrong_query(exc) from exc


@contextlib.contextmanager
def naming_a_wrong_query() -> Iterator[None]:
    """Say that a query is wrong where mongoquery raises one of the errors that it then raises."""
    try:
        yield
    except NotImplementedError as exc:
        raise _wrong_query("$text, $where and $options without $regex are not known here") from exc
    except (QueryError, TypeError, AttributeError) as exc:
        raise _wrong_query(exc) from exc


def _wrong_query(reason: Exception | str) -> InvalidMetadataError:
    return InvalidMetadataError(
        f"the query cannot be answered: {cut(reason, 200)}; write conditions as MongoDB has them, such as "
        "{'sample': 'Cu'} or {'scan_id': {'$gt': 5}}"
    )
