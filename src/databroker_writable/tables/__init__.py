"""Tables and Datasets to the contents of documents, and back."""

from .column_parts import ragged
from .layout import OBJECT, find_layout
from .names import with_text_names
from .restore import check_run, dataset_of_event, to_dataset
from .stream_table import StreamSchema, StreamTable
from .table_reader import read_table

__all__ = [
    "OBJECT",
    "StreamSchema",
    "StreamTable",
    "check_run",
    "dataset_of_event",
    "find_layout",
    "ragged",
    "read_table",
    "to_dataset",
    "with_text_names",
]
