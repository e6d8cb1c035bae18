"""Files beside the arrays of a run: a stream of one Event, each file a column of its bytes."""

from __future__ import annotations

import dataclasses
import io
import mimetypes
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import xarray

from ..errors import InvalidRunError, NotFoundError, errors_end_here
from ..tables import StreamSchema, StreamTable, read_table, require_run, to_dataset
from ..tables.names import data_keys_of
from ..tables.public_types import Run
from ..tables.wording import short
from .document_checks import WINDOWS_DEVICES

STREAM = "attachments"

LARGEST = 100_000_000
"""The largest size of an attachment in bytes; larger data should be arrays, or stay in their files."""

LONGEST_NAME = 100

FILE_NAME, MEDIA_TYPE = "file_name", "media_type"
"""The keys of a data key for an attachment, in addition to event-model's."""

_REFUSED_IN_NAMES = re.compile(r'[/\\:*?"<>|]|^[. ]|[. ]$')
_NO_TEXT = ("image/png", "image/jpeg", "image/gif", "image/tiff", "application/pdf", "audio/", "video/")
"""Media types, or their beginnings, of files that are not text."""

_PICKLE = re.compile(rb"\x80[\x02-\x05]")


def attachments(run: Run) -> Mapping[str, bytes]:
    """Return the files that were stored with a run.

    Parameters
    ----------
    run : databroker.core.BlueskyRun or bluesky_live.bluesky_run.BlueskyRun

    Returns
    -------
    mapping of str to bytes
        The content of each file by its name; empty for a run without attachments.

    Raises
    ------
    InvalidRunError
        It is not a run.
    NotFoundError
        From the mapping: there is no attachment of this name.
    UnreadableAssetError
        From the mapping: the asset with this file is missing or damaged.

    Notes
    -----
    Costs one pass over the documents of the stream ``attachments``. Assets are read when they are asked for.

    Examples
    --------
    >>> run = catalog.store_run({"x": [1, 2, 3]}, attachments={"notes.txt": "The beam was lost at 3 am."})
    >>> databroker_writable.attachments(run)["notes.txt"].decode()
    'The beam was lost at 3 am.'
    """
    with errors_end_here:
        run = require_run(run, "attachments")
        return Attachments(to_dataset(run, STREAM) if STREAM in list(run) else xarray.Dataset())


class Attachments(Mapping[str, bytes]):
    """The files of a run by name, read at the first access; other columns of the Dataset are ignored."""

    def __init__(self, dataset: xarray.Dataset) -> None:
        self._columns = {str(name): array for name, array in dataset.data_vars.items() if MEDIA_TYPE in array.attrs}

    def __getitem__(self, name: str) -> bytes:
        if name not in self._columns:
            raise NotFoundError(f"there is no attachment {name!r}; the run has {', '.join(self._columns) or 'none'}")
        content: bytes = self._columns[name].values.astype("uint8", copy=False).tobytes()
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} ({array.size:,} bytes)" for name, array in self._columns.items())
        return f"<attachments: {sizes or 'none'}>"


def is_attachment(data_key: Mapping[str, Any]) -> bool:
    return FILE_NAME in data_key


