"""Run one case in this process and print what it measured: ``python -m benchmarks.child CASE OPTIONS``."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path

from .meter import Meter


def main() -> None:
    case, options = sys.argv[1], json.loads(sys.argv[2])
    warnings.simplefilter("ignore")
    module, _, function = case.partition(":")
    meter = Meter(Path(options.pop("directory")), options)
    getattr(importlib.import_module(f"benchmarks.contenders.{module}"), function)(meter)
    print(json.dumps(meter.results))


if __name__ == "__main__":
    main()
