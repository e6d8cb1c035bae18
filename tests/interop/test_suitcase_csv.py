"""Tables are exported by suitcase-csv."""

from __future__ import annotations

import pandas
import pytest

from databroker_writable import open_directory
from support import example_results

suitcase_csv = pytest.importorskip("suitcase.csv", reason="suitcase-csv is not installed: pip install '.[interop]'")


def test_a_table_is_exported_with_all_its_columns(tmp_path):
    stored = open_directory(tmp_path / "runs").store_run(example_results.xanes())
    suitcase_csv.export(stored.documents(fill="no"), tmp_path / "exported", file_prefix="")
    (path,) = (tmp_path / "exported").glob("*.csv")
    exported = pandas.read_csv(path)
    expected = example_results.xanes().reset_index()
    pandas.testing.assert_frame_equal(exported[list(expected)], expected)


def test_each_stream_is_a_file_of_its_own(tmp_path):
    catalog = open_directory(tmp_path / "runs")
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2], "peak": ["Cu111", "Cu200"]})
        builder.add_stream("baseline", data={"T": [300.5]})
        builder.add_data("primary", data={"x": [3], "peak": ["Cu220"]})
    suitcase_csv.export(builder.stored_run.documents(fill="no"), tmp_path / "exported", file_prefix="")
    exported = {path.stem: pandas.read_csv(path) for path in (tmp_path / "exported").glob("*.csv")}
    assert exported["primary"]["x"].tolist() == [1, 2, 3]
    assert exported["primary"]["peak"].tolist() == ["Cu111", "Cu200", "Cu220"]
    assert exported["baseline"]["T"].tolist() == [300.5]
