"""Results as scientists have them."""

from __future__ import annotations

import numpy
import pytest

from databroker_writable.tables import read_table
from support import example_results
from support.table_roundtrip import assert_same_table, stored_run, there_and_back

backends = pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
both = pytest.mark.parametrize("one_event", [False, True])


@both
@backends
@pytest.mark.parametrize("name", example_results.EXAMPLES)
def test_a_result_comes_back_as_it_was(backend, one_event, name):
    table = example_results.EXAMPLES[name]()
    assert_same_table(there_and_back(table, backend=backend, one_event=one_event), table)


def test_the_index_of_a_table_is_its_first_column():
    assert list(read_table(example_results.xanes()).schema.data_keys) == ["energy", "mu", "flat"]


@both
@backends
def test_databrokers_reader_gives_a_stack_its_dims(backend, one_event):
    read = stored_run(example_results.slices(), backend=backend, one_event=one_event).primary.read()
    dims = ("time", "slice", "y", "x") if one_event else ("time", "y", "x")
    assert read["density"].dims == dims


@both
@backends
def test_a_map_given_as_a_masked_array_comes_back_with_nan(backend, one_event):
    values = example_results.masked_map()["Fe"].values
    back = there_and_back({"Fe": numpy.ma.masked_invalid(values)}, backend=backend, one_event=one_event)
    numpy.testing.assert_array_equal(back["Fe"].values, values)


@backends
def test_rows_keep_their_order_in_databrokers_reader(backend):
    read = stored_run({"x": numpy.arange(300)}, backend=backend).primary.read()
    assert read["x"].values.tolist() == list(range(300))
