"""Errors for the names of streams, which are also those of bluesky-live."""

from __future__ import annotations

from bluesky_live.run_builder import StreamDoesNotExist, StreamExists

from ..errors import InvalidRunError


class NoSuchStreamError(InvalidRunError, StreamDoesNotExist):
    """A builder has no stream of this name yet."""

    def __init__(self, name: object) -> None:
        super().__init__(f"There is no stream {name!r} yet; add_stream({name!r}, ...) defines it.")


class StreamExistsError(InvalidRunError, StreamExists):
    """A builder has a stream of this name already."""

    def __init__(self, name: object) -> None:
        super().__init__(f"The stream {name!r} exists; add_data({name!r}, ...) adds to it.")
