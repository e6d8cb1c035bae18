"""``databroker-writable copy``: runs with their files, whole, and once only."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import event_model
import intake
import msgpack
import msgpack_numpy
import numpy
import pytest
from click.testing import Result

from databroker_writable import ServerAwayError, StoreFailedError, open_directory, to_dataset
from databroker_writable.results.header_search import PROBE
from databroker_writable.runs import comparison
from databroker_writable.upkeep.copying import CatalogDestination
from support import example_runs, servers, sites
from support.command_line import PASSWORD, fail, run, succeed, unreachable_uri, write_catalog, write_mongo_catalog

IMAGES = numpy.arange(2 * 50 * 40, dtype=numpy.uint16).reshape(2, 50, 40)


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(params=["msgpack", "jsonl", *sites.MONGO_SITES])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A YAML file of an empty catalog of each backend."""
    if request.param in sites.MONGO_SITES:
        server: servers.MongoServer = request.getfixturevalue("mongo_server")
        with server.database() as database:
            uri = server.database_uri(database)
            yield write_mongo_catalog("c.yml", request.param, uri, asset_root=str(tmp_path / "arrays"))
    else:
        paths = [f"{{{{ CATALOG_DIR }}}}/copies/*.{request.param}"]
        yield write_catalog("c.yml", f"writable-{request.param}-catalog", paths=paths)


def opened(place: str) -> Any:
    return intake.open_catalog(place)["c"]


def stored_source() -> Any:
    """Two runs, one of which has an asset, and a probe."""
    catalog = open_directory("source")
    catalog.store_run(example_runs.small_documents(uid="plain", sample="Cu"))
    catalog.store_run({"x": [1, 2], "img": IMAGES}, uid="images", asset_threshold=0)
    catalog.store_run({"x": [1]}, {PROBE: True}, uid="probe")
    return catalog


def without_roots(run: Any) -> list[tuple[str, dict[str, Any]]]:
    documents = run.documents(fill="no", strict_order=False)
    return [(name, {**doc, "root": ""} if name == "resource" else doc) for name, doc in documents]


def test_runs_are_copied_with_their_files(destination: str) -> None:
    source = stored_source()
    assert succeed("copy", "source", destination) == "2 copied, 0 there already\n"
    copies = opened(destination)
    assert sorted(copies) == ["images", "plain"]
    for uid in copies:
        assert comparison.same_run(without_roots(source[uid]), without_roots(copies[uid]))
    os.rename("source", "elsewhere")
    numpy.testing.assert_array_equal(to_dataset(copies["images"])["img"], IMAGES)
    assert run("check", destination).exit_code == 0


def test_the_files_are_the_same_to_the_byte(destination: str) -> None:
    stored_source()
    succeed("copy", "source", destination)
    (original,) = Path("source").rglob("*.h5")
    (copied,) = (path for path in Path().rglob("*.h5") if path != original)
    assert copied.read_bytes() == original.read_bytes()
    assert not list(Path().rglob("*.part"))


def test_what_is_there_is_skipped(destination: str) -> None:
    stored_source()
    assert succeed("copy", "source", destination, "plain") == "1 copied, 0 there already\n"
    assert succeed("copy", "source", destination) == "1 copied, 1 there already\n"
    assert succeed("copy", "source", destination) == "0 copied, 2 there already\n"


def test_runs_are_chosen_by_the_beginning_of_their_uids() -> None:
    stored_source()
    succeed("copy", "source", "copies", "plai")
    assert list(open_directory("copies")) == ["plain"]
    assert "there is no run 'nope'" in fail("copy", "source", "others", "nope")
    assert not os.path.exists("others")


def test_a_copy_that_was_cut_off_goes_on() -> None:
    stored_source()
    succeed("copy", "source", "copies")
    # the file is there, and the run that refers to it is not
    Path("copies/images.msgpack").unlink()
    assert succeed("copy", "source", "copies") == "1 copied, 1 there already\n"
    assert len(list(Path("copies").rglob("*.h5"))) == 1
    numpy.testing.assert_array_equal(to_dataset(open_directory("copies")["images"])["img"], IMAGES)


