"""``databroker-writable check``: leftovers, their removal, and damage."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import h5py
import intake
import mongomock
import msgpack
import msgpack_numpy
import numpy
import pytest
import yaml

from databroker_writable import open_directory, to_dataset
from databroker_writable.drivers import WritableMongoNormalizedCatalog
from databroker_writable.storage.file_backend import MsgpackBackend
from databroker_writable.upkeep import clean, examine
from databroker_writable.upkeep.deleting import deletion_of
from support import children, example_runs, servers, sites
from support.command_line import run, write_catalog

OLD = 3 * 86400
IMAGES = numpy.arange(2 * 50 * 40, dtype=numpy.uint16).reshape(2, 50, 40)


pytestmark = pytest.mark.usefixtures("elsewhere")


def check(*arguments: str, status: int) -> str:
    result = run("check", *arguments)
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stdout


def findings(*arguments: str, status: int) -> list[dict[str, Any]]:
    return json.loads(check(*arguments, "--json", status=status))["findings"]


def kinds(*arguments: str, status: int) -> list[str]:
    return sorted(finding["kind"] for finding in findings(*arguments, status=status))


def make_old(path: Path, age: float = OLD) -> Path:
    os.utime(path, (time.time() - age,) * 2)
    return path


def left_partial(path: str, age: float = OLD) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(b"begun")
    return make_old(Path(path), age)


def store_with_assets(directory: str, **arguments: Any) -> Path:
    """Store a run with one asset, and give the path of that file."""
    known = set(Path(directory).rglob("*.h5"))
    open_directory(directory).store_run({"x": [1, 2], "img": IMAGES}, asset_threshold=0, **arguments)
    (path,) = set(Path(directory).rglob("*.h5")) - known
    return path


# what is well


def test_a_catalog_without_faults_is_told_so() -> None:
    store_with_assets("results")
    assert re.fullmatch(r"results: 1 run, 1 asset \(\S+ kB read\); nothing to report\n", check("results", status=0))


def test_a_run_that_was_paused_and_resumed_is_well() -> None:
    catalog = open_directory("results")
    for name, doc in example_runs.resumed_documents():
        catalog.v1.insert(name, doc)
    assert findings("results", status=0) == []


def test_json_says_what_was_looked_at() -> None:
    path = store_with_assets("results")
    looked_at = json.loads(check("results", "--json", status=0))["looked_at"]
    assert looked_at == {"runs": 1, "assets": 1, "bytes": path.stat().st_size, "unknown_resources": 0}


@pytest.mark.parametrize("writable", [False, True])
def test_directories_that_are_not_there_are_named(writable: bool) -> None:
    paths = [str(Path(name, "*.msgpack").absolute()) for name in ("mounted", "elsewhere")]
    arguments = {"paths": paths, "writable": writable}
    source = {"driver": "writable-msgpack-catalog", "args": arguments}
    Path("site.yml").write_text(yaml.dump({"sources": {"raw": source}}))
    assert [finding["place"] for finding in findings("site.yml", status=1)] == [os.path.dirname(path) for path in paths]
    said = check("site.yml", status=1)
    assert said.count("there is no such directory; mount its file system, or correct the path of the catalog") == 2
    assert said.count("; the first store makes it") == 2 * writable
    Path("elsewhere").mkdir()
    assert findings("site.yml", status=0) == []


def test_checking_creates_no_directory() -> None:
    assert "neither a directory nor a catalog" in run("check", "nowhere").stderr
    assert not os.path.exists("nowhere")


@pytest.mark.parametrize("arguments", [["results", "--grace", "soon"], ["results", "--nonsense"], []])
def test_wrong_usage_has_exit_status_2(arguments: list[str]) -> None:
    check(*arguments, status=2)


def test_checking_changes_nothing() -> None:
    orphan = make_old(store_with_assets("results"))
    next(Path("results").glob("*.msgpack")).unlink()
    left_partial("results/.run.msgpack.0123abcd.part")
    before = sites.tree(Path("results"))
    check("results", status=1)
    assert sites.tree(Path("results")) == before
    assert orphan.exists()


# leftovers


def test_old_partial_files_are_listed_and_removed() -> None:
    path = store_with_assets("results")
    partial = [
        left_partial("results/.run.msgpack.0123abcd.part"),
        left_partial(str(path.with_name(f".{path.name}.{'0' * 8}.part"))),
    ]
    assert kinds("results", status=1) == ["partial-asset", "partial-run-file"]
    assert all(file.exists() for file in partial)
    assert check("results", "--clean", status=0).count("removed: ") == 2
    assert not any(file.exists() for file in partial)
    assert kinds("results", status=0) == []


@pytest.mark.parametrize("content", [b"", b"no HDF5"], ids=["HDF5", "damaged"])
def test_a_file_of_others_among_the_assets_is_kept_and_not_said_to_be_removed_by_clean(content: bytes) -> None:
    store_with_assets("results")
    path = Path("results/assets/2020/01/mine.h5").resolve()
    path.parent.mkdir(parents=True)
    if content:
        path.write_bytes(content)
    else:
        h5py.File(path, "w").close()
    make_old(path)
    for options in ([], ["--clean", "--unshared"]):
        said = check("results", *options, status=1)
        assert f"problem: {path}: file that no run of this catalog refers to, which another program wrote" in said
        assert "--clean keeps it; move it away" in said
        assert "--clean removes it" not in said
    assert path.exists()


def test_nothing_is_removed_from_a_catalog_that_is_opened_read_only() -> None:
    store_with_assets("results")
    partial = left_partial("results/.run.msgpack.0123abcd.part")
    write_catalog("raw.yml", "writable-msgpack-catalog", paths=["{{ CATALOG_DIR }}/results/*.msgpack"], writable=False)
    assert "--clean removes it" in check("raw.yml", status=1)
    for option, wish in (("--clean", "remove leftovers"), ("--recover", "recover runs")):
        assert f"writable: false; open it without that to {wish}" in run("check", "raw.yml", option).stderr
    assert partial.exists()


def test_young_leftovers_may_be_in_the_making() -> None:
    partial = left_partial("results/.run.msgpack.0123abcd.part", age=3600)
    said = check("results", "--clean", status=0)
    assert "a process may still be writing it, so --clean keeps it for the grace period of 1 day; --grace" in said
    assert partial.exists()
    assert "removed: " in check("results", "--clean", "--grace", "30m", status=0)
    assert not partial.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--unshared"], "--unshared is for removing leftovers; give --clean, too"),
        (["--write-test", "--grace", "5"], "--grace and --unshared are for leftovers"),
        (["--recover", "--unshared"], "--grace and --unshared are for leftovers"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options: list[str], message: str) -> None:
    open_directory("results").store_run({"x": [1]})
    result = run("check", "results", *options)
    assert (result.exit_code, message in result.stderr) == (2, True)


def test_what_cannot_be_recovered_needs_attention() -> None:
    open_directory("results").store_run({"x": [1]}, uid="run-1")
    partial = {}
    for uid in ("whole", "bad"):
        documents = children.documents_of(uid, 1)[:-1]
        if uid == "bad":
            documents[-1][1]["descriptor"] = "other"
        partial[uid] = Path(f"results/.{uid}.msgpack.0123abcd.part")
        packed = (msgpack.packb(document, default=msgpack_numpy.encode) for document in documents)
        partial[uid].write_bytes(b"".join(packed))
    result = run("check", "results", "--recover")
    assert result.exit_code == 1
    assert result.stdout.endswith("results: 1 run recovered\n")
    assert re.search(
        r"/\.bad\.msgpack\.0123abcd\.part is not recovered, and stays as it is: its documents do not make a run "
        r"\(KeyError: 'other'\)\n",
        result.stderr,
    )
    assert (partial["bad"].exists(), partial["whole"].exists()) == (True, False)
    partial["bad"].unlink()
    assert run("check", "results", "--recover").exit_code == 0


def test_a_deletion_that_was_cut_off_is_finished_by_delete_alone() -> None:
    catalog = open_directory("results")
    catalog.store_run({"x": [1]}, uid="run-1")
    deletion_of(catalog, "run-1").hide()
    for options in ([], ["--clean"], ["--grace", "0"], ["--clean", "--grace", "0"]):
        said = check("results", *options, status=int("0" in options))
        assert "databroker-writable delete CATALOG run-1 finishes it\n" in said
        assert "--clean" not in said
    assert run("delete", "results", "run-1", "--yes").exit_code == 0
    assert kinds("results", status=0) == []


def test_a_grace_period_of_0_removes_what_was_left_just_now() -> None:
    partial = left_partial("results/.run.msgpack.0123abcd.part", age=0)
    assert "--recover" in check("results", status=0)
    said = check("results", "--clean", "--grace", "0", status=0)
    assert "removed: " in said
    assert "--recover" not in said
    assert not partial.exists()


def test_files_of_arrays_without_a_run_are_removed_and_those_with_one_are_kept() -> None:
    orphan = make_old(store_with_assets("results"))
    next(Path("results").glob("*.msgpack")).unlink()
    kept = make_old(store_with_assets("results", uid="kept"))
    assert [(f["kind"], f["place"]) for f in findings("results", status=1)] == [("orphan-asset", str(orphan.resolve()))]
    check("results", "--clean", status=0)
    assert not orphan.exists()
    assert kept.exists()
    numpy.testing.assert_array_equal(to_dataset(open_directory("results")["kept"])["img"], IMAGES)


def test_files_of_other_programs_under_the_asset_root_are_not_removed() -> None:
    own = store_with_assets("results")
    other = left_partial(str(own.with_name("other.h5")))
    check("results", "--clean", "--grace", "0", status=1)
    assert other.read_bytes() == b"begun"


def test_assets_of_a_neighbouring_catalog_are_kept() -> None:
    path = make_old(store_with_assets("results", uid="first"))
    Path("others.yml").write_text(
        "sources: {others: {driver: writable-jsonl-catalog, args: {paths: ['{{ CATALOG_DIR }}/results/*.jsonl']}}}"
    )
    assert kinds("others.yml", "--clean", "--grace", "0", status=0) == []
    assert path.exists()


def test_an_asset_root_set_by_hand_is_cleaned_only_when_it_is_not_shared(tmp_path: Path) -> None:
    for name in ("one", "other"):
        arguments = {"paths": [f"{tmp_path}/{name}/*.msgpack"], "asset_root": f"{tmp_path}/arrays"}
        source = {"driver": "writable-msgpack-catalog", "args": arguments}
        Path(f"{name}.yml").write_text(yaml.safe_dump({"sources": {name: source}}))
        open_directory(name, asset_root=f"{tmp_path}/arrays").store_run({"img": IMAGES}, asset_threshold=0)
    (others,) = (found["place"] for found in findings("one.yml", "--clean", "--grace", "0", status=1))
    assert os.path.exists(others)
    assert "--unshared" in check("one.yml", "--grace", "0", status=1)
    check("one.yml", "--clean", "--grace", "0", "--unshared", status=0)
    assert not os.path.exists(others)
    assert len(list(Path("arrays").rglob("*.h5"))) == 1


def test_files_of_runs_that_were_moved_without_a_map_are_kept(tmp_path: Path) -> None:
    open_directory("results", asset_root=f"{tmp_path}/before").store_run({"img": IMAGES}, asset_threshold=0)
    os.rename("before", "after")
    (path,) = Path("after").rglob("*.h5")
    arguments = {"paths": [f"{tmp_path}/results/*.msgpack"], "asset_root": f"{tmp_path}/after"}
    source = {"driver": "writable-msgpack-catalog", "args": arguments}
    Path("after.yml").write_text(yaml.safe_dump({"sources": {"after": source}}))
    assert kinds("after.yml", "--clean", "--grace", "0", "--unshared", status=1) == ["missing-asset"]
    assert path.exists()


@pytest.mark.parametrize("kind", [*sites.FILE_SITES, *sites.WRAPPED_SITES])
def test_assets_of_runs_are_kept_whatever_the_driver(kind: str, tmp_path: Path) -> None:
    with sites.site(kind, tmp_path, lambda: None) as site:  # type: ignore[arg-type, return-value]
        place = site.with_assets(tmp_path)
        run = site.open(**place).store_run({"img": IMAGES}, asset_threshold=0)
        write_catalog("catalog.yml", str(site.driver), **site.args, **place)
    report = json.loads(check("catalog.yml", "--clean", "--grace", "0", "--unshared", "--json", status=0))
    assert (report["looked_at"]["runs"], report["looked_at"]["assets"], report["findings"]) == (1, 1, [])
    assert to_dataset(run)["img"].values.tolist() == IMAGES.tolist()


def test_files_of_a_directory_that_was_moved_are_kept_when_another_takes_its_place() -> None:
    store_with_assets("results")
    os.rename("results", "archive")
    store_with_assets("results")
    (path,) = Path("archive").rglob("*.h5")
    assert kinds("archive", "--clean", "--grace", "0", status=0) == []
    assert path.exists()


def test_no_assets_are_removed_while_a_run_file_cannot_be_read() -> None:
    asset = make_old(store_with_assets("results"))
    run_file = next(Path("results").glob("*.msgpack"))
    run_file.write_bytes(run_file.read_bytes()[:200])
    text = check("results", "--clean", "--grace", "0", status=1)
    assert asset.exists()
    assert f"note: {asset.resolve()}" in text


# damage


def test_a_missing_file_of_arrays_is_a_finding() -> None:
    path = store_with_assets("results", uid="the-run")
    path.unlink()
    text = check("results", status=1)
    assert f"problem: {path.resolve()}: run the-run cannot be read completely" in text
    assert "root_map" in text


def test_a_flipped_byte_in_a_file_of_arrays_is_a_finding() -> None:
    path = store_with_assets("results")
    content = bytearray(path.read_bytes())
    place = content.find(IMAGES[1, 10].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert kinds("results", status=1) == ["damaged-asset"]


def test_a_file_of_arrays_that_is_cut_off_is_a_finding() -> None:
    path = store_with_assets("results")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert kinds("results", status=1) == ["damaged-asset"]


@pytest.mark.parametrize("suffix", ["msgpack", "jsonl"])
@pytest.mark.parametrize("content", ["cut off", "empty", "foreign", "without stop"])
def test_damaged_and_foreign_run_files_are_named_and_not_touched(suffix: str, content: str) -> None:
    arguments = {"paths": [f"{{{{ CATALOG_DIR }}}}/c/*.{suffix}"]}
    source = {"driver": f"writable-{suffix}-catalog", "args": arguments}
    Path("c.yml").write_text(yaml.safe_dump({"sources": {"c": source}}))
    catalog = intake.open_catalog("c.yml")["c"]
    catalog.store_run({"x": list(range(20))}, uid="good")
    whole = Path(f"c/good.{suffix}").read_bytes()
    bad = Path(f"c/bad.{suffix}")
    lines = whole.split(b"\n")
    bad.write_bytes(
        {
            "cut off": whole[: len(whole) // 2],
            "empty": b"",
            "foreign": b"q I\n0.1 5\n",
            "without stop": b"\n".join(lines[:-2]) + b"\n"
            if suffix == "jsonl"
            else whole[: whole.rindex(b"\x92\xa4stop")],
        }[content]
    )
    before = bad.read_bytes()
    assert [(f["kind"], Path(f["place"]).name) for f in findings("c.yml", "--clean", "--grace", "0", status=1)] == [
        ("bad-run-file", f"bad.{suffix}")
    ]
    assert bad.read_bytes() == before


# MongoDB


@pytest.fixture(params=[f"{layout}[{where}]" for layout in sites.MONGO_SITES for where in ("mongomock", "server")])
def mongo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sites.Site]:
    """Each layout in MongoDB, on a stand-in and on a server."""
    with sites.site(request.param, tmp_path, lambda: request.getfixturevalue("mongo_server")) as made:
        yield made


def examined(site: sites.Site) -> Any:
    return examine(site.open())


def cleaned(site: sites.Site, grace: float, **options: Any) -> list[str]:
    """The kinds of what a cleaning removes."""
    report = examined(site)
    clean(report.findings, grace, **options)
    return sorted(finding.category for finding in report.findings if finding.removed)


def orphan_documents(site: sites.Site, age: float) -> None:
    """What a writer leaves that was killed before its run was published."""
    made = int(time.time() - age).to_bytes(4, "big")
    database = site.database
    if site.kind == "mongo-normalized":
        ids = (bson.ObjectId(made + number.to_bytes(8, "big")) for number in range(10))
        database.event_descriptor.insert_one({"_id": next(ids), "uid": "d", "run_start": "gone"})
        database.run_stop.insert_one({"_id": next(ids), "uid": "s", "run_start": "gone"})
        database.resource.insert_one({"_id": next(ids), "uid": "r", "run_start": "gone", "spec": "X"})
        database.event.insert_one({"_id": next(ids), "uid": "e1", "descriptor": "d"})
        database.datum.insert_one({"_id": next(ids), "datum_id": "r/0", "resource": "r"})
        database.event.insert_one({"_id": next(ids), "uid": "e2", "descriptor": "unknown"})
        database.datum.insert_one({"_id": next(ids), "datum_id": "u/0", "resource": "unknown"})
    else:
        database.event.insert_one({"_id": "d/0", "descriptor": "d", "seq_num": [1], "time": [1.0]})
        database.datum.insert_one({"_id": "r/0", "resource": "r", "datum_id": ["r/0"]})


EXPECTED = {
    "mongo-normalized": ["datums-without-resource", "documents-without-start", "events-without-descriptor"],
    "mongo-embedded": ["datums-without-header", "events-without-header"],
}


def test_documents_without_a_start_are_found_and_removed(mongo: sites.Site) -> None:
    uid = mongo.open().store_run({"x": [1, 2, 3]}).metadata["start"]["uid"]
    before = mongo.snapshot()
    orphan_documents(mongo, OLD)
    assert sorted(finding.category for finding in examined(mongo).findings) == EXPECTED[mongo.kind]
    assert cleaned(mongo, 0) == EXPECTED[mongo.kind]
    assert mongo.snapshot() == before
    assert mongo.open()[uid].primary.read().x.values.tolist() == [1, 2, 3]


def test_documents_younger_than_the_grace_period_stay(mongo: sites.Site) -> None:
    orphan_documents(mongo, age=3600)
    before = mongo.snapshot()
    assert cleaned(mongo, 86400) == []
    assert mongo.snapshot() == before


def test_documents_of_the_normalized_layout_tell_their_age(mongo: sites.Site) -> None:
    if mongo.kind != "mongo-normalized":
        pytest.skip("pages of the embedded layout have no age")
    orphan_documents(mongo, OLD)
    assert cleaned(mongo, 2 * 86400) == EXPECTED[mongo.kind]


def test_pages_of_unknown_age_need_a_grace_period_of_0(mongo: sites.Site) -> None:
    if mongo.kind != "mongo-embedded":
        pytest.skip("documents of the normalized layout have an age")
    orphan_documents(mongo, OLD)
    report = examined(mongo)
    assert report.needs_attention(86400)
    assert cleaned(mongo, 1) == []


def test_a_run_that_is_being_written_outlives_a_cleaning(mongo: sites.Site) -> None:
    with mongo.open().run_builder(uid="live") as builder:
        builder.add_stream("primary", data={"x": [1, 2]})
        assert cleaned(mongo, 60) == []
        builder.add_data("primary", data={"x": [3]})
    assert mongo.open()["live"].primary.read().x.values.tolist() == [1, 2, 3]


def test_the_run_published_between_the_look_and_the_cleaning_is_kept(mongo: sites.Site) -> None:
    with mongo.open().run_builder(uid="live") as builder:
        builder.add_stream("primary", data={"x": [1, 2]})
        report = examined(mongo)
    assert report.findings
    clean(report.findings, 0)
    assert not any(finding.removed for finding in report.findings)
    assert mongo.open()["live"].primary.read().x.values.tolist() == [1, 2]


def test_resources_without_a_run_are_no_leftovers(mongo: sites.Site) -> None:
    if mongo.kind != "mongo-normalized":
        pytest.skip("the embedded layout keeps resources in headers")
    mongo.database.resource.insert_one({"uid": "old", "spec": "X"})
    mongo.database.datum.insert_one({"datum_id": "old/0", "resource": "old"})
    assert cleaned(mongo, 0) == []


def test_an_asset_registry_of_its_own_may_be_shared(tmp_path: Path) -> None:
    client = mongomock.MongoClient()
    client["assets"].resource.insert_one({"uid": "r", "run_start": "in another metadatastore", "spec": "X"})
    catalog = WritableMongoNormalizedCatalog(client["runs"], client["assets"])
    report = examine(catalog)
    clean(report.findings, 0)
    assert client["assets"].resource.count_documents({}) == 1
    clean(report.findings, 0, unshared=True)
    assert client["assets"].resource.count_documents({}) == 0


def test_check_over_a_server_hides_the_password(mongo_server: servers.MongoServer, monkeypatch: Any) -> None:
    with mongo_server.database() as database:
        monkeypatch.setenv("RUNS_URI", mongo_server.database_uri(database))
        Path("m.yml").write_text(
            "sources: {m: {driver: writable-mongo-normalized-catalog, "
            "args: {metadatastore_db: '{{ env(RUNS_URI) }}', asset_registry_db: '{{ env(RUNS_URI) }}'}}}"
        )
        mongo_server.client[database].run_stop.insert_one({"uid": "s", "run_start": "gone"})
        assert kinds("m.yml", status=0) == ["documents-without-start"]
        check("m.yml", "--clean", "--grace", "0", status=0)
        assert kinds("m.yml", status=0) == []
    monkeypatch.setenv("RUNS_URI", "mongodb://u:geheim-9f2c@127.0.0.1:1/db?serverSelectionTimeoutMS=100")
    result = run("check", "m.yml")
    assert result.exit_code == 1
    assert "geheim-9f2c" not in result.output
    assert result.stderr.count("\n") == 1


# what is in the place of a run file


def test_what_is_no_file_that_can_be_read_is_listed(tmp_path: Path) -> None:
    open_directory("results").store_run({"x": [1]}, uid="good")
    store_with_assets("results", uid="kept")
    Path("results/dangling.msgpack").symlink_to(tmp_path / "unmounted" / "run.msgpack")
    Path("results/directory.msgpack").mkdir()
    Path("results/empty.msgpack").touch()
    os.mkfifo("results/pipe.msgpack")
    told = {Path(finding["place"]).stem: finding["message"] for finding in findings("results", status=1)}
    assert set(told) == {"dangling", "directory", "empty", "pipe"}
    assert "unmounted" in told["dangling"]
    assert "not a regular file" in told["directory"]
    assert "not a regular file" in told["pipe"]
    assert [name for name, message in told.items() if "remove" in message] == ["empty"]


def test_a_run_file_of_another_user_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = open_directory("results")
    catalog.store_run({"x": [1]}, uid="theirs")

    def refuse(path: str) -> Iterator[Any]:
        raise PermissionError(13, "Permission denied", path)
        yield

    monkeypatch.setattr(MsgpackBackend, "read_file", staticmethod(refuse))
    (finding,) = findings("results", status=1)
    assert "ask its owner" in finding["message"]
    assert "damaged" not in finding["message"]
    assert "remove" not in finding["message"]
