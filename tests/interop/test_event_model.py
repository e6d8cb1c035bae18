"""Documents are valid by event-model's schemas."""

from __future__ import annotations

import event_model
import numpy
import pytest

from databroker_writable import build_simple_run, open_directory
from support import example_results

EVERYTHING = {
    "int": [1, 2],
    "text": ["a", "b"],
    "flag": [True, False],
    "nested": [[1.0, 2.0], [3.0, 4.0]],
    "missing": [1, None],
    "when": numpy.array(["2024-01-01", "NaT"], "M8[ns]"),
}


def assert_valid(run):
    for name, doc in run.documents(fill="no"):
        doc = doc.to_dict() if hasattr(doc, "to_dict") else doc
        event_model.schema_validators[event_model.DocumentNames[name]].validate(doc)


@pytest.mark.parametrize("external", [False, True], ids=["inline", "in files"])
@pytest.mark.parametrize("one_event", [False, True], ids=["rows", "one event"])
@pytest.mark.parametrize("name", [*example_results.EXAMPLES, "everything"])
def test_documents_are_valid(tmp_path, name, one_event, external):
    table = {**example_results.EXAMPLES, "everything": lambda: EVERYTHING}[name]()
    built = build_simple_run(table, {"sample": "Cu"}, one_event=one_event)
    assert_valid(built)
    assert_valid(open_directory(tmp_path / "runs").store_run(built, asset_threshold=0 if external else 1024**2))


def test_dims_and_units_are_in_the_data_keys():
    run = build_simple_run(example_results.slices(), one_event=True)
    (descriptor,) = [doc for name, doc in run.documents() if name == "descriptor"]
    data_key = descriptor["data_keys"]["density"]
    assert (data_key["dtype"], data_key["dtype_numpy"]) == ("array", "<u2")
    assert (data_key["dims"], data_key["shape"]) == (["slice", "y", "x"], [3, 4, 5])
    assert data_key["units"] == "g/cm3"