def test_another_file_in_the_place_is_not_overwritten() -> None:
    stored_source()
    (original,) = Path("source").rglob("*.h5")
    other = Path("copies") / original.relative_to("source")
    other.parent.mkdir(parents=True)
    other.write_bytes(b"other")
    result = run("copy", "source", "copies")
    assert result.exit_code == 1
    assert result.stdout == "1 copied, 0 there already, 1 failed\n"
    assert re.search(r"^failed: images: .*differs from", result.stderr, re.MULTILINE)
    assert other.read_bytes() == b"other"


@pytest.mark.parametrize("damage", ["missing", "flipped byte"])
def test_what_is_damaged_is_named_and_the_others_are_copied(damage: str) -> None:
    stored_source()
    (original,) = Path("source").rglob("*.h5")
    content = bytearray(original.read_bytes())
    content[content.find(IMAGES[1, 10].tobytes())] ^= 1
    original.unlink()
    if damage == "flipped byte":
        original.write_bytes(content)
    result = run("copy", "source", "copies")
    assert result.exit_code == 1
    assert result.stdout == "1 copied, 0 there already, 1 failed\n"
    assert "failed: images: " in result.stderr
    assert list(open_directory("copies")) == ["plain"]
    assert not [path for path in Path("copies/assets").rglob("*") if path.is_file()]


def test_a_destination_without_asset_root_says_so(mongo_server: servers.MongoServer) -> None:
    stored_source()
    with mongo_server.database() as database:
        write_mongo_catalog("c.yml", "mongo-normalized", mongo_server.database_uri(database))
        result = run("copy", "source", "c.yml")
        assert result.exit_code == 1
        assert "asset_root" in result.stderr
        assert list(opened("c.yml")) == ["plain"]


def test_resources_of_other_kinds_keep_their_root(tmp_path: Path) -> None:
    open_directory("source").store_run(example_runs.documents_with_images(tmp_path))
    succeed("copy", "source", "copies")
    (resource,) = (doc for name, doc in open_directory("copies")[-1].documents(fill="no") if name == "resource")
    assert resource["root"] == str(tmp_path)
    assert not list(Path("copies").rglob("*.npy"))


def test_a_resource_that_leads_out_of_the_asset_root_is_refused() -> None:
    source = open_directory("source")
    source.store_run({"img": IMAGES}, uid="images", asset_threshold=0)
    documents = list(source["images"].documents(fill="no"))
    Path("evil").mkdir()
    evil = open_directory("evil")
    changed = {"start": {"uid": "evil"}, "resource": {"resource_path": "../../../out.h5"}}
    with pytest.warns(match=r"out\.h5' is missing"):
        evil.store_run([(name, {**doc, **changed.get(name, {}), **_of("evil", doc)}) for name, doc in documents])
    result = run("copy", "evil", "copies")
    assert result.exit_code == 1
    assert "is outside the asset root" in result.stderr
    assert not list(Path().rglob("out.h5"))


def _of(uid: str, doc: dict[str, Any]) -> dict[str, Any]:
    return {"run_start": uid} if "run_start" in doc else {}


def test_a_destination_that_takes_no_runs_is_an_error() -> None:
    stored_source()
    paths = ["{{ CATALOG_DIR }}/copies/*.msgpack"]
    write_catalog("guarded.yml", "writable-msgpack-catalog", paths=paths, writable=False)
    assert "writable: false" in fail("copy", "source", "guarded.yml")
    write_catalog("stock.yml", "bluesky-msgpack-catalog", paths=paths)
    assert "cannot store runs" in fail("copy", "source", "stock.yml")
    assert not os.path.exists("copies")


def test_a_server_that_is_gone_is_told_without_the_password() -> None:
    stored_source()
    write_mongo_catalog("m.yml", "mongo-normalized", unreachable_uri())
    assert PASSWORD not in fail("copy", "source", "m.yml")
    assert PASSWORD not in fail("copy", "m.yml", "copies")


def test_no_progress_is_shown_where_no_terminal_is() -> None:
    stored_source()
    assert run("copy", "source", "copies").stderr == ""


def documents_without_stop(uid: str) -> list[Any]:
    return example_runs.small_documents(uid=uid, sample="Cu")[:-1]


