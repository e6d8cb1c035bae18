"""Read columns in HDF5 files lazily; databroker finds the handler by its entry point."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from ...errors import UnreadableAssetError, come_before_bluesky_live
from . import chunking
from .hdf5_source import ArraySource

if TYPE_CHECKING:
    import dask.array

# bluesky-live finds this module, as a handler, before it reads its first run
come_before_bluesky_live()

HDF5_SPEC = "DATABROKER_WRITABLE_HDF5"

LARGEST_EVENT = 2**47
"""The largest size of one Event's array: 128 TiB, about ten million blocks for dask."""


class HDF5AssetHandler:
    """Return the Events' values of one external column as dask arrays.

    Neither opening nor calling it touches the file: databroker does both for every column when it builds a
    Dataset, and columns whose files are missing must not hide the others. The file is opened when values are
    computed.

    Parameters
    ----------
    resource_path : str
        Full path of the file: the Resource's root, mapped by `root_map`, and its path.
    key : str
        The column's dataset in the file, unless the datum names another one like it.
    dtype : str
        The column's dtype, as numpy writes it, e.g. ``"<u2"``.
    frame_shape : sequence of int
        The shape behind the leading axis.
    chunks : sequence of int
        Shape of the file's chunks.
    run_uid : str
        The run's uid, for messages.

    Examples
    --------
    >>> handler = HDF5AssetHandler(
    ...     "/data/assets/2023/11/d34db33f-primary.h5",
    ...     key="/img", dtype="<u2", frame_shape=[1024, 1024], chunks=[1, 512, 1024], run_uid="d34db33f",
    ... )
    >>> handler(start=0, stop=100)
    dask.array<...shape=(100, 1024, 1024), dtype=uint16, chunksize=(8, 1024, 1024), ...>
    """

    # databroker and event_model read these from the class.
    specs = {HDF5_SPEC}  # noqa: RUF012
    return_type = {"delayed": True}  # noqa: RUF012

    def __init__(
        self,
        resource_path: str,
        *,
        key: str,
        dtype: str,
        frame_shape: Sequence[int],
        chunks: Sequence[int],
        run_uid: str,
    ) -> None:
        # Worker processes may have another working directory. A '..' is kept, so that the reader refuses it.
        self._path = resource_path if os.path.isabs(resource_path) else os.path.join(os.getcwd(), resource_path)
        self._key = key
        self._dtype = numpy.dtype(dtype)
        self._frame_shape = tuple(frame_shape)
        self._chunks = tuple(chunks)
        self._run_uid = run_uid
        self._check(self._chunks)

    def _check(self, shape: tuple[int, ...]) -> None:
        """Refuse impossible sizes before memory is reserved, because anyone may have written the documents."""
        lengths = (*shape, *self._frame_shape, *self._chunks)
        is_possible = (
            self._dtype.kind in "biufc"
            and len(self._chunks) == len(self._frame_shape) + 1
            and all(isinstance(n, int) and n >= 0 for n in lengths)
            and math.prod(map(max, self._chunks, itertools.repeat(1))) * self._dtype.itemsize < 2**32
            and math.prod(map(max, shape, itertools.repeat(1))) * self._dtype.itemsize <= LARGEST_EVENT
        )
        if not is_possible:
            raise UnreadableAssetError(
                f"column {self._key!r} of run {self._run_uid}: its documents announce an array of {self._dtype} "
                f"{shape} in chunks of {self._chunks}, which {self._path} cannot hold; restore the run from a copy"
            )

    def __call__(
        self,
        index: int | None = None,
        start: int | None = None,
        stop: int | None = None,
        key: str | None = None,
    ) -> dask.array.Array:
        """The value of one Event.

        Parameters
        ----------
        index : int, optional
            The Event's value is this row; otherwise `start` and `stop` are needed.
        start, stop : int, optional
            The Event's value is these rows, leading axis kept.
        key : str, optional
            The dataset, if columns of the same dtype and shape share a Resource.

        Returns
        -------
        dask.array.Array
            With the shape of the Event's value, in blocks of about 16 MiB made of whole chunks of the file.
            Computing it reads only the blocks asked for, and raises `UnreadableAssetError` where the file is
            missing, moved, truncated or damaged.
        """
        key = self._key if key is None else key
        if index is not None:
            self._check((index,) if index < 0 else self._frame_shape)
            return self._array(key, self._frame_shape, index, is_row=True)
        if start is None or stop is None:
            raise TypeError("the datum must give index, or start and stop")
        self._check((stop - start, *self._frame_shape) if start >= 0 else (start,))
        return self._array(key, (stop - start, *self._frame_shape), start, is_row=False)

    def get_file_list(self, datum_kwarg_gen: Iterable[dict[str, Any]]) -> list[str]:
        """The file, for any datums, which databroker-pack copies."""
        return [self._path]

    def _array(self, key: str, shape: tuple[int, ...], start: int, *, is_row: bool) -> dask.array.Array:
        import dask.array
        from dask.base import tokenize

        source = ArraySource(self._path, key, self._run_uid, self._dtype, shape, start, is_row)
        array: dask.array.Array = dask.array.from_array(
            source,
            chunks=self._blocks(shape, start, is_row),
            # With a name, dask tokenizes only this.
            name=f"{HDF5_SPEC.lower()}-{tokenize(source)}",
            meta=numpy.empty((0,) * len(shape), self._dtype),
            # The source accepts slices and positions; dask must handle lists of positions itself.
            fancy=False,
            inline_array=True,
        )
        return array

    def _blocks(self, shape: tuple[int, ...], start: int, is_row: bool) -> tuple[tuple[int, ...], ...]:
        chunks = self._chunks[1:] if is_row else self._chunks
        block = chunking.dask_block(shape, chunks, self._dtype.itemsize)
        # Rows of an Event can begin anywhere in the file; blocks are divided at the chunks of the file.
        origins = [0 if is_row or axis else start for axis in range(len(shape))]
        return tuple(chunking.divided(a, a + n, step) for a, n, step in zip(origins, shape, block, strict=True))
