"""What the commands answer to calls that are nearly right."""

from __future__ import annotations

import datetime
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from databroker_writable import open_directory
from databroker_writable.cli import main
from databroker_writable.cli.failing import message_of
from databroker_writable.cli.other_names import COMMANDS
from databroker_writable.errors import StoreError
from support.command_line import fail, run, succeed

ELSEWHERE = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = open_directory("results")
    catalog.store_run({"x": [1, 2]}, {"sample": "Cu"}, uid="one-1")
    catalog.store_run({"x": [1, 2]}, {"sample": "Cu", "scan_id": 17}, uid="two-2")
    Path("table.csv").write_text("x\n1\n")


def newest() -> dict[str, Any]:
    return dict(open_directory("results")[-1].metadata["start"])


@pytest.mark.parametrize(("given", "uid"), [("-1", "two-2"), ("-2", "one-1"), ("one", "one-1"), ("17", "two-2")])
def test_inputs_are_named_as_in_other_commands(given: str, uid: str) -> None:
    options = ["--derived-from", f"data={given}", "--derived-from", given, "--supersedes", given]
    assert succeed("store", "table.csv", "--to", "results", *options)
    start = newest()
    assert [source["uid"] for source in start["derived_from"]] == [uid, uid]
    assert start["supersedes"] == [uid]


@pytest.mark.parametrize("option", ["--derived-from", "--supersedes"])
@pytest.mark.parametrize("given", ["-5", "nothing", "404"])
def test_an_input_that_does_not_exist_is_refused_as_in_other_commands(option: str, given: str) -> None:
    words = fail("show", "results", given).removeprefix("Error: ")
    assert (
        fail("store", "table.csv", "--to", "results", option, given)
        == f"Error: {option} names the run {given!r}: {words}"
    )
    assert len(open_directory("results")) == 2


@pytest.mark.parametrize("option", ["--derived-from", "--supersedes"])
def test_a_whole_uid_of_another_catalog_is_recorded_with_a_warning(option: str) -> None:
    result = run("store", "table.csv", "--to", "results", option, ELSEWHERE)
    assert (result.exit_code, f"{option} names the run {ELSEWHERE!r}" in result.stderr) == (0, True)


@pytest.mark.parametrize(("given", "uid"), [("-1", "scan-2"), ("scan-1", "scan-1"), ("scan-", None), ("21", "scan-1")])
def test_inputs_of_another_catalog_are_named_with_it(given: str, uid: str | None) -> None:
    raw = open_directory("raw")
    for scan_id, scan in enumerate(["scan-1", "scan-2"], 21):
        raw.store_run({"x": [1]}, {"scan_id": scan_id}, uid=scan)
    command = ["store", "table.csv", "--to", "results", "--derived-from", f"data=raw:{given}"]
    if uid is None:
        assert "--derived-from names the run 'raw:scan-': raw: " in fail(*command)
        return
    succeed(*command)
    source = newest()["derived_from"][0]
    assert (source["uid"], source["role"]) == (uid, "data")
    assert source["catalog"] == raw.name
    assert newest()["uid"][:6] in succeed("ls", "results", "--derived-from", f"raw:{given}")
    assert "no runs" in succeed("ls", "results", "--derived-from", f"raw:scan-{3 - int(uid[-1])}")


@pytest.mark.parametrize("command", [["store", "table.csv", "--to", "results"], ["ls", "results"]])
@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("nowhere:-1", "'nowhere' is neither a directory nor a catalog of databroker"),
        ("results:nothing", "there is no run 'nothing' in results"),
        ("results:", "there is no run '' in results"),
    ],
)
def test_an_input_of_a_catalog_that_is_not_there_is_refused(command: list[str], given: str, why: str) -> None:
    words = fail(*command, "--derived-from", given)
    assert words.startswith(f"Error: --derived-from names the run {given!r}: ")
    assert why in words


