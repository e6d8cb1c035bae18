"""The upkeep of catalogs of files: partial files, truncated files and files of other programs; deletions."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgpack

from ..errors import PickledRunError
from ..runs.checker import may_count
from ..runs.document_parts import PRIMARY, Document, Reader
from ..runs.shown_text import shown_size
from ..runs.stream_resources import counted_numbers, covered_numbers
from ..storage.assets import is_asset_resource
from ..storage.catalog_paths import files_matching
from ..storage.durable_file import final_name, sync_directories
from ..storage.file_backend import FileBackend
from ..storage.file_locks import is_being_written
from ..storage.file_writer import DELETED, name_during_deletion
from ..storage.run_file_readers import READERS, RUN_FILES, why_unreadable
from ..tables.stream_reading import counts_by_stream
from .asset_findings import Assets, path_of_resource
from .backend_upkeep import CUT_OFF, STILL_THERE, BackendUpkeep, Deletion
from .check_report import Finding, Leftover, Report, age_of

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OSError, MemoryError, msgpack.exceptions.UnpackException)
"""The errors of reading a file that is truncated or not a run."""


@dataclass
class RunFile:
    """The resources in a run file, what is wrong with it, and whether all resources of its run are known."""

    is_known: bool
    resources: list[Document] = field(default_factory=list)
    complaint: str = ""


class FileUpkeep(BackendUpkeep):
    backend: FileBackend

    def look_through(self, report: Report, assets: Assets) -> None:
        own, readers = run_files(self.catalog), readers_of_files(self.catalog)
        report.looked_at["runs"] = len(own)
        report.findings += self._missing_directories()
        report.findings += partial_files(self.catalog)
        for path, read in readers.items():
            file = read_run_file(path, read)
            assets.refer(file.resources)
            if not file.is_known:
                assets.unreadable = path
            if file.complaint and path in own:
                report.findings.append(Finding("bad-run-file", path, f"run file {file.complaint}"))
        report.findings += self._cut_off_deletions()

    def _missing_directories(self) -> Iterator[Finding]:
        """Each directory, if there is none of them, as where a file system is not mounted."""
        if any(glob.glob(os.path.dirname(str(pattern))) for pattern in self.catalog.paths):
            return
        for directory in self.backend.directories():
            made = "; the first store makes it" if self.catalog.writable else ""
            message = f"there is no such directory; mount its file system, or correct the path of the catalog{made}"
            yield Finding("missing-directory", directory, message)

    def _cut_off_deletions(self) -> Iterator[Leftover]:
        for path in self._hidden_runs():
            directory, name = os.path.split(path)
            visible = os.path.join(directory, name[1 : -len(DELETED)])
            uid = self._uid_in(path) or os.path.basename(visible).removesuffix(self.backend.suffix)
            is_there = os.path.lexists(visible) and self._uid_in(visible) in (uid, None)
            message = STILL_THERE if is_there else f"{CUT_OFF} {uid} finishes it"
            yield Leftover("cut-off-deletion", path, message, age=age_of(path))

    def deletion_of(self, uid: str) -> Deletion | None:
        usual = self.backend.run_file(uid)
        path = self._file_of(uid, usual, run_files(self.catalog))
        path = path or self._file_of(uid, name_during_deletion(usual), self._hidden_runs())
        return None if path is None else FileDeletion(self.catalog, uid, path)

    def _file_of(self, uid: str, usual: str, files: list[str]) -> str | None:
        """The file among some that holds a run, or has its usual name and does not say whose it is."""
        likely = usual in files
        uid_there = self._uid_in(usual) if likely else None
        if uid_there == uid:
            return usual
        other = next((path for path in files if path != usual and self._uid_in(path) == uid), None)
        return usual if other is None and likely and uid_there is None else other

    def _hidden_runs(self) -> list[str]:
        """The run files whose deletion was cut off, in every directory that runs are read from."""
        directories = sorted({os.path.dirname(str(pattern)) for pattern in self.catalog.paths})
        name = f".*{self.backend.suffix}{DELETED}"
        return [path for directory in directories for path in sorted(glob.glob(os.path.join(directory, name)))]

    def _uid_in(self, path: str) -> str | None:
        """The uid of the run in a file; None if its start document cannot be read."""
        try:
            name, doc = next(iter(self.backend.read_file(path)), ("", {}))
            return str(doc["uid"]) if name == "start" else None
        except (*UNREADABLE, PickledRunError):
            return None


class FileDeletion(Deletion):
    """A run file: it gets a hidden name, and is removed last."""

    def __init__(self, catalog: Any, uid: str, path: str) -> None:
        super().__init__(catalog, uid)
        self.is_visible = not path.endswith(DELETED)
        self.run_files = [path]
        self._path, self._hidden = path, name_during_deletion(path) if self.is_visible else path
        self.find_assets(read_run_file(path, self.backend.read_file).resources)

    @property
    def size(self) -> str:
        return shown_size(os.path.getsize(self._path))

    def hide(self) -> None:
        # check computes the age from this; only the owner and those who may write to the file may change it
        with contextlib.suppress(PermissionError):
            os.utime(self._path)
        os.replace(self._path, self._hidden)
        sync_directories([self._path])

    def remove_documents(self) -> None:
        os.unlink(self._hidden)
        sync_directories([self._hidden])

    def used_by_others(self, resources: list[Document]) -> set[str]:
        readers = readers_of_files(self.catalog)
        files = [read_run_file(path, read) for path, read in readers.items() if path != self._path]
        # a run that cannot be read completely may use any of them
        known = resources if any(not file.is_known for file in files) else []
        used = itertools.chain(known, *(file.resources for file in files))
        return {path_of_resource(self.catalog, resource) for resource in used if is_asset_resource(resource)}


class EventNumbers:
    """The sequence numbers of the Events of a run, by stream, in pages and in the ranges of stream_datums."""

    def __init__(self) -> None:
        self._streams: dict[str, str] = {}
        self.pages: dict[str, list[list[int]]] = defaultdict(list)
        self.ranges: dict[str, list[range]] = defaultdict(list)

    def add(self, name: str, doc: Document) -> None:
        if name == "descriptor":
            self._streams[doc["uid"]] = doc.get("name", PRIMARY)
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
    return sorted(set(files_matching(catalog.paths)))


def readers_of_files(catalog: Any) -> dict[str, Reader]:
    """The readers for a catalog's files, and for other formats in its directory, whose runs can share its assets."""
    directory = glob.escape(catalog._backend.directory)
    others = {path: read for end, read in READERS.items() for path in glob.glob(os.path.join(directory, f"*{end}"))}
    own = dict.fromkeys(run_files(catalog), catalog._backend.read_file)
    return {**own, **{path: others[path] for path in sorted(others.keys() - own)}}


