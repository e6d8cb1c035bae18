"""Tables and Datasets to the contents of documents, and back."""

from .column_parts import ragged
from .layout import OBJECT, find_layout
from .names import text_name, with_text_names
from .stream_table import StreamSchema, StreamTable
from .table_reader import read_table
from .to_dataset import dataset_of_event, require_run, to_dataset

__all__ = [
    "OBJECT",
    "StreamSchema",
    "StreamTable",
    "dataset_of_event",
    "find_layout",
    "ragged",
    "read_table",
    "require_run",
    "text_name",
    "to_dataset",
    "with_text_names",
]
