"""What cannot be attached is refused by name, with what to do, before anything is stored."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
from bluesky_live.run_builder import StreamExists
from matplotlib import pyplot
from matplotlib.figure import Figure

from databroker_writable import InvalidRunError, RunBuilder, attachments, build_simple_run, open_directory
from databroker_writable.runs.attachments import LARGEST, LONGEST_NAME


def attach(contents: Any) -> Any:
    return build_simple_run({"x": [1]}, attachments=contents)


@pytest.mark.parametrize(
    "name",
    [
        *("../fit.png", "..", ".", ".hidden", "a/b.png", "a\\b.png", "/etc/passwd", "C:fit.png", "fit.png:stream"),
        *("CON", "con.txt", "Aux.tar.gz", "NUL .txt", "com1", "LPT9.png", "COM¹.txt"),
        *(
            "fit.png.",
            "fit.png ",
            " fit.png",
            "a\nb",
            "a\0b",
            "a\u202egnp.exe",
            "what?.txt",
            "*.png",
            '"a"',
            "a|b",
            "<a>",
        ),
        *("", "x" * (LONGEST_NAME + 1), "\N{GRINNING FACE}" * 60, "a\ud800"),
        *(5, None, b"fit.png", ("a", "b"), Path("fit.png")),
    ],
)
def test_a_name_that_is_no_file_name_on_every_system_is_refused(name: Any) -> None:
    with pytest.raises(InvalidRunError, match=r"name of (an|the) attachment"):
        attach({name: b"content"})


@pytest.mark.parametrize("names", [("Fit.png", "fit.PNG"), ("straße", "STRASSE"), ("é.txt", "e\u0301.txt")])
def test_names_that_differ_in_case_or_accents_alone_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(InvalidRunError, match="would be the same file on Windows and macOS"):
        attach(dict.fromkeys(names, b"content"))


@pytest.mark.parametrize(
    "name", ["fit.png", "a b (2).txt", "README", "Messung µ.csv", "console.log", "a..b", "$x", "x" * 100]
)
def test_usual_names_are_taken(name: str) -> None:
    assert dict(attachments(attach({name: b"content"}))) == {name: b"content"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "of type NoneType"),
        (5, "of type int"),
        ({"a": 1}, "of type dict"),
        (numpy.zeros(3), "of type ndarray"),
        (object(), "bytes, text, a pathlib.Path of a file, or a figure"),
        (pyplot, "of type module"),
        (io.BytesIO(b"a"), r"give buffer\.getvalue\(\)"),
        (Figure().subplots(), r"give axes\.get_figure\(\)"),
        (pickle.dumps({"a": numpy.zeros(3)}), "is a pickle, which can run any code"),
        ("\ud800", "encoded as UTF-8"),
        ("absent.png", r"is the text 'absent\.png', but such a file does not contain text; give .* pathlib\.Path"),
        (Path("absent.txt"), "'absent.txt' cannot be read .*check the path"),
        (Path("."), "'.' is not a file"),
    ],
)
def test_what_is_no_file_is_refused(content: Any, message: str) -> None:
    with pytest.raises(InvalidRunError, match=rf"attachment 'fit\.png'.*{message}"):
        attach({"fit.png": content})


def test_a_file_that_holds_a_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(InvalidRunError, match="is a pickle"):
        attach({"model.bin": tmp_path / "model.bin"})


def test_a_text_that_names_a_file_is_not_taken_for_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fit.png").write_bytes(b"picture")
    with pytest.raises(InvalidRunError, match=r"give pathlib\.Path\('fit\.png'\)"):
        attach({"fit.png": "fit.png"})
    assert attachments(attach({"fit.png": Path("fit.png")}))["fit.png"] == b"picture"
    assert attachments(attach({"name.txt": b"fit.png"}))["name.txt"] == b"fit.png"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidRunError, match="is not a file"):
        attach({"pipe.txt": tmp_path / "pipe"})


def test_a_figure_needs_a_format_that_it_can_be_saved_in() -> None:
    with pytest.raises(InvalidRunError, match=r"no ending for the format; call it 'fit\.png'"):
        attach({"fit": Figure()})
    with pytest.raises(InvalidRunError, match=r"cannot be saved: .*end its name with \.png, \.pdf or \.svg"):
        attach({"fit.docx": Figure()})


def test_the_limit_of_size_is_told(tmp_path: Path) -> None:
    with (tmp_path / "film.mp4").open("wb") as file:
        file.truncate(LARGEST + 1)
    for content in (tmp_path / "film.mp4", bytes(LARGEST + 1)):
        with pytest.raises(InvalidRunError, match=r"'film\.mp4' has 100,000,001 bytes, but at most 100 MB"):
            attach({"film.mp4": content})


@pytest.mark.parametrize("contents", [{}, [], "fit.png", [("a.txt", b"")], b"content", Figure()])
def test_attachments_are_a_dict(contents: Any) -> None:
    with pytest.raises(InvalidRunError, match="attachments must be a dict of files by name"):
        attach(contents)


def test_a_finished_run_takes_no_attachments(tmp_path: Path) -> None:
    catalog = open_directory(tmp_path)
    with pytest.raises(InvalidRunError, match="attachments cannot be given with a finished run"):
        catalog.store_run(build_simple_run({"x": [1]}), attachments={"a.txt": b"a"})
    assert list(catalog) == []


def test_a_refused_attachment_leaves_the_builder_as_it_was() -> None:
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": [1]})
    with pytest.raises(InvalidRunError):
        builder.attach({"../a": b"a"})
    builder.attach({"a.txt": b"a"})
    builder.close()
    assert dict(attachments(builder.get_run())) == {"a.txt": b"a"}


def test_a_second_call_is_refused_and_says_that_one_call_takes_all_files() -> None:
    builder = RunBuilder()
    builder.attach({"a.txt": b"a"})
    with pytest.raises(InvalidRunError, match="attachments already; attach all files in one call") as caught:
        builder.attach({"b.txt": b"b"})
    assert isinstance(caught.value, StreamExists)


def test_a_stream_of_that_name_is_no_attachment() -> None:
    with RunBuilder() as builder:
        builder.add_stream("attachments", data={"x": [1, 2]})
    assert dict(attachments(builder.get_run())) == {}


@pytest.mark.parametrize("value", ["uid", None, {}, 5])
def test_what_is_no_run_has_no_attachments(value: Any) -> None:
    with pytest.raises(InvalidRunError, match="attachments takes a run"):
        attachments(value)
