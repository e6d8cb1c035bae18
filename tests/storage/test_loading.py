"""Directories of run files are loaded as databroker loads them, and no file stands in the way of the others."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import random
import secrets
import socket
import sys
import warnings

import intake
import msgpack
import msgpack_numpy
import numpy
import pytest
from databroker._drivers.msgpack import BlueskyMsgpackCatalog

from databroker_writable import StoreWarning, make_writable, open_directory
from databroker_writable.catalog.wrapping import writable_class
from databroker_writable.drivers import WritableCatalog
from databroker_writable.errors import InvalidCatalogError, PickledRunError
from databroker_writable.upkeep import examine
from support import children, example_runs, other_users, sites

FILES = pytest.mark.parametrize("site", sites.FILE_SITES, indirect=True)
OPEN_FILES = pytest.mark.parametrize("open_site", sites.FILE_SITES, indirect=True)
SEED = "DATABROKER_WRITABLE_TEST_SEED"


@pytest.fixture
def open_site(request):
    with other_users.site_in_the_open(request.param) as made:
        yield made


def write_run(site, name, uid, mtime=None, **metadata):
    """A run file as another program writes it."""
    path = site.directory / f"{name}.{site.kind}"
    documents = example_runs.small_documents(uid=uid, **metadata)
    if site.kind == "msgpack":
        path.write_bytes(b"".join(msgpack.packb(document, default=msgpack_numpy.encode) for document in documents))
    else:
        path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


# as databroker loads them


def listing(catalog):
    """What a catalog says of its runs, in its order."""
    found = catalog.search({"sample": "Cu"})
    return (
        [(uid, run.metadata["start"]["sample"], run.metadata["stop"]) for uid, run in catalog.items()],
        list(found),
        list(found.search({"scan_id": {"$gt": 3}})),
        len(catalog),
        catalog[-1].metadata["start"]["uid"] if len(catalog) else None,
    )


@FILES
@pytest.mark.parametrize("attempt", range(5))
def test_listings_and_searches_are_those_of_databroker_over_any_history(site, attempt):
    seed = int(os.environ.get(SEED) or secrets.randbelow(10**6))
    print(f"{SEED}={seed}")
    choose = random.Random(seed)
    ours, theirs = site.open(), site.stock(**site.args)
    for step in range(25):
        name = f"file-{choose.randrange(6)}"
        path = site.directory / f"{name}.{site.kind}"
        actions = ["write", "write", "write", "touch", "delete", "empty", "store"]
        # databroker does not open a JSONL file that is cut off
        action = choose.choice([*actions, "cut"] if site.kind == "msgpack" else actions)
        if action == "write":
            metadata = {"sample": choose.choice(["Cu", "Ag"]), "scan_id": choose.randrange(6)}
            write_run(site, name, f"run-{choose.randrange(6)}", 1_000_000 + step, **metadata)
        elif action == "store":
            path = site.directory / f"stored-{step}.{site.kind}"
            metadata = {"sample": "Cu", "scan_id": 1}
            theirs.force_reload()
            ours.store_run(example_runs.small_documents(uid=f"stored-{step}", **metadata))
        elif not path.exists():
            continue
        elif action == "touch":
            os.utime(path, (2_000_000 + step, 2_000_000 + step))
        elif action == "delete":
            path.unlink()
        elif action == "empty":
            path.write_bytes(b"")
            os.utime(path, (3_000_000 + step, 3_000_000 + step))
        else:
            # the stop document is only half there
            path.write_bytes(path.read_bytes()[:-20])
            os.utime(path, (4_000_000 + step, 4_000_000 + step))
        for catalog in (ours, theirs):
            catalog.force_reload()
        assert listing(ours) == listing(theirs)
        assert listing(site.open()) == listing(site.stock(**site.args))


# interrupts and errors


class Interrupted(BaseException):
    """As KeyboardInterrupt, which pytest takes for its own."""


class OwnLoadingCatalog(BlueskyMsgpackCatalog):
    """A facility's driver with a ``_load`` of its own."""

    def _load(self):
        super()._load()


INTERRUPTED = ("run_file_readers.py", "upstream.py", "in_memory.py", "msgpack.py", "jsonl.py")


