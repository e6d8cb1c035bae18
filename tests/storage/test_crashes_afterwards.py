"""Processes that are killed while they annotate, retract or delete leave nothing half."""

from __future__ import annotations

import contextlib
import signal

import pytest

from databroker_writable import InvalidRunError
from databroker_writable.results.remarks import remarks, retractions
from databroker_writable.upkeep import clean, examine
from databroker_writable.upkeep.deleting import deletion_of
from support import children

SITES = ["msgpack", "jsonl", "mongo-normalized[server]", "mongo-embedded[server]"]
KILLED = -signal.SIGKILL


@pytest.mark.parametrize("site", SITES, indirect=True)
def test_a_remark_is_whole_or_not_there_after_a_kill_at_every_step(site, tmp_path):
    catalog = site.open()
    catalog.store_run({"x": [1]}, uid="run-1")
    codes = [KILLED]
    while codes[-1] == KILLED:
        step = len(codes) - 1
        before = site.open().annotations("run-1")
        with children.child(
            children.remark_and_die, tmp_path / f"{step}.log", site.kind, site.place, "run-1", step
        ) as child:
            codes.append(child.wait())
        after = site.open().annotations("run-1")
        assert after[: len(before)] == before
        texts = [remark["text"] for remark in after[len(before) :]]
        assert texts == [f"note {step}", f"reason {step}"][: len(texts)]
        assert (set(retractions([remarks(site.open())])) == {"run-1"}) == any(remark["verdict"] for remark in after)
        assert list(site.open()) == ["run-1"]
    assert codes[-1] == 0
    assert step > 1
    clean(examine(catalog).findings, grace=0, unshared=True)
    assert examine(catalog).findings == []


@pytest.mark.parametrize("site", SITES, indirect=True)
def test_a_run_is_there_or_gone_after_a_kill_at_every_step_of_its_deletion(site, tmp_path):
    assets = str(tmp_path / "assets")
    catalog = site.open(asset_root=assets)
    codes, seen = [KILLED], set()
    while codes[-1] == KILLED:
        step = len(codes) - 1
        uid = f"run-{step}"
        catalog.store_run(children.table_with_image(), uid=uid, one_event=True, asset_threshold=0)
        catalog.annotate(uid, "beam dump")
        catalog.annotate(uid, "again")
        arguments = (site.kind, site.place, uid, assets, step)
        with children.child(children.delete_and_die, tmp_path / f"{step}.log", *arguments) as child:
            codes.append(child.wait())
        again = site.open(asset_root=assets)
        seen.add(uid in list(again))
        if uid in list(again):
            assert again[uid].primary.read()["image"].values[0].tolist() == [[0, 1, 2], [3, 4, 5]]
            assert [remark["text"] for remark in again.annotations(uid)] == ["beam dump", "again"]
        if codes[-1] == KILLED:
            # the last step is a wait for the disk: then there is nothing to finish
            with contextlib.suppress(InvalidRunError):
                deletion_of(again, uid).execute()
        assert list(site.open(asset_root=assets)) == []
        assert examine(site.open(asset_root=assets)).findings == []
        assert not list((tmp_path / "assets").rglob("*.h5"))
        assert list(again._backend.remarks()) == []
        catalog = site.open(asset_root=assets)
    assert codes[-1] == 0
    assert seen == {True, False}
    assert step > 4