@pytest.mark.parametrize(
    "command",
    [
        ["show", "only"],
        ["lineage", "only"],
        ["export", "only", "-o", "."],
        ["diff", "only"],
        ["copy", "only", "archive"],
        ["delete", "only", "--yes"],
        ["note", "only", "--tag", "seen"],
        ["store", "table.csv", "--to", "only", "--derived-from"],
        ["store", "table.csv", "--to", "only", "--supersedes"],
        ["ls", "only", "--derived-from"],
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_a_variable_that_is_not_set_is_not_the_only_run(command: list[str]) -> None:
    catalog = open_directory("only")
    catalog.store_run({"x": [1]}, uid="only-1")
    uids = ["", "only-1"] if command[0] == "diff" else [""]
    result = run(*command, *uids)
    assert result.exit_code != 0
    assert "''" in result.stderr
    catalog.force_reload()
    assert (list(catalog), catalog.annotations("only-1")) == (["only-1"], [])


@pytest.mark.parametrize(
    "command",
    [
        "show '' -1",
        "lineage '' -1",
        "export '' -1 -o .",
        "diff '' -1 -2",
        "copy '' archive",
        "copy results ''",
        "delete '' one-1 --yes",
        "note '' -1 --tag seen",
        "store table.csv --to ''",
        "ls ''",
        "check ''",
        "check --clean ''",
    ],
)
def test_a_variable_that_is_not_set_is_not_the_working_directory(command: str) -> None:
    assert fail(*shlex.split(command)).startswith("Error: the name of a catalog is empty; give a directory, a YAML")


def test_positions_are_runs_in_every_command() -> None:
    succeed("store", "table.csv", "--to", "results", "--derived-from", "two-2")
    open_directory("results").store_run({"x": [1]}, uid="three-3", derived_from="one-1")
    assert "three" in succeed("ls", "results", "--derived-from", "-4")
    assert succeed("copy", "results", "archive", "-1", "-4") == "2 copied, 0 there already\n"
    assert sorted(open_directory("archive")) == ["one-1", "three-3"]


def usage(*arguments: str) -> str:
    """The message of a command that is used wrongly."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    return result.stderr


def test_a_run_is_stored_under_its_own_uid_with_tags() -> None:
    call = ["store", "table.csv", "--to", "results", "--uid", "mine-1"]
    assert "stored mine-1;" in succeed(*call, "--tag", "good", "--tag", "Cu")
    assert open_directory("results").annotations("mine-1")[0]["tags"] == ["good", "Cu"]
    message = fail(*call)
    assert "another run with the uid 'mine-1' is stored" in message
    assert "Give another --uid" in message
    assert len(open_directory("results")) == 3


def test_what_is_no_tag_is_refused_before_anything_is_stored() -> None:
    assert "a tag must be one line" in fail("store", "table.csv", "--to", "results", "--tag", "")
    assert len(open_directory("results")) == 2


def test_a_uid_is_for_one_file_and_no_metadata() -> None:
    assert "--uid mine-1" in usage("store", "table.csv", "--to", "results", "--metadata", "uid=mine-1")
    assert "--uid is for one FILE" in usage("store", "table.csv", "table.csv", "--to", "results", "--uid", "mine-1")


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2024-05-31", datetime.datetime(2024, 5, 31)),
        ("2024-05-31 14:30", datetime.datetime(2024, 5, 31, 14, 30)),
        ("1717156800.5", datetime.datetime.fromtimestamp(1717156800.5)),
    ],
)
def test_the_time_in_metadata_can_be_a_date(given: str, moment: datetime.datetime) -> None:
    succeed("store", "table.csv", "--to", "results", "--uid", "timed", "--metadata", f"time={given}")
    assert open_directory("results")["timed"].metadata["start"]["time"] == moment.timestamp()


@pytest.mark.parametrize(
    ("given", "remedy"),
    [("20240531", "write time=2024-05-31"), ("noon", "write it like 2024-05-31,"), ("null", "write it like")],
)
def test_what_is_no_time_is_refused_with_what_to_write(given: str, remedy: str) -> None:
    assert remedy in usage("store", "table.csv", "--to", "results", "--metadata", f"time={given}")
    assert len(open_directory("results")) == 2


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("sample=42", """sample must be text or a dict, such as --metadata 'sample="42"':"""),
        ("sample=[1, 2]", """such as --metadata 'sample="1, 2"':"""),
        ("sample=null", "sample must be text or a dict, or left out:"),
        ("owner=true", """owner must be text, such as --metadata 'owner="True"':"""),
        ("data_groups=team", """data_groups must be a list, such as --metadata 'data_groups=["team"]':"""),
        ("hints=5", "hints must be a dict:"),
        ("scan_id=abc", "scan_id must be a whole number, and other values can have another key:"),
    ],
)
def test_metadata_of_a_wrong_type_are_refused_in_words_of_users(given: str, remedy: str) -> None:
    message = fail("store", "table.csv", "--to", "results", "--metadata", given)
    assert remedy in message
    example = re.search(r"such as --metadata (\S.*\S):", message)
    if example:
        succeed("store", "table.csv", "--to", "results", "--metadata", *shlex.split(example[1]))


@pytest.mark.parametrize("example", ["[nan]", "[{[: 1}]", "[b'1']"])
def test_no_text_in_a_message_prevents_the_message(example: str) -> None:
    error = StoreError(f"give text, such as {example}: metadata['k'] is wrong")
    assert message_of(error) == str(error)


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        ("plot results -1", "use databroker-writable show CATALOG UID --plot FILE.png"),
        ("rm results -1", "use databroker-writable delete CATALOG UID"),
        ("tag results -1 good", "use databroker-writable note CATALOG UID --tag TAG"),
        ("retract results -1", "use databroker-writable note CATALOG UID REASON --retract"),
        ("latest results", "use databroker-writable ls CATALOG -n 1"),
        ("list results", "use databroker-writable ls CATALOG"),
        ("get results -1", "use databroker-writable export CATALOG UID"),
        ("lineage results -1 --upstream", "without an option lineage shows inputs and results"),
        ("delete results one-1 --force", "--yes deletes without asking"),
        ("ls results -1", "-n N lists the newest N runs"),
        ("ls results -10", "-n N lists the newest N runs"),
    ],
)
def test_what_other_programs_call_otherwise_is_told(call: str, remedy: str) -> None:
    message = usage(*call.split())
    assert remedy in message
    assert "Did you mean" not in message


def test_no_command_has_the_name_of_a_hint() -> None:
    assert not set(COMMANDS) & set(main.commands)
    for hint in COMMANDS.values():
        name, *words = hint.split()
        options = {option for param in main.commands[name].params for option in param.opts}
        assert {word for word in words if word.startswith("-")} <= options


def test_the_newest_runs_are_listed_by_a_short_option() -> None:
    assert "one" not in succeed("ls", "results", "-n", "1")


@pytest.mark.parametrize(
    ("call", "example"),
    [
        (["ls", "results", "--since", "2024-05-31", "14:30"], '"2024-05-31 14:30"'),
        (["ls", "results", "--where", "sample=Cu", "foil"], '"sample=Cu foil"'),
        (["ls", "results", "--tag=very", "good"], '"very good"'),
        (["note", "results", "-1", "beam", "dump", "at", "40"], '"beam dump at 40"'),
        (["show", "results", "-1", "--column", "sample", "name"], '"sample name"'),
        (["note", "results", "-1", "dump", "dump"], '"dump dump"'),
        (["note", "results", "-1", "beam", "dump", "--tag", "bad"], '"beam dump"'),
    ],
)
def test_text_with_blanks_needs_quotation_marks(call: list[str], example: str) -> None:
    assert f"text with blanks needs quotation marks, as in {example}" in usage(*call)


def test_extra_runs_are_not_taken_for_text() -> None:
    message = usage("show", "results", "-1", "-2")
    assert "unexpected: -2" in message
    assert "show takes [OPTIONS] CATALOG UID" in message
    assert "unexpected: extra; ls takes [OPTIONS] CATALOG" in usage("ls", "results", "extra")
    assert succeed("ls", "results", "extra", "--help").startswith("Usage: ")


@pytest.mark.parametrize(
    "call",
    [
        "show results one-1 two-2",
        "show results one-1 extra",
        "diff results one-1 two-2 extra",
        "deploy results.yml extra",
        "ls results --derived-from one-1 two-2",
        "note results one-1 good --to results extra",
    ],
)
def test_words_after_what_is_no_text_get_the_usage(call: str) -> None:
    command, *_, extra = call.split()
    message = usage(*call.split())
    assert f"unexpected: {extra}; {command} takes [OPTIONS] " in message
    assert "quotation marks" not in message


def test_an_empty_remark_is_refused() -> None:
    assert "a remark needs a text or tags" in fail("note", "results", "-1", "")
    assert succeed("note", "results", "-1") == "no remarks\n"


@pytest.mark.parametrize("command", ["ls", "check"])
def test_run_files_in_place_of_their_directory_are_told_to_be_that(command: str) -> None:
    files = sorted(map(str, Path("results").glob("*.msgpack")))
    words = "is the file of a run; give its directory, 'results'"
    assert words in fail(command, files[0])
    assert words in usage(command, *files)


@pytest.mark.parametrize("call", [("ls", "table.csv"), ("show", "table.csv", "-1"), ("check", "table.csv")])
def test_a_file_in_place_of_a_catalog_is_named_as_one(call: tuple[str, ...]) -> None:
    message = fail(*call)
    assert "'table.csv' is a file, and not a catalog; give a directory of runs" in message
    assert "environment" not in message


@pytest.mark.parametrize("call", [("store", "table.csv"), ("note", "results", "-1", "good")])
def test_a_file_as_the_place_of_results_is_refused_with_the_option(call: tuple[str, ...]) -> None:
    message = usage(*call, "--to", "table.csv")
    assert "'--to': 'table.csv' is a file, and not a catalog; give a directory of runs" in message


def test_a_directory_below_a_file_is_refused_in_words_of_the_terminal() -> None:
    assert "open_directory" not in fail("store", "table.csv", "--to", "table.csv/results")


@pytest.mark.parametrize(
    ("metadata", "option"),
    [
        ("supersedes=one-1", ["--supersedes", "two-2"]),
        ("derived_from=one-1", ["--derived-from", "two-2"]),
        ('parameters={"window": 5}', ["--parameter", "window=7"]),
    ],
)
def test_metadata_that_contradict_an_option_are_refused_with_its_name(metadata: str, option: list[str]) -> None:
    message = fail("store", "table.csv", "--to", "results", "--metadata", metadata, *option)
    assert f"but {option[0]} says" in message
    assert "argument" not in message


HOMELESS = "~no-such-user"


@pytest.mark.parametrize(
    "call",
    [
        ("ls", HOMELESS),
        ("ls", f"{HOMELESS}/catalogs.yml:lab"),
        ("show", f"{HOMELESS}/runs", "one"),
        ("check", HOMELESS),
        ("delete", HOMELESS, "one"),
        ("note", HOMELESS, "one", "good"),
        ("copy", "results", HOMELESS),
        ("copy", HOMELESS, "archive"),
        ("diff", HOMELESS, "one", "two"),
        ("lineage", HOMELESS, "one"),
        ("store", "table.csv", "--to", HOMELESS),
        ("store", f"{HOMELESS}/table.csv", "--to", "results"),
        ("export", "results", "one", "-o", f"{HOMELESS}/one.nc"),
        ("show", "results", "one", "--plot", f"{HOMELESS}/one.png"),
        ("deploy", f"{HOMELESS}/lab.yml"),
        ("deploy", "lab.yml", "--prefix", HOMELESS),
    ],
    ids=" ".join,
)
def test_the_home_of_a_user_who_is_not_known_is_refused_in_every_path(call: tuple[str, ...]) -> None:
    Path("lab.yml").write_text("sources: {}\n")
    before = sorted(Path().rglob("*"))
    words = run(*call).stderr
    assert "no user 'no-such-user' is known here" in words
    assert f"./{HOMELESS}" in words
    assert "Traceback" not in words
    assert "RuntimeError" not in words
    assert sorted(Path().rglob("*")) == before


def test_a_name_that_begins_with_a_tilde_is_stored_as_the_message_says() -> None:
    Path("~$table.csv").write_text("x\n1\n")
    assert "'./~$table.csv'" in fail("store", "~$table.csv", "--to", "results")
    succeed("store", "./~$table.csv", "--to", "./~results")
    assert "success" in succeed("ls", "./~results")


def test_a_home_that_is_not_known_is_told_with_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert "your home directory is not known: set HOME" in fail("ls", "~/runs")