def interrupting(at):
    """A profile function that raises at the call of that number which these modules make or get."""
    calls = 0

    def profile(frame, event, argument):
        nonlocal calls
        if event in ("call", "c_call") and frame.f_code.co_filename.endswith(INTERRUPTED):
            calls += 1
            if calls == at:
                raise Interrupted

    return profile


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["msgpack", "jsonl", "facility"])
def test_an_interrupt_at_any_time_while_a_catalog_loads_hides_no_run(kind, tmp_path):
    with sites.site("jsonl" if kind == "jsonl" else "msgpack", tmp_path, lambda: None) as site:
        driver = writable_class(OwnLoadingCatalog) if kind == "facility" else type(site.open())
        catalogs = [driver(**site.args, handler_registry={}) for _ in range(100)]
        for i in range(3):
            write_run(site, f"file-{i}", f"run-{i}")
        interrupted = 0
        with warnings.catch_warnings():
            # a file that was just opened is closed by Python
            warnings.simplefilter("ignore", ResourceWarning)
            for at, catalog in enumerate(catalogs, start=1):
                sys.setprofile(interrupting(at))
                try:
                    catalog.force_reload()
                except Interrupted:
                    interrupted += 1
                finally:
                    sys.setprofile(None)
            gc.collect()
        assert interrupted > 10
        for catalog in catalogs:
            catalog.force_reload()
            assert sorted(catalog) == ["run-0", "run-1", "run-2"]
            assert all(catalog[uid].metadata["stop"] for uid in catalog)
        catalogs[0].store_run(catalogs[1]["run-1"])


@FILES
def test_a_run_whose_loading_was_interrupted_is_found_by_the_next_store(site, monkeypatch):
    catalog = site.open()
    write_run(site, "run-1", "run-1")
    with monkeypatch.context() as patch:

        def interrupted(*args):
            raise Interrupted

        patch.setattr(type(catalog), "upsert", interrupted)
        with pytest.raises(Interrupted):
            catalog.force_reload()
    stored = catalog.store_run(site.open()["run-1"])
    assert stored.metadata["start"]["uid"] == "run-1"


@FILES
def test_a_damaged_file_is_named_and_does_not_stand_in_the_way(site):
    catalog = site.open()
    damaged = site.directory / f"a-damaged.{site.kind}"
    damaged.write_bytes(b"\xc1" if site.kind == "msgpack" else b"no run\nat all\n")
    write_run(site, "good", "good")
    with pytest.warns(StoreWarning, match=r"a-damaged.*is not a run, or is damaged"):
        assert list(site.open()) == ["good"]
    with pytest.warns(StoreWarning, match=r"a-damaged.*is not a run, or is damaged"):
        catalog.force_reload()
    assert list(catalog) == ["good"]
    catalog.store_run({"x": [1]}, uid="new")
    write_run(site, "a-damaged", "mended")
    catalog.force_reload()
    assert sorted(catalog) == ["good", "mended", "new"]


@FILES
def test_a_file_that_ends_within_its_start_document_is_named_once_nobody_writes_it(site):
    write_run(site, "good", "good")
    cut = site.directory / f"cut.{site.kind}"
    cut.write_bytes((site.directory / f"good.{site.kind}").read_bytes()[:20])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(site.open()) == ["good"]  # another program may be writing it
    os.utime(cut, (1, 1))
    with pytest.warns(StoreWarning, match=r"cut\..* is skipped: it ends within its start document"):
        assert list(site.open()) == ["good"]


# files that cannot be read


