"""Find the files under an asset root, those left unfinished apart, and read them through for damage."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...errors import UnreadableAssetError
from ..new_file import final_name
from .naming import SPEC, is_asset_name
from .own_data import DataElsewhereError, own_dataset

if TYPE_CHECKING:
    import h5py

_YEAR, _MONTH = re.compile(r"\d{4}"), re.compile(r"\d\d")
_SPAN = 2**24


def find_partial_files(root: str) -> dict[str, os.stat_result]:
    """Files that are being written, or that a killed process left.

    `is_being_written` tells these apart on the writer's host, and their age elsewhere.

    Parameters
    ----------
    root : str
        The directory of all assets; it may be missing.

    Returns
    -------
    dict
        Their paths, sorted, each with its status. Costs one look at each file's name, and at the status of those
        found.
    """
    return _find(root, lambda name: is_asset_name(final_name(name) or ""))


def find_asset_files(root: str) -> dict[str, os.stat_result]:
    """Published files, by their place and name.

    Parameters
    ----------
    root : str
        The directory of all assets; it may be missing.

    Returns
    -------
    dict
        Their paths, sorted, each with its status: those that runs refer to, and those of a process that was killed
        before it wrote the run's documents. Other programs may keep files under such names: ask `is_asset`
        before removing any.
    """
    return _find(root, is_asset_name)


def is_asset(path: str) -> bool:
    """Whether a file was written by this package, or is the empty one that holds a name for a moment.

    Parameters
    ----------
    path : str
        Path of the file.

    Returns
    -------
    bool
        False also where the file cannot be read as HDF5: nothing can be said about it then.
    """
    import h5py

    if os.path.getsize(path) == 0:
        return True
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("creator") == SPEC)
    except OSError:
        return False


def verify(path: str) -> None:
    """Read all of a published file, so that every checksum is compared.

    Costs the reading of the whole file, about 16 MiB at a time.

    Parameters
    ----------
    path : str
        Path of the file.

    Raises
    ------
    UnreadableAssetError
        The file is missing, cut off, damaged or incomplete. The message names the first dataset concerned.
    """
    import h5py

    name = "/"
    try:
        # A dataset that is read once gains nothing from a cache of chunks.
        with h5py.File(path, "r", rdcc_nbytes=0) as file:
            for name in sorted(file):
                _read_through(path, own_dataset(file, name))
    except UnreadableAssetError:
        raise
    except DataElsewhereError as error:
        raise UnreadableAssetError(
            f"{path} does not hold its values itself ({error}); restore it from a copy that does"
        ) from error
    except FileNotFoundError as error:
        raise UnreadableAssetError(f"{path} is missing; restore it from a copy") from error
    except PermissionError as error:
        raise UnreadableAssetError(f"{path} may not be read; ask for read permission") from error
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise UnreadableAssetError(f"{path} is damaged at {name!r} ({error}); restore it from a copy") from error


def _read_through(path: str, dataset: h5py.Dataset) -> None:
    if dataset.chunks is None:
        # Coordinates of one value, and scales without values, whose length on disk is nothing.
        if dataset.id.get_storage_size():
            dataset[()]
        return
    counts = [math.ceil(n / c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)]
    written = dataset.id.get_num_chunks()
    # Chunks that were never written would read as zeros.
    if written != math.prod(counts):
        raise UnreadableAssetError(
            f"{path} holds {written} of {math.prod(counts)} chunks of {dataset.name!r}; restore it from a copy"
        )
    for span in _spans(dataset):
        dataset[span]


def _spans(dataset: h5py.Dataset) -> Iterator[tuple[slice, ...]]:
    """Whole chunks, about 16 MiB along the leading axis."""
    chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize
    steps = [dataset.chunks[0] * max(1, _SPAN // chunk), *dataset.chunks[1:]]
    axes = [
        [slice(a, min(a + step, n)) for a in range(0, n, step)] for n, step in zip(dataset.shape, steps, strict=True)
    ]
    return itertools.product(*axes)


def _find(root: str, wanted: Callable[[str], bool]) -> dict[str, os.stat_result]:
    """The wanted files in ``{root}/{year}/{month}``."""
    found = {}
    for year in _directories(root, _YEAR):
        for month in _directories(year, _MONTH):
            for entry in os.scandir(month):
                if wanted(entry.name) and entry.is_file(follow_symlinks=False):
                    found[entry.path] = entry.stat(follow_symlinks=False)
    return dict(sorted(found.items()))


def _directories(path: str, name: re.Pattern[str]) -> Iterator[str]:
    if os.path.isdir(path):
        for entry in os.scandir(path):
            if name.fullmatch(entry.name) and entry.is_dir():
                yield entry.path
