"""Compute lazy columns, and hold them to what they announced."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy

from ..errors import InvalidTableError
from .classifier import refuse_column, unstorable
from .exact_numbers import cast_exactly


def computed(values: Any, name: str) -> Any:
    return as_announced(values.compute(scheduler=scheduler_here(values)), values.dtype, values.shape, name)


def scheduler_here(values: Any) -> str | None:
    """The scheduler to compute a lazy column with inside a task of a cluster; None for dask's own choice.

    If each thread of a cluster has a task that stores, none is left for the blocks; so the task computes them itself.
    Only what the cluster holds, as after ``persist``, has to come from it.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        distributed.get_worker()
    except ValueError:
        return None
    return None if distributed.futures_of([values]) else "threads"


def with_blocks_as_announced(values: Any, name: str) -> Any:
    """The same lazy column, whose blocks are checked when they are computed."""
    check = functools.partial(as_announced, dtype=values.dtype, shape=None, name=name)
    return values.map_blocks(check, dtype=values.dtype, meta=values._meta)


def as_announced(block: Any, dtype: numpy.dtype[Any], shape: tuple[int, ...] | None, name: str) -> Any:
    """Computed values as their lazy column announced them, in any shape if it is None; refuse those that differ."""
    refuse_column(unstorable(block), name)
    block = numpy.asarray(block)
    kept = cast_exactly(block, dtype)
    shape = block.shape if shape is None else shape
    if kept.dtype != dtype or kept.shape != shape:
        raise InvalidTableError(
            f"column {name!r} computes to a block of {block.dtype} {block.shape}, which is not exactly the {dtype} "
            f"{shape} that its lazy array announced; correct dtype and chunks where it is made, e.g. in map_blocks"
        )
    return kept
