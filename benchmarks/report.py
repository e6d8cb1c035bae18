"""Tables of what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .workloads import Workload

MEGABYTE = 1_000_000
_NO_DURATIONS = ("_memory", "_work", "_trips")


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


def lines(workload: Workload, medians: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """What was measured, and the ratios beside their targets."""
    yield f"\n{workload.title}"
    for name, steps in medians.items():
        told = [
            f"{step} {seconds(value)}"
            for step, value in steps.items()
            if not step.endswith(("_memory", "_work", "_trips"))
        ]
        if "store_memory" in steps:
            told.append(f"memory +{steps['store_memory'] / MEGABYTE:.0f} MB")
        yield f"   {name:22} " + ", ".join(told)
    for target in workload.targets:
        ratio = target.ratio(medians)
        aim = f"at least {target.at_least:g}" if target.at_least is not None else f"at most {target.at_most:g}"
        verdict = "skipped" if ratio is None else "met" if target.is_met(ratio) else "MISSED"
        yield f"   {'-' if ratio is None else f'{ratio:.2f}':>8}  {target.text} ({aim}: {verdict})"
