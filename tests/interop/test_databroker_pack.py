"""Runs travel with databroker-pack, their asset files included."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from support import example_results, new_process

pytest.importorskip("databroker_pack", reason="databroker-pack is not installed: pip install '.[interop]'")

READ = """
import sys
import databroker
from support import example_results
from databroker_writable import to_dataset
from support.table_roundtrip import assert_same_table
for uid, run in databroker.catalog["unpacked"].items():
    assert_same_table(to_dataset(run), example_results.EXAMPLES[run.metadata["start"]["example"]]())
    print(uid)
"""


def command(name, *arguments, env):
    code = f"import sys; from databroker_pack.commandline.{name} import main; sys.exit(main())"
    done = new_process.run_python(code, *arguments, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


# Not --fill-external: it gives the lazy arrays of databroker's handlers to msgpack as they are.
@pytest.mark.parametrize(
    ("site", "layout", "external"),
    [
        ("msgpack", "msgpack", "--copy-external"),
        ("msgpack", "msgpack", None),
        ("jsonl", "jsonl", "--copy-external"),
        ("jsonl", "msgpack", None),
    ],
    indirect=["site"],
)
def test_packed_runs_are_unpacked_elsewhere(catalog, site, tmp_path, layout, external):
    uids = []
    for name, example in example_results.EXAMPLES.items():
        for threshold in (0, 1024**2):
            stored = catalog.store_run(example(), {"example": name}, one_event=True, asset_threshold=threshold)
            uids.append(stored.metadata["start"]["uid"])
    assert list(site.directory.glob("assets/**/*.h5"))
    env = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "share")}
    configuration = tmp_path / "share" / "intake" / "catalog.yml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(yaml.safe_dump({"sources": {"original": {"driver": site.driver, "args": site.args}}}))

    packed = tmp_path / "packed"
    options = ["--all", "--strict", "--format", layout, *filter(None, [external])]
    command("pack", "original", packed, *options, env=env)
    configuration.unlink()
    if external == "--copy-external":
        shutil.rmtree(site.directory)
    elsewhere = Path(shutil.move(packed, tmp_path / "elsewhere"))
    command("unpack", "inplace", elsewhere, "unpacked", env=env)

    assert sorted(new_process.output_of(READ, env=env).split()) == sorted(uids)
