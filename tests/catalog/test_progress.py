"""Progress bars, which a saved notebook keeps."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from databroker_writable import copy_runs, open_directory


@pytest.fixture
def _no_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tqdm take this for a notebook with widgets, of which a saved notebook keeps nothing."""
    tqdm_auto = pytest.importorskip("tqdm.auto")
    monkeypatch.setattr(tqdm_auto, "tqdm", lambda *args, **kwargs: pytest.fail("a widget, in place of text"))


@pytest.mark.usefixtures("_no_widgets")
def test_progress_bars_are_text_that_saved_notebooks_keep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = open_directory(tmp_path / "runs")
    catalog.store_runs([{"x": [1]}, {"x": [2]}], progress=True)
    assert "2/2" in capsys.readouterr().err
    catalog.store_run({"img": numpy.zeros((2, 64))}, asset_threshold=100, progress=True)
    assert "1.02k" in capsys.readouterr().err
    copy_runs(catalog, open_directory(tmp_path / "other"), progress=True)
    assert "3/3" in capsys.readouterr().err
