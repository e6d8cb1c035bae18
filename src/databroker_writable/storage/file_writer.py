"""Write runs with serializers into files that become visible when complete, singly or in groups."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

import event_model

from ..errors import RunExistsError
from ..runs import upstream
from ..runs.document_parts import STREAM_DOCUMENTS, Document
from .catalog_paths import IN_DELETION, unescaped
from .durable_file import NewFile, sync_directories

if TYPE_CHECKING:
    from .file_backend import FileBackend


DELETED = ".deleted"
"""The suffix of the hidden name of a run file during its deletion."""

SYNC_THREADS = 4
"""The number of waiting threads for a batch: a disk acknowledges simultaneous requests together."""


class PublishingManager:
    """Opens new files for a serializer; has the methods of `suitcase.utils.MultiFileManager`."""

    def __init__(self, directory: str, run: SerializerWriter) -> None:
        self._directory = unescaped(directory)
        self._run = run
        # if they were garbage-collected, they would close their files
        self._texts: list[IO[str]] = []
        # final paths by label, as suitcase's managers give them; suitcase-specfile looks them up
        self.artifacts: dict[str, list[str]] = {}

    def open(
        self, label: str, postfix: str, mode: str, encoding: str | None = None, errors: str | None = None
    ) -> IO[Any]:
        """Open a new file, hidden until its run is published."""
        path = os.path.join(self._directory, postfix)
        names = (path, name_during_deletion(path))
        self._run.check_name(path)
        for name in names:
            if os.path.lexists(name):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        file = NewFile(path)
        self._run.files.append(file)
        self.artifacts.setdefault(label, []).append(path)
        if "b" in mode:
            return file
        text = io.TextIOWrapper(file, encoding=encoding or "utf-8", errors=errors, write_through=True)
        self._texts.append(text)
        return text

    def close(self) -> None:
        """Do nothing; serializers call this at the stop document, and nothing is buffered."""


class SerializerWriter:
    """Writes one run with the driver's serializer.

    Files of suitcase's serializers are published when complete; other serializers publish in their own way.

    It leaves the run out if the driver's router has no serializer for it.
    """

    def __init__(self, serializer: Any, start: Document) -> None:
        self.start = start
        self.stop: Document | None = None
        self.files: list[NewFile] = []
        self._callbacks = _callbacks_of(serializer, start)
        self.leaves_run_out = not self._callbacks
        for callback in self._callbacks:
            upstream.replace_manager(callback, lambda directory: PublishingManager(directory, self))

    def __call__(self, name: str, doc: Document) -> None:
        for callback in self._callbacks:
            callback(name, doc)
        if name == "stop":
            self.stop = doc

    def check_name(self, path: str) -> None:
        """Refuse the name of a file that the catalog would not find again; of a facility's driver nothing is known."""

    @property
    def uid(self) -> str:
        uid: str = self.start["uid"]
        return uid

    @property
    def paths(self) -> list[str]:
        """The files under their final names."""
        return [file.path for file in self.files]

    def publish(self) -> None:
        """Give the files their final names, durably; an existing file is never replaced."""
        self.sync()
        self.link()
        sync_directories(self.paths)

    def start_sync(self) -> None:
        for file in self.files:
            file.start_sync()

    def sync(self) -> None:
        for file in self.files:
            file.sync()

    def link(self) -> None:
        """Give the files their final names; `sync_directories` makes these durable."""
        for file in self.files:
            file.link()

    def abandon(self) -> None:
        for file in self.files:
            file.abandon()


