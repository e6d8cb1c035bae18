"""Errors for the names of streams, which are also those of bluesky-live."""

from __future__ import annotations

from collections.abc import Collection

from bluesky_live.run_builder import StreamDoesNotExist, StreamExists

from ..errors import InvalidRunError
from .attachments import STREAM


class NoSuchStreamError(InvalidRunError, StreamDoesNotExist):
    """A builder has no stream of this name yet."""


class StreamExistsError(InvalidRunError, StreamExists):
    """A builder has a stream of this name already."""


def no_such_stream(name: object, streams: Collection[str]) -> NoSuchStreamError:
    """The error for a stream that is not among those of a builder."""
    known = f" The run has {', '.join(map(repr, streams))}." if streams else ""
    return NoSuchStreamError(f"There is no stream {name!r} yet; add_stream({name!r}, ...) defines it.{known}")


def stream_exists(name: object) -> StreamExistsError:
    """The error for a stream that a builder has already."""
    if name == STREAM:
        return StreamExistsError("The run has attachments already; attach all files in one call.")
    return StreamExistsError(f"The stream {name!r} exists; add_data({name!r}, ...) adds to it.")