def stored_archive() -> Any:
    """A run, one that was never finished, and one whose stop document counts more Events than there are."""
    catalog = open_directory("source")
    catalog.store_run(example_runs.small_documents(uid="whole", sample="Cu"))
    *documents, (_, stop) = example_runs.small_documents(uid="counted", sample="Cu")
    wrong = {**stop, "num_events": {"primary": 99}}
    for uid, docs in (("halfway", documents_without_stop("halfway")), ("counted", [*documents, ("stop", wrong)])):
        with open(f"source/{uid}.msgpack", "wb") as file:
            for name, doc in docs:
                file.write(msgpack.packb([name, doc], default=msgpack_numpy.encode, use_bin_type=True))
    return open_directory("source")


def test_what_is_unfinished_or_wrong_at_the_source_keeps_nothing_else_from_being_copied(destination: str) -> None:
    stored_archive()
    result = run("copy", "source", destination)
    assert result.stdout == "1 copied, 0 there already, 1 failed, 1 unfinished\n"
    assert result.exit_code == 1
    assert "unfinished: halfway" in result.stderr
    assert re.search(r"failed: counted: .*--as-is", result.stderr)
    os.remove("source/counted.msgpack")
    result = run("copy", "source", destination)
    assert result.stdout == "0 copied, 1 there already, 1 unfinished\n"
    assert result.exit_code == 3


def test_runs_are_copied_as_they_are_when_this_is_asked_for(destination: str) -> None:
    source = stored_archive()
    assert succeed("copy", "source", destination, "--as-is") == "3 copied, 0 there already\n"
    copies = opened(destination)
    assert sorted(copies) == ["counted", "halfway", "whole"]
    for uid in copies:
        assert comparison.same_run(without_roots(source[uid]), without_roots(copies[uid])), uid
    assert copies["halfway"].metadata["stop"] is None
    assert "unfinished" in succeed("ls", destination)
    assert succeed("copy", "source", destination, "--as-is") == "0 copied, 3 there already\n"


@pytest.mark.parametrize("suffix", ["msgpack", "jsonl"])
@pytest.mark.parametrize("as_is", [False, True])
def test_a_descriptor_that_old_bluesky_did_not_name_is_copied_under_the_name_primary(
    destination: str, suffix: str, as_is: bool
) -> None:
    documents = example_runs.small_documents(uid="old", sample="Cu")
    del documents[1][1]["name"]
    os.mkdir("source")
    encoded = {
        "msgpack": lambda pair: msgpack.packb(pair, default=msgpack_numpy.encode, use_bin_type=True),
        "jsonl": lambda pair: json.dumps(event_model.sanitize_doc(pair)).encode() + b"\n",
    }[suffix]
    with open(f"source/old.{suffix}", "wb") as file:
        file.writelines(map(encoded, documents))
    assert succeed("copy", "source", destination, *["--as-is"] * as_is) == "1 copied, 0 there already\n"
    assert opened(destination)["old"].primary.read()["x"].values.tolist() == [0.5, 1.5, 2.5]


def test_an_error_of_any_kind_is_told_of_its_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stored_source()

    def store(destination: Any, documents: list[Any]) -> None:
        if documents[0][1]["uid"] == "plain":
            raise ZeroDivisionError("odd")
        destination._catalog.store_run(documents)

    monkeypatch.setattr("databroker_writable.upkeep.copying.CatalogDestination._store", store)
    result = run("copy", "source", "copies")
    assert result.stdout == "1 copied, 0 there already, 1 failed\n"
    assert "failed: plain: ZeroDivisionError: odd" in result.stderr


