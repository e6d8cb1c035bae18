"""The list of methods at the beginning of ``catalog?`` and ``help(catalog)``."""

from __future__ import annotations

import inspect
from typing import Any


class ListsMethods:
    """Add a list of this package's methods to the docstring of each driver's writable class."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "_driver_class") and cls.__doc__:
            lines = [f"{name}\n    {summary}" for name, summary in _summaries(cls).items()]
            cls.__doc__ = "\n".join([cls.__doc__.partition("\n\nMethods\n")[0], "", "Methods", "-------", *lines])


def _summaries(cls: type) -> dict[str, str]:
    """A one-line summary of each method of this package's classes."""
    package = __name__.rpartition(".")[0]
    return {
        name: inspect.cleandoc(method.__doc__).partition("\n")[0]
        for base in cls.__mro__
        if base.__module__.startswith(package)
        for name, method in vars(base).items()
        if inspect.isfunction(method) and name == method.__name__ and not name.startswith("_") and method.__doc__
    }
