"""Check run files of msgpack and JSONL: partial files, truncated files and files of other programs."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import humanize
import msgpack

from ..errors import PickledRunError
from ..runs.checker import may_count
from ..runs.document_parts import Document
from ..runs.stream_resources import counted_numbers, covered_numbers
from ..storage.durable_file import final_name
from ..storage.file_locks import is_being_written
from ..storage.run_file_readers import read_jsonl, read_msgpack, why_unreadable
from ..storage.run_paths import files_matching
from .findings import Finding, Leftover, age_of, remover, shown_age

_READERS: dict[str, Callable[[str], Iterator[Any]]] = {".msgpack": read_msgpack, ".jsonl": read_jsonl}
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OSError, MemoryError, msgpack.exceptions.UnpackException)
"""The errors of reading a file that is truncated or not a run."""


@dataclass
class RunFile:
    """The contents of a run file.

    Attributes
    ----------
    complaint : str
        What is wrong with it; empty if nothing is.
    is_known : bool
        Whether all resources of its run are known.
    """

    path: str
    resources: list[Document] = field(default_factory=list)
    complaint: str = ""
    is_known: bool = True


def run_files(catalog: Any) -> list[str]:
    """The files that the catalog reads."""
    return sorted(set(files_matching(catalog.paths)))


def neighbours(catalog: Any) -> list[str]:
    """Run files of other catalogs in the same directory, which can share its assets."""
    own = set(run_files(catalog))
    directory = glob.escape(catalog._backend.directory)
    found = [path for suffix in _READERS for path in glob.glob(os.path.join(directory, f"*{suffix}"))]
    return sorted(set(found) - own)


def partial_files(catalog: Any) -> Iterator[Finding]:
    """Hidden files of runs that are not published yet."""
    directory = catalog._backend.directory
    if not os.path.isdir(directory):
        return
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if os.path.splitext(final_name(entry.name) or "")[1] in _READERS and entry.is_file(follow_symlinks=False):
            if is_being_written(entry.path):
                continue
            age = age_of(entry.path)
            try:
                size = humanize.naturalsize(entry.stat(follow_symlinks=False).st_size)
            except FileNotFoundError:
                continue  # published meanwhile
            except OSError:
                yield Finding("bad-run-file", entry.path, f"partial run file {why_unreadable(entry.path)}")
                continue
            message = f"partial run file, {size}, {shown_age(age)}"
            use = "--recover publishes what it holds"
            yield Leftover("partial-run-file", entry.path, message, age=age, use=use, remove=remover(entry.path))


def reader_of(path: str) -> Callable[[str], Iterator[Any]]:
    """The reader for run files with a suffix."""
    return _READERS[os.path.splitext(path)[1]]


def read_run_file(path: str, read: Callable[[str], Iterator[Any]]) -> RunFile:
    """Read a run file to its end."""
    found = RunFile(path)
    if not os.path.isfile(path):
        return RunFile(path, complaint=why_unreadable(path), is_known=False)
    if not os.path.getsize(path):
        found.complaint = "is empty; remove it if no program is about to write it"
        return found
    names: list[str] = []
    seq_nums: dict[str, list[Any]] = {}
    ranges: dict[str, list[range]] = {}
    streams: dict[str, str] = {}
    last: Document = {}
    try:
        for name, doc in read(path):
            names.append(name)
            last = doc
            if name == "resource":
                found.resources.append(doc)
            elif name == "descriptor":
                streams[doc["uid"]] = doc.get("name", "primary")
                seq_nums.setdefault(streams[doc["uid"]], [])
            elif name in ("event", "event_page"):
                seq_nums[streams[doc["descriptor"]]].append([doc["seq_num"]] if name == "event" else doc["seq_num"])
            elif name == "stream_datum" and "descriptor" in doc:
                ranges.setdefault(streams[doc["descriptor"]], []).append(covered_numbers(doc))
    except (PickledRunError, PermissionError) as exc:
        found.is_known = False
        found.complaint = why_unreadable(path, exc)
        return found
    except UNREADABLE as exc:
        found.is_known = False
        found.complaint = (
            f"cannot be read from document {len(names) + 1} on ({type(exc).__name__}): it is truncated, damaged or not "
            "a run; restore it from a copy, or move it away"
        )
        return found
    if not names or names[0] != "start":
        found.complaint = "is not a run: it does not begin with a start document; move it away"
        found.is_known = False
    elif names[-1] != "stop":
        found.complaint = (
            "has no stop document: another program is still writing it, or was killed, or it is truncated; "
            "wait, restore it from a copy, or move it away"
        )
        found.is_known = False
    else:
        recorded = last.get("num_events") or {}
        wrong = [
            stream
            for stream, count in recorded.items()
            if not may_count(count, seq_nums.get(stream, []), ranges.get(stream, []))
        ]
        if wrong:
            stream = wrong[0]
            number = counted_numbers(seq_nums.get(stream, []), ranges.get(stream, []))
            found.complaint = f"holds {number} of {recorded[stream]} Events of {stream!r}; restore it from a copy"
    return found


def complaint_of(file: RunFile) -> Finding | None:
    """A finding about a run file, if something is wrong with it. The file is never changed."""
    if not file.complaint:
        return None
    return Finding("bad-run-file", file.path, f"run file {file.complaint}")
