"""The benchmarks run, and judge what they measure rightly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import child, meter, report, runner
from benchmarks.contenders import plain
from benchmarks.filling import fill_catalog
from benchmarks.growth import panels
from benchmarks.runner import Runner
from benchmarks.workloads import Case, Target, Workload, workloads

from databroker_writable import open_directory

pytestmark = pytest.mark.usefixtures("warm_processes")

CHECKOUT = Path(__file__).parents[1]
PLAIN = {"Parquet": "parquet_table", "HDF5": "hdf5_table"}


def test_the_command_measures_and_keeps_numbers(tmp_path: Path) -> None:
    kept = tmp_path / "numbers.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--repeats", "1", "--only", "network"]
    options = ["--json", str(kept), "--directory", str(tmp_path)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=CHECKOUT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(kept.read_text())["workloads"]["network"]
    assert set(measured["medians"]) == {"ours", "plain files"}
    assert all(steps["store_trips"] > 0 for steps in measured["medians"].values())
    assert "round trips to store, ours / plain files (at most 3" in done.stdout
    assert list(tmp_path.iterdir()) == [kept]


def test_a_contender_without_its_server_is_skipped_with_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    runner = Runner(tmp_path, {}, sys.executable, said.append)
    cases = {"Tiled": Case("tiled:table", {"rows": 1}, needs="tiled")}
    assert runner.medians(cases, 1) == {}
    assert said == ["   Tiled: skipped, there is no Tiled"]


def test_a_contender_without_a_package_is_skipped_by_name_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_pyarrow(meter: meter.Meter) -> None:
        raise ImportError("Unable to find a usable engine;\n pyarrow is required")

    def in_this_process(command: list[str]) -> str:
        monkeypatch.setattr(sys, "argv", command[2:])
        child.main()
        return capsys.readouterr().out

    monkeypatch.setattr(plain, "parquet_table", without_pyarrow)
    monkeypatch.setattr(runner, "_run", in_this_process)
    monkeypatch.setattr(meter, "have_memory_ready", lambda: None)
    said: list[str] = []
    cases = {name: Case(f"plain:{function}", {"rows": 1}) for name, function in PLAIN.items()}
    measured = Runner(tmp_path, {}, sys.executable, said.append).medians(cases, 2)
    assert list(measured) == ["HDF5"]
    assert said == ["   Parquet: skipped, Unable to find a usable engine; pyarrow is required"]


def test_a_case_that_fails_is_not_passed_over(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {}, sys.executable)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        runner.medians({"broken": Case(program="1 / 0")}, 1)


def test_small_files_of_a_case_stay_and_large_ones_make_room(tmp_path: Path) -> None:
    program = "import sys; [open(f'{sys.argv[1]}/{n}', 'wb').write(bytes(n)) for n in (10, 2**21)]"
    Runner(tmp_path, {}, sys.executable).medians({"two files": Case(program=program)}, 1)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["10"]


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        (Target("text", ("a", "store"), ("b", "store"), at_least=2), "2.00  text (at least 2: met)"),
        (Target("text", ("a", "store"), ("b", "store"), at_least=2.5), "2.00  text (at least 2.5: MISSED)"),
        (Target("text", ("b", "store"), ("a", "store"), at_most=0.4), "0.50  text (at most 0.4: MISSED)"),
        (Target("text", ("a", "store"), 4.0, at_most=1), "1.00  text (at most 1: met)"),
        (Target("text", ("a", "store"), ("absent", "store"), at_most=1), "-  text (at most 1: skipped)"),
    ],
)
def test_ratios_stand_beside_their_targets(target: Target, verdict: str) -> None:
    medians = {"a": {"store": 4.0}, "b": {"store": 2.0}}
    lines = list(report.lines(Workload("title", {}, (target,)), medians))
    assert lines[-1].strip() == verdict


def test_targets_name_contenders_that_exist() -> None:
    for workload in [*workloads().values(), *workloads(quick=True).values()]:
        for target in workload.targets:
            sides = [side for side in (target.over, target.under) if isinstance(side, tuple)]
            assert {name for name, _ in sides} <= set(workload.cases)


def test_a_filled_catalog_holds_as_many_runs_as_asked_for(tmp_path: Path) -> None:
    fill_catalog(tmp_path / "runs", 5)
    catalog = open_directory(tmp_path / "runs")
    assert len(catalog) == 5
    assert catalog["filled-00000004"].primary.read()["mu"].shape == (10,)


def test_the_growth_reaches_the_sizes_that_the_docs_speak_of() -> None:
    assert {name: max(max(s.cases) for s in panel.series) for name, panel in panels().items()} == {
        "rows": 1_000_000,
        "runs": 100_000,
        "opening": 100_000,
        "arrays": 2048 * 2 * 1024 * 1024,
    }
