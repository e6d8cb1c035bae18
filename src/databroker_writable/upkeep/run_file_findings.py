"""Check run files of msgpack and JSONL: partial files, truncated files and files of other programs."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import humanize
import msgpack

from ..errors import PickledRunError
from ..runs.checker import may_count
from ..runs.document_parts import Document, NamedDocument
from ..runs.stream_resources import counted_numbers, covered_numbers
from ..storage.durable_file import final_name
from ..storage.file_locks import is_being_written
from ..storage.run_file_readers import read_jsonl, read_msgpack, why_unreadable
from ..storage.run_paths import files_matching
from .findings import Finding, Leftover, age_of, remover, shown_age

Reader = Callable[[str], Iterator[NamedDocument]]

READERS: dict[str, Reader] = {".msgpack": read_msgpack, ".jsonl": read_jsonl}
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OSError, MemoryError, msgpack.exceptions.UnpackException)
"""The errors of reading a file that is truncated or not a run."""


@dataclass
class RunFile:
    """The resources in a run file, what is wrong with it, and whether all resources of its run are known."""

    resources: list[Document] = field(default_factory=list)
    complaint: str = ""
    is_known: bool = True


class EventNumbers:
    """The sequence numbers of the Events of a run, by stream, in pages and in the ranges of stream_datums."""

    def __init__(self) -> None:
        self._streams: dict[str, str] = {}
        self.pages: dict[str, list[list[int]]] = defaultdict(list)
        self.ranges: dict[str, list[range]] = defaultdict(list)

    def add(self, name: str, doc: Document) -> None:
        """Add the next document of the run."""
        if name == "descriptor":
            self._streams[doc["uid"]] = doc.get("name", "primary")
        elif name in ("event", "event_page"):
            numbers = [doc["seq_num"]] if name == "event" else doc["seq_num"]
            self.pages[self._streams[doc["descriptor"]]].append(numbers)
        elif name == "stream_datum" and "descriptor" in doc:
            self.ranges[self._streams[doc["descriptor"]]].append(covered_numbers(doc))

    def counts(self) -> dict[str, int]:
        """The number of Events of each stream that has a descriptor."""
        return {stream: self.count_of(stream) for stream in dict.fromkeys(self._streams.values())}

    def count_of(self, stream: str) -> int:
        return counted_numbers(self.pages[stream], self.ranges[stream])


def left_files(directory: str, is_wanted: Callable[[str], bool]) -> list[os.DirEntry[str]]:
    """The partial files in a directory whose final names are wanted, and whose writers no longer run."""
    if not os.path.isdir(directory):
        return []
    with os.scandir(directory) as entries:
        wanted = [e for e in entries if is_wanted(final_name(e.name) or "") and e.is_file(follow_symlinks=False)]
    return sorted((e for e in wanted if not is_being_written(e.path)), key=lambda entry: entry.name)


def run_files(catalog: Any) -> list[str]:
    """The files that the catalog reads."""
    return sorted(set(files_matching(catalog.paths)))


def readers_of_files(catalog: Any) -> dict[str, Reader]:
    """The readers of the files of a catalog, and of those of others in its directory, which can share its assets."""
    directory = glob.escape(catalog._backend.directory)
    others = {path: read for end, read in READERS.items() for path in glob.glob(os.path.join(directory, f"*{end}"))}
    own = dict.fromkeys(run_files(catalog), catalog._backend.read_file)
    return {**own, **{path: others[path] for path in sorted(others.keys() - own)}}


def partial_files(catalog: Any) -> Iterator[Finding]:
    """Hidden files of runs that are not published yet."""
    for entry in left_files(catalog._backend.directory, lambda name: name.endswith(tuple(READERS))):
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


def read_run_file(path: str, read: Reader) -> RunFile:
    """Read a run file to its end. It is never changed."""
    resources: list[Document] = []
    if not os.path.isfile(path):
        return RunFile(resources, why_unreadable(path), is_known=False)
    if not os.path.getsize(path):
        return RunFile(resources, "is empty; remove it if no program is about to write it")
    names: list[str] = []
    numbers = EventNumbers()
    last: Document = {}
    try:
        for name, last in read(path):
            names.append(name)
            numbers.add(name, last)
            if name == "resource":
                resources.append(last)
    except (PickledRunError, PermissionError) as exc:
        return RunFile(resources, why_unreadable(path, exc), is_known=False)
    except UNREADABLE as exc:
        complaint = (
            f"cannot be read from document {len(names) + 1} on ({type(exc).__name__}): it is truncated, damaged or not "
            "a run; restore it from a copy, or move it away"
        )
        return RunFile(resources, complaint, is_known=False)
    if names[:1] != ["start"]:
        complaint = "is not a run: it does not begin with a start document; move it away"
        return RunFile(resources, complaint, is_known=False)
    if names[-1] != "stop":
        complaint = (
            "has no stop document: another program is still writing it, or was killed, or it is truncated; "
            "wait, restore it from a copy, or move it away"
        )
        return RunFile(resources, complaint, is_known=False)
    for stream, count in (last.get("num_events") or {}).items():
        if not may_count(count, numbers.pages[stream], numbers.ranges[stream]):
            held = numbers.count_of(stream)
            return RunFile(resources, f"holds {held} of {count} Events of {stream!r}; restore it from a copy")
    return RunFile(resources)
