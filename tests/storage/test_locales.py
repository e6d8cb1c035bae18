"""Directories and files whose names this locale, or no document, can hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from databroker_writable import InvalidCatalogError, open_directory
from databroker_writable.drivers import WritableJSONLCatalog

IN_ASCII = """
import os, sys
import databroker_writable
from databroker_writable import ExportError, InvalidCatalogError, export, open_directory

os.chdir(sys.argv[1])
catalog = open_directory("runs")
run = catalog.store_run({"x": [1]}, metadata={"sample": "\\xe9"}, attachments={"\\u65e5.txt": b"text"})
calls = [
    lambda: open_directory("\\u65e5"),
    lambda: open_directory("runs", asset_root="\\u65e5"),
    lambda: open_directory(os.fsdecode("\\u65e5".encode())),
    lambda: export(run, "{sample}.csv"),
    lambda: export(run, "run.csv"),
]
for call in calls:
    try:
        call()
    except (InvalidCatalogError, ExportError) as error:
        print(ascii(str(error)))
print(sorted(os.listdir()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the names of files are always in UTF-8")
def test_names_that_the_locale_cannot_hold_are_refused_with_one_that_can(tmp_path: Path) -> None:
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-W", "ignore", "-c", IN_ASCII, str(tmp_path)]  # a locale is chosen at the start
    *lines, left = subprocess.check_output(command, env=env, text=True, timeout=120).splitlines()
    for line, name in zip(lines, ["path", "asset_root", "path", "the path", "the name of an attachment"], strict=True):
        assert line[1:].startswith(f"{name} is ")
        assert "names of files are in the encoding 'ascii' here" in line.replace("\\'", "'")
        assert "LC_ALL=C.UTF-8" in line
    assert left == "['runs']"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no such names are allowed")
def test_a_directory_whose_name_no_document_can_record_is_refused_but_not_a_link_to_it(tmp_path: Path) -> None:
    directory = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"r\xffuns"))
    os.mkdir(directory)
    way = "its bytes are not UTF-8; rename the directory, or give a link to it that has another name"
    for opened in (
        lambda: open_directory(directory),
        lambda: open_directory(tmp_path / "runs", asset_root=directory),
        lambda: WritableJSONLCatalog(paths=[os.path.join(directory, "*.jsonl")]),
    ):
        with pytest.raises(InvalidCatalogError, match=way):
            opened()
    (tmp_path / "link").symlink_to(directory)
    run = open_directory(tmp_path / "link").store_run({"x": [1]})
    assert os.listdir(directory) == [f"{run.metadata['start']['uid']}.msgpack"]
