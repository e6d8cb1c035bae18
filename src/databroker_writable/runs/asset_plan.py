"""Decide which columns of a run are assets, for the check and for the writing."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy

from ..errors import InvalidTableError
from ..tables import find_layout
from ..tables.classifier import is_array, is_lazy, loses_dims_in_lists
from ..tables.time_columns import NAT
from .attachments import is_attachment
from .document_parts import Document


class AssetPlan:
    """Decides with the first Events of each column of a stream whether it is an asset.

    Those are arrays above a threshold of bytes per Event. They need a root, the catalog's directory of assets. Other
    programs change the columns of a stream with a new descriptor; one of another shape is another column.
    """

    def __init__(self, root: str | None, threshold: float) -> None:
        self.root = root
        self._threshold = threshold
        # the documents of finished runs do not change
        self._takes_attachments = root is not None and math.isfinite(threshold)
        self._is_asset: dict[tuple[Any, ...], bool] = {}  # by stream, column and shape

    def columns(self, page: Document, descriptor: Document) -> set[str]:
        """The columns of an event page that are assets; raise if the catalog has no directory for them."""
        stream, data_keys = descriptor["name"], descriptor["data_keys"]
        forms = {key: (stream, key, *data_keys[key]["shape"]) for key in page["data"]}
        new = [key for key, form in forms.items() if form not in self._is_asset]
        length = max(len(page["uid"]), 1)
        large = {key for key in new if self._must_be_asset(page["data"][key], data_keys[key], length)}
        if large and self.root is None:
            raise _without_root(page, large, stream)
        decided, columns = dict(self._is_asset), set[str]()
        for key, form in forms.items():
            if decided.setdefault(form, key in large):
                columns.add(key)
        self._is_asset = decided
        return columns

    def columns_of_stream(self, stream: str) -> set[str]:
        """The asset columns that a stream has had in its Events so far."""
        return {key for (name, key, *_), is_asset in self._is_asset.items() if is_asset and name == stream}

    def _must_be_asset(self, values: Any, data_key: Document, length: int) -> bool:
        """Whether a column is lazy, large per Event, impossible in lists, or a file with a directory for it."""
        if not is_array(values) or "external" in data_key or values.dtype.kind not in "biufc" or not data_key["shape"]:
            return False
        is_large = is_lazy(values) or values.nbytes / length > self._threshold
        is_attached = self._takes_attachments and is_attachment(data_key)
        return bool(is_large or is_attached or loses_dims_in_lists(data_key["shape"]))

    def inline(self, page: Document, descriptor: Document) -> Document:
        """The page without its asset columns; checks that these are arrays."""
        columns = self.columns(page, descriptor)
        if not columns:
            return page
        for key in columns:
            asset_values(page["data"][key], key, descriptor)
        return {**page, "data": {key: values for key, values in page["data"].items() if key not in columns}}

    @contextlib.contextmanager
    def unchanged_on_error(self) -> Iterator[None]:
        """Undo what was decided in the block if it raises."""
        before = self._is_asset
        try:
            yield
        except BaseException:
            self._is_asset = before
            raise


def asset_values(values: Any, key: str, descriptor: Document) -> Any:
    """The values of an asset column as an array, also if a later table of the stream has missing values.

    Missing datetimes become numpy's NaT in the column of their exact integers, and masked floats NaN, as they do
    when they are read.
    """
    if is_array(values):
        return values
    layout = find_layout(descriptor) or {"variables": []}
    variables = {entry.get(part): (entry, part) for entry in layout["variables"] for part in ("key", "exact")}
    entry, part = variables.get(key, ({}, ""))
    dtype = descriptor["data_keys"][key]["dtype_numpy"]
    if part == "exact":
        missing: Any = NAT
    elif entry.get("encoding", {}).get("is") == "masked" and numpy.dtype(dtype).kind in "fc":
        missing = numpy.nan
    else:
        raise InvalidTableError(
            f"column {key!r} holds missing values in this table, but in the tables before it is an asset, "
            "which cannot hold them; begin another stream, or fill them"
        )
    objects = numpy.asarray(values, dtype=object)
    flat = [missing if value is None else value for value in objects.ravel()]
    return numpy.asarray(flat, dtype=dtype).reshape(objects.shape)


def _without_root(page: Document, columns: set[str], stream: str) -> InvalidTableError:
    """The error for asset columns in a catalog that has no directory for them."""
    sizes = {key: page["data"][key].nbytes / max(len(page["uid"]), 1) for key in columns}
    key = max(sizes, key=sizes.__getitem__)
    if loses_dims_in_lists(page["data"][key].shape[1:]):
        return InvalidTableError(
            f"column {key!r} of stream {stream!r} is an empty array of shape {page['data'][key].shape[1:]} per Event, "
            "which must be an asset, because lists lose the dims after one of length 0, but the catalog has no "
            "asset_root; open it with asset_root='DIRECTORY', on a file system that all readers share, or leave the "
            "column out"
        )
    what, remedy = "", "raise its asset_threshold"
    if is_lazy(page["data"][key]):
        what, remedy = " and is a dask array", f"compute it first, e.g. table[{key!r}].compute()"
    return InvalidTableError(
        f"column {key!r} of stream {stream!r} takes {sizes[key] / 1e6:.3g} MB per Event{what}, which must be an "
        "asset, but the catalog has no asset_root; open it with asset_root='DIRECTORY', on a file system that all "
        f"readers share, or {remedy}"
    )
