"""The docstrings of writable catalogs, of which ``catalog?`` and ``help(catalog)`` show the first lines."""

from __future__ import annotations

import inspect
from typing import Any


class ListsMethods:
    """Have the docstring of each driver's writable class list what this package adds."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "_driver_class") and cls.__doc__:
            lines = [f"{name}\n    {summary}" for name, summary in _summaries(cls).items()]
            cls.__doc__ = "\n".join([cls.__doc__.partition("\n\nMethods\n")[0], "", "Methods", "-------", *lines])


def _summaries(cls: type) -> dict[str, str]:
    """What each method of this package's classes does, in one line."""
    package = __name__.rpartition(".")[0]
    return {
        name: inspect.cleandoc(method.__doc__).partition("\n")[0]
        for base in cls.__mro__
        if base.__module__.startswith(package)
        for name, method in vars(base).items()
        if inspect.isfunction(method) and name == method.__name__ and not name.startswith("_") and method.__doc__
    }
