"""Reading runs that are not ours, and those with external arrays."""

from __future__ import annotations

import dask.array
import event_model
import numpy
import pandas
import pytest
import suitcase.jsonl
import suitcase.msgpack
import xarray
from bluesky_live.bluesky_run import BlueskyRun
from bluesky_live.run_builder import DocumentCache, RunBuilder, build_one_run_from_documents
from databroker._drivers.jsonl import BlueskyJSONLCatalog
from databroker._drivers.msgpack import BlueskyMsgpackCatalog

from databroker_writable.errors import InvalidRunError
from databroker_writable.tables import read_table, to_dataset
from support.table_roundtrip import assert_same_dataset, assert_same_frame, documents, stored_run


def test_an_unknown_stream_is_a_key_error_that_lists_the_streams():
    with pytest.raises(KeyError, match=r"no stream 'baseline'; its streams: 'primary'"):
        to_dataset(stored_run({"x": [1]}), "baseline")


def test_a_run_without_layout_is_given_as_its_reader_gives_it():
    with RunBuilder() as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3]})
    run = builder.get_run()
    xarray.testing.assert_identical(to_dataset(run), run.primary.read())


def test_a_coordinate_called_layout_in_a_foreign_run_is_no_layout():
    configuration = {
        "table": {
            "data": {"layout": "square"},
            "data_keys": {"layout": {"source": "PV", "dtype": "string", "shape": []}},
            "timestamps": {"layout": 0.0},
        }
    }
    data_keys = {"x": {"source": "PV", "dtype": "number", "shape": []}}
    with RunBuilder() as builder:
        builder.add_stream(
            "primary",
            data={"x": [1.0]},
            data_keys=data_keys,
            object_keys={"table": ["x"]},
            configuration=configuration,
        )
    assert to_dataset(builder.get_run())["x"].values.tolist() == [1.0]


def test_a_newer_layout_asks_for_an_upgrade():
    docs = list(documents(read_table({"x": [1]})))
    docs[1][1]["configuration"]["table"]["data"]["layout"] = '{"version": 99}'
    with pytest.raises(InvalidRunError, match="layout version 99, but this package reads up to 2; upgrade"):
        to_dataset(build_one_run_from_documents(docs))


def test_a_stream_without_events_says_so():
    docs = [pair for pair in documents(read_table({"x": [1]})) if pair[0] != "event_page"]
    with pytest.raises(InvalidRunError, match="holds no Events yet"):
        to_dataset(build_one_run_from_documents(docs))


CATALOGS = {"msgpack": (suitcase.msgpack, BlueskyMsgpackCatalog), "jsonl": (suitcase.jsonl, BlueskyJSONLCatalog)}


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize("suffix", CATALOGS)
def test_runs_of_databrokers_own_catalogs_are_read(tmp_path, suffix, one_event):
    suite, catalog = CATALOGS[suffix]
    dataset = xarray.Dataset(
        {"v": (("t", "x"), numpy.arange(6, dtype="float32").reshape(2, 3)), "s": ("t", ["a", "bc"])},
        {"x": ("x", [0.1, 0.2, 0.3], {"units": "mm"})},
    )
    suite.export(documents(read_table(dataset, one_event=one_event)), tmp_path)
    run = catalog([str(tmp_path / f"*.{suffix}")])[-1]
    assert_same_dataset(to_dataset(run), dataset)
    with pytest.raises(KeyError, match="its streams: 'primary'"):
        to_dataset(run, "other")


def test_several_descriptors_of_one_stream_are_read_as_one():
    first, later = (list(documents(read_table({"x": values}))) for values in ([1, 2], [3]))
    descriptor = {**later[1][1], "run_start": first[0][1]["uid"]}
    page = {**later[2][1], "seq_num": [3]}
    docs = [*first[:3], ("descriptor", descriptor), ("event_page", page)]
    assert to_dataset(build_one_run_from_documents(docs))["x"].values.tolist() == [1, 2, 3]


