"""Read asset files completely, to find damage."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import UnreadableAssetError, is_of_this_process
from .hdf5_source import DataElsewhereError, own_dataset

if TYPE_CHECKING:
    import h5py

_SPAN = 2**24


def verify(path: str) -> None:
    """Read all of a published file, about 16 MiB at a time, so that every checksum is verified."""
    import h5py

    name = "/"
    try:
        # A dataset that is read once does not need a chunk cache.
        with h5py.File(path, "r", rdcc_nbytes=0) as file:
            for name in sorted(file):
                _read_through(path, own_dataset(file, name))
    except UnreadableAssetError:
        raise
    except DataElsewhereError as error:
        raise UnreadableAssetError(
            f"{path} does not contain its values itself ({error}); restore it from a copy that does"
        ) from error
    except FileNotFoundError as error:
        raise UnreadableAssetError(f"{path} is missing; restore it from a copy") from error
    except PermissionError as error:
        raise UnreadableAssetError(f"{path} cannot be read; ask for read permission") from error
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        if is_of_this_process(error):
            raise
        raise UnreadableAssetError(f"{path} is damaged at {name!r} ({error}); restore it from a copy") from error


def _read_through(path: str, dataset: h5py.Dataset) -> None:
    if dataset.chunks is None:
        # Single-valued coordinates, and scales without values, which have no size on disk.
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
