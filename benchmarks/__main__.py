"""The command: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import report, servers
from .growth import Panel, panels
from .runner import Runner
from .workloads import workloads


def main() -> None:
    options = _parser().parse_args()
    # as where users install it, only the first process compiles the package
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    results: dict[str, Any] = {"workloads": {}, "growth": {}}
    if options.redraw:
        results = json.loads(options.redraw.read_text())
    else:
        with contextlib.ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.directory)))
            reach: dict[str, Any] = {"uri": stack.enter_context(servers.mongo_uri())}
            reach |= stack.enter_context(servers.tiled_server(options.tiled_python, directory / "tiled.log"))
            _measure(options, Runner(directory, reach, options.tiled_python), results)
    if options.picture:
        from .picture import draw

        draw(results["growth"], options.picture)


def _measure(options: argparse.Namespace, runner: Runner, results: dict[str, Any]) -> None:
    for name, workload in workloads(quick=options.quick, mongo_rows=options.mongo_rows).items():
        if options.only and name not in options.only:
            continue
        medians = runner.medians(workload.cases, options.repeats)
        print("\n".join(report.lines(workload, medians)), flush=True)
        ratios = {target.text: target.ratio(medians) for target in workload.targets}
        results["workloads"][name] = {"title": workload.title, "medians": medians, "ratios": ratios}
        _keep(options, results)
    for name, panel in panels(quick=options.quick).items():
        if options.growth and (not options.only or name in options.only):
            results["growth"][name] = _grown(panel, runner, options.repeats)
            _keep(options, results)


def _keep(options: argparse.Namespace, results: dict[str, Any]) -> None:
    """Write what there is so far: the whole takes long."""
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def _grown(panel: Panel, runner: Runner, repeats: int) -> dict[str, Any]:
    measured: dict[str, dict[str, float]] = {}
    found: dict[str, list[dict[str, float]]] = {}
    print(f"\n{panel.title}", flush=True)
    for series in panel.series:
        found[series.label] = []
        for size, case in series.cases.items():
            key = f"{case.function} {size}"
            if key not in measured:
                measured |= runner.medians({key: case}, repeats)
            if key in measured:
                steps = measured[key]
                point = {"size": size, "seconds": steps[series.step]}
                if f"{series.step}_memory" in steps:
                    point["memory"] = steps[f"{series.step}_memory"]
                found[series.label].append(point)
        told = ", ".join(f"{point['size']:,}: {report.seconds(point['seconds'])}" for point in found[series.label])
        print(f"   {series.label:34} {told}", flush=True)
    return {"title": panel.title, "axis": panel.axis, "series": found}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", choices=[*workloads(), *panels()])
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that everything runs, nothing more")
    parser.add_argument("--growth", action="store_true", help="measure also how costs grow with the size")
    parser.add_argument("--repeats", type=int, default=5, help="processes per case, of which the median is taken")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw how costs grow")
    parser.add_argument("--redraw", type=Path, metavar="FILE", help="draw from kept numbers instead of measuring")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured; the system's temporary one else")
    parser.add_argument("--mongo-rows", type=int, default=100_000, help="fewer for a server that is slow")
    parser.add_argument("--tiled-python", default=sys.executable, help="interpreter of an environment that has Tiled")
    return parser


if __name__ == "__main__":
    main()