class Images:
    """A handler that gives one Event's array at a time, and counts how often one was computed."""

    computed = 0

    def __init__(self, path, **kwargs):
        self.values = numpy.arange(24, dtype="uint16").reshape(2, 3, 4)

    def __call__(self, index):
        lazy = dask.array.from_array(self.values[index], chunks=2)
        return lazy.map_blocks(self.count, dtype="uint16", meta=self.values[:0, 0])

    def count(self, block):
        if block.size:
            Images.computed += 1
        return block


@pytest.mark.parametrize("one_event", [False, True])
def test_external_arrays_come_back_lazy(one_event):
    values = numpy.arange(24, dtype="uint16").reshape(2, 3, 4)
    dataset = xarray.Dataset({"img": (("t", "y", "x"), values), "n": ("t", [1, 2])}, {"y": [0.5, 1.0, 1.5]})
    table = read_table(dataset, one_event=one_event)
    bundle = event_model.compose_run()
    data_keys = {**table.schema.data_keys}
    data_keys["img"] = {**data_keys["img"], "external": "FILESTORE:"}
    resource = bundle.compose_resource(
        spec="IMAGES", root="/", resource_path="images", resource_kwargs={}, path_semantics="posix"
    )
    indexes = [slice(None)] if one_event else [0, 1]
    datums = [resource.compose_datum(datum_kwargs={"index": index}) for index in indexes]
    descriptor = bundle.compose_descriptor(
        name="primary",
        data_keys=data_keys,
        object_keys=table.schema.object_keys,
        configuration=table.schema.configuration,
    )
    page = descriptor.compose_event_page(
        data={**table.data, "img": [datum["datum_id"] for datum in datums]},
        timestamps={key: [0.0] * table.length for key in table.data},
        time=list(range(table.length)),
        seq_num=list(range(1, table.length + 1)),
        filled={"img": [False] * table.length},
        uid=[f"e{i}" for i in range(table.length)],
        validate=False,
    )
    cache = DocumentCache()
    for name, doc in [
        ("start", bundle.start_doc),
        ("resource", resource.resource_doc),
        ("datum_page", event_model.pack_datum_page(*datums)),
        ("descriptor", descriptor.descriptor_doc),
        ("event_page", page),
        ("stop", bundle.compose_stop()),
    ]:
        cache(name, doc)
    Images.computed = 0
    back = to_dataset(BlueskyRun(cache, handler_registry={"IMAGES": Images}))
    assert isinstance(back["img"].data, dask.array.Array)
    assert back["img"].dtype == "uint16"
    assert Images.computed == 0
    assert_same_dataset(back.compute(), dataset)


@pytest.mark.parametrize("names", [[None, None], ["part", None], [None, "row_level_0"]])
def test_the_dataset_of_a_frame_whose_levels_have_no_names_can_be_worked_with(names):
    index = pandas.MultiIndex.from_product([["a", "b"], [1, 2]], names=names)
    frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]}, index=index)
    dataset = to_dataset(stored_run(frame))
    first, second = (name or f"level_{number}" for number, name in enumerate(names))
    assert set(dataset.coords) == {"row", first, second}
    for same in (dataset, dataset.copy(), dataset.where(dataset.x > 0), dataset.isel(row=slice(None)), dataset + 0):
        # the oldest xarray that is supported keeps the levels as columns, too
        assert_same_frame(same.to_dataframe()[["x"]], frame)
    assert dataset.unstack("row").x.dims == (first, second)
    assert dataset.sel({first: "b"}).x.values.tolist() == [3, 4]
    assert dataset.groupby(first).mean().x.values.tolist() == [1.5, 3.5]
    assert dataset.reset_index("row")[second].values.tolist() == [1, 2, 1, 2]
    assert to_dataset(stored_run(dataset)).to_dataframe().index.names == [first, second]
