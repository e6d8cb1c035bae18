"""The command line, ``databroker-writable``: a thin edge around the package's own functions."""

from __future__ import annotations

from databroker_writable_command import make_group

from ..errors import require_databroker_1

require_databroker_1()

# ruff: noqa: E402  one clear sentence rather than the failure of one of these imports
from .check import check
from .copy import copy
from .delete import delete
from .deploy import deploy
from .diff import diff
from .export import export
from .failing import CommandGroup
from .ls import ls
from .note import note
from .serve import serve
from .show import show
from .show_lineage import lineage
from .store import store

main = make_group(CommandGroup, (store, ls, show, note, diff, lineage, copy, export, serve, delete, check, deploy))