class FileRunWriter(SerializerWriter):
    """Writes one run into the directory of a catalog of files."""

    def __init__(self, backend: FileBackend, start: Document) -> None:
        self._backend = backend
        super().__init__(backend.driver_serializer(), start)

    def check_name(self, path: str) -> None:
        self._backend.check_file_name(path)

    def __call__(self, name: str, doc: Document) -> None:
        try:
            super().__call__(name, doc)
        except FileExistsError as exc:
            raise self._exists(exc) from None
        if name in STREAM_DOCUMENTS:
            for callback in self._callbacks:
                upstream.write_stream_document(callback, name, doc)

    def publish(self) -> None:
        """Publish the run, or let it wait for others of its group."""
        group = self._backend.group
        if group is not None and group.takes(self):
            self._backend.published.append([])
        else:
            super().publish()
            self._backend.published.append([self])

    def link(self) -> None:
        try:
            super().link()
        except FileExistsError as exc:
            raise self._exists(exc) from None

    def _exists(self, exc: OSError) -> RunExistsError:
        path = str(exc.filename2 or exc.filename)
        if path.endswith(DELETED):
            return RunExistsError.in_the_way(self.uid, self._backend.label, IN_DELETION)
        if path == self._backend.run_file(self.uid):
            return RunExistsError.of_uid(self.uid, path)
        return RunExistsError(
            f"the file of {self.uid!r} would be {path!r}, which another run has; change the metadata that name the file"
        )


class RunFileGroup:
    """Runs whose writers wait to be published together; then the catalog is told, to show them.

    The system starts to write all files before the first sync, so that file systems need one or few commits of their
    journal. Then a few threads wait, because a disk acknowledges each file separately.
    """

    def __init__(self, uids: Iterable[str], on_published: Callable[[list[SerializerWriter]], Any]) -> None:
        self._uids = set(uids)
        self._on_published = on_published
        self._writers: list[SerializerWriter] = []

    def takes(self, writer: SerializerWriter) -> bool:
        """Add a complete run to the group, if it belongs to it; return whether it waits now."""
        if writer.uid not in self._uids:
            return False
        self._writers.append(writer)
        return True

    def publish(self) -> list[str]:
        """Publish the runs durably, and remove those that cannot be; return the uids of the published ones."""
        errors = self._errors_of_syncing()
        published = []
        for writer in self._writers:
            if errors[writer.uid] or _error_of(writer.link):
                writer.abandon()
            else:
                published.append(writer)
        if _error_of(lambda: sync_directories(path for writer in published for path in writer.paths)):
            self.abandon()
            return []
        self._on_published(published)
        return [writer.uid for writer in published]

    def _errors_of_syncing(self) -> dict[str, Exception | None]:
        """Sync all runs; return the error of each."""
        begun = {writer.uid: _error_of(writer.start_sync) for writer in self._writers}
        errors: dict[str, Exception | None] = {uid: error for uid, error in begun.items() if error}

        def sync(writers: list[SerializerWriter]) -> None:
            for writer in writers:
                # only once: after a failed fsync the next one may succeed, without data on the disk
                if writer.uid not in errors:
                    errors[writer.uid] = _error_of(writer.sync)

        try:
            with ThreadPoolExecutor(SYNC_THREADS) as pool:
                list(pool.map(sync, [self._writers[i::SYNC_THREADS] for i in range(SYNC_THREADS)]))
        except RuntimeError:
            # no thread can be started: the interpreter shuts down, or a limit is reached
            sync(self._writers)
        return errors

    def abandon(self) -> None:
        for writer in self._writers:
            writer.abandon()


def name_during_deletion(path: str) -> str:
    """The hidden name of a run file during the deletion of its run."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}{DELETED}")


def _callbacks_of(serializer: Any, start: Document) -> list[Callable[[str, Document], Any]]:
    """Return the callbacks with which a driver's serializer writes one run.

    The factories of a plain `event_model.RunRouter` are called directly: the router's Filler (event-model 1.24)
    unpacks and repacks each event page in Python although it has nothing to fill.
    """
    if type(serializer) is not event_model.RunRouter or serializer.handler_registry or serializer.fill_or_fail:
        return [serializer]
    callbacks: list[Callable[[str, Document], Any]] = []
    for factory in serializer.factories:
        direct, by_descriptor = factory("start", start)
        if by_descriptor:
            return [serializer]
        callbacks.extend(direct)
    return callbacks


def _error_of(function: Callable[[], Any]) -> Exception | None:
    try:
        function()
    except Exception as exc:
        return exc
    return None
