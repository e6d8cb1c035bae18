"""Files written directly, and brought to the disk."""

from __future__ import annotations

import os
from typing import Any

import h5py
import pandas

from .. import data
from ..meter import Meter


def _fsync(path: os.PathLike[str]) -> None:
    for each in (path, os.path.dirname(path)):
        descriptor = os.open(each, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def hdf5_table(meter: Meter) -> None:
    _hdf5_table(meter)


def hdf5_table_with_checksums(meter: Meter) -> None:
    """As this package's asset files have them, in chunks of 1 MiB."""
    _hdf5_table(meter, chunks=(min(meter["rows"], 131_072),), fletcher32=True)


def _hdf5_table(meter: Meter, **options: Any) -> None:
    table, path = data.table(meter["rows"]), meter.directory / "table.h5"
    with meter.step("store"):
        with h5py.File(path, "w") as file:
            for name, values in table.items():
                file.create_dataset(name, data=values, **options)
        _fsync(path)
    with meter.step("read"), h5py.File(path) as file:
        [file[name][:] for name in table]


def parquet_table(meter: Meter) -> None:
    frame, path = pandas.DataFrame(data.table(meter["rows"])), meter.directory / "table.parquet"
    pandas.DataFrame(data.small_table()).to_parquet(meter.directory / "first.parquet")
    with meter.step("store"):
        frame.to_parquet(path)
        _fsync(path)
    with meter.step("read"):
        pandas.read_parquet(path)


def hdf5_images(meter: Meter) -> None:
    """With the checksums that this package's asset files have."""
    stack, path = data.images(meter["frames"]), meter.directory / "images.h5"
    with meter.step("store"):
        with h5py.File(path, "w") as file:
            file.create_dataset("image", data=stack, chunks=(1, 512, 1024), fletcher32=True)
        _fsync(path)
    with meter.step("frame"), h5py.File(path) as file:
        file["image"][0].sum()
    with meter.step("read"), h5py.File(path) as file:
        file["image"][:]
