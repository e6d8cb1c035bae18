"""Tables of any accepted kind in one form: named variables with dims."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Variable:
    """One column, with the name that the user gave it."""

    name: str
    dims: tuple[str, ...]
    values: Any  # numpy, dask or pandas array
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    coordinate: bool = False
    key: str | None = None  # the name wanted in the documents, if not `name`
    is_list: bool = False  # whether it was given as a list


@dataclass
class Source:
    """A table or Dataset, in one common form."""

    kind: str  # "mapping", "frame" or "dataset"
    variables: list[Variable]
    dim: str | None  # the one leading dim of a table; None for a Dataset
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    indexes: dict[str, Any] = field(default_factory=dict[str, Any])  # JSON-able: how to put the indexes back