def partial_files(catalog: Any) -> Iterator[Finding]:
    """Hidden files of runs that are not published yet."""
    for entry in left_files(catalog._backend.directory, lambda name: name.endswith(RUN_FILES)):
        try:
            size = shown_size(entry.stat(follow_symlinks=False).st_size)
        except FileNotFoundError:
            continue  # published meanwhile
        except OSError:
            yield Finding("bad-run-file", entry.path, f"partial run file {why_unreadable(entry.path)}")
            continue
        what, use = f"partial run file, {size}", "--recover publishes what it holds"
        yield Leftover.of_file("partial-run-file", entry.path, what, use=use)


def read_run_file(path: str, read: Reader) -> RunFile:
    """Read a run file to its end. It is never changed."""
    if not os.path.isfile(path):
        return RunFile(False, complaint=why_unreadable(path))
    if not os.path.getsize(path):
        return RunFile(True, complaint="is empty; remove it if no program is about to write it")
    file = RunFile(False)
    names: list[str] = []
    numbers = EventNumbers()
    last: Document = {}
    try:
        for name, last in read(path):
            names.append(name)
            numbers.add(name, last)
            if name == "resource":
                file.resources.append(last)
    except (PickledRunError, PermissionError) as exc:
        file.complaint = why_unreadable(path, exc)
    except UNREADABLE as exc:
        file.complaint = (
            f"cannot be read from document {len(names) + 1} on ({type(exc).__name__}): it is truncated, damaged or not "
            "a run; restore it from a copy, or move it away"
        )
    else:
        file.complaint, file.is_known = _complaint(names, numbers, last)
    return file


def _complaint(names: list[str], numbers: EventNumbers, last: Document) -> tuple[str, bool]:
    """What is wrong with the documents of a run file, and whether it names all resources nevertheless."""
    if names[:1] != ["start"]:
        return "is not a run: it does not begin with a start document; move it away", False
    if names[-1] != "stop":
        return (
            "has no stop document: another program is still writing it, or was killed, or it is truncated; "
            "wait, restore it from a copy, or move it away"
        ), False
    for stream, count in counts_by_stream(last).items():
        if not may_count(count, numbers.pages[stream], numbers.ranges[stream]):
            held = numbers.count_of(stream)
            return f"holds {held} of {count} Events of {stream!r}; restore it from a copy", True
    return "", True
