"""Names that other programs have for commands and options, and what they are called here."""

from __future__ import annotations

import re

_EXPORT = "export CATALOG UID"
_NOTE = "note CATALOG UID TEXT"
_SHOW = "show CATALOG UID"
_STORE = "store FILE --to CATALOG"

COMMANDS = {
    "add": _STORE,
    "annotate": _NOTE,
    "clean": "check CATALOG --clean",
    "comment": _NOTE,
    "compare": "diff CATALOG UID UID",
    "find": "ls CATALOG --where KEY=VALUE",
    "get": _EXPORT,
    "import": _STORE,
    "info": _SHOW,
    "latest": "ls CATALOG -n 1",
    "list": "ls CATALOG",
    "plot": "show CATALOG UID --plot FILE.png",
    "put": _STORE,
    "read": _SHOW,
    "recover": "check CATALOG --recover",
    "remove": "delete CATALOG UID",
    "restore": "note CATALOG UID --restore",
    "retract": "note CATALOG UID REASON --retract",
    "rm": "delete CATALOG UID",
    "search": "ls CATALOG --where KEY=VALUE",
    "tag": "note CATALOG UID --tag TAG",
}

OPTIONS = {
    "delete --force": "--yes deletes without asking",
    "lineage --upstream": "without an option lineage shows inputs and results",
    "ls -N": "-n N lists the newest N runs",
}


def for_option(command: str | None, option: str) -> str | None:
    """What to use in place of an option, or of a negative number, that a command does not have."""
    return OPTIONS.get(f"{command} {re.sub(r'^-[0-9]+$', '-N', option)}")
