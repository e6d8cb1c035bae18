"""Datasets whose values lie in the file itself: what a file says of other files is not followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py


class DataElsewhereError(ValueError):
    """A file refers to another one, which whoever wrote it may not be allowed to read."""


def own_dataset(file: h5py.File, key: str) -> h5py.Dataset:
    """Give a dataset of a file.

    Raises
    ------
    DataElsewhereError
        Its values lie in another file, or are reached by a link.
    KeyError
        There is no such dataset.
    """
    import h5py

    group = file
    for name in key.strip("/").split("/"):
        if not isinstance(group, h5py.Group) or group.get(name, getlink=True) is None:
            raise KeyError(f"there is no dataset {key!r}")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise DataElsewhereError(f"{key!r} is a link")
        group = group[name]
    if not isinstance(group, h5py.Dataset):
        raise KeyError(f"there is no dataset {key!r}")
    if group.is_virtual or group.external:
        raise DataElsewhereError(f"{key!r} takes its values from other files")
    return group