def make_odd_files(site):
    """What is no run file, and why."""
    suffix = f".{site.kind}"
    (site.directory / f"link{suffix}").symlink_to("/nowhere/at all")
    os.mkfifo(site.directory / f"pipe{suffix}")
    (site.directory / f"directory{suffix}").mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        here = os.getcwd()
        os.chdir(site.directory)  # the path of a socket is short
        made.bind(f"socket{suffix}")
        os.chdir(here)
    return ["link", "pipe", "directory", "socket"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@FILES
def test_what_is_no_file_is_passed_over_with_one_warning_and_listed_by_check(site):
    write_run(site, "good", "good")
    odd = make_odd_files(site)
    with pytest.warns(StoreWarning) as warned:
        catalog = site.open()
    (warning,) = [w for w in warned if issubclass(w.category, StoreWarning)]
    assert "3 more files are skipped; databroker-writable check lists" in str(warning.message)
    assert f"{site.directory}" in str(warning.message)
    assert " of root is skipped" in str(warning.message) or os.geteuid()
    assert warning.filename == sites.__file__
    assert list(catalog) == ["good"]
    stored = catalog.store_run({"x": [1]}, uid="new")
    assert stored.primary.read()["x"].values.tolist() == [1]
    with pytest.warns(StoreWarning):
        assert list(catalog.search({"uid": "good"})) == ["good"]
    complaints = {finding.where: finding.message for finding in examine(catalog).findings}
    assert {os.path.basename(path).partition(".")[0] for path in complaints} == set(odd)
    for name in odd:
        (path,) = site.directory.glob(f"{name}.*")
        path.rmdir() if name == "directory" else path.unlink()
        write_run(site, name, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", StoreWarning)
        catalog.force_reload()
    assert sorted(catalog) == sorted(["good", "new", *odd])


JUNK = {
    "text": (b"junk junk", b"energy,mu\n1,2\n"),
    "bytes": (b"\xff\xfe\x00garbage" * 50, b"\xff\xfe\x00garbage\n" * 50),
    "one line": (msgpack.packb(5), b"junk\n"),
    "not pairs": (msgpack.packb([1, 2, 3]), b"[1, 2, 3]\n"),
    "no documents": (msgpack.packb([1, 2]), b"[1, 2]\n"),
    "no uid": (msgpack.packb(["start", {"time": 1}]), b'["start", {"time": 1}]\n'),
    "no time": (msgpack.packb(["start", {"uid": "a"}]), b'["start", {"uid": "a"}]\n'),
}


@FILES
@pytest.mark.parametrize("content", JUNK)
def test_what_is_no_run_is_named_and_the_others_are_there(site, content):
    write_run(site, "good", "good")
    (site.directory / f"junk.{site.kind}").write_bytes(JUNK[content][site.kind == "jsonl"])
    with pytest.warns(StoreWarning, match=rf"junk\.{site.kind}.*skipped: it is not a run.*move it away"):
        catalog = site.open()
    assert list(catalog) == ["good"]


@pytest.mark.parametrize("moment", [numpy.float32(1.5e9), numpy.int64(1_500_000_000)], ids=repr)
def test_times_that_are_numbers_of_numpy_are_times(tmp_path, moment):
    """As stock databroker has them, which stores and shows such runs."""
    start, stop = {"uid": "a", "time": moment}, {"uid": "b", "run_start": "a", "time": moment, "exit_status": "success"}
    pairs = [["start", start], ["stop", stop]]
    content = b"".join(msgpack.packb(pair, default=msgpack_numpy.encode) for pair in pairs)
    (tmp_path / "a.msgpack").write_bytes(content)
    assert list(BlueskyMsgpackCatalog(f"{tmp_path}/*.msgpack")) == ["a"]
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, uid="later")
    assert catalog.table(since="2010-01-01", until="2020-01-01").index.tolist() == ["a"]
    assert catalog.table().index.tolist() == ["later", "a"]
    assert type(catalog["a"].metadata["start"]["time"]) is type(moment)


def open_a_closed_directory_as_nobody(report, kind, place):
    examine(sites.opened(kind, place))
    directory = place
    os.chmod(directory, 0)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    for open_it in (lambda: sites.opened(kind, place), lambda: open_directory(directory)):
        with pytest.raises(InvalidCatalogError) as caught:
            open_it()
        report(str(caught.value))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no users to become")
@OPEN_FILES
def test_a_directory_that_may_not_be_read_is_not_called_empty(open_site, tmp_path):
    site = open_site
    write_run(site, "good", "good")
    try:
        with children.child(open_a_closed_directory_as_nobody, tmp_path / "report", site.kind, site.place) as child:
            messages = child.result()
    finally:
        os.chmod(site.directory, 0o755)
    assert len(messages) == 2
    for message in messages:
        assert f"{str(site.directory)!r} cannot be read by this user" in message
        assert "ask its owner" in message


def open_as_nobody(report, kind, place):
    # what is imported on the way may lie where nobody may read
    examine(sites.opened(kind, place))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", StoreWarning)
        catalog = sites.opened(kind, place)
    messages = [str(warning.message) for warning in warned if warning.category is StoreWarning]
    report([messages, list(catalog), [finding.message for finding in examine(catalog).findings]])


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no users to become")
@OPEN_FILES
def test_a_file_that_may_not_be_read_is_passed_over_and_its_owner_is_named(open_site, tmp_path):
    site = open_site
    os.chmod(site.directory, 0o755)
    write_run(site, "good", "good")
    for name in ("a", "b"):
        os.chmod(write_run(site, name, name), 0o600)
    owner = "root" if os.geteuid() == 0 else ""
    with children.child(open_as_nobody, tmp_path / "report", site.kind, site.place) as child:
        ((messages, uids, findings),) = child.result()
    assert uids == ["good"]
    (message,) = messages
    assert f"of {owner}" in message
    assert f"ask its owner, {owner}" in message
    assert "1 more file is skipped" in message
    assert len([finding for finding in findings if f"ask its owner, {owner}" in finding]) == 2


@FILES
def test_a_file_that_is_removed_while_a_catalog_loads_is_none(site, monkeypatch):
    write_run(site, "good", "good")
    gone = write_run(site, "gone", "gone")
    real = os.stat

    def removing(path, *args, **kwargs):
        if str(path) == str(gone):
            gone.unlink(missing_ok=True)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", removing)
    with warnings.catch_warnings():
        warnings.simplefilter("error", StoreWarning)
        assert list(site.open()) == ["good"]


# pickles


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


OBJECTS = {b"nd": True, b"type": "|O", b"shape": [1], b"data": b"\1" * 8}


def write_pickled(site, name, trap, *, is_in="start", header=None):
    """A msgpack file with a pickle, or with what msgpack-numpy takes for one or for addresses."""
    array = header or {b"nd": True, b"type": "|O", b"kind": b"O", b"shape": [1], b"data": pickle.dumps(Bomb(trap))}
    documents = example_runs.small_documents(uid=name, sample="Cu")
    for kind, doc in documents:
        if kind == is_in:
            doc["data" if kind == "event_page" else "note"] = {"x": array} if kind == "event_page" else array
    path = site.directory / f"{name}.msgpack"
    path.write_bytes(b"".join(msgpack.packb(document) for document in documents))
    return path


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
@pytest.mark.parametrize("is_in", ["start", "event_page", "stop"])
def test_no_pickle_is_unpacked_and_the_run_is_passed_over(site, tmp_path, is_in):
    trap = tmp_path / "trap"
    path = write_pickled(site, "bad", trap, is_in=is_in)
    write_run(site, "good", "good", sample="Cu")
    with pytest.warns(StoreWarning, match=r"bad\.msgpack.*allow_pickle=True"):
        catalog = site.open()
    with pytest.warns(StoreWarning):
        assert list(catalog.search({"sample": "Cu"})) == list(catalog) == ["good"]
    findings = examine(catalog).findings
    assert [finding.where for finding in findings] == [str(path)]
    assert "allow_pickle" in findings[0].message
    with pytest.raises(PickledRunError, match=r"bad\.msgpack.*allow_pickle=True"):
        list(catalog._backend.read_file(str(path)))
    assert not trap.exists()


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
@pytest.mark.parametrize(
    "header",
    [
        OBJECTS,
        {**OBJECTS, b"kind": b""},
        {**OBJECTS, b"kind": b"V", b"type": [["a", "|O"]]},
        {**OBJECTS, b"kind": b"", b"type": "f8,O", b"data": b"\1" * 16},
        {**OBJECTS, b"kind": {b"nd": False, b"type": "|S1", b"data": b"O"}},
    ],
    ids=["old", "no kind", "structured", "text", "kind that is an array"],
)
def test_bytes_are_never_taken_for_addresses_of_objects(site, header, tmp_path):
    write_pickled(site, "bad", tmp_path / "trap", header=header)
    with pytest.warns(StoreWarning, match=r"bad\.msgpack.*allow_pickle=True"):
        assert list(site.open()) == []


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_file_that_is_exchanged_after_it_was_loaded_unpickles_nothing(site, tmp_path):
    trap = tmp_path / "trap"
    write_run(site, "run-1", "run-1")
    catalog = site.open()
    stock = site.stock(**site.args)
    write_pickled(site, "run-1", trap, is_in="event_page")
    for opened in (catalog, make_writable(stock)):
        with pytest.warns(StoreWarning), pytest.raises(PickledRunError):
            opened["run-1"]
    assert not trap.exists()


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_allow_pickle_is_kept_however_the_catalog_is_opened_again(site, tmp_path):
    array = numpy.array([{"a": 1}, None], dtype=object)
    documents = example_runs.small_documents(uid="objects", note=array)
    path = site.directory / "objects.msgpack"
    path.write_bytes(b"".join(msgpack.packb(document, default=msgpack_numpy.encode) for document in documents))
    yaml = tmp_path / "catalog.yml"
    catalog = site.open(allow_pickle="yes")
    yaml.write_text(catalog.yaml())
    stock = site.stock(**site.args, name="stock")
    writable = make_writable(stock, allow_pickle=True)
    opened = [
        catalog,
        catalog.search({}),
        catalog.search({}).search({}),
        pickle.loads(pickle.dumps(catalog)),
        copy.copy(catalog),
        copy.copy(catalog.search({})),
        catalog.configure_new(),
        intake.open_catalog(str(yaml))["contract"],
        WritableCatalog("bluesky-msgpack-catalog", site.args, allow_pickle=True),
        open_directory(site.directory, allow_pickle="on"),
        writable,
        writable.search({}),
        pickle.loads(pickle.dumps(writable)),
    ]
    for number, one in enumerate(opened):
        assert one.allow_pickle is True, number
        assert list(one) == ["objects"], number
        assert one["objects"].metadata["start"]["note"].tolist() == array.tolist(), number
    assert [finding.message for finding in examine(catalog).findings] == []
    with pytest.warns(StoreWarning):
        assert list(site.open(allow_pickle="no")) == []
