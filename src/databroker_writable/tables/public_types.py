"""The types in the signatures of public functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy
import pandas
import xarray

BlueskyRun: TypeAlias = Any
"""A stored run, `databroker.core.BlueskyRun`; databroker has no types."""

Broker: TypeAlias = Any
"""A catalog, `databroker.v2.Broker`."""


class Run(Protocol):
    """A run: databroker's or bluesky-live's, stored or in memory."""

    @property
    def metadata(self) -> Mapping[str, Any]: ...

    def __iter__(self) -> Iterator[str]: ...

    def __getitem__(self, stream: str, /) -> Any: ...


class TableWithColumns(Protocol):
    """A table of pandas, polars, pyarrow or astropy."""

    @property
    def columns(self) -> Any: ...


class Figure(Protocol):
    """A figure of matplotlib, or of a package that uses it."""

    def savefig(self, fname: Any, **kwargs: Any) -> Any: ...


class UnfinishedRun(Protocol):
    """A builder."""

    def get_run(self) -> Any: ...


Table: TypeAlias = (
    Mapping[Any, Any]
    | Sequence[Mapping[Any, Any]]
    | TableWithColumns
    | pandas.Series
    | xarray.Dataset
    | xarray.DataArray
    | numpy.ndarray
)
"""A dict of columns, or a table of another package."""

RunLike: TypeAlias = Run | UnfinishedRun | Iterable[tuple[str, Mapping[str, Any]]] | Table
"""A run, or an object that makes one."""

RunOrUid: TypeAlias = Run | str
"""A run, or its uid."""

Sources: TypeAlias = RunOrUid | Sequence[RunOrUid] | Mapping[str, RunOrUid | Sequence[RunOrUid]]
"""The runs that a run was made from, possibly by role."""

Files: TypeAlias = Mapping[str, bytes | bytearray | memoryview | str | Path | Figure]
"""Files to store with a run, by their names."""

Moment: TypeAlias = str | float | datetime | Run
"""A time, or a run that began then."""

Time: TypeAlias = float | datetime
"""A time: POSIX seconds, or a datetime, which is local if it has no zone."""
