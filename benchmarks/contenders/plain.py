"""Files written directly, and brought to the disk."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import h5py
import pandas

from .. import data
from ..meter import Meter
from ..network import measure


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


def small_files(meter: Meter) -> None:
    """Files that are there as a whole or not at all, as a program would write them, and a look at each."""
    directory = meter.directory / "files"
    directory.mkdir()
    content = b"x" * 2_000
    write_whole(directory, [content] * 3)  # as many as the catalog has
    steps = {
        "store": lambda: write_whole(directory, [content]),
        "batch": lambda: write_whole(directory, [content] * 64),
        "open": lambda: read_all(directory),
        "search": lambda: look_at(directory),
    }
    measure(meter, directory, steps)


def small_file(meter: Meter) -> None:
    """As many bytes as a run of 10 x 3."""
    meter.steps("store", meter["number"], lambda: write_whole(meter.directory, [b"x" * 2_600]))


def look_at(directory: Path) -> list[Path]:
    """List a directory, and look at each file in it."""
    paths = [directory / name for name in os.listdir(directory)]
    for path in paths:
        os.stat(path)
    return paths


def read_all(directory: Path) -> None:
    """Look at each file in a directory, and read it."""
    for path in look_at(directory):
        path.read_bytes()


def write_whole(directory: Path, contents: list[bytes]) -> None:
    """Write files under other names, bring them to the disk, and give them their names; then the directory."""
    for content in contents:
        path = directory / uuid.uuid4().hex
        partial = path.with_suffix(".part")
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)
        os.link(partial, path)
        os.unlink(partial)
    descriptor = os.open(directory, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
