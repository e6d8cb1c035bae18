"""Catalogs that are looked through: what is there is found, also where databroker would read a uid otherwise."""

from __future__ import annotations

import numpy

from databroker_writable import writable_class
from databroker_writable.upkeep import examine
from support.facility import OwnBackendCatalog


def test_a_uid_of_digits_in_the_catalog_of_a_facility_is_no_scan_id(tmp_path):
    catalog = writable_class(OwnBackendCatalog)(str(tmp_path))
    image = numpy.arange(6.0).reshape(1, 2, 3)
    catalog.store_run({"image": image}, uid="first", asset_threshold=0)
    catalog.store_run({"x": [1]}, {"scan_id": 7}, uid="run-1")
    text = (tmp_path / "first.json").read_text().replace('"first"', '"7"')
    (tmp_path / "first.json").unlink()
    (tmp_path / "7.json").write_text(text)
    catalog = writable_class(OwnBackendCatalog)(str(tmp_path))
    assert sorted(catalog) == ["7", "run-1"]
    report = examine(catalog)
    assert report.findings == []
    assert report.looked_at["assets"] == 1
