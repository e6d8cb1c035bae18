"""``databroker-writable deploy``: a file that works goes where databroker looks, and no other does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

from databroker_writable import open_directory
from support import new_process
from support.command_line import PASSWORD, fail, run, succeed, write_catalog

PATHS = ["{{ CATALOG_DIR }}/runs/*.msgpack"]
DRIVER = "writable-msgpack-catalog"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_processes: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    monkeypatch.delenv("SOME_DATA", raising=False)


def names_in_a_new_process(**environment: str) -> list[str]:
    code = "import databroker; print(*sorted(databroker.catalog))"
    return new_process.output_of(code, env={**os.environ, **environment}).split()


def files() -> list[str]:
    """What stands where databroker looks, and in an environment."""
    return sorted(str(path) for place in ("home", "active", "env") for path in Path(place).rglob("*") if path.is_file())


def test_a_catalog_is_deployed_for_oneself() -> None:
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    output = succeed("deploy", "mine.yml")
    assert output.splitlines()[0] == f"deployed as {Path('home/intake/mine.yml').resolve()}"
    assert files() == ["home/intake/mine.yml"]
    assert "mine" in names_in_a_new_process()
    store = "import databroker; databroker.catalog['mine'].store_run({'x': [1]})"
    new_process.output_of(store)
    assert len(list(Path("runs").glob("*.msgpack"))) == 1


def test_a_default_with_braces_which_nothing_replaces_is_refused() -> None:
    write_catalog("mine.yml", DRIVER, paths=["{{ where }}/*.msgpack"])
    content = yaml.safe_load(Path("mine.yml").read_text())
    content["sources"]["mine"]["parameters"] = {
        "where": {"type": "str", "description": "", "default": "{{ env(HOME) }}"}
    }
    Path("mine.yml").write_text(yaml.safe_dump(content))
    assert "not rendered; write env(HOME) without braces, at line" in fail("deploy", "mine.yml")
    assert files() == []


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    ("driver", "suffix", "arguments"),
    [
        (DRIVER, "msgpack", {}),
        ("writable-jsonl-catalog", "jsonl", {}),
        ("writable-catalog", "msgpack", {"catalog_driver": "bluesky-msgpack-catalog"}),
    ],
)
def test_a_directory_in_place_of_the_files_in_it_is_refused_with_the_pattern(
    driver: str, suffix: str, arguments: dict[str, object], is_there: bool
) -> None:
    if is_there:
        Path("runs").mkdir()
    paths = {"paths": ["{{ CATALOG_DIR }}/runs"]}
    write_catalog("mine.yml", driver, **({**arguments, "catalog_args": paths} if arguments else paths))
    pattern = Path(f"runs/*.{suffix}").absolute()
    assert f"names a directory; write {str(pattern)!r} for the run files in it" in fail("deploy", "mine.yml")
    assert f"write {str(pattern)!r}" in fail("ls", "mine.yml")
    assert files() == []


def test_the_command_that_removes_it_is_told() -> None:
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    (line,) = (line for line in succeed("deploy", "mine.yml").splitlines() if line.startswith("remove it with: "))
    assert os.system(line.removeprefix("remove it with: ")) == 0
    assert files() == []


def test_a_catalog_is_deployed_into_an_environment() -> None:
    Path("env").mkdir()
    write_catalog("all.yml", DRIVER, paths=PATHS)
    output = succeed("deploy", "all.yml", "--prefix", "env")
    assert files() == ["env/share/intake/all.yml"]
    assert "if the environment env is activated" in output
    assert "all" not in names_in_a_new_process()
    assert "all" in names_in_a_new_process(VIRTUAL_ENV=os.path.abspath("env"))


def test_an_environment_is_checked_with_its_own_python() -> None:
    python = Path("env/bin/python")
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 'ModuleNotFoundError: no databroker here' >&2; exit 1\n")
    python.chmod(0o755)
    write_catalog("all.yml", DRIVER, paths=PATHS)
    assert "no databroker here" in fail("deploy", "all.yml", "--prefix", "env")
    assert not Path("env/share").exists()


def test_deploying_the_same_again_changes_nothing() -> None:
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    succeed("deploy", "mine.yml")
    before = Path("home/intake/mine.yml").stat()
    assert "exists already with this content" in succeed("deploy", "mine.yml")
    after = Path("home/intake/mine.yml").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_file_is_replaced_only_if_that_is_asked_for() -> None:
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    succeed("deploy", "mine.yml")
    before = Path("home/intake/mine.yml").read_text()
    write_catalog("mine.yml", "writable-jsonl-catalog", paths=["{{ CATALOG_DIR }}/runs/*.jsonl"])
    assert "--replace" in fail("deploy", "mine.yml")
    assert Path("home/intake/mine.yml").read_text() == before
    succeed("deploy", "mine.yml", "--replace")
    assert "jsonl" in Path("home/intake/mine.yml").read_text()
    assert files() == ["home/intake/mine.yml"]


def test_other_sources_of_intake_are_deployed_beside_catalogs() -> None:
    """A table, and a file of more catalogs, as facilities have them in one file."""
    ours = {"driver": DRIVER, "args": {"paths": PATHS}}
    table = {"driver": "csv", "args": {"urlpath": "{{ CATALOG_DIR }}/table.csv"}}
    more = {"driver": "yaml_file_cat", "args": {"path": "{{ CATALOG_DIR }}/more.yml"}}
    Path("more.yml").write_text(yaml.safe_dump({"sources": {"inner": ours}}))
    Path("mine.yml").write_text(yaml.safe_dump({"sources": {"ours": ours, "table": table, "more": more}}))
    succeed("deploy", "mine.yml")
    assert names_in_a_new_process() == ["more", "ours", "table"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: {a: [", "is not valid YAML"),
        ("sources: {}", "has no catalogs"),
        ("- a", "has no catalogs"),
        ("sources: {a: {args: {}}}", "'a' of bad.yml names no driver"),
        ("sources: {a: {driver: }}", "'a' of bad.yml names no driver"),
        ("sources: {a: {driver: 5}}", "'a' of bad.yml names no driver"),
        ("sources: {a: {driver: no-such-driver}}", "a: no driver is registered as 'no-such-driver'; use one of "),
        ("sources: {a: {driver: no.such.module.Driver}}", "a: no driver is registered as 'no.such.module.Driver'"),
        (
            "sources: {a: {driver: writable-msgpak-catalog}}",
            "a: no driver is registered as 'writable-msgpak-catalog'; did you mean 'writable-msgpack-catalog'?",
        ),
        (
            "sources: {a: {driver: writable-msgpack-catalog, args: {path: [/a/*.msgpack]}}}",
            "a: writable-msgpack-catalog has no argument 'path'; did you mean 'paths'?",
        ),
        ("sources: {a: {driver: writable-msgpack-catalog}}", "a: writable-msgpack-catalog needs 'paths' among its"),
        (
            "sources: {a: {driver: writable-msgpack-catalog, args: {paths: [runs/*.msgpack]}}}",
            "paths of the catalog 'a' has the relative path 'runs/*.msgpack'",
        ),
        (
            "sources: {a: {driver: writable-catalog, args: {catalog_driver: bluesky-msgpack-catalog, "
            "asset_root: files, catalog_args: {paths: [/a/*.msgpack]}}}}",
            "write '{{ CATALOG_DIR }}/files'",
        ),
        (
            "sources: {2026: {driver: writable-msgpack-catalog}}",
            "the name 2026 of an entry of bad.yml is not text; write it as '2026', in quotes",
        ),
        (
            "sources: {a: {driver: writable-msgpack-catalog, args: {paths: [/a/*.msgpack], root_map: [/a]}}}",
            "a: root_map must be a dict from directories that runs name to those that are here, not ['/a']",
        ),
        (
            "sources: {a: {driver: writable-msgpack-catalog, args: {paths: [/a/*.msgpack], "
            "handler_registry: {AD_TIFF: no.such.Handler}}}}",
            "a: handler_registry names 'no.such.Handler' for 'AD_TIFF', which cannot be imported (No module",
        ),
        ("sources: {a: {driver: databroker.NoSuch}}", "it would make import databroker fail"),
        ("sources: {a: {driver: writable-msgpack-catalog, args: [1]}}", "it would make import databroker fail"),
        (
            "sources: {a: {driver: writable-msgpack-catalog, args: {nonsense: 1}}}",
            "a: writable-msgpack-catalog has no argument 'nonsense'; it has ",
        ),
        (
            "sources: {a: {driver: writable-msgpack-catalog, args: {paths: ['{{ env(SOME_DATA) }}/*.msgpack']}}}",
            "SOME_DATA",
        ),
        (
            "sources: {a: {driver: writable-catalog, args: {catalog_driver: no.such.Driver}}}",
            "no.such.Driver",
        ),
        (
            f"sources: {{a: {{driver: writable-mongo-embedded-catalog, args: {{datastore_db: "
            f"'mongodb://u:{PASSWORD}@127.0.0.1:1/db?serverSelectionTimeoutMS=100'}}}}}}",
            "a catalog cannot be opened: a: ",
        ),
    ],
)
def test_what_would_not_work_is_refused(text: str, message: str) -> None:
    Path("bad.yml").write_text(text)
    error = fail("deploy", "bad.yml")
    assert message in error
    assert PASSWORD not in error
    assert error.count("\n") == 1
    assert files() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{driver: d} # \xe9", "bad.yml is not text in UTF-8, at byte 28; save it in this encoding"),
        (b"{driver: d, args: {day: 2024-13-45}}", "bad.yml is not valid YAML: month must be in 1..12; correct it"),
        (b"{driver: d}\n  a: {driver: d}", "bad.yml is not valid YAML: duplicate key found on line 3, column 3"),
        (
            b"&a {driver: d}\n  b: {<<: *a}",
            "bad.yml has '<<' at line 3, with which intake reads no YAML; write out what",
        ),
        (
            b"{driver: d, args: {paths: [/a,\n  '{{ env(HOME) /*.msgpack']}}",
            "the template '{{ env(HOME) /*.msgpack' is wrong (unexpected '*') at line 3 of bad.yml; correct it",
        ),
        (b"{driver: d, metadata: {a: '{% if b %}c'}}", "is wrong (Unexpected end of template"),
        (
            b"{driver: d, args: {paths: '{{ getenv(HOME) }}/*.msgpack'}}",
            "'{{ getenv(HOME) }}/*.msgpack' is wrong ('getenv' is not a function of intake, which has env, client_env, "
            "shell, client_shell) at line 2 of bad.yml; correct it",
        ),
        (
            b"{driver: d, args: {paths: '{{ catalog_dir }}/*.msgpack'}}",
            "(nothing has the name 'catalog_dir', so it would be empty; write CATALOG_DIR) at line 2 of bad.yml",
        ),
        (b"{driver: d, args: {a: {b: '{{ c | nosuch }}'}}}", "is wrong (No filter named 'nosuch'.) at line 2 of bad"),
    ],
)
def test_what_is_no_yaml_is_refused_by_each_command(text: bytes, message: str) -> None:
    Path("bad.yml").write_bytes(b"sources:\n  a: " + text)
    for command in (["deploy", "bad.yml"], ["ls", "bad.yml"], ["check", "bad.yml"]):
        assert message in fail(*command)
    assert files() == []


def test_a_template_that_is_wrong_is_named_by_its_catalog() -> None:
    place = Path("home/intake")
    place.mkdir(parents=True)
    address = f"mongodb://u:{PASSWORD}@host/{{{{ env(X)"
    write_catalog("home/intake/named.yml", "writable-mongo-embedded-catalog", datastore_db=address)
    done = new_process.run_python("from databroker_writable.cli import main; main(['ls', 'named'])")
    assert done.returncode == 1
    assert "in the catalog 'named'; correct it in its YAML file" in done.stderr
    assert PASSWORD not in done.stderr


def test_a_description_is_no_template() -> None:
    write_catalog("good.yml", DRIVER, paths=PATHS)
    text = Path("good.yml").read_text()
    Path("good.yml").write_text(text.replace("driver:", "description: 'has {{'\n    driver:"))
    assert "no runs" in succeed("ls", "good.yml")


def test_an_entry_that_intake_refuses_is_said_in_short() -> None:
    Path("bad.yml").write_text(f"sources:\n  a: {{driver: {DRIVER}, args: 'mongodb://u:{PASSWORD}@host'}}")
    error = fail("ls", "bad.yml")
    assert "bad.yml is not a file of catalogs: args: value 'mongodb://u" in error
    assert "is not expected type 'dict'; correct it\n" in error
    assert PASSWORD not in error


def test_a_file_that_is_there_and_no_text_is_no_catalog_of_this_name() -> None:
    for place in ("home/intake", "active/share/intake"):
        Path(place).mkdir(parents=True)
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    Path("home/intake/mine.yml").write_bytes(b"\xe9")
    Path("active/share/intake/other.yml").write_bytes(b"\xe9")
    assert "mine.yml exists already with other content; --replace replaces it" in fail("deploy", "mine.yml")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc")
def test_a_place_where_nothing_can_be_written_is_named() -> None:
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    error = fail("deploy", "mine.yml", "--prefix", "/proc")
    assert "/proc/share/intake/mine.yml cannot be written (" in error
    assert "or choose another place with --prefix" in error


@pytest.mark.parametrize("place", ["home/intake", "active/share/intake"])
def test_a_name_that_another_file_has_is_refused(place: str) -> None:
    # databroker cannot be imported where two files define a catalog of one name
    Path(place).mkdir(parents=True)
    Path(place, "first.yml").write_text(
        yaml.safe_dump({"sources": {"mine": {"driver": DRIVER, "args": {"paths": []}}}})
    )
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    assert "'mine' is already defined in" in fail("deploy", "mine.yml")
    assert files() == [f"{place}/first.yml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yml"], "there is no file"),
        (["mine.txt"], "neither .yml nor .yaml"),
        (["mine.yml", "--prefix", "nowhere"], "there is no directory"),
    ],
)
def test_words_that_name_nothing_are_errors(arguments: list[str], message: str) -> None:
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    Path("mine.txt").write_text(Path("mine.yml").read_text())
    assert message in fail("deploy", *arguments)


def test_a_directory_that_does_not_fit_into_yaml_is_named() -> None:
    Path("it's here").mkdir()
    write_catalog("it's here/mine.yml", DRIVER, paths=PATHS)
    assert "{{ CATALOG_DIR }}" in fail("deploy", "it's here/mine.yml")


def test_a_password_in_the_file_is_warned_of_and_not_shown(tmp_path: Path) -> None:
    paths = [f"{tmp_path}/runs/*.msgpack"]
    write_catalog("mine.yml", DRIVER, paths=paths, metadata={"note": f"mongodb://u:{PASSWORD}@host/db"})
    result = run("deploy", "mine.yml")
    assert result.exit_code == 0, result.output
    assert "the file contains a password" in result.stderr
    assert PASSWORD not in result.output


def test_no_permission_is_told() -> None:
    if os.geteuid() == 0 or sys.platform == "win32":
        pytest.skip("everything is permitted to this user")
    Path("env").mkdir(mode=0o555)
    write_catalog("mine.yml", DRIVER, paths=PATHS)
    assert "Permission" in fail("deploy", "mine.yml", "--prefix", "env")


def test_a_server_that_is_away_is_named_by_host_and_port() -> None:
    uri = "mongodb://someone:secret@127.0.0.1:1/runs?serverSelectionTimeoutMS=200"
    write_catalog("mine.yml", "writable-mongo-embedded-catalog", datastore_db=uri)
    message = fail("deploy", "mine.yml")
    assert "mine: no MongoDB server answers (127.0.0.1:1: " in message
    assert "opology" not in message
    assert "secret" not in message
    assert "mine.yml" not in str(files())
    assert "no MongoDB server answers (127.0.0.1:1: " in fail("ls", "mine.yml")


@pytest.mark.parametrize("variable", ["$HOME", "${HOME}"])
def test_a_variable_of_the_shell_is_told_how_yaml_writes_it(variable: str) -> None:
    write_catalog("mine.yml", DRIVER, paths=[f"{variable}/d/*.msgpack"])
    message = fail("deploy", "mine.yml")
    assert "write '{{ env(HOME) }}/d/*.msgpack'" in message
    assert "CATALOG_DIR" not in message


def test_a_directory_is_told_the_yaml_that_deploys_it() -> None:
    open_directory("runs").store_run({"x": [1]})
    message = fail("deploy", "runs")
    assert "'runs' is a directory, and a YAML file is deployed" in message
    Path("mine.yml").write_text(message.partition("this text: ")[2])
    succeed("deploy", "mine.yml")
    assert "runs" in names_in_a_new_process()


def test_a_table_is_not_to_be_renamed() -> None:
    Path("cu.csv").write_text("x\n1\n")
    assert "give a YAML file of catalogs, and rename this one only if it is one" in fail("deploy", "cu.csv")
