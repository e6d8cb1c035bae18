"""Tables and Datasets to the contents of documents, and back."""

from .embedding import OBJECT, find_layout
from .layout import StreamSchema, StreamTable, read_table
from .restore import to_dataset

__all__ = ["OBJECT", "StreamSchema", "StreamTable", "find_layout", "read_table", "to_dataset"]
