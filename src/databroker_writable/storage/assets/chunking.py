"""Divide arrays into chunks and dask blocks, and write them block by block."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy

from ...runs.interrupts import apart_from_interrupts
from ...tables.lazy_columns import scheduler_here

if TYPE_CHECKING:
    import dask.array
    import distributed


FILE_CHUNK = 2**20
BLOCK = 2**24
"""Bytes of arrays that are read, computed or written at once."""
# Columns that grow by small pages have at least chunks of this size.
_SMALLEST_CHUNK = 2**14


def file_chunks(block: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Shape of a chunk in the file, about 1 MiB, that divides blocks of the given shape if this is sensible.

    Whole frames along the leading axis; a frame above 1 MiB is divided along its slowest axes.
    """
    trailing = [max(1, n) for n in block[1:]]
    for axis, extent in enumerate(trailing):
        size = itemsize * math.prod(trailing)
        if size <= FILE_CHUNK:
            break
        trailing[axis] = _part(extent, math.ceil(size / FILE_CHUNK))
    frame = itemsize * math.prod(trailing)
    rows = max(1, FILE_CHUNK // frame)
    if block[0] < rows:
        return max(block[0], min(rows, _SMALLEST_CHUNK // frame), 1), *trailing
    return _divisor(block[0], rows), *trailing


def _part(extent: int, pieces: int) -> int:
    """Length of the pieces of an axis in at least `pieces` pieces, equal if this needs only few more."""
    if pieces >= extent:
        return 1
    for n in range(pieces, min(extent, 2 * pieces) + 1):
        if extent % n == 0:
            return extent // n
    return math.ceil(extent / pieces)


@functools.lru_cache
def _divisor(extent: int, limit: int) -> int:
    """The largest divisor of `extent` up to `limit`, or `limit` if the divisor is far smaller."""
    for n in range(limit, max(1, limit // 4) - 1, -1):
        if extent % n == 0:
            return n
    return limit


def dask_block(shape: Sequence[int], chunks: Sequence[int], itemsize: int, size: int = BLOCK) -> tuple[int, ...]:
    """Shape of a dask block, about 16 MiB unless told otherwise, made of whole chunks of the file."""
    block = [min(c, n) for c, n in zip(chunks, shape, strict=True)]
    for axis in reversed(range(len(block))):
        fits = size // max(1, itemsize * math.prod(block))
        block[axis] = min(shape[axis], block[axis] * max(1, fits))
    return tuple(max(1, n) for n in block)


def divided(start: int, stop: int, step: int) -> tuple[int, ...]:
    """Lengths of the pieces of [start, stop) divided at the multiples of `step`."""
    if start == stop:
        return (0,)
    edges = [start, *range((start // step + 1) * step, stop, step), stop]
    return tuple(b - a for a, b in itertools.pairwise(edges))


# Number of blocks that a cluster computes in advance.
_IN_FLIGHT = 4
# Limit for the total size of blocks in threads that wait for the file.
_WAITING_BYTES = 2**28

# Blocks smaller than this are merged, because each costs dask some milliseconds.
_SMALL = 2**22


def store_blocks(array: dask.array.Array, target: Any) -> None:
    """Compute an array, block by block, into a target of its shape, which takes blocks from any thread."""
    import dask.array
    import dask.base
    import dask.local

    get = dask.base.get_scheduler(scheduler=scheduler_here(array), collections=[array])
    client = getattr(get, "__self__", None)
    if client is not None and hasattr(client, "scheduler_info") and not client.asynchronous:
        _store_from_cluster(array, target, client)
        return
    # One graph for all blocks, so that what they share is computed once. The target has its own lock; dask would hold
    # its lock while it computes the next block.
    store = functools.partial(dask.array.store, array, target, lock=False)
    if get is dask.local.get_sync:
        store(scheduler="synchronous")
        return
    # The target is in this process, so a pool of processes could not write to it. Fewer threads, if their blocks
    # together would fill the memory.
    allowed = max(1, _WAITING_BYTES // max(1, array.dtype.itemsize * math.prod(map(max, array.chunks))))
    limit = {"num_workers": allowed} if allowed < (os.cpu_count() or 1) else {}
    apart_from_interrupts(functools.partial(_store_in_threads, store, limit))


def _store_in_threads(store: Callable[..., Any], limit: Mapping[str, int]) -> None:
    """Store with the pool of threads that the user has chosen for dask, or with one that ends with it."""
    import dask.config
    import dask.system

    if dask.config.get("pool", None) is not None:
        store(scheduler="threads", **limit)
        return
    workers = limit.get("num_workers") or dask.config.get("num_workers", None) or dask.system.CPU_COUNT
    with ThreadPoolExecutor(workers) as pool:
        store(scheduler="threads", pool=pool)


def merged(array: dask.array.Array) -> dask.array.Array:
    """The array with small blocks merged along its leading axis."""
    frame = array.dtype.itemsize * math.prod(max(lengths) for lengths in array.chunks[1:])
    if frame * max(array.chunks[0]) >= _SMALL:
        return array
    larger: dask.array.Array = array.rechunk({0: max(1, BLOCK // max(1, frame))})
    return larger


def _store_from_cluster(array: dask.array.Array, target: Any, client: distributed.Client) -> None:
    """Let the cluster compute a few blocks at a time, and write each in this process when it arrives."""
    from dask.array.core import slices_from_chunks
    from distributed import as_completed, worker_client

    # in the order of the file
    remaining = zip(numpy.ndindex(*array.numblocks), slices_from_chunks(array.chunks), strict=True)
    regions = {}

    def submit(count: int) -> Iterator[distributed.Future[Any]]:
        for index, region in itertools.islice(remaining, count):
            # dask 2026.8 da.store cannot send a graph with the open file to a cluster; single blocks can be sent.
            future = client.compute(array.blocks[index].to_delayed().item(), optimize_graph=True)
            regions[future.key] = region
            yield future

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ValueError):
            # a task leaves its thread to the blocks that it waits for
            stack.enter_context(worker_client())
        pending = as_completed(list(submit(_IN_FLIGHT)), with_results=True)
        for future, value in pending:
            target[regions.pop(future.key)] = value
            pending.update(list(submit(1)))
