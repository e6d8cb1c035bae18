"""Tables through documents and back, as each backend would carry them; and strict comparison."""

from __future__ import annotations

import io
import json
import time

import event_model
import msgpack
import msgpack_numpy
import numpy
import pandas
import xarray
from bluesky_live.bluesky_run import BlueskyRun, DocumentCache

from databroker_writable.tables import read_table, to_dataset


def documents(*tables, stream="primary"):
    """The documents of one run, with the tables in one stream."""
    bundle = event_model.compose_run()
    yield "start", bundle.start_doc
    schema = tables[0].schema
    descriptor = bundle.compose_descriptor(
        name=stream,
        data_keys=schema.data_keys,
        object_keys=schema.object_keys,
        configuration=schema.configuration,
        hints=schema.hints,
    )
    yield "descriptor", descriptor.descriptor_doc
    count = 0
    for table in tables:
        schema.check_agrees(table.schema, stream)
        times = table.time
        if times is None:
            times = time.time() + 1e-5 * numpy.arange(count, count + table.length)
        yield (
            "event_page",
            descriptor.compose_event_page(
                data=table.data,
                timestamps={key: list(times) for key in table.data},
                seq_num=list(range(count + 1, count + 1 + table.length)),
                time=list(times),
                filled={},
                uid=[f"{descriptor.descriptor_doc['uid']}-{count + i}" for i in range(table.length)],
                validate=False,
            ),
        )
        count += table.length
    yield "stop", bundle.compose_stop()


def through_memory(docs):
    """As bluesky-live keeps a run that is not stored."""
    yield from docs


def through_msgpack(docs):
    """As suitcase.msgpack writes and databroker reads."""
    packed = b"".join(msgpack.packb(pair, default=msgpack_numpy.encode, use_bin_type=True) for pair in docs)
    options = {"object_hook": msgpack_numpy.decode, "raw": False, "max_buffer_size": 10**9}
    yield from msgpack.Unpacker(io.BytesIO(packed), **options)


def through_json(docs):
    """As suitcase.jsonl writes and databroker reads."""
    for pair in docs:
        yield json.loads(json.dumps(pair, cls=event_model.NumpyEncoder))


def through_events(docs):
    """As suitcase.mongo_normalized writes, one Event each, and databroker packs into pages."""
    for name, doc in through_json(docs):
        if name != "event_page":
            yield name, doc
            continue
        yield "event_page", event_model.pack_event_page(*event_model.unpack_event_page(doc))


BACKENDS = {
    "memory": through_memory,
    "msgpack": through_msgpack,
    "json": through_json,
    "mongo": through_events,
}


def stored_run(*tables, backend="msgpack", one_event=False):
    """A run that holds the tables, read back from a backend."""
    described = [read_table(tables[0], one_event=one_event)]
    first = described[0].schema
    described += [read_table(table, one_event=one_event, first=first).fitted(first) for table in tables[1:]]
    cache = DocumentCache()
    for name, doc in BACKENDS[backend](documents(*described)):
        cache(name, doc)
    # without handlers of its own bluesky-live 0.0.8 scans the installed packages for them, each time
    return BlueskyRun(cache, handler_registry={})


def there_and_back(*tables, backend="msgpack", one_event=False):
    return to_dataset(stored_run(*tables, backend=backend, one_event=one_event))


def assert_same_dataset(actual, expected):
    """Identical, and of the same dtypes, dims, indexes and kinds of attributes: xarray looks at values only."""
    xarray.testing.assert_identical(actual, expected)
    assert list(actual.data_vars) == list(expected.data_vars)
    assert set(actual.xindexes) == set(expected.xindexes)
    for name, variable in expected.variables.items():
        assert actual[name].dims == variable.dims
        assert actual[name].dtype == variable.dtype, name
        assert_same_attributes(actual[name].attrs, variable.attrs)
    assert_same_attributes(actual.attrs, expected.attrs)


def assert_same_attributes(actual, expected):
    assert list(actual) == list(expected)
    for key, value in expected.items():
        assert type(actual[key]) is type(value), key
        if isinstance(value, numpy.ndarray):
            assert actual[key].dtype == value.dtype
        numpy.testing.assert_equal(actual[key], value)


def assert_same_frame(actual, expected):
    pandas.testing.assert_frame_equal(actual, expected, check_exact=True)


def assert_same_table(actual, table):
    """The Dataset that was read is the table that was stored, whatever its kind."""
    if isinstance(table, xarray.Dataset):
        assert_same_dataset(actual, table)
    elif isinstance(table, pandas.DataFrame):
        # xarray 2025.6 gives the levels of a MultiIndex a second time, as columns
        assert_same_frame(actual.to_dataframe()[list(table.columns)], table)
    else:
        assert list(actual) == list(table)
        for name, column in table.items():
            expected = numpy.asarray(column)
            assert actual[name].dtype == expected.dtype
            numpy.testing.assert_array_equal(actual[name].values, expected)
