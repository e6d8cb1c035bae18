"""Run one case in this process and print what it measured: ``python -m benchmarks.child CASE OPTIONS``.

Where a package is not installed, what is missing is printed instead.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path

from .meter import Meter

MISSING = "missing"
"""The key under which a case names a package that it needs."""


def main() -> None:
    case, options = sys.argv[1], json.loads(sys.argv[2])
    warnings.simplefilter("ignore")
    module, _, function = case.partition(":")
    meter = Meter(Path(options.pop("directory")), options)
    try:
        getattr(importlib.import_module(f"benchmarks.contenders.{module}"), function)(meter)
    except ImportError as error:
        print(json.dumps({MISSING: " ".join(str(error).split())}))
    else:
        print(json.dumps(meter.results))


if __name__ == "__main__":
    main()