def test_follow_takes_what_is_stored_later_and_no_probe(destination: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert followed(destination, monkeypatch) == {"plain", "images", "later"}


def test_follow_with_uids_leaves_the_other_runs_of_before(destination: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert followed(destination, monkeypatch, "plain") == {"plain", "later"}


@pytest.mark.parametrize("is_away_at_first", [True, False])
def test_follow_waits_for_a_server_that_is_away_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, is_away_at_first: bool
) -> None:
    copy = importlib.import_module("databroker_writable.cli.copy")
    add_copies, calls, uids = copy.add_copies, iter(range(100)), []
    away = {1, 2, 4} | ({0} if is_away_at_first else set())

    def interrupted(report: Any, original: Any, target: Any, chosen: list[str], **options: Any) -> None:
        number = next(calls)
        uids.append(chosen)
        if number == 6:
            raise KeyboardInterrupt
        add_copies(report, original, target, chosen[:1] if number in away else chosen, **options)
        original.store_run({"x": [number]}, uid=f"later-{number}")
        if number in away:
            raise ServerAwayError("no server answers")

    monkeypatch.setattr(copy, "add_copies", interrupted)
    monkeypatch.setattr(copy, "SECONDS_BETWEEN", 0)
    stored_source()
    open_directory("copies")
    result = run("copy", "source", "copies", "--follow")
    assert set(open_directory("copies")) == {"plain", "images", *(f"later-{i}" for i in range(5))}
    # the runs that were copied before the server went away are not tried again
    assert [len(chosen) for chosen in uids] == ([2, 2, 2, 2, 1, 1, 1] if is_away_at_first else [2, 1, 1, 1, 1, 1, 1])
    said = "no server answers. Waiting until it answers; Ctrl-C ends this"
    assert result.stderr.count(said) == 2


def follow(
    monkeypatch: pytest.MonkeyPatch, *between: Callable[[], Any], options: Sequence[str] = (), to: str = "copies"
) -> Result:
    """Follow the source, do something before each of the next rounds, and then interrupt."""
    steps = iter(between)

    def do_the_next(seconds: float) -> None:
        try:
            next(steps)()
        except StopIteration:
            raise KeyboardInterrupt from None

    command = importlib.import_module("databroker_writable.cli.copy")
    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=do_the_next))
    return run("copy", "source", to, *options, "--follow")


@pytest.mark.parametrize("when", ["before", "while it follows"])
def test_follow_copies_a_run_when_it_is_finished_also_as_it_is(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    source = stored_source()
    documents = example_runs.small_documents(uid="measured")
    writer = source._backend.open_writer(documents[0][1])
    for name, doc in documents[:-1]:
        writer(name, doc)

    def finish() -> None:
        Path("source/measured.msgpack").unlink()
        open_directory("source").store_run(documents)

    if when == "before":
        writer.publish()
    first = follow(monkeypatch, *([] if when == "before" else [writer.publish]), finish, options=["--as-is"])
    assert ("unfinished: measured: it has no stop" in first.stderr) is (when == "before")
    assert first.stdout.splitlines()[-1] == "1 copied, 0 there already"
    copied = open_directory("copies")["measured"]
    assert copied.metadata["stop"]["uid"] == documents[-1][1]["uid"]


@pytest.mark.parametrize("when", ["before", "while it follows"])
def test_follow_tries_again_what_a_full_disk_made_fail(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    source = stored_source()
    store_run, attempts = CatalogDestination._store, []

    def store(self: Any, documents: list[Any]) -> None:
        if documents[0][1]["uid"] == "large" and len(attempts) < 3:
            attempts.append(documents)
            raise StoreFailedError("the disk is full")
        store_run(self, documents)

    monkeypatch.setattr(CatalogDestination, "_store", store)
    large = lambda: source.store_run({"x": [1]}, uid="large")  # noqa: E731
    if when == "before":
        large()
    done = follow(monkeypatch, *([] if when == "before" else [large]), *[lambda: None] * 14)
    assert done.stderr.count("failed: large: the disk is full") == 1
    assert len(attempts) == 3
    assert sorted(open_directory("copies")) == ["images", "large", "plain"]


def test_follow_tries_no_run_again_that_cannot_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    stored_archive()
    attempts = []
    store_run = CatalogDestination._store

    def store(self: Any, documents: list[Any]) -> None:
        attempts.append(documents[0][1]["uid"])
        store_run(self, documents)

    monkeypatch.setattr(CatalogDestination, "_store", store)
    assert follow(monkeypatch, *[lambda: None] * 5).stderr.count("failed: counted: ") == 1
    assert attempts.count("counted") == 1


def followed(destination: str, monkeypatch: pytest.MonkeyPatch, *uids: str) -> set[str]:
    """The uids that a destination has, after runs were stored while it followed the source."""
    source = stored_source()
    later = [lambda: source.store_run({"x": [1]}, uid="later"), lambda: source.store_run({"x": [1]}, {PROBE: 1})]
    follow(monkeypatch, *later, options=uids, to=destination)
    return set(opened(destination))
