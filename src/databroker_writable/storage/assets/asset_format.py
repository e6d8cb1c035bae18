"""What a format of asset files does: a run is stored, checked, copied and deleted by this alone.

To add a format, write a class like `HDF5Format`, list it in `known_formats`, and register its handler as an entry point
in ``pyproject.toml``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import dask.array
    import numpy


class AssetWriter(Protocol):
    """The new file of one run and stream, written under a partial name."""

    resource_path: str

    def append(
        self,
        key: str,
        block: numpy.ndarray | dask.array.Array,
        *,
        dims: Sequence[str],
        units: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[int, int]:
        """Append an array along the leading axis of a column; return its rows as [start, stop)."""

    def add_coordinate(
        self, name: str, values: numpy.ndarray, *, dims: Sequence[str], attrs: Mapping[str, Any]
    ) -> None:
        """Add a coordinate, for readers of the file alone."""

    def resource_kwargs(self, key: str) -> dict[str, Any]:
        """The handler's arguments for a column, with its ``key`` in the file."""

    def flush(self) -> None:
        """Flush appended values, so that they survive the kill of this process."""

    def renew(self) -> None:
        """Renew the age of the file while documents arrive."""

    def publish(self) -> None:
        """Finish the file and give it its final name, durably."""

    def discard(self) -> None:
        """Remove the file, published or not."""


class AssetFormat(Protocol):
    """A format of asset files, with one file for each stream of a run.

    Attributes
    ----------
    spec : str
        The ``spec`` of resource documents, by which databroker finds the handler.
    suffix : str
        The end of the names of the files, one dot and what follows it.
    handler : type
        A handler of databroker that reads the files.
    """

    spec: str
    suffix: str
    handler: type

    def new_file(self, root: str, run_uid: str, stream: str, time: float, descriptor: str) -> AssetWriter:
        """Begin the file of a stream; nothing changes on disk before the first array."""

    def is_ours(self, path: str) -> bool:
        """Whether this package wrote a file, or reserved its name with an empty one; False if unreadable."""

    def verify(self, path: str) -> None:
        """Read all of a file; raise `UnreadableAssetError` if it is damaged, missing, or refers to other files."""

    def rows_of(self, path: str, key: str) -> int:
        """The number of rows of a column; 0 if the file cannot be read."""

    def descriptor_of(self, path: str) -> str | None:
        """The uid of the descriptor for which a file was begun; None if the file does not say."""
