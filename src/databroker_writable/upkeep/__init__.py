"""Check a catalog: leftovers of crashes, missing or damaged files, and whether runs can be stored."""

from __future__ import annotations

from .check_report import Finding, Report, clean
from .checking import examine
from .probe_run import read_probe, write_test

__all__ = ["Finding", "Report", "clean", "examine", "read_probe", "write_test"]