def has_attachments(data_keys: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a stream consists of attachments."""
    return all(map(is_attachment, data_keys.values()))


def attachment_table(contents: Mapping[str, Any]) -> StreamTable:
    """Make the table of the stream of attachments; `contents` are those of ``store_run``."""
    if not isinstance(contents, Mapping) or not contents:
        raise InvalidRunError(
            f"attachments must be a dict of files by name, e.g. {{'fit.png': figure}}, not {short(contents)}"
        )
    _check_names(contents)
    keys = data_keys_of(contents)
    columns = {}
    for name, content in contents.items():
        values = numpy.frombuffer(_bytes_of(content, name), dtype="uint8")
        _check_size(len(values), name)
        columns[name] = ((f"{keys[name]}_byte",), values, {MEDIA_TYPE: media_type(name)})
    table = read_table(xarray.Dataset(columns), one_event=True)
    return dataclasses.replace(table, schema=_with_file_names(table.schema), rows=len(columns))


def check_file_name(name: Any) -> None:
    """Refuse a name that is not a file name on every system, or that names a file elsewhere."""
    if not isinstance(name, str) or not name:
        raise InvalidRunError(f"the name of an attachment must be text such as 'fit.png', not {short(name)}")
    if len(name) > LONGEST_NAME or len(name.encode(errors="replace")) > 2 * LONGEST_NAME:
        problem = f"has {len(name)} characters, but at most {LONGEST_NAME} are allowed; shorten it"
    elif not name.isprintable():
        problem = "holds characters that cannot be printed; leave them out"
    elif refused := _REFUSED_IN_NAMES.search(name):
        problem = f"holds {refused[0]!r} where not every system allows it; use a name such as 'fit.png'"
    elif WINDOWS_DEVICES.fullmatch(name):
        problem = "is the name of a device on Windows; choose another one"
    else:
        return
    raise InvalidRunError(f"the name of the attachment {short(name)} {problem}")


def media_type(name: str) -> str:
    """The media type of a file (RFC 6838), by its name."""
    guessed, compression = mimetypes.guess_type(name)
    return guessed if guessed is not None and compression is None else "application/octet-stream"


def _check_names(contents: Mapping[str, Any]) -> None:
    alike: dict[str, str] = {}
    for name in contents:
        check_file_name(name)
        other = alike.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if other != name:
            raise InvalidRunError(
                f"the attachments {other!r} and {name!r} would be the same file on Windows and macOS; rename one "
                "of them"
            )


def _with_file_names(schema: StreamSchema) -> StreamSchema:
    data_keys = dict(schema.data_keys)
    for entry in schema.variables.values():
        named = {FILE_NAME: entry["name"], MEDIA_TYPE: media_type(entry["name"])}
        data_keys[entry["key"]] = {**data_keys[entry["key"]], **named}
    return dataclasses.replace(schema, data_keys=data_keys)


def _bytes_of(content: Any, name: str) -> bytes:
    if isinstance(content, bytes | bytearray | memoryview):
        return _no_pickle(bytes(content), name)
    if isinstance(content, str):
        return _text(content, name)
    if isinstance(content, Path):
        return _no_pickle(_file(content, name), name)
    # the method of a class: pyplot has a function savefig, which saves whichever figure is current
    if hasattr(type(content), "savefig"):
        return _figure(content, name)
    remedy = "convert it to one of them"
    if hasattr(type(content), "get_figure"):
        remedy = "give axes.get_figure()"
    elif hasattr(type(content), "getvalue"):
        remedy = "give buffer.getvalue()"
    raise InvalidRunError(
        f"the attachment {name!r} is of type {type(content).__name__}; attachments are bytes, text, a pathlib.Path of "
        f"a file, or a figure: {remedy}"
    )


def _text(text: str, name: str) -> bytes:
    if len(text) < 1000 and "\n" not in text and os.path.isfile(text):
        way = f"which is a file name; give pathlib.Path({short(text)}) to attach the file, or the text as bytes"
        raise _refused(name, f"is the text {short(text)}, {way}")
    try:
        content = text.encode()
    except UnicodeEncodeError as exc:
        raise _refused(name, f"is text that cannot be encoded as UTF-8: {exc}; give bytes") from None
    if media_type(name).startswith(_NO_TEXT):
        way = "but such a file does not contain text; give its bytes, a figure, or a pathlib.Path of the file"
        raise _refused(name, f"is the text {short(text)}, {way}")
    return content


def _file(path: Path, name: str) -> bytes:
    """The content of a file; reading stops soon after the limit."""
    if path.exists() and not path.is_file():
        raise _refused(name, f"cannot be attached: {str(path)!r} is not a file; attach its files separately")
    try:
        with path.open("rb") as file:
            _check_size(path.stat().st_size, name)
            return file.read(LARGEST + 1)
    except OSError as exc:
        why = f"{str(path)!r} cannot be read ({exc.strerror or exc})"
        raise _refused(name, f"cannot be attached: {why}; check the path") from exc


def _figure(figure: Any, name: str) -> bytes:
    suffix = Path(name).suffix[1:].lower()
    if not suffix:
        raise _refused(name, f"is a figure, but its name has no ending for the format; call it '{name}.png'")
    buffer = io.BytesIO()
    try:
        figure.savefig(buffer, format=suffix)
    except ValueError as exc:
        way = "end its name with .png, .pdf or .svg"
        raise _refused(name, f"is a figure that cannot be saved: {exc}; {way}") from exc
    return buffer.getvalue()


def _no_pickle(content: bytes, name: str) -> bytes:
    if _PICKLE.match(content) and content.endswith(b"."):
        way = "give the values as a table or as parameters, or in an open format such as JSON or HDF5"
        raise _refused(name, f"is a pickle, which can run any code when it is opened; {way}")
    return content


def _check_size(size: int, name: str) -> None:
    if size > LARGEST:
        way = "store its values as a table, or keep the file and store its path in the metadata"
        raise _refused(name, f"has {size:,} bytes, but at most {LARGEST / 1e6:.0f} MB are allowed; {way}")


def _refused(name: str, why: str) -> InvalidRunError:
    return InvalidRunError(f"the attachment {name!r} {why}")
