"""What a table becomes in the documents of one stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from .agreement import check_agreement
from .placement import StreamComposer
from .refusals import reading
from .sources import read_source


@dataclass(frozen=True)
class StreamSchema:
    """The fixed part of a stream: what goes to its event descriptor.

    Attributes
    ----------
    data_keys : dict of str to dict
        For each data key `source`, `dtype`, `dtype_numpy`, `shape`, and where known `dims` and `units`.
    object_keys : dict of str to list of str
        All data keys, under one pseudo-object `table` that carries the configuration.
    configuration : dict of str to dict
        The coordinates that are not along the Events, and `layout`: a JSON text from which `to_dataset`
        rebuilds the original. Plain JSON values.
    hints : dict
        The scalar numeric columns, as BestEffortCallback looks for them.
    """

    data_keys: dict[str, dict[str, Any]]
    object_keys: dict[str, list[str]]
    configuration: dict[str, dict[str, Any]]
    hints: dict[str, Any]

    def check_agrees(self, later: StreamSchema, stream: str) -> None:
        """Check that a later table of the stream fits the first.

        Parameters
        ----------
        later : StreamSchema
        stream : str
            The stream's name, for the message.

        Raises
        ------
        InvalidTableError
            If names, dtypes, shapes, dims, coordinates or attributes differ; shows both.
        """
        check_agreement(self, later, stream)


@dataclass(frozen=True)
class StreamTable:
    """A table as the Events of a stream.

    Attributes
    ----------
    schema : StreamSchema
    data : dict of str to array or list
        The values of each data key; the leading axis is that of the Events. numpy arrays share memory with
        the table that was read; numbers that came in a list are a list.
    length : int
        The number of Events.
    time : numpy.ndarray of float64, shape (length,), or None
        POSIX seconds of each Event, where the table's own `time` is fit to be the Events' time.
    """

    schema: StreamSchema
    data: dict[str, Any]
    length: int
    time: numpy.ndarray | None


def read_table(table: Any, *, one_event: bool = False) -> StreamTable:
    """Describe a table as the Events of a stream; nothing is stored.

    Parameters
    ----------
    table : dict of lists or arrays, pandas.DataFrame or xarray.Dataset
    one_event : bool, optional
        The whole table is one Event, whose columns are arrays with named dims. By default each row along
        the leading dim, which all columns then share, is one Event.

    Returns
    -------
    StreamTable

    Raises
    ------
    InvalidTableError
        If something in the table cannot be stored exactly or by a documented rule; names the column and
        the remedy.

    Notes
    -----
    Costs O(1) per column of numbers, O(N) for strings and objects. dask arrays are not computed.

    Examples
    --------
    >>> table = read_table({"x": [1, 2, 3], "label": ["a", "b", "c"]})
    >>> table.length
    3
    >>> table.schema.data_keys["label"]["dtype_numpy"]
    '<U1'
    """
    source = read_source(table)
    composer = StreamComposer(source, one_event=one_event)
    for variable in source.variables:
        with reading(variable.name):
            composer.add(variable)
    return StreamTable(StreamSchema(*composer.finish()), composer.data, composer.length, composer.time)
